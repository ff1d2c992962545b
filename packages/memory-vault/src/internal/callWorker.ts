// @effect-diagnostics nodeBuiltinImport:off -- a thread blocks while node:worker_threads answers
// @effect-diagnostics schemaSync:off -- there is no Effect on this side, only a thread that waits
/**
 * The blocking side of `Sync`: a thread that waits for its worker by `Atomics.wait`.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createRequire } from "node:module"
import { performance } from "node:perf_hooks"
import * as Threads from "node:worker_threads"
import type { ScopeIds } from "../MemoryScope.ts"
import type { SqliteOptions } from "../MemoryVaultConfig.ts"
import { MemoryVaultError, SyncError } from "../MemoryVaultError.ts"
import { packTimes, unpackTimes } from "./carryTimes.ts"
import type { Ask, FromWorker, ToWorker, WorkerStart } from "./modelCalls.ts"
import type { Calls, Streams } from "./plainCalls.ts"
import type { serve } from "./serveCalls.ts"

/** After this long without a word the worker is asked whether it lives, and given up after the same time again. */
const patience = 30_000
const serveCalls = /callWorker(?=\.[jt]s$)/

/** The function of the other module that the worker calls, checked here because the text below is not. */
const entry: typeof serve extends (start: WorkerStart) => void ? "serve" : never = "serve"

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
    module.${entry}(workerData)
  } catch (cause) {
    workerData.port.postMessage({ type: "unstarted", reason: String(cause) })
    Atomics.add(workerData.signal, 0, 1)
    Atomics.notify(workerData.signal, 0)
  }
}
start()
`

/** The module that registers tsx, for a worker that is to run TypeScript. */
const loaderOf = (module: string): string | undefined => {
  if (module.endsWith(".js") || "typescript" in process.features && process.features.typescript !== false) {
    return undefined
  }
  return `file://${createRequire(module).resolve("tsx/esm/api").replace(/\.cjs$/, ".mjs")}`
}

const decodeError = Schema.decodeUnknownSync(MemoryVaultError)

type Answer = Extract<FromWorker, { readonly id: number }>

/** Both threads run this package, so the answer to a call is of its operation. */
const isValueOf = <Op extends keyof Calls>(_op: Op, value: unknown): value is Calls[Op]["value"] =>
  value === undefined || value !== null

const arePiecesOf = <Op extends keyof Streams>(
  _op: Op,
  value: unknown
): value is ReadonlyArray<Streams[Op]["value"]> => Array.isArray(value)

const lostBy = (detail: string, cause?: unknown): SyncError => new SyncError({ reason: "worker", detail, cause })

/**
 * The thread's end of a worker. The worker starts with the first call and holds no process alive.
 *
 * @since 0.1.0
 */
export class WorkerBridge {
  readonly #options: SqliteOptions
  readonly #signal = new Int32Array(new SharedArrayBuffer(4))
  #worker: Threads.Worker | undefined
  #port: Threads.MessagePort | undefined
  #lost: SyncError | undefined
  #last = 0

  constructor(options: SqliteOptions) {
    this.#options = options
  }

  call<Op extends keyof Calls>(op: Op, scope: ScopeIds, ...args: Calls[Op]["args"]): Calls[Op]["value"] {
    const value = this.#ask({ kind: "call", op, scope, args })
    if (isValueOf(op, value)) return value
    throw lostBy(`no answer to ${op}`)
  }

  /** Reads on as the caller does; a caller that stops early lets go of the stream. */
  *stream<Op extends keyof Streams>(
    op: Op,
    scope: ScopeIds,
    ...args: Streams[Op]["args"]
  ): Generator<Streams[Op]["value"], void> {
    this.#ask({ kind: "stream", op, scope, args })
    const stream = this.#last
    try {
      while (true) {
        const pieces = this.#ask({ kind: "next", stream })
        if (!arePiecesOf(op, pieces)) return
        yield* pieces
      }
    } finally {
      if (this.#lost === undefined) this.#ask({ kind: "leave", stream })
    }
  }

  /** Closes the vault and ends the worker. */
  close(): void {
    if (this.#worker !== undefined && this.#lost === undefined) {
      try {
        this.#ask({ kind: "shutdown" })
      } finally {
        this.#end(new SyncError({ reason: "closed" }))
      }
    }
    this.#lost ??= new SyncError({ reason: "closed" })
  }

  #ask(
    ask: Ask | { readonly kind: "call" | "stream"; readonly op: string; readonly args: ReadonlyArray<unknown> }
  ): unknown {
    const port = this.#open()
    const id = ++this.#last
    this.#post(port, { type: "ask", id, ask: packTimes(ask) })
    const answer = this.#await(port, id)
    if (answer.type === "done") return unpackTimes(answer.value)
    throw decodeError(answer.error)
  }

  #open(): Threads.MessagePort {
    if (this.#lost !== undefined) throw this.#lost
    return this.#port ??= this.#start()
  }

  #start(): Threads.MessagePort {
    const outer: unknown = Threads.workerData
    const module = import.meta.url.replace(serveCalls, "serveCalls")
    if (typeof outer === "object" && outer !== null && Reflect.get(outer, "module") === module) {
      throw new SyncError({ reason: "nested" })
    }
    const { masterKey, ...options } = this.#options
    const { port1, port2 } = new Threads.MessageChannel()
    const workerData: WorkerStart = {
      module,
      loader: loaderOf(module),
      port: port2,
      signal: this.#signal,
      options,
      masterKey: masterKey && Redacted.value(masterKey)
    }
    try {
      const worker = new Threads.Worker(bootstrap, { eval: true, workerData, transferList: [port2] })
      worker.on("error", (cause) => this.#lost ??= lostBy("its worker failed", cause))
      worker.unref()
      this.#worker = worker
    } catch (cause) {
      throw new SyncError({ reason: "arguments", cause })
    }
    port1.unref()
    return port1
  }

  #post(
    port: Threads.MessagePort,
    message: ToWorker | { readonly type: "ask"; readonly id: number; readonly ask: unknown }
  ): void {
    try {
      port.postMessage(message)
    } catch (cause) {
      throw new SyncError({ reason: "arguments", cause })
    }
  }

  #await(port: Threads.MessagePort, id: number): Answer {
    let heard = performance.now()
    let pinged = false
    while (true) {
      const seen = Atomics.load(this.#signal, 0)
      const received: { readonly message: FromWorker } | undefined = Threads.receiveMessageOnPort(port)
      if (received !== undefined) {
        const { message } = received
        if (message.type === "unstarted") this.#giveUp(`its worker did not start: ${message.reason}`)
        if ((message.type === "done" || message.type === "failed") && message.id === id) return message
        heard = performance.now()
        pinged = false
        continue
      }
      const silence = performance.now() - heard
      if (silence >= patience * 2) this.#giveUp("its worker does not answer any more")
      if (!pinged && silence >= patience) {
        pinged = true
        this.#post(port, { type: "ping" })
      }
      Atomics.wait(this.#signal, 0, seen, Math.max(1, (pinged ? patience * 2 : patience) - silence))
    }
  }

  #end(lost: SyncError): void {
    this.#lost = lost
    this.#port?.close()
    void this.#worker?.terminate()
  }

  #giveUp(detail: string): never {
    const lost = lostBy(detail)
    this.#end(lost)
    throw lost
  }
}
