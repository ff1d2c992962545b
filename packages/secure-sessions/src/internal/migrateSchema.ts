/**
 * The tables, versioned.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { ConfigurationError } from "../SecureSessionsError.ts"
import { run, transact } from "./runSql.ts"

/** How a dialect spells the types. Ids compare by their bytes everywhere; every integer fits 53 bits. */
interface Types {
  readonly text: string
  readonly integer: string
  readonly bytes: string
  readonly noBytes: string
}

const sqliteTypes: Types = { text: "TEXT", integer: "INTEGER", bytes: "BLOB", noBytes: "x''" }

const pgTypes: Types = { text: "TEXT COLLATE \"C\"", integer: "BIGINT", bytes: "BYTEA", noBytes: "''" }

/** Bytes are envelopes, except for key ids, commitments, wrapped keys, key indexes and MACs. Times are epoch milliseconds. */
const migrationsOf = ({ bytes, integer, noBytes, text }: Types): ReadonlyArray<ReadonlyArray<string>> => [[
  `CREATE TABLE session_keys (
    kid ${bytes} NOT NULL PRIMARY KEY,
    app ${text} NOT NULL,
    user_id ${text} NOT NULL,
    kek_id ${text} NOT NULL,
    wrapped ${bytes} NOT NULL,
    commitment ${bytes} NOT NULL,
    seals ${integer} NOT NULL,
    create_time ${integer} NOT NULL
  )`,
  "CREATE UNIQUE INDEX session_keys_scope ON session_keys (app, user_id)",
  `CREATE TABLE sessions (
    app ${text} NOT NULL,
    user_id ${text} NOT NULL,
    session_id ${text} NOT NULL,
    revision ${integer} NOT NULL,
    event_count ${integer} NOT NULL,
    create_time ${integer} NOT NULL,
    update_time ${integer} NOT NULL,
    metadata ${bytes} NOT NULL,
    PRIMARY KEY (app, user_id, session_id)
  )`,
  "CREATE INDEX sessions_newest_of_app ON sessions (app, create_time, user_id, session_id)",
  "CREATE INDEX sessions_newest_of_user ON sessions (app, user_id, create_time, session_id)",
  `CREATE TABLE session_state (
    app ${text} NOT NULL,
    user_id ${text} NOT NULL,
    session_id ${text} NOT NULL,
    key_index ${bytes} NOT NULL,
    stamp ${integer} NOT NULL,
    value ${bytes} NOT NULL,
    PRIMARY KEY (app, user_id, session_id, key_index)
  )`,
  `CREATE TABLE session_events (
    app ${text} NOT NULL,
    user_id ${text} NOT NULL,
    session_id ${text} NOT NULL,
    sequence ${integer} NOT NULL,
    event_id ${text} NOT NULL,
    time ${integer} NOT NULL,
    body ${bytes} NOT NULL,
    PRIMARY KEY (app, user_id, session_id, sequence),
    UNIQUE (app, user_id, session_id, event_id)
  )`
], [
  `CREATE TABLE session_secrets (
    app ${text} NOT NULL,
    user_id ${text} NOT NULL,
    session_id ${text} NOT NULL,
    key_index ${bytes} NOT NULL,
    stamp ${integer} NOT NULL,
    value ${bytes} NOT NULL,
    PRIMARY KEY (app, user_id, session_id, key_index)
  )`
], [
  `ALTER TABLE sessions ADD COLUMN chained ${integer} NOT NULL DEFAULT 0`,
  `ALTER TABLE sessions ADD COLUMN link ${bytes} NOT NULL DEFAULT ${noBytes}`,
  `ALTER TABLE sessions ADD COLUMN head ${bytes} NOT NULL DEFAULT ${noBytes}`,
  `ALTER TABLE session_events ADD COLUMN link ${bytes} NOT NULL DEFAULT ${noBytes}`
], [
  `ALTER TABLE session_keys ADD COLUMN shredded_time ${integer}`
], [
  `ALTER TABLE session_keys ADD COLUMN retired_time ${integer}`,
  `ALTER TABLE session_keys ADD COLUMN carried ${bytes} NOT NULL DEFAULT ${noBytes}`,
  "DROP INDEX session_keys_scope",
  "CREATE INDEX session_keys_owner ON session_keys (app, user_id)",
  "CREATE UNIQUE INDEX session_keys_active ON session_keys (app, user_id) WHERE retired_time IS NULL"
]]

