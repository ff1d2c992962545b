/**
 * One data key per app and user, stored wrapped, unwrapped on demand and kept in memory for a bounded time.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { KeyScope } from "./Aad.ts"
import { DataKey, KeyCache } from "./internal/cacheKey.ts"
import { checkKey, type KeyRow, keyShredded, unwrapRow } from "./internal/checkKey.ts"
import { migrate } from "./internal/migrateSchema.ts"
import { isInTransaction, overwriteDeleted, run, runAlone, transact } from "./internal/runSql.ts"
import { makeFlights } from "./internal/shareFlight.ts"
import { identify, KeyProvider } from "./KeyProvider.ts"
import { defaultKeyLimits } from "./SecureSessionsConfig.ts"
import type { ConfigurationError, DecryptionError, KeyProviderError } from "./SecureSessionsError.ts"
import { KeyUsageExceeded, StorageError } from "./SecureSessionsError.ts"
import * as Telemetry from "./Telemetry.ts"

/**
 * What stands between a caller and a data key.
 *
 * @category errors
 * @since 0.1.0
 */
export type KeyAccessError = KeyProviderError | DecryptionError | StorageError

/**
 * A data key while it may be used.
 *
 * @category models
 * @since 0.1.0
 */
export interface LiveKey {
  readonly keyId: Uint8Array
  /** Hexadecimal key id. */
  readonly name: string
  /** HKDF-SHA256 for one purpose; the bytes must not outlive the call that uses them. */
  readonly derive: (purpose: string, length: number) => Uint8Array
}

/**
 * A data key that is no more.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShreddedKey {
  readonly keyId: Uint8Array
  /** Epoch milliseconds. */
  readonly time: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface DataKeysOptions {
  /** Data keys kept unwrapped. Default 1,000. */
  readonly capacity?: number | undefined
  /** How long each stays unwrapped. Default five minutes. */
  readonly timeToLive?: Duration.DurationInput | undefined
  /** Records that one data key may seal. Default 2^31. */
  readonly sealLimit?: number | undefined
}

/**
 * Access to data keys. The function is called synchronously with a key that is live; it must not keep it.
 *
 * @category services
 * @since 0.1.0
 */
export class DataKeys extends Context.Tag("@sennit/secure-sessions/DataKeys")<DataKeys, {
  /** Uses the key of the scope, making it when there is none, and counts `seals` towards its limit. */
  readonly use: <A>(
    scope: KeyScope,
    seals: number,
    f: (key: LiveKey) => A
  ) => Effect.Effect<A, KeyAccessError | KeyUsageExceeded>
  /** Uses the key of the scope if there is one. Never makes a key. */
  readonly find: <A>(scope: KeyScope, f: (key: LiveKey) => A) => Effect.Effect<Option.Option<A>, KeyAccessError>
  /**
   * Destroys the key of the scope in one transaction with `also`: from then on the scope fails with `KeyShredded`. Not
   * inside another transaction, which could bring the key back. Other processes forget a key after its time to live.
   */
  readonly shred: <A, E>(
    scope: KeyScope,
    also: Effect.Effect<A, E>
  ) => Effect.Effect<{ readonly shredded: Option.Option<ShreddedKey>; readonly also: A }, E | StorageError>
}>() {}

/** Seals reserved in the database at a time, so that counting costs one write in a thousand. */
const reservation = 1024

const noBytes = new Uint8Array(0)

/** The user `""` of the app `""` owns the key that tells at start whether the provider opens this database. */
const canary: KeyScope = { app: "", user: "" }

const nameOf = (scope: KeyScope) => `${scope.app.length}:${scope.app}${scope.user}`

