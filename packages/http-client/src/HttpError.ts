/**
 * Every error of the package. An error says which origin and phase it belongs to and whether bytes of the
 * request may have reached the server; it never carries header values, bodies or credentials.
 *
 * @since 0.1.0
 */
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * The request cannot be written as one unambiguous HTTP/1.1 message. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  reason: Schema.Literal("Url", "Method", "Target", "HeaderName", "HeaderValue", "Framing", "Body"),
  detail: Schema.String
}) {
  override get message(): string {
    return `The request was refused before anything was sent: ${this.detail}.`
  }
}

/**
 * A TCP connection could not be made. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectError extends Schema.TaggedError<ConnectError>()("ConnectError", {
  reason: Schema.Literal("Refused", "Unreachable", "Reset", "Other"),
  origin: Schema.String,
  cause: Schema.Defect
}) {
  override get message(): string {
    return `Could not connect to ${this.origin} (${this.reason}). Nothing was sent; the request may be repeated.`
  }
}

/**
 * The connection (name lookup, TCP and TLS together) was not ready in time. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectTimeout extends Schema.TaggedError<ConnectTimeout>()("ConnectTimeout", {
  origin: Schema.String,
  millis: Schema.Number
}) {
  override get message(): string {
    return `${this.origin} was not connected within ${this.millis} ms. Nothing was sent; the request may be repeated.`
  }
}

/**
 * The TLS handshake failed. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class TlsError extends Schema.TaggedError<TlsError>()("TlsError", {
  reason: Schema.Literal("Certificate", "HostName", "Handshake"),
  origin: Schema.String,
  code: Schema.String,
  cause: Schema.Defect
}) {
  override get message(): string {
    return `No TLS session with ${this.origin}: ${this.reason} (${this.code}). Nothing was sent; repeating will not help until the certificate or the trusted authorities change.`
  }
}

/**
 * The name of the host could not be resolved. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class DnsError extends Schema.TaggedError<DnsError>()("DnsError", {
  host: Schema.String,
  code: Schema.String,
  cause: Schema.Defect
}) {
  override get message(): string {
    return `No address for ${this.host} (${this.code}). Nothing was sent.`
  }
}

/**
 * The `AddressPolicy` does not allow an address that the host has. Nothing was sent, nothing was connected.
 *
 * @since 0.1.0
 * @category errors
 */
export class AddressForbidden extends Schema.TaggedError<AddressForbidden>()("AddressForbidden", {
  host: Schema.String,
  address: Schema.String,
  range: Schema.String
}) {
  override get message(): string {
    return `${this.host} has the address ${this.address} (${this.range}), which the address policy forbids. Nothing was sent.`
  }
}

/**
 * No connection became free in time, or too many requests were already waiting. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class PoolTimeout extends Schema.TaggedError<PoolTimeout>()("PoolTimeout", {
  reason: Schema.Literal("Acquire", "QueueFull"),
  origin: Schema.String
}) {
  override get message(): string {
    return this.reason === "Acquire"
      ? `No connection to ${this.origin} became free in time. Nothing was sent; ask less at once or allow more connections.`
      : `Too many requests wait for a connection to ${this.origin}. Nothing was sent; ask less at once.`
  }
}

/**
 * The pool is draining or closed.
 *
 * @since 0.1.0
 * @category errors
 */
export class PoolClosed extends Schema.TaggedError<PoolClosed>()("PoolClosed", {
  origin: Schema.String,
  sent: Schema.Literal("none", "partial", "complete")
}) {
  override get message(): string {
    return `The connection pool is closed (request to ${this.origin}, sent: ${this.sent}).`
  }
}

/**
 * The body of the request failed while it was being sent. The server may have seen a part of it.
 *
 * @since 0.1.0
 * @category errors
 */
export class WriteError extends Schema.TaggedError<WriteError>()("WriteError", {
  reason: Schema.Literal("Body", "Length", "Stalled"),
  origin: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `The body of the request to ${this.origin} was not sent completely (${this.reason}). The server may have seen a part of it.`
  }
}

