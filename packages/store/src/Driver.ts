/**
 * What a backend has to bring: a few wire primitives. The kernel adds everything else once for all backends: key
 * rules, capability gate, order of preconditions, errors, spans and metrics.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Capability, Quality } from "./Capability.ts"
import type { Attributes, Entry, Version } from "./Entry.ts"
import type { Range } from "./Operations.ts"
import type { BackendUnavailableReason, InvalidPathReason } from "./StoreError.ts"
import type { Key, Prefix } from "./StorePath.ts"

/**
 * A failure in the driver's own terms. The kernel asks `classify` what it means.
 *
 * @since 0.1.0
 * @category errors
 */
export class Failure extends Data.TaggedError("@sennit/store/Driver/Failure")<{
  readonly cause: unknown
  /** The key that it concerns, where an operation has two. */
  readonly key?: Key
}> {}

/**
 * What a failure means.
 *
 * @since 0.1.0
 * @category models
 */
export type Condition =
  | { readonly _tag: "NotFound" }
  | { readonly _tag: "AlreadyExists" }
  | { readonly _tag: "PreconditionFailed" }
  | { readonly _tag: "PermissionDenied" }
  | { readonly _tag: "InvalidPath"; readonly reason: InvalidPathReason }
  | { readonly _tag: "Locked" }
  | { readonly _tag: "DirectoryNotEmpty" }
  /** The backend itself saw that the bytes are not those of the digest that was sent. */
  | { readonly _tag: "IntegrityMismatch"; readonly expected: string; readonly actual: string }
  /** The server says, after all, that it cannot keep a condition or option. */
  | { readonly _tag: "NotSupported"; readonly capability: Capability }
  /** A conditional change was sent, its answer was lost, and what is there now does not tell whether it happened. */
  | { readonly _tag: "Ambiguous" }
  | {
    readonly _tag: "Unavailable"
    readonly reason: BackendUnavailableReason
    readonly retryable: boolean
    /** `unknown`: the request was sent and its answer did not come. Default: `no`, nothing has happened. */
    readonly applied?: "no" | "unknown"
  }

/**
 * A driver's own refusal, for use as the cause of a `Failure`; `classify` need not know it.
 *
 * @since 0.1.0
 * @category errors
 */
export class Refusal extends Data.TaggedError("@sennit/store/Driver/Refusal")<{ readonly condition: Condition }> {}

/**
 * A failure that says itself what it means.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refuse = (condition: Condition, key?: Key): Failure =>
  new Failure({ cause: new Refusal({ condition }), ...(key === undefined ? {} : { key }) })

/**
 * What is at a key.
 *
 * @since 0.1.0
 * @category models
 */
export type Node =
  | { readonly _tag: "Object"; readonly version: Version; readonly attributes: Attributes }
  | { readonly _tag: "Folder" }

/**
 * An object opened for reading. `pull` answers the next bytes, and `undefined` after the last.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenObject {
  /** How many bytes `pull` will give in all. The kernel reports fewer as `Truncated`. */
  readonly size: number
  /** The etag of what was opened, where the backend says so: a layer can go on from there after a break. */
  readonly etag?: string
  readonly pull: Effect.Effect<Uint8Array | undefined, Failure>
}

/**
 * An object opened for reading at any place.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenReader {
  readonly version: Version
  readonly attributes: Attributes
  /** The bytes from `offset` on, `length` of them or fewer at the end. */
  readonly readAt: (offset: number, length: number) => Effect.Effect<Uint8Array, Failure>
}

/**
 * @since 0.1.0
 * @category models
 */
export type Mode = "create" | "overwrite" | { readonly ifMatch: string }

/**
 * Which bytes of an object, and of which version.
 *
 * @since 0.1.0
 * @category models
 */
