/**
 * Wrapping stored data keys by the primary key. Which are left is in the rows, so it may stop and start anywhere.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { KeyProvider } from "../KeyProvider.ts"
import type { DecryptionError, KeyProviderError } from "../SecureSessionsError.ts"
import type { KeyRow } from "./checkKey.ts"
import { refuseKey } from "./checkKey.ts"
import { joinValues } from "./joinValues.ts"
import { runAlone } from "./runSql.ts"

const operation = "KeyRotation.rewrapAll"
const batchSize = 100
/** Requests to a provider at a time. */
const concurrency = 16

/** What became of a batch. @internal */
export interface Batch {
  readonly done: number
  readonly refused: ReadonlyArray<KeyProviderError | DecryptionError>
}

const isOutage = (error: KeyProviderError | DecryptionError): error is KeyProviderError =>
  error._tag === "KeyProviderError" && error.retryable

/** @internal */
export const makeRewrap = (sql: SqlClient.SqlClient, provider: typeof KeyProvider.Service) => {
  const isStale = (primary: string) => sql`kek_id <> ${primary} AND shredded_time IS NULL`

  const selectAfter = (primary: string, after: Uint8Array) =>
    sql<KeyRow & { readonly kid: Uint8Array }>`SELECT app, user_id, kid, kek_id, wrapped, commitment FROM session_keys
      WHERE ${isStale(primary)} AND NOT (app = '' AND user_id = '') AND kid > ${after} ORDER BY kid LIMIT ${batchSize}`

  /** The key that is asked at start. */
  const selectCanary = (primary: string) =>
    sql<KeyRow & { readonly kid: Uint8Array }>`SELECT app, user_id, kid, kek_id, wrapped, commitment FROM session_keys
      WHERE ${isStale(primary)} AND app = '' AND user_id = ''`

  const rewrapRow = Effect.fnUntraced(function*(row: KeyRow) {
    const { app, commitment, kek_id, kid, user_id, wrapped } = row
    if (!(kid instanceof Uint8Array) || !(commitment instanceof Uint8Array) || !(wrapped instanceof Uint8Array)) {
      return yield* refuseKey(row, "MalformedEnvelope")
    }
    const context = { app, user: user_id, keyId: kid, commitment }
    const next = yield* provider.rewrap({ kekId: kek_id, bytes: wrapped }, context)
    return [kid, wrapped, next.kekId, next.bytes] as const
  })

  /** A provider that cannot be asked ends the rotation; a key that it refuses does not. */
  const rewrapOrRefuse = (row: KeyRow) =>
    Effect.flatMap(
      Effect.either(rewrapRow(row)),
      (result) => Either.isLeft(result) && isOutage(result.left) ? Effect.fail(result.left) : Effect.succeed(result)
    )

  /** A row that was erased or rewrapped in the meantime is not touched. */
  const store = (rewrapped: ReadonlyArray<readonly [Uint8Array, Uint8Array, string, Uint8Array]>) =>
    rewrapped.length === 0
      ? Effect.succeed([])
      : runAlone(
        operation,
        sql`UPDATE session_keys SET kek_id = v.column3, wrapped = v.column4 FROM ${joinValues(sql, rewrapped)} AS v
          WHERE session_keys.kid = v.column1 AND session_keys.wrapped = v.column2 RETURNING create_time`
      )

  const rewrapRows = Effect.fnUntraced(function*(
    select: Effect.Effect<ReadonlyArray<KeyRow & { readonly kid: Uint8Array }>, SqlError>
  ) {
    const rows = yield* runAlone(operation, select)
    const results = yield* Effect.forEach(rows, rewrapOrRefuse, { concurrency })
    const [refused, rewrapped] = Arr.separate(results)
    const stored = yield* store(rewrapped)
    const batch: Batch = { done: stored.length, refused }
    const last = rows.length === batchSize ? Option.fromNullable(rows.at(-1)) : Option.none()
    return { batch, next: Option.map(last, ({ kid }) => kid) }
  })

  return {
    rewrapAfter: (primary: string, after: Uint8Array) => rewrapRows(selectAfter(primary, after)),
    rewrapCanary: (primary: string) => Effect.map(rewrapRows(selectCanary(primary)), ({ batch }) => batch)
  }
}
