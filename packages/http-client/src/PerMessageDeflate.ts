/**
 * The permessage-deflate extension (RFC 7692), with context takeover: what is offered, what a server's answer means, and
 * the arithmetic of messages. No I/O.
 *
 * A context is the last 32 KiB of a direction's compressed messages (RFC 7692 §7.1.1). It is kept as plain bytes and
 * given to zlib as a dictionary, so a connection holds no zlib state between messages.
 *
 * @since 0.1.0
 */
// @effect-diagnostics nodeBuiltinImport:off -- node:zlib does the arithmetic
import * as Zlib from "node:zlib"
import { WebSocketProtocolError } from "./HttpError.ts"

/**
 * What a client asks for.
 *
 * - `contextTakeover`: either side may refer to earlier messages (yes); without, nothing is kept between messages
 * - `serverMaxWindowBits`: how far back the server may refer, 8 to 15 as a power of two (15)
 *
 * @since 0.1.0
 * @category models
 */
export interface Offer {
  readonly contextTakeover: boolean
  readonly serverMaxWindowBits: number
}

/**
 * @since 0.1.0
 * @category models
 */
export const defaultOffer: Offer = { contextTakeover: true, serverMaxWindowBits: 15 }

/**
 * What was agreed on for one direction.
 *
 * @since 0.1.0
 * @category models
 */
export interface Direction {
  readonly contextTakeover: boolean
  readonly windowBits: number
}

/**
 * What was agreed on: `server` for what comes, `client` for what goes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Agreement {
  readonly server: Direction
  readonly client: Direction
}

/**
 * The offer as it stands in `Sec-WebSocket-Extensions`.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeOffer = (offer: Offer = defaultOffer): string =>
  [
    "permessage-deflate",
    ...(offer.contextTakeover ? [] : ["server_no_context_takeover", "client_no_context_takeover"]),
    ...(offer.serverMaxWindowBits === 15 ? [] : [`server_max_window_bits=${offer.serverMaxWindowBits}`]),
    "client_max_window_bits"
  ].join("; ")

const flags = new Set(["server_no_context_takeover", "client_no_context_takeover"])
const windows = new Set(["server_max_window_bits", "client_max_window_bits"])
const isWindow = /^(?:[89]|1[0-5])$/

/** The parameters of an answer; undefined when one is unknown, given twice, or has a value that it may not have. */
const parametersOf = (parts: ReadonlyArray<string>): ReadonlyMap<string, string> | undefined => {
  const found = new Map<string, string>()
  for (const part of parts) {
    const [, name = "", quoted, plain] = /^([a-z_]+)(?:\s*=\s*(?:"([^"]*)"|([^"]*)))?$/.exec(part) ?? []
    const value = quoted ?? plain
    const valid = value === undefined ? flags.has(name) : windows.has(name) && isWindow.test(value)
    if (!valid || found.has(name)) return undefined
    found.set(name, value ?? "")
  }
  return found
}

/**
 * What a server's answer agrees on (RFC 7692 §7.1), or undefined when it is no answer to the offer: another extension,
 * more than one, an unknown or repeated parameter, a value out of range, or less than was asked for.
 *
 * @since 0.1.0
 * @category decoding
 */
export const agree = (extensions: string, offer: Offer = defaultOffer): Agreement | undefined => {
  const [name, ...parts] = extensions.split(";").map((part) => part.trim().toLowerCase())
  const parameters = name === "permessage-deflate" ? parametersOf(parts) : undefined
  if (parameters === undefined) return undefined
  const windowOf = (parameter: string) => Number(parameters.get(parameter) ?? 15)
  const server = {
    contextTakeover: !parameters.has("server_no_context_takeover"),
    windowBits: windowOf("server_max_window_bits")
  }
  // what was asked of the server, it must promise
  if (server.windowBits > offer.serverMaxWindowBits || (server.contextTakeover && !offer.contextTakeover)) {
    return undefined
  }
  return {
    server,
    client: {
      contextTakeover: offer.contextTakeover && !parameters.has("client_no_context_takeover"),
      windowBits: windowOf("client_max_window_bits")
    }
  }
}

/** §7.2.1: what a sender leaves out at the end of every message. */
const tail = Buffer.from([0x00, 0x00, 0xff, 0xff])
/** An empty last block: it can only be read when the message before it ends where a block ends. */
const lastBlock = Buffer.from([0x03, 0x00])
const nothing = Buffer.alloc(0)

/** The last bytes of what one direction has carried, as far back as it may refer. */
class Context {
  readonly #size: number
  bytes: Buffer = nothing

  constructor({ contextTakeover, windowBits }: Direction) {
    this.#size = contextTakeover ? 1 << windowBits : 0
  }

  add(message: Uint8Array): void {
    if (this.#size === 0) return
    const kept = Math.max(0, this.#size - message.length)
    this.bytes = Buffer.concat([
      kept === 0 ? nothing : this.bytes.subarray(-kept),
      message.subarray(Math.max(0, message.length - this.#size))
    ])
  }

  get dictionary(): { readonly dictionary?: Buffer } {
    return this.bytes.length === 0 ? {} : { dictionary: this.bytes }
  }
}

/**
 * Compresses the messages of one direction, in order.
 *
 * @since 0.1.0
 * @category encoding
 */
export class Deflater {
  readonly #context: Context
  readonly #windowBits: number

  constructor(direction: Direction) {
    this.#context = new Context(direction)
    // zlib has no raw window of 8 bits; with 9 it refers back 250 bytes at most, which 8 allow
    this.#windowBits = Math.max(9, direction.windowBits)
  }

  /** The payload of a compressed message. */
  deflate(message: Uint8Array): Uint8Array {
    const all = Zlib.deflateRawSync(message, {
      finishFlush: Zlib.constants.Z_SYNC_FLUSH,
      windowBits: this.#windowBits,
      ...this.#context.dictionary
    })
    this.#context.add(message)
    return all.subarray(0, all.length - tail.length)
  }
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"

/**
 * Decompresses the messages of one direction, in order.
 *
 * @since 0.1.0
 * @category decoding
 */
export class Inflater {
  readonly #context: Context
  readonly #windowBits: number

  constructor(direction: Direction) {
    this.#context = new Context(direction)
    this.#windowBits = direction.windowBits
  }

  /** The message in a payload; never more than `maximum` bytes are made of it. */
  inflate(payload: Uint8Array, maximum: number): Uint8Array | WebSocketProtocolError {
    try {
      const message = Zlib.inflateRawSync(Buffer.concat([payload, tail, lastBlock]), {
        maxOutputLength: Math.max(1, maximum),
        windowBits: this.#windowBits,
        ...this.#context.dictionary
      })
      if (message.length > maximum) return new WebSocketProtocolError({ reason: "MessageTooLarge", code: 1009 })
      this.#context.add(message)
      return message
    } catch (error) {
      return isTooLarge(error)
        ? new WebSocketProtocolError({ reason: "MessageTooLarge", code: 1009 })
        : new WebSocketProtocolError({ reason: "Deflate", code: 1007 })
    }
  }
}
