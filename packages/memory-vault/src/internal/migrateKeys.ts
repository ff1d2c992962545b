/**
 * Schema 8: keys of scopes.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"

/**
 * A database that has the key of scope 0 is encrypted, and stays so.
 *
 * @since 0.1.0
 */
export const addKeys = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.asVoid(sql`CREATE TABLE vault_keys (scope INTEGER PRIMARY KEY, wrapped BLOB NOT NULL) STRICT`)
