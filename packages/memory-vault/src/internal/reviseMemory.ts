/**
 * Changes of one memory, and what it said before.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Memory, MemoryChange, MemoryId, MemoryRevision } from "../Memory.ts"
import { IngestionError, MemoryNotFound, VersionConflict } from "../MemoryVaultError.ts"
import type { CipherError, EmbedderMismatch, EmbeddingError, StorageError } from "../MemoryVaultError.ts"
import { checkEmbedder } from "./embedMemories.ts"
import type { VaultEmbedder } from "./embedMemories.ts"
import { embedTexts, toBlob } from "./embedTexts.ts"
import {
  guard,
  memoryColumns,
  memoryPlaces,
  only,
  openOrNull,
  revisionPlaces,
  sealOrNull,
  toMemory,
  toRevision
} from "./memoryRows.ts"
import type { MemoryRow, RevisionRow } from "./memoryRows.ts"
import { prepareMemory } from "./prepareMemory.ts"
import type { Draft, PrepareOptions } from "./prepareMemory.ts"
import { readMemory, readScope } from "./readMemories.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import { opening } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"
import { openTerms, sealTerms, sumOf } from "./storedTerms.ts"
import { deleteFacts, insertFacts, settleSlots } from "./supersedeFacts.ts"
import { takeLock } from "./writeMemories.ts"

/** The memory as it will be, through the same checks as a new one. */
const prepareChange = (
  memory: Memory,
  change: MemoryChange,
  options: PrepareOptions
): Either.Either<Draft, IngestionError> =>
  Either.flatMap(
    prepareMemory({
      text: change.text ?? memory.text,
      type: change.type ?? memory.type,
      sessionId: memory.sessionId,
      speaker: memory.speaker,
      role: memory.role,
      eventTime: change.eventTime ?? memory.eventTime,
      metadata: change.metadata ?? memory.metadata,
      validFrom: change.validFrom ?? change.eventTime ?? memory.validFrom,
      validTo: change.validTo ?? undefined
    }, options),
    ({ drafts: [draft, ...rest] }) =>
      draft === undefined || rest.length > 0
        ? Either.left(new IngestionError({ reason: "several" }))
        : Either.right(draft)
  )

interface Kept {
  readonly doc: number
  readonly text: string
  readonly metadata: string | null
}

/** What was sealed in the place of the memory is sealed in that of its version. */
const moveRevision = (sql: SqlClient, sealer: Sealer, id: MemoryId, version: number, { doc, metadata, text }: Kept) => {
  const [from, to] = [memoryPlaces(id), revisionPlaces(id, version)]
  return Effect.flatMap(
    opening(() => [
      sealer.sealText(to.text, sealer.openText(from.text, text)),
      sealOrNull(sealer, to.metadata, openOrNull(sealer, from.metadata, metadata))
    ]),
    ([moved, movedMetadata]) =>
      sql`UPDATE vault_revisions SET text = ${moved ?? null}, metadata = ${movedMetadata ?? null}
        WHERE doc = ${doc} AND version = ${version} AND scope = (SELECT scope FROM vault_memories WHERE doc = ${doc})`
  )
}

const keepRevision = (sql: SqlClient, sealer: Sealer, scope: number, id: MemoryId, version: number) =>
  sql<Kept>`
    INSERT INTO vault_revisions (scope, doc, version, recorded_at, text, type, valid_from, event_time, metadata)
    SELECT scope, doc, version, updated_at, text, type, valid_from, event_time, metadata
    FROM vault_memories WHERE scope = ${scope} AND id = ${id} AND version = ${version}
    RETURNING doc, text, metadata`.pipe(
    Effect.tap(([kept]) =>
      kept === undefined || !sealer.sealed ? Effect.void : moveRevision(sql, sealer, id, version, kept)
    )
  )

/** A draft as it goes into the row. */
interface Embedded {
  readonly draft: Draft
  readonly vector: Int8Array
}

const rewrite = (
  sql: SqlClient,
  sealer: Sealer,
  { doc, id }: { readonly doc: number; readonly id: MemoryId },
  { draft, vector }: Embedded,
  embedder: number,
  change: MemoryChange,
  now: number
) => {
  const places = memoryPlaces(id)
  const statedTo = draft.validTo === undefined ? null : DateTime.toEpochMillis(draft.validTo)
  const end = change.validTo === undefined ? sql`stated_to` : sql`${statedTo}`
  return sql`UPDATE vault_memories SET
      digest = ${sealer.digest(draft.text)}, type = ${draft.type}, text = ${
    sealer.sealText(places.text, draft.text)
  }, tokens = ${draft.tokens},
      importance = ${draft.importance}, asks = ${draft.asks}, terms = ${
    sealTerms(sealer, places.terms, draft.terms)
  }, embedder = ${embedder},
      vector = ${sealer.sealBytes(places.vector, toBlob(vector))},
      metadata = ${sealOrNull(sealer, places.metadata, draft.metadataJson)},
      event_time = ${draft.eventTime === undefined ? null : DateTime.toEpochMillis(draft.eventTime)},
      valid_from = ${DateTime.toEpochMillis(draft.validFrom ?? DateTime.unsafeMake(now))},
      stated_to = ${end}, valid_to = ${end}, superseded_by = NULL, version = version + 1, updated_at = ${now}
    WHERE doc = ${doc}`
}

