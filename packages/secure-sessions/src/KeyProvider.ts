/**
 * Where data keys come from and who can unwrap them: the root of trust, behind one small port.
 *
 * A provider holds key encryption keys (KEKs) and never sees records. `layerKeyring` keeps KEKs in memory,
 * `layerPassphrase` derives one by scrypt. A KMS or HSM is another implementation; `testing` has its contract.
 *
 * @since 0.1.0
 */
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { KeyScope } from "./Aad.ts"
import { derive, hex, random } from "./internal/deriveKey.ts"
import { makePassphraseKeys } from "./internal/derivePassphraseKey.ts"
import * as Wrapping from "./internal/wrapKey.ts"
import * as SecureSessionsConfig from "./SecureSessionsConfig.ts"
import { ConfigurationError, KeyProviderError } from "./SecureSessionsError.ts"

/**
 * What a wrapped data key is bound to: its owner and its identity.
 *
 * @category models
 * @since 0.1.0
 */
export interface EncryptionContext extends KeyScope {
  /** `HKDF-SHA256(data key, "kid")`, 16 bytes. */
  readonly keyId: Uint8Array
  /** `HKDF-SHA256(data key, "commitment")`, 32 bytes. */
  readonly commitment: Uint8Array
}

/**
 * A data key as it may be stored. The bytes describe themselves to the provider that made them.
 *
 * @category models
 * @since 0.1.0
 */
export interface WrappedKey {
  readonly kekId: string
  readonly bytes: Uint8Array
}

/**
 * A new data key. The bytes of `plaintext` belong to the caller, who overwrites them after use.
 *
 * @category models
 * @since 0.1.0
 */
export interface GeneratedKey {
  readonly plaintext: Redacted.Redacted<Uint8Array>
  readonly wrapped: WrappedKey
}

/**
 * @category models
 * @since 0.1.0
 */
export interface KekRef {
  readonly id: string
}

/**
 * The port that a key provider fills.
 *
 * @category services
 * @since 0.1.0
 */
export class KeyProvider extends Context.Tag("@sennit/secure-sessions/KeyProvider")<KeyProvider, {
  readonly id: string
  /** 32 random bytes for this owner, wrapped by the primary KEK and bound to the owner and their identity. */
  readonly generateDataKey: (scope: KeyScope) => Effect.Effect<GeneratedKey, KeyProviderError>
  /** Fails unless key, owner and identity are those of the wrapping. The bytes belong to the caller. */
  readonly unwrap: (
    wrapped: WrappedKey,
    context: EncryptionContext
  ) => Effect.Effect<Redacted.Redacted<Uint8Array>, KeyProviderError>
  /** A data key that exists already, wrapped by the primary KEK and bound to the context. */
  readonly wrap: (
    dataKey: Redacted.Redacted<Uint8Array>,
    context: EncryptionContext
  ) => Effect.Effect<WrappedKey, KeyProviderError>
  /**
   * The same data key, wrapped by the primary KEK and bound to the same owner and identity. Fails as `unwrap` does. A
   * KMS that can re-encrypt does so without handing out the data key.
   */
  readonly rewrap: (wrapped: WrappedKey, context: EncryptionContext) => Effect.Effect<WrappedKey, KeyProviderError>
  /** The KEK that wraps new data keys. Data keys under another id are what a rotation rewraps. */
  readonly primary: Effect.Effect<KekRef, KeyProviderError>
}>() {}

/**
 * Id and commitment of a data key; every provider binds them where it can.
 *
 * @category models
 * @since 0.1.0
 */
export const identify = (dataKey: Uint8Array): Pick<EncryptionContext, "keyId" | "commitment"> => ({
  keyId: derive(dataKey, "kid", 16),
  commitment: derive(dataKey, "commitment", 32)
})

/**
 * A new random key of 32 bytes for `layerKeyring`. Keep it safe: without it the data cannot be opened by anyone.
 *
 * @category constructors
 * @since 0.1.0
 */
