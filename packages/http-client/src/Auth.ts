/**
 * Credentials for one origin: Basic, Bearer with refresh, and Digest.
 *
 * @since 0.1.0
 */
// @effect-diagnostics nodeBuiltinImport:off -- node:crypto makes the client's nonces
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Crypto from "node:crypto"
import * as Digest from "./Digest.ts"
import { isReplayable } from "./internal/encodeBody.ts"
import { interceptSend, leave } from "./internal/interceptSend.ts"
import type { Send } from "./internal/interceptSend.ts"
import { urlOf } from "./internal/prepareRequest.ts"

type Request = HttpClientRequest.HttpClientRequest

/** An `Authorization` header that the request has already is the caller's own, and stays. */
const isOwn = (request: Request): boolean => "authorization" in request.headers

/** The URL of a request that these credentials are for; undefined for any other. */
const ownUrl = (request: Request, origin: string): URL | undefined => {
  if (isOwn(request)) return undefined
  const url = urlOf(request)
  return "_tag" in url || url.origin !== origin ? undefined : url
}

const originOf = (url: string | URL): string => new URL(url).origin

const authorized = (request: Request, value: Redacted.Redacted): Request =>
  HttpClientRequest.setHeader(request, "authorization", Redacted.value(value))

/**
 * Send a user name and password (RFC 7617) to one origin and to no other, also after redirects. `origin` is any URL of
 * it. A request with an Authorization header of its own keeps that.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import { Auth } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 * import * as Redacted from "effect/Redacted"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(
 *     Auth.withBasicAuth("https://example.com", { username: "me", password: Redacted.make("secret") })
 *   )
 *   return yield* client.get("https://example.com/mine")
 * })
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const withBasicAuth: {
  (
    origin: string | URL,
    credentials: Digest.DigestCredentials
  ): <E, R>(self: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E, R>
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    origin: string | URL,
    credentials: Digest.DigestCredentials
  ): HttpClient.HttpClient.With<E, R>
} = dual(
  3,
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    origin: string | URL,
    { password, username }: Digest.DigestCredentials
  ): HttpClient.HttpClient.With<E, R> => {
    const own = originOf(origin)
    const pair = Buffer.from(`${username}:${Redacted.value(password)}`, "utf8").toString("base64")
    const value = Redacted.make(`Basic ${pair}`)
    return interceptSend(
      self,
      (send, request) => send(ownUrl(request, own) === undefined ? request : authorized(request, value))
    )
  }
)

/** Send again with other credentials after 401, when the body can be sent a second time. */
const again = <E, R>(
  send: Send<E, R>,
  request: Request,
  response: HttpClientResponse,
  value: Redacted.Redacted
): Effect.Effect<HttpClientResponse, E, R> =>
  isReplayable(request.body)
    ? Effect.zipRight(leave(response), send(authorized(request, value)))
    : Effect.succeed(response)

const bearer = (token: Redacted.Redacted): Redacted.Redacted => Redacted.make(`Bearer ${Redacted.value(token)}`)

