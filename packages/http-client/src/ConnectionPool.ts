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
import type * as Scope from "effect/Scope"
import * as HttpConfig from "./HttpConfig.ts"
import type { PoolOptions } from "./HttpConfig.ts"
import { PoolManager } from "./internal/managePool.ts"
import type { Exchange } from "./internal/runExchange.ts"
import { drainSpan } from "./Telemetry.ts"

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
 * A pool of connections. Applications use it through `HttpClient`; here they see what it does and let it finish.
 *
 * @since 0.1.0
 * @category tags
 */
export class ConnectionPool extends Context.Tag("@sennit/http-client/ConnectionPool")<ConnectionPool, {
  readonly stats: Effect.Effect<PoolStats>
  /** Take no more requests (they fail with `PoolClosed`), let the present ones finish, close every connection. */
  readonly drain: Effect.Effect<void>
  /**
   * Start an exchange; the hot path of `HttpClient`.
   *
   * @internal
   */
  readonly unsafeDispatch: (exchange: Exchange) => void
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
    const active = Effect.unsafeMakeLatch(false)
    const manager = yield* Effect.acquireRelease(
      Effect.sync(() => new PoolManager(settings, () => clock.unsafeCurrentTimeMillis(), () => active.unsafeOpen())),
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
      stats: Effect.sync(() => {
        const open = manager.drivers.size
        const idle = manager.idle
        const { created, reused, waiting } = manager
        return { open, idle, busy: open - idle, waiting, created, reused }
      }),
      drain: Effect.async<void>((resume) => manager.drain(() => resume(Effect.void))).pipe(
        Effect.withSpan(drainSpan)
      ),
      unsafeDispatch: (exchange) => manager.dispatch(exchange),
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
