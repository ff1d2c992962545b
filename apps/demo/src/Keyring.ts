/**
 * The key file: one key a line, `<id> <time> <key>`, the primary key first. Two keys are in it only while one takes the
 * place of the other. A file of the first version of this demo is a key alone, and is read as such.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { KeyProvider, SecureSessionsConfig } from "@sennit/secure-sessions"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { DataFolderError, isMissing } from "./DemoError.ts"
import * as SmallFile from "./SmallFile.ts"

export interface FileKey {
  readonly id: string
  /** Unknown for the key of a first version. */
  readonly createdAt: Option.Option<DateTime.Utc>
  readonly key: Redacted.Redacted<Uint8Array>
}

/** The primary key, and those that it takes the place of. */
export type Keyring = readonly [FileKey, ...Array<FileKey>]

const FIRST_ID = "key-file"

const parseLine = (line: string): Either.Either<FileKey, string> => {
  const [id, time, text] = /^(\S+) (\S+) (\S+)$/.exec(line)?.slice(1) ?? [FIRST_ID, undefined, line]
  return Either.map(SecureSessionsConfig.parseKey(text ?? ""), (key) => ({
    id: id ?? FIRST_ID,
    createdAt: Option.flatMap(Option.fromNullable(time), DateTime.make),
    key: Redacted.make(key)
  }))
}

const parse = (text: string): Either.Either<Keyring, string> => {
  const [first = "", ...others] = text.trim().split("\n")
  return Either.all([parseLine(first), ...others.map(parseLine)] as const)
}

const format = (keys: Keyring): string =>
  keys.map(({ createdAt, id, key }) => {
    const bytes = Encoding.encodeBase64(Redacted.value(key))
    return Option.match(createdAt, {
      onNone: () => `${bytes}\n`,
      onSome: (time) => `${id} ${DateTime.formatIso(time)} ${bytes}\n`
    })
  }).join("")

/** A new key; its id, which is stored in clear beside what it wraps, is the time at which it was made. */
export const generate: Effect.Effect<FileKey> = Effect.zipWith(
  DateTime.now,
  KeyProvider.generateKey,
  (now, key) => ({ id: `key-${DateTime.formatIso(now).replaceAll(/[-:]/g, "")}`, createdAt: Option.some(now), key })
)

/** Puts other keys into the file, all at once and for good. Only for who has the folder alone. */
export const write = Effect.fn("Keyring.write")(function*(folder: string, file: string, keys: Keyring) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* SmallFile.write(`${file}.new`, format(keys), "w")
  yield* fs.rename(`${file}.new`, file)
  // A folder's names survive a power cut when the folder is flushed; systems that cannot do that refuse to.
  yield* Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(folder, { flag: "r" }), (handle) => handle.sync)))
  // What a first start that was killed has left holds a key as well.
  const left = (yield* fs.readDirectory(folder)).filter((name) => name.startsWith(".key-"))
  yield* Effect.forEach(left, (name) => fs.remove(path.join(folder, name), { recursive: true }))
}, (effect, folder) => Effect.mapError(effect, DataFolderError.from(folder)))

/** The keys of the file, which is made at the first start. */
export const readOrMake = Effect.fn("Keyring.readOrMake")(function*(folder: string, file: string) {
  const fs = yield* FileSystem.FileSystem
  const read = fs.readFileString(file)
  const text = yield* Effect.catchIf(read, isMissing, () =>
    generate.pipe(
      Effect.flatMap((key) => SmallFile.writeFirst(folder, file, format([key]))),
      Effect.zipRight(read)
    )).pipe(Effect.mapError(DataFolderError.from(folder)))
  return yield* Either.mapLeft(
    parse(text),
    (detail) => new DataFolderError({ folder, reason: "BadKeyFile", detail: `${file}: ${detail}.` })
  )
})
