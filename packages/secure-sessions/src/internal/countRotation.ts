/**
 * Counting data keys by what wraps them, and records by suite and by what became of their data key.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { RotationStatus } from "../KeyRotation.ts"
import { runAlone } from "./runSql.ts"
import type { SealedTable } from "./sealedTables.ts"

const operation = "KeyRotation.status"

type Count = number | string

/** @internal */
export const countRotation = Effect.fnUntraced(function*(
  sql: SqlClient.SqlClient,
  tables: ReadonlyArray<SealedTable>,
  primary: string
) {
  const keys = yield* runAlone(
    operation,
    sql<{ readonly kek_id: string; readonly active: Count; readonly retired: Count; readonly shredded: Count }>`SELECT
        kek_id,
        SUM(CASE WHEN shredded_time IS NULL AND retired_time IS NULL THEN 1 ELSE 0 END) AS active,
        SUM(CASE WHEN shredded_time IS NULL AND retired_time IS NOT NULL THEN 1 ELSE 0 END) AS retired,
        SUM(CASE WHEN shredded_time IS NULL THEN 0 ELSE 1 END) AS shredded
      FROM session_keys GROUP BY kek_id ORDER BY kek_id`
  )
  const countTable = ({ column, name }: SealedTable) =>
    runAlone(
      operation,
      sql<{ readonly suite: Uint8Array; readonly state: "active" | "retired" | "missing"; readonly records: Count }>`
        SELECT substr(t.${sql.literal(column)}, 4, 1) AS suite,
          CASE WHEN k.kid IS NULL THEN 'missing' WHEN k.retired_time IS NULL THEN 'active' ELSE 'retired' END AS state,
          COUNT(*) AS records
        FROM ${sql(name)} AS t LEFT JOIN session_keys AS k
          ON k.kid = substr(t.${sql.literal(column)}, 6, 16) AND k.app = t.app AND k.user_id = t.user_id
        GROUP BY 1, 2 ORDER BY 1, 2`
    )
  const records = yield* Effect.forEach(
    tables,
    (table) =>
      Effect.map(countTable(table), (rows) =>
        rows.map(({ records: count, state, suite }) => ({
          table: table.name,
          suite: suite[0] ?? 0,
          key: state,
          records: Number(count)
        })))
  )
  const status: RotationStatus = {
    keys: keys.map((row) => ({
      kekId: row.kek_id,
      isPrimary: row.kek_id === primary,
      active: Number(row.active),
      retired: Number(row.retired),
      shredded: Number(row.shredded)
    })),
    records: records.flat()
  }
  return status
})
