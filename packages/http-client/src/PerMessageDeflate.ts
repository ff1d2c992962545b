/**
 * The permessage-deflate extension (RFC 7692), without context takeover in either direction: each message is
 * compressed on its own, so nothing is kept between messages. No I/O.
 *
 * @since 0.1.0
 */
// @effect-diagnostics nodeBuiltinImport:off -- node:zlib does the arithmetic
import * as Zlib from "node:zlib"
import { WebSocketProtocolError } from "./HttpError.ts"

/**
 * What a client offers in `Sec-WebSocket-Extensions`.
 *
 * @since 0.1.0
 * @category constants
 */
export const offer: string = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

/**
 * Whether a server's answer accepts the offer as it was made: one extension, without parameters that were not offered,
 * each once, and with the promise to keep no context.
 *
 * @since 0.1.0
 * @category decoding
 */
export const accepts = (extensions: string): boolean => {
  const [name, ...parameters] = extensions.split(";").map((part) => part.trim().toLowerCase())
  return name === "permessage-deflate" && new Set(parameters).size === parameters.length &&
    parameters.includes("server_no_context_takeover") &&
    parameters.every((one) => one === "server_no_context_takeover" || one === "client_no_context_takeover")
}

/** §7.2.1: what a sender leaves out at the end of every message. */
const tail = Buffer.from([0x00, 0x00, 0xff, 0xff])

/**
 * The payload of a compressed message.
 *
 * @since 0.1.0
 * @category encoding
 */
export const deflate = (message: Uint8Array): Uint8Array => {
  const all = Zlib.deflateRawSync(message, { finishFlush: Zlib.constants.Z_SYNC_FLUSH })
  return all.subarray(0, all.length - tail.length)
}

/**
 * The message in a compressed payload; never more than `maximum` bytes are made of it.
 *
 * @since 0.1.0
 * @category decoding
 */
export const inflate = (payload: Uint8Array, maximum: number): Uint8Array | WebSocketProtocolError => {
  try {
    return Zlib.inflateRawSync(Buffer.concat([payload, tail]), {
      finishFlush: Zlib.constants.Z_SYNC_FLUSH,
      maxOutputLength: Math.max(1, maximum)
    })
  } catch (error) {
    const tooLarge = error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"
    return tooLarge
      ? new WebSocketProtocolError({ reason: "MessageTooLarge", code: 1009 })
      : new WebSocketProtocolError({ reason: "Deflate", code: 1007 })
  }
}
