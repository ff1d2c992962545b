/**
 * What is kept by key instead of by content: standing instructions, and notes of one session that expire.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Procedure, WorkingNote } from "../Memory.ts"
import { QuotaExceeded } from "../MemoryVaultError.ts"
import { compareText } from "./compareText.ts"
import { only } from "./memoryRows.ts"
import { readScope } from "./readMemories.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import { opening, placeOf } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"
import { openScope, takeLock } from "./writeMemories.ts"

interface ProcedureRow {
  readonly key: string
  readonly text: string
  readonly version: number
  readonly created_at: number
  readonly updated_at: number
}

/**
 * A key is found by `=`, a text opens only under its key.
 *
 * @since 0.1.0
 */
export const procedurePlaces = (key: string) => ({
  key: placeOf("procedure.key"),
  text: placeOf("procedure.text", key)
})

const notePlaces = (session: string, key: string) => ({
  key: placeOf("note.key", session),
  text: placeOf("note.text", session, key)
})

/** Throws `CipherError`. */
const toProcedure = (sealer: Sealer, row: ProcedureRow): Procedure => {
  const key = sealer.openText(procedurePlaces("").key, row.key)
  return {
    key,
    text: sealer.openText(procedurePlaces(key).text, row.text),
    version: row.version,
    createdAt: DateTime.unsafeMake(row.created_at),
    updatedAt: DateTime.unsafeMake(row.updated_at)
  }
}

/**
 * How many of each a scope may hold.
 *
 * @since 0.1.0
 */
export const noteLimits = { procedures: 256, working: 1_024 } as const

const countRows = (sql: SqlClient, table: "vault_procedures" | "vault_working", scope: number) =>
  Effect.map(
    only(sql<{ readonly used: number }>`SELECT count(*) AS used FROM ${sql(table)} WHERE scope = ${scope}`),
    ({ used }) => used
  )

/**
 * Writes the procedure of a key; the text of the former one is overwritten.
 *
 * @since 0.1.0
 */
export const upsertProcedure = (
  store: Store,
  key: ScopeKey,
  procedure: { readonly key: string; readonly text: string },
  now: number
): Effect.Effect<Procedure, SqlError | QuotaExceeded> =>
  store.sql.withTransaction(Effect.gen(function*() {
    const { keys, sql } = store
    yield* takeLock(sql)
    const scope = yield* openScope(store, key)
    const { id } = scope
    const sealer = yield* keys.ofRow(key, scope)
    const places = procedurePlaces(procedure.key)
    const row = yield* only(
      sql<ProcedureRow>`INSERT INTO vault_procedures (scope, key, text, version, created_at, updated_at)
        VALUES (${id}, ${sealer.sealText(places.key, procedure.key)}, ${
        sealer.sealText(places.text, procedure.text)
      }, 1, ${now}, ${now})
        ON CONFLICT (scope, key) DO UPDATE
          SET text = excluded.text, version = version + 1, updated_at = excluded.updated_at
        RETURNING key, text, version, created_at, updated_at`
    )
    const used = yield* countRows(sql, "vault_procedures", id)
    if (used > noteLimits.procedures) {
      return yield* new QuotaExceeded({ resource: "procedures", limit: noteLimits.procedures })
    }
    return yield* opening(() => toProcedure(sealer, row))
  }))

/** As the statement sorts what is in clear. */
const byChange = (one: Procedure, other: Procedure): number =>
  DateTime.toEpochMillis(other.updatedAt) - DateTime.toEpochMillis(one.updatedAt) || compareText(one.key, other.key)

/**
 * Latest change first.
 *
 * @since 0.1.0
 */
export const readProcedures = (
  { keys, sql }: Store,
  key: ScopeKey
): Effect.Effect<ReadonlyArray<Procedure>, SqlError> =>
  keys.reading(key, (sealer) =>
    Effect.flatMap(
      sql<ProcedureRow>`SELECT key, text, version, created_at, updated_at FROM vault_procedures
      WHERE scope = (SELECT id FROM vault_scopes
        WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent})
      ORDER BY updated_at DESC, key`,
      (rows) =>
        Effect.map(
          opening(() => rows.map((row) => toProcedure(sealer, row))),
          (procedures) => sealer.sealed ? procedures.toSorted(byChange) : procedures
        )
    ))

/**
 * @since 0.1.0
 */
