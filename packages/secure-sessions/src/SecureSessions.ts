/**
 * The layers: sessions and encryption in SQLite, in PostgreSQL, in memory, or as the environment says.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as DataKeys from "./DataKeys.ts"
import * as Encryption from "./Encryption.ts"
import * as OpenSqlite from "./internal/openSqlite.ts"
import * as KeyProvider from "./KeyProvider.ts"
import * as KeyRotation from "./KeyRotation.ts"
import * as SecureSessionsConfig from "./SecureSessionsConfig.ts"
import { ConfigurationError } from "./SecureSessionsError.ts"
import type { DecryptionError, KeyProviderError, StorageError } from "./SecureSessionsError.ts"
import * as SessionService from "./SessionService.ts"

/**
 * What the layers give.
 *
 * @category services
 * @since 0.1.0
 */
export type Services =
  | SessionService.SessionService
  | Encryption.Encryption
  | DataKeys.DataKeys
  | KeyRotation.KeyRotation

/**
 * What a layer fails with when it is built.
 *
 * @category errors
 * @since 0.1.0
 */
export type BuildError = ConfigurationError | KeyProviderError | DecryptionError | StorageError

/**
 * Sessions and encryption in the given database, SQLite or PostgreSQL. The tables are made and migrated; a key that
 * does not open what is stored is refused with `ConfigurationError` (`WrongKey`) before anything is written.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Services, BuildError, SqlClient.SqlClient | KeyProvider.KeyProvider> = Layer.merge(
  Layer.effect(SessionService.SessionService, SessionService.make),
  KeyRotation.layer
).pipe(
  Layer.provideMerge(Layer.effect(Encryption.Encryption, Encryption.make)),
  Layer.provideMerge(DataKeys.layer())
)

/**
 * @category models
 * @since 0.1.0
 */
export interface SqliteOptions {
  readonly filename: string
  /** Default `FULL`. */
  readonly synchronous?: SecureSessionsConfig.Synchronous | undefined
}

/**
 * Sessions in one SQLite file, in WAL mode; what is deleted is overwritten in the file. Several processes may use the
 * file at once. With a wrong key the file and its journal stay byte for byte as they are.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSqlite = (
  options: SqliteOptions
): Layer.Layer<Services | SqlClient.SqlClient, BuildError, KeyProvider.KeyProvider> =>
  Layer.provideMerge(layer, OpenSqlite.layer(options.filename, options.synchronous ?? "FULL"))

/**
 * @category models
 * @since 0.1.0
 */
export interface PgOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: Redacted.Redacted
  /** Connections kept open at most. Default 10. */
  readonly maxConnections?: number | undefined
}

/** Loaded when it is asked for, so that SQLite alone needs no client of PostgreSQL. */
const loadPg = Effect.tryPromise({
  try: () => import("./internal/openPg.ts"),
  catch: () =>
    new ConfigurationError({
      reason: "UnsupportedDatabase",
      detail: "PostgreSQL needs the package @effect/sql-pg; install it beside this one"
    })
})

/**
 * Sessions in a PostgreSQL database, in the schema that is the first of its search path. Any number of processes may
 * use it at once. Needs the package `@effect/sql-pg`. Ids with U+0000 are refused by the server.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPg = (
  options: PgOptions
): Layer.Layer<Services | SqlClient.SqlClient, BuildError, KeyProvider.KeyProvider> =>
  Layer.provideMerge(layer, Layer.unwrapEffect(Effect.map(loadPg, (OpenPg) => OpenPg.layer(options))))

/**
 * Sessions that live in memory, under a key that is forgotten with them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Services | SqlClient.SqlClient, BuildError> = Layer.provide(
  layerSqlite({ filename: ":memory:" }),
  KeyProvider.layerMemory
)

/**
 * Sessions as the environment says: PostgreSQL at `SENNIT_SESSIONS_URL`, or else the file `SENNIT_SESSIONS_FILE` with
 * durability `SENNIT_SESSIONS_SYNCHRONOUS`; and `SENNIT_KEY` or `SENNIT_PASSPHRASE`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig: Layer.Layer<Services | SqlClient.SqlClient, BuildError | ConfigError> = Layer.unwrapEffect(
  Effect.map(
    SecureSessionsConfig.database,
    ({ sqlite, url }) =>
      Option.match(url, { onNone: () => layerSqlite(sqlite), onSome: (found) => layerPg({ url: found }) })
  )
).pipe(Layer.provide(KeyProvider.layerConfig))
