/**
 * Every write. Each is one transaction over rows, postings and counters whose first statement is a write: a deferred
 * transaction that reads first would fail with SQLITE_BUSY_SNAPSHOT as soon as another process writes in between.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Memory, MemoryId } from "../Memory.ts"
import type { IndexedMemory } from "./indexScope.ts"
import { memoryColumns, toIndexed, toMemory } from "./memoryRows.ts"
import type { MemoryRow, ScopeRow } from "./memoryRows.ts"
import type { Draft } from "./prepareMemory.ts"
import { readScope } from "./readMemories.ts"
import type { ScopeKey } from "./scopeKey.ts"

/**
 * A draft with its identifier.
 *
 * @since 0.1.0
 */
export interface NewMemory extends Draft {
  readonly id: MemoryId
  readonly createdAt: DateTime.Utc
  /** Chunks of one save without a session are each other's context. */
  readonly source: string
}

/**
 * @since 0.1.0
 */
interface IndexEntry {
  readonly memory: IndexedMemory
  readonly terms: ReadonlyMap<string, number>
}

/**
 * What a write stored, and the scope's version before and after.
 *
 * @since 0.1.0
 */
export interface Written {
  readonly before: number
  readonly after: number
  /** One for each draft, in order; a merged one has no entry. */
  readonly stored: ReadonlyArray<{ readonly memory: Memory; readonly entry: IndexEntry | undefined }>
}

/** FNV-1a over UTF-16 units: it only narrows the search for an equal text, which is then compared. */
const digestOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

const sum = (terms: ReadonlyMap<string, number>): number => {
  let total = 0
  for (const frequency of terms.values()) total += frequency
  return total
}

const termsJson = (terms: ReadonlyMap<string, number>): string => JSON.stringify([...terms])

const only = <A>(effect: Effect.Effect<ReadonlyArray<A>, SqlError>): Effect.Effect<A, SqlError> =>
  Effect.flatMap(
    effect,
    ([row]) => row === undefined ? Effect.dieMessage("a RETURNING clause gave no row") : Effect.succeed(row)
  )

const takeLock = (sql: SqlClient): Effect.Effect<number, SqlError> =>
  Effect.map(
    only(sql<{ readonly value: number }>`UPDATE vault_meta SET value = value + 1 WHERE key = 'change' RETURNING value`),
    ({ value }) => value
  )

const openScope = (sql: SqlClient, key: ScopeKey): Effect.Effect<ScopeRow, SqlError> =>
  Effect.flatMap(readScope(sql, key), (found) =>
    found === undefined
      ? only(
        sql<ScopeRow>`INSERT INTO vault_scopes (tenant, user, agent, version, removed, memories, terms)
          VALUES (${key.tenant}, ${key.user}, ${key.agent}, 0, 0, 0, 0)
          RETURNING id, version, removed, memories, terms`
      )
      : Effect.succeed(found))

const mergeSame = (sql: SqlClient, scope: number, draft: NewMemory): Effect.Effect<MemoryRow | undefined, SqlError> =>
  Effect.map(
    sql<MemoryRow>`UPDATE vault_memories SET occurrences = occurrences + 1
      WHERE scope = ${scope} AND digest = ${digestOf(draft.text)} AND text = ${draft.text}
        AND speaker IS ${draft.speaker ?? null}
      RETURNING ${sql.literal(memoryColumns)}`,
    ([row]) => row
  )

const insertNew = (sql: SqlClient, scope: number, draft: NewMemory): Effect.Effect<MemoryRow, SqlError> =>
  Effect.tap(
    only(
      sql<MemoryRow>`INSERT INTO vault_memories
        (scope, id, digest, type, text, tokens, importance, occurrences, source, session, speaker, role, event_time,
          metadata, created_at)
        VALUES (${scope}, ${draft.id}, ${digestOf(draft.text)}, ${draft.type}, ${draft.text}, ${draft.tokens},
          ${draft.importance}, 1, ${draft.source}, ${draft.sessionId ?? null}, ${draft.speaker ?? null},
          ${draft.role ?? null}, ${draft.eventTime === undefined ? null : DateTime.toEpochMillis(draft.eventTime)},
          ${draft.metadataJson ?? null}, ${DateTime.toEpochMillis(draft.createdAt)})
        RETURNING ${sql.literal(memoryColumns)}`
    ),
    ({ doc }) =>
      sql`INSERT INTO vault_postings (scope, doc, term, frequency)
        SELECT ${scope}, ${doc}, value ->> 0, value ->> 1 FROM json_each(${termsJson(draft.terms)})`
  )

