/**
 * One active data key per app and user, stored wrapped, unwrapped on demand and kept in memory for a bounded time.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { KeyScope } from "./Aad.ts"
import { type DataKey, KeyCache } from "./internal/cacheKey.ts"
import { checkKey } from "./internal/checkKey.ts"
import { hex, isEqual } from "./internal/deriveKey.ts"
import { makeKeyRows } from "./internal/keyRows.ts"
import { migrate } from "./internal/migrateSchema.ts"
import { isInTransaction, overwriteDeleted, transact } from "./internal/runSql.ts"
import { makeFlights } from "./internal/shareFlight.ts"
import { KeyProvider } from "./KeyProvider.ts"
import { defaultKeyLimits } from "./SecureSessionsConfig.ts"
import type { ConfigurationError, DecryptionError, KeyUsageExceeded } from "./SecureSessionsError.ts"
import { KeyProviderError, StorageError } from "./SecureSessionsError.ts"

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
  /** Records sealed or opened before a data key is unwrapped anew. Default 2^24. */
  readonly maxUses?: number | undefined
  /** Bytes sealed before a data key is unwrapped anew. Default 1 GiB. */
  readonly maxBytes?: number | undefined
  /** How long the key provider may take for one answer. Default 30 seconds. */
  readonly providerTimeout?: Duration.DurationInput | undefined
}

/**
 * Access to data keys. The function is called synchronously with a key that is live; it must not keep it.
 *
 * @category services
 * @since 0.1.0
 */
export class DataKeys extends Context.Tag("@sennit/secure-sessions/DataKeys")<DataKeys, {
  /**
   * Uses the active key of the scope, making it when there is none, and counts `seals` of `bytes` in all (default 0)
   * towards its limits.
   */
  readonly use: <A, E = never>(
    scope: KeyScope,
    seals: number,
    f: (key: LiveKey) => Either.Either<A, E>,
    bytes?: number
  ) => Effect.Effect<A, E | KeyAccessError | KeyUsageExceeded>
  /** Uses the active key of the scope if there is one. Never makes a key. */
  readonly find: <A>(scope: KeyScope, f: (key: LiveKey) => A) => Effect.Effect<Option.Option<A>, KeyAccessError>
  /** Uses the key of this id if the scope has it, active or retired. */
  readonly findById: <A>(
    scope: KeyScope,
    keyId: Uint8Array,
    f: (key: LiveKey) => A
  ) => Effect.Effect<Option.Option<A>, KeyAccessError>
  /**
   * Retires the key of this id and puts a new one in its place, which takes over the keys of chain and fingerprints.
   * False when it is not the active key any more. What the retired key sealed still opens. Other processes go on
   * sealing with the retired key for its time to live at most.
   */
  readonly renew: (scope: KeyScope, keyId: Uint8Array) => Effect.Effect<boolean, KeyAccessError>
  /**
   * Destroys the key of the scope in one transaction with `also`: from then on the scope fails with `KeyShredded`. Not
   * inside another transaction, which could bring the key back. Other processes forget a key after its time to live.
   */
  readonly shred: <A, E>(
    scope: KeyScope,
    also: Effect.Effect<A, E>
  ) => Effect.Effect<{ readonly shredded: Option.Option<ShreddedKey>; readonly also: A }, E | StorageError>
}>() {}

/** The user `""` of the app `""` owns the key that tells at start whether the provider opens this database. */
const canary: KeyScope = { app: "", user: "" }

/** One string for each scope. Most calls ask for the scope of the call before. */
const makeNames = () => {
  let app = ""
  let user = ""
  let name = "0:"
  return (scope: KeyScope): string => {
    if (scope.app !== app || scope.user !== user) {
      app = scope.app
      user = scope.user
      name = `${app.length}:${app}${user}`
    }
    return name
  }
}

const asSome = <A>(f: (key: LiveKey) => A) => (key: LiveKey): Option.Option<A> => Option.some(f(key))

/** Between two steps of a fiber a key may be evicted; the check and the use are one step. */
const spend = <A extends object>(key: DataKey, seals: number, bytes: number, f: (key: LiveKey) => A): A | undefined => {
  if (!key.live || key.reserved < seals) return undefined
  key.reserved -= seals
  key.uses += seals === 0 ? 1 : seals
  key.volume += bytes
  const result = f(key)
  if (!key.kept) key.wipe()
  return result
}

/** A provider that does not answer must not keep everybody waiting who asks for the same key. */
const limitTime = (provider: typeof KeyProvider.Service, limit: Duration.DurationInput): typeof KeyProvider.Service => {
  const limited = (operation: KeyProviderError["operation"]) => <A>(answer: Effect.Effect<A, KeyProviderError>) =>
    Effect.timeoutFail(answer, {
      duration: limit,
      onTimeout: () =>
        new KeyProviderError({ provider: provider.id, operation, reason: "Unavailable", retryable: true })
    })
  return {
    ...provider,
    generateDataKey: (scope) => limited("generateDataKey")(provider.generateDataKey(scope)),
    unwrap: (wrapped, context) => limited("unwrap")(provider.unwrap(wrapped, context))
  }
}

type Loaded = Effect.Effect<Option.Option<DataKey>, KeyAccessError>

