/**
 * Every write. Each is one transaction over rows and counters whose first statement is a write: a deferred
 * transaction that reads first would fail with SQLITE_BUSY_SNAPSHOT as soon as another process writes in between.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { ErasureReceipt, Memory, MemoryId } from "../Memory.ts"
import { IngestionError, QuotaExceeded } from "../MemoryVaultError.ts"
import type { CipherError, EmbedderMismatch, StorageError } from "../MemoryVaultError.ts"
import { checkEmbedder } from "./embedMemories.ts"
import type { VaultEmbedder } from "./embedMemories.ts"
import { toBlob } from "./embedTexts.ts"
import type { IndexedMemory } from "./indexScope.ts"
import { guard, memoryColumns, memoryPlaces, only, sealOrNull, toIndexed, toMemory } from "./memoryRows.ts"
import type { MemoryRow, ScopeRow } from "./memoryRows.ts"
import type { Draft } from "./prepareMemory.ts"
import { readScope } from "./readMemories.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import { clearSealer, opening, placeOf } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"
import { openTerms, sealTerms, sumOf } from "./storedTerms.ts"
import { deleteSummaries } from "./summaryRows.ts"
import { deleteFacts, insertFacts, settleSlots } from "./supersedeFacts.ts"
import type { Validity } from "./supersedeFacts.ts"

/**
 * A draft with its identifier.
 *
 * @since 0.1.0
 */
export interface NewMemory extends Draft {
  readonly id: MemoryId
  readonly createdAt: DateTime.Utc
  /** Of the vault's embedder. */
  readonly vector: Int8Array
  /** Chunks of one save without a session are each other's context. */
  readonly source: string
  /** The idempotency key of its save, and which chunk of it this is. */
  readonly saveKey?: { readonly key: string; readonly place: number }
  /** Of an imported memory; a new one has the first of each. */
  readonly occurrences?: number
  readonly version?: number
  readonly updatedAt?: DateTime.Utc
}

/**
 * @since 0.1.0
 */
interface IndexEntry {
  readonly memory: IndexedMemory
  readonly terms: ReadonlyMap<string, number>
  readonly vector: Int8Array
}

/**
 * What became of a draft: a new memory with its entry, one that was merged, or one of a save that was repeated, whose
 * memory may be gone.
 */
interface Stored {
  readonly memory: Memory | undefined
  readonly entry: IndexEntry | undefined
  readonly repeated: boolean
}

/**
 * What a write stored, and the scope's version before and after.
 *
 * @since 0.1.0
 */
export interface Written {
  readonly before: number
  readonly after: number
  /** One for each draft, in order. */
  readonly stored: ReadonlyArray<Stored>
  /** Memories that hold until another time than before. */
  readonly settled: ReadonlyArray<Validity>
}

const toMillisOrNull = (time: DateTime.Utc | undefined): number | null =>
  time === undefined ? null : DateTime.toEpochMillis(time)

/**
 * The first statement of every write: it takes the lock and gives the write its number.
 *
 * @since 0.1.0
 */
export const takeLock = (sql: SqlClient): Effect.Effect<number, SqlError> =>
  Effect.map(
    only(sql<{ readonly value: number }>`UPDATE vault_meta SET value = value + 1 WHERE key = 'change' RETURNING value`),
    ({ value }) => value
  )

/**
 * The row of a scope, which is made where absent.
 *
 * @since 0.1.0
 */
export const openScope = ({ keys, sql }: Store, key: ScopeKey): Effect.Effect<ScopeRow, SqlError> =>
  Effect.flatMap(readScope(sql, key), (found) =>
    found === undefined
      ? Effect.flatMap(
        only(sql<ScopeRow>`INSERT INTO vault_scopes (tenant, user, agent, version, removed, memories, terms)
          VALUES (${key.tenant}, ${key.user}, ${key.agent}, 0, 0, 0, 0)
          RETURNING id, version, removed, memories, terms, embedder, 0 AS procedures, 0 AS summaries,
            NULL AS wrapped`),
        (row) => Effect.map(keys.add(row.id, key), (wrapped): ScopeRow => ({ ...row, wrapped }))
      )
      : Effect.succeed(found))

