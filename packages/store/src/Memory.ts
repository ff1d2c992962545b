/**
 * A store in this process's memory.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Order from "effect/Order"
import * as Stream from "effect/Stream"
import type { Capability } from "./Capability.ts"
import * as Driver from "./Driver.ts"
import type { Attributes, Entry, Version } from "./Entry.ts"
import { resolveRange } from "./internal/resolveRange.ts"
import * as Store from "./Store.ts"
import * as StorePath from "./StorePath.ts"

const capabilities = [
  "read",
  "range",
  "readIfMatch",
  "write",
  "atomicWrite",
  "createIfAbsent",
  "replaceIfMatch",
  "freshEtags",
  "exclusiveNames",
  "metadata",
  "delete",
  "deleteIfMatch",
  "list",
  "move",
  "copy"
] as const satisfies ReadonlyArray<Capability>

/**
 * What a store in memory offers: everything.
 *
 * @since 0.1.0
 * @category models
 */
export type MemoryCapability = (typeof capabilities)[number]

/**
 * An empty store. Every call makes another; nothing outlives it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Effect.Effect<Store.StoreOf<MemoryCapability>> =>
  Effect.sync(() => Store.fromDriver(makeDriver()))

/**
 * An empty store as the application's store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Store.Store> = Layer.effect(Store.Store, make())

const chunkBytes = 256 * 1024
const pageSize = 1000

interface Stored {
  readonly bytes: Uint8Array
  readonly version: Version
  readonly attributes: Attributes
}

/** The bytes from `start` to `end` are meant. */
interface Part {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

const byUtf8 = Order.make<string>(StorePath.compare)

/** Decides and changes in one synchronous step, so that no other fiber runs in between. */
const change = <A>(step: (now: number) => A | Driver.Failure): Effect.Effect<A, Driver.Failure> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => settle(step(now)))

const makeDriver = (): Driver.Driver<MemoryCapability> => {
  const shelf = makeShelf()
  const find = (key: StorePath.Key): Stored | Driver.Failure =>
    shelf.objects.get(key) ??
      Driver.refuse(shelf.isFolder(key) ? { _tag: "InvalidPath", reason: "IsFolder" } : { _tag: "NotFound" })
  const found = (key: StorePath.Key) => Effect.suspend(() => settle(find(key)))
  const part = (key: StorePath.Key, { ifMatch, range }: Driver.GetOptions): Part | Driver.Failure => {
    const stored = find(key)
    if (stored instanceof Driver.Failure) return stored
    if (ifMatch !== undefined && ifMatch !== stored.version.etag) return Driver.refuse({ _tag: "PreconditionFailed" })
    return { bytes: stored.bytes, ...resolveRange(range, stored.bytes.length) }
  }
  const obstacle = (key: StorePath.Key, mode: Driver.Mode): Driver.Failure | undefined => {
    if (shelf.isFolder(key)) return Driver.refuse({ _tag: "InvalidPath", reason: "IsFolder" }, key)
    if (shelf.isBelowObject(key)) return Driver.refuse({ _tag: "InvalidPath", reason: "AncestorIsObject" }, key)
    const present = shelf.objects.get(key)
    if (mode === "create" && present !== undefined) return Driver.refuse({ _tag: "AlreadyExists" }, key)
    return typeof mode === "object" && present?.version.etag !== mode.ifMatch
      ? Driver.refuse({ _tag: "PreconditionFailed" }, key)
      : undefined
  }
  const commit = (key: StorePath.Key, mode: Driver.Mode, bytes: Uint8Array, attributes: Attributes) =>
    change((now) => obstacle(key, mode) ?? shelf.set(key, bytes, attributes, now))
  const transfer = (from: StorePath.Key, to: StorePath.Key, mode: "create" | "overwrite", keep: boolean) =>
    change((now) => {
      const stored = find(from)
      if (stored instanceof Driver.Failure) return stored
      const failure = obstacle(to, mode)
      if (failure !== undefined) return failure
      if (!keep) shelf.remove(from)
      return shelf.set(to, stored.bytes, stored.attributes, now)
    })
  return {
    name: "memory",
    capabilities: new Set(capabilities),
    quality: { replaceIfMatch: "server", atomicMove: "always", durability: "none" },
    stat: (key) =>
      Effect.suspend((): Effect.Effect<Driver.Node, Driver.Failure> =>
        shelf.isFolder(key)
          ? Effect.succeed({ _tag: "Folder" })
          : Effect.map(found(key), ({ attributes, version }) => ({ _tag: "Object", version, attributes }))
      ),
    get: (key, options) =>
      Effect.map(Effect.suspend(() => settle(part(key, options))), ({ bytes, end, start }) => {
        let position = start
        const pull = Effect.sync(() => {
          if (position >= end) return undefined
          const chunk = bytes.slice(position, Math.min(end, position + chunkBytes))
          position += chunk.length
          return chunk
        })
        return { size: end - start, pull }
      }),
    getAll: (key, options) =>
      Effect.suspend(() => {
        const asked = part(key, options)
        return settle(asked instanceof Driver.Failure ? asked : asked.bytes.slice(asked.start, asked.end))
      }),
    put: (key, body, { attributes, mode }) =>
      body instanceof Uint8Array
        ? Effect.suspend(() => commit(key, mode, body.slice(), attributes))
        : Effect.suspend(() => settle(obstacle(key, mode))).pipe(
          Effect.zipRight(collect(body)),
          Effect.flatMap((bytes) => commit(key, mode, bytes, attributes))
        ),
    delete: (key, { ifMatch }) =>
      Effect.suspend(() => {
        const stored = find(key)
        if (stored instanceof Driver.Failure) return Effect.fail(stored)
        if (ifMatch !== undefined && ifMatch !== stored.version.etag) {
          return Effect.fail(Driver.refuse({ _tag: "PreconditionFailed" }))
        }
        return Effect.sync(() => shelf.remove(key))
      }),
    listPage: (prefix, { recursive, startAfter }) => Effect.sync(() => listPage(shelf, prefix, recursive, startAfter)),
    move: (from, to, mode) => transfer(from, to, mode, false),
    copy: (from, to, mode) => transfer(from, to, mode, true),
    classify: () => ({ _tag: "Unavailable", reason: "Io", retryable: false })
  }
}

