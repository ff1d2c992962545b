/**
 * The rows of data keys: one active key per app and user, and the retired ones that records may still name.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { KeyScope } from "../Aad.ts"
import type { ShreddedKey } from "../DataKeys.ts"
import type { KeyProvider } from "../KeyProvider.ts"
import { identify } from "../KeyProvider.ts"
import { KeyUsageExceeded } from "../SecureSessionsError.ts"
import * as Telemetry from "../Telemetry.ts"
import { DataKey } from "./cacheKey.ts"
import { carryKeys, openCarried } from "./carryKeys.ts"
import { type KeyRow, keyShredded, refuseKey, unwrapRow } from "./checkKey.ts"
import { isInTransaction, run, runAlone, transact } from "./runSql.ts"

/** Seals reserved in the database at a time, so that counting costs one write in a thousand. */
const reservation = 1024

const noBytes = new Uint8Array(0)

interface StoredKey extends KeyRow {
  readonly carried: unknown
  readonly shredded_time: unknown
}

/** @internal */
export const makeKeyRows = (sql: SqlClient.SqlClient, provider: typeof KeyProvider.Service, sealLimit: number) => {
  const columns = sql`app, user_id, kid, kek_id, wrapped, commitment, carried, shredded_time`
  const isOwner = (scope: KeyScope) => sql`app = ${scope.app} AND user_id = ${scope.user}`

  const openRow = Effect.fnUntraced(function*(row: StoredKey) {
    if (row.shredded_time !== null) return yield* keyShredded(row.app, row.user_id, row.kid)
    yield* Metric.increment(Telemetry.keyLoads)
    const key = yield* unwrapRow(provider, row)
    if (!(row.carried instanceof Uint8Array)) return yield* refuseKey(row, "MalformedEnvelope", "carried")
    if (row.carried.length === 0) return new DataKey(key.keyId, key.bytes)
    const carried = openCarried({ app: row.app, user: row.user_id }, key, row.carried)
    if (carried !== undefined) return new DataKey(key.keyId, key.bytes, carried)
    key.bytes.fill(0)
    return yield* refuseKey(row, "AuthenticationFailed", "carried")
  })

  const loadFirst = Effect.fnUntraced(function*(statement: Effect.Effect<ReadonlyArray<StoredKey>, SqlError>) {
    const [row] = yield* runAlone("DataKeys.load", statement)
    return row === undefined ? Option.none<DataKey>() : Option.some(yield* openRow(row))
  })

  /** The active key of the scope. */
  const load = Effect.fn("DataKeys.load")((scope: KeyScope) =>
    loadFirst(
      sql<StoredKey>`SELECT ${columns} FROM session_keys WHERE ${isOwner(scope)} AND retired_time IS NULL`
    )
  )

  /** A key of the scope, active or not. */
  const loadNamed = Effect.fn("DataKeys.loadNamed")((scope: KeyScope, keyId: Uint8Array) =>
    loadFirst(sql<StoredKey>`SELECT ${columns} FROM session_keys WHERE ${isOwner(scope)} AND kid = ${keyId}`)
  )

  const generate = Effect.fnUntraced(function*(scope: KeyScope) {
    const { plaintext, wrapped } = yield* provider.generateDataKey(scope)
    yield* Metric.increment(Telemetry.keyLoads)
    const bytes = Redacted.value(plaintext)
    return { bytes, wrapped, ...identify(bytes), now: yield* Clock.currentTimeMillis }
  })

  const insert = (scope: KeyScope, key: Effect.Effect.Success<ReturnType<typeof generate>>, carried: Uint8Array) =>
    sql`INSERT INTO session_keys (kid, app, user_id, kek_id, wrapped, commitment, carried, seals, create_time)
      VALUES (${key.keyId}, ${scope.app}, ${scope.user}, ${key.wrapped.kekId}, ${key.wrapped.bytes},
        ${key.commitment}, ${carried}, 0, ${key.now})
      ON CONFLICT (app, user_id) WHERE retired_time IS NULL DO NOTHING RETURNING seals`

  /** Somebody else may make the key of the same scope at the same time: the first row stays and all use it. */
  const create = Effect.fn("DataKeys.create")(function*(scope: KeyScope) {
    const key = yield* generate(scope)
    const rows = yield* runAlone("DataKeys.create", insert(scope, key, noBytes))
    if (rows.length === 1) return Option.some(new DataKey(key.keyId, key.bytes))
    key.bytes.fill(0)
    return yield* load(scope)
  })

  const loadOrCreate = (scope: KeyScope) =>
    Effect.flatMap(load(scope), (key) => Option.isSome(key) ? Effect.succeed(key) : create(scope))

  const replace = (scope: KeyScope, old: DataKey) =>
    Effect.acquireUseRelease(
      generate(scope),
      (next) =>
        transact(
          sql,
          "DataKeys.renew",
          Effect.gen(function*() {
            const retired = yield* run(
              "DataKeys.renew",
              sql`UPDATE session_keys SET retired_time = ${next.now}
                WHERE kid = ${old.keyId} AND retired_time IS NULL AND shredded_time IS NULL RETURNING seals`
            )
            if (retired.length === 0) return false
            yield* run("DataKeys.renew", insert(scope, next, carryKeys(old, scope, next)))
            return true
          })
        ),
      ({ bytes }) => Effect.sync(() => bytes.fill(0))
    )

  /** Retires the active key and puts a new one in its place. The first of several callers does, the others do not. */
  const renew = Effect.fn("DataKeys.renew")(function*(scope: KeyScope, keyId: Uint8Array) {
    const old = yield* loadNamed(scope, keyId)
    if (Option.isNone(old)) return false
    return yield* Effect.ensuring(replace(scope, old.value), Effect.sync(() => old.value.wipe()))
  })

  const count = (key: DataKey, seals: number) =>
    Effect.map(
      runAlone(
        "DataKeys.reserve",
        sql`UPDATE session_keys SET seals = seals + ${seals}
          WHERE kid = ${key.keyId} AND retired_time IS NULL AND seals + ${seals} <= ${sealLimit} RETURNING seals`
      ),
      (rows) => rows.length === 1
    )

  /**
   * Counts seals ahead; false when the key is not active any more. Inside a transaction that may roll back, no more is
   * reserved than is used at once.
   */
  const reserve = Effect.fn("DataKeys.reserve")(function*(key: DataKey, seals: number) {
    const amounts = seals < reservation && !(yield* isInTransaction) ? [reservation, seals] : [seals]
    for (const amount of amounts) {
      if (yield* count(key, amount)) {
        key.reserved += amount
        return true
      }
    }
    const active = yield* runAlone(
      "DataKeys.reserve",
      sql`SELECT seals FROM session_keys WHERE kid = ${key.keyId} AND retired_time IS NULL`
    )
    if (active.length === 0) return false
    return yield* new KeyUsageExceeded({ keyId: key.name, limit: sealLimit })
  })

  const overwrite = (scope: KeyScope, now: number) =>
    run(
      "DataKeys.shred",
      sql<
        { readonly kid: Uint8Array; readonly shredded_time: number; readonly retired_time: unknown }
      >`UPDATE session_keys
        SET wrapped = ${noBytes}, commitment = ${noBytes}, carried = ${noBytes},
          shredded_time = COALESCE(shredded_time, ${now})
        WHERE ${isOwner(scope)} RETURNING kid, shredded_time, retired_time`
    )

  /**
   * The first statement writes, also when the keys are gone already. It waits for a renewal that is under way in
   * PostgreSQL and does not see its new row; the second does.
   */
  const shred = Effect.fnUntraced(function*(scope: KeyScope, now: number) {
    yield* overwrite(scope, now)
    const shredded = yield* overwrite(scope, now)
    return Option.map(
      Option.fromNullable(shredded.find(({ retired_time }) => retired_time === null)),
      ({ kid, shredded_time }): ShreddedKey => ({ keyId: kid, time: Number(shredded_time) })
    )
  })

  return { load, loadNamed, create, loadOrCreate, renew, reserve, shred }
}
