/** Errors between the call and the socket; exported through `HttpError`. */
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
 * TCP, or the way through a proxy, was not ready in time. Nothing was sent.
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
 * The TLS handshake did not end in time. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class TlsTimeout extends Schema.TaggedError<TlsTimeout>()("TlsTimeout", {
  origin: Schema.String,
  millis: Schema.Number
}) {
  override get message(): string {
    return `The TLS handshake with ${this.origin} did not end within ${this.millis} ms. Nothing was sent; the request may be repeated.`
  }
}

/**
 * The TLS handshake failed. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class TlsError extends Schema.TaggedError<TlsError>()("TlsError", {
  reason: Schema.Literal("Certificate", "HostName", "Pin", "Handshake"),
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
 * The name of the host was not resolved in time. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class DnsTimeout extends Schema.TaggedError<DnsTimeout>()("DnsTimeout", {
  origin: Schema.String,
  millis: Schema.Number
}) {
  override get message(): string {
    return `No address for ${this.origin} within ${this.millis} ms. Nothing was sent; the request may be repeated.`
  }
}

/**
 * The proxy did not open a way to the origin. Nothing was sent to the origin.
 *
 * - `Unreachable`: no connection to the proxy
 * - `Authentication`: it wants other credentials
 * - `Refused`: it answered no; `status` is its HTTP status or its SOCKS reply code
 * - `Protocol`: it answered something that is no proxy's answer
 *
 * @since 0.1.0
 * @category errors
 */
export class ProxyError extends Schema.TaggedError<ProxyError>()("ProxyError", {
  reason: Schema.Literal("Unreachable", "Authentication", "Refused", "Protocol"),
  /** `scheme://host:port` of the proxy, without credentials. */
  proxy: Schema.String,
  origin: Schema.String,
  status: Schema.optional(Schema.Number),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const status = this.status === undefined ? "" : `, status ${this.status}`
    return `The proxy ${this.proxy} opened no way to ${this.origin} (${this.reason}${status}). Nothing was sent.`
  }
}

/**
 * The `SsrfGuard` does not allow an address that the host has. Nothing was sent, nothing was connected.
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
    return this.range === "unresolved"
      ? `A proxy or a Unix socket decides where ${this.host} is, so the SSRF guard cannot check it. Nothing was sent; name the host in the guard to allow it.`
      : `${this.host} has the address ${this.address} (${this.range}), which the SSRF guard forbids. Nothing was sent.`
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
  reason: Schema.Literal("Body", "Length"),
  origin: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `The body of the request to ${this.origin} was not sent completely (${this.reason}). The server may have seen a part of it.`
  }
}

/**
 * The server took nothing more of the request body for too long. It may have seen a part of it.
 *
 * @since 0.1.0
 * @category errors
 */
export class WriteTimeout extends Schema.TaggedError<WriteTimeout>()("WriteTimeout", {
  origin: Schema.String,
  millis: Schema.Number
}) {
  override get message(): string {
    return `${this.origin} accepted nothing more of the request body for ${this.millis} ms. The server may have seen a part of it.`
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
 * The connection ended before the whole response had come. `sent` says how much of the request was handed to the operating
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
      : `The connection to ${this.origin} closed before the whole response had come (sent: ${this.sent}). The server may have acted on the request.`
  }
}
