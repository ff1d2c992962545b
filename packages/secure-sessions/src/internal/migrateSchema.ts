/**
 * The tables, versioned.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { ConfigurationError } from "../SecureSessionsError.ts"
import { run, transact } from "./runSql.ts"

/** Blobs are envelopes, except for key ids, commitments, wrapped keys, key indexes and MACs. Times are epoch milliseconds. */
const migrations: ReadonlyArray<ReadonlyArray<string>> = [[
  `CREATE TABLE session_keys (
    kid BLOB NOT NULL PRIMARY KEY,
    app TEXT NOT NULL,
    user_id TEXT NOT NULL,
    kek_id TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    commitment BLOB NOT NULL,
    seals INTEGER NOT NULL,
    create_time INTEGER NOT NULL
  )`,
  "CREATE UNIQUE INDEX session_keys_scope ON session_keys (app, user_id)",
  `CREATE TABLE sessions (
    app TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    event_count INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    metadata BLOB NOT NULL,
    PRIMARY KEY (app, user_id, session_id)
  )`,
  "CREATE INDEX sessions_newest_of_app ON sessions (app, create_time, user_id, session_id)",
  "CREATE INDEX sessions_newest_of_user ON sessions (app, user_id, create_time, session_id)",
  `CREATE TABLE session_state (
    app TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    key_index BLOB NOT NULL,
    stamp INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (app, user_id, session_id, key_index)
  )`,
  `CREATE TABLE session_events (
    app TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    time INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (app, user_id, session_id, sequence),
    UNIQUE (app, user_id, session_id, event_id)
  )`
], [
  `CREATE TABLE session_secrets (
    app TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    key_index BLOB NOT NULL,
    stamp INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (app, user_id, session_id, key_index)
  )`
], [
  "ALTER TABLE sessions ADD COLUMN chained INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE sessions ADD COLUMN link BLOB NOT NULL DEFAULT x''",
  "ALTER TABLE sessions ADD COLUMN head BLOB NOT NULL DEFAULT x''",
  "ALTER TABLE session_events ADD COLUMN link BLOB NOT NULL DEFAULT x''"
], ["ALTER TABLE session_keys ADD COLUMN shredded_time INTEGER"]]

interface VersionRow {
  readonly version: number
}

/** The version of the tables that are there, 0 without any; refuses those of a newer package. Writes nothing. */
const readVersion = Effect.fnUntraced(function*(sql: SqlClient.SqlClient) {
  const tables = yield* run(
    "migrate",
    sql.onDialectOrElse({
      sqlite: () =>
        sql<{ name: string }>`SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'session_schema'`,
      orElse: () => Effect.succeed(undefined)
    })
  )
  if (tables === undefined) {
    return yield* new ConfigurationError({
      reason: "UnsupportedDatabase",
      detail: "sessions are stored in SQLite; this SQL client speaks another dialect"
    })
  }
  if (tables.length === 0) return 0
  const rows = yield* run("migrate", sql<VersionRow>`SELECT version FROM session_schema WHERE id = 1`)
  return yield* refuseNewer(rows[0]?.version ?? 0)
})

const refuseNewer = (version: number): Effect.Effect<number, ConfigurationError> =>
  version <= migrations.length
    ? Effect.succeed(version)
    : new ConfigurationError({
      reason: "NewerSchema",
      detail: `the tables are of version ${version}, this package knows ${migrations.length}; nothing was changed`
    })

/**
 * Whether there are tables to check a key against. Writes nothing.
 *
 * @internal
 */
export const hasTables = (sql: SqlClient.SqlClient) => Effect.map(readVersion(sql), (version) => version > 0)

/**
 * Brings the tables to the current version, in one transaction; does not write when they are.
 *
 * @internal
 */
export const migrate = Effect.fn("SessionStore.migrate")(function*(sql: SqlClient.SqlClient) {
  if ((yield* readVersion(sql)) === migrations.length) return
  yield* transact(
    sql,
    "migrate",
    Effect.gen(function*() {
      yield* run(
        "migrate",
        sql`CREATE TABLE IF NOT EXISTS session_schema (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL)`
      )
      const rows = yield* run(
        "migrate",
        sql<VersionRow>`INSERT INTO session_schema (id, version) VALUES (1, 0)
          ON CONFLICT (id) DO UPDATE SET version = version RETURNING version`
      )
      const version = yield* refuseNewer(rows[0]?.version ?? 0)
      yield* Effect.forEach(migrations.slice(version).flat(), (statement) => run("migrate", sql.unsafe(statement)))
      yield* run("migrate", sql`UPDATE session_schema SET version = ${migrations.length} WHERE id = 1`)
    })
  )
})
