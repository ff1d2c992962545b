/**
 * Every read. Each statement names the scope.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Memory, MemoryId, MemoryType, ScopeStats } from "../Memory.ts"
import { fromBlob } from "./embedTexts.ts"
import type { IndexedMemory } from "./indexScope.ts"
import { memoryColumns, memoryPlaces, openOrNull, toIndexed, toMemory } from "./memoryRows.ts"
import type { IndexRow, MemoryRow, ScopeRow } from "./memoryRows.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import { opening } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"
import { openTerms } from "./storedTerms.ts"

/**
 * A filter whose times are epoch milliseconds: `from` inclusive, `until` exclusive.
 *
 * @since 0.1.0
 */
export interface RowFilter {
  readonly types: ReadonlyArray<MemoryType> | undefined
  readonly sessionId: string | undefined
  readonly from: number
  readonly until: number
}

const typesJson = (types: ReadonlyArray<MemoryType>): string => JSON.stringify(types)
const docsJson = (docs: ReadonlyArray<number>): string => JSON.stringify(docs)

/**
 * The scope's counters; absent while it never held anything.
 *
 * @since 0.1.0
 */
export const readScope = (sql: SqlClient, key: ScopeKey): Effect.Effect<ScopeRow | undefined, SqlError> =>
  Effect.map(
    sql<ScopeRow>`SELECT id, version, removed, memories, terms, embedder,
        EXISTS (SELECT 1 FROM vault_procedures p WHERE p.scope = vault_scopes.id) AS procedures,
        EXISTS (SELECT 1 FROM vault_summaries s WHERE s.scope = vault_scopes.id) AS summaries,
        (SELECT k.wrapped FROM vault_keys k WHERE k.scope = vault_scopes.id) AS wrapped
      FROM vault_scopes
      WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent}`,
    ([row]) => row
  )

/**
 * Index entries that came after a given one, as of one version.
 *
 * @since 0.1.0
 */
export interface IndexRows {
  readonly scope: ScopeRow | undefined
  readonly memories: ReadonlyArray<{
    readonly memory: IndexedMemory
    readonly terms: ReadonlyArray<readonly [term: string, frequency: number]>
    readonly vector: Int8Array | undefined
  }>
}

interface StoredIndexRow extends IndexRow {
  readonly id: string
  readonly vector: Uint8Array | null
  readonly terms: string
}

const openIndexRow = (sealer: Sealer) => (row: StoredIndexRow) => {
  const places = memoryPlaces(row.id)
  return Either.flatMap(openTerms(sealer, places.terms, row.terms), (terms) =>
    opening(() => ({
      memory: toIndexed({ ...row, speaker: openOrNull(sealer, places.speaker, row.speaker) }),
      terms,
      vector: row.vector === null ? undefined : fromBlob(sealer.openBytes(places.vector, row.vector))
    })))
}

/**
 * One snapshot of the entries after `after`, ordered by place.
 *
 * @since 0.1.0
 */
export const readIndex = (
  { keys, sql }: Store,
  key: ScopeKey,
  after: number
): Effect.Effect<IndexRows, SqlError> =>
  sql.withTransaction(Effect.gen(function*() {
    const scope = yield* readScope(sql, key)
    if (scope === undefined) return { scope, memories: [] }
    const sealer = yield* keys.ofRow(key, scope)
    const rows = yield* sql<StoredIndexRow>`
      SELECT doc, id, type, source, session, speaker, coalesce(event_time, created_at) AS at, importance, asks, valid_from,
        valid_to, terms, CASE WHEN embedder = ${scope.embedder} THEN vector END AS vector
      FROM vault_memories WHERE scope = ${scope.id} AND doc > ${after} ORDER BY doc`
    return { scope, memories: yield* Either.all(rows.map(openIndexRow(sealer))) }
  }))

/**
 * The memories in these places, by place. One that went away meanwhile is absent.
 *
 * @since 0.1.0
 */