/**
 * The head of the response did not arrive in time. The request was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class HeadersTimeout extends Schema.TaggedError<HeadersTimeout>()("HeadersTimeout", {
  origin: Schema.String,
  millis: Schema.Number
}) {
  override get message(): string {
    return `${this.origin} sent no response head within ${this.millis} ms. The server may have acted on the request.`
  }
}

/**
 * The body of the response stood still for too long: the server sent nothing (`Server`), or nobody read it (`Reader`).
 *
 * @since 0.1.0
 * @category errors
 */
export class BodyTimeout extends Schema.TaggedError<BodyTimeout>()("BodyTimeout", {
  reason: Schema.Literal("Server", "Reader"),
  origin: Schema.String,
  millis: Schema.Number
}) {
  override get message(): string {
    return this.reason === "Server"
      ? `${this.origin} sent nothing more of the response body for ${this.millis} ms.`
      : `Nobody read the response body from ${this.origin} for ${this.millis} ms, so its connection was closed.`
  }
}

/**
 * The request with its response took longer than allowed in total.
 *
 * @since 0.1.0
 * @category errors
 */
export class TotalTimeout extends Schema.TaggedError<TotalTimeout>()("TotalTimeout", {
  origin: Schema.String,
  millis: Schema.Number,
  sent: Schema.Literal("none", "partial", "complete")
}) {
  override get message(): string {
    return `The request to ${this.origin} was not done within ${this.millis} ms (sent: ${this.sent}).`
  }
}

/**
 * Why a response is not acceptable HTTP/1.1 (RFC 9112, read strictly).
 *
 * @since 0.1.0
 * @category models
 */
export const ProtocolReason = Schema.Literal(
  "StatusLine",
  "Version",
  "Status",
  "HeaderName",
  "HeaderValue",
  "LineEnding",
  "ObsoleteFold",
  "ContentLength",
  "TransferEncoding",
  "ConflictingFraming",
  "ChunkSize",
  "ChunkExtension",
  "ChunkEnd",
  "Trailer",
  "Upgrade",
  "InformationalFlood",
  "Unsolicited",
  "TruncatedHead",
  "TruncatedBody"
)

/**
 * @since 0.1.0
 * @category models
 */
export type ProtocolReason = typeof ProtocolReason.Type

/**
 * The server sent something that is not an acceptable HTTP/1.1 response. `offset` counts bytes from the start of
 * the response (informational responses included). The connection is discarded.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProtocolError extends Schema.TaggedError<ProtocolError>()("ProtocolError", {
  reason: ProtocolReason,
  offset: Schema.Number
}) {
  override get message(): string {
    return `The response is not acceptable HTTP/1.1: ${this.reason} at byte ${this.offset}. The connection was discarded.`
  }
}

/**
 * The head, the trailers or the chunk extensions of a response are larger than the limit.
 *
 * @since 0.1.0
 * @category errors
 */
export class HeadersTooLarge extends Schema.TaggedError<HeadersTooLarge>()("HeadersTooLarge", {
  limit: Schema.Literal("headerBytes", "headerCount", "chunkExtensionBytes"),
  maximum: Schema.Number
}) {
  override get message(): string {
    return `The response has more than ${this.maximum} ${this.limit}. The connection was discarded; raise the limit if this is expected.`
  }
}

/**
 * The body of a response is larger than `Limits.bodyBytes`.
 *
 * @since 0.1.0
 * @category errors
 */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", {
  maximum: Schema.Number
}) {
  override get message(): string {
    return `The response body has more than ${this.maximum} bytes. The connection was discarded; raise bodyBytes if this is expected.`
  }
}

