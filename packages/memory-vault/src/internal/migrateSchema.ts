/**
 * The schema and its versions. A step is only ever added; what it did is never changed.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { CipherService } from "../Cipher.ts"
import { ConfigurationError } from "../MemoryVaultError.ts"
import type { CipherError, StorageError } from "../MemoryVaultError.ts"
import { guard } from "./memoryRows.ts"
import { addFacts } from "./migrateFacts.ts"
import { addKeys } from "./migrateKeys.ts"
import { addSummaries, addSummaryVectors } from "./migrateSummaries.ts"
import { moveTerms } from "./migrateTerms.ts"
import { addVectors } from "./migrateVectors.ts"
import { checkSealed, markSealed } from "./scopeKeys.ts"

type Step = (sql: SqlClient.SqlClient) => Effect.Effect<void, SqlError>

/**
 * `vault_scopes.version` is the change counter at the last change of the scope, `removed` that of the last one that
 * took away or rewrote what was there;
 * the counter is never reused, so an index with the same version holds the same memories. `terms` and `memories` are
 * the scope's own statistics.
 */
const createTables: Step = (sql) =>
  Effect.forEach([
    sql`CREATE TABLE vault_scopes (
      id INTEGER PRIMARY KEY,
      tenant TEXT NOT NULL, user TEXT NOT NULL, agent TEXT NOT NULL,
      version INTEGER NOT NULL, removed INTEGER NOT NULL,
      memories INTEGER NOT NULL, terms INTEGER NOT NULL,
      UNIQUE (user, tenant, agent)
    ) STRICT`,
    sql`CREATE TABLE vault_memories (
      doc INTEGER PRIMARY KEY,
      scope INTEGER NOT NULL REFERENCES vault_scopes (id),
      id TEXT NOT NULL UNIQUE,
      digest INTEGER NOT NULL,
      type TEXT NOT NULL,
      text TEXT NOT NULL,
      tokens INTEGER NOT NULL,
      importance REAL NOT NULL,
      occurrences INTEGER NOT NULL,
      source TEXT NOT NULL,
      session TEXT, speaker TEXT, role TEXT, event_time INTEGER, metadata TEXT,
      created_at INTEGER NOT NULL
    ) STRICT`,
    sql`CREATE INDEX vault_memories_by_scope ON vault_memories (scope)`,
    sql`CREATE INDEX vault_memories_by_digest ON vault_memories (scope, digest)`,
    sql`CREATE TABLE vault_postings (
      scope INTEGER NOT NULL,
      doc INTEGER NOT NULL,
      term TEXT NOT NULL,
      frequency INTEGER NOT NULL,
      PRIMARY KEY (scope, doc, term)
    ) WITHOUT ROWID, STRICT`
  ], (statement) =>
    statement, { discard: true })

const addNotes: Step = (sql) =>
  Effect.forEach([
    sql`CREATE TABLE vault_procedures (
      scope INTEGER NOT NULL,
      key TEXT NOT NULL,
      text TEXT NOT NULL,
      version INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      PRIMARY KEY (scope, key)
    ) WITHOUT ROWID, STRICT`,
    sql`CREATE TABLE vault_working (
      scope INTEGER NOT NULL,
      session TEXT NOT NULL,
      key TEXT NOT NULL,
      text TEXT NOT NULL,
      expires_at INTEGER NOT NULL,
      PRIMARY KEY (scope, session, key)
    ) WITHOUT ROWID, STRICT`
  ], (statement) =>
    statement, { discard: true })

const steps: ReadonlyArray<Step> = [
  createTables,
  addFacts,
  addNotes,
  addVectors,
  addSummaries,
  addSummaryVectors,
  moveTerms,
  addKeys
]

/**
 * Brings the database to the newest version, or refuses it when it is newer still, or encrypted otherwise than the cipher
 * says; it is then left as it is. Whether a database is encrypted is settled when its tables are made. Safe among
 * processes: the first statement of the transaction takes the write lock.
 *
 * @since 0.1.0
 */
export const migrateSchema = (
  cipher: Option.Option<CipherService>
): Effect.Effect<void, StorageError | CipherError | ConfigurationError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* guard("migrate")(
      sql`CREATE TABLE IF NOT EXISTS vault_meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT`
    )
    yield* sql.withTransaction(Effect.gen(function*() {
      yield* sql`INSERT INTO vault_meta (key, value) VALUES ('schema', 0), ('change', 0) ON CONFLICT (key) DO NOTHING`
      const rows = yield* sql<{ readonly value: number }>`SELECT value FROM vault_meta WHERE key = 'schema'`
      const found = rows[0]?.value ?? 0
      if (found > steps.length) {
        return yield* new ConfigurationError({ reason: "schema-too-new", found, supported: steps.length })
      }
      if (found > 0) yield* checkSealed(sql, cipher)
      yield* Effect.forEach(steps.slice(found), (step) => step(sql), { discard: true })
      if (found < steps.length) yield* sql`UPDATE vault_meta SET value = ${steps.length} WHERE key = 'schema'`
      if (found === 0) yield* markSealed(sql, cipher)
    })).pipe(guard("migrate"))
  })

/**
 * Fails unless the tables are of exactly the newest version.
 *
 * @since 0.1.0
 */
export const checkSchema = (
  sql: SqlClient.SqlClient
): Effect.Effect<void, StorageError | CipherError | ConfigurationError> =>
  Effect.gen(function*() {
    const tables = yield* guard("verify")(sql`SELECT 1 FROM sqlite_schema WHERE name = 'vault_meta'`)
    const rows = tables.length === 0 ? [] : yield* guard("verify")(
      sql<{ readonly value: number }>`SELECT value FROM vault_meta WHERE key = 'schema'`
    )
    const found = rows[0]?.value ?? 0
    if (found === steps.length) return
    const reason = found > steps.length ? "schema-too-new" : "schema-too-old"
    return yield* new ConfigurationError({ reason, found, supported: steps.length })
  })
