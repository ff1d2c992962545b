/** Errors in what a server sends; exported through `HttpError`. */
import * as Schema from "effect/Schema"

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
 * The WebSocket is closed. 1006 means that the connection ended without a closing handshake: `lost` says whether the
 * connection broke (`Connection`), a ping had no answer in time (`Heartbeat`), or the closing handshake (`CloseTimeout`).
 *
 * @since 0.1.0
 * @category errors
 */
export class WebSocketClosed extends Schema.TaggedError<WebSocketClosed>()("WebSocketClosed", {
  code: Schema.Number,
  reason: Schema.String,
  lost: Schema.optional(Schema.Literal("Connection", "Heartbeat", "CloseTimeout"))
}) {
  override get message(): string {
    return `The WebSocket is closed (${this.code}${
      this.lost === undefined ? "" : `, ${this.lost}`
    }). What was sent and not answered may not have arrived.`
  }
}
