import type * as Headers from "@effect/platform/Headers"
import type { ResponseError } from "@effect/platform/HttpClientError"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { decodeText, parseJson } from "./decodeText.ts"

/** The text of a body in the charset of its Content-Type. @internal */
export const textOf = <E>(
  bytes: Uint8Array,
  contentType: string | undefined,
  failure: (cause: unknown, description: string) => E
): Effect.Effect<string, E> => {
  const text = decodeText(bytes, contentType)
  return typeof text === "string" ? Effect.succeed(text) : Effect.fail(failure(text, text.message))
}

/** A copy of one's own, so that nobody can change what the next reader gets. @internal */
export const bufferOf = (bytes: Uint8Array): ArrayBuffer => {
  const copy = new ArrayBuffer(bytes.length)
  new Uint8Array(copy).set(bytes)
  return copy
}

/** @internal */
export const jsonOf = <E>(
  text: string,
  failure: (cause: unknown, description: string) => E
): Effect.Effect<unknown, E> => {
  const parsed = parseJson(text)
  return "reason" in parsed ? Effect.fail(failure(parsed, parsed.message)) : Effect.succeed(parsed.value)
}

/** @internal */
export const formOf = <E>(
  body: ArrayBuffer,
  contentType: string | undefined,
  failure: (cause: unknown, description: string) => E
): Effect.Effect<FormData, E> =>
  Effect.tryPromise({
    try: () => new Response(body, { headers: { "content-type": contentType ?? "" } }).formData(),
    catch: (cause) => failure(cause, "the body is not a form")
  })

/** @internal */
export const paramsOf = (text: string): UrlParams.UrlParams => UrlParams.fromInput(new URLSearchParams(text))

/** What a response of this package has: its Set-Cookie values as they came. @internal */
export const setCookies: unique symbol = Symbol("@sennit/http-client/setCookies")

const hasSetCookies = (response: object): response is { readonly [setCookies]: ReadonlyArray<string> | undefined } =>
  setCookies in response

/** The Set-Cookie values of a response, one by one; undefined when it is another client's. @internal */
export const rawSetCookies = (response: object): ReadonlyArray<string> | undefined =>
  hasSetCookies(response) ? response[setCookies] : undefined

/** What a response of this package has: the trailers, once the body was received to its end. @internal */
export const trailers: unique symbol = Symbol("@sennit/http-client/trailers")

const hasTrailers = (response: object): response is { readonly [trailers]: Option.Option<Headers.Headers> } =>
  trailers in response

/** The trailers of a response; none before its end, and for another client's. @internal */
export const trailersIn = (response: object): Option.Option<Headers.Headers> =>
  hasTrailers(response) ? response[trailers] : Option.none()

/**
 * A body that is read piece by piece, with less work than a stream. It can be read once, and so can its response.
 *
 * @since 0.1.0
 * @category models
 */
export interface BodyReader {
  /**
   * Gives `take` the pieces as they arrive, all that have come since the last time at once, until it answers false or the
   * body ends; says whether there may be more. `take` is called from the socket and must not wait; while nothing is read,
   * the connection stops reading.
   */
  readonly read: (
    take: (pieces: ReadonlyArray<Uint8Array>) => boolean
  ) => Effect.Effect<boolean, ResponseError>
  /** Whether the end has arrived and every piece was given. */
  readonly isOver: () => boolean
  /**
   * Nobody will read the rest: a rest known to be small is swallowed and the connection reused, else the connection is
   * closed. Does nothing when the end has arrived.
   */
  readonly leave: Effect.Effect<void>
}

/** What a response of this package may have: its body, without a stream. @internal */
export const bodyReader: unique symbol = Symbol("@sennit/http-client/bodyReader")

const hasBodyReader = (response: object): response is { readonly [bodyReader]: () => BodyReader } =>
  bodyReader in response

/** The reader of a body that arrives as it is; none for a body that is decoded on its way, and from other clients. @internal */
export const bodyReaderOf = (response: object): Option.Option<BodyReader> =>
  hasBodyReader(response) ? Option.some(response[bodyReader]()) : Option.none()
