/**
 * The port through which tools read files. Whoever provides it decides whose
 * files they are.
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
 * `read` fails with reason `NotFound` when there is no such file.
 *
 * @since 0.1.0
 * @category services
 */
export class Files extends Context.Tag("@sennit/agent/Files")<Files, {
  readonly list: Stream.Stream<FileInfo, FilesError>
  readonly stat: (name: string) => Effect.Effect<Option.Option<FileInfo>, FilesError>
  readonly read: (name: string) => Stream.Stream<Uint8Array, FilesError>
}>() {}

/**
 * Files that are given as text or bytes, for tests and small programs.
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
      list: Stream.fromIterable(Array.from(files.values(), ({ info }) => info)),
      stat: (name) => Effect.succeed(Option.map(Option.fromNullable(files.get(name)), ({ info }) => info)),
      read: (name) => {
        const file = files.get(name)
        return file === undefined
          ? Stream.fail(new FilesError({ reason: "NotFound", name, detail: "There is no such file." }))
          : Stream.succeed(file.bytes)
      }
    })
  })
