/**
 * Schema 7: the terms of a memory in its row. Nobody looks a term up in SQL, and a row for each costs a save more than
 * all the rest.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"

/**
 * @since 0.1.0
 */
export const moveTerms = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.forEach([
    sql`ALTER TABLE vault_memories ADD COLUMN terms TEXT NOT NULL DEFAULT ''`,
    sql`UPDATE vault_memories SET terms = coalesce((SELECT group_concat(term || ' ' || frequency, ' ')
      FROM vault_postings p WHERE p.scope = vault_memories.scope AND p.doc = vault_memories.doc), '')`,
    sql`UPDATE vault_summaries SET terms = coalesce((SELECT group_concat((value ->> 0) || ' ' || (value ->> 1), ' ')
      FROM json_each(vault_summaries.terms)), '')`,
    sql`DROP TABLE vault_postings`
  ], (statement) =>
    statement, { discard: true })
