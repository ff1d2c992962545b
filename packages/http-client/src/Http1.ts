/**
 * A sans-IO HTTP/1.1 codec: bytes in, events out; no socket, no clock, no Effect. It reads RFC 9112 strictly: what is
 * ambiguous is refused, each refusal with a reason.
 *
 * @since 0.1.0
 */
import { InvalidRequest } from "./HttpError.ts"
import type { Field, ResponseHead } from "./internal/modelResponse.ts"
import type { ResponseFailure } from "./internal/parseResponse.ts"
import { ResponseReader } from "./internal/parseResponse.ts"
import { TOKEN } from "./internal/scanBytes.ts"
import * as Limits from "./Limits.ts"

export { parseFields, ResponseHead } from "./internal/modelResponse.ts"
export type { Field, ResponseEvents } from "./internal/modelResponse.ts"
export { ResponseReader } from "./internal/parseResponse.ts"
export type { ResponseFailure } from "./internal/parseResponse.ts"

/**
 * How the body of a request is framed: absent, of known length, or chunked.
 *
 * @since 0.1.0
 * @category models
 */
export type RequestFraming = "none" | "chunked" | number

/**
 * What a request line and header section are made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestHead {
  readonly method: string
  /** Origin form: path and query, percent-encoded. */
  readonly target: string
  /** `host[:port]` of the URL. */
  readonly host: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly framing: RequestFraming
}

const forbiddenTarget = /[^\x21-\x7e]|#/
const forbiddenValue = /[^\t\x20-\x7e\x80-\xff]/
const forbiddenHost = /[^\x21-\x7e]|[/?#@\\]/
const knownMethods = new Set(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
const bodyMethods = new Set(["POST", "PUT", "PATCH"])

const isToken = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f || TOKEN[code] === 0) return false
  }
  return text.length > 0
}

const refuse = (reason: InvalidRequest["reason"], detail: string): InvalidRequest =>
  new InvalidRequest({ reason, detail })

/** The line of a header that frames the message, checked against the real frame; "" when we write that line. */
const encodeReserved = (name: string, value: string, head: RequestHead): string | InvalidRequest => {
  switch (name) {
    case "host":
      return value === head.host ? "" : refuse("Framing", "a Host header differs from the host of the URL")
    case "content-length":
      return String(head.framing) === value || (head.framing === "none" && value === "0")
        ? ""
        : refuse("Framing", "a Content-Length header differs from the length of the body")
    case "connection": {
      const option = value.toLowerCase()
      return option === "close" || option === "keep-alive"
        ? `connection: ${option}\r\n`
        : refuse("Framing", "a Connection header may only say close or keep-alive")
    }
    default:
      return refuse("Framing", `the header ${name} is written by the connection only`)
  }
}

const reserved = new Set(["host", "content-length", "connection", "transfer-encoding", "upgrade", "trailer", "te"])

const encodeHeader = (name: string, value: string, head: RequestHead): string | InvalidRequest => {
  if (!isToken(name)) return refuse("HeaderName", "a header name is not a token")
  if (forbiddenValue.test(value)) {
    return refuse("HeaderValue", `the value of the header ${name} has forbidden characters`)
  }
  const lower = name.toLowerCase()
  return reserved.has(lower) ? encodeReserved(lower, value, head) : `${name}: ${value}\r\n`
}

