// @effect-diagnostics preferSchemaOverJson:off -- json promises unknown, as platform's own responses do
import type * as Headers from "@effect/platform/Headers"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const decoder = new TextDecoder()

/** @internal */
export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes)

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
): Effect.Effect<unknown, E> =>
  Effect.try({
    try: (): unknown => text === "" ? null : JSON.parse(text),
    catch: (cause) => failure(cause, "the body is not JSON")
  })

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
