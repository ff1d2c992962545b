/**
 * The chunked transfer coding (RFC 9112 §7.1), sans-IO: bytes of known length in between, trailers at the end. `Http1`
 * reads the chunks of responses with the same state machine.
 *
 * @since 0.1.0
 */
import { InvalidRequest, ProtocolError } from "./HttpError.ts"
import type { Field } from "./internal/modelResponse.ts"
import { ResponseReader } from "./internal/parseResponse.ts"
import type { ResponseFailure } from "./internal/parseResponse.ts"
import { TOKEN } from "./internal/scanBytes.ts"
import * as Limits from "./Limits.ts"

export { encodeChunkSize, lastChunk } from "./Http1.ts"

const forbiddenValue = /[^\t\x20-\x7e\x80-\xff]/
/** What frames, routes or authorises a message comes too late at its end (RFC 9110 §6.5.1). */
const forbiddenTrailers = new Set([
  "authorization",
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "expect",
  "host",
  "keep-alive",
  "max-forwards",
  "proxy-authorization",
  "range",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

const isToken = (text: string): boolean =>
  text.length > 0 && [...text].every((char) => char.charCodeAt(0) < 0x80 && TOKEN[char.charCodeAt(0)] === 1)

/**
 * The last chunk with trailers, as ISO 8859-1 text, or why it cannot be written.
 *
 * @example
 * ```ts
 * import { Chunked } from "@sennit/http-client"
 *
 * const end = Chunked.encodeLastChunk([["digest", "x"]])
 * // "0\r\ndigest: x\r\n\r\n"
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeLastChunk = (trailers: ReadonlyArray<Field>): string | InvalidRequest => {
  let text = "0\r\n"
  for (const [name, value] of trailers) {
    if (!isToken(name) || forbiddenTrailers.has(name.toLowerCase())) {
      return new InvalidRequest({
        reason: "HeaderName",
        detail: "the name of a trailer is not a token, or may not come last"
      })
    }
    if (forbiddenValue.test(value)) {
      return new InvalidRequest({
        reason: "HeaderValue",
        detail: `the value of the trailer ${name} has forbidden characters`
      })
    }
    text += `${name}: ${value}\r\n`
  }
  return `${text}\r\n`
}

/**
 * What a decoder tells. The bytes given to `onBody` are a view that is valid only during the call.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChunkedEvents {
  readonly onBody: (bytes: Uint8Array) => void
  readonly onEnd: (trailers: ReadonlyArray<Field>) => void
}

const head = new TextEncoder().encode("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")

/**
 * Incremental decoder: `push` takes bytes in any division, `finish` says that no more will come. Both give the failure
 * that stops the decoder, if any; offsets count from the first byte of the body. It is as strict as `Http1.ResponseReader`.
 *
 * @since 0.1.0
 * @category decoding
 */
export class ChunkedDecoder {
  readonly #parser: ResponseReader

  constructor(events: ChunkedEvents, limits: Limits.Limits = Limits.defaults) {
    this.#parser = new ResponseReader({ onHead: () => {}, onBody: events.onBody, onEnd: events.onEnd }, limits)
    this.#parser.start("GET")
    this.#parser.push(head)
  }

  /** The last chunk and its trailers have arrived. */
  get done(): boolean {
    return this.#parser.done
  }

  /** Bytes that came after the end. */
  get excess(): number {
    return this.#parser.excess
  }

  /** Take bytes. */
  push(bytes: Uint8Array): ResponseFailure | undefined {
    return this.#failure(this.#parser.push(bytes))
  }

  /** No more bytes will come. */
  finish(): ResponseFailure | undefined {
    return this.#failure(this.#parser.finish())
  }

  #failure(failure: ResponseFailure | undefined): ResponseFailure | undefined {
    return failure?._tag === "ProtocolError"
      ? new ProtocolError({ reason: failure.reason, offset: failure.offset - head.length })
      : failure
  }
}
