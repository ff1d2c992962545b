/**
 * Where summaries go in a prompt block. Two ways, and neither loses a word of what was recalled: a summary that was
 * asked for stands before the memories, and one that quotes several of the recalled memories stands in their place if
 * that takes fewer tokens. What goes where is settled before any budget, so a larger budget still never loses an item.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Summary } from "../Compressor.ts"
import type { RecalledMemory } from "../Memory.ts"
import type { CipherError, EmbeddingError, StorageError } from "../MemoryVaultError.ts"
import * as PromptBlock from "../PromptBlock.ts"
import type { PromptFormat, PromptItem } from "../PromptBlock.ts"
import type { CurrentIndex } from "./cacheIndexes.ts"
import type { SummaryCache } from "./cacheSummaries.ts"
import type { VaultEmbedder } from "./embedMemories.ts"
import { embedMeaning } from "./findMemories.ts"
import type { IndexedMemory } from "./indexScope.ts"
import { guard } from "./memoryRows.ts"
import { rankMemories } from "./rankMemories.ts"
import type { Store } from "./scopeKeys.ts"
import { readQuoting, readSummaries } from "./summaryRows.ts"
import type { SummaryWithSources } from "./summaryRows.ts"

/**
 * An item of the block, and the recalled memories that it carries.
 *
 * @since 0.1.0
 */
export interface BlockEntry {
  readonly item: PromptItem
  readonly memories: ReadonlyArray<RecalledMemory>
  readonly summary: Summary | undefined
}

/**
 * A recalled memory and its place in the index.
 *
 * @since 0.1.0
 */
export interface Best {
  readonly doc: number
  readonly recalled: RecalledMemory
}

interface Parts extends Store {
  readonly summaries: SummaryCache
  readonly embedder: VaultEmbedder
}

interface Request {
  readonly current: CurrentIndex
  readonly best: ReadonlyArray<Best>
  readonly query: string
  /** How many summaries are wanted for their own sake. */
  readonly wanted: number
  readonly accepts: (memory: IndexedMemory) => boolean
  readonly format: PromptFormat
  readonly count: (text: string) => number
}

const asEntry = (recalled: RecalledMemory): BlockEntry => ({
  item: PromptBlock.fromMemory(recalled.memory),
  memories: [recalled],
  summary: undefined
})

/**
 * Every memory by itself.
 *
 * @since 0.1.0
 */
export const withoutSummaries = (best: ReadonlyArray<Best>): ReadonlyArray<BlockEntry> =>
  best.map(({ recalled }) => asEntry(recalled))

/** A summary says what its sources say: it may only be shown where each of them might be. */
const isAllowed = ({ accepts, current }: Request) => ({ sources }: SummaryWithSources): boolean =>
  sources.every((doc) => {
    const memory = current.index.find(doc)
    return memory !== undefined && accepts(memory)
  })

/** Those that match the query by themselves, best first. */
const findWanted = (parts: Parts, request: Request) =>
  Effect.gen(function*() {
    const { embedder, summaries } = parts
    const { current, query, wanted } = request
    if (wanted === 0) return []
    const index = yield* summaries.get(current.scope, embedder.id)
    const meaning = yield* embedMeaning(index, current, parts, query)
    const ranked = rankMemories(index, query, { limit: index.memories.length, accepts: () => true, meaning })
    const docs = ranked.map(({ memory }) => memory.doc)
    const found = yield* guard("recall")(readSummaries(parts, current.scope, docs))
    const byDoc = new Map(found.map((one) => [one.doc, one]))
    return docs.flatMap((doc) => byDoc.get(doc) ?? []).filter(isAllowed(request)).slice(0, wanted)
  })

/** An item has one time; a memory of another day keeps its own. */
const isOfDay = (item: PromptItem) => ({ memory }: RecalledMemory): boolean =>
  PromptBlock.fromMemory(memory).time.slice(0, "2026-01-01".length) === item.time.slice(0, "2026-01-01".length)

const costOf = (items: ReadonlyArray<PromptItem>, { count, format }: Request): number =>
  items.reduce((sum, item) => sum + count(PromptBlock.render([item], format)), 0)

/**
 * The entries of the block in their order.
 *
 * @since 0.1.0
 */
export const placeSummaries = (
  parts: Parts,
  request: Request
): Effect.Effect<ReadonlyArray<BlockEntry>, EmbeddingError | CipherError | StorageError> =>
  Effect.gen(function*() {
    const { best, current } = request
    const wanted = yield* findWanted(parts, request)
    const quoting = yield* guard("recall")(readQuoting(parts, current.scope, best.map(({ doc }) => doc)))
    const toEntry = (one: SummaryWithSources): BlockEntry => {
      const item = PromptBlock.fromSummary(one.summary)
      const memories = best.flatMap(({ doc, recalled }) => one.quoted.has(doc) ? [recalled] : [])
      return { item, memories: memories.filter(isOfDay(item)), summary: one.summary }
    }
    const isCheaper = ({ item, memories }: BlockEntry): boolean =>
      memories.length > 1 &&
      costOf([item], request) < costOf(memories.map(({ memory }) => PromptBlock.fromMemory(memory)), request)
    const first = wanted.map(toEntry)
    const standing = quoting.filter(isAllowed(request)).map(toEntry).filter(isCheaper)
    const carrierOf = new Map(
      [...standing, ...first].flatMap((entry) => entry.memories.map(({ memory }) => [memory.id, entry] as const))
    )
    const entries = new Set(first)
    for (const { recalled } of best) entries.add(carrierOf.get(recalled.memory.id) ?? asEntry(recalled))
    return [...entries]
  })
