/**
 * Fills the `Files` port from a store of `@sennit/store`: the agent sees the objects directly under the store's root,
 * and nothing else. Give it a child of a larger store to keep conversations apart.
 *
 * @since 0.1.0
 */
import type { Store, StoreError } from "@sennit/store"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { FilesError } from "../AgentError.ts"
import { Files } from "../Files.ts"
import { guessType } from "../internal/guessType.ts"

type Writable = Store.StoreOf<"read" | "list" | "write" | "createIfAbsent">

/** The port has no folders: what lies deeper is not there, under whatever spelling. */
const isDirect = (name: string): boolean => !name.includes("/")

const notFound = (name: string): FilesError =>
  new FilesError({ reason: "NotFound", name, detail: "There is no such file." })

const toFilesError = (name: string) => (error: StoreError.StoreError): FilesError =>
  error._tag === "NotFound" || error._tag === "InvalidPath"
    ? notFound(name)
    : new FilesError({ reason: "Unavailable", name, detail: error.message, cause: error })

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (store: Writable): typeof Files.Service => ({
  list: store.list("").pipe(
    Stream.filterMap((entry) =>
      entry._tag === "Object"
        ? Option.some({ name: entry.key, size: entry.size, type: guessType(entry.key) })
        : Option.none()
    ),
    Stream.mapError(toFilesError(""))
  ),
  stat: (name) =>
    isDirect(name)
      ? store.stat(name).pipe(
        Effect.map(({ size }) => Option.some({ name, size, type: guessType(name) })),
        Effect.catchTags({ NotFound: () => Effect.succeedNone, InvalidPath: () => Effect.succeedNone }),
        Effect.mapError(toFilesError(name))
      )
      : Effect.succeedNone,
  create: (name, bytes) =>
    isDirect(name)
      ? store.write(name, bytes, { mode: "create" }).pipe(
        Effect.as({ name, size: bytes.byteLength, type: guessType(name) }),
        Effect.mapError((error) =>
          error._tag === "AlreadyExists"
            ? new FilesError({ reason: "AlreadyExists", name, detail: "There is such a file." })
            : toFilesError(name)(error)
        )
      )
      : Effect.fail(notFound(name)),
  read: (name) => isDirect(name) ? Stream.mapError(store.read(name), toFilesError(name)) : Stream.fail(notFound(name))
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (store: Writable): Layer.Layer<Files> => Layer.succeed(Files, make(store))
