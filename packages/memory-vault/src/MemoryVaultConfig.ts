/**
 * Settings, their defaults and their names in the environment.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/**
 * @since 0.1.0
 * @category models
 */
export interface VaultOptions {
  /** About how many bytes of indexes stay in memory, over all scopes. Default 256 MiB: some 200,000 short memories. */
  readonly cachedBytes?: number | undefined
  /** Longest text that one save accepts, in UTF-16 units. Default 262,144. */
  readonly maxTextLength?: number | undefined
  /** Memories that one scope may hold. Default 100,000. */
  readonly maxMemories?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface SqliteOptions extends VaultOptions {
  /** Path of the database file; it is created where absent, its folder is not. */
  readonly filename: string
  /**
   * 32 random bytes under which the file is encrypted, as by `Cipher.layerAesGcm({ key })`, which it replaces. Default
   * none: the cipher in force, which is none unless one was provided.
   */
  readonly masterKey?: Redacted.Redacted<Uint8Array> | undefined
}

/**
 * @since 0.1.0
 * @category defaults
 */
export const defaults = {
  cachedBytes: 256 * 1024 * 1024,
  maxTextLength: 262_144,
  maxMemories: 100_000
} as const

const positive = (name: string, fallback: number) =>
  Config.integer(name).pipe(
    Config.validate({ message: "expected a number above 0", validation: (value: number) => value > 0 }),
    Config.withDefault(fallback)
  )

const readKey = (text: string): Either.Either<Redacted.Redacted<Uint8Array>, ConfigError.ConfigError> => {
  const plain = text.trim()
  if (/^[0-9a-f]{64}$/i.test(plain)) return Either.right(Redacted.make<Uint8Array>(Buffer.from(plain, "hex")))
  return /^[\w+/-]{43}=?$/.test(plain)
    ? Either.right(Redacted.make<Uint8Array>(Buffer.from(plain, "base64")))
    : Either.left(ConfigError.InvalidData(["MASTER_KEY"], "expected 32 bytes as 64 hex digits or as base64"))
}

const masterKey = Config.redacted("MASTER_KEY").pipe(
  Config.mapOrFail((secret) => readKey(Redacted.value(secret))),
  Config.option,
  Config.map(Option.getOrUndefined)
)

/**
 * `MEMORY_VAULT_FILENAME` (required), `MEMORY_VAULT_MASTER_KEY` (32 bytes as 64 hex digits or as base64; the file is in
 * clear without), `MEMORY_VAULT_CACHED_BYTES`, `MEMORY_VAULT_MAX_TEXT_LENGTH`, `MEMORY_VAULT_MAX_MEMORIES`.
 *
 * @since 0.1.0
 * @category config
 */
export const sqlite: Config.Config<SqliteOptions> = Config.all({
  filename: Config.nonEmptyString("FILENAME"),
  masterKey,
  cachedBytes: positive("CACHED_BYTES", defaults.cachedBytes),
  maxTextLength: positive("MAX_TEXT_LENGTH", defaults.maxTextLength),
  maxMemories: positive("MAX_MEMORIES", defaults.maxMemories)
}).pipe(Config.nested("MEMORY_VAULT"))
