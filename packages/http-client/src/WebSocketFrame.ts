/**
 * A sans-IO codec of WebSocket frames (RFC 6455) for the client's side: bytes in, messages out; no socket, no Effect.
 *
 * @since 0.1.0
 */
// @effect-diagnostics nodeBuiltinImport:off -- node:buffer checks UTF-8
import * as NodeBuffer from "node:buffer"
import { WebSocketProtocolError } from "./HttpError.ts"
import * as PerMessageDeflate from "./PerMessageDeflate.ts"

/**
 * - `frame`: payload bytes of one frame (16 MiB)
 * - `message`: bytes of one message, decompressed (64 MiB)
 * - `fragments`: frames of one message (1024)
 *
 * @since 0.1.0
 * @category models
 */
export interface WebSocketLimits {
  readonly frame: number
  readonly message: number
  readonly fragments: number
}

/**
 * @since 0.1.0
 * @category models
 */
export const defaultLimits: WebSocketLimits = { frame: 16_777_216, message: 67_108_864, fragments: 1024 }

/**
 * What a parser found. Code 1005 means that a close frame had none.
 *
 * @since 0.1.0
 * @category models
 */
export type FrameEvent =
  | { readonly _tag: "Message"; readonly data: string | Uint8Array }
  | { readonly _tag: "Ping" | "Pong"; readonly payload: Uint8Array }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }

/**
 * @since 0.1.0
 * @category models
 */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** XOR, four bytes at a time. `payload` starts at a multiple of four in its buffer. */
const maskInPlace = (payload: Uint8Array, mask: Uint8Array): void => {
  const words = payload.length >>> 2
  const [m0 = 0, m1 = 0, m2 = 0, m3 = 0] = mask
  if (words > 0) {
    const view = new Uint32Array(payload.buffer, payload.byteOffset, words)
    const key = new Uint32Array(Uint8Array.of(m0, m1, m2, m3).buffer)[0] ?? 0
    for (let i = 0; i < words; i++) view[i] = (view[i] ?? 0) ^ key
  }
  for (let i = words << 2; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0)
}

/**
 * One masked frame, as a client sends it. `mask` has four bytes that nobody can foresee.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (
  opcode: number,
  payload: Uint8Array,
  mask: Uint8Array,
  options: { readonly compressed?: boolean; readonly fin?: boolean } = {}
): Uint8Array => {
  const { length } = payload
  const head = length < 126 ? 6 : length < 65_536 ? 8 : 14
  // the payload starts at a multiple of four, so that it can be masked by words
  const gap = (4 - (head & 3)) & 3
  const bytes = new Uint8Array(gap + head + length)
  const view = new DataView(bytes.buffer)
  bytes[gap] = (options.fin === false ? 0 : 0x80) | (options.compressed === true ? 0x40 : 0) | opcode
  bytes[gap + 1] = 0x80 | (head === 6 ? length : head === 8 ? 126 : 127)
  if (head === 8) view.setUint16(gap + 2, length)
  else if (head === 14) view.setBigUint64(gap + 2, BigInt(length))
  bytes.set(mask.subarray(0, 4), gap + head - 4)
  bytes.set(payload, gap + head)
  maskInPlace(bytes.subarray(gap + head), mask)
  return bytes.subarray(gap)
}

/**
 * Whether a code may be in a close frame (§7.4).
 *
 * @since 0.1.0
 * @category guards
 */
export const isCloseCode = (code: number): boolean =>
  (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)

const HEAD = 0
const LENGTH = 1
const PAYLOAD = 2
const nothing = new Uint8Array(0)

const violation = (
  reason: WebSocketProtocolError["reason"],
  code: WebSocketProtocolError["code"] = 1002
): WebSocketProtocolError => new WebSocketProtocolError({ reason, code })

const join = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts)
}

/**
 * Incremental parser of what a server sends: `push` takes bytes in any division and gives what they complete; `failure`
 * is the violation that ends the connection, if there was one. It keeps views of the bytes, so they must not change afterwards. Text that is not
 * UTF-8 is refused as soon as it arrives, limits hold before a payload is read.
 *
 * @since 0.1.0
 * @category decoding
 */
export class FrameParser {
  readonly #limits: WebSocketLimits
  readonly #deflate: boolean
  #state = HEAD
  /** Bytes of a header that is not complete. */
  #header: Uint8Array = nothing
  #need = 2
  #fin = true
  #opcode = 0
  #remaining = 0
  #parts: Array<Uint8Array> = []
  // the message that is being received: 0 when there is none
  #kind = 0
  #compressed = false
  #fragments = 0
  #size = 0
  #message: Array<Uint8Array> = []
  #text = ""
  #decoder: TextDecoder | undefined
  #failure: WebSocketProtocolError | undefined

  /** `deflate` says that permessage-deflate was agreed on. */
  constructor(limits: WebSocketLimits = defaultLimits, deflate = false) {
    this.#limits = limits
    this.#deflate = deflate
  }

  /** The violation that ended the stream. */
  get failure(): WebSocketProtocolError | undefined {
    return this.#failure
  }

