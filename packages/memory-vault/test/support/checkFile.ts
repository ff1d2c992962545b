import { SqlClient } from "@effect/sql"
import { Effect } from "effect"

/** What does not agree between rows, postings and counters, told by plain SQL. */
export const findDisagreements = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const integrity = yield* sql`PRAGMA integrity_check`
  const orphans = yield* sql`SELECT DISTINCT p.doc FROM vault_postings p
    LEFT JOIN vault_memories m ON m.doc = p.doc AND m.scope = p.scope WHERE m.doc IS NULL`
  const unindexed = yield* sql`SELECT doc FROM vault_memories m
    WHERE NOT EXISTS (SELECT 1 FROM vault_postings p WHERE p.doc = m.doc AND p.scope = m.scope)`
  const counters = yield* sql`SELECT s.id FROM vault_scopes s
    WHERE s.memories <> (SELECT count(*) FROM vault_memories m WHERE m.scope = s.id)
      OR s.terms <> (SELECT coalesce(sum(frequency), 0) FROM vault_postings p WHERE p.scope = s.id)`
  const strays = yield* sql`SELECT doc FROM vault_facts WHERE doc NOT IN (SELECT doc FROM vault_memories)
    UNION SELECT doc FROM vault_revisions WHERE doc NOT IN (SELECT doc FROM vault_memories)
    UNION SELECT doc FROM vault_memories WHERE superseded_by NOT IN (SELECT id FROM vault_memories)`
  return { integrity, orphans, unindexed, counters, strays }
})

export const agreement = {
  integrity: [{ integrity_check: "ok" }],
  orphans: [],
  unindexed: [],
  counters: [],
  strays: []
}