/**
 * Narrows to the memories that have this text and speaker; `undefined` where there are none for sure. Sealed texts of two
 * memories never are equal, so they are opened.
 *
 * @since 0.1.0
 */
export const whereSaid = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  { speaker = null, text }: { readonly text: string; readonly speaker?: string | null | undefined }
) => {
  const digest = sealer.digest(text)
  if (!sealer.sealed) {
    return Effect.succeed(sql`scope = ${scope} AND digest = ${digest} AND text = ${text} AND speaker IS ${speaker}`)
  }
  const rows = sql<Pick<MemoryRow, "doc" | "id" | "text" | "speaker">>`
    SELECT doc, id, text, speaker FROM vault_memories WHERE scope = ${scope} AND digest = ${digest}`
  return Effect.flatMap(rows, (found) =>
    opening(() => {
      const same = found.filter((row) => {
        const places = memoryPlaces(row.id)
        const said = row.speaker === null ? null : sealer.openText(places.speaker, row.speaker)
        return sealer.openText(places.text, row.text) === text && said === speaker
      })
      return same.length === 0
        ? undefined
        : sql`doc IN (SELECT value FROM json_each(${JSON.stringify(same.map(({ doc }) => doc))}))`
    }))
}

/** What held once and does not now is said anew, not again; so is a fact of another time, for the order of facts. */
const mergeSame = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  draft: NewMemory
): Effect.Effect<MemoryRow | undefined, SqlError> =>
  draft.validTo !== undefined ? Effect.succeed(undefined) : Effect.gen(function*() {
    const said = yield* whereSaid(sql, sealer, scope, draft)
    if (said === undefined) return undefined
    const [row] = yield* sql<MemoryRow>`UPDATE vault_memories SET occurrences = occurrences + 1
      WHERE ${said} AND valid_to IS NULL
        AND (${Number(draft.facts.length === 0)} OR event_time IS ${toMillisOrNull(draft.eventTime)})
      RETURNING ${sql.literal(memoryColumns)}`
    return row
  })

/**
 * The row and its facts.
 *
 * @since 0.1.0
 */
export const insertNew = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  embedder: number,
  draft: NewMemory
): Effect.Effect<MemoryRow, SqlError> => {
  const places = memoryPlaces(draft.id)
  return Effect.tap(
    only(
      sql<MemoryRow>`INSERT INTO vault_memories
        (scope, id, digest, type, text, tokens, importance, occurrences, source, session, speaker, role, event_time,
          metadata, created_at, version, updated_at, valid_from, stated_to, valid_to, asks, terms, embedder, vector)
        VALUES (${scope}, ${draft.id}, ${sealer.digest(draft.text)}, ${draft.type}, ${
        sealer.sealText(places.text, draft.text)
      }, ${draft.tokens},
          ${draft.importance}, ${draft.occurrences ?? 1}, ${draft.source}, ${draft.sessionId ?? null}, ${
        sealOrNull(sealer, places.speaker, draft.speaker)
      },
          ${sealOrNull(sealer, places.role, draft.role)}, ${toMillisOrNull(draft.eventTime)},
          ${sealOrNull(sealer, places.metadata, draft.metadataJson)}, ${DateTime.toEpochMillis(draft.createdAt)},
          ${draft.version ?? 1}, ${DateTime.toEpochMillis(draft.updatedAt ?? draft.createdAt)}, ${
        DateTime.toEpochMillis(draft.validFrom ?? draft.createdAt)
      },
          ${toMillisOrNull(draft.validTo)}, ${toMillisOrNull(draft.validTo)}, ${draft.asks}, ${
        sealTerms(sealer, places.terms, draft.terms)
      }, ${embedder},
          ${sealer.sealBytes(places.vector, toBlob(draft.vector))})
        RETURNING ${sql.literal(memoryColumns)}`
    ),
    ({ doc }) => insertFacts(sql, sealer, scope, { doc, id: draft.id }, draft.facts)
  )
}

const withDraft = (row: MemoryRow, draft: NewMemory): MemoryRow => ({
  ...row,
  text: draft.text,
  speaker: draft.speaker ?? null,
  role: draft.role ?? null,
  metadata: draft.metadataJson ?? null
})

