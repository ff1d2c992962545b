// @effect-diagnostics nodeBuiltinImport:off -- the driver of an upgraded socket
import type * as Net from "node:net"
import { WebSocketClosed } from "../HttpError.ts"
import type { WebSocketProtocolError } from "../HttpError.ts"
import * as PerMessageDeflate from "../PerMessageDeflate.ts"
import { FrameParser, opcodes } from "../WebSocketFrame.ts"
import type { FrameEvent, WebSocketLimits } from "../WebSocketFrame.ts"
import { frameAlone, FrameBatch } from "./batchFrames.ts"

/** Messages, and their bytes, that may wait for a reader before the socket stops reading. */
const mostMessages = 1024
const mostBytes = 1_048_576
/** A message below this size is not worth compressing. */
const deflateFrom = 1024
const fin = 0x80
const rsv1 = 0x40
const nothing = new Uint8Array(0)

/** Why there are no more messages. @internal */
export type Ending = WebSocketClosed | WebSocketProtocolError

interface Waiting {
  readonly message: string | Uint8Array
  readonly done: (sent: boolean) => void
}

/**
 * The messages of one open connection, with callbacks: from the answer to the handshake to the end of the socket.
 *
 * @internal
 */
export class FrameExchange {
  /** The subprotocol that the server chose, "" for none. */
  readonly protocol: string
  readonly #socket: Net.Socket
  readonly #parser: FrameParser
  readonly #deflater: PerMessageDeflate.Deflater | undefined
  readonly #batch = new FrameBatch()
  #flushSoon = false
  #blocked = false
  readonly #waiting = new Set<Waiting>()
  #messages: Array<string | Uint8Array> = []
  /** How many of them were taken one by one. */
  #taken = 0
  #bytes = 0
  #paused = false
  #onChange: (() => void) | undefined
  readonly #onEnd = new Set<() => void>()
  #sentClose = false
  #pings = 0
  /** Messages that were sent before the last ping. */
  #sentBefore = 0
  /** The last ping that waits for room to be answered. */
  #pong: Uint8Array | undefined
  /** Counts everything that arrives, so that a heartbeat sees life. */
  received = 0
  /** Messages that have come. */
  arrived = 0
  /** Messages handed to the socket, and how many of them the other side has read for certain. */
  sent = 0
  confirmed = 0
  /** This side began to close. */
  closedHere = false
  /** Why there will be no more messages. */
  end: Ending | undefined