const makeRows = (sql: SqlClient.SqlClient, provider: typeof KeyProvider.Service, sealLimit: number) => {
  const load = Effect.fn("DataKeys.load")(function*(scope: KeyScope) {
    const [row] = yield* runAlone(
      "DataKeys.load",
      sql<KeyRow & { readonly shredded_time: number | null }>`SELECT app, user_id, kid, kek_id, wrapped, commitment,
        shredded_time FROM session_keys WHERE app = ${scope.app} AND user_id = ${scope.user}`
    )
    if (row === undefined) return Option.none<DataKey>()
    if (row.shredded_time !== null) return yield* keyShredded(scope.app, scope.user, row.kid)
    yield* Metric.increment(Telemetry.keyLoads)
    const { bytes, keyId } = yield* unwrapRow(provider, row)
    return Option.some(new DataKey(keyId, bytes))
  })

  /** Somebody else may make the key of the same scope at the same time: the first row stays and all use it. */
  const create = Effect.fn("DataKeys.create")(function*(scope: KeyScope) {
    const { plaintext, wrapped } = yield* provider.generateDataKey(scope)
    yield* Metric.increment(Telemetry.keyLoads)
    const bytes = Redacted.value(plaintext)
    const { commitment, keyId } = identify(bytes)
    const now = yield* Clock.currentTimeMillis
    const rows = yield* runAlone(
      "DataKeys.create",
      sql`INSERT INTO session_keys (kid, app, user_id, kek_id, wrapped, commitment, seals, create_time)
        VALUES (${keyId}, ${scope.app}, ${scope.user}, ${wrapped.kekId}, ${wrapped.bytes}, ${commitment}, 0, ${now})
        ON CONFLICT (app, user_id) WHERE retired_time IS NULL DO NOTHING RETURNING seals`
    )
    if (rows.length === 1) return Option.some(new DataKey(keyId, bytes))
    bytes.fill(0)
    return yield* load(scope)
  })

  const loadOrCreate = (scope: KeyScope) =>
    Effect.flatMap(load(scope), (key) => Option.isSome(key) ? Effect.succeed(key) : create(scope))

  const count = (key: DataKey, seals: number) =>
    Effect.map(
      runAlone(
        "DataKeys.reserve",
        sql`UPDATE session_keys SET seals = seals + ${seals}
          WHERE kid = ${key.keyId} AND seals + ${seals} <= ${sealLimit} RETURNING seals`
      ),
      (rows) => rows.length === 1
    )

  /** Inside a transaction that may roll back, no more is reserved than is used at once. */
  const reserve = Effect.fn("DataKeys.reserve")(function*(key: DataKey, seals: number) {
    const amounts = seals < reservation && !(yield* isInTransaction) ? [reservation, seals] : [seals]
    for (const amount of amounts) {
      if (yield* count(key, amount)) {
        key.reserved += amount
        return
      }
    }
    return yield* new KeyUsageExceeded({ keyId: key.name, limit: sealLimit })
  })

  /** The first statement writes, also when the key is gone already. */
  const shred = Effect.fnUntraced(function*(scope: KeyScope, now: number) {
    const shredded = yield* run(
      "DataKeys.shred",
      sql<{ readonly kid: Uint8Array; readonly shredded_time: number }>`UPDATE session_keys
        SET wrapped = ${noBytes}, commitment = ${noBytes}, shredded_time = COALESCE(shredded_time, ${now})
        WHERE app = ${scope.app} AND user_id = ${scope.user} RETURNING kid, shredded_time`
    )
    return Option.map(Option.fromNullable(shredded[0]), ({ kid, shredded_time }): ShreddedKey => ({
      keyId: kid,
      time: Number(shredded_time)
    }))
  })

  return { load, create, loadOrCreate, reserve, shred }
}

/** Between two steps of a fiber a key may be evicted; the check and the use are one step. */
const spend = <A>(key: DataKey, seals: number, f: (key: LiveKey) => A): Option.Option<A> => {
  if (!key.live || key.reserved < seals) return Option.none()
  key.reserved -= seals
  const result = f(key)
  if (!key.kept) key.wipe()
  return Option.some(result)
}

