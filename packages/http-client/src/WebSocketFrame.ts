/**
 * A sans-IO codec of WebSocket frames (RFC 6455) for the client's side: bytes in, messages out; no socket, no Effect.
 *
 * @since 0.1.0
 */
// @effect-diagnostics nodeBuiltinImport:off -- node:buffer checks UTF-8
import * as NodeBuffer from "node:buffer"
import { WebSocketProtocolError } from "./HttpError.ts"
import { maskBytes } from "./internal/maskBytes.ts"
import type * as PerMessageDeflate from "./PerMessageDeflate.ts"

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
  // whole words, so that it can be masked by them
  const bytes = new Uint8Array((head + length + 3) & ~3)
  const view = new DataView(bytes.buffer)
  bytes[0] = (options.fin === false ? 0 : 0x80) | (options.compressed === true ? 0x40 : 0) | opcode
  bytes[1] = 0x80 | (head === 6 ? length : head === 8 ? 126 : 127)
  if (head === 8) view.setUint16(2, length)
  else if (head === 14) view.setBigUint64(2, BigInt(length))
  bytes.set(mask.subarray(0, 4), head - 4)
  bytes.set(payload, head)
  maskBytes(bytes, new Uint32Array(bytes.buffer), head, head + length, mask, 0)
  return bytes.subarray(0, head + length)
}

/**
 * Whether a code may be in a close frame (§7.4).
 *
 * @since 0.1.0
 * @category guards
 */
export const isCloseCode = (code: number): boolean =>
  (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)

const nothing = new Uint8Array(0)

const violation = (
  reason: WebSocketProtocolError["reason"],
  code: WebSocketProtocolError["code"] = 1002
): WebSocketProtocolError => new WebSocketProtocolError({ reason, code })

const headSize = (second: number): number => {
  const length = second & 0x7f
  return length < 126 ? 2 : length === 126 ? 4 : 10
}