export const generateKey: Effect.Effect<Redacted.Redacted<Uint8Array>> = Effect.sync(() =>
  Redacted.make<Uint8Array>(random(32))
)

/** A key with its id and the bytes that lead each of its wrappings. */
interface LocalKey {
  readonly kekId: string
  readonly prefix: Uint8Array
  readonly key: Uint8Array
}

interface LocalKeys {
  readonly id: string
  readonly primary: Effect.Effect<KekRef, KeyProviderError>
  readonly current: Effect.Effect<LocalKey, KeyProviderError>
  readonly find: (kekId: string, prefix: Uint8Array) => Effect.Effect<Uint8Array, KeyProviderError>
  /** Told of every prefix whose key opened something. */
  readonly opened: (prefix: Uint8Array) => void
}

const wrapBy = ({ kekId, key, prefix }: LocalKey, context: EncryptionContext, dataKey: Uint8Array): WrappedKey => ({
  kekId,
  bytes: Wrapping.wrap(key, prefix, kekId, context, dataKey)
})

const makeLocal = ({ current, find, id, opened, primary }: LocalKeys): typeof KeyProvider.Service => {
  const reveal = (wrapped: WrappedKey, context: EncryptionContext, operation: KeyProviderError["operation"]) => {
    const refuse = (reason: "Malformed" | "AuthenticationFailed") =>
      new KeyProviderError({ provider: id, operation, reason, retryable: false })
    const prefix = Wrapping.prefixOf(wrapped.bytes)
    if (prefix === undefined) return Effect.fail(refuse("Malformed"))
    return Effect.flatMap(find(wrapped.kekId, prefix), (key) => {
      const dataKey = Wrapping.unwrap(key, wrapped.kekId, context, wrapped.bytes)
      if (dataKey === undefined) return Effect.fail(refuse("AuthenticationFailed"))
      opened(prefix)
      return Effect.succeed(dataKey)
    })
  }
  return {
    id,
    primary,
    generateDataKey: Effect.fn("KeyProvider.generateDataKey")(function*(scope: KeyScope) {
      const local = yield* current
      const dataKey = random(32)
      const wrapped = wrapBy(local, { ...scope, ...identify(dataKey) }, dataKey)
      return { plaintext: Redacted.make<Uint8Array>(dataKey), wrapped }
    }),
    wrap: Effect.fn("KeyProvider.wrap")((dataKey: Redacted.Redacted<Uint8Array>, context: EncryptionContext) =>
      Effect.map(current, (local) => wrapBy(local, context, Redacted.value(dataKey)))
    ),
    unwrap: Effect.fn("KeyProvider.unwrap")((wrapped: WrappedKey, context: EncryptionContext) =>
      Effect.map(reveal(wrapped, context, "unwrap"), (dataKey) => Redacted.make(dataKey))
    ),
    rewrap: Effect.fn("KeyProvider.rewrap")(function*(wrapped: WrappedKey, context: EncryptionContext) {
      const dataKey = yield* reveal(wrapped, context, "rewrap")
      return yield* Effect.ensuring(
        Effect.map(current, (local) => wrapBy(local, context, dataKey)),
        Effect.sync(() => dataKey.fill(0))
      )
    })
  }
}

/**
 * A key of a key ring: 32 random bytes under a name that is stored in clear beside every data key it wraps.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyringKey {
  readonly id: string
  readonly key: Redacted.Redacted<Uint8Array>
  /** Wraps new data keys. One key of the ring is primary; a single key is so by itself. */
  readonly primary?: boolean | undefined
  /** Known and not to be used: what it wrapped is refused as `KeyDisabled`. Not for the primary key. */
  readonly disabled?: boolean | undefined
}

const keyringPrefix = Uint8Array.of(1, 0)

const refuseRing = (reason: ConfigurationError["reason"], detail: string) => new ConfigurationError({ reason, detail })

const refuseKey = (reason: "KeyNotFound" | "KeyDisabled") =>
  Effect.fail(new KeyProviderError({ provider: "keyring", operation: "unwrap", reason, retryable: false }))