const settle = <A>(result: A | Driver.Failure): Effect.Effect<A, Driver.Failure> =>
  result instanceof Driver.Failure ? Effect.fail(result) : Effect.succeed(result)

const collect = <E, R>(body: Stream.Stream<Uint8Array, E, R>): Effect.Effect<Uint8Array, E, R> =>
  Effect.suspend(() => {
    const parts: Array<Uint8Array> = []
    return Effect.map(
      Stream.runForEach(body, (part) => Effect.sync(() => parts.push(part.slice()))),
      () => concat(parts)
    )
  })

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let length = 0
  for (const part of parts) {
    all.set(part, length)
    length += part.length
  }
  return all
}

type Shelf = ReturnType<typeof makeShelf>

/** The objects by key, how many are below each folder, and their order, made when a listing needs it. */
const makeShelf = () => {
  const objects = new Map<StorePath.Key, Stored>()
  const below = new Map<string, number>()
  let order: ReadonlyArray<StorePath.Key> | undefined
  let writes = 0
  const count = (key: StorePath.Key, step: 1 | -1) => {
    order = undefined
    for (const folder of foldersOf(key)) {
      const left = (below.get(folder) ?? 0) + step
      if (left === 0) below.delete(folder)
      else below.set(folder, left)
    }
  }
  return {
    objects,
    isFolder: (key: StorePath.Key): boolean => below.has(key),
    isBelowObject: (key: StorePath.Key): boolean =>
      foldersOf(key).some((folder) => StorePath.isKey(folder) && objects.has(folder)),
    set: (key: StorePath.Key, bytes: Uint8Array, attributes: Attributes, now: number): Version => {
      const version = { size: bytes.length, etag: `m${++writes}`, modifiedAt: DateTime.unsafeMake(now) }
      if (!objects.has(key)) count(key, 1)
      objects.set(key, { bytes, version, attributes })
      return version
    },
    remove: (key: StorePath.Key): void => {
      if (objects.delete(key)) count(key, -1)
    },
    sorted: (): ReadonlyArray<StorePath.Key> => (order ??= Arr.sort(objects.keys(), byUtf8))
  }
}

const foldersOf = (key: string): ReadonlyArray<string> => {
  const folders: Array<string> = []
  for (let slash = key.indexOf("/"); slash !== -1; slash = key.indexOf("/", slash + 1)) {
    folders.push(key.slice(0, slash))
  }
  return folders
}

/** The first place in the order whose key is not below `bound`. */
const lowerBound = (order: ReadonlyArray<string>, bound: string): number => {
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (StorePath.compare(order[middle] ?? "", bound) < 0) low = middle + 1
    else high = middle
  }
  return low
}

const listPage = (
  shelf: Shelf,
  prefix: StorePath.Prefix,
  recursive: boolean,
  after: string | undefined
): Driver.Page => {
  const start = prefix === "" ? "" : `${prefix}/`
  const order = shelf.sorted()
  const entries: Array<Entry> = []
  let bound = after !== undefined && StorePath.compare(after, start) > 0 ? after : start
  for (let i = lowerBound(order, bound); entries.length < pageSize; i = lowerBound(order, bound)) {
    const key = order[i]
    if (key === undefined || !key.startsWith(start)) return { entries, next: undefined }
    const slash = recursive ? -1 : key.indexOf("/", start.length)
    const folder = slash === -1 ? key : key.slice(0, slash)
    const stored = shelf.objects.get(key)
    if (slash !== -1 && StorePath.isKey(folder)) entries.push({ _tag: "Folder", key: folder })
    else if (stored !== undefined) entries.push({ _tag: "Object", key, ...stored.version })
    // The least text behind the key itself, or behind all that is in the folder: "0" follows "/".
    bound = slash === -1 ? `${key}\0` : `${folder}0`
  }
  return { entries, next: Effect.sync(() => listPage(shelf, prefix, recursive, bound)) }
}