/**
 * The connection ended before a response came. `sent` says how much of the request was handed to the operating
 * system: after `none` any request may be repeated, after `partial` or `complete` only one that is idempotent.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>()("ConnectionClosed", {
  origin: Schema.String,
  sent: Schema.Literal("none", "partial", "complete"),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return this.sent === "none"
      ? `The connection to ${this.origin} closed before the request was sent. It may be repeated.`
      : `The connection to ${this.origin} closed before a response came (sent: ${this.sent}). The server may have acted on the request.`
  }
}

/**
 * More redirects than allowed.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyRedirects extends Schema.TaggedError<TooManyRedirects>()("TooManyRedirects", {
  maximum: Schema.Number
}) {
  override get message(): string {
    return `The server redirected more than ${this.maximum} times.`
  }
}

/**
 * A redirect leads back to a request that was already made.
 *
 * @since 0.1.0
 * @category errors
 */
export class RedirectLoop extends Schema.TaggedError<RedirectLoop>()("RedirectLoop", {
  origin: Schema.String
}) {
  override get message(): string {
    return `The redirects lead in a circle (at ${this.origin}).`
  }
}

/**
 * A redirect cannot be followed: no usable Location, another scheme than http and https, or a body that cannot be
 * sent a second time.
 *
 * @since 0.1.0
 * @category errors
 */
export class RedirectRefused extends Schema.TaggedError<RedirectRefused>()("RedirectRefused", {
  reason: Schema.Literal("Location", "Scheme", "Credentials", "Body"),
  status: Schema.Number
}) {
  override get message(): string {
    return `The ${this.status} redirect was not followed (${this.reason}).`
  }
}

/**
 * The body of a response was already taken, as a stream.
 *
 * @since 0.1.0
 * @category errors
 */
export class BodyConsumed extends Schema.TaggedError<BodyConsumed>()("BodyConsumed", {
  origin: Schema.String
}) {
  override get message(): string {
    return `The response body from ${this.origin} was already read as a stream; read it once, or as text or bytes.`
  }
}

/**
 * The body of a response is not what its Content-Encoding says: not decodable (`Corrupt`), cut short (`Truncated`), or
 * followed by bytes that belong to nothing (`TrailingData`). What was decoded before is not known to be right.
 *
 * @since 0.1.0
 * @category errors
 */
export class DecompressionError extends Schema.TaggedError<DecompressionError>()("DecompressionError", {
  reason: Schema.Literal("Corrupt", "Truncated", "TrailingData"),
  coding: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `The response body cannot be decoded as ${this.coding} (${this.reason}). Nothing of it should be trusted.`
  }
}

/**
 * A compressed body is over a limit of `DecompressionLimits`; it was not decoded further.
 *
 * @since 0.1.0
 * @category errors
 */
export class DecompressionLimit extends Schema.TaggedError<DecompressionLimit>()("DecompressionLimit", {
  limit: Schema.Literal("codings", "ratio", "bytes"),
  maximum: Schema.Number
}) {
  override get message(): string {
    return `The compressed response body is over the limit of ${this.maximum} ${this.limit}. It was not decoded further; raise the limit if this is expected.`
  }
}

/**
 * A cookie was not taken: it is not written as one (`Syntax`), is for another host (`Domain`) or for many people's hosts
 * (`PublicSuffix`), needs https or would hide a cookie that does (`Secure`), is `SameSite=None` without `Secure`
 * (`SameSite`), or breaks the promise of its name (`Prefix`).
 *
 * @since 0.1.0
 * @category errors
 */
export class CookieRefused extends Schema.TaggedError<CookieRefused>()("CookieRefused", {
  reason: Schema.Literal("Syntax", "Domain", "PublicSuffix", "Secure", "SameSite", "Prefix"),
  host: Schema.String
}) {
  override get message(): string {
    return `A cookie from ${this.host} was refused (${this.reason}). Nothing was stored.`
  }
}

/**
 * A response is no stream of events (`Status`, `ContentType`), or a line or an event in it is over the limit.
 *
 * @since 0.1.0
 * @category errors
 */
export class EventStreamError extends Schema.TaggedError<EventStreamError>()("EventStreamError", {
  reason: Schema.Literal("Status", "ContentType", "Line", "Event"),
  status: Schema.optional(Schema.Number),
  maximum: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    return this.maximum === undefined
      ? `The response (status ${this.status}) is no stream of events: ${this.reason}.`
      : `The stream of events has a longer ${this.reason.toLowerCase()} than ${this.maximum}; raise the limit if this is expected.`
  }
}

