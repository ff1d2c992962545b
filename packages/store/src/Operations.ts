/**
 * The one table of operations. The typed view of a store, the capability gate, the interceptor hook, span names,
 * the Promise facade, the matrix in the README and the filters of the conformance suite are all derived from it.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { Capability } from "./Capability.ts"
import type { Digest, DigestAlgorithm, Entry, FolderInfo, ObjectEntry, ObjectInfo, WriteResult } from "./Entry.ts"
import type { StoreError } from "./StoreError.ts"

/** `A` where the capabilities `C` hold `K`; otherwise the option cannot be given. */
type Given<C extends Capability, K extends Capability, A> = { readonly [P in Capability]: P extends K ? A : never }[C]

/**
 * The bytes from `offset` on (`length` of them, or all), or the last `suffix` bytes. The part of a range that lies
 * behind the end of the object is empty.
 *
 * @since 0.1.0
 * @category models
 */
export type Range =
  | { readonly offset: number; readonly length?: number }
  | { readonly suffix: number }

/**
 * @since 0.1.0
 * @category options
 */
export interface ReadOptions<C extends Capability = Capability> {
  readonly range?: Given<C, "range", Range>
  /** Fail with `PreconditionFailed` unless the object has this etag. */
  readonly ifMatch?: Given<C, "readIfMatch", string>
  /** Fail with `IntegrityMismatch` unless the bytes that are read have this digest. A stream fails at its end. */
  readonly digest?: Digest
}

/**
 * What is to happen when the target exists. The default is `create`.
 *
 * @since 0.1.0
 * @category options
 */
export type TargetMode<C extends Capability = Capability> = Given<C, "createIfAbsent", "create"> | "overwrite"

/**
 * @since 0.1.0
 * @category options
 */
export interface WriteOptions<C extends Capability = Capability> {
  /** `create` (the default) fails with `AlreadyExists`, `ifMatch` with `PreconditionFailed`. */
  readonly mode?: TargetMode<C> | Given<C, "replaceIfMatch", { readonly ifMatch: string }>
  readonly contentType?: Given<C, "metadata", string>
  readonly metadata?: Given<C, "metadata", { readonly [name: string]: string }>
  /** Answer the digest of the bytes, or fail with `IntegrityMismatch` and write nothing unless they have this one. */
  readonly digest?: DigestAlgorithm | Digest
}

/**
 * @since 0.1.0
 * @category options
 */
export interface TransferOptions<C extends Capability = Capability> {
  /** `create` (the default) fails with `AlreadyExists`. */
  readonly mode?: TargetMode<C>
}

/**
 * @since 0.1.0
 * @category options
 */
export interface ListOptions {
  /** List all objects below the prefix and no folders. Default: what is directly in it. */
  readonly recursive?: boolean
  /** How many folders deep `recursive` goes; 1 is what is directly in the prefix. Default: all the way. */
  readonly maxDepth?: number
  /**
   * Only what matches: `*` and `?` stand for any text and any character of a name, `**` for any folders, `[a-z]` and
   * `[!a-z]` for one character. A pattern without `/` is held against the name, another against the whole path below
   * the prefix.
   */
  readonly pattern?: string
  /** Only what comes behind this path, which is as the listing shows it and need not exist. */
  readonly startAfter?: string
}

/**
 * @since 0.1.0
 * @category options
 */
export interface FolderInfoOptions {
  /** How many folders deep to look; 1 is what is directly in the folder. Default: all the way. */
  readonly maxDepth?: number
}

/**
 * @since 0.1.0
 * @category options
 */
export interface DeleteOptions<C extends Capability = Capability> {
  /** Succeed when there is no such object. */
  readonly missingOk?: boolean
  /** Fail with `PreconditionFailed` unless the object has this etag. */
  readonly ifMatch?: Given<C, "deleteIfMatch", string>
}

/**
 * @since 0.1.0
 * @category options
 */
export interface DeleteFolderOptions {
  /** Delete what is in it. Default: fail with `DirectoryNotEmpty` when there is something. */
  readonly recursive?: boolean
  /** Succeed when there is no such folder. */
  readonly missingOk?: boolean
}

/**
 * What `deleteMany` did. What was not there is neither deleted nor a failure.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeleteReport {
  /** How many paths are gone, those that were not there among them. */
  readonly gone: number
  /** Why the others are not; each says its path. */
  readonly failures: ReadonlyArray<StoreError>
}

/**
 * An object opened for reading at any place, pinned to the version it had when it was opened where the store offers
 * `readIfMatch`: another one then fails with `PreconditionFailed`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ObjectReader {
  readonly info: ObjectInfo
  /** The bytes from `offset` on, `length` of them or fewer at the end. */
  readonly readAt: (offset: number, length: number) => Effect.Effect<Uint8Array, StoreError>
}