/** Which of the drafts may have a text that the scope holds: one question for all of them. */
const readDigests = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  drafts: ReadonlyArray<NewMemory>
): Effect.Effect<Set<number>, SqlError> =>
  Effect.map(
    sql<{ readonly digest: number }>`SELECT digest FROM vault_memories WHERE scope = ${scope}
      AND digest IN (SELECT value FROM json_each(${JSON.stringify(drafts.map(({ text }) => sealer.digest(text)))}))`,
    (rows) => new Set(rows.map(({ digest }) => digest))
  )

/** Where the drafts of one write go, and the digests of what is there, those of the write itself included. */
interface Destination {
  readonly scope: number
  readonly sealer: Sealer
  readonly embedder: number
  readonly digests: Set<number>
}

const storeOne = (
  sql: SqlClient,
  { digests, embedder, scope, sealer }: Destination,
  draft: NewMemory
): Effect.Effect<Stored & { readonly doc: number }, SqlError> =>
  Effect.gen(function*() {
    const digest = sealer.digest(draft.text)
    const merged = digests.has(digest) ? yield* mergeSame(sql, sealer, scope, draft) : undefined
    digests.add(digest)
    if (merged !== undefined) {
      return { memory: yield* toMemory(sealer)(merged), entry: undefined, repeated: false, doc: merged.doc }
    }
    const row = yield* insertNew(sql, sealer, scope, embedder, draft)
    const memory = toIndexed({
      ...row,
      speaker: draft.speaker ?? null,
      source: draft.source,
      at: row.event_time ?? row.created_at,
      asks: draft.asks
    })
    return {
      // What was sealed a moment ago need not be opened.
      memory: yield* toMemory(clearSealer)(sealer.sealed ? withDraft(row, draft) : row),
      entry: { memory, terms: draft.terms, vector: draft.vector },
      repeated: false,
      doc: row.doc
    }
  })

/** A chunk of a save with a key is looked up by it first. */
const storeKeyed = (
  sql: SqlClient,
  destination: Destination,
  draft: NewMemory
): Effect.Effect<Stored, SqlError | IngestionError> =>
  Effect.gen(function*() {
    const { saveKey } = draft
    const { scope, sealer } = destination
    if (saveKey === undefined) return yield* storeOne(sql, destination, draft)
    const digest = sealer.digest(draft.text)
    const name = sealer.sealText(placeOf("save.key"), saveKey.key)
    const [known] = yield* sql<{ readonly doc: number | null; readonly digest: number }>`
      SELECT doc, digest FROM vault_save_keys
      WHERE scope = ${scope} AND key = ${name} AND place = ${saveKey.place}`
    if (known !== undefined) {
      if (known.digest !== digest) return yield* new IngestionError({ reason: "key-reused" })
      const [row] = yield* sql<MemoryRow>`
        SELECT ${sql.literal(memoryColumns)} FROM vault_memories WHERE doc = ${known.doc}`
      return { memory: row === undefined ? undefined : yield* toMemory(sealer)(row), entry: undefined, repeated: true }
    }
    const stored = yield* storeOne(sql, destination, draft)
    yield* sql`INSERT INTO vault_save_keys (scope, key, place, digest, doc)
      VALUES (${scope}, ${name}, ${saveKey.place}, ${digest}, ${stored.doc})`
    return stored
  })

/** A memory that came late may itself be over already. */
const withValidity = (memory: Memory, settled: ReadonlyArray<Validity>): Memory => {
  const own = settled.find(({ id }) => id === memory.id)
  if (own === undefined || own.validTo === null || own.supersededBy === null) return memory
  return {
    ...memory,
    validTo: DateTime.unsafeMake(own.validTo),
    supersededBy: own.supersededBy
  }
}

/**
 * Stores the drafts together; a draft whose text the scope already holds from the same speaker is merged.
 *
 * @since 0.1.0
 */