const makeKeyring = Effect.fn("KeyProvider.makeKeyring")(function*(keys: ReadonlyArray<KeyringKey>) {
  const ring = new Map<string, Uint8Array>()
  for (const { id, key } of keys) {
    if (ring.has(id)) return yield* refuseRing("DuplicateKey", `the key ring has two keys named "${id}"`)
    if (id === "") return yield* refuseRing("InvalidKey", "a key needs a name")
    const bytes = Redacted.value(key)
    if (bytes.length !== 32) {
      return yield* refuseRing("InvalidKey", `key "${id}" has ${bytes.length} bytes; a key is 32 random bytes`)
    }
    ring.set(id, Uint8Array.from(bytes))
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => ring.forEach((key) => key.fill(0))))
  const disabled = new Set(keys.filter((key) => key.disabled === true).map(({ id }) => id))
  const primaries = keys.length === 1 ? keys : keys.filter((key) => key.primary === true)
  const [primary] = primaries
  if (primary === undefined || primaries.length > 1) {
    return yield* refuseRing("NoPrimaryKey", `exactly one key of the ring is primary; here ${primaries.length} are`)
  }
  if (disabled.has(primary.id)) return yield* refuseRing("NoPrimaryKey", `the primary key "${primary.id}" is disabled`)
  const find = (kekId: string) => {
    const key = ring.get(kekId)
    if (key === undefined) return refuseKey("KeyNotFound")
    return disabled.has(kekId) ? refuseKey("KeyDisabled") : Effect.succeed(key)
  }
  const current = Effect.map(find(primary.id), (key) => ({ kekId: primary.id, prefix: keyringPrefix, key }))
  return makeLocal({
    id: "keyring",
    primary: Effect.succeed({ id: primary.id }),
    current,
    find,
    opened: () => {}
  })
})

/**
 * Keys in memory: all of them unwrap, the primary one wraps.
 *
 * @example
 * ```ts
 * import { KeyProvider } from "@sennit/secure-sessions"
 * import { Effect, Layer } from "effect"
 *
 * const keys = Layer.unwrapEffect(
 *   Effect.map(KeyProvider.generateKey, (key) => KeyProvider.layerKeyring([{ id: "2025", key }]))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerKeyring = (
  keys: readonly [KeyringKey, ...Array<KeyringKey>]
): Layer.Layer<KeyProvider, ConfigurationError> => Layer.scoped(KeyProvider, makeKeyring(keys))

/**
 * A new random key that is forgotten with the layer. What it wrapped opens no more afterwards: for tests and trials.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<KeyProvider> = Layer.unwrapEffect(
  Effect.map(generateKey, (key) => layerKeyring([{ id: "memory", key }]))
).pipe(
  // one key of 32 bytes under a name is never refused
  Layer.orDie
)

/**
 * Work of scrypt (RFC 7914): memory is about `128 * 2^logN * r` bytes. Stored with every wrapped key, so it can be
 * raised at any time; older keys stay readable.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScryptCost {
  /** Default 17. At most 20. */
  readonly logN: number
  /** Default 8. At most 32. */
  readonly r: number
  /** Default 1. At most 16. */
  readonly p: number
}

const makePassphrase = Effect.fn("KeyProvider.makePassphrase")(function*(options: PassphraseOptions) {
  const keys = yield* makePassphraseKeys(options.passphrase, options.cost ?? { logN: 17, r: 8, p: 1 })
  return makeLocal({ id: "passphrase", ...keys })
})

/**
 * @category models
 * @since 0.1.0
 */
export interface PassphraseOptions {
  readonly passphrase: Redacted.Redacted
  readonly cost?: ScryptCost | undefined
}