/**
 * An object that is being written and becomes visible as a whole.
 *
 * @since 0.1.0
 * @category models
 */
export interface AtomicWriter {
  /** Adds bytes; waits while the backend is busy with earlier ones. The array must not be changed afterwards. */
  readonly write: (bytes: string | Uint8Array) => Effect.Effect<void, StoreError>
  /**
   * Makes what was written the object. Later calls answer the same. Where it is not called, the end of the scope in
   * success does it, and a failure of that is a defect.
   */
  readonly commit: Effect.Effect<WriteResult, StoreError>
}

/**
 * What can be written: text as UTF-8, bytes, or a stream whose own error passes through.
 *
 * @since 0.1.0
 * @category models
 */
export type Body<E = never, R = never> = string | Uint8Array | Stream.Stream<Uint8Array, E, R>

/**
 * The operations with their types, for a store that offers `C`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Operations<C extends Capability = Capability> {
  /** The object's bytes, pulled as they are needed; pinned to one version. */
  readonly read: (path: string, options?: ReadOptions<C>) => Stream.Stream<Uint8Array, StoreError>
  /** The object's bytes in one array. */
  readonly readBytes: (path: string, options?: ReadOptions<C>) => Effect.Effect<Uint8Array, StoreError>
  /** The object's text; malformed UTF-8 becomes U+FFFD, as in `Response.text()`. */
  readonly readText: (path: string, options?: ReadOptions<C>) => Effect.Effect<string, StoreError>
  /** The object's JSON as the schema decodes it; fails with `DecodeFailed`. */
  readonly readJson: <A, I, R>(
    path: string,
    schema: Schema.Schema<A, I, R>,
    options?: ReadOptions<C>
  ) => Effect.Effect<A, StoreError, R>
  /** Opens an object for reading at any place. */
  readonly openReader: (path: string) => Effect.Effect<ObjectReader, StoreError, Scope.Scope>
  /** Puts an object. When it fails or is interrupted, what was there before is still there. */
  readonly write: <E = never, R = never>(
    path: string,
    body: Body<E, R>,
    options?: WriteOptions<C>
  ) => Effect.Effect<WriteResult, StoreError | E, R>
  /** Puts an object whose bytes come down a stream. */
  readonly sink: (
    path: string,
    options?: WriteOptions<C>
  ) => Sink.Sink<WriteResult, Uint8Array, never, StoreError>
  /**
   * Opens an object for writing. The end of the scope in success makes it visible; failure and interruption leave what
   * was there before. Fails at once where the mode already cannot be kept.
   */
  readonly openAtomic: (
    path: string,
    options?: WriteOptions<C>
  ) => Effect.Effect<AtomicWriter, StoreError, Scope.Scope>
  /** What is known of an object. */
  readonly stat: (path: string) => Effect.Effect<ObjectInfo, StoreError>
  /** What is known of an object, if there is one. */
  readonly head: (path: string) => Effect.Effect<Option.Option<ObjectInfo>, StoreError>
  /** Whether there is an object or a folder at the path. The root is always there. */
  readonly exists: (path: string) => Effect.Effect<boolean, StoreError>
  /** Whether there is an object at the path. */
  readonly isFile: (path: string) => Effect.Effect<boolean, StoreError>
  /** Whether there is a folder at the path. The root is always one. */
  readonly isFolder: (path: string) => Effect.Effect<boolean, StoreError>
  /** How many objects are in a folder and how large they are. */
  readonly folderInfo: (prefix: string, options?: FolderInfoOptions) => Effect.Effect<FolderInfo, StoreError>
  /** The entries below a prefix in the order of their UTF-8 bytes; a page is fetched when it is needed. */
  readonly list: (prefix: string, options?: ListOptions) => Stream.Stream<Entry, StoreError>
  /** The objects whose whole path matches a pattern; see `ListOptions`. Looks only where there can be some. */
  readonly glob: (pattern: string) => Stream.Stream<ObjectEntry, StoreError>
  /** Removes an object. */
  readonly delete: (path: string, options?: DeleteOptions<C>) => Effect.Effect<void, StoreError>
  /** Removes many objects, in as few requests as the backend allows; goes on where one fails. */
  readonly deleteMany: <E = never, R = never>(
    paths: Iterable<string> | Stream.Stream<string, E, R>
  ) => Effect.Effect<DeleteReport, StoreError | E, R>
  /** Removes a folder. The root is refused. */
  readonly deleteFolder: (prefix: string, options?: DeleteFolderOptions) => Effect.Effect<void, StoreError>
  /** Renames an object. To its own path: nothing happens. */
  readonly move: (from: string, to: string, options?: TransferOptions<C>) => Effect.Effect<WriteResult, StoreError>
  /** Copies an object. To its own path: nothing happens. */
  readonly copy: (from: string, to: string, options?: TransferOptions<C>) => Effect.Effect<WriteResult, StoreError>
  /** Succeeds when the backend answers and lets this store be used. */
  readonly ping: () => Effect.Effect<void, StoreError>
}