const joinParts = (parts: ReadonlyArray<Uint8Array>, size: number): Uint8Array<ArrayBuffer> => {
  const joined = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** UTF-8 as a string; undefined when it is none. */
const textOf = (bytes: Buffer, start: number, end: number): string | undefined => {
  const text = bytes.toString("utf8", start, end)
  // what is no UTF-8 becomes U+FFFD, and is looked at again where there is one
  return !text.includes("\uFFFD") || NodeBuffer.isUtf8(bytes.subarray(start, end)) ? text : undefined
}

/**
 * Incremental parser of what a server sends: `push` takes bytes in any division and gives what they complete; `failure`
 * is the violation that ends the connection, if there was one. It keeps nothing of the memory that it is given. Text that
 * is not UTF-8 is refused as soon as it arrives, limits hold before a payload is read.
 *
 * @since 0.1.0
 * @category decoding
 */
export class FrameParser {
  readonly #limits: WebSocketLimits
  readonly #inflater: PerMessageDeflate.Inflater | undefined
  /** The bytes of a header that came in pieces. */
  readonly #header = Buffer.alloc(10)
  #have = 0
  #inPayload = false
  #fin = true
  #opcode = 0
  #remaining = 0
  #control: Uint8Array = nothing
  // the message that is being received: 0 when there is none
  #kind = 0
  #compressed = false
  #fragments = 0
  #size = 0
  #parts: Array<Uint8Array> = []
  #text = ""
  #decoder: TextDecoder | undefined
  #failure: WebSocketProtocolError | undefined

  /** `inflater` when permessage-deflate was agreed on. */
  constructor(limits: WebSocketLimits = defaultLimits, inflater?: PerMessageDeflate.Inflater) {
    this.#limits = limits
    this.#inflater = inflater
  }

  /** The violation that ended the stream. */
  get failure(): WebSocketProtocolError | undefined {
    return this.#failure
  }

  /** What the bytes from `start` to `end` complete; see `failure` afterwards. */
  push(bytes: Uint8Array, start = 0, end: number = bytes.length): ReadonlyArray<FrameEvent> {
    const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const events: Array<FrameEvent> = []
    let at = start
    while (this.#failure === undefined) {
      if (!this.#inPayload) {
        if (at >= end) break
        at = this.#takeHeader(buffer, at, end)
        continue
      }
      const taken = Math.min(this.#remaining, end - at)
      if (taken < this.#remaining) {
        this.#remaining -= taken
        if (taken > 0) this.#failure = this.#takePart(buffer, at, end)
        break
      }
      this.#inPayload = false
      this.#failure = this.#endFrame(buffer, at, at + taken, events)
      at += taken
    }
    return events
  }

  /** Reads a header in place, or collects one that is not complete; gives where to go on. */
  #takeHeader(buffer: Buffer, at: number, end: number): number {
    const second = buffer[at + 1] ?? 0
    if (this.#have === 0 && end - at >= 2 && end - at >= headSize(second)) {
      this.#failure = this.#checkFirst(buffer[at] ?? 0, second) ?? this.#startPayload(buffer, at)
      return at + headSize(second)
    }
    const header = this.#header
    let next = at
    while (next < end && this.#inPayload === false && this.#failure === undefined) {
      header[this.#have++] = buffer[next++] ?? 0
      if (this.#have === 2) this.#failure = this.#checkFirst(header[0] ?? 0, header[1] ?? 0)
      if (this.#have >= 2 && this.#have === headSize(header[1] ?? 0) && this.#failure === undefined) {
        this.#have = 0
        this.#failure = this.#startPayload(header, 0)
      }
    }
    return next
  }

  #checkFirst(first: number, second: number): WebSocketProtocolError | undefined {
    this.#fin = (first & 0x80) !== 0
    this.#opcode = first & 0x0f
    const opcode = this.#opcode
    const control = opcode >= 8
    const compressed = (first & 0x40) !== 0
    if ((first & 0x30) !== 0 || (compressed && (this.#inflater === undefined || control || opcode === 0))) {
      return violation("ReservedBits")
    }
    if (opcode > 10 || (opcode > 2 && !control)) return violation("Opcode")
    if ((second & 0x80) !== 0) return violation("Masked")
    if (control) {
      if (!this.#fin || (second & 0x7f) > 125) return violation("ControlFrame")
      // half a code
      return opcode === opcodes.close && (second & 0x7f) === 1 ? violation("CloseCode") : undefined
    }
    if ((opcode === 0) !== (this.#kind !== 0)) return violation("Fragmentation")
    if (opcode !== 0) {
      this.#kind = opcode
      this.#compressed = compressed
    }
    return ++this.#fragments > this.#limits.fragments ? violation("TooManyFragments", 1009) : undefined
  }

  #startPayload(header: Buffer, at: number): WebSocketProtocolError | undefined {
    let length = (header[at + 1] ?? 0) & 0x7f
    if (length === 126) {
      length = header.readUInt16BE(at + 2)
      if (length < 126) return violation("Length")
    } else if (length === 127) {
      const high = header.readUInt32BE(at + 2)
      length = high * 0x1_0000_0000 + header.readUInt32BE(at + 6)
      if (length < 65_536 || high >= 0x8000_0000) return violation("Length")
    }
    if (length > this.#limits.frame) return violation("FrameTooLarge", 1009)
    if (this.#opcode < 8) {
      this.#size += length
      if (this.#size > this.#limits.message) return violation("MessageTooLarge", 1009)
    }
    this.#inPayload = true
    this.#remaining = length
    return undefined
  }

  /** Keeps a part of a payload, or decodes it at once when it is text. */
  #takePart(buffer: Buffer, start: number, end: number): WebSocketProtocolError | undefined {
    const part = buffer.subarray(start, end)
    if (this.#opcode >= 8) this.#control = Buffer.concat([this.#control, part])
    else if (this.#kind === 1 && !this.#compressed) return this.#decode(part, true)
    else this.#parts.push(new Uint8Array(part))
    return undefined
  }

  #decode(part: Uint8Array, stream: boolean): WebSocketProtocolError | undefined {
    this.#decoder ??= new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    try {
      this.#text += this.#decoder.decode(part, { stream })
      return undefined
    } catch {
      return violation("Utf8", 1007)
    }
  }

  /** The payload ends with these bytes. */
  #endFrame(
    buffer: Buffer,
    start: number,
    end: number,
    events: Array<FrameEvent>
  ): WebSocketProtocolError | undefined {
    if (this.#opcode >= 8) {
      const part = buffer.subarray(start, end)
      const payload = this.#control.length === 0 ? part : Buffer.concat([this.#control, part])
      this.#control = nothing
      return this.#endControl(payload, events)
    }
    // a message in one frame that came in one piece is read where it is
    if (this.#fin && this.#size === end - start && !this.#compressed) {
      const data = this.#kind === 1 ? textOf(buffer, start, end) : new Uint8Array(buffer.subarray(start, end))
      return data === undefined ? violation("Utf8", 1007) : this.#endMessage(data, events)
    }
    const failure = start === end ? undefined : this.#takePart(buffer, start, end)
    return failure ?? (this.#fin ? this.#joinMessage(events) : undefined)
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
    if (!isCloseCode(code)) return violation("CloseCode")
    const reason = payload.subarray(2)
    if (!NodeBuffer.isUtf8(reason)) return violation("Utf8", 1007)
    events.push({ _tag: "Close", code, reason: Buffer.from(reason).toString() })
    return undefined
  }

  /** The message of several parts. */
  #joinMessage(events: Array<FrameEvent>): WebSocketProtocolError | undefined {
    if (this.#kind === 1 && !this.#compressed) {
      return this.#decode(nothing, false) ?? this.#endMessage(this.#text, events)
    }
    const joined = joinParts(this.#parts, this.#size)
    const inflated = this.#compressed ? this.#inflater?.inflate(joined, this.#limits.message) : undefined
    if (inflated !== undefined && "_tag" in inflated) return inflated
    // zlib's memory is larger than the message in it
    const bytes = inflated === undefined ? joined : new Uint8Array(inflated)
    if (this.#kind === 2) return this.#endMessage(bytes, events)
    const text = textOf(Buffer.from(bytes.buffer), 0, bytes.length)
    return text === undefined ? violation("Utf8", 1007) : this.#endMessage(text, events)
  }

  #endMessage(data: string | Uint8Array, events: Array<FrameEvent>): undefined {
    events.push({ _tag: "Message", data })
    this.#kind = 0
    this.#compressed = false
    this.#fragments = 0
    this.#size = 0
    this.#parts = []
    this.#text = ""
  }
}
