/**
 * Takes exported lines into a scope. What the scope already holds stays as it is.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ImportReport, MemoryId } from "../Memory.ts"
import { ImportError, QuotaExceeded } from "../MemoryVaultError.ts"
import type { CipherError, EmbedderMismatch, EmbeddingError, StorageError } from "../MemoryVaultError.ts"
import { formatVersion, PortableRecord } from "../Portable.ts"
import type { PortableMemory, PortableProcedure } from "../Portable.ts"
import { checkEmbedder } from "./embedMemories.ts"
import type { VaultEmbedder } from "./embedMemories.ts"
import { embedTexts } from "./embedTexts.ts"
import { noteLimits, procedurePlaces } from "./keyedNotes.ts"
import { makeId } from "./makeId.ts"
import { guard, only, revisionPlaces, sealOrNull } from "./memoryRows.ts"
import { checkMetadata, draftAsIs } from "./prepareMemory.ts"
import type { PrepareOptions } from "./prepareMemory.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import type { Sealer } from "./sealFields.ts"
import { sumOf } from "./storedTerms.ts"
import { settleSlots } from "./supersedeFacts.ts"
import { insertNew, openScope, takeLock, whereSaid } from "./writeMemories.ts"

type Incoming = (typeof PortableMemory.Type | typeof PortableProcedure.Type) & {
  readonly spare: MemoryId
  readonly line: number
  readonly vector: Int8Array
}

interface ImportOptions extends PrepareOptions {
  readonly maxMemories: number
  readonly embedder: VaultEmbedder
}

const batchSize = 64
const decode = Schema.decodeEither(Schema.parseJson(PortableRecord))

interface Progress {
  readonly line: number
  readonly memories: number
  readonly procedures: number
  readonly ended: boolean
}

const start: Progress = { line: 0, memories: 0, procedures: 0, ended: false }

/** Checks one line against what came before it. */
const readLine = (
  progress: Progress,
  text: string
): Either.Either<readonly [Progress, ReadonlyArray<PortableRecord & { readonly line: number }>], ImportError> => {
  const line = progress.line + 1
  const refuse = (reason: ImportError["reason"]) => Either.left(new ImportError({ reason, line }))
  const decoded = decode(text)
  if (Either.isLeft(decoded)) return refuse(line === 1 ? "header" : "record")
  const record = decoded.right
  if ((line === 1) !== (record.kind === "header")) return refuse("header")
  if (progress.ended) return refuse("after-end")
  switch (record.kind) {
    case "header":
      return record.version === formatVersion ? Either.right([{ ...progress, line }, []]) : refuse("version")
    case "end":
      return record.memories === progress.memories && record.procedures === progress.procedures
        ? Either.right([{ ...progress, line, ended: true }, []])
        : refuse("count")
    case "memory":
      return Either.right([{ ...progress, line, memories: progress.memories + 1 }, [{ ...record, line }]])
    case "procedure":
      return Either.right([{ ...progress, line, procedures: progress.procedures + 1 }, [{ ...record, line }]])
  }
}

const readLines = <E, R>(
  input: Stream.Stream<string, E, R>
): Stream.Stream<PortableRecord & { readonly line: number }, E | ImportError, R> =>
  input.pipe(
    Stream.splitLines,
    Stream.filter((text) => text.trim() !== ""),
    Stream.map((text): string | undefined => text),
    Stream.concat(Stream.succeed(undefined)),
    Stream.mapAccumEffect(start, (progress, text) => {
      if (text !== undefined) return readLine(progress, text)
      return progress.ended
        ? Either.right([progress, []] as const)
        : Either.left(new ImportError({ reason: "truncated", line: progress.line + 1 }))
    }),
    Stream.flattenIterables
  )

/** Whether the scope held it before this import began: an export may hold one text several times. */
const isHeld = (sql: SqlClient, sealer: Sealer, scope: number, memory: typeof PortableMemory.Type, before: number) =>
  Effect.flatMap(whereSaid(sql, sealer, scope, memory), (said) =>
    Effect.map(
      sql`SELECT 1 FROM vault_memories WHERE scope = ${scope} AND id = ${memory.id}
        ${
        said === undefined ? sql`` : sql`UNION ALL
        SELECT 1 FROM vault_memories WHERE ${said} AND doc <= ${before} AND valid_from = ${memory.validFrom}
          AND stated_to IS ${memory.validTo ?? null}`
      }
        LIMIT 1`,
      (rows) => rows.length > 0
    ))

