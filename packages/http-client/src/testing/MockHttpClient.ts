/**
 * A client that answers from a program instead of the network, and remembers what it was asked.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import { RequestError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { bodyBytes } from "./bodyBytes.ts"

/**
 * No route of a mock answers a request.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnmatchedRequest extends Data.TaggedError("UnmatchedRequest")<{
  readonly method: string
  readonly url: string
  readonly routes: ReadonlyArray<string>
}> {
  override get message(): string {
    return `No route answers ${this.method} ${this.url}. There are: ${this.routes.join(", ") || "none"}.`
  }
}

/**
 * A request as the mock saw it.
 *
 * @since 0.1.0
 * @category models
 */
export interface MockRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * An answer. `body` is text, bytes, or any other value as JSON; `status` is one from 200 to 599, 200
 * unless given.
 *
 * @since 0.1.0
 * @category models
 */
export interface MockReply {
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | ReadonlyArray<readonly [string, string]> | undefined
  readonly body?: unknown
}

/**
 * Gives the answer to a request, or none when it is for somebody else. It may fail as a client fails.
 *
 * @since 0.1.0
 * @category models
 */
export interface MockRoute {
  /** How messages call it. */
  readonly name: string
  readonly reply: (
    request: MockRequest,
    original: HttpClientRequest
  ) => Effect.Effect<Option.Option<MockReply>, HttpClientError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MockHttpClient {
  readonly client: HttpClient.HttpClient
  /** Every request so far, in order, the unanswered ones included. */
  readonly requests: Effect.Effect<ReadonlyArray<MockRequest>>
}

type Answer =
  | MockReply
  | ((request: MockRequest, original: HttpClientRequest) => MockReply | Effect.Effect<MockReply, HttpClientError>)

const withoutQuery = ({ origin, pathname }: URL): string => origin + pathname

/**
 * A route for one method and one URL. `where` is a path (`/users`), whatever the host, or a whole URL; without a query in
 * it the query does not matter.
 *
 * @since 0.1.0
 * @category constructors
 */
export const route = (method: string, where: string, answer: Answer): MockRoute => {
  const matches = (request: MockRequest): boolean => {
    if (request.method !== method) return false
    const wanted = new URL(where, request.url)
    return wanted.search === ""
      ? withoutQuery(wanted) === withoutQuery(request.url)
      : withoutQuery(wanted) + wanted.search === withoutQuery(request.url) + request.url.search
  }
  return {
    name: `${method} ${where}`,
    reply: (request, original) => {
      if (!matches(request)) return Effect.succeedNone
      const given = typeof answer === "function" ? answer(request, original) : answer
      return Effect.asSome(Effect.isEffect(given) ? given : Effect.succeed(given))
    }
  }
}

const bodyless = new Set([204, 205, 304])

const responseOf = (reply: MockReply, original: HttpClientRequest): HttpClientResponse.HttpClientResponse => {
  const status = reply.status ?? 200
  const headers = new Headers()
  const fields = reply.headers ?? {}
  for (const [name, value] of Symbol.iterator in fields ? fields : Object.entries(fields)) headers.append(name, value)
  const { body } = reply
  if (body === undefined || bodyless.has(status)) {
    return HttpClientResponse.fromWeb(original, new Response(null, { status, headers }))
  }
  if (typeof body === "string" || body instanceof Uint8Array) {
    const source = typeof body === "string" ? body : new Uint8Array(body)
    return HttpClientResponse.fromWeb(original, new Response(source, { status, headers }))
  }
  return HttpClientResponse.fromWeb(original, Response.json(body, { status, headers }))
}

const transportError = (request: HttpClientRequest, cause: UnmatchedRequest): RequestError =>
  new RequestError({ request, reason: "Transport", cause, description: cause.message })

/**
 * A mock that asks its routes in order; the first that answers wins. A request that none answers fails with a
 * `RequestError` whose cause is `UnmatchedRequest`.
 *
 * @example
 * ```ts
 * import { MockHttpClient } from "@sennit/http-client/testing"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const { client, requests } = yield* MockHttpClient.make([
 *     MockHttpClient.route("GET", "/users/1", { body: { name: "Ada" } }),
 *     MockHttpClient.route("POST", "/users", (request) => ({ status: request.body.length > 0 ? 201 : 400 }))
 *   ])
 *   const response = yield* client.get("https://api.example.com/users/1")
 *   return [yield* response.json, (yield* requests).length]
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (routes: ReadonlyArray<MockRoute>): Effect.Effect<MockHttpClient> =>
  Effect.sync(() => {
    const seen: Array<MockRequest> = []
    const client = HttpClient.make((original, url) =>
      Effect.gen(function*() {
        const { headers, method } = original
        const request: MockRequest = { method, url, headers: { ...headers }, body: yield* bodyBytes(original) }
        seen.push(request)
        for (const { reply } of routes) {
          const answer = yield* reply(request, original)
          if (Option.isSome(answer)) return responseOf(answer.value, original)
        }
        const names = routes.map(({ name }) => name)
        return yield* Effect.fail(
          transportError(original, new UnmatchedRequest({ method, url: url.href, routes: names }))
        )
      })
    )
    return { client, requests: Effect.sync(() => [...seen]) }
  })

/**
 * The client of a mock as a layer, where nobody asks what it saw.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (routes: ReadonlyArray<MockRoute>): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(HttpClient.HttpClient, Effect.map(make(routes), ({ client }) => client))
