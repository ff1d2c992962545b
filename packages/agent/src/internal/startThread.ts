// @effect-diagnostics nodeBuiltinImport:off -- work that would block the event loop runs in node:worker_threads
import { createRequire } from "node:module"
import { Worker } from "node:worker_threads"

/** @internal What a module that runs in a thread or a child process exports under the name `run`. */
export type Run<Job, Result> = (job: Job) => Promise<Result>

/** @internal What a thread answers to a job. */
export type Answer<Result> =
  | { readonly done: Result }
  | { readonly failed: { readonly name: string; readonly message: string; readonly code: string } }

/**
 * @internal
 * What turns TypeScript into JavaScript, where what runs elsewhere is TypeScript (in this repository) and Node does not
 * strip types by itself.
 */
export const compilerOf = (module: string): string | undefined => {
  if (module.endsWith(".js") || ("typescript" in process.features && process.features.typescript !== false)) {
    return undefined
  }
  return createRequire(createRequire(module).resolve("tsx")).resolve("esbuild")
}

/** Only files of this repository pass through the compiler: a large library would take seconds. */
const hooks = `
import { createRequire } from "node:module"
import { readFileSync } from "node:fs"
let compiler
export const initialize = (file) => { compiler = createRequire(file)(file) }
export const load = (url, context, next) => {
  if (!url.endsWith(".ts")) return next(url, context)
  const { code } = compiler.transformSync(readFileSync(new URL(url), "utf8"), { loader: "ts", format: "esm" })
  return { format: "module", source: code, shortCircuit: true }
}
`

/** @internal Imports `run` of a module. Node 20 starts nothing from TypeScript, so what is started is this text. */
export const importRun = `
const importRun = async ({ compiler, module }) => {
  if (compiler !== undefined) {
    const { register } = await import("node:module")
    register("data:text/javascript," + encodeURIComponent(${JSON.stringify(hooks)}), { data: compiler })
  }
  return (await import(module)).run
}
`

const bootstrap = `${importRun}
const start = async () => {
  const { parentPort, workerData } = await import("node:worker_threads")
  // There a thread has a priority of its own: the event loop, which answers everybody, goes before.
  if (process.platform === "linux") (await import("node:os")).setPriority(10)
  const waiting = []
  let run
  const answer = async (job) => {
    try {
      parentPort.postMessage({ done: await run(job) })
    } catch (error) {
      const { name, message, code } = error ?? {}
      parentPort.postMessage({ failed: { name: String(name), message: String(message), code: String(code) } })
    }
  }
  parentPort.on("message", (job) => run === undefined ? waiting.push(job) : answer(job))
  run = await importRun(workerData)
  for (const job of waiting) await answer(job)
}
start()
`

/** @internal A thread that runs a module: its environment is empty and what it prints is dropped. */
export const startThread = (module: string, heapMegabytes: number): Worker => {
  const worker = new Worker(bootstrap, {
    eval: true,
    env: {},
    execArgv: [],
    workerData: { module, compiler: compilerOf(module) },
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytes, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 },
    stdout: true,
    stderr: true
  })
  worker.stdout.resume()
  worker.stderr.resume()
  // Whoever waits for an answer hears of an error; one that comes later must not end this process.
  worker.on("error", () => {})
  return worker
}
