/**
 * Environment names, defaults and limits of the package.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/**
 * Name of the variable that holds a key of 32 bytes as 64 hex digits or as base64.
 *
 * @category names
 * @since 0.1.0
 */
export const keyName = "SENNIT_KEY"

/**
 * Name of the variable that holds a passphrase.
 *
 * @category names
 * @since 0.1.0
 */
export const passphraseName = "SENNIT_PASSPHRASE"

/**
 * Name of the variable that holds the path of the SQLite file; default `sennit-sessions.db`.
 *
 * @category names
 * @since 0.1.0
 */
export const filenameName = "SENNIT_SESSIONS_FILE"

/**
 * Name of the variable that chooses the durability of SQLite: `FULL` (the default) or `NORMAL`.
 *
 * @category names
 * @since 0.1.0
 */
export const synchronousName = "SENNIT_SESSIONS_SYNCHRONOUS"

/**
 * Name of the variable that holds the URL of a PostgreSQL database, used instead of a file. It may hold a password.
 *
 * @category names
 * @since 0.1.0
 */
export const urlName = "SENNIT_SESSIONS_URL"

/**
 * How SQLite commits: `FULL` survives a power cut, `NORMAL` may lose the last commits then but never consistency.
 *
 * @category models
 * @since 0.1.0
 */
export type Synchronous = "FULL" | "NORMAL"

/**
 * Limits of the data keys.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyLimits {
  /** Data keys kept unwrapped in memory; the least recently used is overwritten first. Default 1,000. */
  readonly capacity: number
  /** How long, in milliseconds, a data key stays unwrapped. Default five minutes. */
  readonly timeToLiveMillis: number
  /** Records one data key may seal. Default 2^31, half of what random 96-bit nonces allow by NIST SP 800-38D. */
  readonly sealLimit: number
  /** Records sealed or opened before a data key is unwrapped anew. Default 2^24. */
  readonly maxUses: number
  /** Bytes sealed before a data key is unwrapped anew. Default 1 GiB. */
  readonly maxBytes: number
}

/**
 * @category defaults
 * @since 0.1.0
 */
export const defaultKeyLimits: KeyLimits = {
  capacity: 1000,
  timeToLiveMillis: 300_000,
  sealLimit: 2 ** 31,
  maxUses: 2 ** 24,
  maxBytes: 2 ** 30
}

/**
 * The 32 bytes of a key written as 64 hex digits or as base64 (also base64url).
 *
 * @category parsing
 * @since 0.1.0
 */
export const parseKey = (text: string): Either.Either<Uint8Array, string> => {
  const trimmed = text.trim()
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) return Either.right(Buffer.from(trimmed, "hex"))
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return Either.right(Buffer.from(trimmed, "base64"))
  return Either.left("a key is 32 bytes, written as 64 hex digits or as base64")
}

const key: Config.Config<Redacted.Redacted<Uint8Array>> = Config.redacted(keyName).pipe(
  Config.mapOrFail((secret) =>
    Either.mapBoth(parseKey(Redacted.value(secret)), {
      onLeft: (message) => ConfigError.InvalidData([keyName], message),
      onRight: (bytes) => Redacted.make(bytes)
    })
  )
)

/**
 * The key or the passphrase of the environment.
 *
 * @category config
 * @since 0.1.0
 */
export const keys: Config.Config<{
  readonly key: Option.Option<Redacted.Redacted<Uint8Array>>
  readonly passphrase: Option.Option<Redacted.Redacted>
}> = Config.all({ key: Config.option(key), passphrase: Config.option(Config.redacted(passphraseName)) })

/**
 * The database of the environment: PostgreSQL when there is a URL, and SQLite otherwise.
 *
 * @category config
 * @since 0.1.0
 */
export const database: Config.Config<{
  readonly url: Option.Option<Redacted.Redacted>
  readonly sqlite: { readonly filename: string; readonly synchronous: Synchronous }
}> = Config.all({
  url: Config.option(Config.redacted(urlName)),
  sqlite: Config.all({
    filename: Config.withDefault(Config.string(filenameName), "sennit-sessions.db"),
    synchronous: Config.withDefault(Config.literal("FULL", "NORMAL")(synchronousName), "FULL")
  })
})
