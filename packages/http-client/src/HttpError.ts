/**
 * Every error of the package. An error says which origin and phase it belongs to and whether bytes of the
 * request may have reached the server; it never carries header values, bodies or credentials.
 *
 * @since 0.1.0
 */
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DecodeError, MultipartError, SyncError } from "./internal/contentErrors.ts"
import {
  BodyTooLarge,
  HeadersTooLarge,
  ProtocolError,
  WebSocketClosed,
  WebSocketHandshakeError,
  WebSocketProtocolError
} from "./internal/protocolErrors.ts"
import {
  BodyConsumed,
  CookieRefused,
  DecompressionError,
  DecompressionLimit,
  EventStreamError,
  RedirectLoop,
  RedirectRefused,
  TooManyRedirects
} from "./internal/sessionErrors.ts"
import {
  AddressForbidden,
  BodyTimeout,
  ConnectError,
  ConnectionClosed,
  ConnectTimeout,
  DnsError,
  DnsTimeout,
  HeadersTimeout,
  InvalidRequest,
  PoolClosed,
  PoolTimeout,
  ProxyError,
  TlsError,
  TlsTimeout,
  TotalTimeout,
  WriteError,
  WriteTimeout
} from "./internal/transportErrors.ts"

export * from "./internal/contentErrors.ts"
export * from "./internal/protocolErrors.ts"
export * from "./internal/sessionErrors.ts"
export * from "./internal/transportErrors.ts"

const members = [
  InvalidRequest,
  ConnectError,
  ConnectTimeout,
  TlsError,
  TlsTimeout,
  DnsError,
  DnsTimeout,
  ProxyError,
  AddressForbidden,
  PoolTimeout,
  PoolClosed,
  WriteError,
  WriteTimeout,
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
  DecodeError,
  MultipartError,
  SyncError,
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
