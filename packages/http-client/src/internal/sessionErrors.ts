/** Errors in what is made of a response: redirects, bodies, cookies, events; exported through `HttpError`. */
import * as Schema from "effect/Schema"

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
