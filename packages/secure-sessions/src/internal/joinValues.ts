import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"

type Value = string | number | Uint8Array

const typeOf = (value: Value) => typeof value === "string" ? "TEXT" : typeof value === "number" ? "BIGINT" : "BYTEA"

/**
 * `(VALUES ...)` for many rows in one statement; its columns are `column1`, `column2` and so on in SQLite and in
 * PostgreSQL, which takes a parameter for text unless it is told its type.
 *
 * @internal
 */
export const joinValues = (
  sql: SqlClient.SqlClient,
  rows: ReadonlyArray<ReadonlyArray<Value>>
): Statement.Fragment => {
  const field = sql.onDialectOrElse({
    pg: () => (value: Value) => sql`${value}::${sql.literal(typeOf(value))}`,
    orElse: () => (value: Value) => sql`${value}`
  })
  const tuples = rows.map((row) => sql`(${sql.join(", ", false)(row.map(field))})`)
  return sql`(VALUES ${sql.join(", ", false)(tuples)})`
}
