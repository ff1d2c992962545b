/**
 * The port through which tools read files and keep what they made. Whoever
 * provides it decides whose files they are.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { FilesError } from "./AgentError.ts"
import { guessType } from "./internal/guessType.ts"

/**
 * `size` is in bytes, `type` a media type.
 *
 * @since 0.1.0
 * @category models
 */
export interface FileInfo {
  readonly name: string
  readonly size: number
  readonly type: string
}

/**
 * `read` fails with reason `NotFound` when there is no such file; `create` with
 * `AlreadyExists` when there is one, so that no tool ever replaces a file.
 *
 * @since 0.1.0
 * @category services
 */
export class Files extends Context.Tag("@sennit/agent/Files")<Files, {
  readonly list: Stream.Stream<FileInfo, FilesError>
  readonly stat: (name: string) => Effect.Effect<Option.Option<FileInfo>, FilesError>
  readonly read: (name: string) => Stream.Stream<Uint8Array, FilesError>
  readonly create: (name: string, bytes: Uint8Array) => Effect.Effect<FileInfo, FilesError>
}>() {}

/**
 * Creates a file under this name or, when there is one, under the first free
 * one such as `plot-2.svg`.
 *
 * @since 0.1.0
 * @category operations
 */
export const createNew = (
  files: typeof Files.Service,
  name: string,
  bytes: Uint8Array
): Effect.Effect<FileInfo, FilesError> => {
  const dot = name.lastIndexOf(".")
  const [stem, ending] = dot <= 0 ? [name, ""] : [name.slice(0, dot), name.slice(dot)]
  const attempt = (count: number): Effect.Effect<FileInfo, FilesError> =>
    Effect.catchIf(
      files.create(count === 1 ? name : `${stem}-${count}${ending}`, bytes),
      ({ reason }) => reason === "AlreadyExists" && count < maxCopies,
      () => attempt(count + 1)
    )
  return attempt(1)
}

/** How many files may share a name but for their number. */
const maxCopies = 100

/**
 * Files that are given as text or bytes and kept in memory, for tests and small
 * programs.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (contents: Record<string, string | Uint8Array>): Layer.Layer<Files> =>
  Layer.sync(Files, () => {
    const encoder = new TextEncoder()
    const files = new Map(
      Object.entries(contents).map(([name, content]) => {
        const bytes = typeof content === "string" ? encoder.encode(content) : content
        return [name, { info: { name, size: bytes.byteLength, type: guessType(name) }, bytes }] as const
      })
    )
    return Files.of({
      list: Stream.suspend(() => Stream.fromIterable(Array.from(files.values(), ({ info }) => info))),
      create: (name, bytes) =>
        Effect.suspend(() => {
          if (files.has(name)) {
            return Effect.fail(new FilesError({ reason: "AlreadyExists", name, detail: "There is such a file." }))
          }
          const info = { name, size: bytes.byteLength, type: guessType(name) }
          files.set(name, { info, bytes })
          return Effect.succeed(info)
        }),
      stat: (name) => Effect.succeed(Option.map(Option.fromNullable(files.get(name)), ({ info }) => info)),
      read: (name) => {
        const file = files.get(name)
        return file === undefined
          ? Stream.fail(new FilesError({ reason: "NotFound", name, detail: "There is no such file." }))
          : Stream.succeed(file.bytes)
      }
    })
  })