export const readMemories = (
  { keys, sql }: Store,
  scope: number,
  docs: ReadonlyArray<number>
): Effect.Effect<ReadonlyMap<number, Memory>, SqlError> =>
  keys.reading(scope, (sealer) =>
    Effect.flatMap(
      sql<MemoryRow>`SELECT ${sql.literal(memoryColumns)} FROM vault_memories
      WHERE doc IN (SELECT value FROM json_each(${docsJson(docs)})) AND +scope = ${scope}`,
      (rows) =>
        Either.map(
          Either.all(rows.map(toMemory(sealer))),
          (memories) => new Map(memories.map((memory, i) => [rows[i]?.doc ?? 0, memory]))
        )
    ))

/**
 * @since 0.1.0
 */
export const readMemory = (
  { keys, sql }: Store,
  key: ScopeKey,
  id: MemoryId
): Effect.Effect<Option.Option<Memory>, SqlError> =>
  keys.reading(key, (sealer) =>
    Effect.flatMap(
      sql<MemoryRow>`SELECT ${sql.literal(memoryColumns)} FROM vault_memories
      WHERE id = ${id} AND +scope = (SELECT id FROM vault_scopes
        WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent})`,
      ([row]) => row === undefined ? Either.right(Option.none()) : Either.map(toMemory(sealer)(row), Option.some)
    ))

/**
 * A page of memories before a place, newest first, and the place where the next page begins.
 *
 * @since 0.1.0
 */
export const readPage = (
  { keys, sql }: Store,
  key: ScopeKey,
  filter: RowFilter,
  page: { readonly before: number; readonly size: number }
): Effect.Effect<readonly [ReadonlyArray<Memory>, Option.Option<number>], SqlError> =>
  keys.reading(key, (sealer) =>
    Effect.flatMap(
      sql<MemoryRow>`SELECT ${sql.literal(memoryColumns)} FROM vault_memories
      WHERE scope = (SELECT id FROM vault_scopes
          WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent})
        AND doc < ${page.before}
        ${
        filter.types === undefined ? sql`` : sql`AND type IN (SELECT value FROM json_each(${typesJson(filter.types)}))`
      }
        ${filter.sessionId === undefined ? sql`` : sql`AND session = ${filter.sessionId}`}
        AND coalesce(event_time, created_at) >= ${filter.from} AND coalesce(event_time, created_at) < ${filter.until}
      ORDER BY doc DESC LIMIT ${page.size}`,
      (rows) =>
        Either.map(
          Either.all(rows.map(toMemory(sealer))),
          (memories) => [memories, rows.length < page.size ? Option.none() : Option.fromNullable(rows.at(-1)?.doc)]
        )
    ))

const countRows = (sql: SqlClient, key: ScopeKey): Effect.Effect<ScopeStats, SqlError> =>
  Effect.map(
    sql<ScopeStats>`WITH own AS (SELECT id FROM vault_scopes
        WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent})
      SELECT count(*) AS memories, count(superseded_by) AS superseded, count(DISTINCT session) AS sessions,
        (SELECT count(*) FROM vault_procedures WHERE scope IN own) AS procedures,
        (SELECT count(*) FROM vault_working WHERE scope IN own) AS notes,
        (SELECT count(*) FROM vault_summaries WHERE scope IN own) AS summaries,
        coalesce(sum(length(text)), 0) AS characters
      FROM vault_memories WHERE scope IN own`,
    ([row]) => row ?? { memories: 0, superseded: 0, sessions: 0, procedures: 0, notes: 0, summaries: 0, characters: 0 }
  )

/** A sealed text does not tell how long it is to the character. */
const countCharacters = (sql: SqlClient, sealer: Sealer, key: ScopeKey): Effect.Effect<number, SqlError> =>
  Effect.flatMap(
    sql<{ readonly id: string; readonly text: string }>`SELECT id, text FROM vault_memories
      WHERE scope = (SELECT id FROM vault_scopes
        WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent})`,
    (rows) =>
      opening(() => {
        let total = 0
        for (const { id, text } of rows) total += Array.from(sealer.openText(memoryPlaces(id).text, text)).length
        return total
      })
  )

/**
 * @since 0.1.0
 */
export const readStats = ({ keys, sql }: Store, key: ScopeKey): Effect.Effect<ScopeStats, SqlError> =>
  keys.reading(key, (sealer) =>
    sealer.sealed
      ? Effect.zipWith(
        countRows(sql, key),
        countCharacters(sql, sealer, key),
        (stats, characters) => ({ ...stats, characters })
      )
      : countRows(sql, key))
