/**
 * The operations of one scope.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type {
  MemoryChange,
  MemoryFilter,
  MemoryId,
  RecallQuery,
  RecallResult,
  SaveInput,
  SaveResult
} from "../Memory.ts"
import type { ClassifierRule } from "../MemoryClassifier.ts"
import type { UserMemory } from "../MemoryVault.ts"
import { InvalidQuery } from "../MemoryVaultError.ts"
import * as PromptBlock from "../PromptBlock.ts"
import type { RerankerService } from "../Reranker.ts"
import * as Telemetry from "../Telemetry.ts"
import type { IndexCache } from "./cacheIndexes.ts"
import type { SummaryCache } from "./cacheSummaries.ts"
import type { VaultEmbedder } from "./embedMemories.ts"
import { embedTexts } from "./embedTexts.ts"
import { exportScope } from "./exportScope.ts"
import { findMemories } from "./findMemories.ts"
import { fitShared } from "./fitShared.ts"
import { importScope } from "./importScope.ts"
import type { IndexedMemory } from "./indexScope.ts"
import { readProcedures } from "./keyedNotes.ts"
import { makeId } from "./makeId.ts"
import { guard } from "./memoryRows.ts"
import { prepareMemory } from "./prepareMemory.ts"
import type { Draft } from "./prepareMemory.ts"
import type { ChangeHub } from "./publishChanges.ts"
import { readMemory, readPage, readStats } from "./readMemories.ts"
import type { RowFilter } from "./readMemories.ts"
import { reembedScope } from "./reembedScope.ts"
import { readHistory, updateMemory } from "./reviseMemory.ts"
import type { JobRunner } from "./runJobs.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import { makeCompress, makeJobs, makeSummaries } from "./serveJobs.ts"
import { makeProcedural, makeWorking } from "./serveNotes.ts"
import { makeSession } from "./serveSession.ts"
import { placeSummaries, withoutSummaries } from "./standIn.ts"
import { insertMemories, removeMemory, removeScope, truncateLog } from "./writeMemories.ts"

/**
 * What a vault gives to every scope.
 *
 * @since 0.1.0
 */
export interface VaultParts extends Store {
  readonly cache: IndexCache
  readonly count: (text: string) => number
  readonly rules: ReadonlyArray<ClassifierRule>
  readonly redact: (text: string) => string
  readonly maxTextLength: number
  readonly maxMemories: number
  readonly changes: ChangeHub
  readonly embedder: VaultEmbedder
  readonly reranker: Option.Option<RerankerService>
  readonly jobs: JobRunner
  readonly summaries: SummaryCache
}

const batchSize = 64
const pageSize = 128
const maxTopK = 1_000
const maxSummaries = 20

const asInput = (input: SaveInput | string): SaveInput => typeof input === "string" ? { text: input } : input

const toNew = (drafts: ReadonlyArray<Draft>, createdAt: DateTime.Utc, key: string | undefined) =>
  Effect.gen(function*() {
    const source = yield* makeId(DateTime.toEpochMillis(createdAt))
    return yield* Effect.forEach(
      drafts,
      (draft, place) =>
        Effect.map(makeId(DateTime.toEpochMillis(createdAt)), (id) => ({
          ...draft,
          id,
          createdAt,
          source,
          ...(key === undefined ? {} : { saveKey: { key, place } })
        }))
    )
  })

/** Prepares and stores a batch in one transaction and tells the results of its inputs apart again. */
const saveBatch = (key: ScopeKey, parts: VaultParts) =>
  Effect.fn(Telemetry.spans.saveBatch)(function*(inputs: ReadonlyArray<SaveInput | string>) {
    const createdAt = yield* DateTime.now
    const prepared = yield* Effect.forEach(
      inputs,
      (given) => {
        const input = asInput(given)
        return Effect.flatMap(
          prepareMemory(input, parts),
          ({ blocks, drafts }) =>
            Effect.map(toNew(drafts, createdAt, input.idempotencyKey), (memories) => ({ blocks, memories }))
        )
      }
    )
    const all = prepared.flatMap(({ memories }) => memories)
    const vectors = yield* embedTexts(parts.embedder.service, all.map(({ text }) => text))
    const embedded = Arr.zipWith(all, vectors, (draft, vector) => ({ ...draft, vector }))
    const written = yield* guard("save")(insertMemories(parts, key, parts.embedder, embedded, parts.maxMemories))
    parts.cache.apply(key, written)
    let from = 0
    const results = prepared.map(({ blocks, memories: drafts }): SaveResult => {
      const stored = written.stored.slice(from, from += drafts.length)
      const created = stored.filter(({ entry }) => entry !== undefined).length
      const repeated = stored.filter((one) => one.repeated).length
      return {
        memories: stored.flatMap(({ memory }) => memory ?? []),
        created,
        merged: stored.length - created - repeated,
        repeated: repeated > 0,
        superseded: [],
        blocks
      }
    })
    const ids = written.stored.flatMap(({ memory, repeated }) => memory === undefined || repeated ? [] : [memory.id])
    const last = results.at(-1)
    const superseded = written.settled.flatMap(({ id, supersededBy }) => supersededBy === null ? [] : [id])
    if (last !== undefined) results.splice(-1, 1, { ...last, superseded })
    if (ids.length > 0) yield* parts.changes.publish(key, { _tag: "Saved", ids, superseded })
    if (written.settled.length > 0) yield* parts.jobs.wake
    for (const outcome of ["created", "merged"] as const) {
      const number = results.reduce((total, result) => total + result[outcome], 0)
      yield* Metric.incrementBy(Metric.tagged(Telemetry.saved, "outcome", outcome), number)
    }
    return results
  })

