/**
 * Whose records there are, which data key is active, and removing keys that nothing names any more.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { KeyScope } from "../Aad.ts"
import type { StorageError } from "../SecureSessionsError.ts"
import { overwriteDeleted, runAlone, truncateJournal } from "./runSql.ts"
import type { SealedTable } from "./sealedTables.ts"

const pageSize = 100
const operation = "KeyRotation.removeRetired"

interface OwnedKey {
  readonly app: string
  readonly user_id: string
  readonly kid: Uint8Array
}

/** @internal */
export const makeRetired = (sql: SqlClient.SqlClient, tables: ReadonlyArray<SealedTable>) => {
  const selectScopes = (after: KeyScope) =>
    runAlone(
      "KeyRotation.reencrypt",
      sql<{ readonly app: string; readonly user: string }>`SELECT app, user_id AS "user" FROM session_keys
        WHERE retired_time IS NULL AND shredded_time IS NULL AND (app, user_id) > (${after.app}, ${after.user})
        ORDER BY app, user_id LIMIT ${pageSize}`
    )

  /** All owners of an active key but the empty one of the key that is asked at start. */
  const scopesAfter: Stream.Stream<KeyScope, StorageError> = Stream.paginateChunkEffect(
    { app: "", user: "" },
    (after: KeyScope) =>
      Effect.map(selectScopes(after), (page) => {
        const last = page.length === pageSize ? page.at(-1) : undefined
        return [Chunk.unsafeFromArray(page), Option.fromNullable(last)] as const
      })
  )

  const activeKey = (scope: KeyScope) =>
    Effect.map(
      runAlone(
        "KeyRotation.reencrypt",
        sql<{ readonly kid: Uint8Array; readonly create_time: number | string }>`SELECT kid, create_time
          FROM session_keys WHERE app = ${scope.app} AND user_id = ${scope.user}
            AND retired_time IS NULL AND shredded_time IS NULL`
      ),
      ([row]) =>
        Option.map(
          Option.fromNullable(row),
          ({ create_time, kid }) => ({ keyId: kid, createTime: Number(create_time) })
        )
    )

  const selectRetired = (before: number, after: Uint8Array) =>
    runAlone(
      operation,
      sql<OwnedKey>`SELECT app, user_id, kid FROM session_keys
        WHERE retired_time < ${before} AND shredded_time IS NULL AND kid > ${after} ORDER BY kid LIMIT ${pageSize}`
    )

  /** One statement looks and removes. */
  const removeUnused = ({ app, kid, user_id }: OwnedKey) => {
    const isNamed = tables.map(({ column, name }) =>
      sql`EXISTS (SELECT 1 FROM ${sql(name)} AS t WHERE t.app = ${app} AND t.user_id = ${user_id}
        AND substr(t.${sql.literal(column)}, 6, 16) = ${kid})`
    )
    return Effect.map(
      runAlone(operation, sql`DELETE FROM session_keys WHERE kid = ${kid} AND NOT ${sql.or(isNamed)} RETURNING seals`),
      (rows) => rows.length
    )
  }

  const remove = Effect.fnUntraced(function*(
    retiredFor: number,
    isUsedElsewhere: (scope: KeyScope, keyId: Uint8Array) => Effect.Effect<boolean, StorageError>
  ) {
    const before = (yield* Clock.currentTimeMillis) - retiredFor
    yield* overwriteDeleted(sql, operation)
    const unused = Stream.paginateChunkEffect(
      new Uint8Array(0),
      (after: Uint8Array) =>
        Effect.map(selectRetired(before, after), (page) => {
          const last = page.length === pageSize ? page.at(-1)?.kid : undefined
          return [Chunk.unsafeFromArray(page), Option.fromNullable(last)] as const
        })
    ).pipe(
      Stream.filterEffect(({ app, kid, user_id }) =>
        Effect.map(isUsedElsewhere({ app, user: user_id }, kid), (isUsed) => !isUsed)
      )
    )
    const removed = yield* Stream.runFoldEffect(
      unused,
      0,
      (count, key) => Effect.map(removeUnused(key), (more) => count + more)
    )
    yield* truncateJournal(sql, operation)
    return removed
  })

  return { activeKey, remove, scopesAfter }
}
