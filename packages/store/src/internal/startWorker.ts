// @effect-diagnostics nodeBuiltinImport:off the threads are those of node:worker_threads
/** How a thread of this package is started, from its build and from its sources alike. */
import { createRequire } from "node:module"
import { performance } from "node:perf_hooks"
import * as Threads from "node:worker_threads"
import type { serve as serveBackend } from "./serveBackend.ts"
import type { serve as serveCalls } from "./serveCalls.ts"

/** @internal What every worker is started with. */
export interface WorkerStart {
  /** The module whose `serve` runs in the worker. */
  readonly module: string
  /** The module that makes TypeScript loadable, if that is needed. */
  readonly loader: string | undefined
  readonly port: Threads.MessagePort
  /** Counts the messages of the worker, so that a thread can block until the next, and those to it. */
  readonly signal: Int32Array
  readonly data: unknown
}

/** @internal The worker could not load what it was to run. */
export interface Unstarted {
  readonly type: "unstarted"
  readonly reason: string
}

/** The function that the worker calls, checked here because the text below is not. */
type Serve = (start: WorkerStart) => void | Promise<void>
const entry: typeof serveCalls extends Serve ? typeof serveBackend extends Serve ? "serve" : never : never = "serve"

/**
 * Plain JavaScript, because Node 20 cannot start a worker from TypeScript: it imports the module that serves. From the
 * sources of this repository it registers tsx first, where Node does not strip types by itself.
 */
const bootstrap = `
const start = async () => {
  const { workerData } = await import("node:worker_threads")
  try {
    if (workerData.loader !== undefined) (await import(workerData.loader)).register()
    const module = await import(workerData.module)
    await module.${entry}(workerData)
  } catch (cause) {
    workerData.port.postMessage({ type: "unstarted", reason: String(cause) })
    Atomics.add(workerData.signal, 0, 1)
    Atomics.notify(workerData.signal, 0)
  }
}
start()
`

/** The module that registers tsx, for a worker that is to run TypeScript. */
const loaderOf = (modules: ReadonlyArray<string>): string | undefined => {
  const source = modules.find((module) => !/\.[cm]?js$/.test(module))
  if (source === undefined || "typescript" in process.features && process.features.typescript !== false) {
    return undefined
  }
  return `file://${createRequire(source).resolve("tsx/esm/api").replace(/\.cjs$/, ".mjs")}`
}

/** @internal A worker thread, and the end of its channel that stays here. */
export interface Started {
  readonly worker: Threads.Worker
  readonly port: Threads.MessagePort
  readonly signal: Int32Array
}

/** @internal Starts a worker that holds no process alive; throws where `data` cannot be sent. */
export const startWorker = (
  name: "serveCalls" | "serveBackend",
  data: unknown,
  others: ReadonlyArray<string> = []
): Started => {
  const module = import.meta.url.replace(/startWorker(?=\.[jt]s$)/, name)
  const { port1, port2 } = new Threads.MessageChannel()
  const signal = new Int32Array(new SharedArrayBuffer(8))
  const workerData: WorkerStart = { module, loader: loaderOf([module, ...others]), port: port2, signal, data }
  const worker = new Threads.Worker(bootstrap, { eval: true, workerData, transferList: [port2] })
  worker.unref()
  port1.unref()
  return { worker, port: port1, signal }
}

/**
 * @internal A thread that is asleep takes long to wake, several times as long as a short call: who expects a message
 * soon looks out for it a moment before. Where all cores are busy that takes time from who is to answer, so the moment
 * is short. Answers whether the count has gone on from `seen`.
 */
export const lookOut = (signal: Int32Array, index: 0 | 1, seen: number, millis: number): boolean => {
  const end = performance.now() + millis
  while (Atomics.load(signal, index) === seen) if (performance.now() > end) return false
  return true
}

/** @internal Posts a message to the thread that waits for it. */
export const tell = ({ port, signal }: Pick<WorkerStart, "port" | "signal">, message: unknown): void => {
  port.postMessage(message)
  Atomics.add(signal, 0, 1)
  Atomics.notify(signal, 0)
}
