// @effect-diagnostics nodeBuiltinImport:off -- a thread blocks while node:worker_threads answers
// @effect-diagnostics schemaSync:off -- there is no Effect on this side, only a thread that waits
import * as Schema from "effect/Schema"
import { createRequire } from "node:module"
import * as Net from "node:net"
import { performance } from "node:perf_hooks"
import * as Threads from "node:worker_threads"
import type { PoolOptions } from "../HttpConfig.ts"
import * as HttpError from "../HttpError.ts"
import { packOptions } from "./carryOptions.ts"
import { windowBytes } from "./modelCalls.ts"
import type { Call, EncodedError, FromWorker, ToWorker, Values, WorkerStart } from "./modelCalls.ts"
import type { serve } from "./serveCalls.ts"

/** After this long without a word the worker is asked whether it lives, and given up after the same time again. */
const patience = 30_000
/** After this long it is looked at whether the server can answer at all. */
const suspicion = 250
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

/** Pieces of at most a window, each with a buffer of its own that can change hands; empty ones are left out. */
function* piecesOf(source: Iterable<Uint8Array>): Generator<Uint8Array<ArrayBuffer>, void> {
  for (const bytes of source) {
    if (!(bytes instanceof Uint8Array)) throw new TypeError("a body is made of Uint8Array")
    for (let at = 0; at < bytes.length; at += windowBytes) yield new Uint8Array(bytes.subarray(at, at + windowBytes))
  }
}

type Answer = Extract<FromWorker, { readonly id: number; readonly type: "done" | "failed" | "interrupted" }>

/** How a call waits. @internal */
export interface CallOptions {
  readonly millis: number
  /** Where the call goes, for errors. */
  readonly url: string
  readonly upload?: Iterable<Uint8Array> | undefined
  /** What of the call's own buffers goes to the worker instead of a copy. */
  readonly transfer?: ReadonlyArray<ArrayBuffer> | undefined
}

const isValueOf = <C extends Call>(
  answer: Answer,
  call: C
): answer is Extract<Answer, { readonly type: "done" }> & { readonly value: Values[C["op"]] } =>
  answer.type === "done" && answer.op === call.op

const decodeError = Schema.decodeUnknownSync(HttpError.HttpError)

/** An error as it was in the worker, an instance of the same class. @internal */
export const errorOf = (encoded: EncodedError): HttpError.HttpError => decodeError(encoded)

const refuse = (reason: HttpError.SyncError["reason"], detail: string, cause?: unknown): HttpError.SyncError =>
  new HttpError.SyncError({ reason, detail, cause })

const isListener = (u: unknown): u is Net.Server => u instanceof Net.Server && u.listening

/** The servers of this thread. Node has no other name for it; where it is gone, nothing is found. */
const listeners = (): ReadonlyArray<Net.Server> => {
  const name = "_getActiveHandles"
  const list: unknown = Reflect.get(process, name)
  if (typeof list !== "function") return []
  const handles: unknown = Reflect.apply(list, process, [])
  return Array.isArray(handles) ? handles.filter(isListener) : []
}

const loopback = new Set(["localhost", "127.0.0.1", "[::1]"])

/** Whether a URL leads to a server of the thread that waits for it. */
const isOwnServer = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  const port = url.port === "" ? (/^(https|wss):$/.test(url.protocol) ? 443 : 80) : Number(url.port)
  return loopback.has(url.hostname) && listeners().some((server) => {
    const address = server.address()
    return typeof address === "object" && address?.port === port
  })
}

const originOf = (url: string): string => URL.canParse(url) ? new URL(url).origin : url

/**
 * The thread's end of a worker. The worker starts with the first call and holds no process alive.
 *
 * @internal
 */
export class WorkerBridge {
  readonly #pool: PoolOptions
  readonly #signal = new Int32Array(new SharedArrayBuffer(4))
  readonly #uploads = new Map<number, Generator<Uint8Array<ArrayBuffer>, void>>()
  /** What iterables threw that belong to calls under way. */
  readonly #thrown = new Map<number, { readonly cause: unknown }>()
  /** Calls under way, with their answers: an iterable that is uploaded may make calls of its own. */
  readonly #calls = new Map<number, Answer | undefined>()
  #worker: Threads.Worker | undefined
  #port: Threads.MessagePort | undefined
  #lost: HttpError.SyncError | undefined
  #last = 0

  constructor(pool: PoolOptions) {
    this.#pool = pool
  }

  /** Make a call and wait for its value. What the call made in the worker is known by `id`. */
  call<C extends Call>(id: number, call: C, options: CallOptions): Values[C["op"]] {
    const port = this.#open()
    if (options.upload !== undefined) this.#uploads.set(id, piecesOf(options.upload))
    try {
      this.#calls.set(id, undefined)
      this.#post(port, { type: "call", id, call }, options.transfer)
      const answer = this.#await(port, id, options)
      if (isValueOf(answer, call)) return answer.value
      throw this.#failure(id, answer, options)
    } catch (error) {
      this.#leave(id)
      throw error
    } finally {
      this.#calls.delete(id)
      this.#thrown.delete(id)
    }
  }

  get nextId(): number {
    return ++this.#last
  }

  /** The worker has been started and not been closed. */
  get running(): boolean {
    return this.#worker !== undefined && this.#lost === undefined
  }

