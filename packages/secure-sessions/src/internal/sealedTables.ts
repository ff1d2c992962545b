/**
 * The tables with sealed records, all in one shape: by pages, in the order of their keys.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { KeyScope, Place } from "../Aad.ts"
import { joinValues } from "./joinValues.ts"
import { eventPlace, metadataPlace, statePlace } from "./sealSession.ts"

/** The key of a row within its scope: the session and, when it has many, what tells them apart. */
type RowKey = ReadonlyArray<string | number | Uint8Array>

/** @internal */
export interface StoredRecord {
  readonly key: RowKey
  readonly place: Place
  /** `null` when the record is sealed as it should be. */
  readonly envelope: unknown
}

interface Definition<Row> {
  readonly name: string
  /** The sealed one. */
  readonly column: string
  readonly keys: readonly ["session_id"] | readonly ["session_id", "key_index" | "sequence"]
  readonly columns: string
  readonly keyOf: (row: Row) => RowKey
  readonly placeOf: (row: Row) => Place
}

/** @internal */
export type SealedTable = ReturnType<typeof makeTable>

const makeTable = <Row extends object>(
  sql: SqlClient.SqlClient,
  { column, columns, keyOf, keys, name, placeOf }: Definition<Row>
) => {
  const sealed = sql.literal(column)
  const isOwner = (scope: KeyScope) => sql`app = ${scope.app} AND user_id = ${scope.user}`
  const isAfter = ([session, part]: RowKey) =>
    part === undefined ? sql`session_id > ${session}` : sql`(session_id, ${sql(keys[1] ?? "")}) > (${session}, ${part})`

  return {
    name,
    column,

    /** Some records after a key; those that start with the header are done and come without their envelope. */
    select: (
      scope: KeyScope,
      header: Uint8Array,
      after: RowKey | undefined,
      limit: number
    ): Effect.Effect<ReadonlyArray<StoredRecord>, SqlError> =>
      Effect.map(
        sql<Row & { readonly sealed: unknown }>`SELECT ${sql.literal(columns)},
            CASE WHEN substr(${sealed}, 1, ${header.length}) = ${header} THEN NULL ELSE ${sealed} END AS sealed
          FROM ${sql(name)} WHERE ${isOwner(scope)}${after === undefined ? sql`` : sql` AND ${isAfter(after)}`}
          ORDER BY ${sql.literal(keys.join(", "))} LIMIT ${limit}`,
        (rows) => rows.map((row) => ({ key: keyOf(row), place: placeOf(row), envelope: row.sealed }))
      ),

    /** Puts new envelopes where the old ones still are. What was written or deleted in the meantime stays so. */
    replace: (
      scope: KeyScope,
      records: ReadonlyArray<{ readonly key: RowKey; readonly old: Uint8Array; readonly next: Uint8Array }>
    ) => {
      const width = keys.length
      const isRow = keys.map((key, at) => sql`${sql(name)}.${sql(key)} = v.${sql.literal(`column${at + 1}`)}`)
      return sql`UPDATE ${sql(name)} SET ${sql(column)} = v.${sql.literal(`column${width + 2}`)}
        FROM ${joinValues(sql, records.map(({ key, next, old }) => [...key, old, next]))} AS v
        WHERE ${isOwner(scope)} AND ${sql.and(isRow)}
          AND ${sql(name)}.${sql(column)} = v.${sql.literal(`column${width + 1}`)} RETURNING 1 AS replaced`
    }
  }
}

const stateTable = (sql: SqlClient.SqlClient, name: "session_state" | "session_secrets") =>
  makeTable<{ readonly session_id: string; readonly key_index: Uint8Array; readonly stamp: number | string }>(sql, {
    name,
    column: "value",
    keys: ["session_id", "key_index"],
    columns: "session_id, key_index, stamp",
    keyOf: (row) => [row.session_id, row.key_index],
    placeOf: (row) => statePlace(name, row.session_id, row.key_index, Number(row.stamp))
  })

interface HeadRow {
  readonly session_id: string
  readonly create_time: number | string
  readonly chained: number | string
}

interface EventRow {
  readonly session_id: string
  readonly sequence: number | string
  readonly event_id: string
  readonly is_chained: number | string
}

/** @internal */
export const makeSealedTables = (sql: SqlClient.SqlClient): ReadonlyArray<SealedTable> => [
  makeTable<HeadRow>(sql, {
    name: "sessions",
    column: "metadata",
    keys: ["session_id"],
    columns: "session_id, create_time, chained",
    keyOf: (row) => [row.session_id],
    placeOf: (row) => metadataPlace({ id: row.session_id }, Number(row.create_time), Number(row.chained) === 1)
  }),
  stateTable(sql, "session_state"),
  stateTable(sql, "session_secrets"),
  makeTable<EventRow>(sql, {
    name: "session_events",
    column: "body",
    keys: ["session_id", "sequence"],
    columns: "session_id, sequence, event_id, CASE WHEN length(link) = 0 THEN 0 ELSE 1 END AS is_chained",
    keyOf: (row) => [row.session_id, Number(row.sequence)],
    placeOf: (row) =>
      eventPlace({ id: row.session_id }, row.event_id, Number(row.sequence), Number(row.is_chained) === 1)
  })
]
