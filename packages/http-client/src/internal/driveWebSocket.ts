// @effect-diagnostics nodeBuiltinImport:off -- the driver of an upgraded socket; node:crypto makes keys and masks
import * as Crypto from "node:crypto"
import type * as Net from "node:net"
import { encodeRequestHead } from "../Http1.ts"
import type { Settings } from "../HttpConfig.ts"
import { ConnectionClosed, InvalidRequest, WebSocketClosed, WebSocketHandshakeError } from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import * as PerMessageDeflate from "../PerMessageDeflate.ts"
import { encode, FrameParser, opcodes } from "../WebSocketFrame.ts"
import type { WebSocketLimits } from "../WebSocketFrame.ts"
import type { ResponseHead } from "./modelResponse.ts"
import { openFailure, openSocket } from "./openSocket.ts"
import type { Origin } from "./openSocket.ts"
import { ResponseParser } from "./parseResponse.ts"

/** What to ask for. @internal */
export interface Opening {
  readonly origin: Origin
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly protocols: ReadonlyArray<string>
  readonly deflate: boolean
  readonly limits: WebSocketLimits
  readonly settings: Settings
}

/** §1.3 of RFC 6455 */
const proofOf = (key: string): string =>
  Crypto.createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")

/** Messages that may wait for a reader before the socket stops reading. */
const highWater = 64
const readSize = 65_536
/** A message below this size is not worth compressing. */
const deflateFrom = 1024

const masks = Buffer.alloc(8192)
let masksUsed = masks.length

const nextMask = (): Uint8Array => {
  if (masksUsed === masks.length) {
    Crypto.randomFillSync(masks)
    masksUsed = 0
  }
  masksUsed += 4
  return masks.subarray(masksUsed - 4, masksUsed)
}

/**
 * Drives one socket from the opening handshake to the closing one, with callbacks.
 *
 * @internal
 */
export class WebSocketDriver {
  readonly #opening: Opening
  readonly #onOpen: (failure: HttpError | undefined) => void
  readonly #key = Crypto.randomBytes(16).toString("base64")
  #socket: Net.Socket | undefined
  #frames: FrameParser | undefined
  #deflate = false
  #tcp = false
  #settled = false
  #messages: Array<string | Uint8Array> = []
  #paused = false
  #wake = new Set<() => void>()
  #drained: Array<() => void> = []
  #sentClose = false
  /** Counts everything that arrives, so that a heartbeat sees life. */
  received = 0
  protocol = ""
  /** This side began to close. */
  closedHere = false
  /** Why there will be no more messages. */
  end: HttpError | undefined

  constructor(opening: Opening, onOpen: (failure: HttpError | undefined) => void) {
    this.#opening = opening
    this.#onOpen = onOpen
  }

  // ------------------------------------------------------------------------------------------------- the handshake

