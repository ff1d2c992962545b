/**
 * A store, or a folder of one, as the services of @effect/platform that other libraries ask for.
 *
 * @since 0.1.0
 */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { badArgument, toPlatformError } from "./internal/toPlatformError.ts"
import { viewFiles } from "./internal/viewFiles.ts"
import * as Store from "./Store.ts"
import type { StoreOf } from "./Store.ts"
import type { StoreError } from "./StoreError.ts"

/**
 * What a view needs of its store.
 *
 * @since 0.1.0
 * @category models
 */
export type Viewable = "read" | "write" | "delete" | "list"

/**
 * The store as a `FileSystem` whose root is the store's. What a store cannot do fails with a `SystemError`, and changes
 * nothing: permissions, owners, times, links, appending, writing in the middle, watching, empty folders, renaming a
 * folder.
 *
 * - Folders come with the first file in them: `makeDirectory` with `recursive` only sees that nothing is in the way.
 * - A file that is opened for writing can be seen when its scope has ended in success, and not at all otherwise; `sink`
 *   and `writeFile` tell themselves whether it could be kept.
 * - `stream`, reading handles, `copy` and `rename` need `range`, `copy` and `move` of the store.
 *
 * @example
 * ```ts
 * import { FileSystem } from "@effect/platform"
 * import { Memory, View } from "@sennit/store"
 * import { Effect, Either } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Memory.make()
 *   const folder = yield* store.child("users/42")
 *   const files: FileSystem.FileSystem = View.fileSystem(folder)
 *   yield* files.writeFileString("/notes/a.txt", "hello")
 * })
 * ```
 *
 * @since 0.1.0
 * @category views
 */
export const fileSystem = (store: StoreOf<Viewable>): FileSystem.FileSystem => viewFiles(store)

/**
 * The application's store as its `FileSystem`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFileSystem: Layer.Layer<FileSystem.FileSystem, never, Store.Store> = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(Store.Store, (store) => viewFiles(store))
)

/** How often `modify` begins again when others were quicker. */
const attempts = 32

/**
 * The store as a `KeyValueStore`: each key is an object of the store's root, its name percent-encoded. Values are kept
 * as they are, text as UTF-8. `modify` loses no update where the store offers `readIfMatch` and `replaceIfMatch`; under
 * contention its function is called again.
 *
 * - An empty key, and one of more than 255 encoded bytes, is a `BadArgument`.
 * - `clear` and `size` mean the objects that are directly in the root.
 *
 * @since 0.1.0
 * @category views
 */
export const keyValueStore = (store: StoreOf<Viewable>): KeyValueStore.KeyValueStore => viewValues(store)

/**
 * The application's store as its `KeyValueStore`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerKeyValueStore: Layer.Layer<KeyValueStore.KeyValueStore, never, Store.Store> = Layer.effect(
  KeyValueStore.KeyValueStore,
  Effect.map(Store.Store, (store) => viewValues(store))
)

/** The name of a key's object. */
const at = (method: string, key: string): Effect.Effect<string, PlatformError.PlatformError> =>
  Effect.try({
    try: () => encodeKey(key),
    catch: (cause) => badArgument("KeyValueStore", method, "the key holds a lone surrogate", cause)
  }).pipe(
    Effect.filterOrFail(
      (name) => name !== "" && name.length <= 255,
      () => badArgument("KeyValueStore", method, "the key is empty, or longer than 255 bytes when it is encoded")
    )
  )

const failing = (method: string, key: string) => toPlatformError("KeyValueStore", method, key)

const viewValues = (store: StoreOf<Viewable>): KeyValueStore.KeyValueStore => {
  const getUint8Array = (key: string) =>
    Effect.flatMap(
      at("get", key),
      (name) => Effect.mapError(orNone(Effect.asSome(store.readBytes(name))), failing("get", key))
    )
  const get = (key: string) => Effect.map(getUint8Array(key), Option.map((bytes) => decoder.decode(bytes)))
  const set = (key: string, value: string | Uint8Array) =>
    Effect.flatMap(
      at("set", key),
      (name) => Effect.mapError(Effect.asVoid(store.write(name, value, { mode: "overwrite" })), failing("set", key))
    )
  const objects = Stream.filter(store.list(""), (entry) => entry._tag === "Object")
  const modifyUint8Array = (key: string, change: (value: Uint8Array) => Uint8Array) =>
    Effect.flatMap(
      at("modify", key),
      (name) => Effect.mapError(modifyObject(store, name, change), failing("modify", key))
    )
  return KeyValueStore.make({
    get,
    getUint8Array,
    set,
    remove: (key) =>
      Effect.flatMap(
        at("remove", key),
        (name) => Effect.mapError(store.delete(name, { missingOk: true }), failing("remove", key))
      ),
    clear: Effect.flatMap(
      Effect.mapError(store.deleteMany(Stream.map(objects, ({ key }) => key)), failing("clear", "")),
      ({ failures: [first] }) => first === undefined ? Effect.void : Effect.fail(failing("clear", "")(first))
    ),
    size: Effect.mapError(Stream.runCount(objects), failing("size", "")),
    modifyUint8Array,
    modify: (key, change) =>
      Effect.map(
        modifyUint8Array(key, (bytes) => encoder.encode(change(decoder.decode(bytes)))),
        Option.map((bytes) => decoder.decode(bytes))
      )
  })
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const encoder = new TextEncoder()

/** Dots are encoded too, so that no name is `.`, `..` or one that is kept for unfinished writes. */
const encodeKey = (key: string): string => encodeURIComponent(key).replaceAll(".", "%2E")

/** Compare and set where the store can; otherwise the last one who writes wins. */
const modifyObject = (store: StoreOf<Viewable>, name: string, change: (value: Uint8Array) => Uint8Array) =>
  Effect.gen(function*() {
    const careful = yield* Effect.option(store.require("readIfMatch", "replaceIfMatch"))
    const info = yield* store.head(name)
    if (Option.isNone(info)) return Option.none<Uint8Array>()
    if (Option.isNone(careful)) {
      const changed = change(yield* store.readBytes(name))
      yield* store.write(name, changed, { mode: "overwrite" })
      return Option.some(changed)
    }
    const { etag } = info.value
    const changed = change(yield* careful.value.readBytes(name, { ifMatch: etag }))
    yield* careful.value.write(name, changed, { mode: { ifMatch: etag } })
    return Option.some(changed)
  }).pipe(
    Effect.retry({ schedule: Schedule.recurs(attempts), while: (error) => error._tag === "PreconditionFailed" }),
    orNone
  )

const orNone = <A>(
  found: Effect.Effect<Option.Option<A>, StoreError>
): Effect.Effect<Option.Option<A>, StoreError> =>
  Effect.catchIf(found, (error) => error._tag === "NotFound", () => Effect.succeed(Option.none<A>()))
