/**
 * Keys of saves that may be repeated, summaries of sessions, and the jobs that write them.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"

/** A row for each chunk of the save; `doc` is null once the memory was forgotten, so that a late repeat stays without effect. */
const createSaveKeys = (sql: SqlClient) => [
  sql`CREATE TABLE vault_save_keys (
    scope INTEGER NOT NULL,
    key TEXT NOT NULL,
    place INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    doc INTEGER,
    PRIMARY KEY (scope, key, place)
  ) WITHOUT ROWID, STRICT`,
  sql`CREATE INDEX vault_save_keys_by_doc ON vault_save_keys (doc)`
]

/**
 * `vault_compressed.memories` is how many memories the summaries of the session are made from; `vault_summaries.terms`
 * its index terms as JSON, `change` the number of the write. A source is `quoted` where its whole text is in the summary.
 */
const createSummaries = (sql: SqlClient) => [
  sql`CREATE INDEX vault_memories_by_session ON vault_memories (scope, session) WHERE session IS NOT NULL`,
  sql`CREATE TABLE vault_compressed (
    scope INTEGER NOT NULL,
    session TEXT NOT NULL,
    ratio REAL NOT NULL,
    compressor TEXT NOT NULL,
    memories INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    PRIMARY KEY (scope, session)
  ) WITHOUT ROWID, STRICT`,
  sql`CREATE INDEX vault_compressed_stale ON vault_compressed (scope, session) WHERE stale = 1`,
  sql`CREATE TABLE vault_summaries (
    doc INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL,
    text TEXT NOT NULL,
    terms TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    source_tokens INTEGER NOT NULL,
    at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    change INTEGER NOT NULL
  ) STRICT`,
  sql`CREATE INDEX vault_summaries_by_session ON vault_summaries (scope, session)`,
  sql`CREATE TABLE vault_summary_sources (
    summary INTEGER NOT NULL,
    source INTEGER NOT NULL,
    quoted INTEGER NOT NULL,
    PRIMARY KEY (summary, source)
  ) WITHOUT ROWID, STRICT`,
  sql`CREATE INDEX vault_summary_sources_by_source ON vault_summary_sources (source)`
]

const createJobs = (sql: SqlClient) => [
  sql`CREATE TABLE vault_jobs (
    id TEXT PRIMARY KEY,
    scope INTEGER NOT NULL,
    state TEXT NOT NULL,
    sessions TEXT,
    ratio REAL NOT NULL,
    dry INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER,
    total INTEGER,
    done INTEGER NOT NULL,
    summaries INTEGER NOT NULL,
    tokens_before INTEGER NOT NULL,
    tokens_after INTEGER NOT NULL,
    error TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT`,
  sql`CREATE INDEX vault_jobs_by_scope ON vault_jobs (scope)`,
  sql`CREATE INDEX vault_jobs_open ON vault_jobs (created_at) WHERE state IN ('queued', 'running')`
]

/**
 * Whatever removes, rewrites or ends a memory takes the summaries of its session with it in the same transaction: a
 * trigger is the one place that no write can pass by. The session is marked, and a job writes its summaries anew.
 */
const createTriggers = (sql: SqlClient) => {
  const dropSummaries = sql.literal(`
    DELETE FROM vault_summary_sources WHERE summary IN
      (SELECT doc FROM vault_summaries WHERE scope = OLD.scope AND session = OLD.session);
    DELETE FROM vault_summaries WHERE scope = OLD.scope AND session = OLD.session;
    UPDATE vault_compressed SET stale = 1 WHERE scope = OLD.scope AND session = OLD.session;`)
  const isSource = sql.literal(`EXISTS (SELECT 1 FROM vault_summary_sources WHERE source = OLD.doc)`)
  return [
    sql`CREATE TRIGGER vault_memories_deleted AFTER DELETE ON vault_memories WHEN ${isSource}
      BEGIN ${dropSummaries} END`,
    sql`CREATE TRIGGER vault_memories_changed AFTER UPDATE OF text, valid_to ON vault_memories
      WHEN (OLD.text IS NOT NEW.text OR OLD.valid_to IS NOT NEW.valid_to) AND ${isSource}
      BEGIN ${dropSummaries} END`,
    sql`CREATE TRIGGER vault_memories_unkeyed AFTER DELETE ON vault_memories
      BEGIN UPDATE vault_save_keys SET doc = NULL WHERE doc = OLD.doc; END`
  ]
}

/**
 * @since 0.1.0
 */
export const addSummaries = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.forEach(
    [...createSaveKeys(sql), ...createSummaries(sql), ...createJobs(sql), ...createTriggers(sql)],
    (statement) => statement,
    { discard: true }
  )

/**
 * Summaries have vectors as memories do; those written before get theirs when they are compressed again.
 *
 * @since 0.1.0
 */
export const addSummaryVectors = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.forEach([
    sql`ALTER TABLE vault_summaries ADD COLUMN embedder INTEGER`,
    sql`ALTER TABLE vault_summaries ADD COLUMN vector BLOB`
  ], (statement) =>
    statement, { discard: true })