  constructor(
    socket: Net.Socket,
    protocol: string,
    limits: WebSocketLimits,
    agreement: PerMessageDeflate.Agreement | undefined
  ) {
    this.#socket = socket
    this.protocol = protocol
    this.#deflater = agreement && new PerMessageDeflate.Deflater(agreement.client)
    this.#parser = new FrameParser(limits, agreement && new PerMessageDeflate.Inflater(agreement.server))
    socket.on("drain", () => this.#drained())
  }

  // ------------------------------------------------------------------------------------------------ what comes back

  /** Bytes of the socket, which may be overwritten afterwards; false to stop reading. */
  receive(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.end !== undefined) return false
    this.received++
    for (const event of this.#parser.push(bytes, start, end)) {
      this.#take(event)
      if (this.end !== undefined) return false
    }
    const { failure } = this.#parser
    if (failure !== undefined) {
      this.#sendClose(failure.code, "")
      this.#finish(failure)
      return false
    }
    if (this.#messages.length > 0) {
      if ((this.#messages.length >= mostMessages || this.#bytes >= mostBytes) && !this.closedHere) {
        this.#paused = true
        this.#socket.pause()
      }
      this.#changed()
    }
    return !this.#paused
  }

  #take(event: FrameEvent): void {
    switch (event._tag) {
      case "Message":
        // what comes while it closes, and nobody reads, is dropped
        if (this.closedHere && this.#bytes >= mostBytes) return
        this.arrived++
        this.#messages.push(event.data)
        this.#bytes += event.data.length + 64
        return
      case "Ping":
        // §5.5.3: who cannot answer every ping answers the last
        if (this.#blocked) this.#pong = event.payload
        else this.#queue(fin | opcodes.pong, event.payload)
        return
      case "Pong":
        if (Buffer.from(event.payload).toString("latin1") === String(this.#pings)) this.confirmed = this.#sentBefore
        return
      case "Close":
        this.#sendClose(event.code === 1005 ? undefined : event.code, "")
        this.#finish(new WebSocketClosed({ code: event.code, reason: event.reason }))
    }
  }

  /** The socket ended, or failed. */
  lost(): void {
    this.#finish(new WebSocketClosed({ code: 1006, reason: "", lost: "Connection" }))
  }

  #finish(end: Ending): void {
    if (this.end !== undefined) return
    this.#flush()
    this.end = end
    // what was written last, the close frame, still goes out; nobody waits for the other side
    this.#socket.end()
    this.#socket.destroySoon()
    for (const { done } of this.#waiting) done(false)
    this.#waiting.clear()
    this.#changed()
    for (const ended of this.#onEnd) ended()
    this.#onEnd.clear()
  }

  #changed(): void {
    const onChange = this.#onChange
    this.#onChange = undefined
    onChange?.()
  }

  // ---------------------------------------------------------------------------------------------------- the reader

  /** All messages that have arrived and were not taken. */
  take(): ReadonlyArray<string | Uint8Array> {
    const messages = this.#taken === 0 ? this.#messages : this.#messages.slice(this.#taken)
    if (messages.length > 0) this.#emptied()
    return messages
  }

  /** The next message, if it has arrived. */
  takeOne(): string | Uint8Array | undefined {
    const message = this.#messages[this.#taken]
    if (message !== undefined && ++this.#taken === this.#messages.length) this.#emptied()
    return message
  }

  #emptied(): void {
    this.#messages = []
    this.#taken = 0
    this.#bytes = 0
    if (this.#paused) {
      this.#paused = false
      this.#socket.resume()
    }
  }

  /** Put messages before those that arrive: an earlier connection has left them unread. */
  adopt(messages: ReadonlyArray<string | Uint8Array>): void {
    this.#messages = [...messages, ...this.#messages.slice(this.#taken)]
    this.#taken = 0
    for (const { length } of messages) this.#bytes += length + 64
    if (this.#messages.length > 0) this.#changed()
  }

  /** Call `onChange` once: when messages or the end come, or now when they came before. A later reader takes its place. */
  wait(onChange: () => void): void {
    if (this.#messages.length > 0 || this.end !== undefined) onChange()
    else this.#onChange = onChange
  }

  /** Call `ended` when it has ended. */
  waitEnd(ended: () => void): () => void {
    if (this.end !== undefined) ended()
    else this.#onEnd.add(ended)
    return () => this.#onEnd.delete(ended)
  }

  // ---------------------------------------------------------------------------------------------------- the writers

  /** Why nothing more can be sent. */
  get refusal(): Ending | undefined {
    return this.end ?? (this.#sentClose ? new WebSocketClosed({ code: 1000, reason: "" }) : undefined)
  }

  /** Send a message, unless others wait already or the socket takes no more. */
  trySend(message: string | Uint8Array): boolean {
    if (this.#blocked || this.#waiting.size > 0) return false
    this.#sendNow(message)
    return true
  }

  /** Send a message when the socket takes more; `done` says whether it was sent. Gives how to give up. */
  sendLater(message: string | Uint8Array, done: (sent: boolean) => void): () => void {
    const waiting = { message, done }
    this.#waiting.add(waiting)
    return () => this.#waiting.delete(waiting)
  }

  #sendNow(message: string | Uint8Array): void {
    const first = fin | (typeof message === "string" ? opcodes.text : opcodes.binary)
    this.sent++
    if (this.#deflater === undefined || message.length < deflateFrom) this.#queue(first, message)
    else {
      const bytes = typeof message === "string" ? Buffer.from(message) : message
      this.#queue(first | rsv1, this.#deflater.deflate(bytes))
    }
  }

  /** One write carries all frames of a turn. */
  #queue(first: number, payload: string | Uint8Array): void {
    if (!this.#add(first, payload)) {
      this.#flush()
      if (!this.#add(first, payload)) {
        return this.#write(frameAlone(first, typeof payload === "string" ? Buffer.from(payload) : payload))
      }
    }
    if (this.#flushSoon) return
    this.#flushSoon = true
    queueMicrotask(this.#flush)
  }

  #add(first: number, payload: string | Uint8Array): boolean {
    return typeof payload === "string" ? this.#batch.addText(first, payload) : this.#batch.addBytes(first, payload)
  }

  readonly #flush = (): void => {
    this.#flushSoon = false
    this.#batch.flush(this.#write)
  }

  readonly #write = (frames: Uint8Array, done?: (error?: Error | null) => void): void => {
    const socket = this.#socket
    if (this.end !== undefined || !socket.writable) return
    socket.write(frames, done)
    this.#blocked = socket.writableLength >= socket.writableHighWaterMark
  }

  #drained(): void {
    this.#blocked = false
    if (this.#pong !== undefined) this.#queue(fin | opcodes.pong, this.#pong)
    this.#pong = undefined
    for (const waiting of this.#waiting) {
      if (this.#blocked || this.#sentClose) break
      this.#waiting.delete(waiting)
      this.#sendNow(waiting.message)
      waiting.done(true)
    }
  }

  /** Ping; the pong confirms all messages before it. */
  ping(): void {
    if (this.refusal !== undefined) return
    this.#sentBefore = this.sent
    this.#queue(fin | opcodes.ping, Buffer.from(String(++this.#pings)))
  }

  // -------------------------------------------------------------------------------------------------------- the end

  #sendClose(code: number | undefined, reason: string): void {
    if (this.#sentClose || this.end !== undefined) return
    const text = Buffer.from(reason)
    this.#queue(
      fin | opcodes.close,
      code === undefined ? nothing : Buffer.concat([Uint8Array.of(code >> 8, code & 0xff), text])
    )
    this.#flush()
    this.#sentClose = true
    for (const { done } of this.#waiting) done(false)
    this.#waiting.clear()
  }

  /** Nothing can arrive, because nobody reads. */
  get isPaused(): boolean {
    return this.#paused
  }

  /** Begin the closing handshake. */
  close(code: number, reason: string): void {
    if (this.refusal !== undefined) return
    this.closedHere = true
    this.#sendClose(code, reason)
    // nobody may read any more, but the answer must be seen
    this.#paused = false
    this.#socket.resume()
  }

  /** The closing handshake takes too long, or the other side shows no life. */
  giveUp(lost: "Heartbeat" | "CloseTimeout"): void {
    this.#finish(new WebSocketClosed({ code: 1006, reason: "", lost }))
    this.#socket.destroy()
  }

  /** Nobody needs it any more: say so if it is open, and close the socket. */
  free(): void {
    this.#sendClose(1001, "")
    this.lost()
    this.#socket.destroy()
  }
}
