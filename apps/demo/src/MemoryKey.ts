/**
 * The key of the memories. It is random, and lies in `memory.key` sealed as conversations are: whoever rotates the key
 * of the conversations need not touch it, and without that key nobody reads a memory.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { Cipher } from "@sennit/memory-vault"
import { Encryption, KeyProvider } from "@sennit/secure-sessions"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { DatabaseError, DataFolderError, isMissing } from "./DemoError.ts"
import { app } from "./Identity.ts"
import { writeFirst } from "./SmallFile.ts"

const everyone = { app, user: "" }
const place = { table: "memory", column: "key" }

const make = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const encryption = yield* Encryption.Encryption
  const file = path.join(folder, "memory.key")
  const refused = (error: { readonly message: string }) =>
    new DatabaseError({
      database: file,
      detail: error.message,
      advice: "It opens with the key and the conversations of its own time: put all of one backup in its place."
    })
  const open = Effect.gen(function*() {
    const text = yield* fs.readFileString(file)
    const sealed = yield* Either.mapLeft(
      Encoding.decodeBase64(text.trim()),
      () => refused({ message: "It is not what this program writes." })
    )
    return yield* Effect.mapError(encryption.open(everyone, place, sealed), refused)
  })
  const generate = Effect.gen(function*() {
    const key = Redacted.value(yield* KeyProvider.generateKey)
    const sealed = yield* Effect.mapError(encryption.seal(everyone, place, key), refused)
    key.fill(0)
    yield* writeFirst(folder, file, Encoding.encodeBase64(sealed))
  })
  const opened = open.pipe(
    Effect.catchIf(
      (error) => error._tag === "SystemError" && isMissing(error),
      () => Effect.zipRight(generate, open)
    ),
    Effect.catchTags({
      BadArgument: (error) => Effect.fail(DataFolderError.from(folder)(error)),
      SystemError: (error) => Effect.fail(DataFolderError.from(folder)(error))
    })
  )
  // A folder of before there was a key has its memories in clear, and keeps them so. Memories are looked for first:
  // another first start makes the key before them.
  const isOld = Effect.mapError(
    Effect.zipWith(
      fs.exists(path.join(folder, "memory.db")),
      fs.exists(file),
      (hasMemories, hasKey) => hasMemories && !hasKey
    ),
    DataFolderError.from(folder)
  )
  return yield* Effect.if(isOld, {
    onTrue: () => Effect.succeed(Cipher.layerNone),
    onFalse: () => Effect.map(opened, (key) => Cipher.layerAesGcm({ key: Redacted.make(key) }))
  })
})

export const layer = (folder: string) => Layer.unwrapEffect(make(folder))
