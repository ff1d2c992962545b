/** Where attached files are: a folder of this machine, or a bucket of an S3-compatible server. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { HttpClient } from "@sennit/http-client"
import { Local, S3, Store, StoreConfig, type StoreError } from "@sennit/store"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { StorageFailed } from "./ApiError.ts"
import type { DemoConfig } from "./DemoConfig.ts"
import { failed } from "./StorageProblem.ts"

export class FileStore extends Context.Tag("@sennit/demo/FileStore")<FileStore, {
  /** In words for people. */
  readonly where: string
  /** What an erasure does not reach there. */
  readonly notReached: ReadonlyArray<string>
  /** Removes every file of a conversation, and answers how many there were. */
  readonly removeAll: (conversation: string) => Effect.Effect<number, StorageFailed>
}>() {}

/** Deletes what is listed; `sweep` removes what a listing does not show. */
const removeAll = (store: Store.StoreOf<Store.Common>, sweep: (id: string) => Effect.Effect<void, StorageFailed>) =>
  Effect.fn("FileStore.removeAll")(function*(id: string) {
    const folder = yield* Effect.mapError(store.child(id), failed)
    const count = yield* folder.list("", { recursive: true }).pipe(
      Stream.mapEffect(({ key }) => folder.delete(key, { missingOk: true })),
      Stream.runCount,
      Effect.mapError(failed)
    )
    yield* sweep(id)
    return count
  })

const local = (dataFolder: string) =>
  Layer.effect(
    FileStore,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const root = (yield* Path.Path).join(dataFolder, "files")
      const store = yield* Store.Store
      // Of an upload that was cut off, a file stays that no listing shows.
      const sweep = (id: string) =>
        Effect.mapError(fs.remove(`${root}/${id}`, { recursive: true, force: true }), failed)
      return {
        where: root,
        notReached: ["Free blocks of the disk below the removed files, until the file system uses them again."],
        removeAll: removeAll(store, sweep)
      }
    })
  ).pipe(Layer.provideMerge(Layer.unwrapEffect(
    Effect.map(Path.Path, (path) => Local.layer({ root: path.join(dataFolder, "files") }))
  )))

const bucket = (options: S3.Options) =>
  Layer.effect(
    FileStore,
    Effect.map(Store.Store, (store) => ({
      where: `bucket ${options.bucket} at ${options.endpoint}`,
      notReached: ["Old versions of objects, where the bucket keeps them, and parts of uploads that a crash cut off."],
      removeAll: removeAll(store, () => Effect.void)
    }))
  ).pipe(
    Layer.provideMerge(S3.layer(options)),
    Layer.provide(HttpClient.layerPooled())
  )

type FileStoreLayer = Layer.Layer<
  FileStore | Store.Store,
  StoreError.StoreError | ConfigError,
  FileSystem.FileSystem | Path.Path
>

/** The store of the configuration. */
export const layer = ({ filesAddress }: Pick<DemoConfig, "filesAddress">, dataFolder: string): FileStoreLayer =>
  Option.match(filesAddress, {
    onNone: (): FileStoreLayer => local(dataFolder),
    onSome: () => Layer.unwrapEffect(Effect.map(StoreConfig.s3, bucket))
  })