/**
 * Send a token (RFC 6750) to one origin and to no other. `token` is run for the first request and again after a 401,
 * once for all requests that met it, whatever their number; then each of them is sent a second time. A second 401 is
 * given as it is, and so is the first when the body of the request cannot be sent again.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import { Auth } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 * import * as Redacted from "effect/Redacted"
 *
 * const program = Effect.gen(function*() {
 *   const fetchToken = Effect.succeed(Redacted.make("token"))
 *   const plain = yield* HttpClient.HttpClient
 *   const client = yield* Auth.withBearer(plain, "https://example.com", fetchToken)
 *   return yield* client.get("https://example.com/mine")
 * })
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const withBearer = <E, R, E2, R2>(
  self: HttpClient.HttpClient.With<E, R>,
  origin: string | URL,
  token: Effect.Effect<Redacted.Redacted, E2, R2>
): Effect.Effect<HttpClient.HttpClient.With<E | E2, R | R2>> =>
  Effect.gen(function*() {
    const own = originOf(origin)
    const oneAtATime = yield* Effect.makeSemaphore(1)
    const current = yield* Ref.make(Option.none<Redacted.Redacted>())
    /** The token that is not `refused`: the present one, or a new one that the first to ask gets for all. */
    const tokenAfter = (refused: Option.Option<Redacted.Redacted>) =>
      Effect.flatMap(Ref.get(current), (present) =>
        Option.isSome(present) && !(Option.isSome(refused) && present.value === refused.value)
          ? Effect.succeed(present.value)
          : oneAtATime.withPermits(1)(
            Effect.flatMap(Ref.get(current), (meanwhile) =>
              Option.isSome(meanwhile) && !(Option.isSome(refused) && meanwhile.value === refused.value)
                ? Effect.succeed(meanwhile.value)
                : Effect.tap(token, (made) =>
                  Ref.set(current, Option.some(made))))
          ))
    return interceptSend(self, (send, request): Effect.Effect<HttpClientResponse, E | E2, R | R2> => {
      if (ownUrl(request, own) === undefined) {
        return send(request)
      }
      return Effect.flatMap(tokenAfter(Option.none()), (first) =>
        Effect.flatMap(
          send(authorized(request, bearer(first))),
          (response): Effect.Effect<HttpClientResponse, E | E2, R | R2> =>
            response.status !== 401 || !isReplayable(request.body)
              ? Effect.succeed(response)
              : Effect.flatMap(
                tokenAfter(Option.some(first)),
                (second) =>
                  again(send, request, response, bearer(second))
              )
        ))
    })
  })

/** The challenge in use, and how often its nonce was. */
interface DigestState {
  readonly challenge: Digest.DigestChallenge
  readonly count: number
}

/**
 * Answer Digest challenges (RFC 7616: MD5, SHA-256, SHA-512-256, their `-sess` forms, `qop=auth`, `userhash`) of one origin and of no
 * other. The first request goes without credentials and, when it is challenged, a second time with them; later ones use
 * the nonce again, and one that has become stale is replaced by a single repetition. Wrong credentials give the 401.
 *
 * @since 0.1.0
 * @category middleware
 */
export const withDigestAuth = <E, R>(
  self: HttpClient.HttpClient.With<E, R>,
  origin: string | URL,
  credentials: Digest.DigestCredentials
): Effect.Effect<HttpClient.HttpClient.With<E, R>> =>
  Effect.map(Ref.make(Option.none<DigestState>()), (state) => {
    const own = originOf(origin)
    const answer = (request: Request, url: URL) =>
      Effect.map(
        Ref.modify(state, (now) => {
          const next = Option.map(now, ({ challenge, count }) => ({ challenge, count: count + 1 }))
          return [next, next]
        }),
        Option.map(({ challenge, count }) =>
          Digest.authorize(challenge, credentials, {
            method: request.method,
            target: url.pathname + url.search,
            count,
            cnonce: Crypto.randomBytes(16).toString("hex")
          })
        )
      )
    return interceptSend(self, (send, request): Effect.Effect<HttpClientResponse, E, R> => {
      const url = ownUrl(request, own)
      if (url === undefined) return send(request)
      return Effect.flatMap(answer(request, url), (known) => {
        const first = Option.match(known, { onNone: () => request, onSome: (value) => authorized(request, value) })
        return Effect.flatMap(send(first), (response): Effect.Effect<HttpClientResponse, E, R> => {
          const challenge = response.status === 401
            ? Digest.chooseChallenge(response.headers["www-authenticate"] ?? "")
            : undefined
          if (challenge === undefined) return Effect.succeed(response)
          // answered already and refused for another reason than an old nonce: the credentials are wrong
          if (Option.isSome(known) && !challenge.stale) return Effect.as(Ref.set(state, Option.none()), response)
          return Ref.set(state, Option.some({ challenge, count: 0 })).pipe(
            Effect.zipRight(answer(request, url)),
            Effect.flatMap(Option.match({
              onNone: () => Effect.succeed(response),
              onSome: (value) => again(send, request, response, value)
            }))
          )
        })
      })
    })
  })
