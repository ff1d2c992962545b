/**
 * A hook around every operation of a store: logging, caching, fault injection and the like.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { OperationSpec } from "./Operations.ts"
import type { StoreError } from "./StoreError.ts"
import type { Prefix } from "./StorePath.ts"

/**
 * A call as an interceptor sees it. Calls that the capability gate refuses are not seen.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  readonly operation: string
  /** The operation's row in the table. */
  readonly spec: OperationSpec
  /** The folder that the store's paths are below, as the backend knows it. */
  readonly base: Prefix
  readonly backend: string
  /** The path or prefix, as the caller gave it. */
  readonly path: string
  readonly arguments: ReadonlyArray<unknown>
}

/**
 * Runs around the operations of its kind; the other kind passes as it is. It may fail with any `StoreError`. Of what
 * is scoped or a sink, `effect` runs around the opening.
 *
 * @since 0.1.0
 * @category models
 */
export interface Interceptor {
  readonly effect?: <A, E, R>(call: Call, next: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreError, R>
  readonly stream?: <A, E, R>(call: Call, next: Stream.Stream<A, E, R>) => Stream.Stream<A, E | StoreError, R>
}
