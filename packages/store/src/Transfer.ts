// @effect-diagnostics nodeBuiltinImport:off a local file is named by its path
/**
 * Objects and whole trees of them between stores and local folders.
 *
 * - A transfer is a stream of its progress: running it does it, interrupting it leaves no object half written. What
 *   fails of a tree is on a list, with its error, and the rest goes on; a single object fails the stream.
 * - An object of more than `partBytes` is read in ranges of that length, several at once, where its store can pin a
 *   range to a version. Replaced meanwhile it is `PreconditionFailed`, never a mixture.
 * - Content type and metadata go along where both stores keep them.
 * - At most `concurrency * (partsUnderWay + 1) * partBytes` bytes are in memory.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import type { Entry } from "./Entry.ts"
import { makeSource, makeTarget, moveObject } from "./internal/moveObjects.ts"
import { runTransfers } from "./internal/runTransfers.ts"
import type { Item } from "./internal/runTransfers.ts"
import * as Local from "./Local.ts"
import { driverOf } from "./Store.ts"
import type { StoreOf } from "./Store.ts"
import { InvalidPath } from "./StoreError.ts"
import type { CapabilityNotSupported, StoreError } from "./StoreError.ts"
import * as StorePath from "./StorePath.ts"

/**
 * An object of a store, or a folder of one; the path `""` is all of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place<S> {
  readonly store: S
  readonly path: string
}

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** What is to happen to what exists at the target. Default `create`: it is left alone and counts as a failure. */
  readonly mode?: "create" | "overwrite"
  /** How many objects go at once. Default 4. */
  readonly concurrency?: number
  /** Longer objects are read in parts of so many bytes. Default 4 MiB. */
  readonly partBytes?: number
  /** How many parts of one object are asked for at once. Default 4. */
  readonly partsUnderWay?: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Amount {
  readonly objects: number
  readonly bytes: number
}

/**
 * An object that was not transferred, by its paths at both ends, and why.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failed {
  readonly from: string
  readonly to: string
  readonly error: StoreError
}

/**
 * How far a transfer is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  /** What has arrived; the bytes of objects under way count as they go. */
  readonly done: Amount
  /** What has been found so far; a listing is up to 10 000 objects ahead. */
  readonly total: Amount
  /** Whether all has been found. */
  readonly isTotalKnown: boolean
  /** In the order of their happening. */
  readonly failures: Chunk.Chunk<Failed>
}

/**
 * @since 0.1.0
 * @category models
 */
export type Transfer = Stream.Stream<Progress, StoreError>

/** Anything else than a positive whole number is a bug of the caller. */
const positive = (name: keyof Options, value: number): Effect.Effect<number> =>
  Number.isSafeInteger(value) && value > 0
    ? Effect.succeed(value)
    : Effect.dieMessage(`Transfer: ${name} is ${value} and has to be a positive whole number`)

const settingsOf = (options: Options | undefined) =>
  Effect.all({
    mode: Effect.succeed(options?.mode ?? "create"),
    concurrency: positive("concurrency", options?.concurrency ?? 4),
    partBytes: positive("partBytes", options?.partBytes ?? 4 * 2 ** 20),
    partsUnderWay: positive("partsUnderWay", options?.partsUnderWay ?? 4)
  })

/** What goes where, found out when the transfer begins. */
interface Plan {
  readonly from: StoreOf<"read">
  readonly to: StoreOf<"write">
  readonly items: Stream.Stream<Item, StoreError>
}

const start = (plan: Effect.Effect<Plan, StoreError, Scope.Scope>, options: Options | undefined): Transfer =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const settings = yield* settingsOf(options)
    const { from, items, to } = yield* plan
    const source = yield* makeSource(from, from.supports("metadata") && to.supports("metadata"), settings)
    const target = yield* makeTarget(to, settings.mode)
    return runTransfers(
      items,
      settings.concurrency,
      (item, moved) => moveObject(source, target, item, settings, moved)
    )
  }))

/** Of one object: what fails it fails the stream. */
const startOne = (plan: Effect.Effect<Plan, StoreError, Scope.Scope>, options: Options | undefined): Transfer =>
  Stream.tap(
    start(plan, options),
    ({ failures }) =>
      Option.match(Chunk.head(failures), { onNone: () => Effect.void, onSome: ({ error }) => Effect.fail(error) })
  )

