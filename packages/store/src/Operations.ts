/**
 * The one table of operations. The typed view of a store, the capability gate, the interceptor hook, span names,
 * the Promise facade, the matrix in the README and the filters of the conformance suite are all derived from it.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Capability } from "./Capability.ts"
import type { Entry, ObjectInfo, WriteResult } from "./Entry.ts"
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
}

/**
 * @since 0.1.0
 * @category options
 */
export interface DeleteOptions {
  /** Succeed when there is no such object. */
  readonly missingOk?: boolean
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
  /** Puts an object. When it fails or is interrupted, what was there before is still there. */
  readonly write: <E = never, R = never>(
    path: string,
    body: Body<E, R>,
    options?: WriteOptions<C>
  ) => Effect.Effect<WriteResult, StoreError | E, R>
  /** What is known of an object. */
  readonly stat: (path: string) => Effect.Effect<ObjectInfo, StoreError>
  /** Whether there is an object (not a folder) at the path. */
  readonly exists: (path: string) => Effect.Effect<boolean, StoreError>
  /** The entries below a prefix in the order of their UTF-8 bytes; a page is fetched when it is needed. */
  readonly list: (prefix: string, options?: ListOptions) => Stream.Stream<Entry, StoreError>
  /** Removes an object. */
  readonly delete: (path: string, options?: DeleteOptions) => Effect.Effect<void, StoreError>
  /** Renames an object. To its own path: nothing happens. */
  readonly move: (from: string, to: string, options?: TransferOptions<C>) => Effect.Effect<WriteResult, StoreError>
  /** Copies an object. To its own path: nothing happens. */
  readonly copy: (from: string, to: string, options?: TransferOptions<C>) => Effect.Effect<WriteResult, StoreError>
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
  readonly kind: "effect" | "stream"
  /** The role of each argument, in order. */
  readonly arguments: ReadonlyArray<"key" | "prefix" | "body" | "options">
  /** Options that need a capability of their own; `mode` needs one according to its value. */
  readonly gates: { readonly [option: string]: Capability | "mode" }
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

/**
 * The operations of a store.
 *
 * @since 0.1.0
 * @category constants
 */
export const operations = {
  read: { needs: ["read"], kind: "stream", arguments: ["key", "options"], gates: readGates },
  readBytes: { needs: ["read"], kind: "effect", arguments: ["key", "options"], gates: readGates },
  readText: { needs: ["read"], kind: "effect", arguments: ["key", "options"], gates: readGates },
  write: { needs: ["write"], kind: "effect", arguments: ["key", "body", "options"], gates: writeGates },
  stat: { needs: ["read"], kind: "effect", arguments: ["key"], gates: {} },
  exists: { needs: ["read"], kind: "effect", arguments: ["key"], gates: {} },
  list: { needs: ["list"], kind: "stream", arguments: ["prefix", "options"], gates: {} },
  delete: { needs: ["delete"], kind: "effect", arguments: ["key", "options"], gates: {} },
  move: { needs: ["move"], kind: "effect", arguments: ["key", "key", "options"], gates: transferGates },
  copy: { needs: ["copy"], kind: "effect", arguments: ["key", "key", "options"], gates: transferGates }
} as const satisfies Record<keyof Operations, OperationSpec>

/**
 * The name of an operation.
 *
 * @since 0.1.0
 * @category models
 */
export type Operation = keyof typeof operations

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

/**
 * The table as Markdown; the README holds exactly this text.
 *
 * @since 0.1.0
 * @category derivations
 */
export const matrix = (table: OperationTable): string =>
  [
    "| operation | answers with | needs | options that need more |",
    "| --- | --- | --- | --- |",
    ...Object.entries(table).map(([operation, spec]) => {
      const gates = Object.entries(spec.gates).map(([option, gate]) =>
        gate === "mode" ? "`mode`: `createIfAbsent` or `replaceIfMatch`" : `\`${option}\`: \`${gate}\``
      )
      const answer = spec.kind === "stream" ? "Stream" : "Effect"
      return `| \`${operation}\` | ${answer} | ${spec.needs.map((c) => `\`${c}\``).join(", ")} | ${gates.join("; ")} |`
    })
  ].join("\n")