  open(): void {
    const { origin, settings } = this.#opening
    const head = this.#request()
    if (typeof head !== "string") return this.#settle(head)
    const parser = new ResponseParser({
      onHead: (response) => this.#answer(response),
      onBody: () => undefined,
      onEnd: () => undefined
    }, settings.limits)
    parser.start("GET", true)
    const buffer = Buffer.allocUnsafeSlow(readSize)
    const socket = openSocket(origin, settings, {
      buffer: () => buffer,
      callback: (size) => {
        if (this.end !== undefined) return false
        if (this.#frames !== undefined) this.#receive(Buffer.from(buffer.subarray(0, size)))
        else {
          const failure = parser.push(buffer, size)
          if (failure !== undefined) this.#finish(failure)
          else if (this.#settled && parser.excess > 0) {
            this.#receive(Buffer.from(buffer.subarray(size - parser.excess, size)))
          }
        }
        return this.end === undefined && !this.#paused
      }
    })
    if ("_tag" in socket) return this.#finish(socket)
    this.#socket = socket
    socket.on("connect", () => {
      this.#tcp = true
      if (!origin.secure) socket.write(head, "latin1")
    })
    if (origin.secure) socket.on("secureConnect", () => socket.write(head, "latin1"))
    socket.on("error", (error) => this.#lost(error))
    socket.on("end", () => this.#lost(undefined))
    socket.on("close", () => this.#lost(undefined))
    socket.on("drain", () => this.#drain())
  }

  #request(): string | InvalidRequest {
    const { deflate, headers, origin, protocols, target } = this.#opening
    const own = {
      "sec-websocket-key": this.#key,
      "sec-websocket-version": "13",
      ...(protocols.length === 0 ? {} : { "sec-websocket-protocol": protocols.join(", ") }),
      ...(deflate ? { "sec-websocket-extensions": PerMessageDeflate.offer } : {})
    }
    const forbidden = Object.keys(headers).find((name) => name.toLowerCase().startsWith("sec-websocket-"))
    if (forbidden !== undefined) {
      return new InvalidRequest({
        reason: "Framing",
        detail: `the header ${forbidden} is written by the connection only`
      })
    }
    const head = encodeRequestHead({
      method: "GET",
      target,
      host: origin.host,
      headers: { ...headers, ...own },
      framing: "none"
    })
    return typeof head === "string" ? `${head.slice(0, -2)}connection: Upgrade\r\nupgrade: websocket\r\n\r\n` : head
  }

  #answer(response: ResponseHead): void {
    const fields = new Map<string, string>()
    for (const [name, value] of response.fields) {
      const before = fields.get(name)
      fields.set(name, before === undefined ? value : `${before}, ${value}`)
    }
    const { origin, protocols } = this.#opening
    const refuse = (reason: WebSocketHandshakeError["reason"]) =>
      this.#finish(new WebSocketHandshakeError({ reason, origin: origin.key, status: response.status }))
    if (response.status !== 101) return refuse("Status")
    const options = (fields.get("connection") ?? "").toLowerCase().split(",").map((option) => option.trim())
    if (fields.get("upgrade")?.toLowerCase() !== "websocket" || !options.includes("upgrade")) return refuse("Upgrade")
    if (fields.get("sec-websocket-accept") !== proofOf(this.#key)) return refuse("Accept")
    const protocol = fields.get("sec-websocket-protocol")
    if (protocol !== undefined && !protocols.includes(protocol)) return refuse("Protocol")
    const extensions = fields.get("sec-websocket-extensions")
    this.#deflate = extensions !== undefined
    if (extensions !== undefined && !(this.#opening.deflate && PerMessageDeflate.accepts(extensions))) {
      return refuse("Extension")
    }
    this.protocol = protocol ?? ""
    this.#frames = new FrameParser(this.#opening.limits, this.#deflate)
    this.#settle(undefined)
  }

  #settle(failure: HttpError | undefined): void {
    if (this.#settled) return
    this.#settled = true
    this.#onOpen(failure)
  }

  // ------------------------------------------------------------------------------------------------ what comes back

  #receive(bytes: Uint8Array): void {
    this.received++
    const frames = this.#frames
    if (frames === undefined) return
    const events = frames.push(bytes)
    for (const event of events) {
      if (this.end !== undefined) return
      switch (event._tag) {
        case "Message":
          // what comes while it closes, and nobody reads, is dropped
          if (!this.closedHere || this.#messages.length < highWater) this.#messages.push(event.data)
          break
        case "Ping":
          this.#write(opcodes.pong, event.payload, false)
          break
        case "Close":
          this.#sendClose(event.code === 1005 ? undefined : event.code, "")
          this.#finish(new WebSocketClosed({ code: event.code, reason: event.reason }))
          break
        default:
          break
      }
    }
    if (frames.failure !== undefined) {
      this.#sendClose(frames.failure.code, "")
      return this.#finish(frames.failure)
    }
    if (this.#messages.length >= highWater && !this.#paused && !this.closedHere) {
      this.#paused = true
      this.#socket?.pause()
    }
    this.#notify()
  }

  #lost(error: Error | undefined): void {
    if (this.end !== undefined) return
    const { origin } = this.#opening
    if (this.#settled) return this.#finish(new WebSocketClosed({ code: 1006, reason: "" }))
    const sent = this.#tcp ? "complete" : "none"
    if (error === undefined || (this.#tcp && !origin.secure)) {
      return this.#finish(
        new ConnectionClosed({ origin: origin.key, sent, ...(error === undefined ? {} : { cause: error }) })
      )
    }
    this.#finish(openFailure(error, origin, this.#tcp))
  }

  #finish(end: HttpError): void {
    if (this.end !== undefined) return
    this.end = end
    const socket = this.#socket
    // what was written last, the close frame, still goes out; nobody waits for the other side
    if (end._tag === "WebSocketClosed" || end._tag === "WebSocketProtocolError") {
      socket?.end()
      socket?.destroySoon()
    } else socket?.destroy()
    this.#settle(end)
    this.#drain()
    this.#notify()
  }

  #drain(): void {
    const drained = this.#drained
    this.#drained = []
    for (const ready of drained) ready()
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = new Set()
    for (const one of wake) one()
  }

  // --------------------------------------------------------------------------------------------- what callers call

  /** Messages that have arrived since the last call. */
  take(): ReadonlyArray<string | Uint8Array> {
    const messages = this.#messages
    this.#messages = []
    if (this.#paused) {
      this.#paused = false
      this.#socket?.resume()
    }
    return messages
  }

  /** Call `wake` once: at the next change, or now when messages or the end came before the call. */
  wait(wake: () => void): () => void {
    if (this.#messages.length > 0 || this.end !== undefined) wake()
    else this.#wake.add(wake)
    return () => this.#wake.delete(wake)
  }

  waitEnd(wake: () => void): void {
    if (this.end !== undefined) return wake()
    this.#wake.add(() => this.waitEnd(wake))
  }

  /** Send one message; `ready` is called when more may be sent. */
  send(message: string | Uint8Array, ready: () => void): void {
    const text = typeof message === "string"
    const payload = text ? Buffer.from(message) : message
    const compress = this.#deflate && payload.length >= deflateFrom
    const more = this.#write(
      text ? opcodes.text : opcodes.binary,
      compress ? PerMessageDeflate.deflate(payload) : payload,
      compress
    )
    if (more) return ready()
    this.#drained.push(ready)
  }

  ping(): void {
    this.#write(opcodes.ping, new Uint8Array(0), false)
  }

  #write(opcode: number, payload: Uint8Array, compressed: boolean): boolean {
    const socket = this.#socket
    if (socket === undefined || this.#sentClose) return true
    return socket.write(encode(opcode, payload, nextMask(), { compressed }))
  }

  #sendClose(code: number | undefined, reason: string): void {
    if (this.#sentClose || this.#frames === undefined) return
    const text = Buffer.from(reason)
    const payload = Buffer.alloc(code === undefined ? 0 : 2 + text.length)
    if (code !== undefined) {
      payload.writeUInt16BE(code)
      payload.set(text, 2)
    }
    this.#write(opcodes.close, payload, false)
    this.#sentClose = true
  }

  get closing(): boolean {
    return this.#sentClose
  }

  /** Nothing can arrive, because nobody reads. */
  get isPaused(): boolean {
    return this.#paused
  }

  /** Begin the closing handshake. */
  close(code: number, reason: string): void {
    if (this.end !== undefined || this.#sentClose) return
    this.closedHere = true
    this.#sendClose(code, reason)
    // nobody may read any more, but the answer must be seen
    this.#paused = false
    this.#socket?.resume()
  }

  /** The closing handshake takes too long, or the other side shows no life. */
  giveUp(): void {
    this.#finish(new WebSocketClosed({ code: 1006, reason: "" }))
    this.#socket?.destroy()
  }

  /** Nobody needs it any more: say so if it is open, and close the socket. */
  free(): void {
    this.#sendClose(1001, "")
    this.giveUp()
  }
}