/**
 * A request line with its header section, as ISO 8859-1 text, or why it cannot be written. Method, target, host, names
 * and values are checked: no character can end a line or a field early, and headers that frame the message
 * (Content-Length, Transfer-Encoding, Connection, Host, Upgrade, Trailer, TE) may not contradict the message.
 *
 * @example
 * ```ts
 * import { Http1 } from "@sennit/http-client"
 *
 * const head = Http1.encodeRequestHead({
 *   method: "GET",
 *   target: "/",
 *   host: "example.com",
 *   headers: { accept: "text/plain" },
 *   framing: "none"
 * })
 * // "GET / HTTP/1.1\r\nhost: example.com\r\naccept: text/plain\r\n\r\n"
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeRequestHead = (head: RequestHead): string | InvalidRequest => {
  if (!knownMethods.has(head.method) && !isToken(head.method)) return refuse("Method", "the method is not a token")
  if (head.method === "CONNECT") return refuse("Method", "CONNECT asks for a tunnel, not for a response")
  if (head.target === "" || forbiddenTarget.test(head.target)) {
    return refuse("Target", "the target is empty or has forbidden characters")
  }
  if (head.target.charCodeAt(0) !== 0x2f && !(head.target === "*" && head.method === "OPTIONS")) {
    return refuse("Target", "the target does not start with a slash")
  }
  if (head.host === "" || forbiddenHost.test(head.host)) {
    return refuse("Target", "the host is empty or has forbidden characters")
  }
  let text = `${head.method} ${head.target} HTTP/1.1\r\nhost: ${head.host}\r\n`
  for (const name in head.headers) {
    const value = head.headers[name]
    if (value === undefined) continue
    for (const one of typeof value === "string" ? [value] : value) {
      const line = encodeHeader(name, one, head)
      if (typeof line !== "string") return line
      text += line
    }
  }
  if (head.framing === "chunked") text += "transfer-encoding: chunked\r\n"
  else if (head.framing !== "none") text += `content-length: ${head.framing}\r\n`
  else if (bodyMethods.has(head.method)) text += "content-length: 0\r\n"
  return text + "\r\n"
}

/**
 * The size line that comes before `length` bytes of a chunk; `"\r\n"` follows the bytes. A length of 0 would end the
 * body, so empty chunks must be left out.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeChunkSize = (length: number): string => `${length.toString(16)}\r\n`

/**
 * The last chunk, without trailers.
 *
 * @since 0.1.0
 * @category encoding
 */
export const lastChunk = "0\r\n\r\n"

/**
 * What a `ResponseParser` gives, in this order: informational responses, the head, the body in pieces, the end.
 *
 * @since 0.1.0
 * @category models
 */
export type ResponseEvent =
  | { readonly _tag: "Informational"; readonly status: number }
  | { readonly _tag: "Head"; readonly head: ResponseHead }
  | { readonly _tag: "Body"; readonly bytes: Uint8Array }
  | { readonly _tag: "End"; readonly trailers: ReadonlyArray<Field> }

/**
 * Parses one response: `push` takes bytes in any division and gives the events in them, `finish` says that no more will
 * come. Both throw what makes the response unacceptable: `ProtocolError` with its reason and offset, `HeadersTooLarge` or
 * `BodyTooLarge`. A driver that wants callbacks, and one parser for all the responses of a connection, has
 * `ResponseReader`, which this is made of.
 *
 * @example
 * ```ts
 * import { Http1 } from "@sennit/http-client"
 *
 * const parser = new Http1.ResponseParser()
 * const events = [
 *   ...parser.push(Buffer.from("HTTP/1.1 200 OK\r\nContent-Le")),
 *   ...parser.push(Buffer.from("ngth: 2\r\n\r\nok"))
 * ]
 * // Head, Body, End
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export class ResponseParser {
  readonly #reader: ResponseReader
  #events: Array<ResponseEvent> = []

  /** `method` is that of the request: the response to HEAD has no body. */
  constructor(options: { readonly method?: string; readonly limits?: Partial<Limits.Limits> } = {}) {
    this.#reader = new ResponseReader({
      onInformational: (status) => this.#events.push({ _tag: "Informational", status }),
      onHead: (head) => this.#events.push({ _tag: "Head", head }),
      onBody: (view) => this.#events.push({ _tag: "Body", bytes: view.slice() }),
      onEnd: (trailers) => this.#events.push({ _tag: "End", trailers })
    }, { ...Limits.defaults, ...options.limits })
    this.#reader.start(options.method ?? "GET")
  }

  /** How many of the pushed bytes came after the end of the response. */
  get excess(): number {
    return this.#reader.excess
  }

  push(bytes: Uint8Array): ReadonlyArray<ResponseEvent> {
    return this.#take(this.#reader.push(bytes))
  }

  finish(): ReadonlyArray<ResponseEvent> {
    return this.#take(this.#reader.finish())
  }

  #take(failure: ResponseFailure | undefined): ReadonlyArray<ResponseEvent> {
    if (failure !== undefined) throw failure
    const events = this.#events
    this.#events = []
    return events
  }
}