export const insertMemories = (
  store: Store,
  key: ScopeKey,
  embedder: VaultEmbedder,
  drafts: ReadonlyArray<NewMemory>,
  maxMemories: number
): Effect.Effect<Written, SqlError | EmbedderMismatch | QuotaExceeded | IngestionError> =>
  store.sql.withTransaction(Effect.gen(function*() {
    const { keys, sql } = store
    const after = yield* takeLock(sql)
    const scope = yield* openScope(store, key)
    const sealer = yield* keys.ofRow(key, scope)
    yield* checkEmbedder(sql, scope.embedder, embedder)
    const digests = yield* readDigests(sql, sealer, scope.id, drafts)
    const destination = { scope: scope.id, sealer, embedder: embedder.id, digests }
    const stored = yield* Effect.forEach(drafts, (draft) => storeKeyed(sql, destination, draft))
    const added = stored.flatMap(({ entry }) => entry === undefined ? [] : [entry])
    if (added.length > 0 && scope.memories + added.length > maxMemories) {
      return yield* new QuotaExceeded({ resource: "memories", limit: maxMemories })
    }
    const terms = added.reduce((total, entry) => total + sumOf(entry.terms), 0)
    const slots = drafts.flatMap(({ facts }) => facts.map(({ slot }) => slot))
    const settled = yield* settleSlots(sql, sealer, scope.id, slots)
    yield* sql`UPDATE vault_scopes
      SET version = ${after}, removed = ${settled.length > 0 ? after : scope.removed}, embedder = ${embedder.id},
        memories = memories + ${added.length}, terms = terms + ${terms}
      WHERE id = ${scope.id}`
    return {
      before: scope.version,
      after,
      stored: settled.length === 0
        ? stored
        : stored.map(({ entry, memory, repeated }) => ({
          entry,
          memory: memory && withValidity(memory, settled),
          repeated
        })),
      settled
    }
  }))

/**
 * Removes one memory; `false` when the scope has none of this identifier.
 *
 * @since 0.1.0
 */
export const removeMemory = (
  { keys, sql }: Store,
  key: ScopeKey,
  id: MemoryId
): Effect.Effect<boolean, SqlError> =>
  sql.withTransaction(Effect.gen(function*() {
    const after = yield* takeLock(sql)
    const scope = yield* readScope(sql, key)
    if (scope === undefined) return false
    const [row] = yield* sql<{ readonly doc: number; readonly terms: string }>`
      DELETE FROM vault_memories WHERE scope = ${scope.id} AND id = ${id} RETURNING doc, terms`
    if (row === undefined) return false
    const sealer = yield* keys.ofRow(key, scope)
    const terms = sumOf(yield* openTerms(sealer, memoryPlaces(id).terms, row.terms))
    yield* sql`DELETE FROM vault_revisions WHERE scope = ${scope.id} AND doc = ${row.doc}`
    yield* settleSlots(sql, sealer, scope.id, yield* deleteFacts(sql, sealer, scope.id, row.doc))
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
): Effect.Effect<Omit<ErasureReceipt, "logTruncated">, SqlError> =>
  sql.withTransaction(Effect.gen(function*() {
    yield* takeLock(sql)
    const scope = yield* readScope(sql, key)
    if (scope === undefined) return { memories: 0, notes: 0, summaries: 0 }
    const { notes } = yield* only(sql<{ readonly notes: number }>`
      SELECT (SELECT count(*) FROM vault_procedures WHERE scope = ${scope.id})
          + (SELECT count(*) FROM vault_working WHERE scope = ${scope.id}) AS notes`)
    const summaries = yield* deleteSummaries(sql, scope.id)
    yield* sql`DELETE FROM vault_jobs WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_save_keys WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_procedures WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_working WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_facts WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_query_vectors WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_revisions WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_memories WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_keys WHERE scope = ${scope.id}`
    yield* sql`DELETE FROM vault_scopes WHERE id = ${scope.id}`
    return { memories: scope.memories, notes, summaries }
  }))

const truncateSchedule = Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(60))

/**
 * Moves the write-ahead log into the database and empties it, waiting about three seconds for readers of other
 * processes; says whether the log is empty.
 *
 * @since 0.1.0
 */
export const truncateLog = (
  sql: SqlClient,
  operation: string
): Effect.Effect<boolean, StorageError | CipherError> =>
  sql<{ readonly busy: number }>`PRAGMA wal_checkpoint(TRUNCATE)`.pipe(
    guard(operation),
    Effect.filterOrFail(([row]) => row?.busy === 0, () => "being read" as const),
    Effect.as(true),
    Effect.retry({ schedule: truncateSchedule, while: (error) => error === "being read" }),
    Effect.catchAll((error) => error === "being read" ? Effect.succeed(false) : Effect.fail(error))
  )
