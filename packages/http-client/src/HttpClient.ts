/**
 * `@effect/platform`'s `HttpClient` over our own connections: node:net and node:tls, the `Http1` codec and a
 * `ConnectionPool`. Everything that works with platform's client works with this one: retry, filterStatusOk,
 * HttpApiClient, the schema helpers.
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import * as PlatformClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type { ConfigError } from "effect/ConfigError"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as ConnectionPool from "./ConnectionPool.ts"
import type { PoolOptions } from "./HttpConfig.ts"
import { awaitCallback } from "./internal/awaitCallback.ts"
import type { Origin } from "./internal/openSocket.ts"
import { makeOriginOf, prepareRequest, requestErrorOf, urlOf } from "./internal/prepareRequest.ts"
import type { PreparedRequest } from "./internal/prepareRequest.ts"
import type { BodyReader } from "./internal/readBody.ts"
import { bodyReaderOf, trailersIn } from "./internal/readBody.ts"
import { NetResponse } from "./internal/readResponse.ts"
import { BufferedExchange } from "./internal/runExchange.ts"
import { isTraced, traceRequest } from "./internal/traceRequest.ts"

export * from "@effect/platform/HttpClient"

export type { BodyReader } from "./internal/readBody.ts"

type Pool = Context.Tag.Service<ConnectionPool.ConnectionPool>

/** A request that a fiber waits for; it lets go of everything when the wait is over (see `awaitCallback`). */
class Wait {
  readonly #pool: Pool
  #request: HttpClientRequest | undefined
  #prepared: PreparedRequest | undefined
  #exchange: BufferedExchange | undefined

  constructor(pool: Pool, request: HttpClientRequest, prepared: PreparedRequest) {
    this.#pool = pool
    this.#request = request
    this.#prepared = prepared
  }

  start(settle: () => void): void {
    const prepared = this.#prepared
    this.#prepared = undefined
    if (prepared === undefined) return
    this.#exchange = new BufferedExchange(prepared.origin, prepared.wire, settle)
    this.#pool.unsafeExchange(this.#exchange)
  }

  /** The response, or the failure that came before it. */
  take(): Effect.Effect<HttpClientResponse, HttpClientError> {
    const exchange = this.#exchange
    const request = this.#request
    this.#exchange = undefined
    this.#request = undefined
    if (exchange === undefined || request === undefined) return Effect.interrupt
    return exchange.failure === undefined
      ? Effect.succeed(new NetResponse(request, exchange))
      : Effect.fail(requestErrorOf(request, exchange.failure))
  }

  cancel(): void {
    this.#exchange?.cancel()
  }
}

const outcomeOf = (wait: Wait): Effect.Effect<HttpClientResponse, HttpClientError> =>
  awaitCallback(
    (resume) => wait.start(() => resume(Effect.suspend(() => wait.take()))),
    () => wait.cancel()
  )

/** One request, one wait: interruption leaves the queue or closes the connection. */
const exchange = (
  pool: Pool,
  request: HttpClientRequest,
  url: URL,
  origin: Origin | undefined
): Effect.Effect<HttpClientResponse, HttpClientError> => {
  const prepared = prepareRequest(request, url, origin, pool.unsafeFork)
  return "_tag" in prepared
    ? Effect.fail(requestErrorOf(request, prepared))
    : outcomeOf(new Wait(pool, request, prepared))
}

/**
 * A client over a pool. Failures are platform's `RequestError` and `ResponseError`; the precise error is their cause,
 * and `HttpError.fromClientError` gives it back. The body of a response is read once as a stream, or as often as one
 * likes as text, JSON or bytes; a response whose body nobody reads holds its connection for `bodyIdle` at most.
 * A request has a span only when the fiber has one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (pool: Pool): PlatformClient.HttpClient => {
  const originOf = makeOriginOf()
  return PlatformClient.makeWith<never, never, HttpClientError, never>(
    Effect.flatMap((request) =>
      Effect.withFiberRuntime<HttpClientResponse, HttpClientError>((fiber) => {
        const url = urlOf(request)
        if ("_tag" in url) return Effect.fail(requestErrorOf(request, url))
        const origin = originOf(`${url.protocol}//${url.host}`)
        return isTraced(fiber, request)
          ? traceRequest(fiber, request, url, (traced) => exchange(pool, traced, url, origin))
          : exchange(pool, request, url, origin)
      })
    ),
    Effect.succeed
  )
}

/**
 * The client over the pool in the context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<PlatformClient.HttpClient, never, ConnectionPool.ConnectionPool> = Layer.effect(
  PlatformClient.HttpClient,
  Effect.map(ConnectionPool.ConnectionPool, make)
)

/**
 * The client with a pool of its own, which is provided as well: a drop-in for `FetchHttpClient.layer`.
 *
 * @example
 * ```ts
 * import * as PlatformClient from "@effect/platform/HttpClient"
 * import { HttpClient } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 *
 * const program = HttpClient.get("https://example.com/").pipe(
 *   Effect.flatMap((response) => response.text),
 *   Effect.provide(HttpClient.layerPooled({ connectionsPerOrigin: 4 }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPooled = (
  options?: PoolOptions
): Layer.Layer<PlatformClient.HttpClient | ConnectionPool.ConnectionPool> =>
  Layer.provideMerge(layer, ConnectionPool.layer(options))

/**
 * The client with a pool of its own, configured by the environment (`HttpConfig.poolOptions`).
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<PlatformClient.HttpClient | ConnectionPool.ConnectionPool, ConfigError> = Layer
  .provideMerge(layer, ConnectionPool.layerConfig)

/**
 * The trailers that came after the body: none before the body was read to its end, and from other clients.
 *
 * @since 0.1.0
 * @category accessors
 */
export const trailers = (response: HttpClientResponse): Option.Option<Headers.Headers> => trailersIn(response)

/**
 * The body without a stream, for who reads many short ones: a stream costs more than a short exchange itself. There is
 * none for a body that is decoded on its way (`ContentCoding`), and for responses of other clients; read their `stream`.
 * Whoever stops before the end must run `leave`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const bodyReader = (response: HttpClientResponse): Option.Option<BodyReader> => bodyReaderOf(response)