/** Writes the change if the memory still has the version that the change names; `undefined` otherwise. */
const reviseMemory = (
  { keys, sql }: Store,
  key: ScopeKey,
  id: MemoryId,
  change: MemoryChange,
  embedded: Embedded,
  embedder: VaultEmbedder,
  now: number
): Effect.Effect<Memory | undefined, SqlError | EmbedderMismatch> =>
  sql.withTransaction(Effect.gen(function*() {
    const after = yield* takeLock(sql)
    const scope = yield* readScope(sql, key)
    if (scope === undefined) return undefined
    yield* checkEmbedder(sql, scope.embedder, embedder)
    const { draft } = embedded
    const sealer = yield* keys.ofRow(key, scope)
    const [kept] = yield* keepRevision(sql, sealer, scope.id, id, change.version)
    if (kept === undefined) return undefined
    const before = yield* only(
      sql<{ readonly terms: string }>`SELECT terms FROM vault_memories WHERE doc = ${kept.doc}`
    )
    const removed = sumOf(yield* openTerms(sealer, memoryPlaces(id).terms, before.terms))
    yield* rewrite(sql, sealer, { doc: kept.doc, id }, embedded, embedder.id, change, now)
    const slots = yield* deleteFacts(sql, sealer, scope.id, kept.doc)
    yield* insertFacts(sql, sealer, scope.id, { doc: kept.doc, id }, draft.facts)
    yield* settleSlots(sql, sealer, scope.id, [...slots, ...draft.facts.map(({ slot }) => slot)])
    yield* sql`UPDATE vault_scopes
      SET version = ${after}, removed = ${after}, embedder = ${embedder.id}, terms = terms + ${
      sumOf(draft.terms) - removed
    }
      WHERE id = ${scope.id}`
    const [row] = yield* sql<MemoryRow>`
      SELECT ${sql.literal(memoryColumns)} FROM vault_memories WHERE doc = ${kept.doc}`
    return row === undefined ? undefined : yield* toMemory(sealer)(row)
  }))

/** The memory, if it has the version that the caller saw. */
const expectVersion = (store: Store, key: ScopeKey, id: MemoryId, version: number) =>
  Effect.gen(function*() {
    const found = yield* guard("update")(readMemory(store, key, id))
    if (Option.isNone(found)) return yield* new MemoryNotFound({ id })
    const memory = found.value
    if (memory.version !== version) {
      return yield* new VersionConflict({ id, expected: version, actual: memory.version })
    }
    return memory
  })

/**
 * Optimistic: what came in between is told, not overwritten.
 *
 * @since 0.1.0
 */
export const updateMemory = (
  store: Store,
  key: ScopeKey,
  options: PrepareOptions & { readonly embedder: VaultEmbedder },
  id: MemoryId,
  change: MemoryChange
): Effect.Effect<
  Memory,
  MemoryNotFound | VersionConflict | IngestionError | EmbeddingError | EmbedderMismatch | StorageError | CipherError
> =>
  Effect.gen(function*() {
    const memory = yield* expectVersion(store, key, id, change.version)
    const draft = yield* prepareChange(memory, change, options)
    const [vector] = yield* embedTexts(options.embedder.service, [draft.text])
    const now = yield* Clock.currentTimeMillis
    const embedded = { draft, vector: vector! }
    const revised = yield* guard("update")(reviseMemory(store, key, id, change, embedded, options.embedder, now))
    // Someone was faster between the two reads, so the memory is gone or has another version.
    return revised ?? (yield* expectVersion(store, key, id, change.version))
  })

/**
 * Every version of a memory, oldest first; empty when there is no such memory.
 *
 * @since 0.1.0
 */
export const readHistory = (
  { keys, sql }: Store,
  key: ScopeKey,
  id: MemoryId
): Effect.Effect<ReadonlyArray<MemoryRevision>, SqlError> =>
  keys.reading(key, (sealer) =>
    Effect.flatMap(
      sql<RevisionRow>`
      WITH found AS (SELECT * FROM vault_memories WHERE id = ${id} AND +scope = (SELECT id FROM vault_scopes
        WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent}))
      SELECT r.version, r.recorded_at, r.text, r.type, r.valid_from, r.event_time, r.metadata,
          0 AS current
        FROM vault_revisions r JOIN found f ON r.scope = f.scope AND r.doc = f.doc
      UNION ALL
      SELECT version, updated_at, text, type, valid_from, event_time, metadata, 1 AS current FROM found
      ORDER BY 1`,
      (rows) => Either.all(rows.map(toRevision(sealer, id)))
    ))
