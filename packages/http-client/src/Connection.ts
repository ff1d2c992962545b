/**
 * One connection of one's own, for those who must speak to a server over the same connection every time.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ConnectionPool from "./ConnectionPool.ts"
import * as HttpClient from "./HttpClient.ts"
import type { ConnectionOptions } from "./HttpConfig.ts"

/**
 * A client that has at most one connection open at a time, so its requests follow one another in order. It connects
 * with the first request, and again after the server has closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  readonly client: HttpClient.HttpClient
  readonly stats: Effect.Effect<ConnectionPool.PoolStats>
}

/**
 * A connection that ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: ConnectionOptions): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.map(
    ConnectionPool.make({ ...options, connectionsPerOrigin: 1, connections: 1 }),
    (pool) => ({ client: HttpClient.make(pool), stats: pool.stats })
  )
