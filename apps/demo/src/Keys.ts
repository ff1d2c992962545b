/** The key of the data folder: from the environment, or a file of its own that is made at the first start. */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { KeyProvider, SecureSessionsConfig, type SecureSessionsError } from "@sennit/secure-sessions"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { DataFolderError } from "./DemoError.ts"

/** Where the key comes from, in words for people. */
export class KeySource extends Context.Tag("@sennit/demo/KeySource")<KeySource, { readonly text: string }>() {}

const isMissing = (error: PlatformError) => error._tag === "SystemError" && error.reason === "NotFound"
const isThere = (error: PlatformError) => error._tag === "SystemError" && error.reason === "AlreadyExists"

/** Written whole in a folder of its own and linked: two first starts agree on one key, a crash leaves none or all of it. */
const writeKey = Effect.fnUntraced(function*(folder: string, file: string, key: Redacted.Redacted<Uint8Array>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const temporary = path.join(yield* fs.makeTempDirectoryScoped({ directory: folder, prefix: ".key-" }), "key")
  const handle = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
  yield* handle.writeAll(new TextEncoder().encode(`${Encoding.encodeBase64(Redacted.value(key))}\n`))
  yield* handle.sync
  yield* Effect.catchIf(fs.link(temporary, file), isThere, () => Effect.void)
}, Effect.scoped)

const readOrMakeKey = Effect.fnUntraced(function*(folder: string, file: string) {
  const fs = yield* FileSystem.FileSystem
  const read = fs.readFileString(file)
  return yield* Effect.catchIf(read, isMissing, () =>
    KeyProvider.generateKey.pipe(
      Effect.flatMap((key) => writeKey(folder, file, key)),
      Effect.zipRight(read)
    ))
})

const fromFile = Effect.fnUntraced(function*(folder: string) {
  const path = yield* Path.Path
  const file = path.join(folder, "key")
  const text = yield* Effect.mapError(readOrMakeKey(folder, file), DataFolderError.from(folder))
  const key = yield* Either.mapLeft(
    SecureSessionsConfig.parseKey(text),
    (detail) => new DataFolderError({ folder, reason: "BadKeyFile", detail: `${file}: ${detail}.` })
  )
  return Layer.merge(
    KeyProvider.layerKeyring([{ id: "key-file", key: Redacted.make(key) }]),
    Layer.succeed(KeySource, { text: `Key file: ${file}` })
  )
})

/** Makes the data folder where there is none; only its owner may read it. */
export const layer = (
  folder: string
): Layer.Layer<
  KeyProvider.KeyProvider | KeySource,
  DataFolderError | SecureSessionsError.ConfigurationError | ConfigError,
  FileSystem.FileSystem | Path.Path
> =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    yield* Effect.mapError(
      fs.makeDirectory(folder, { recursive: true, mode: 0o700 }),
      DataFolderError.from(folder)
    )
    const { key, passphrase } = yield* SecureSessionsConfig.keys
    if (Option.isNone(key) && Option.isNone(passphrase)) return yield* fromFile(folder)
    const name = Option.isSome(key) ? SecureSessionsConfig.keyName : SecureSessionsConfig.passphraseName
    return Layer.merge(KeyProvider.layerConfig, Layer.succeed(KeySource, { text: `Key from ${name}` }))
  }))