const toMillis = (input: DateTime.DateTime.Input | undefined, absent: number): Either.Either<number, InvalidQuery> =>
  input === undefined
    ? Either.right(absent)
    : Either.map(
      Either.fromOption(DateTime.make(input), () => new InvalidQuery({ reason: "time" })),
      DateTime.toEpochMillis
    )

const toRowFilter = (filter: MemoryFilter): Either.Either<RowFilter, InvalidQuery> =>
  Either.gen(function*() {
    const from = yield* toMillis(filter.from, -Infinity)
    const until = yield* toMillis(filter.until, Infinity)
    return { types: filter.types, sessionId: filter.sessionId, from, until }
  })

/** Without `asOf` what begins later counts as well: one asks for an appointment before it comes. */
const holdsAt = (query: RecallQuery, now: number) =>
  Either.map(toMillis(query.asOf, Infinity), (asOf) => ({
    begunBy: asOf,
    openAt: query.includeSuperseded === true ? -Infinity : query.asOf === undefined ? now : asOf
  }))

const matches = (filter: RowFilter) => (memory: IndexedMemory): boolean =>
  (filter.types === undefined || filter.types.includes(memory.type)) &&
  (filter.sessionId === undefined || filter.sessionId === memory.sessionId) &&
  memory.at >= filter.from && memory.at < filter.until

const checkQuery = (
  { proceduralShare = 0.25, summaries = 0, tokenBudget = 2_000, topK = 5, types }: RecallQuery
) =>
  Either.gen(function*() {
    if (!Number.isInteger(topK) || topK < 1 || topK > maxTopK) {
      return yield* Either.left(new InvalidQuery({ reason: "top-k" }))
    }
    if (!Number.isInteger(tokenBudget) || tokenBudget < 0) {
      return yield* Either.left(new InvalidQuery({ reason: "token-budget" }))
    }
    if (!(proceduralShare >= 0 && proceduralShare <= 1)) {
      return yield* Either.left(new InvalidQuery({ reason: "procedural-share" }))
    }
    if (!Number.isInteger(summaries) || summaries < 0 || summaries > maxSummaries) {
      return yield* Either.left(new InvalidQuery({ reason: "summaries" }))
    }
    return { topK, tokenBudget, share: types === undefined || types.includes("procedural") ? proceduralShare : 0 }
  })

/** Which memories a query means at all. */
const toMeant = (query: RecallQuery, now: number) =>
  Either.gen(function*() {
    const filter = yield* toRowFilter(query)
    const isFree = filter.types === undefined && filter.sessionId === undefined &&
      filter.from === -Infinity && filter.until === Infinity
    return { valid: yield* holdsAt(query, now), accepts: isFree ? undefined : matches(filter) }
  })

/** The entries of the prompt block before any budget. */
const findEntries = (key: ScopeKey, parts: VaultParts, query: RecallQuery, topK: number) =>
  Effect.gen(function*() {
    const { accepts, valid } = yield* toMeant(query, yield* Clock.currentTimeMillis)
    const current = yield* parts.cache.get(key)
    if (current === undefined) return { hasProcedures: false, best: [], entries: [] }
    const { hasProcedures, hasSummaries } = current
    const best = yield* findMemories(current, parts, query, { limit: topK, accepts, valid })
    const entries = hasSummaries
      ? yield* placeSummaries(parts, {
        current,
        best,
        query: query.query,
        wanted: query.summaries ?? 0,
        accepts: (memory) =>
          memory.validTo > valid.openAt && memory.validFrom <= valid.begunBy && accepts?.(memory) !== false,
        format: query.format ?? "xml",
        count: parts.count
      })
      : withoutSummaries(best)
    return { hasProcedures, best, entries }
  })

