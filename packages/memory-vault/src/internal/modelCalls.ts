// @effect-diagnostics nodeBuiltinImport:off -- the threads are those of node:worker_threads
/**
 * What a thread that blocks and its worker say to one another; all of it can be cloned between threads.
 *
 * @since 0.1.0
 */
import type { MessagePort } from "node:worker_threads"
import type { ScopeIds } from "../MemoryScope.ts"
import type { SqliteOptions } from "../MemoryVaultConfig.ts"
import type { MemoryVaultError } from "../MemoryVaultError.ts"
import type { Calls, Streams } from "./plainCalls.ts"

/**
 * A call of one of these operations.
 *
 * @since 0.1.0
 */
export type CallOf<Op extends keyof Calls> = {
  readonly [K in Op]: {
    readonly kind: "call"
    readonly op: K
    readonly scope: ScopeIds
    readonly args: Calls[K]["args"]
  }
}[Op]

/**
 * The beginning of one of these streams.
 *
 * @since 0.1.0
 */
export type StreamOf<Op extends keyof Streams> = {
  readonly [K in Op]: {
    readonly kind: "stream"
    readonly op: K
    readonly scope: ScopeIds
    readonly args: Streams[K]["args"]
  }
}[Op]

/**
 * What a thread asks for. `next` gives the next pieces of a stream, none at its end.
 *
 * @since 0.1.0
 */
export type Ask =
  | CallOf<keyof Calls>
  | StreamOf<keyof Streams>
  | { readonly kind: "next"; readonly stream: number }
  | { readonly kind: "leave"; readonly stream: number }
  | { readonly kind: "shutdown" }

/**
 * @since 0.1.0
 */
export type ToWorker =
  | { readonly type: "ask"; readonly id: number; readonly ask: Ask }
  | { readonly type: "ping" }

/**
 * @since 0.1.0
 */
export type FromWorker =
  | { readonly type: "done"; readonly id: number; readonly value: unknown }
  | { readonly type: "failed"; readonly id: number; readonly error: typeof MemoryVaultError.Encoded }
  | { readonly type: "pong" }
  | { readonly type: "unstarted"; readonly reason: string }

/**
 * What a worker is started with.
 *
 * @since 0.1.0
 */
export interface WorkerStart {
  readonly module: string
  /** The module that makes TypeScript loadable, if that is needed. */
  readonly loader: string | undefined
  readonly port: MessagePort
  /** Counts messages of the worker, so that a thread can wait for the next. */
  readonly signal: Int32Array
  readonly options: Omit<SqliteOptions, "masterKey">
  /** Out of its wrapping, which does not reach another thread; the worker puts it into one of its own. */
  readonly masterKey: Uint8Array | undefined
}
