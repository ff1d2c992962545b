/** The files of a conversation: a folder of the store, in which a name is a file's identity. */
import { Documents, Files } from "@sennit/agent"
import * as StoreFiles from "@sennit/agent/adapters/StoreFiles"
import { Store, type StoreError } from "@sennit/store"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Preview } from "./Api.ts"
import { FileRefused, MAX_FILE_BYTES, type StorageFailed, tooLarge } from "./ApiError.ts"
import type { FileSummary } from "./Block.ts"
import { type FileType, fileType } from "./FileType.ts"
import { pdfPreview, PREVIEW_BYTES, previewOf } from "./Preview.ts"
import { failed } from "./StorageProblem.ts"

export interface StoredFile {
  readonly type: FileType
  readonly size: number
  readonly bytes: Stream.Stream<Uint8Array, StorageFailed>
}

const badType = (name: string, looksLike: string) =>
  new FileRefused({
    name,
    reason: "BadType",
    detail:
      `This is not a type I can read (it looks like ${looksLike}). I read CSV, JSON, text, Markdown, HTML, PDF and images.`
  })

export const noFile = (name: string) =>
  new FileRefused({ name, reason: "NoSuchFile", detail: "This conversation has no such file." })

/** The same bytes, refused when they are none or too many. */
const bounded = (name: string, bytes: Stream.Stream<Uint8Array, FileRefused>) =>
  Stream.unwrap(Effect.sync(() => {
    let size = 0
    const counted = Stream.tap(bytes, (chunk) => {
      const found = size === 0 && chunk.length > 0 ? fileType(chunk) : undefined
      size += chunk.length
      if (found?.type === "other") return Effect.fail(badType(name, found.looksLike))
      return size > MAX_FILE_BYTES ? Effect.fail(tooLarge(name)) : Effect.void
    })
    const end = Effect.suspend(() =>
      size === 0
        ? Effect.fail(new FileRefused({ name, reason: "Empty", detail: "The file is empty." }))
        : Effect.void
    )
    return Stream.concat(counted, Stream.execute(end))
  }))

const refusal = (name: string) => (error: StoreError.StoreError | FileRefused): FileRefused | StorageFailed => {
  if (error._tag === "FileRefused") return error
  return error._tag === "InvalidPath"
    ? new FileRefused({ name, reason: "BadName", detail: error.message })
    : failed(error)
}

/** The name, or the name with the first free number. */
const write = (
  folder: Store.StoreOf<Store.Common>,
  name: string,
  bytes: Stream.Stream<Uint8Array, FileRefused>,
  attempt = 1
): Effect.Effect<FileSummary, StoreError.StoreError | FileRefused> => {
  const dot = name.lastIndexOf(".") > 0 ? name.lastIndexOf(".") : name.length
  const numbered = attempt === 1 ? name : `${name.slice(0, dot)} (${attempt})${name.slice(dot)}`
  return Effect.flatMap(folder.exists(numbered), (taken) =>
    taken && attempt < 1000
      ? write(folder, name, bytes, attempt + 1)
      : Effect.map(folder.write(numbered, bytes), ({ size }) => ({ name: numbered, size })))
}

export const make = Effect.gen(function*() {
  const store = yield* Store.Store
  const documents = yield* Documents.Documents

  const folderOf = (id: string) => Effect.mapError(store.child(id), failed)

  const filesOf = (id: string) =>
    Effect.flatMap(folderOf(id), (folder) =>
      folder.list("").pipe(
        Stream.filterMap((entry) =>
          entry._tag === "Object"
            ? Option.some({ name: entry.key.slice(entry.key.lastIndexOf("/") + 1), size: entry.size })
            : Option.none()
        ),
        Stream.runCollect,
        Effect.map((files) => [...files]),
        Effect.mapError(failed)
      ))

  /** The folder, where it has a file of this name, and the beginning of the file. */
  const headOf = Effect.fnUntraced(function*(id: string, name: string) {
    const folder = yield* folderOf(id)
    const found = (yield* filesOf(id)).find((file) => file.name === name)
    if (found === undefined) return yield* noFile(name)
    const range = { offset: 0, length: Math.min(found.size, PREVIEW_BYTES) }
    const head = yield* Effect.mapError(folder.readBytes(name, { range }), failed)
    return { folder, head, size: found.size }
  })

  return {
    folderOf,
    list: filesOf,
    /** Stores a file; a name that is taken gets a number. Nothing of a refused or interrupted file is kept. */
    put: Effect.fnUntraced(function*(id: string, name: string, bytes: Stream.Stream<Uint8Array, FileRefused>) {
      const folder = yield* folderOf(id)
      if (name.includes("/") || name.includes("\\")) {
        return yield* new FileRefused({ name, reason: "BadName", detail: "A file's name has no slash." })
      }
      return yield* Effect.mapError(write(folder, name, bounded(name, bytes)), refusal(name))
    }),
    preview: Effect.fnUntraced(function*(id: string, name: string) {
      const { folder, head, size } = yield* headOf(id, name)
      if (fileType(head).type !== "pdf") return previewOf(name, head, size)
      return yield* documents.read(name).pipe(
        Effect.provideService(Files.Files, StoreFiles.make(folder)),
        Effect.match({
          onFailure: ({ message }): Preview => ({ type: "none", why: message }),
          onSuccess: pdfPreview
        })
      )
    }),
    read: (id: string, name: string) =>
      Effect.map(headOf(id, name), ({ folder, head, size }) => ({
        type: fileType(head),
        size,
        bytes: Stream.mapError(folder.read(name), failed)
      } satisfies StoredFile))
  }
})