/**
 * The server did not open a WebSocket: another status than 101 (`Status`), no or another `Upgrade` (`Upgrade`), a wrong
 * proof that it read the request (`Accept`), or a subprotocol or an extension that was not asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class WebSocketHandshakeError extends Schema.TaggedError<WebSocketHandshakeError>()("WebSocketHandshakeError", {
  reason: Schema.Literal("Status", "Upgrade", "Accept", "Protocol", "Extension"),
  origin: Schema.String,
  status: Schema.Number
}) {
  override get message(): string {
    return `${this.origin} did not open a WebSocket (${this.reason}, status ${this.status}). The connection was discarded.`
  }
}

/**
 * The other side broke RFC 6455, or a message is over a limit. `code` is what the connection was closed with.
 *
 * @since 0.1.0
 * @category errors
 */
export class WebSocketProtocolError extends Schema.TaggedError<WebSocketProtocolError>()("WebSocketProtocolError", {
  reason: Schema.Literal(
    "ReservedBits",
    "Opcode",
    "Masked",
    "ControlFrame",
    "Fragmentation",
    "Length",
    "CloseCode",
    "Utf8",
    "Deflate",
    "FrameTooLarge",
    "MessageTooLarge",
    "TooManyFragments"
  ),
  code: Schema.Literal(1002, 1007, 1009)
}) {
  override get message(): string {
    return `The WebSocket was closed with ${this.code}: ${this.reason}. Messages before are whole, the present one is lost.`
  }
}

/**
 * The WebSocket is closed. 1006 means that the connection ended without a closing handshake.
 *
 * @since 0.1.0
 * @category errors
 */
export class WebSocketClosed extends Schema.TaggedError<WebSocketClosed>()("WebSocketClosed", {
  code: Schema.Number,
  reason: Schema.String
}) {
  override get message(): string {
    return `The WebSocket is closed (${this.code}). What was sent and not answered may not have arrived.`
  }
}

const members = [
  InvalidRequest,
  ConnectError,
  ConnectTimeout,
  TlsError,
  DnsError,
  AddressForbidden,
  PoolTimeout,
  PoolClosed,
  WriteError,
  HeadersTimeout,
  BodyTimeout,
  TotalTimeout,
  ProtocolError,
  HeadersTooLarge,
  BodyTooLarge,
  ConnectionClosed,
  TooManyRedirects,
  RedirectLoop,
  RedirectRefused,
  BodyConsumed,
  DecompressionError,
  DecompressionLimit,
  CookieRefused,
  EventStreamError,
  WebSocketHandshakeError,
  WebSocketProtocolError,
  WebSocketClosed
] as const

/**
 * Schema of every error of the package.
 *
 * @since 0.1.0
 * @category models
 */
export const HttpError: Schema.Union<typeof members> = Schema.Union(...members)

/**
 * Every error of the package.
 *
 * @since 0.1.0
 * @category models
 */
export type HttpError = InstanceType<(typeof members)[number]>

/**
 * Whether a value is one of the package's errors.
 *
 * @since 0.1.0
 * @category guards
 */
export const isHttpError: (u: unknown) => u is HttpError = Schema.is(HttpError)

/**
 * The precise error behind a platform `RequestError` or `ResponseError`.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import { HttpError } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 * import * as Option from "effect/Option"
 *
 * const program = HttpClient.get("http://127.0.0.1:1/").pipe(
 *   Effect.catchAll((error) =>
 *     Effect.succeed(Option.match(HttpError.fromClientError(error), {
 *       onNone: () => "not ours",
 *       onSome: (precise) => precise._tag
 *     }))
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const fromClientError = (error: HttpClientError): Option.Option<HttpError> =>
  isHttpError(error.cause) ? Option.some(error.cause) : Option.none()