/**
 * Prepares the tables, refuses a provider that does not open what is stored, and serves data keys. When the scope
 * closes, all keys in memory are overwritten.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("DataKeys.make")(function*(options?: DataKeysOptions) {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const provider = yield* KeyProvider
  const rows = makeRows(sql, provider, options?.sealLimit ?? defaultKeyLimits.sealLimit)
  const hasKey = yield* checkKey(sql, provider)
  yield* migrate(sql)
  if (!hasKey) Option.map(yield* rows.create(canary), (key) => key.wipe())

  const cache = new KeyCache(
    options?.capacity ?? defaultKeyLimits.capacity,
    Duration.toMillis(options?.timeToLive ?? defaultKeyLimits.timeToLiveMillis)
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => cache.clear()))
  const share = makeFlights<Option.Option<DataKey>, KeyAccessError>(yield* Effect.scope)

  const keep = (name: string, load: Effect.Effect<Option.Option<DataKey>, KeyAccessError>) =>
    Effect.zipWith(
      load,
      Clock.currentTimeMillis,
      (loaded, now) => Option.map(loaded, (key) => cache.put(name, key, now))
    )

  type Load = (scope: KeyScope) => Effect.Effect<Option.Option<DataKey>, KeyAccessError>

  /**
   * A key that was read inside somebody's transaction is not kept: its row may be rolled back, and waiting there for
   * work that needs the connection would never end.
   */
  const acquire = (purpose: string, load: Load, scope: KeyScope) =>
    Effect.flatMap(isInTransaction, (inside) => {
      const name = nameOf(scope)
      return inside ? load(scope) : share(purpose + name, keep(name, load(scope)))
    })

  const reserveAndSpend = <A>(
    key: DataKey,
    seals: number,
    f: (key: LiveKey) => A
  ): Effect.Effect<Option.Option<A>, KeyAccessError | KeyUsageExceeded> =>
    Effect.suspend(() => {
      const spent = spend(key, seals, f)
      if (Option.isSome(spent) || !key.live) return Effect.succeed(spent)
      return Effect.zipRight(rows.reserve(key, seals), reserveAndSpend(key, seals, f))
    })

  const use = <A>(
    scope: KeyScope,
    seals: number,
    f: (key: LiveKey) => A
  ): Effect.Effect<A, KeyAccessError | KeyUsageExceeded> =>
    Effect.clockWith((clock) => {
      const kept = cache.get(nameOf(scope), clock.unsafeCurrentTimeMillis())
      const spent = kept === undefined ? Option.none() : spend(kept, seals, f)
      if (Option.isSome(spent)) return Effect.succeed(spent.value)
      const key = kept === undefined ? acquire("use", rows.loadOrCreate, scope) : Effect.succeedSome(kept)
      return key.pipe(
        Effect.flatMap(Option.match({
          onNone: () => Effect.succeedNone,
          onSome: (loaded) => reserveAndSpend(loaded, seals, f)
        })),
        Effect.flatMap(Option.match({ onNone: () => use(scope, seals, f), onSome: Effect.succeed }))
      )
    })

  const find = <A>(scope: KeyScope, f: (key: LiveKey) => A): Effect.Effect<Option.Option<A>, KeyAccessError> =>
    Effect.clockWith((clock) => {
      const kept = cache.get(nameOf(scope), clock.unsafeCurrentTimeMillis())
      if (kept !== undefined) return Effect.succeed(spend(kept, 0, f))
      return Effect.flatMap(acquire("find", rows.load, scope), (loaded) => {
        if (Option.isNone(loaded)) return Effect.succeedNone
        const spent = spend(loaded.value, 0, f)
        return Option.isSome(spent) ? Effect.succeed(spent) : find(scope, f)
      })
    })

  const shred = Effect.fn("DataKeys.shred")(function*<A, E>(scope: KeyScope, also: Effect.Effect<A, E>) {
    if (yield* isInTransaction) {
      return yield* new StorageError({ operation: "DataKeys.shred", reason: "Failed", retryable: false })
    }
    const now = yield* Clock.currentTimeMillis
    yield* overwriteDeleted(sql, "DataKeys.shred")
    return yield* Effect.uninterruptible(
      Effect.tap(
        transact(sql, "DataKeys.shred", Effect.all({ shredded: rows.shred(scope, now), also })),
        () => Effect.sync(() => cache.shred(nameOf(scope)))
      )
    )
  })

  return DataKeys.of({ use, find, shred })
})

/**
 * Needs the database and the key provider; fails when they do not fit together.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: DataKeysOptions
): Layer.Layer<
  DataKeys,
  ConfigurationError | KeyProviderError | DecryptionError | StorageError,
  SqlClient.SqlClient | KeyProvider
> => Layer.scoped(DataKeys, make(options))
