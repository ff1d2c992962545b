/**
 * The client for programs that wait: every call blocks its thread until it is done. A worker thread owns the
 * connections, so they are reused from call to call; it starts with the first call and ends with `close()` or `using`.
 *
 * While a call blocks, nothing else runs on its thread: no timer, no promise, no server. A server on the same thread can
 * therefore never answer; such a call is refused (`SyncError`, `SameThread`) when it is noticed.
 *
 * @since 0.1.0
 */
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type { PoolStats } from "./ConnectionPool.ts"
import type * as HttpConfig from "./HttpConfig.ts"
import { WorkerBridge } from "./internal/callWorker.ts"
import { packOptions } from "./internal/carryOptions.ts"
import { packBody } from "./internal/packBody.ts"
import { Response } from "./internal/readBlocking.ts"
import { openSocket } from "./internal/speakBlocking.ts"
import type { WebSocket, WebSocketOptions } from "./internal/speakBlocking.ts"
import type { RetryOptions } from "./Retry.ts"
import type { SessionAuth, SessionOptions as EffectSessionOptions } from "./Session.ts"

export { Response } from "./internal/readBlocking.ts"
export { WebSocket } from "./internal/speakBlocking.ts"
export type { ReceiveOptions, WebSocketOptions } from "./internal/speakBlocking.ts"

/**
 * Options of a connection that can be sent to a worker; `timeout` bounds how long one call may block (no bound but
 * those of the phases).
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionOptions extends Omit<HttpConfig.ConnectionOptions, "ssrfGuard"> {
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Options of a pool that can be sent to a worker; `timeout` bounds how long one call may block (no bound but those of
 * the phases).
 *
 * @since 0.1.0
 * @category models
 */
export interface PoolOptions extends Omit<HttpConfig.PoolOptions, "ssrfGuard"> {
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * What a session adds to a pool: everything of the session with Effect that is not a function.
 *
 * - `cookies`: kept unless false
 * - `auth`: credentials for one origin; a bearer token is a value
 * - `retry`: with the default schedule, not unless given
 * - `timeout`: how long one call may block
 *
 * @since 0.1.0
 * @category models
 */
export interface ConversationOptions
  extends Pick<EffectSessionOptions, "baseUrl" | "decompression" | "headers" | "redirects">
{
  readonly auth?:
    | Exclude<SessionAuth, { readonly type: "bearer" }>
    | { readonly type: "bearer"; readonly origin: string; readonly token: Redacted.Redacted }
    | undefined
  readonly cookies?: boolean | undefined
  readonly retry?: Pick<RetryOptions, "idempotencyKey" | "retryAfter"> | undefined
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Options of a session with a pool of its own.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionOptions extends ConversationOptions, PoolOptions {}

/**
 * `json` is encoded and typed as such; `body` is sent as it is. An iterable is pulled as the server takes its pieces, on
 * the calling thread, during this call and, if the server answers early, during later ones.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly query?: UrlParams.Input | undefined
  readonly json?: unknown
  readonly body?: string | Uint8Array | URLSearchParams | FormData | Iterable<Uint8Array> | undefined
  /** How long this call, and each that reads the response, may block; `TotalTimeout`. */
  readonly timeout?: Duration.DurationInput | undefined
}

const isAbsolute = /^[a-z][a-z0-9+.-]*:\/\//i

const millisOf = (timeout: Duration.DurationInput | undefined, otherwise = Number.POSITIVE_INFINITY): number =>
  timeout === undefined ? otherwise : Duration.toMillis(timeout)

/** What sessions, pools and connections have in common. */
abstract class Requests implements Disposable {
  readonly #bridge: WorkerBridge
  readonly #options: ConversationOptions
  readonly #isSession: boolean
  readonly #isOwner: boolean
  #session = 0

  /** @internal */
  constructor(bridge: WorkerBridge, options: ConversationOptions, isSession: boolean, isOwner: boolean) {
    this.#bridge = bridge
    this.#options = options
    this.#isSession = isSession
    this.#isOwner = isOwner
  }

  /** The number of the session in the worker, which makes it when it is first used. */
  #sessionId(): number {
    if (this.#session > 0 || !this.#isSession) return this.#session
    const id = this.#bridge.nextId
    const { auth, baseUrl, cookies, decompression, headers, redirects, retry } = this.#options
    const options = packOptions({
      auth,
      baseUrl,
      decompression,
      headers,
      redirects,
      retry,
      ...(cookies === false ? { cookies } : {})
    })
    this.#bridge.call(id, { op: "session", options }, { millis: Number.POSITIVE_INFINITY, url: "" })
    return this.#session = id
  }