  /** What these bytes complete; see `failure` afterwards. */
  push(bytes: Uint8Array): ReadonlyArray<FrameEvent> {
    const events: Array<FrameEvent> = []
    let at = 0
    while (this.#failure === undefined && (at < bytes.length || (this.#state === PAYLOAD && this.#remaining === 0))) {
      if (this.#state === PAYLOAD) {
        const part = bytes.subarray(at, at + this.#remaining)
        at += part.length
        this.#remaining -= part.length
        this.#failure = this.#takePart(part) ?? (this.#remaining === 0 ? this.#endFrame(events) : undefined)
        continue
      }
      const missing = this.#need - this.#header.length
      const part = bytes.subarray(at, at + missing)
      at += part.length
      this.#header = this.#header.length === 0 ? part : Buffer.concat([this.#header, part])
      if (part.length === missing) this.#failure = this.#takeHeader(this.#header)
    }
    return events
  }

  #takeHeader(header: Uint8Array): WebSocketProtocolError | undefined {
    const length = (header[1] ?? 0) & 0x7f
    if (this.#state === HEAD) {
      const failure = this.#checkFirst(header[0] ?? 0, header[1] ?? 0)
      if (failure !== undefined) return failure
      if (length >= 126) {
        this.#state = LENGTH
        this.#need = length === 126 ? 4 : 10
        return undefined
      }
      return this.#startPayload(length)
    }
    const view = new DataView(header.buffer, header.byteOffset, header.length)
    if (length === 126) {
      const declared = view.getUint16(2)
      return declared < 126 ? violation("Length") : this.#startPayload(declared)
    }
    const declared = view.getBigUint64(2)
    if (declared < 65_536n || declared >= 0x8000_0000_0000_0000n) return violation("Length")
    return declared > BigInt(Number.MAX_SAFE_INTEGER)
      ? violation("FrameTooLarge", 1009)
      : this.#startPayload(Number(declared))
  }

  #checkFirst(first: number, second: number): WebSocketProtocolError | undefined {
    this.#fin = (first & 0x80) !== 0
    this.#opcode = first & 0x0f
    const opcode = this.#opcode
    const control = opcode >= 8
    const compressed = (first & 0x40) !== 0
    if ((first & 0x30) !== 0 || (compressed && (!this.#deflate || control || opcode === 0))) {
      return violation("ReservedBits")
    }
    if (opcode > 10 || (opcode > 2 && !control)) return violation("Opcode")
    if ((second & 0x80) !== 0) return violation("Masked")
    if (control) return !this.#fin || (second & 0x7f) > 125 ? violation("ControlFrame") : undefined
    if ((opcode === 0) !== (this.#kind !== 0)) return violation("Fragmentation")
    if (opcode !== 0) {
      this.#kind = opcode
      this.#compressed = compressed
      this.#decoder = opcode === 1 && !compressed && !this.#fin
        ? new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        : undefined
    }
    return ++this.#fragments > this.#limits.fragments ? violation("TooManyFragments", 1009) : undefined
  }

  #startPayload(length: number): WebSocketProtocolError | undefined {
    if (length > this.#limits.frame) return violation("FrameTooLarge", 1009)
    if (this.#opcode < 8) {
      this.#size += length
      if (this.#size > this.#limits.message) return violation("MessageTooLarge", 1009)
      // a frame that comes in many pieces is checked as it comes
      if (this.#kind === 1 && !this.#compressed && length > 65_536) {
        this.#decoder ??= new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      }
    }
    this.#state = PAYLOAD
    this.#remaining = length
    this.#header = nothing
    this.#need = 2
    this.#parts = []
    return undefined
  }

  #takePart(part: Uint8Array): WebSocketProtocolError | undefined {
    if (this.#opcode < 8 && this.#decoder !== undefined) return this.#decode(part, true)
    this.#parts.push(part)
    return undefined
  }

  #decode(part: Uint8Array, stream: boolean): WebSocketProtocolError | undefined {
    try {
      this.#text += this.#decoder?.decode(part, { stream }) ?? ""
      return undefined
    } catch {
      return violation("Utf8", 1007)
    }
  }

  #endFrame(events: Array<FrameEvent>): WebSocketProtocolError | undefined {
    this.#state = HEAD
    const parts = this.#parts
    this.#parts = []
    if (this.#opcode >= 8) return this.#endControl(join(parts), events)
    if (this.#decoder === undefined) { for (const part of parts) this.#message.push(part) }
    return this.#fin ? this.#endMessage(events) : undefined
  }

  #endControl(payload: Uint8Array, events: Array<FrameEvent>): WebSocketProtocolError | undefined {
    if (this.#opcode !== opcodes.close) {
      events.push({ _tag: this.#opcode === opcodes.ping ? "Ping" : "Pong", payload: Buffer.from(payload) })
      return undefined
    }
    if (payload.length === 0) {
      events.push({ _tag: "Close", code: 1005, reason: "" })
      return undefined
    }
    const code = ((payload[0] ?? 0) << 8) | (payload[1] ?? 0)
    if (payload.length === 1 || !isCloseCode(code)) return violation("CloseCode")
    const reason = payload.subarray(2)
    if (!NodeBuffer.isUtf8(reason)) return violation("Utf8", 1007)
    events.push({ _tag: "Close", code, reason: Buffer.from(reason).toString() })
    return undefined
  }

  #endMessage(events: Array<FrameEvent>): WebSocketProtocolError | undefined {
    const isText = this.#kind === 1
    if (this.#decoder !== undefined) {
      const failure = this.#decode(nothing, false)
      if (failure !== undefined) return failure
      events.push({ _tag: "Message", data: this.#text })
    } else {
      let bytes = join(this.#message)
      if (this.#compressed) {
        const inflated = PerMessageDeflate.inflate(bytes, this.#limits.message)
        if ("_tag" in inflated) return inflated
        bytes = inflated
      }
      if (isText && !NodeBuffer.isUtf8(bytes)) return violation("Utf8", 1007)
      events.push({
        _tag: "Message",
        data: isText ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString() : new Uint8Array(bytes)
      })
    }
    this.#kind = 0
    this.#fragments = 0
    this.#size = 0
    this.#message = []
    this.#text = ""
    this.#decoder = undefined
    return undefined
  }
}
