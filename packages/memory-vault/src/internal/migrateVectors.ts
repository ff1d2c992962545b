/**
 * Vectors, and how much of a memory asks. What is stored already gets its vectors by `reembed`: a migration must not
 * call a service.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { askingShare } from "./analyzeText.ts"

const pageSize = 500

/**
 * A vector stands in the row of its memory, so it comes and goes with it. `vault_scopes.embedder` is the only embedder
 * whose vectors count in the scope. `vault_query_vectors` spares a costly embedder the queries that come again.
 */
const alterTables = (sql: SqlClient) =>
  Effect.forEach([
    sql`CREATE TABLE vault_embedders (
      id INTEGER PRIMARY KEY,
      fingerprint TEXT NOT NULL UNIQUE
    ) STRICT`,
    sql`ALTER TABLE vault_scopes ADD COLUMN embedder INTEGER REFERENCES vault_embedders (id)`,
    sql`ALTER TABLE vault_memories ADD COLUMN asks REAL NOT NULL DEFAULT 0`,
    sql`ALTER TABLE vault_memories ADD COLUMN embedder INTEGER`,
    sql`ALTER TABLE vault_memories ADD COLUMN vector BLOB`,
    sql`CREATE TABLE vault_query_vectors (
      scope INTEGER NOT NULL,
      embedder INTEGER NOT NULL,
      query TEXT NOT NULL,
      vector BLOB NOT NULL,
      used INTEGER NOT NULL,
      PRIMARY KEY (scope, embedder, query)
    ) WITHOUT ROWID, STRICT`,
    sql`CREATE INDEX vault_query_vectors_by_use ON vault_query_vectors (scope, used)`
  ], (statement) =>
    statement, { discard: true })

const readTexts = (sql: SqlClient) =>
  Stream.paginateEffect(0, (after) =>
    Effect.map(
      sql<{ readonly doc: number; readonly text: string }>`SELECT doc, text FROM vault_memories
        WHERE doc > ${after} ORDER BY doc LIMIT ${pageSize}`,
      (rows) => [rows, rows.length < pageSize ? Option.none() : Option.fromNullable(rows.at(-1)?.doc)] as const
    )).pipe(Stream.flattenIterables)

/**
 * @since 0.1.0
 */
export const addVectors = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.zipRight(
    alterTables(sql),
    Stream.runForEach(readTexts(sql), ({ doc, text }) => {
      const asks = askingShare(text)
      return asks === 0 ? Effect.void : Effect.asVoid(sql`UPDATE vault_memories SET asks = ${asks} WHERE doc = ${doc}`)
    })
  )
