// @effect-diagnostics nodeBuiltinImport:off a thread blocks while node:worker_threads answers
/** The end of a worker on the thread that waits for it: calls that block until they are answered. */
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { performance } from "node:perf_hooks"
import * as Threads from "node:worker_threads"
import { SyncError } from "../StoreError.ts"
import { pack, unpack } from "./carryValues.ts"
import type { FromWorker, Request, ToWorker } from "./modelCalls.ts"
import { lookOut, startWorker } from "./startWorker.ts"
import type { Started } from "./startWorker.ts"

/** After this long without a word the worker is asked whether it lives, and given up after the same time again. */
const patience = 30_000
/** How much of an iterable goes to the worker at once. */
const pieceBytes = 256 * 1024
const pieceElements = 1000

const refuse = (reason: SyncError["reason"], detail: string, cause?: unknown): SyncError =>
  new SyncError({ reason, detail, cause })

/** Elements that fit into a piece. */
function* portionsOf(source: Iterable<unknown>): Generator<unknown, void> {
  for (const element of source) {
    if (!(element instanceof Uint8Array) || element.length <= pieceBytes) yield element
    else for (let at = 0; at < element.length; at += pieceBytes) yield element.subarray(at, at + pieceBytes)
  }
}

/** Elements by the piece. Bytes are copied at once, so their array may be used again. */
function* piecesOf(source: Iterable<unknown>): Generator<ReadonlyArray<unknown>, void> {
  let piece: Array<unknown> = []
  let bytes = 0
  for (const element of portionsOf(source)) {
    piece.push(element instanceof Uint8Array ? new Uint8Array(element) : element)
    bytes += element instanceof Uint8Array ? element.length : 0
    if (piece.length < pieceElements && bytes < pieceBytes) continue
    yield piece
    piece = []
    bytes = 0
  }
  if (piece.length > 0) yield piece
}

type Answer = Extract<FromWorker, { readonly type: "done" | "failed" }>

/** @internal The worker that answers blocking calls. It holds no process alive. */
export class WorkerBridge {
  readonly #worker: Threads.Worker
  readonly #port: Threads.MessagePort
  readonly #signal: Int32Array
  readonly #sources = new Map<number, Generator<ReadonlyArray<unknown>, void>>()
  /** What iterables threw that belong to calls under way. */
  readonly #thrown = new Map<number, { readonly cause: unknown }>()
  /** Calls under way, with their answers: an iterable that is pulled from may make calls of its own. */
  readonly #calls = new Map<number, Answer | undefined>()
  #lost: SyncError | undefined
  #last = 0

  constructor(settings: unknown) {
    refuseInsideFiber()
    let started: Started
    try {
      started = startWorker("serveCalls", pack(settings))
    } catch (cause) {
      throw refuse("Options", "a setting cannot be sent to the worker", cause)
    }
    this.#worker = started.worker
    this.#port = started.port
    this.#signal = started.signal
    this.#worker.on("error", (cause) => this.#lost ??= refuse("Worker", "its worker failed", cause))
  }

  get nextId(): number {
    return ++this.#last
  }

  /** Makes a request and waits for its answer. What is opened is known by `id`. */
  request(id: number, request: Request, source?: Iterable<unknown>): unknown {
    refuseInsideFiber()
    if (this.#lost !== undefined) throw this.#lost
    if (source !== undefined) this.#sources.set(id, piecesOf(source))
    this.#calls.set(id, undefined)
    try {
      this.#post({ type: "request", id, request })
      const answer = this.#await(id)
      const thrown = this.#thrown.get(id)
      if (answer.type === "done") return unpack(answer.value)
      throw thrown === undefined ? unpack(answer.error) : thrown.cause
    } finally {
      this.#calls.delete(id)
      this.#thrown.delete(id)
      this.#sources.get(id)?.return()
      this.#sources.delete(id)
    }
  }

  /** Closes what a call has opened; with the store it is closed already. */
  release(of: number): void {
    if (this.#lost === undefined) this.request(this.nextId, { op: "close", of })
  }

  /** Closes what is open in the worker, and ends it. */
  close(): void {
    if (this.#lost !== undefined) return
    try {
      this.request(this.nextId, { op: "shutdown" })
    } finally {
      this.#end(refuse("Closed", "the store was closed before"))
    }
  }

  #end(lost: SyncError): void {
    this.#lost = lost
    this.#port.close()
    void this.#worker.terminate()
  }

  #post(message: ToWorker): void {
    try {
      this.#port.postMessage(message, [])
      Atomics.add(this.#signal, 1, 1)
    } catch (cause) {
      throw refuse("Options", "an argument cannot be sent to the worker", cause)
    }
  }

  /** Waits for the answer, and hands out pieces of iterables meanwhile. */
  #await(id: number): Answer {
    let heard = performance.now()
    let pinged = false
    while (true) {
      const seen = Atomics.load(this.#signal, 0)
      if (this.#receive()) {
        heard = performance.now()
        pinged = false
      } else {
        const silence = performance.now() - heard
        if (silence >= patience * 2) this.#giveUp("its worker does not answer any more")
        if (!pinged && silence >= patience) {
          pinged = true
          this.#post({ type: "ping" })
        }
        if (!lookOut(this.#signal, 0, seen, 0.04)) {
          Atomics.wait(this.#signal, 0, seen, Math.max(1, (pinged ? patience * 2 : patience) - silence))
        }
      }
      const answer = this.#calls.get(id)
      if (answer !== undefined) return answer
    }
  }

  /** Takes one message from the worker, if there is one. */
  #receive(): boolean {
    const received: { readonly message: FromWorker } | undefined = Threads.receiveMessageOnPort(this.#port)
    if (received === undefined) return false
    const { message } = received
    switch (message.type) {
      case "pull":
        this.#feed(message.id)
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

  #feed(id: number): void {
    const source = this.#sources.get(id)
    if (source === undefined) return
    try {
      const next = source.next()
      this.#post({ type: "piece", id, elements: next.done === true ? undefined : next.value })
    } catch (cause) {
      this.#thrown.set(id, { cause })
      this.#post({ type: "broken", id })
    }
  }

  #giveUp(detail: string): never {
    const lost = refuse("Worker", detail)
    this.#end(lost)
    throw lost
  }
}

/** A fiber that blocks stops every other one of its thread, and with it whatever it waits for. */
const refuseInsideFiber = (): void => {
  if (Option.isSome(Fiber.getCurrentFiber())) {
    throw refuse("InsideFiber", "a fiber of Effect runs on this thread and must not block; use the store itself there")
  }
}