/**
 * One row of the table.
 *
 * @since 0.1.0
 * @category models
 */
export interface OperationSpec {
  /** The capabilities without which the operation is absent from a store. */
  readonly needs: ReadonlyArray<Capability>
  /** What it answers with; `scoped` is an Effect whose answer ends with its scope. */
  readonly kind: "effect" | "stream" | "scoped" | "sink"
  /** The role of each argument, in order. */
  readonly arguments: ReadonlyArray<"key" | "keys" | "prefix" | "pattern" | "body" | "schema" | "options">
  /** Options that need a capability of their own; `mode` needs one according to its value. */
  readonly gates: { readonly [option: string]: Capability | "mode" }
  /** What it can change: the objects at its keys, all below its prefix, or any object. */
  readonly changes: "nothing" | "keys" | "below" | "anything"
  /** Whether its answer depends on the object at its key alone, so that it may be kept until that changes. */
  readonly cacheable: boolean
}

/**
 * A table of operations by name.
 *
 * @since 0.1.0
 * @category models
 */
export interface OperationTable {
  readonly [operation: string]: OperationSpec
}

const readGates = { range: "range", ifMatch: "readIfMatch" } as const
const writeGates = { mode: "mode", contentType: "metadata", metadata: "metadata" } as const
const transferGates = { mode: "mode" } as const
const deleteGates = { ifMatch: "deleteIfMatch" } as const
const reads = { changes: "nothing", cacheable: false } as const
const kept = { changes: "nothing", cacheable: true } as const
const changesKeys = { changes: "keys", cacheable: false } as const
const changesBelow = { changes: "below", cacheable: false } as const
const changesAny = { changes: "anything", cacheable: false } as const

/**
 * The operations of a store.
 *
 * @since 0.1.0
 * @category constants
 */
export const operations = {
  read: { needs: ["read"], kind: "stream", arguments: ["key", "options"], gates: readGates, ...reads },
  readBytes: { needs: ["read"], kind: "effect", arguments: ["key", "options"], gates: readGates, ...kept },
  readText: { needs: ["read"], kind: "effect", arguments: ["key", "options"], gates: readGates, ...kept },
  readJson: { needs: ["read"], kind: "effect", arguments: ["key", "schema", "options"], gates: readGates, ...reads },
  openReader: { needs: ["read", "range"], kind: "scoped", arguments: ["key"], gates: {}, ...reads },
  write: { needs: ["write"], kind: "effect", arguments: ["key", "body", "options"], gates: writeGates, ...changesKeys },
  sink: { needs: ["write"], kind: "sink", arguments: ["key", "options"], gates: writeGates, ...changesKeys },
  openAtomic: {
    needs: ["write", "atomicWrite"],
    kind: "scoped",
    arguments: ["key", "options"],
    gates: writeGates,
    ...changesKeys
  },
  stat: { needs: ["read"], kind: "effect", arguments: ["key"], gates: {}, ...kept },
  head: { needs: ["read"], kind: "effect", arguments: ["key"], gates: {}, ...kept },
  exists: { needs: ["read"], kind: "effect", arguments: ["prefix"], gates: {}, ...reads },
  isFile: { needs: ["read"], kind: "effect", arguments: ["prefix"], gates: {}, ...reads },
  isFolder: { needs: ["read"], kind: "effect", arguments: ["prefix"], gates: {}, ...reads },
  folderInfo: { needs: ["list"], kind: "effect", arguments: ["prefix", "options"], gates: {}, ...reads },
  list: { needs: ["list"], kind: "stream", arguments: ["prefix", "options"], gates: {}, ...reads },
  glob: { needs: ["list"], kind: "stream", arguments: ["pattern"], gates: {}, ...reads },
  delete: { needs: ["delete"], kind: "effect", arguments: ["key", "options"], gates: deleteGates, ...changesKeys },
  deleteMany: { needs: ["delete"], kind: "effect", arguments: ["keys"], gates: {}, ...changesAny },
  deleteFolder: {
    needs: ["delete", "list"],
    kind: "effect",
    arguments: ["prefix", "options"],
    gates: {},
    ...changesBelow
  },
  move: { needs: ["move"], kind: "effect", arguments: ["key", "key", "options"], gates: transferGates, ...changesKeys },
  copy: { needs: ["copy"], kind: "effect", arguments: ["key", "key", "options"], gates: transferGates, ...changesKeys },
  ping: { needs: [], kind: "effect", arguments: [], gates: {}, ...reads }
} as const satisfies Record<keyof Operations, OperationSpec>