const recall = (key: ScopeKey, parts: VaultParts) =>
  Effect.fn(Telemetry.spans.recall)(function*(input: RecallQuery | string) {
    const query = typeof input === "string" ? { query: input } : input
    const { share, tokenBudget, topK } = yield* checkQuery(query)
    const { best, entries, hasProcedures } = yield* findEntries(key, parts, query, topK)
    const procedures = share === 0 || !hasProcedures ? [] : yield* guard("recall")(readProcedures(parts, key))
    const fitted = yield* fitShared(
      { items: procedures.map(PromptBlock.fromProcedure), share },
      entries.map(({ item }) => item),
      { format: query.format ?? "xml", tokenBudget, count: parts.count }
    )
    const shown = entries.slice(0, fitted.items - fitted.first)
    const carried = new Set(shown.flatMap(({ memories }) => memories))
    const memories = best.flatMap(({ recalled }) => carried.has(recalled) ? [recalled] : [])
    yield* Metric.incrementBy(Telemetry.recalled, memories.length)
    const result: RecallResult = {
      procedures: procedures.slice(0, fitted.first),
      memories,
      summaries: shown.flatMap((entry) =>
        entry.summary === undefined
          ? []
          : [{ summary: entry.summary, memories: entry.memories.map(({ memory }) => memory.id) }]
      ),
      omitted: best.length - memories.length,
      totalTokens: fitted.tokens,
      promptBlock: fitted.block
    }
    return result
  })

const list = (key: ScopeKey, parts: VaultParts) => (filter: MemoryFilter = {}) =>
  Stream.unwrap(
    Effect.map(toRowFilter(filter), (rowFilter) =>
      Stream.paginateChunkEffect(Infinity, (before) =>
        guard("list")(readPage(parts, key, rowFilter, { before, size: pageSize })).pipe(
          Effect.map(([memories, next]) =>
            [Chunk.unsafeFromArray(memories), next] as const
          ),
          Effect.withSpan(Telemetry.spans.page)
        )))
  )

const forgetAll = (key: ScopeKey, { cache, changes, sql }: VaultParts) =>
  Effect.fn(Telemetry.spans.forgetAll)(function*(_options: { readonly confirm: true }) {
    const removed = yield* guard("forgetAll")(removeScope(sql, key))
    cache.drop(key)
    yield* changes.publish(key, { _tag: "Erased" })
    yield* Metric.incrementBy(Telemetry.forgotten, removed.memories)
    const logTruncated = yield* truncateLog(sql, "forgetAll")
    return { ...removed, logTruncated }
  })

/**
 * @since 0.1.0
 */
export const makeUserMemory = (key: ScopeKey, parts: VaultParts): UserMemory => {
  const saveMany = saveBatch(key, parts)
  const saving: Pick<UserMemory, "compress" | "save" | "saveAll" | "working"> = {
    save: Effect.fn(Telemetry.spans.save)(function*(input) {
      const [result] = yield* saveMany([input])
      return result ?? { memories: [], created: 0, merged: 0, repeated: false, superseded: [], blocks: 0 }
    }),
    saveAll: (inputs) =>
      inputs.pipe(
        Stream.groupedWithin(batchSize, "50 millis"),
        Stream.mapConcatEffect((batch) => saveMany(Chunk.toReadonlyArray(batch)))
      ),
    working: makeWorking(key, parts),
    compress: makeCompress(key, parts)
  }
  return {
    ...saving,
    session: makeSession(parts.sql, key, saving),
    jobs: makeJobs(key, parts),
    summaries: makeSummaries(key, parts),
    recall: recall(key, parts),
    get: Effect.fn(Telemetry.spans.get)((id: MemoryId) => guard("get")(readMemory(parts, key, id))),
    update: Effect.fn(Telemetry.spans.update)((id: MemoryId, change: MemoryChange) =>
      updateMemory(parts, key, parts, id, change).pipe(
        Effect.tap(({ version }) => parts.changes.publish(key, { _tag: "Updated", id, version })),
        Effect.tap(parts.jobs.wake)
      )
    ),
    history: Effect.fn(Telemetry.spans.history)((id: MemoryId) => guard("history")(readHistory(parts, key, id))),
    list: list(key, parts),
    forget: Effect.fn(Telemetry.spans.forget)(function*(id: MemoryId) {
      const removed = yield* guard("forget")(removeMemory(parts, key, id))
      if (removed) yield* Metric.increment(Telemetry.forgotten)
      if (removed) yield* parts.changes.publish(key, { _tag: "Forgotten", id })
      if (removed) yield* parts.jobs.wake
      return removed
    }),
    forgetAll: forgetAll(key, parts),
    export: exportScope(parts, key),
    import: (lines) =>
      importScope(parts, key, parts, lines).pipe(
        Effect.tap((report) => parts.changes.publish(key, { _tag: "Imported", report })),
        Effect.tap(parts.jobs.wake),
        Effect.withSpan(Telemetry.spans.import)
      ),
    reembed: () => reembedScope(parts, key, parts.embedder),
    changes: parts.changes.subscribe(key),
    stats: guard("stats")(readStats(parts, key)).pipe(Effect.withSpan(Telemetry.spans.stats)),
    procedural: makeProcedural(key, parts)
  }
}
