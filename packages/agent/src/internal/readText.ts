import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { FilesError } from "../AgentError.ts"
import type { FileInfo } from "../Files.ts"
import { Files } from "../Files.ts"
import { findClosest } from "./findClosest.ts"

/** @internal Larger files are refused: they would have to be held in memory. */
const maxFileBytes = 50 * 1024 * 1024

const tooLarge = (name: string) =>
  new FilesError({
    reason: "TooLarge",
    name,
    detail: `It is larger than ${maxFileBytes / 1024 / 1024} MB, the most that can be read. Split it and ask again.`
  })

/** @internal The whole file as text. */
export const readText = (
  name: string
): Effect.Effect<{ readonly info: FileInfo; readonly text: string }, FilesError, Files> =>
  Effect.flatMap(readBytes(name), ({ bytes, info }) => Effect.map(decodeText(name, bytes), (text) => ({ info, text })))

/** @internal The whole file as it is. */
export const readBytes = (
  name: string
): Effect.Effect<{ readonly info: FileInfo; readonly bytes: Uint8Array }, FilesError, Files> =>
  Effect.gen(function*() {
    const files = yield* Files
    const info = yield* Effect.flatMap(
      files.stat(name),
      Option.match({
        onNone: () => Effect.flatMap(notFound(name, files), Effect.fail),
        onSome: Effect.succeed
      })
    )
    if (info.size > maxFileBytes) return yield* tooLarge(name)
    const total = yield* Ref.make(0)
    const chunks = yield* files.read(name).pipe(
      Stream.tap((bytes) =>
        Effect.flatMap(
          Ref.updateAndGet(total, (n) => n + bytes.byteLength),
          (n) => n > maxFileBytes ? Effect.fail(tooLarge(name)) : Effect.void
        )
      ),
      Stream.runCollect
    )
    return { info, bytes: joinBytes(Chunk.toReadonlyArray(chunks)) }
  })

const notFound = (name: string, files: typeof Files.Service): Effect.Effect<FilesError, FilesError> =>
  Effect.map(Stream.runCollect(Stream.take(files.list, 100)), (infos) => {
    const names = Array.from(infos, (info) => info.name)
    const closest = findClosest(name, names)
    const hint = names.length === 0
      ? "There are no files; attach one."
      : closest === undefined
      ? `The files are: ${names.slice(0, 20).join(", ")}.`
      : `Did you mean "${closest}"?`
    return new FilesError({ reason: "NotFound", name, detail: `There is no such file. ${hint}` })
  })

const joinBytes = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (chunks.length === 1) return chunks[0]!
  const joined = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0))
  let offset = 0
  for (const chunk of chunks) {
    joined.set(chunk, offset)
    offset += chunk.byteLength
  }
  return joined
}

const pdfKind = "a PDF document"

const signatures: ReadonlyArray<readonly [kind: string, bytes: ReadonlyArray<number>]> = [
  [pdfKind, [0x25, 0x50, 0x44, 0x46, 0x2d]],
  ["a PNG image", [0x89, 0x50, 0x4e, 0x47]],
  ["a JPEG image", [0xff, 0xd8, 0xff]],
  ["a GIF image", [0x47, 0x49, 0x46, 0x38]],
  ["a ZIP archive or an Office document", [0x50, 0x4b, 0x03, 0x04]],
  ["a gzip archive", [0x1f, 0x8b]],
  ["an older Office document", [0xd0, 0xcf, 0x11, 0xe0]]
]

/** @internal The encoding that a byte order mark names, else UTF-8. */
export const charsetOf = (bytes: Uint8Array): "utf-8" | "utf-16le" | "utf-16be" =>
  bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8"

/** @internal What the bytes are when they are no text. */
export const binaryKind = (bytes: Uint8Array): string | undefined =>
  signatures.find(([, signature]) => signature.every((byte, i) => bytes[i] === byte))?.[0] ??
    (charsetOf(bytes) === "utf-8" && bytes.subarray(0, 8192).includes(0) ? "binary" : undefined)

/** @internal */
export const isPdf = (bytes: Uint8Array): boolean => binaryKind(bytes) === pdfKind

/** @internal */
export const notBinary = (name: string, kind: string, readable: string): FilesError =>
  new FilesError({
    reason: "Binary",
    name,
    detail: `It is ${kind}, not text. ${readable} can be read; convert it and attach it again.`
  })

/** @internal */
export const notText = (name: string, bytes: Uint8Array): FilesError =>
  new FilesError({
    reason: "NotText",
    name,
    detail: `It is not valid ${charsetOf(bytes).toUpperCase()}. Save it as UTF-8 and attach it again.`
  })

/** @internal */
export const readableAsText = "Text, CSV, Markdown and JSON"

/** @internal Text of UTF-8, or of UTF-16 that begins with a byte order mark. */
export const decodeText = (name: string, bytes: Uint8Array): Effect.Effect<string, FilesError> => {
  const kind = binaryKind(bytes)
  return kind === undefined
    ? Effect.try({
      try: () => new TextDecoder(charsetOf(bytes), { fatal: true }).decode(bytes),
      catch: () => notText(name, bytes)
    })
    : Effect.fail(notBinary(name, kind, readableAsText))
}