/**
 * The name of an operation.
 *
 * @since 0.1.0
 * @category models
 */
export type Operation = keyof typeof operations

/**
 * The operations that promises can offer: all but the sinks, which are Effect's own; a `write` takes an async iterable.
 *
 * @since 0.1.0
 * @category models
 */
export type PromiseOperation = {
  readonly [K in Operation]: (typeof operations)[K]["kind"] extends "sink" ? never : K
}[Operation]

/**
 * Whether a row is one of a `PromiseOperation`.
 *
 * @since 0.1.0
 * @category derivations
 */
export const isPromised = (spec: OperationSpec): boolean => spec.kind !== "sink"

/**
 * The operations that one thread can ask of another: those of them that take no schema, which cannot be sent.
 *
 * @since 0.1.0
 * @category models
 */
export type SyncOperation = {
  readonly [K in PromiseOperation]: "schema" extends (typeof operations)[K]["arguments"][number] ? never : K
}[PromiseOperation]

/**
 * Whether a row is one of a `SyncOperation`.
 *
 * @since 0.1.0
 * @category derivations
 */
export const isSendable = (spec: OperationSpec): boolean => isPromised(spec) && !spec.arguments.includes("schema")

/**
 * The capabilities without which operation `K` is absent.
 *
 * @since 0.1.0
 * @category models
 */
export type Needs<K extends Operation> = (typeof operations)[K]["needs"][number]

/**
 * The capabilities without which one of these operations is absent.
 *
 * @since 0.1.0
 * @category derivations
 */
export const needsOf = <K extends Operation>(names: ReadonlyArray<K>): ReadonlyArray<Needs<K>> =>
  names.flatMap((name) => needsOfOne(name))

const needsOfOne = <K extends Operation>(name: K): ReadonlyArray<Needs<K>> => operations[name].needs

/**
 * The name of an operation's span.
 *
 * @since 0.1.0
 * @category derivations
 */
export const spanName = (operation: string): string => `Store.${operation}`

/**
 * All the capabilities that the options of an operation can ask for.
 *
 * @since 0.1.0
 * @category derivations
 */
export const gatesOf = (spec: OperationSpec): ReadonlyArray<Capability> =>
  Object.values(spec.gates).flatMap((gate): ReadonlyArray<Capability> =>
    gate === "mode" ? ["createIfAbsent", "replaceIfMatch"] : [gate]
  )

const neededByMode = (mode: unknown): Capability | undefined => {
  if (mode === undefined || mode === "create") return "createIfAbsent"
  return mode === "overwrite" ? undefined : "replaceIfMatch"
}

/**
 * The capabilities that a call needs: the operation's own and those of the options given.
 *
 * @since 0.1.0
 * @category derivations
 */
export const neededBy = (spec: OperationSpec, args: ReadonlyArray<unknown>): ReadonlyArray<Capability> => {
  const needed: Array<Capability> = [...spec.needs]
  const given = args[spec.arguments.indexOf("options")]
  const options = typeof given === "object" && given !== null ? given : {}
  for (const [option, gate] of Object.entries(spec.gates)) {
    const value: unknown = Reflect.get(options, option)
    const capability = gate === "mode" ? neededByMode(value) : value === undefined ? undefined : gate
    if (capability !== undefined) needed.push(capability)
  }
  return needed
}

const answers = { effect: "Effect", stream: "Stream", scoped: "scoped Effect", sink: "Sink" } as const

/**
 * The table as Markdown, a row for all that need the same; the README holds exactly this text.
 *
 * @since 0.1.0
 * @category derivations
 */
export const matrix = (table: OperationTable): string => {
  const rows = new Map<string, Array<string>>()
  for (const [operation, spec] of Object.entries(table)) {
    const gates = Object.entries(spec.gates).map(([option, gate]) =>
      gate === "mode" ? "`mode`: `createIfAbsent` or `replaceIfMatch`" : `\`${option}\`: \`${gate}\``
    )
    const demands = `${spec.needs.map((c) => `\`${c}\``).join(", ")} | ${gates.join("; ")}`
    const name = spec.kind === "effect" ? `\`${operation}\`` : `\`${operation}\` (${answers[spec.kind]})`
    rows.set(demands, [...(rows.get(demands) ?? []), name])
  }
  return [
    "| operation (an Effect, unless said) | needs | options that need more |",
    "| --- | --- | --- |",
    ...Array.from(rows, ([demands, names]) => `| ${names.join(", ")} | ${demands} |`)
  ].join("\n")
}
