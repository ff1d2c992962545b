import type { HttpError } from "../HttpError.ts"
import type { Field, ResponseHead } from "./modelResponse.ts"
import type { Origin } from "./openSocket.ts"

/** How much of a request was handed to the socket. @internal */
export type Sent = "none" | "partial" | "complete"

/** Where a streamed request body goes. `ready` is called when more may be written. @internal */
export interface BodySink {
  readonly write: (pieces: ReadonlyArray<Uint8Array>, ready: () => void) => void
  readonly end: () => void
  readonly fail: (error: HttpError) => void
}

/** A request as it goes over the wire. @internal */
export interface WireRequest {
  readonly method: string
  /** Request line and headers, ISO 8859-1. */
  readonly head: string
  /** A small body that is written together with the head. */
  readonly body: Uint8Array | undefined
  /** Starts to write a body when the head was written; gives what stops it. */
  readonly upload: ((sink: BodySink) => () => void) | undefined
  /** Bytes of the uploaded body, -1 when it is chunked. */
  readonly uploadLength: number
  /** Repeating it does no harm and is possible: idempotent (RFC 9110 §9.2.2), and the body is still there. */
  readonly replayable: boolean
  /** The request asks to close the connection afterwards. */
  readonly close: boolean
  /** The body waits until the server has said that it wants it (RFC 9110 §10.1.1). */
  readonly expectsContinue: boolean
}

/** What an exchange needs of the connection that serves it. @internal */
export interface Carrier {
  readonly pauseReading: () => void
  readonly resumeReading: () => void
  /** The caller of an exchange that it carries lost interest. */
  readonly abort: (exchange: Exchange) => void
  /** Call `wake` when the socket has given everything that has arrived. */
  readonly afterReads: (wake: () => void) => void
  readonly remoteAddress: string | undefined
}

/** Buffered bytes at which a connection stops reading, and below which an unread rest is swallowed. */
const highWater = 262_144
const noChunks: ReadonlyArray<Uint8Array> = []

/**
 * One request with its response: the meeting point of a connection, which fills it, and a caller. What is done with the
 * response is left to the two kinds below.
 *
 * @internal
 */
export abstract class Exchange {
  readonly origin: Origin
  readonly request: WireRequest
  // where it is: in the queue of an origin, or one of those that a connection carries
  previous: Exchange | undefined = undefined
  next: Exchange | undefined = undefined
  queued = false
  sequence = 0
  carrier: Carrier | undefined = undefined
  /** It was repeated once after its connection was lost. */
  fresh = false
  sent: Sent = "none"
  acquireDeadline = Number.POSITIVE_INFINITY
  totalDeadline = Number.POSITIVE_INFINITY
  stopUpload: (() => void) | undefined = undefined
  /** Takes it out of the queue; set by the pool. */
  unqueue: ((exchange: Exchange) => void) | undefined = undefined
  // the response
  head: ResponseHead | undefined = undefined
  trailers: ReadonlyArray<Field> = []
  failure: HttpError | undefined = undefined
  ended = false
  /** Nobody waits for the response any more. */
  cancelled = false
  /** Somebody reads, or has decided not to. */
  attached = false
  paused = false
  remoteAddress: string | undefined = undefined
  protected received = 0

  constructor(origin: Origin, request: WireRequest) {
    this.origin = origin
    this.request = request
  }

  /** The head has arrived. */
  abstract onHead(head: ResponseHead): void
  /** Gives true when the view itself was kept, false when the bytes were copied or dropped. */
  abstract onBody(view: Uint8Array): boolean
  abstract onEnd(trailers: ReadonlyArray<Field>): void
  protected abstract onFailure(failure: HttpError): void

  get over(): boolean {
    return this.ended || this.failure !== undefined
  }

  fail(failure: HttpError): void {
    if (this.over) return
    this.failure = failure
    this.stopUpload?.()
    this.onFailure(failure)
  }

