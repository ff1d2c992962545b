/**
 * A client with everything that belongs to one conversation: base URL, default headers, cookies, credentials, redirects,
 * retries, decompression and hooks, put together in the order that makes them right.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Auth from "./Auth.ts"
import { withDecompression } from "./ContentCoding.ts"
import type { DecompressionLimits } from "./ContentCoding.ts"
import * as CookieJar from "./CookieJar.ts"
import { TotalTimeout } from "./HttpError.ts"
import { interceptSend } from "./internal/interceptSend.ts"
import { requestErrorOf, urlOf } from "./internal/prepareRequest.ts"
import { withRedirects } from "./Redirect.ts"
import type { RedirectOptions } from "./Redirect.ts"
import { withRetry } from "./Retry.ts"
import type { RetryOptions } from "./Retry.ts"

/**
 * Credentials for one origin (any URL of it). `token` is run when one is needed and again after a 401.
 *
 * @since 0.1.0
 * @category models
 */
export type SessionAuth =
  | {
    readonly type: "basic" | "digest"
    readonly origin: string
    readonly username: string
    readonly password: Redacted.Redacted
  }
  | {
    readonly type: "bearer"
    readonly origin: string
    readonly token: Effect.Effect<Redacted.Redacted, HttpClientError>
  }

/**
 * - `baseUrl`: put before every URL that has no scheme of its own
 * - `headers`: sent with every request that has not its own
 * - `cookies`: a jar, or options of a new one; `false` for none
 * - `auth`: credentials
 * - `redirects`: `false` gives every 3xx as it is (10 are followed)
 * - `retry`: not unless given
 * - `decompression`: limits; `false` asks for no compression
 * - `timeout`: from the call to the head of the response, with all redirects and retries; `TotalTimeout`
 * - `onRequest`: changes a request before anything else sees it; `onResponse` sees the response that is the result
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionOptions {
  readonly baseUrl?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly cookies?: Context.Tag.Service<CookieJar.CookieJar> | CookieJar.CookieJarOptions | false | undefined
  readonly auth?: SessionAuth | undefined
  readonly redirects?: RedirectOptions | false | undefined
  readonly retry?: RetryOptions | undefined
  readonly decompression?: Partial<DecompressionLimits> | false | undefined
  readonly timeout?: Duration.DurationInput | undefined
  readonly onRequest?:
    | ((
      request: HttpClientRequest.HttpClientRequest
    ) => Effect.Effect<HttpClientRequest.HttpClientRequest, HttpClientError>)
    | undefined
  readonly onResponse?: ((response: HttpClientResponse) => Effect.Effect<void>) | undefined
}

/**
 * A client and what it keeps. `client` is like any other platform client; `jar` is none for `cookies: false`.
 *
 * @since 0.1.0
 * @category tags
 */
export class Session extends Context.Tag("@sennit/http-client/Session")<Session, {
  readonly client: HttpClient.HttpClient
  readonly jar: Option.Option<Context.Tag.Service<CookieJar.CookieJar>>
}>() {}

const isAbsolute = /^[a-z][a-z0-9+.-]*:\/\//i

const jarOf = (
  cookies: SessionOptions["cookies"]
): Effect.Effect<Option.Option<Context.Tag.Service<CookieJar.CookieJar>>> => {
  if (cookies === false) return Effect.succeedNone
  return cookies !== undefined && "snapshot" in cookies
    ? Effect.succeedSome(cookies)
    : Effect.asSome(CookieJar.make(cookies))
}

const withAuth = (
  client: HttpClient.HttpClient,
  auth: SessionAuth | undefined
): Effect.Effect<HttpClient.HttpClient> => {
  switch (auth?.type) {
    case undefined:
      return Effect.succeed(client)
    case "basic":
      return Effect.succeed(Auth.withBasicAuth(client, auth.origin, auth))
    case "digest":
      return Auth.withDigestAuth(client, auth.origin, auth)
    case "bearer":
      return Auth.withBearer(client, auth.origin, auth.token)
  }
}

/**
 * Bound the time from the call to the head of the response. What is under way then is interrupted, so its connection is
 * closed; the body that follows is bounded by the timeouts of the pool.
 *
 * @since 0.1.0
 * @category middleware
 */
export const withTimeout = (
  self: HttpClient.HttpClient,
  timeout: Duration.DurationInput
): HttpClient.HttpClient =>
  interceptSend(self, (send, request) =>
    Effect.timeoutFail(send(request), {
      duration: timeout,
      onTimeout: () => {
        const url = urlOf(request)
        return requestErrorOf(
          request,
          new TotalTimeout({
            origin: "_tag" in url ? request.url : url.origin,
            millis: Duration.toMillis(timeout),
            sent: "partial"
          })
        )
      }
    }))

/**
 * Make a session over a client. From the socket outwards it is put together as
 *
 * 1. decompression and cookies, which every single response and hop has
 * 2. credentials, checked against the origin of every hop, and their repetition after 401
 * 3. retries, of a hop and not of the whole chain of redirects
 * 4. redirects, which take credentials away that were given by hand
 * 5. the time limit of all that
 * 6. once per call: base URL, default headers and `onRequest` before, `onResponse` after
 *
 * @example
 * ```ts
 * import { HttpClient, Session } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const { client } = yield* Session.make({ baseUrl: "https://example.com", timeout: "30 seconds", retry: {} })
 *   yield* client.post("/login")
 *   return yield* client.get("/account")
 * }).pipe(Effect.provide(HttpClient.layerPooled()))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fn("Session.make")(
  function*(
    options: SessionOptions = {}
  ): Effect.fn.Return<Context.Tag.Service<Session>, never, HttpClient.HttpClient> {
    const { baseUrl, decompression, headers, onRequest, onResponse, redirects, retry, timeout } = options
    const plain = yield* HttpClient.HttpClient
    const jar = yield* jarOf(options.cookies)
    const decoding: HttpClient.HttpClient = decompression === false ? plain : withDecompression(plain, decompression)
    const hop: HttpClient.HttpClient = Option.isNone(jar) ? decoding : CookieJar.withCookieJar(decoding, jar.value)
    const authenticated = yield* withAuth(hop, options.auth)
    const client = authenticated.pipe(
      retry === undefined ? identity : withRetry(retry),
      redirects === false ? identity : withRedirects(redirects),
      timeout === undefined ? identity : (self) => withTimeout(self, timeout),
      HttpClient.mapRequest((request) => {
        const based = baseUrl === undefined || isAbsolute.test(request.url)
          ? request
          : HttpClientRequest.prependUrl(request, baseUrl)
        return headers === undefined ? based : HttpClientRequest.setHeaders(based, { ...headers, ...request.headers })
      }),
      onRequest === undefined ? identity : HttpClient.mapRequestEffect(onRequest),
      onResponse === undefined ? identity : HttpClient.tap(onResponse)
    )
    return { client, jar }
  }
)

/**
 * A session as a layer; the `HttpClient` itself stays what it was.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: SessionOptions): Layer.Layer<Session, never, HttpClient.HttpClient> =>
  Layer.effect(Session, make(options))