const limitsOf = (options: DataKeysOptions | undefined) => ({
  capacity: options?.capacity ?? defaultKeyLimits.capacity,
  timeToLive: Duration.toMillis(options?.timeToLive ?? defaultKeyLimits.timeToLiveMillis),
  maxUses: options?.maxUses ?? defaultKeyLimits.maxUses,
  maxBytes: options?.maxBytes ?? defaultKeyLimits.maxBytes
})

/**
 * Prepares the tables, refuses a provider that does not open what is stored, and serves data keys. When the scope
 * closes, all keys in memory are overwritten.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("DataKeys.make")(function*(options?: DataKeysOptions) {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const provider = limitTime(yield* KeyProvider, options?.providerTimeout ?? "30 seconds")
  const rows = makeKeyRows(sql, provider, options?.sealLimit ?? defaultKeyLimits.sealLimit)
  const hasKey = yield* checkKey(sql, provider)
  yield* migrate(sql)
  if (!hasKey) Option.map(yield* rows.create(canary), (key) => key.wipe())

  const nameOf = makeNames()
  const cache = new KeyCache(limitsOf(options))
  yield* Effect.addFinalizer(() => Effect.sync(() => cache.clear()))
  const share = makeFlights<Option.Option<DataKey>, KeyAccessError>(yield* Effect.scope)

  const keep = (name: string, owner: string, load: Loaded) =>
    Effect.zipWith(
      load,
      Clock.currentTimeMillis,
      (loaded, now) => Option.map(loaded, (key) => cache.put(name, owner, key, now))
    )

  /**
   * A key that was read inside somebody's transaction is not kept: its row may be rolled back, and waiting there for
   * work that needs the connection would never end.
   */
  const acquire = (purpose: string, name: string, owner: string, load: Loaded) =>
    Effect.flatMap(isInTransaction, (inside) => inside ? load : share(purpose + name, keep(name, owner, load)))

  /** Undefined when the key is not the active one any more. */
  const reserveAndSpend = <A extends object>(
    name: string,
    key: DataKey,
    seals: number,
    bytes: number,
    f: (key: LiveKey) => A
  ): Effect.Effect<A | undefined, KeyAccessError | KeyUsageExceeded> =>
    Effect.suspend(() => {
      const spent = spend(key, seals, bytes, f)
      if (spent !== undefined || !key.live) return Effect.succeed(spent)
      return Effect.flatMap(rows.reserve(key, seals), (isActive) => {
        if (isActive) return reserveAndSpend(name, key, seals, bytes, f)
        if (key.kept) cache.drop(name)
        key.wipe()
        return Effect.succeed(undefined)
      })
    })

  const use = <A, E>(
    scope: KeyScope,
    seals: number,
    f: (key: LiveKey) => Either.Either<A, E>,
    bytes = 0
  ): Effect.Effect<A, E | KeyAccessError | KeyUsageExceeded> =>
    Effect.clockWith((clock) => {
      const name = nameOf(scope)
      const kept = cache.get(name, clock.unsafeCurrentTimeMillis())
      const spent = kept === undefined ? undefined : spend(kept, seals, bytes, f)
      if (spent !== undefined) return spent
      const key = kept === undefined
        ? acquire("use", name, name, rows.loadOrCreate(scope))
        : Effect.succeedSome(kept)
      return key.pipe(
        Effect.flatMap(Option.match({
          onNone: () => Effect.succeed(undefined),
          onSome: (loaded) => reserveAndSpend(name, loaded, seals, bytes, f)
        })),
        Effect.flatMap((used) => used ?? use(scope, seals, f, bytes))
      )
    })

  const findNamed = <A>(
    name: string,
    owner: string,
    load: Loaded,
    f: (key: LiveKey) => Option.Option<A>
  ): Effect.Effect<Option.Option<A>, KeyAccessError> =>
    Effect.clockWith((clock) => {
      const kept = cache.get(name, clock.unsafeCurrentTimeMillis())
      if (kept !== undefined) return Effect.succeed(spend(kept, 0, 0, f) ?? Option.none())
      return Effect.flatMap(acquire("find", name, owner, load), (loaded) => {
        if (Option.isNone(loaded)) return Effect.succeedNone
        const spent = spend(loaded.value, 0, 0, f)
        return spent === undefined ? findNamed(name, owner, load, f) : Effect.succeed(spent)
      })
    })

  const find = <A>(scope: KeyScope, f: (key: LiveKey) => A) =>
    findNamed(nameOf(scope), nameOf(scope), rows.load(scope), asSome(f))

  const findById = <A>(scope: KeyScope, keyId: Uint8Array, f: (key: LiveKey) => A) =>
    Effect.clockWith((clock) => {
      const owner = nameOf(scope)
      const active = cache.get(owner, clock.unsafeCurrentTimeMillis())
      if (active !== undefined && isEqual(active.keyId, keyId)) {
        return Effect.succeed(spend(active, 0, 0, asSome(f)) ?? Option.none())
      }
      return findNamed(`${hex(keyId)} ${owner}`, owner, rows.loadNamed(scope, keyId), asSome(f))
    })

  const renew = (scope: KeyScope, keyId: Uint8Array) =>
    Effect.tap(rows.renew(scope, keyId), () => Effect.sync(() => cache.drop(nameOf(scope))))

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

  return DataKeys.of({ use, find, findById, renew, shred })
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
