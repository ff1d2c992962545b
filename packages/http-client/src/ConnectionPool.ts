/**
 * The connections that requests share: bounded per origin and in all, last used first, closed when idle, old, stale or
 * poisoned.
 *
 * @since 0.1.0
 */
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as HttpConfig from "./HttpConfig.ts"
import type { PoolOptions } from "./HttpConfig.ts"
import { PoolManager } from "./internal/managePool.ts"
import { Connector } from "./internal/openSocket.ts"
import { makeOriginOf, prepareDispatch } from "./internal/prepareRequest.ts"
import { PushedExchange } from "./internal/pushExchange.ts"
import type { DispatchHandler } from "./internal/pushExchange.ts"
import type { Exchange } from "./internal/runExchange.ts"
import { drainSpan, metrics } from "./Telemetry.ts"

export type { DispatchHandler } from "./internal/pushExchange.ts"

/**
 * What a pool does at a moment.
 *
 * - `open`: connections, `idle` and `busy` (carrying a request, or being made) together
 * - `waiting`: requests without a connection
 * - `created`: connections made since the start, `reused`: requests that an existing connection carried
 *
 * @since 0.1.0
 * @category models
 */
export interface PoolStats {
  readonly open: number
  readonly idle: number
  readonly busy: number
  readonly waiting: number
  readonly created: number
  readonly reused: number
}

/**
 * A request for those who want callbacks instead of an Effect.
 *
 * @since 0.1.0
 * @category models
 */
export interface DispatchRequest {
  /** `scheme://host[:port]` */
  readonly origin: string
  /** Path and query, percent-encoded. */
  readonly path: string
  /** `GET` unless given. */
  readonly method?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array | undefined
}

/**
 * A request under way. After `cancel` the handler is told nothing more; `pause` and `resume` hold the server back.
 *
 * @since 0.1.0
 * @category models
 */
export interface Dispatched {
  readonly cancel: () => void
  readonly pause: () => void
  readonly resume: () => void
}

/**
 * A pool of connections. Applications use it through `HttpClient`; here they see what it does and let it finish.
 *
 * @since 0.1.0
 * @category tags
 */
export class ConnectionPool extends Context.Tag("@sennit/http-client/ConnectionPool")<ConnectionPool, {
  readonly stats: Effect.Effect<PoolStats>
  /** The statistics now and after every change; whoever reads slowly gets the newest. */
  readonly changes: Stream.Stream<PoolStats>
  /** Take no more requests (they fail with `PoolClosed`), let the present ones finish, close every connection. */
  readonly drain: Effect.Effect<void>
  /** Start a request outside of Effect: nothing is buffered, nothing is allocated that is not needed. */
  readonly unsafeDispatch: (request: DispatchRequest, handler: DispatchHandler) => Dispatched
  /**
   * Start an exchange; the hot path of `HttpClient`.
   *
   * @internal
   */
  readonly unsafeExchange: (exchange: Exchange) => void
  /**
   * Run the upload of a streamed body; it ends with the pool at the latest.
   *
   * @internal
   */
  readonly unsafeFork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
}>() {}

/**
 * The longest that deadlines may go unseen, in milliseconds: no deadline set meanwhile can end earlier, except the idle
 * time that a server asks for, which is looked at every second.
 */
const longestSleep = (settings: HttpConfig.Settings): number => {
  const { idle, maxAge, timeouts } = settings
  return Math.max(1, Math.min(1000, idle, maxAge, ...Object.values(timeouts)))
}

const statsOf = (manager: PoolManager): PoolStats => {
  const open = manager.drivers.size
  const idle = manager.idle
  const { created, reused, waiting } = manager
  return { open, idle, busy: open - idle, waiting, created, reused }
}

