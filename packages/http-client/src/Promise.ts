/**
 * The client for people without Effect: promises, `await using`, and errors that are the typed errors themselves.
 *
 * @since 0.1.0
 */
import * as HttpBody from "@effect/platform/HttpBody"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { ConnectionPool } from "./ConnectionPool.ts"
import type { PoolStats } from "./ConnectionPool.ts"
import * as HttpClient from "./HttpClient.ts"
import type { PoolOptions } from "./HttpConfig.ts"
import * as HttpError from "./HttpError.ts"
import { answeredUrl, buildRequest, preciseError } from "./internal/buildRequest.ts"
import { LineDecoder } from "./internal/decodeText.ts"
import * as Session from "./Session.ts"

/**
 * Options of the pool and of the session; cookies are kept, redirects followed and compressed bodies decoded unless
 * told otherwise.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientOptions extends PoolOptions, Session.SessionOptions {}

/**
 * `json` is encoded and typed as such; `body` is sent as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly query?: UrlParams.Input | undefined
  readonly json?: unknown
  readonly body?: string | Uint8Array | URLSearchParams | FormData | ReadableStream<Uint8Array> | undefined
  readonly signal?: AbortSignal | undefined
  /** From the call to the head of the response; `TotalTimeout`. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * A response of any status. Its body is read once as a stream, or as often as one likes otherwise.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The URL that answered, after redirects. */
  readonly url: string
  readonly json: () => Promise<unknown>
  /** In the charset of its Content-Type, or UTF-8. */
  readonly text: () => Promise<string>
  readonly bytes: () => Promise<Uint8Array>
  readonly stream: () => ReadableStream<Uint8Array>
  /** The body as lines without their ends (LF or CR LF), as they arrive. A line has at most 1 MiB. */
  readonly lines: () => AsyncIterable<string>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Client extends AsyncDisposable {
  readonly request: (method: HttpMethod, url: string, options?: RequestOptions) => Promise<ClientResponse>
  readonly get: (url: string, options?: RequestOptions) => Promise<ClientResponse>
  readonly head: (url: string, options?: RequestOptions) => Promise<ClientResponse>
  readonly post: (url: string, options?: RequestOptions) => Promise<ClientResponse>
  readonly put: (url: string, options?: RequestOptions) => Promise<ClientResponse>
  readonly patch: (url: string, options?: RequestOptions) => Promise<ClientResponse>
  readonly delete: (url: string, options?: RequestOptions) => Promise<ClientResponse>
  readonly stats: () => Promise<PoolStats>
}

const bodyOf = (options: RequestOptions): Effect.Effect<HttpBody.HttpBody, HttpError.InvalidRequest> => {
  const { body, json } = options
  if (json !== undefined) {
    return Effect.mapError(
      HttpBody.json(json),
      () => new HttpError.InvalidRequest({ reason: "Body", detail: "the value cannot be written as JSON" })
    )
  }
  if (body === undefined) return Effect.succeed(HttpBody.empty)
  if (typeof body === "string") return Effect.succeed(HttpBody.text(body))
  if (body instanceof Uint8Array) return Effect.succeed(HttpBody.uint8Array(body))
  if (body instanceof URLSearchParams) return Effect.succeed(HttpBody.urlParams(UrlParams.fromInput(body)))
  return Effect.succeed(body instanceof FormData ? HttpBody.formData(body) : HttpBody.raw(body))
}

const requestOf = (
  method: HttpMethod,
  url: string,
  options: RequestOptions
): Effect.Effect<HttpClientRequest.HttpClientRequest, HttpError.InvalidRequest> =>
  Effect.map(bodyOf(options), (body) => buildRequest(method, url, body, options.headers, options.query))

const linesOf = (response: HttpClientResponse): Stream.Stream<string, HttpClientError | HttpError.HttpError> => {
  const decoder = LineDecoder.make(response.headers["content-type"])
  if ("reason" in decoder) return Stream.fail(decoder)
  return Stream.mapError(response.stream, preciseError).pipe(
    Stream.mapEffect((bytes) => {
      const lines = decoder.push(bytes)
      return "reason" in lines ? Effect.fail(lines) : Effect.succeed(lines)
    }),
    Stream.concat(Stream.sync(() => decoder.finish())),
    Stream.flattenIterables
  )
}

/**
 * A client with a pool of its own. Close it with `await using` or `[Symbol.asyncDispose]()`.
 *
 * @example
 * ```ts
 * import { createClient } from "@sennit/http-client/Promise"
 *
 * await using client = createClient({ baseUrl: "https://example.com" })
 * const response = await client.get("/", { headers: { accept: "text/html" } })
 * const page = await response.text()
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const createClient = (options: ClientOptions = {}): Client => {
  const runtime = ManagedRuntime.make(
    Layer.provideMerge(Session.layer(options), HttpClient.layerPooled(options))
  )

  const run = <A, E>(
    effect: Effect.Effect<A, E, Session.Session | ConnectionPool>,
    signal?: AbortSignal
  ): Promise<A> =>
    runtime.runPromiseExit(effect, signal === undefined ? {} : { signal }).then(Exit.match({
      onSuccess: identity,
      onFailure: (cause) => {
        signal?.throwIfAborted()
        throw Cause.squash(cause)
      }
    }))

  const responseOf = (response: HttpClientResponse): ClientResponse => ({
    status: response.status,
    headers: response.headers,
    url: answeredUrl(response),
    json: () => run(Effect.mapError(response.json, preciseError)),
    text: () => run(Effect.mapError(response.text, preciseError)),
    bytes: () =>
      run(Effect.mapBoth(response.arrayBuffer, { onFailure: preciseError, onSuccess: (it) => new Uint8Array(it) })),
    stream: () => Stream.toReadableStream(Stream.mapError(response.stream, preciseError)),
    lines: () => Stream.toAsyncIterable(linesOf(response))
  })

  const request: Client["request"] = (method, url, requestOptions = {}) =>
    run(
      Effect.gen(function*() {
        const { client } = yield* Session.Session
        const made = yield* requestOf(method, url, requestOptions)
        const timed = requestOptions.timeout === undefined
          ? client
          : Session.withTimeout(client, requestOptions.timeout)
        return responseOf(yield* Effect.mapError(timed.execute(made), preciseError))
      }),
      requestOptions.signal
    )

  return {
    request,
    get: (url, requestOptions) => request("GET", url, requestOptions),
    head: (url, requestOptions) => request("HEAD", url, requestOptions),
    post: (url, requestOptions) => request("POST", url, requestOptions),
    put: (url, requestOptions) => request("PUT", url, requestOptions),
    patch: (url, requestOptions) => request("PATCH", url, requestOptions),
    delete: (url, requestOptions) => request("DELETE", url, requestOptions),
    stats: () => run(Effect.flatMap(ConnectionPool, (pool) => pool.stats)),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}
