/**
 * Following redirects over any platform client.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type { RequestError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type * as HttpMethod from "@effect/platform/HttpMethod"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Predicate from "effect/Predicate"
import { RedirectLoop, RedirectRefused, TooManyRedirects } from "./HttpError.ts"
import type { HttpError } from "./HttpError.ts"
import { isReplayable } from "./internal/encodeBody.ts"
import { interceptSend, leave } from "./internal/interceptSend.ts"
import type { Send } from "./internal/interceptSend.ts"
import { requestErrorOf, urlOf } from "./internal/prepareRequest.ts"

/**
 * - `max`: redirects to follow (10); one more fails with `TooManyRedirects`
 *
 * @since 0.1.0
 * @category models
 */
export interface RedirectOptions {
  readonly max?: number | undefined
}

const redirectStatus = new Set([301, 302, 303, 307, 308])

/** What must not reach another origin: it was meant for the first one. */
const credentials = ["authorization", "cookie", "proxy-authorization"]

/** RFC 9110 §15.4: 303 asks with GET, 301 and 302 turn POST into GET as every browser does, 307 and 308 repeat. */
const methodAfter = (status: number, method: HttpMethod.HttpMethod): HttpMethod.HttpMethod => {
  if (status === 303) return method === "HEAD" ? "HEAD" : "GET"
  return (status === 301 || status === 302) && method === "POST" ? "GET" : method
}

/** The URL that a redirect leads to, or why it is not followed. */
const locate = (location: string, from: URL, status: number): URL | RedirectRefused => {
  if (!URL.canParse(location, from.href)) return new RedirectRefused({ reason: "Location", status })
  const to = new URL(location, from.href)
  if (to.protocol !== "http:" && to.protocol !== "https:") return new RedirectRefused({ reason: "Scheme", status })
  return to.username === "" && to.password === "" ? to : new RedirectRefused({ reason: "Credentials", status })
}

const requestAfter = (
  request: HttpClientRequest.HttpClientRequest,
  status: number,
  from: URL,
  to: URL
): HttpClientRequest.HttpClientRequest | RedirectRefused => {
  const method = methodAfter(status, request.method)
  const sameMethod = method === request.method
  if (sameMethod && !isReplayable(request.body)) return new RedirectRefused({ reason: "Body", status })
  const headers = to.origin === from.origin ? request.headers : Headers.remove(request.headers, credentials)
  return HttpClientRequest.modify(HttpClientRequest.make("GET")(to.href), { method, headers }).pipe(
    HttpClientRequest.setBody(sameMethod ? request.body : HttpBody.empty)
  )
}

const fail = (request: HttpClientRequest.HttpClientRequest, error: HttpError): Effect.Effect<never, RequestError> =>
  Effect.fail(requestErrorOf(request, error))

const follow = <E, R>(
  send: Send<E, R>,
  first: HttpClientRequest.HttpClientRequest,
  max: number
): Effect.Effect<HttpClientResponse, E | RequestError, R> => {
  const visited = new Set<string>()
  const hop = (
    request: HttpClientRequest.HttpClientRequest,
    followed: number
  ): Effect.Effect<HttpClientResponse, E | RequestError, R> => {
    const from = urlOf(request)
    if ("_tag" in from) return fail(request, from)
    visited.add(`${request.method} ${from.href}`)
    return Effect.flatMap(send(request), (response): Effect.Effect<HttpClientResponse, E | RequestError, R> => {
      const location = response.headers["location"]
      if (!redirectStatus.has(response.status) || location === undefined) return Effect.succeed(response)
      const to = locate(location, from, response.status)
      if ("_tag" in to) return Effect.zipRight(leave(response), fail(request, to))
      const next = requestAfter(request, response.status, from, to)
      if ("_tag" in next) return Effect.zipRight(leave(response), fail(request, next))
      if (visited.has(`${next.method} ${to.href}`)) {
        return Effect.zipRight(leave(response), fail(request, new RedirectLoop({ origin: to.origin })))
      }
      if (followed >= max) {
        return Effect.zipRight(leave(response), fail(request, new TooManyRedirects({ maximum: max })))
      }
      return Effect.zipRight(leave(response), Effect.suspend(() => hop(next, followed + 1)))
    })
  }
  return hop(first, 0)
}

/**
 * Follow 301, 302, 303, 307 and 308 to http and https URLs. POST becomes GET after 301 and 302, everything but HEAD
 * after 303; 307 and 308 repeat the request with its body. Authorization, Cookie and Proxy-Authorization do not leave
 * the origin (scheme, host and port) that they were meant for. A loop, too many redirects, and a redirect that cannot
 * be followed are failures whose cause says which; a 3xx without Location is a response like any other.
 *
 * What was added to the client before (a base URL, a token) applies to the first request only.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import { Redirect } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(Redirect.withRedirects({ max: 5 }))
 *   return yield* client.get("https://example.com/moved")
 * })
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const withRedirects: {
  (
    options?: RedirectOptions
  ): <E, R>(self: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E | RequestError, R>
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    options?: RedirectOptions
  ): HttpClient.HttpClient.With<E | RequestError, R>
} = dual(
  (args) => Predicate.hasProperty(args[0], HttpClient.TypeId),
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    options?: RedirectOptions
  ): HttpClient.HttpClient.With<E | RequestError, R> => {
    const max = options?.max ?? 10
    return interceptSend(self, (send, request) => follow(send, request, max))
  }
)
