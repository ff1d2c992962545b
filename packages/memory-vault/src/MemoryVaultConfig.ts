/**
 * Settings, their defaults and their names in the environment.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"

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

/**
 * `MEMORY_VAULT_FILENAME` (required), `MEMORY_VAULT_CACHED_BYTES`, `MEMORY_VAULT_MAX_TEXT_LENGTH`,
 * `MEMORY_VAULT_MAX_MEMORIES`.
 *
 * @since 0.1.0
 * @category config
 */
export const sqlite: Config.Config<SqliteOptions> = Config.all({
  filename: Config.nonEmptyString("FILENAME"),
  cachedBytes: positive("CACHED_BYTES", defaults.cachedBytes),
  maxTextLength: positive("MAX_TEXT_LENGTH", defaults.maxTextLength),
  maxMemories: positive("MAX_MEMORIES", defaults.maxMemories)
}).pipe(Config.nested("MEMORY_VAULT"))
