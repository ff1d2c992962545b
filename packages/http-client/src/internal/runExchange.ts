import type { HttpError } from "../HttpError.ts"
import type { Field, ResponseHead } from "./modelResponse.ts"
import type { Origin } from "./openSocket.ts"

/** How much of a request was handed to the socket. @internal */
export type Sent = "none" | "partial" | "complete"

/** Where a streamed request body goes. `ready` is called when more may be written. @internal */
export interface BodySink {
  readonly write: (chunk: Uint8Array, ready: () => void) => void
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
}

/** What an exchange needs of the connection that serves it. @internal */
export interface Carrier {
  readonly pauseReading: () => void
  readonly resumeReading: () => void
  readonly abort: () => void
  /** Call `wake` when the socket has given everything that has arrived. */
  readonly afterReads: (wake: () => void) => void
  readonly remoteAddress: string | undefined
}

/** Buffered bytes at which a connection stops reading, and below which an unread rest is swallowed. */
const highWater = 262_144
const noChunks: ReadonlyArray<Uint8Array> = []

/**
 * One request with its response: the meeting point of a connection, which fills it, and a caller, who reads it.
 * `settle` is called once: with the head of the response, or with a failure that came before.
 *
 * @internal
 */
export class Exchange {
  readonly origin: Origin
  readonly request: WireRequest
  readonly settle: (exchange: Exchange) => void
  // where it is: in the queue of an origin, or carried by a connection
  previous: Exchange | undefined = undefined
  next: Exchange | undefined = undefined
  queued = false
  sequence = 0
  carrier: Carrier | undefined = undefined
  /** It was repeated once after a stale connection, so only a new connection will do. */
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
  /** Somebody reads, or has decided not to. */
  attached = false
  paused = false
  remoteAddress: string | undefined = undefined
  #mode: "stream" | "collect" | "discard" = "stream"
  #chunks: Array<Uint8Array> = []
  #buffered = 0
  #received = 0
  #reader: (() => void) | undefined = undefined
  #waking = false

  constructor(origin: Origin, request: WireRequest, settle: (exchange: Exchange) => void) {
    this.origin = origin
    this.request = request
    this.settle = settle
  }

  // ------------------------------------------------------------------------------------- the side of the connection

  onHead(head: ResponseHead): void {
    this.head = head
    this.remoteAddress = this.carrier?.remoteAddress
    this.settle(this)
  }

  /** Gives true when the view itself was kept, false when the bytes were copied or dropped. */
  onBody(view: Uint8Array): boolean {
    this.#received += view.length
    if (this.#mode === "discard") return false
    const keep = view.length >= 8192
    this.#chunks.push(keep ? view : Buffer.from(view))
    this.#buffered += view.length
    if (this.#mode === "stream") {
      if (this.#buffered >= highWater && !this.paused) {
        this.paused = true
        this.carrier?.pauseReading()
      }
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

  fail(failure: HttpError): void {
    if (this.ended || this.failure !== undefined) return
    this.failure = failure
    this.stopUpload?.()
    if (this.head === undefined) this.settle(this)
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

  /** The caller lost interest: leave the queue, or close the connection. */
  cancel(): void {
    if (this.ended || this.failure !== undefined) return
    this.stopUpload?.()
    if (this.queued) this.unqueue?.(this)
    else this.carrier?.abort()
  }

  /** Call `reader` once: at the next change (bytes, the end, a failure), or now when it came before the call. */
  wait(reader: () => void): void {
    const changed = this.ended || this.failure !== undefined || (this.#mode === "stream" && this.#buffered > 0)
    if (changed) reader()
    else this.#reader = reader
  }

  /** The bytes that have arrived since the last call; reading goes on. */
  take(): ReadonlyArray<Uint8Array> {
    this.attached = true
    if (this.#buffered === 0) return noChunks
    const chunks = this.#chunks
    this.#chunks = []
    this.#buffered = 0
    this.#resume()
    return chunks
  }

  /** Keep every byte until the end, however many. */
  collect(): void {
    this.attached = true
    this.#mode = "collect"
    this.#resume()
  }

  /** Nobody will read the rest: swallow it when it is known to be small, else close the connection. */
  abandon(): void {
    if (this.ended || this.failure !== undefined) return
    this.attached = true
    this.#chunks = []
    this.#buffered = 0
    const length = this.head?.framing === "length" ? this.head.contentLength : Number.POSITIVE_INFINITY
    if (length - this.#received > highWater) return this.cancel()
    this.#mode = "discard"
    this.#resume()
  }

  #resume(): void {
    if (!this.paused) return
    this.paused = false
    this.carrier?.resumeReading()
  }
}