/**
 * A key derived from a passphrase by scrypt off the main thread, with a random salt. Salt and cost are stored with
 * every wrapped key. One derivation (about half a second) happens per salt in a process, usually one in all.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPassphrase = (options: PassphraseOptions): Layer.Layer<KeyProvider, ConfigurationError> =>
  Layer.scoped(KeyProvider, makePassphrase(options))

/** What could be asked and did not open is tried elsewhere; the first answer is the one to report. */
const orElse = <A>(attempt: Effect.Effect<A, KeyProviderError>, other: Effect.Effect<A, KeyProviderError>) =>
  Effect.catchIf(
    attempt,
    ({ reason }) => reason !== "Unavailable",
    (error) => Effect.mapError(other, (second) => second.reason === "Unavailable" ? second : mostTelling(error, second))
  )

/** A provider that knows the key says more than one that never had it. */
const mostTelling = (first: KeyProviderError, second: KeyProviderError) =>
  first.reason === "KeyNotFound" || first.reason === "Malformed" ? second : first

/**
 * A provider and those before it: the first wraps, and whatever the first does not open is given to the previous ones
 * in turn. With `KeyRotation.rewrapAll` this is how a passphrase is changed and how a database moves from a local key
 * to a KMS; afterwards the previous providers can go.
 *
 * @example
 * ```ts
 * import { KeyProvider } from "@sennit/secure-sessions"
 * import { Redacted } from "effect"
 *
 * const keys = KeyProvider.layerSuccession(
 *   KeyProvider.layerPassphrase({ passphrase: Redacted.make("new words") }),
 *   [KeyProvider.layerPassphrase({ passphrase: Redacted.make("old words") })]
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSuccession = <E, R>(
  primary: Layer.Layer<KeyProvider, E, R>,
  previous: ReadonlyArray<Layer.Layer<KeyProvider, E, R>>
): Layer.Layer<KeyProvider, E, R> =>
  Layer.scoped(
    KeyProvider,
    Effect.gen(function*() {
      const scope = yield* Effect.scope
      // Each is built on its own: a provider may be the same layer value with another key.
      const build = (layer: Layer.Layer<KeyProvider, E, R>) =>
        Effect.map(Layer.buildWithScope(Layer.fresh(layer), scope), Context.get(KeyProvider))
      const first = yield* build(primary)
      const others = yield* Effect.forEach(previous, build)
      const unwrap = (wrapped: WrappedKey, context: EncryptionContext) =>
        others.reduce(
          (attempt, provider) => orElse(attempt, provider.unwrap(wrapped, context)),
          first.unwrap(wrapped, context)
        )
      const move = (wrapped: WrappedKey, context: EncryptionContext) =>
        Effect.acquireUseRelease(
          unwrap(wrapped, context),
          (dataKey) => first.wrap(dataKey, context),
          (dataKey) => Effect.sync(() => Redacted.value(dataKey).fill(0))
        )
      return {
        ...first,
        unwrap,
        rewrap: (wrapped, context) => orElse(first.rewrap(wrapped, context), move(wrapped, context))
      }
    })
  )

/** A name that tells keys apart and gives nothing of them away. */
const nameOf = (key: Redacted.Redacted<Uint8Array>): string =>
  `key-${hex(derive(Redacted.value(key), "sennit key name", 6))}`

/**
 * The provider that the environment asks for: `SENNIT_KEY` (32 bytes as hex or base64) or `SENNIT_PASSPHRASE`. Both
 * or neither is a `ConfigurationError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig: Layer.Layer<KeyProvider, ConfigurationError | ConfigError> = Layer.unwrapEffect(
  Effect.gen(function*() {
    const { key, passphrase } = yield* SecureSessionsConfig.keys
    if (Option.isSome(key) && Option.isNone(passphrase)) {
      return layerKeyring([{ id: nameOf(key.value), key: key.value }])
    }
    if (Option.isSome(passphrase) && Option.isNone(key)) return layerPassphrase({ passphrase: passphrase.value })
    return yield* new ConfigurationError({
      reason: "MissingKey",
      detail: Option.isSome(key)
        ? `both ${SecureSessionsConfig.keyName} and ${SecureSessionsConfig.passphraseName} are set; unset one`
        : `set ${SecureSessionsConfig.keyName} (32 bytes as hex or base64) or ${SecureSessionsConfig.passphraseName}`
    })
  })
)