export const deleteProcedure = (
  { keys, sql }: Store,
  key: ScopeKey,
  name: string
): Effect.Effect<boolean, SqlError> =>
  keys.writing(key, (sealer) =>
    Effect.map(
      sql`DELETE FROM vault_procedures WHERE key = ${
        sealer.sealText(procedurePlaces(name).key, name)
      } AND scope = (SELECT id FROM vault_scopes
        WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent}) RETURNING key`,
      (rows) => rows.length > 0
    ))

interface WorkingRow {
  readonly key: string
  readonly text: string
  readonly expires_at: number
}

/** Throws `CipherError`. */
const toNote = (sealer: Sealer, session: string, row: WorkingRow): WorkingNote => {
  const key = sealer.openText(notePlaces(session, "").key, row.key)
  return {
    key,
    text: sealer.openText(notePlaces(session, key).text, row.text),
    expiresAt: DateTime.unsafeMake(row.expires_at)
  }
}

/**
 * Writes the note of a key and removes every note of the scope that has expired.
 *
 * @since 0.1.0
 */
export const setNote = (
  store: Store,
  key: ScopeKey,
  session: string,
  note: { readonly key: string; readonly text: string; readonly expiresAt: number },
  now: number
): Effect.Effect<WorkingNote, SqlError | QuotaExceeded> =>
  store.sql.withTransaction(Effect.gen(function*() {
    const { keys, sql } = store
    yield* takeLock(sql)
    const scope = yield* openScope(store, key)
    const { id } = scope
    const sealer = yield* keys.ofRow(key, scope)
    const places = notePlaces(session, note.key)
    yield* sql`DELETE FROM vault_working WHERE scope = ${id} AND expires_at <= ${now}`
    const row = yield* only(
      sql<WorkingRow>`INSERT INTO vault_working (scope, session, key, text, expires_at)
        VALUES (${id}, ${session}, ${sealer.sealText(places.key, note.key)}, ${
        sealer.sealText(places.text, note.text)
      }, ${note.expiresAt})
        ON CONFLICT (scope, session, key) DO UPDATE SET text = excluded.text, expires_at = excluded.expires_at
        RETURNING key, text, expires_at`
    )
    const used = yield* countRows(sql, "vault_working", id)
    if (used > noteLimits.working) {
      return yield* new QuotaExceeded({ resource: "working notes", limit: noteLimits.working })
    }
    return yield* opening(() => toNote(sealer, session, row))
  }))

/**
 * The notes of a session that have not expired, by key.
 *
 * @since 0.1.0
 */
export const readNotes = (
  { keys, sql }: Store,
  key: ScopeKey,
  session: string,
  now: number
): Effect.Effect<ReadonlyArray<WorkingNote>, SqlError> =>
  keys.reading(key, (sealer) =>
    Effect.flatMap(
      sql<WorkingRow>`SELECT key, text, expires_at FROM vault_working
      WHERE scope = (SELECT id FROM vault_scopes
          WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent})
        AND session = ${session} AND expires_at > ${now}
      ORDER BY key`,
      (rows) =>
        Effect.map(
          opening(() => rows.map((row) => toNote(sealer, session, row))),
          (notes) => sealer.sealed ? notes.toSorted((one, other) => compareText(one.key, other.key)) : notes
        )
    ))

/**
 * @since 0.1.0
 */
export const readNote = (
  store: Store,
  key: ScopeKey,
  session: string,
  name: string,
  now: number
): Effect.Effect<Option.Option<WorkingNote>, SqlError> =>
  Effect.map(
    readNotes(store, key, session, now),
    (notes) => Option.fromNullable(notes.find((note) => note.key === name))
  )

/**
 * Ends a session's notes; how many had not expired.
 *
 * @since 0.1.0
 */
export const clearNotes = (
  sql: SqlClient,
  key: ScopeKey,
  session: string,
  now: number
): Effect.Effect<number, SqlError> =>
  sql.withTransaction(Effect.gen(function*() {
    yield* takeLock(sql)
    const scope = yield* readScope(sql, key)
    if (scope === undefined) return 0
    const rows = yield* sql<{ readonly expires_at: number }>`
      DELETE FROM vault_working WHERE scope = ${scope.id} AND session = ${session} RETURNING expires_at`
    return rows.filter((row) => row.expires_at > now).length
  }))
