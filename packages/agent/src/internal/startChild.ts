// @effect-diagnostics nodeBuiltinImport:off -- untrusted code runs in processes of their own
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { compilerOf, importRun } from "./startThread.ts"

const bootstrap = (module: string) =>
  `${importRun}
const fail = ({ name, message, code }) =>
  process.send({ failed: { name: String(name), message: String(message), code: String(code) } })
let run
process.on("disconnect", () => process.exit())
process.on("message", async (job) => {
  try {
    run ??= await importRun(${JSON.stringify({ module, compiler: compilerOf(module) })})
    process.send({ done: await run(job) })
  } catch (error) {
    fail(error ?? {})
  }
})
`

/**
 * @internal
 * A process that runs a module: with no environment, no input, and no way to make code from text, so that whoever
 * escapes from an interpreter in it finds little. It ends with its parent.
 */
export const startChild = (module: string, heapMegabytes: number): ChildProcess => {
  const child = spawn(
    process.execPath,
    [
      `--max-old-space-size=${heapMegabytes}`,
      "--disallow-code-generation-from-strings",
      "--no-warnings",
      "-e",
      bootstrap(module)
    ],
    { env: {}, stdio: ["ignore", "pipe", "ignore", "ipc"], serialization: "json" }
  )
  // Whoever runs something in it listens too; what goes wrong between two runs must not end this process.
  child.on("error", () => {})
  return child
}