/** All changes of one turn make one element. */
const changesOf = (manager: PoolManager): Stream.Stream<PoolStats> =>
  Stream.asyncPush<PoolStats>(
    (emit) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          let isPending = false
          const watcher = () => {
            if (isPending) return
            isPending = true
            queueMicrotask(() => {
              isPending = false
              emit.single(statsOf(manager))
            })
          }
          manager.watchers.add(watcher)
          emit.single(statsOf(manager))
          return watcher
        }),
        (watcher) => Effect.sync(() => manager.watchers.delete(watcher))
      ),
    { bufferSize: 1, strategy: "sliding" }
  )

/** The way in for callbacks; origins are parsed once. */
const dispatchTo = (manager: PoolManager) => {
  const originOf = makeOriginOf()
  return (request: DispatchRequest, handler: DispatchHandler): Dispatched => {
    const prepared = prepareDispatch(request, originOf(request.origin))
    if ("_tag" in prepared) {
      handler.onError(prepared)
      return { cancel: () => {}, pause: () => {}, resume: () => {} }
    }
    const exchange = new PushedExchange(prepared.origin, prepared.wire, handler)
    manager.dispatch(exchange)
    return exchange
  }
}

/**
 * Make a pool. When the scope ends every connection is closed, and requests under way fail with `PoolClosed`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: PoolOptions = {}
): Effect.Effect<Context.Tag.Service<ConnectionPool>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const settings = HttpConfig.settingsOf(options)
    const clock = yield* Effect.clock
    const uploads = yield* FiberSet.make<void>()
    const unsafeFork = yield* FiberSet.runtime(uploads)<never>()
    const now = () => clock.unsafeCurrentTimeMillis()
    const connector = new Connector(settings, now, unsafeFork)
    const active = Effect.unsafeMakeLatch(false)
    const manager = yield* Effect.acquireRelease(
      Effect.sync(() => new PoolManager(connector, now, () => active.unsafeOpen())),
      (made) => Effect.sync(() => made.close())
    )
    const longest = longestSleep(settings)
    /** Ends whose time is over; gives how long to sleep until the next. No timer runs while there is nothing to wait for. */
    const sweep = Effect.sync(() => {
      const next = manager.sweep()
      if (next === undefined) active.unsafeClose()
      return next === undefined ? longest : Math.max(1, Math.min(next, longest))
    })
    yield* Effect.iterate(longest, {
      while: () => true,
      body: (millis) => active.await.pipe(Effect.zipRight(Effect.sleep(millis)), Effect.zipRight(sweep))
    }).pipe(Effect.interruptible, Effect.forkScoped)
    return {
      stats: Effect.sync(() => statsOf(manager)),
      changes: changesOf(manager),
      drain: Effect.async<void>((resume) => manager.drain(() => resume(Effect.void))).pipe(
        Effect.withSpan(drainSpan)
      ),
      unsafeDispatch: dispatchTo(manager),
      unsafeExchange: (exchange) => manager.dispatch(exchange),
      unsafeFork
    }
  })

/**
 * A pool with the given options.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: PoolOptions): Layer.Layer<ConnectionPool> => Layer.scoped(ConnectionPool, make(options))

/**
 * A pool with the options of `HttpConfig.poolOptions`, read from the environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<ConnectionPool, ConfigError> = Layer.scoped(
  ConnectionPool,
  Effect.flatMap(HttpConfig.poolOptions, make)
)

/**
 * Keeps the gauges of `Telemetry.metrics` at what the pool does. Without this layer nothing is counted, and nothing paid.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMetrics: Layer.Layer<never, never, ConnectionPool> = Layer.scopedDiscard(
  Effect.flatMap(
    ConnectionPool,
    (pool) =>
      Effect.forkScoped(Stream.runForEach(pool.changes, ({ busy, idle, waiting }) =>
        Effect.all([
          Metric.set(metrics.activeConnections, busy),
          Metric.set(metrics.idleConnections, idle),
          Metric.set(metrics.waitingRequests, waiting)
        ], { discard: true })))
  )
)