  /** Close what is open in the worker, and end it. */
  close(): void {
    if (this.running) {
      const id = this.nextId
      try {
        this.call(id, { op: "shutdown" }, { millis: patience, url: "" })
      } finally {
        this.#end(refuse("Closed", "it was closed before"))
      }
    }
    this.#lost ??= refuse("Closed", "it was closed before")
  }

  #end(lost: HttpError.SyncError): void {
    this.#lost = lost
    for (const id of this.#uploads.keys()) this.#leave(id)
    this.#port?.close()
    void this.#worker?.terminate()
  }

  #open(): Threads.MessagePort {
    if (this.#lost !== undefined) throw this.#lost
    return this.#port ??= this.#start()
  }

  #start(): Threads.MessagePort {
    const outer: unknown = Threads.workerData
    const module = import.meta.url.replace(serveCalls, "serveCalls")
    if (typeof outer === "object" && outer !== null && Reflect.get(outer, "module") === module) {
      throw refuse("Nested", "it was made in the worker that answers such calls, which cannot wait for itself")
    }
    const { port1, port2 } = new Threads.MessageChannel()
    const start: WorkerStart = { module, loader: loaderOf(module), port: port2, signal: this.#signal, pool: undefined }
    try {
      const workerData: WorkerStart = { ...start, pool: packOptions(this.#pool) }
      const worker = new Threads.Worker(bootstrap, { eval: true, workerData, transferList: [port2] })
      worker.on("error", (cause) => this.#lost ??= refuse("Worker", "its worker failed", cause))
      worker.unref()
      this.#worker = worker
    } catch (cause) {
      throw refuse("Options", "an option cannot be sent to the worker", cause)
    }
    port1.unref()
    return port1
  }

  #post(port: Threads.MessagePort, message: ToWorker, transfer: ReadonlyArray<ArrayBuffer> = []): void {
    try {
      port.postMessage(message, [...transfer])
    } catch (cause) {
      throw refuse("Options", "an option or a body cannot be sent to the worker", cause)
    }
  }

  /** Wait for the answer, and hand out pieces of uploads meanwhile. After the time is over the worker stops the call. */
  #await(port: Threads.MessagePort, id: number, { millis, url }: CallOptions): Answer {
    const started = performance.now()
    let heard = started
    let pinged = false
    let suspected = false
    let cancelled = false
    while (true) {
      const seen = Atomics.load(this.#signal, 0)
      const heardMore = this.#receive(port)
      const answer = this.#calls.get(id)
      if (answer !== undefined) return answer
      const now = performance.now()
      if (heardMore) {
        heard = now
        pinged = false
      } else {
        if (!suspected && now - started >= suspicion) {
          suspected = true
          if (isOwnServer(url)) this.#refuseOwnServer(port, id)
        }
        if (!cancelled && now - started >= millis) {
          cancelled = true
          this.#post(port, { type: "cancel", id })
        }
        if (now - heard >= patience * 2) this.#giveUp("its worker does not answer any more")
        if (!pinged && now - heard >= patience) {
          pinged = true
          this.#post(port, { type: "ping" })
        }
        const wait = Math.min(
          heard + (pinged ? patience * 2 : patience) - now,
          suspected ? patience : started + suspicion - now,
          cancelled ? patience : started + millis - now
        )
        Atomics.wait(this.#signal, 0, seen, Math.max(1, wait))
      }
    }
  }

  /** Take one message from the worker, if there is one. */
  #receive(port: Threads.MessagePort): boolean {
    const received: { readonly message: FromWorker } | undefined = Threads.receiveMessageOnPort(port)
    if (received === undefined) return false
    const { message } = received
    switch (message.type) {
      case "pull":
        this.#feed(port, message.id)
        break
      case "left":
        this.#leave(message.id)
        break
      case "pong":
        break
      case "unstarted":
        return this.#giveUp(`its worker did not start: ${message.reason}`)
      default:
        if (this.#calls.has(message.id)) this.#calls.set(message.id, message)
    }
    return true
  }

  #feed(port: Threads.MessagePort, id: number): void {
    const upload = this.#uploads.get(id)
    if (upload === undefined) return
    try {
      const next = upload.next()
      if (next.done === true) this.#post(port, { type: "piece", id, bytes: undefined })
      else this.#post(port, { type: "piece", id, bytes: next.value }, [next.value.buffer])
    } catch (cause) {
      if (this.#calls.has(id)) this.#thrown.set(id, { cause })
      this.#post(port, { type: "broken", id })
    }
  }

  /** No more of an upload is wanted. */
  #leave(id: number): void {
    const upload = this.#uploads.get(id)
    this.#uploads.delete(id)
    upload?.return()
  }

  #refuseOwnServer(port: Threads.MessagePort, id: number): never {
    this.#post(port, { type: "cancel", id })
    throw refuse(
      "SameThread",
      "the server listens on the thread that this call blocks, so it can never answer; run it in another thread or process"
    )
  }

  #giveUp(detail: string): never {
    const lost = refuse("Worker", detail)
    this.#end(lost)
    throw lost
  }

  #failure(
    id: number,
    answer: Answer,
    options: CallOptions
  ): HttpError.HttpError {
    if (answer.type !== "failed") {
      return new HttpError.TotalTimeout({ origin: originOf(options.url), millis: options.millis, sent: "partial" })
    }
    const error = errorOf(answer.error)
    const thrown = this.#thrown.get(id)
    return thrown !== undefined && error._tag === "WriteError"
      ? new HttpError.WriteError({ reason: error.reason, origin: error.origin, cause: thrown.cause })
      : error
  }
}
