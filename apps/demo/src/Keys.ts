/** The keys of the data folder: from the environment, or a file of its own that is made at the first start. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import { KeyProvider, SecureSessionsConfig, type SecureSessionsError } from "@sennit/secure-sessions"
import * as Arr from "effect/Array"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import { RotationRefused } from "./ApiError.ts"
import { DataFolderError, type FolderInUse } from "./DemoError.ts"
import * as FolderLock from "./FolderLock.ts"
import * as Keyring from "./Keyring.ts"

/** What can stop a change of keys beside the data itself. */
export type ReplaceError = RotationRefused | FolderInUse | DataFolderError | SecureSessionsError.ConfigurationError

export class Keys extends Context.Tag("@sennit/demo/Keys")<Keys, {
  /** Where the keys come from, in words for people. */
  readonly source: string
  /** Id and age of the keys in the file, the primary one first; empty when they are not in a file. */
  readonly list: Effect.Effect<
    ReadonlyArray<{ readonly id: string; readonly createdAt: Option.Option<DateTime.Utc> }>
  >
  /**
   * Puts a new key before the others, or goes on where this was stopped before; then rewraps, and takes out of the file
   * what nothing needs any more. The file holds every key that is needed at each moment.
   */
  readonly replace: <E>(
    rewrap: Effect.Effect<void, E>,
    needed: Effect.Effect<ReadonlySet<string>, E>
  ) => Effect.Effect<void, E | ReplaceError>
}>() {}

type Provider = Context.Tag.Service<KeyProvider.KeyProvider>

const buildRing = (keys: Keyring.Keyring) => {
  const [first, ...others] = keys
  return Effect.map(
    Layer.build(Layer.fresh(KeyProvider.layerKeyring([{ ...first, primary: true }, ...others]))),
    Context.get(KeyProvider.KeyProvider)
  )
}

/** Asks whichever keyring is in use at the moment. */
const switching = (current: Ref.Ref<Provider>): Provider => ({
  id: "key-file",
  primary: Effect.flatMap(current, ({ primary }) => primary),
  generateDataKey: (scope) => Effect.flatMap(current, ({ generateDataKey }) => generateDataKey(scope)),
  wrap: (dataKey, context) => Effect.flatMap(current, ({ wrap }) => wrap(dataKey, context)),
  unwrap: (wrapped, context) => Effect.flatMap(current, ({ unwrap }) => unwrap(wrapped, context)),
  rewrap: (wrapped, context) => Effect.flatMap(current, ({ rewrap }) => rewrap(wrapped, context))
})

const fromFile = Effect.fnUntraced(function*(folder: string) {
  const path = yield* Path.Path
  const files = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const scope = yield* Effect.scope
  const file = path.join(folder, "key")
  const lock = yield* FolderLock.make(path.join(folder, "lock.db"))
  const read = Effect.provide(Keyring.readOrMake(folder, file), files)
  const write = (keys: Keyring.Keyring) => Effect.provide(Keyring.write(folder, file, keys), files)

  const first = yield* read
  const ring = yield* Ref.make(first)
  // Keyrings that were in use stay open until the end: somebody may be about to use one.
  const build = (keys: Keyring.Keyring) => Scope.extend(buildRing(keys), scope)
  const provider = yield* Effect.flatMap(build(first), (built) => Ref.make(built))
  const use = (keys: Keyring.Keyring) =>
    Effect.flatMap(build(keys), (next) => Effect.zipRight(Ref.set(provider, next), Ref.set(ring, keys)))

  const replace = <E>(rewrap: Effect.Effect<void, E>, needed: Effect.Effect<ReadonlySet<string>, E>) =>
    lock.alone(Effect.gen(function*() {
      const keys = yield* read
      const [primary, ...others] = keys.length > 1 ? keys : [yield* Keyring.generate, ...keys] as const
      yield* write([primary, ...others])
      yield* use([primary, ...others])
      yield* rewrap
      const ids = yield* needed
      const left: Keyring.Keyring = [primary, ...others.filter(({ id }) => ids.has(id))]
      yield* write(left)
      yield* use(left)
    }))

  return Context.make(KeyProvider.KeyProvider, switching(provider)).pipe(
    Context.add(Keys, { source: `Key file: ${file}`, list: Ref.get(ring), replace })
  )
})

const fromEnvironment = (
  name: string
): Layer.Layer<KeyProvider.KeyProvider | Keys, SecureSessionsError.ConfigurationError | ConfigError> =>
  Layer.merge(
    KeyProvider.layerConfig,
    Layer.succeed(Keys, {
      source: `Key from ${name}`,
      list: Effect.succeed(Arr.empty()),
      replace: () => Effect.fail(new RotationRefused({ reason: "KeyFromEnvironment", detail: name }))
    })
  )

type KeysLayer = Layer.Layer<
  KeyProvider.KeyProvider | Keys,
  DataFolderError | FolderInUse | SecureSessionsError.ConfigurationError | ConfigError,
  FileSystem.FileSystem | Path.Path
>

/** Makes the data folder where there is none; only its owner may read it. */
export const layer = (folder: string): KeysLayer =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    yield* Effect.mapError(
      fs.makeDirectory(folder, { recursive: true, mode: 0o700 }),
      DataFolderError.from(folder)
    )
    // Asked before anything is opened: a database that cannot be written may leave files beside it.
    yield* Effect.mapError(
      fs.access(folder, { readable: true, writable: true }),
      () => new DataFolderError({ folder, reason: "NoPermission", detail: "it cannot be written." })
    )
    const { key, passphrase } = yield* SecureSessionsConfig.keys
    const name = Option.isSome(key) ? SecureSessionsConfig.keyName : SecureSessionsConfig.passphraseName
    const found: KeysLayer = Option.isNone(key) && Option.isNone(passphrase)
      ? Layer.scopedContext(fromFile(folder))
      : fromEnvironment(name)
    return found
  }))
