/**
 * Schema 2: versions, validity and facts. What is stored already states facts as well, so they are read from its texts.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { extractFacts } from "./extractFacts.ts"
import { clearSealer } from "./sealFields.ts"
import { insertFacts, settleSlots } from "./supersedeFacts.ts"

interface OldRow {
  readonly doc: number
  readonly id: string
  readonly scope: number
  readonly text: string
  readonly speaker: string | null
  readonly role: string | null
}

const pageSize = 500

const readOld = (sql: SqlClient): Stream.Stream<OldRow, SqlError> =>
  Stream.paginateEffect(0, (after) =>
    Effect.map(
      sql<OldRow>`SELECT doc, id, scope, text, speaker, role FROM vault_memories
        WHERE doc > ${after} ORDER BY doc LIMIT ${pageSize}`,
      (rows) => [rows, rows.length < pageSize ? Option.none() : Option.fromNullable(rows.at(-1)?.doc)] as const
    )).pipe(Stream.flattenIterables)

const alterTables = (sql: SqlClient) =>
  Effect.forEach([
    sql`ALTER TABLE vault_memories ADD COLUMN version INTEGER NOT NULL DEFAULT 1`,
    sql`ALTER TABLE vault_memories ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0`,
    sql`ALTER TABLE vault_memories ADD COLUMN valid_from INTEGER NOT NULL DEFAULT 0`,
    // As the saver stated it, and as it came out.
    sql`ALTER TABLE vault_memories ADD COLUMN stated_to INTEGER`,
    sql`ALTER TABLE vault_memories ADD COLUMN valid_to INTEGER`,
    sql`ALTER TABLE vault_memories ADD COLUMN superseded_by TEXT`,
    sql`UPDATE vault_memories SET updated_at = created_at, valid_from = coalesce(event_time, created_at)`,
    sql`CREATE TABLE vault_facts (
      scope INTEGER NOT NULL,
      slot TEXT NOT NULL,
      doc INTEGER NOT NULL,
      value TEXT NOT NULL,
      holds INTEGER NOT NULL,
      whole INTEGER NOT NULL,
      ends INTEGER NOT NULL,
      PRIMARY KEY (scope, slot, doc, value, holds)
    ) WITHOUT ROWID, STRICT`,
    sql`CREATE INDEX vault_facts_by_doc ON vault_facts (doc)`,
    sql`CREATE TABLE vault_revisions (
      scope INTEGER NOT NULL,
      doc INTEGER NOT NULL,
      version INTEGER NOT NULL,
      recorded_at INTEGER NOT NULL,
      text TEXT NOT NULL,
      type TEXT NOT NULL,
      valid_from INTEGER NOT NULL,
      event_time INTEGER,
      metadata TEXT,
      PRIMARY KEY (scope, doc, version)
    ) WITHOUT ROWID, STRICT`
  ], (statement) =>
    statement, { discard: true })

/**
 * @since 0.1.0
 */
export const addFacts = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.gen(function*() {
    yield* alterTables(sql)
    yield* Stream.runForEach(readOld(sql), ({ doc, id, role, scope, speaker, text }) =>
      insertFacts(
        sql,
        clearSealer,
        scope,
        { doc, id },
        extractFacts(text, { role: role ?? undefined, speaker: speaker ?? undefined })
      ))
    const slots = yield* sql<{ readonly scope: number; readonly slot: string }>`
      SELECT scope, slot FROM vault_facts GROUP BY scope, slot HAVING count(*) > 1`
    yield* Effect.forEach(slots, ({ scope, slot }) => settleSlots(sql, clearSealer, scope, [slot]), { discard: true })
  })