export interface GetOptions {
  readonly range: Range | undefined
  readonly ifMatch: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ListOptions {
  /** All objects below the prefix and no folders, or what is directly in it. */
  readonly recursive: boolean
  /**
   * Only keys behind this one are wanted. The kernel leaves out what comes before; a driver that can skip it saves the
   * work.
   */
  readonly startAfter?: string
}

/**
 * A page of a listing in UTF-8 order, and how to get the next; `undefined` after the last.
 *
 * @since 0.1.0
 * @category models
 */
export interface Page {
  readonly entries: ReadonlyArray<Entry>
  readonly next: Effect.Effect<Page, Failure> | undefined
}

/**
 * A backend. A primitive may be left out only where the capabilities that need it are not declared.
 *
 * @since 0.1.0
 * @category models
 */
export interface Driver<C extends Capability = Capability> {
  readonly name: string
  readonly capabilities: ReadonlySet<C>
  readonly quality: Quality
  readonly stat: (key: Key) => Effect.Effect<Node, Failure>
  readonly get: (key: Key, options: GetOptions) => Effect.Effect<OpenObject, Failure, Scope.Scope>
  /** The bytes of `get` in one array, for a backend that has a shorter way to them. Fewer than there are it refuses. */
  readonly getAll?: (key: Key, options: GetOptions) => Effect.Effect<Uint8Array, Failure>
  /** For a backend that can keep an object open. Without it every `readAt` is a `get` of a range. */
  readonly openReader?: (key: Key) => Effect.Effect<OpenReader, Failure, Scope.Scope>
  /** Refuses before it pulls from the body when the target already tells that the mode cannot be kept. */
  readonly put?: <E, R>(
    key: Key,
    body: Uint8Array | Stream.Stream<Uint8Array, E, R>,
    options: { readonly mode: Mode; readonly attributes: Attributes }
  ) => Effect.Effect<Version, Failure | E, R>
  /**
   * Whether `put` has done with a piece of a body when it pulls the next one. Then a local file is sent through one
   * buffer; otherwise each piece is an array of its own.
   */
  readonly borrowsPieces?: boolean
  readonly delete?: (key: Key, options: { readonly ifMatch: string | undefined }) => Effect.Effect<void, Failure>
  /**
   * Removes up to `limit` objects in one request and answers what failed, each failure with its key. What is not there
   * is no failure. Without it the kernel deletes one by one.
   */
  readonly deleteMany?: {
    readonly limit: number
    readonly run: (keys: ReadonlyArray<Key>) => Effect.Effect<ReadonlyArray<Failure>, Failure>
  }
  /**
   * Removes a folder in which no object is, and those in it, where the backend has such; one that holds objects it
   * leaves.
   */
  readonly removeFolder?: (key: Key) => Effect.Effect<void, Failure>
  readonly listPage?: (prefix: Prefix, options: ListOptions) => Effect.Effect<Page, Failure>
  /** Answers the target's version. The kernel has seen that the two keys differ. */
  readonly move?: (from: Key, to: Key, mode: "create" | "overwrite") => Effect.Effect<Version, Failure>
  readonly copy?: (from: Key, to: Key, mode: "create" | "overwrite") => Effect.Effect<Version, Failure>
  /**
   * Tries, with keys below `scratch` that nobody else uses and that it removes again, which declared capabilities the
   * server does not keep; answers those. Without it the kernel tries the conditions by the primitives above.
   */
  readonly probe?: (scratch: Key) => Effect.Effect<ReadonlyArray<Capability>, Failure>
  /** Touches the backend as cheaply as it can be done with the right to use it. Default: one look at the store's root. */
  readonly ping?: Effect.Effect<void, Failure>
  /** The name by which the backend's own tools know a key, and back; `undefined` for what is not in this store. */
  readonly native?: {
    readonly toPath: (prefix: Prefix) => string
    readonly toKey: (path: string) => string | undefined
  }
  /** The driver's own clients, for `unwrap`. */
  readonly services?: Context.Context<never>
  readonly classify: (cause: unknown) => Condition
}
