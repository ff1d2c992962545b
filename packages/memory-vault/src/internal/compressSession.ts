/**
 * From the memories of a session to its summaries. Work is cut into steps of a few milliseconds, and between two steps
 * everything else has its turn: recall does not wait for a compression, only for one step of it.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Compressor } from "../Compressor.ts"
import type { CompressionError, EmbeddingError } from "../MemoryVaultError.ts"
import { indexTerms } from "./analyzeText.ts"
import type { VaultEmbedder } from "./embedMemories.ts"
import { embedTexts } from "./embedTexts.ts"
import { isQuotedIn } from "./extractSummary.ts"
import { makeSummaryId } from "./makeId.ts"
import { chunkBounds, sentencesIn } from "./splitText.ts"
import type { NewSummary, Source } from "./summaryRows.ts"

/**
 * A session of fewer tokens is not worth a summary.
 *
 * @since 0.1.0
 */
export const minTokens = 2 * chunkBounds.minTokens

/**
 * Lets input, timers and every other fiber go first.
 *
 * @since 0.1.0
 */
export const yieldToOthers: Effect.Effect<void> = Effect.async((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

const tokensOf = (sources: ReadonlyArray<Source>): number => sources.reduce((sum, { memory }) => sum + memory.tokens, 0)

/** Stretches of nearly equal length, each short enough that its summary is one chunk. */
const cutStretches = (sources: ReadonlyArray<Source>, ratio: number): ReadonlyArray<ReadonlyArray<Source>> => {
  const total = tokensOf(sources)
  const length = total / Math.ceil(total * ratio / chunkBounds.maxTokens)
  const stretches: Array<Array<Source>> = []
  let seen = 0
  for (const source of sources) {
    const place = Math.floor(seen / length)
    const stretch = stretches[place] ?? []
    stretches[place] = stretch
    stretch.push(source)
    seen += source.memory.tokens
  }
  return stretches.filter((stretch) => stretch.length > 0)
}

/** Sentences from the first on, as many as there is room for. */
const cutText = (text: string, maxTokens: number, count: (text: string) => number): string => {
  const plain = text.trim()
  if (count(plain) <= maxTokens) return plain
  let kept = ""
  for (const sentence of sentencesIn(plain)) {
    if (count((kept + sentence).trimEnd()) > maxTokens) break
    kept += sentence
  }
  return kept.trimEnd()
}

/**
 * What summaries are made with.
 *
 * @since 0.1.0
 */
export interface Tools {
  readonly compressor: typeof Compressor.Service
  readonly count: (text: string) => number
  readonly embedder: VaultEmbedder
}

const summarise = (
  stretch: ReadonlyArray<Source>,
  ratio: number,
  { compressor, count }: Tools
): Effect.Effect<Omit<NewSummary, "vector"> | undefined, CompressionError> =>
  Effect.gen(function*() {
    const [first] = stretch
    const sourceTokens = tokensOf(stretch)
    const maxTokens = Math.min(chunkBounds.maxTokens, Math.floor(sourceTokens * ratio))
    const memories = stretch.map(({ memory }) => memory)
    const text = cutText(yield* compressor.compress({ memories, maxTokens, count }), maxTokens, count)
    if (first === undefined || text === "") return undefined
    const now = yield* Clock.currentTimeMillis
    return {
      id: yield* makeSummaryId(now),
      text,
      terms: indexTerms(text, undefined),
      tokens: count(text),
      sourceTokens,
      at: DateTime.toEpochMillis(first.memory.eventTime ?? first.memory.createdAt),
      createdAt: now,
      sources: stretch.map(({ doc, memory }) => ({ doc, quoted: isQuotedIn(text, memory) }))
    }
  })

/**
 * The summaries of a session, in its order.
 *
 * @since 0.1.0
 */
export const compressSession = (
  sources: ReadonlyArray<Source>,
  ratio: number,
  tools: Tools
): Effect.Effect<ReadonlyArray<NewSummary>, CompressionError | EmbeddingError> =>
  Effect.gen(function*() {
    const made = yield* Effect.forEach(cutStretches(sources, ratio), (stretch) =>
      Effect.zipRight(yieldToOthers, summarise(stretch, ratio, tools)))
    const summaries = made.filter((one) =>
      one !== undefined
    )
    const vectors = yield* embedTexts(tools.embedder.service, summaries.map(({ text }) => text))
    return Arr.zipWith(summaries, vectors, (summary, vector) => ({ ...summary, vector }))
  })
