/**
 * Stores over code that is not Effect's: a synchronous backend, in this thread or on a pool of workers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Capability, Quality } from "./Capability.ts"
import type { Condition, Mode } from "./Driver.ts"
import { openInline, openWorkers } from "./internal/askBackend.ts"
import { driveBackend } from "./internal/driveBackend.ts"
import { classifyExplained } from "./internal/explainFailure.ts"
import { guardOpening } from "./internal/kernel.ts"
import type { Range } from "./Operations.ts"
import * as Store from "./Store.ts"
import type { StoreError } from "./StoreError.ts"
import type { Key, Prefix } from "./StorePath.ts"

/**
 * As `Entry.Version`, with a `Date`, which can be sent between threads.
 *
 * @since 0.1.0
 * @category models
 */
export interface SyncVersion {
  /** Length in bytes. */
  readonly size: number
  readonly etag: string
  readonly modifiedAt: Date
}

/**
 * @since 0.1.0
 * @category models
 */
export interface SyncAttributes {
  readonly contentType?: string | undefined
  readonly metadata?: { readonly [name: string]: string }
}

/**
 * What is at a key.
 *
 * @since 0.1.0
 * @category models
 */
export type SyncNode =
  | { readonly _tag: "Object" } & SyncVersion & SyncAttributes
  | { readonly _tag: "Folder" }

/**
 * @since 0.1.0
 * @category models
 */
export type SyncEntry =
  | { readonly _tag: "Object"; readonly key: string } & SyncVersion
  | { readonly _tag: "Folder"; readonly key: string }

/**
 * An object that is being written. One of `commit` and `abort` is called at its end, and nothing after it.
 *
 * @since 0.1.0
 * @category models
 */
export interface SyncWriter {
  readonly write: (bytes: Uint8Array) => void
  /** Makes what was written the object; holds the mode now. */
  readonly commit: () => SyncVersion
  /** Leaves what was there before. */
  readonly abort: () => void
}

/**
 * A backend whose calls return when they are done, and throw what `classify` understands, or `Driver.refuse(...)`. The
 * arrays that it gets and gives are copied on the way. A method may be left out only
 * where the capabilities that need it are not declared.
 *
 * @since 0.1.0
 * @category models
 */
export interface SyncBackend {
  readonly stat: (key: Key) => SyncNode
  /** `size` is how many bytes there will be. They are pulled as they are wanted; `return` is called where they are left. */
  readonly get: (
    key: Key,
    options: { readonly range: Range | undefined; readonly ifMatch: string | undefined }
  ) => { readonly size: number; readonly etag?: string; readonly bytes: Iterable<Uint8Array> }
  /** Throws at once where the mode already cannot be kept. */
  readonly put?: (key: Key, options: { readonly mode: Mode } & SyncAttributes) => SyncWriter
  readonly delete?: (key: Key, options: { readonly ifMatch: string | undefined }) => void
  /**
   * What is below a prefix, in the order of the keys' UTF-8 bytes, where a folder counts as `key/`: objects behind
   * `startAfter`, and folders in which such can be (`key0` comes behind it). Asked anew for every page of a thousand,
   * with what the last one ended with.
   */
  readonly list?: (
    prefix: Prefix,
    options: { readonly recursive: boolean; readonly startAfter?: string | undefined }
  ) => Iterable<SyncEntry>
  /** What is wrong with `to` is thrown as `Driver.refuse(condition, to)`. */
  readonly move?: (from: Key, to: Key, mode: "create" | "overwrite") => SyncVersion
  /** See `move`. */
  readonly copy?: (from: Key, to: Key, mode: "create" | "overwrite") => SyncVersion
  /** Removes a folder in which no object is, where the backend has such. */
  readonly removeFolder?: (key: Key) => void
  readonly classify: (error: unknown) => Condition
  readonly close?: () => void
}

/**
 * A kind of synchronous backend. To run on workers it has to be the default export of the module `module`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SyncDefinition<C extends Capability, A, I> {
  readonly name: string
  /** `import.meta.url` of the module that exports it. */
  readonly module: string
  readonly capabilities: ReadonlyArray<C>
  readonly quality: Quality
  /** How the options go to the workers. */
  readonly options: Schema.Schema<A, I>
  readonly open: (options: A) => SyncBackend
}

/**
 * Where a synchronous backend runs.
 *
 * - `inline`: on this thread, which each call blocks. After `yieldEvery` calls (default 32) the next waits until timers
 *   and sockets have had their turn.
 * - `worker`: on `workers` threads (default 1), each with a backend of its own that is opened with the same options. A
 *   call goes to the one with the least to do. A call that is interrupted is waited for; what it opened is closed.
 *
 * @since 0.1.0
 * @category options
 */
export type Run =
  | { readonly run: "inline"; readonly yieldEvery?: number }
  | { readonly run: "worker"; readonly workers?: number }

/**
 * The definition itself, with its types.
 *
 * @example
 * ```ts
 * import { Backend, Driver } from "@sennit/store"
 * import { Schema } from "effect"
 *
 * // the module's default export
 * const motd = Backend.define({
 *   name: "motd",
 *   module: import.meta.url,
 *   capabilities: ["read"],
 *   quality: { replaceIfMatch: "none", atomicMove: "never", durability: "none" },
 *   options: Schema.Struct({ text: Schema.String }),
 *   open: ({ text }) => {
 *     const bytes = new TextEncoder().encode(text)
 *     const only = (key: string) => {
 *       if (key !== "motd") throw Driver.refuse({ _tag: "NotFound" })
 *     }
 *     return {
 *       stat: (key) => {
 *         only(key)
 *         return { _tag: "Object", size: bytes.length, etag: "1", modifiedAt: new Date(0) }
 *       },
 *       get: (key) => {
 *         only(key)
 *         return { size: bytes.length, bytes: [bytes] }
 *       },
 *       classify: () => ({ _tag: "Unavailable", reason: "Io", retryable: false })
 *     }
 *   }
 * })
 *
 * const store = Backend.fromSync(motd, { text: "hello" }, { run: "inline" })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const define = <const C extends Capability, A, I>(
  definition: SyncDefinition<C, A, I>
): SyncDefinition<C, A, I> => definition

/**
 * A store over a synchronous backend. Bodies are pulled and pushed piece by piece, in this thread and across threads:
 * nothing is read further ahead than two pieces, and none is written before the last one is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromSync = <C extends Capability, A, I>(
  definition: SyncDefinition<C, A, I>,
  options: A,
  run: Run
): Effect.Effect<Store.StoreOf<C>, StoreError, Scope.Scope> =>
  guardOpening(
    { name: definition.name, classify: classifyExplained },
    "",
    Effect.map(
      run.run === "inline"
        ? openInline(definition, options, run.yieldEvery ?? 32)
        : openWorkers(definition, options, run.workers ?? 1),
      (asked) => Store.fromDriver(driveBackend(definition, asked))
    )
  )
