/**
 * From a query to the best memories with their texts: the query's vector, the ranker, the rows, the reranker.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RecalledMemory, RecallQuery } from "../Memory.ts"
import { RerankingError } from "../MemoryVaultError.ts"
import type { CipherError, EmbedderMismatch, EmbeddingError, StorageError } from "../MemoryVaultError.ts"
import type { RerankerService } from "../Reranker.ts"
import { queryTerms, withoutNames } from "./analyzeText.ts"
import type { CurrentIndex } from "./cacheIndexes.ts"
import { checkEmbedder, embedQuery } from "./embedMemories.ts"
import type { VaultEmbedder } from "./embedMemories.ts"
import type { IndexedMemory, ScopeIndex } from "./indexScope.ts"
import { guard } from "./memoryRows.ts"
import { rankMemories } from "./rankMemories.ts"
import type { Validity } from "./rankMemories.ts"
import { readMemories } from "./readMemories.ts"
import type { Store } from "./scopeKeys.ts"
import type { Best } from "./standIn.ts"

interface FindOptions {
  readonly limit: number
  readonly accepts: ((memory: IndexedMemory) => boolean) | undefined
  readonly valid: Validity
}

interface FindParts extends Store {
  readonly embedder: VaultEmbedder
  readonly reranker: Option.Option<RerankerService>
}

const patience = "1 minute"

const namesIn = (index: ScopeIndex): ReadonlySet<string> =>
  new Set(Array.from(index.speakers.values(), ({ terms }) => terms).flat())

/**
 * The query's vector, to be compared with those of an index. A query without a content word has no meaning, and an index
 * without vectors none to compare with.
 *
 * @since 0.1.0
 */
export const embedMeaning = (
  index: ScopeIndex,
  current: CurrentIndex,
  parts: Omit<FindParts, "reranker">,
  query: string
): Effect.Effect<Int8Array | undefined, EmbeddingError | CipherError | StorageError> =>
  index.vectors.dimension === 0 || queryTerms(query).size === 0
    ? Effect.succeed(undefined)
    : embedQuery(parts, current.scope, parts.embedder, withoutNames(query, namesIn(current.index)))

const rerank = (reranker: RerankerService, query: string, best: ReadonlyArray<Best>) =>
  Effect.gen(function*() {
    const looked = best.slice(0, reranker.depth)
    const scores = yield* reranker.rerank(query, looked.map(({ recalled }) => recalled)).pipe(
      Effect.timeoutFail({ duration: patience, onTimeout: () => new RerankingError({ reason: "timeout" }) })
    )
    if (scores.length !== looked.length) return yield* new RerankingError({ reason: "partial" })
    if (!scores.every(Number.isFinite)) return yield* new RerankingError({ reason: "not-finite" })
    const order = looked.map((one, i) => ({ ...one, recalled: { ...one.recalled, score: scores[i]! } }))
    return [...order.toSorted((one, other) => other.recalled.score - one.recalled.score), ...best.slice(looked.length)]
  })

/**
 * The best memories, before any budget.
 *
 * @since 0.1.0
 */
export const findMemories = (
  current: CurrentIndex,
  parts: FindParts,
  query: RecallQuery,
  options: FindOptions
): Effect.Effect<
  ReadonlyArray<Best>,
  EmbedderMismatch | EmbeddingError | RerankingError | CipherError | StorageError
> =>
  Effect.gen(function*() {
    yield* guard("recall")(checkEmbedder(parts.sql, current.embedder, parts.embedder))
    const meaning = yield* embedMeaning(current.index, current, parts, query.query)
    const reranker = query.rerank === false ? Option.none() : parts.reranker
    const depth = Option.match(reranker, { onNone: () => 0, onSome: (one) => one.depth })
    const ranked = rankMemories(current.index, query.query, {
      ...options,
      limit: Math.max(options.limit, depth),
      meaning
    })
    if (ranked.length === 0) return []
    const docs = ranked.map(({ memory }) => memory.doc)
    const memories = yield* guard("recall")(readMemories(parts, current.scope, docs))
    const best = ranked.flatMap(({ explain, memory: { doc }, score }): ReadonlyArray<Best> => {
      const memory = memories.get(doc)
      if (memory === undefined) return []
      const recalled: RecalledMemory = query.explain === true
        ? { memory, score, signals: explain() }
        : { memory, score }
      return [{ doc, recalled }]
    })
    return Option.isNone(reranker) ? best : (yield* rerank(reranker.value, query.query, best)).slice(0, options.limit)
  })