const oneItem = (store: StoreOf<"read">, from: string, to: string): Plan["items"] =>
  Stream.fromEffect(Effect.map(store.stat(from), ({ etag, size }) => ({ from, to, etag, size })))

/** The objects below a folder with the paths that they get, which keep what is below it. */
const itemsBelow = (
  store: StoreOf<"list">,
  path: string,
  toPath: (below: string) => string
): Plan["items"] =>
  Stream.unwrap(
    Effect.map(StorePath.parsePrefix(path), (prefix) =>
      Stream.filterMap(store.list(path, { recursive: true }), (entry: Entry) =>
        entry._tag === "Folder" ? Option.none() : Option.some({
          from: entry.key,
          to: toPath(prefix === "" ? entry.key : entry.key.slice(prefix.length + 1)),
          etag: entry.etag,
          size: entry.size
        })))
  )

const below = (folder: string) => (path: string): string => folder === "" ? path : `${folder}/${path}`

/** Whether a store takes the pieces of a local file from one buffer. */
const borrows = (store: StoreOf<"write">): boolean => driverOf(store)?.borrowsPieces ?? false

/** A local file is read from its beginning to its end: several ranges at once gain nothing. */
const inOrder = ["read", "readIfMatch", "list"] as const

/** A local path as a folder and a name in it. */
const split = (file: string) => {
  const path = Path.resolve(file)
  return { folder: Path.dirname(path), name: Path.basename(path) }
}

/**
 * Reads an object, with several requests at once where its store can pin a range to a version. The bytes come in
 * order, and all of the version that was there in the beginning: another one is `PreconditionFailed`.
 *
 * @since 0.1.0
 * @category operations
 */
export const read = (
  store: StoreOf<"read">,
  path: string,
  options?: Pick<Options, "partBytes" | "partsUnderWay">
): Stream.Stream<Uint8Array, StoreError> =>
  Stream.unwrap(Effect.gen(function*() {
    const source = yield* makeSource(store, false, yield* settingsOf(options))
    return source.read(path, yield* store.stat(path))
  }))

/**
 * Puts a local file into a store. A link is refused.
 *
 * @since 0.1.0
 * @category transfers
 */
export const uploadFile = (file: string, to: Place<StoreOf<"write">>, options?: Options): Transfer =>
  startOne(
    Effect.gen(function*() {
      const { folder, name } = split(file)
      const local = yield* Local.openFolder(folder, { lends: borrows(to.store) })
      const from = local.only(...inOrder)
      return { from, to: to.store, items: oneItem(from, name, to.path) }
    }),
    options
  )

/**
 * Puts the files below a local folder into a folder of a store. Links, devices and names that are no keys are not
 * followed and count as failures (`InvalidPath`); empty folders are nothing.
 *
 * @example
 * ```ts
 * import { Memory, Transfer } from "@sennit/store"
 * import { Console, Effect, Stream } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Memory.make()
 *   const upload = Transfer.uploadTree("dist", { store, path: "site" }, { mode: "overwrite" })
 *   yield* Stream.runForEach(upload, ({ done, total }) => Console.log(`${done.bytes} of ${total.bytes} bytes`))
 * })
 * ```
 *
 * @since 0.1.0
 * @category transfers
 */
export const uploadTree = (folder: string, to: Place<StoreOf<"write">>, options?: Options): Transfer => {
  const toPath = below(to.path)
  return start(
    Effect.gen(function*() {
      const refused: Array<Failed> = []
      const where = { backend: "local", operation: "upload" }
      const local = yield* Local.openFolder(folder, {
        lends: borrows(to.store),
        leaveOut: (path, reason) =>
          refused.push({ from: path, to: toPath(path), error: new InvalidPath({ path, reason, ...where }) })
      })
      const from = local.only(...inOrder)
      const found = itemsBelow(from, "", toPath)
      const rest = Stream.suspend(() => Stream.fromIterable(refused.splice(0)))
      const items = Stream.concat(
        Stream.catchAll(found, (error) => Stream.concat(rest, Stream.fail(error))),
        rest
      )
      return { from, to: to.store, items }
    }),
    options
  )
}

/**
 * Gets an object into a local file, whose folders are made. A reader of the file sees all of it or what was there.
 *
 * @since 0.1.0
 * @category transfers
 */