const importMemory = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  memory: Extract<Incoming, { readonly kind: "memory" }>,
  options: ImportOptions
) =>
  Effect.gen(function*() {
    // In one database an identifier belongs to one scope.
    const taken = yield* sql`SELECT 1 FROM vault_memories WHERE id = ${memory.id}`
    const refuse = () => new ImportError({ reason: "record", line: memory.line })
    const draft = yield* Either.mapLeft(draftAsIs(memory, options), refuse)
    const id = taken.length > 0 ? memory.spare : memory.id
    const row = yield* insertNew(sql, sealer, scope, options.embedder.id, {
      ...draft,
      vector: memory.vector,
      id,
      source: memory.source,
      createdAt: DateTime.unsafeMake(memory.createdAt),
      updatedAt: DateTime.unsafeMake(memory.updatedAt),
      occurrences: memory.occurrences,
      version: memory.version
    })
    for (const revision of memory.revisions) {
      const metadata = yield* Either.mapLeft(checkMetadata(revision), refuse)
      const places = revisionPlaces(id, revision.version)
      yield* sql`
        INSERT INTO vault_revisions (scope, doc, version, recorded_at, text, type, valid_from, event_time, metadata)
        VALUES (${scope}, ${row.doc}, ${revision.version}, ${revision.recordedAt}, ${
        sealer.sealText(places.text, revision.text)
      }, ${revision.type},
          ${revision.validFrom}, ${revision.eventTime ?? null}, ${sealOrNull(sealer, places.metadata, metadata)})
        ON CONFLICT DO NOTHING`
    }
    return draft
  })

const importProcedure = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  procedure: typeof PortableProcedure.Type
) =>
  Effect.gen(function*() {
    const places = procedurePlaces(procedure.key)
    const changed = yield* sql`INSERT INTO vault_procedures (scope, key, text, version, created_at, updated_at)
      VALUES (${scope}, ${sealer.sealText(places.key, procedure.key)}, ${sealer.sealText(places.text, procedure.text)},
        ${procedure.version}, ${procedure.createdAt}, ${procedure.updatedAt})
      ON CONFLICT (scope, key) DO UPDATE SET text = excluded.text, version = excluded.version,
          created_at = excluded.created_at, updated_at = excluded.updated_at
        WHERE excluded.updated_at > updated_at
      RETURNING key`
    const { used } = yield* only(
      sql<{ readonly used: number }>`SELECT count(*) AS used FROM vault_procedures WHERE scope = ${scope}`
    )
    if (used > noteLimits.procedures) {
      return yield* new QuotaExceeded({ resource: "procedures", limit: noteLimits.procedures })
    }
    return changed.length > 0
  })

const importBatch = (
  store: Store,
  key: ScopeKey,
  records: ReadonlyArray<Incoming>,
  before: number,
  options: ImportOptions
): Effect.Effect<ImportReport, SqlError | EmbedderMismatch | ImportError | QuotaExceeded> =>
  store.sql.withTransaction(Effect.gen(function*() {
    const { keys, sql } = store
    const after = yield* takeLock(sql)
    const scope = yield* openScope(store, key)
    const sealer = yield* keys.ofRow(key, scope)
    yield* checkEmbedder(sql, scope.embedder, options.embedder)
    const slots: Array<string> = []
    let memories = 0
    let procedures = 0
    let terms = 0
    for (const record of records) {
      if (record.kind === "procedure") {
        if (yield* importProcedure(sql, sealer, scope.id, record)) procedures++
      } else if (!(yield* isHeld(sql, sealer, scope.id, record, before))) {
        const draft = yield* importMemory(sql, sealer, scope.id, record, options)
        slots.push(...draft.facts.map(({ slot }) => slot))
        terms += sumOf(draft.terms)
        memories++
      }
    }
    if (scope.memories + memories > options.maxMemories) {
      return yield* new QuotaExceeded({ resource: "memories", limit: options.maxMemories })
    }
    const settled = yield* settleSlots(sql, sealer, scope.id, slots)
    yield* sql`UPDATE vault_scopes
      SET version = ${after}, removed = ${settled.length > 0 ? after : scope.removed},
        embedder = ${options.embedder.id}, memories = memories + ${memories}, terms = terms + ${terms}
      WHERE id = ${scope.id}`
    return { memories, procedures, kept: records.length - memories - procedures }
  }))

/**
 * @since 0.1.0
 */
export const importScope = <E, R>(
  store: Store,
  key: ScopeKey,
  options: ImportOptions,
  input: Stream.Stream<string, E, R>
): Effect.Effect<
  ImportReport,
  E | EmbeddingError | EmbedderMismatch | ImportError | QuotaExceeded | StorageError | CipherError,
  R
> =>
  Effect.gen(function*() {
    const { last } = yield* guard("import")(
      only(store.sql<{ readonly last: number | null }>`SELECT max(doc) AS last FROM vault_memories`)
    )
    return yield* readLines(input).pipe(
      Stream.filter((record) => record.kind === "memory" || record.kind === "procedure"),
      Stream.mapEffect((record) => Effect.map(makeId(record.createdAt), (spare) => ({ ...record, spare }))),
      Stream.grouped(batchSize),
      Stream.mapEffect((batch) =>
        Effect.gen(function*() {
          const records = Chunk.toReadonlyArray(batch)
          const vectors = yield* embedTexts(options.embedder.service, records.map(({ text }) => text))
          const embedded = Arr.zipWith(records, vectors, (record, vector) => ({ ...record, vector }))
          return yield* guard("import")(importBatch(store, key, embedded, last ?? 0, options))
        })
      ),
      Stream.runFold({ memories: 0, procedures: 0, kept: 0 }, (sum, one) => ({
        memories: sum.memories + one.memories,
        procedures: sum.procedures + one.procedures,
        kept: sum.kept + one.kept
      }))
    )
  })