  /** The caller lost interest: leave the queue or the connection. */
  cancel(): void {
    if (this.over) return
    this.cancelled = true
    this.stopUpload?.()
    if (this.queued) this.unqueue?.(this)
    else this.carrier?.abort(this)
  }

  /** The rest of the body is known to be small enough to be swallowed. */
  get isNearlyDone(): boolean {
    const length = this.head?.framing === "length" ? this.head.contentLength : Number.POSITIVE_INFINITY
    return this.head?.framing === "none" || length - this.received <= highWater
  }

  pause(): void {
    if (this.paused || this.over) return
    this.paused = true
    this.carrier?.pauseReading()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.carrier?.resumeReading()
  }
}

/**
 * Keeps what arrives until somebody reads it. `settle` is called once: with the head of the response, or with a failure
 * that came before.
 *
 * @internal
 */
export class BufferedExchange extends Exchange {
  /** Dropped when it was called: an exchange may outlive many requests in the heap, and must not hold its caller there. */
  #settle: ((exchange: BufferedExchange) => void) | undefined
  #mode: "stream" | "collect" | "discard" = "stream"
  #chunks: Array<Uint8Array> = []
  #buffered = 0
  #reader: (() => void) | undefined = undefined
  #waking = false

  constructor(origin: Origin, request: WireRequest, settle: (exchange: BufferedExchange) => void) {
    super(origin, request)
    this.#settle = settle
  }

  onHead(head: ResponseHead): void {
    this.head = head
    this.remoteAddress = this.carrier?.remoteAddress
    if (this.cancelled) this.#mode = "discard"
    else this.#settleOnce()
  }

  #settleOnce(): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.(this)
  }

  onBody(view: Uint8Array): boolean {
    this.received += view.length
    if (this.#mode === "discard") return false
    // what is kept holds the memory of a whole read
    const keep = view.length * 2 >= view.buffer.byteLength
    this.#chunks.push(keep ? view : Buffer.from(view))
    this.#buffered += view.length
    if (this.#mode === "stream") {
      if (this.#buffered >= highWater) this.pause()
      this.#notifySoon()
    }
    return keep
  }

  onEnd(trailers: ReadonlyArray<Field>): void {
    this.trailers = trailers
    this.ended = true
    this.paused = false
    this.#notify()
  }

  protected onFailure(): void {
    if (this.head === undefined) this.#settleOnce()
    else this.#notify()
  }

  /** A socket gives what has arrived in many reads at once: wake the reader after the last of them. */
  #notifySoon(): void {
    if (this.#waking || this.#reader === undefined) return
    this.#waking = true
    this.carrier?.afterReads(() => {
      this.#waking = false
      this.#notify()
    })
  }

  #notify(): void {
    const reader = this.#reader
    if (reader === undefined) return
    this.#reader = undefined
    reader()
  }

  // ----------------------------------------------------------------------------------------- the side of the caller

  /** Call `reader` once: at the next change (bytes, the end, a failure), or now when it came before the call. */
  wait(reader: () => void): void {
    if (this.over || (this.#mode === "stream" && this.#buffered > 0)) reader()
    else this.#reader = reader
  }

  /** The bytes that have arrived since the last call; reading goes on. */
  take(): ReadonlyArray<Uint8Array> {
    this.attached = true
    if (this.#buffered === 0) return noChunks
    const chunks = this.#chunks
    this.#chunks = []
    this.#buffered = 0
    this.resume()
    return chunks
  }

  /** Nothing waits to be taken. */
  get isTaken(): boolean {
    return this.#buffered === 0
  }

  /** Keep every byte until the end, however many. */
  collect(): void {
    this.attached = true
    this.#mode = "collect"
    this.resume()
  }

  /** Nobody will read the rest: swallow it when it is known to be small, else close the connection. */
  abandon(): void {
    if (this.over) return
    this.attached = true
    this.#chunks = []
    this.#buffered = 0
    if (!this.isNearlyDone) return this.cancel()
    this.#mode = "discard"
    this.resume()
  }
}