const storeOne = (
  sql: SqlClient,
  scope: number,
  draft: NewMemory
): Effect.Effect<Written["stored"][number], SqlError> =>
  Effect.gen(function*() {
    const merged = yield* mergeSame(sql, scope, draft)
    if (merged !== undefined) return { memory: yield* toMemory(merged), entry: undefined }
    const row = yield* insertNew(sql, scope, draft)
    const memory = toIndexed({ ...row, source: draft.source, at: row.event_time ?? row.created_at })
    return { memory: yield* toMemory(row), entry: { memory, terms: draft.terms } }
  })

/**
 * Stores the drafts together; a draft whose text the scope already holds from the same speaker is merged.
 *
 * @since 0.1.0
 */
export const insertMemories = (
  sql: SqlClient,
  key: ScopeKey,
  drafts: ReadonlyArray<NewMemory>
): Effect.Effect<Written, SqlError> =>
  sql.withTransaction(Effect.gen(function*() {
    const after = yield* takeLock(sql)
    const scope = yield* openScope(sql, key)
    const stored = yield* Effect.forEach(drafts, (draft) => storeOne(sql, scope.id, draft))
    const added = stored.flatMap(({ entry }) => entry === undefined ? [] : [entry])
    const terms = added.reduce((total, entry) => total + sum(entry.terms), 0)
    yield* sql`UPDATE vault_scopes
      SET version = ${after}, memories = memories + ${added.length}, terms = terms + ${terms}
      WHERE id = ${scope.id}`
    return { before: scope.version, after, stored }
  }))

/**
 * Removes one memory; `false` when the scope has none of this identifier.
 *
 * @since 0.1.0
 */
export const removeMemory = (sql: SqlClient, key: ScopeKey, id: MemoryId): Effect.Effect<boolean, SqlError> =>
  sql.withTransaction(Effect.gen(function*() {
    const after = yield* takeLock(sql)
    const scope = yield* readScope(sql, key)
    if (scope === undefined) return false
    const [row] = yield* sql<{ readonly doc: number }>`
      DELETE FROM vault_memories WHERE scope = ${scope.id} AND id = ${id} RETURNING doc`
    if (row === undefined) return false
    const postings = yield* sql<{ readonly frequency: number }>`
      DELETE FROM vault_postings WHERE scope = ${scope.id} AND doc = ${row.doc} RETURNING frequency`
    const terms = postings.reduce((total, { frequency }) => total + frequency, 0)
    yield* sql`UPDATE vault_scopes
      SET version = ${after}, removed = ${after}, memories = memories - 1, terms = terms - ${terms}
      WHERE id = ${scope.id}`
    return true
  }))

/**
 * Removes the scope itself and everything in it.
 *
 * @since 0.1.0
 */
export const removeScope = (
  sql: SqlClient,
  key: ScopeKey
): Effect.Effect<{ readonly memories: number; readonly postings: number }, SqlError> =>
  sql.withTransaction(Effect.gen(function*() {
    yield* takeLock(sql)
    const scope = yield* readScope(sql, key)
    if (scope === undefined) return { memories: 0, postings: 0 }
    const [postings] = yield* sql<{ readonly count: number }>`
      SELECT count(*) AS count FROM vault_postings WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_postings WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_memories WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_scopes WHERE id = ${scope.id}`
    return { memories: scope.memories, postings: postings?.count ?? 0 }
  }))

const truncateSchedule = Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(60))

/**
 * Moves the write-ahead log into the database and empties it, waiting about three seconds for readers of other
 * processes; says whether the log is empty.
 *
 * @since 0.1.0
 */
export const truncateLog = (sql: SqlClient): Effect.Effect<boolean, SqlError> =>
  sql<{ readonly busy: number }>`PRAGMA wal_checkpoint(TRUNCATE)`.pipe(
    Effect.filterOrFail(([row]) => row?.busy === 0, () => "being read" as const),
    Effect.as(true),
    Effect.retry({ schedule: truncateSchedule, while: (error) => error === "being read" }),
    Effect.catchAll((error) => error === "being read" ? Effect.succeed(false) : Effect.fail(error))
  )