  /** Send a request and wait for the head of its response, which may have any status. */
  request(method: HttpMethod, url: string, options: RequestOptions = {}): Response {
    const session = this.#sessionId()
    const { message, transfer, upload } = packBody(options)
    const millis = millisOf(options.timeout, millisOf(this.#options.timeout))
    const id = this.#bridge.nextId
    const full = isAbsolute.test(url) ? url : `${this.#options.baseUrl ?? ""}${url}`
    const query = UrlParams.fromInput(options.query ?? [])
    const head = this.#bridge.call(
      id,
      { op: "request", session, method, url, query, headers: options.headers ?? {}, body: message },
      { millis, url: full, upload, transfer }
    )
    return new Response(this.#bridge, id, millis, head)
  }

  /** See `request`. */
  get(url: string, options?: RequestOptions): Response {
    return this.request("GET", url, options)
  }

  /** See `request`. */
  head(url: string, options?: RequestOptions): Response {
    return this.request("HEAD", url, options)
  }

  /** See `request`. */
  options(url: string, options?: RequestOptions): Response {
    return this.request("OPTIONS", url, options)
  }

  /** See `request`. */
  post(url: string, options?: RequestOptions): Response {
    return this.request("POST", url, options)
  }

  /** See `request`. */
  put(url: string, options?: RequestOptions): Response {
    return this.request("PUT", url, options)
  }

  /** See `request`. */
  patch(url: string, options?: RequestOptions): Response {
    return this.request("PATCH", url, options)
  }

  /** See `request`. */
  delete(url: string, options?: RequestOptions): Response {
    return this.request("DELETE", url, options)
  }

  /** Open a WebSocket with the headers of this session, on the same worker. */
  webSocket(url: string, options: WebSocketOptions = {}): WebSocket {
    return openSocket(this.#bridge, false, url, {
      ...options,
      headers: { ...this.#options.headers, ...options.headers }
    })
  }

  /** What the pool does at this moment. */
  stats(): PoolStats {
    return this.#bridge.call(this.#bridge.nextId, { op: "stats" }, { millis: Number.POSITIVE_INFINITY, url: "" })
  }

  /**
   * Close every connection and end the worker, unless they belong to a pool that this session was made from. Responses
   * and WebSockets end as well.
   */
  close(): void {
    if (this.#isOwner) this.#bridge.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  protected conversation(options: ConversationOptions): Session {
    return new Session({ timeout: this.#options.timeout, ...options }, this.#bridge)
  }

  /** @internal */
  protected drainPool(): void {
    this.#bridge.call(this.#bridge.nextId, { op: "drain" }, { millis: millisOf(this.#options.timeout), url: "" })
  }
}

/**
 * A conversation: cookies are kept, redirects followed and compressed bodies decoded unless told otherwise.
 *
 * @example
 * ```ts
 * import { Session } from "@sennit/http-client/Sync"
 *
 * using session = new Session({ baseUrl: "https://example.com", timeout: "30 seconds" })
 * const page = session.get("/").text()
 * const created = session.post("/things", { json: { name: "cord" } })
 * for (const chunk of session.get("/large").chunks()) process.stdout.write(chunk)
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class Session extends Requests {
  constructor(options?: SessionOptions)
  /** @internal */
  constructor(options: ConversationOptions, bridge: WorkerBridge)
  constructor(options: SessionOptions = {}, bridge?: WorkerBridge) {
    super(bridge ?? new WorkerBridge(options), options, true, bridge === undefined)
  }
}

/**
 * Connections without a conversation: plain requests, and sessions that share the connections.
 *
 * @since 0.1.0
 * @category models
 */
export class ConnectionPool extends Requests {
  constructor(options: PoolOptions = {}) {
    super(new WorkerBridge(options), { timeout: options.timeout }, false, true)
  }

  /** A session over the connections of this pool; it ends with the pool. */
  session(options: ConversationOptions = {}): Session {
    return this.conversation(options)
  }

  /** Take no more requests (they fail with `PoolClosed`), wait for the present ones, close every connection. */
  drain(): void {
    this.drainPool()
  }
}

/**
 * At most one connection, which plain requests use in order; it is made with the first and again after the server has
 * closed.
 *
 * @since 0.1.0
 * @category models
 */
export class Connection extends Requests {
  constructor(options: ConnectionOptions = {}) {
    super(
      new WorkerBridge({ ...options, connectionsPerOrigin: 1, connections: 1 }),
      { timeout: options.timeout },
      false,
      true
    )
  }
}

/**
 * One request that leaves nothing behind: no cookies, no connection. Its body is read before it returns. It starts and
 * ends a worker of its own; for more than a few requests use a `Session`.
 *
 * @example
 * ```ts
 * import { request } from "@sennit/http-client/Sync"
 *
 * const greeting = request("GET", "https://example.com/").text()
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const request = (method: HttpMethod, url: string, options?: RequestOptions): Response => {
  using session = new Session({ cookies: false })
  const response = session.request(method, url, options)
  response.bytes()
  return response
}