const latest = migrationsOf(sqliteTypes).length

interface VersionRow {
  readonly version: number
}

const unsupported = new ConfigurationError({
  reason: "UnsupportedDatabase",
  detail: "sessions are stored in SQLite or PostgreSQL; this SQL client speaks another dialect"
})

/** Asks for the table of versions; in PostgreSQL for the one that a name without a schema means. */
const findTable = (sql: SqlClient.SqlClient) =>
  sql.onDialectOrElse({
    sqlite: () => sql`SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'session_schema'`,
    pg: () => sql`SELECT 1 AS name WHERE to_regclass('session_schema') IS NOT NULL`,
    orElse: () => undefined
  })

/** The version of the tables that are there, 0 without any; refuses those of a newer package. Writes nothing. */
const readVersion = Effect.fnUntraced(function*(sql: SqlClient.SqlClient) {
  const find = findTable(sql)
  if (find === undefined) return yield* unsupported
  const tables = yield* run("migrate", find)
  if (tables.length === 0) return 0
  const rows = yield* run("migrate", sql<VersionRow>`SELECT version FROM session_schema WHERE id = 1`)
  return yield* refuseNewer(rows[0]?.version ?? 0)
})

const refuseNewer = (version: number): Effect.Effect<number, ConfigurationError> =>
  version <= latest
    ? Effect.succeed(version)
    : new ConfigurationError({
      reason: "NewerSchema",
      detail: `the tables are of version ${version}, this package knows ${latest}; nothing was changed`
    })

/**
 * Whether there are tables to check a key against. Writes nothing.
 *
 * @internal
 */
export const hasTables = (sql: SqlClient.SqlClient) => Effect.map(readVersion(sql), (version) => version > 0)

/** In PostgreSQL, two that make the same table at once would both begin; a lock until the commit keeps one waiting. */
const lockSchema = (sql: SqlClient.SqlClient) =>
  sql.onDialectOrElse({
    pg: () => Effect.asVoid(run("migrate", sql`SELECT pg_advisory_xact_lock(hashtext('sennit session_schema'))`)),
    orElse: () => Effect.void
  })

/**
 * Brings the tables to the current version, in one transaction; does not write when they are.
 *
 * @internal
 */
export const migrate = Effect.fn("SessionStore.migrate")(function*(sql: SqlClient.SqlClient) {
  if ((yield* readVersion(sql)) === latest) return
  const migrations = sql.onDialectOrElse({
    pg: () => migrationsOf(pgTypes),
    orElse: () => migrationsOf(sqliteTypes)
  })
  yield* transact(
    sql,
    "migrate",
    Effect.gen(function*() {
      yield* lockSchema(sql)
      yield* run(
        "migrate",
        sql`CREATE TABLE IF NOT EXISTS session_schema (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL)`
      )
      const rows = yield* run(
        "migrate",
        sql<VersionRow>`INSERT INTO session_schema (id, version) VALUES (1, 0)
          ON CONFLICT (id) DO UPDATE SET version = session_schema.version RETURNING version`
      )
      const version = yield* refuseNewer(rows[0]?.version ?? 0)
      yield* Effect.forEach(migrations.slice(version).flat(), (statement) => run("migrate", sql.unsafe(statement)))
      yield* run("migrate", sql`UPDATE session_schema SET version = ${latest} WHERE id = 1`)
    })
  )
})