export const downloadFile = (from: Place<StoreOf<"read">>, file: string, options?: Options): Transfer =>
  startOne(
    Effect.gen(function*() {
      const { folder, name } = split(file)
      const to = yield* Local.openFolder(folder, "write")
      return { from: from.store, to, items: oneItem(from.store, from.path, name) }
    }),
    options
  )

/**
 * Gets the objects below a folder of a store into a local folder, which is made. Nothing is written outside of it,
 * whatever the keys and whatever links are in it.
 *
 * @since 0.1.0
 * @category transfers
 */
export const downloadTree = (from: Place<StoreOf<"read" | "list">>, folder: string, options?: Options): Transfer =>
  start(
    Effect.map(Local.openFolder(folder, "write"), (to) => ({
      from: from.store,
      to,
      items: itemsBelow(from.store, from.path, (path) => path)
    })),
    options
  )

/**
 * Copies an object from one store to another.
 *
 * @since 0.1.0
 * @category transfers
 */
export const copyObject = (
  from: Place<StoreOf<"read">>,
  to: Place<StoreOf<"write">>,
  options?: Options
): Transfer =>
  startOne(
    Effect.succeed({ from: from.store, to: to.store, items: oneItem(from.store, from.path, to.path) }),
    options
  )

/**
 * Copies the objects below a folder of one store to a folder of another.
 *
 * @since 0.1.0
 * @category transfers
 */
export const copyTree = (
  from: Place<StoreOf<"read" | "list">>,
  to: Place<StoreOf<"write">>,
  options?: Options
): Transfer =>
  start(
    Effect.succeed({
      from: from.store,
      to: to.store,
      items: itemsBelow(from.store, from.path, below(to.path))
    }),
    options
  )

/**
 * Does a transfer and answers how it ended.
 *
 * @since 0.1.0
 * @category destructors
 */
export const run = (transfer: Transfer): Effect.Effect<Progress, StoreError> =>
  Stream.runFold(transfer, nothing, (_, progress) => progress)

const nothing: Progress = {
  done: { objects: 0, bytes: 0 },
  total: { objects: 0, bytes: 0 },
  isTotalKnown: false,
  failures: Chunk.empty()
}

/**
 * What `copyMany` did.
 *
 * @since 0.1.0
 * @category models
 */
export interface CopyReport {
  readonly copied: number
  readonly failures: ReadonlyArray<Failed>
}

/**
 * Copies many objects within a store, as it does itself; goes on where one fails.
 *
 * @since 0.1.0
 * @category operations
 */
export const copyMany = (
  store: StoreOf<"copy">,
  pairs: Iterable<{ readonly from: string; readonly to: string }>,
  options?: Pick<Options, "mode" | "concurrency">
): Effect.Effect<CopyReport, CapabilityNotSupported> =>
  Effect.gen(function*() {
    const { concurrency, mode } = yield* settingsOf(options)
    const creating = mode === "create" ? yield* store.require("createIfAbsent") : undefined
    const copy = (from: string, to: string) =>
      creating === undefined ? store.copy(from, to, { mode: "overwrite" }) : creating.copy(from, to)
    const [failures, copied] = yield* Effect.partition(
      pairs,
      ({ from, to }) => Effect.mapError(copy(from, to), (error): Failed => ({ from, to, error })),
      { concurrency }
    )
    return { copied: copied.length, failures }
  })

/**
 * What `existsMany` found, in the order of the paths.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExistsReport {
  readonly present: ReadonlyArray<string>
  readonly absent: ReadonlyArray<string>
  /** Why the others are unknown; each says its path. */
  readonly failures: ReadonlyArray<StoreError>
}

/**
 * Asks of many paths whether there is an object or a folder; goes on where one fails. `deleteMany` of the store itself
 * removes many.
 *
 * @since 0.1.0
 * @category operations
 */
export const existsMany = (
  store: StoreOf<"read">,
  paths: Iterable<string>,
  options?: Pick<Options, "concurrency">
): Effect.Effect<ExistsReport> =>
  Effect.gen(function*() {
    const { concurrency } = yield* settingsOf(options)
    const [failures, answers] = yield* Effect.partition(
      paths,
      (path) => Effect.map(store.exists(path), (isPresent) => ({ path, isPresent })),
      { concurrency }
    )
    const [absent, present] = Arr.partition(answers, ({ isPresent }) => isPresent)
    return { present: present.map(({ path }) => path), absent: absent.map(({ path }) => path), failures }
  })
