/**
 * The contextual lexical ranker. A turn of a conversation is short and leans on its neighbours, so a memory is scored by
 * its own words, by those of the turns around it and by those of its session (all BM25, Robertson and Zaragoza 2009),
 * by pseudo-relevance feedback (RM3, Lavrenko and Croft 2001), by who spoke, when, and how weighty it looked.
 *
 * Every signal is scaled to 0..1 over the candidates before the weighted sum, so no signal depends on another's unit.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Order from "effect/Order"
import { memoryTerms, queryTerms, stopTerms } from "./analyzeText.ts"
import type { IndexedMemory, Posting, ScopeIndex } from "./indexScope.ts"
import { rankerWeights } from "./rankerWeights.ts"
import type { SignalName } from "./rankerWeights.ts"

/**
 * A ranked memory: its position in the index, its score, and each signal's share of that score.
 *
 * @since 0.1.0
 */
export interface Ranked {
  readonly memory: IndexedMemory
  readonly score: number
  readonly signals: Readonly<Record<SignalName, number>>
}

const { b, k1 } = rankerWeights.bm25

const saturate = (frequency: number, length: number, averageLength: number): number =>
  frequency * (k1 + 1) / (frequency + k1 * (1 - b + b * length / averageLength))

const inverseFrequency = (documents: number, containing: number): number =>
  Math.log(1 + (documents - containing + 0.5) / (containing + 0.5))

type WeightedTerm = readonly [posting: Posting, weight: number]

const scoreTurns = (index: ScopeIndex, terms: ReadonlyArray<WeightedTerm>): Float64Array => {
  const count = index.memories.length
  const average = index.totalLength / count
  const scores = new Float64Array(count)
  for (const [posting, weight] of terms) {
    const idf = weight * inverseFrequency(count, posting.positions.length)
    for (let i = 0; i < posting.positions.length; i++) {
      const position = posting.positions[i] ?? 0
      scores[position]! += idf * saturate(posting.frequencies[i] ?? 0, index.lengths[position] ?? 0, average)
    }
  }
  return scores
}

const scoreSessions = (index: ScopeIndex, terms: ReadonlyArray<WeightedTerm>): Float64Array => {
  const count = index.groups.length
  const average = index.totalLength / count
  const scores = new Float64Array(count)
  for (const [posting, weight] of terms) {
    const frequencies = new Map<number, number>()
    for (let i = 0; i < posting.positions.length; i++) {
      const group = index.groupOf[posting.positions[i]!]!.ordinal
      frequencies.set(group, (frequencies.get(group) ?? 0) + posting.frequencies[i]!)
    }
    const idf = weight * inverseFrequency(count, frequencies.size)
    for (const [group, frequency] of frequencies) {
      scores[group]! += idf * saturate(frequency, index.groups[group]!.length, average)
    }
  }
  return scores
}

/** What the turns at a distance in the same session scored. */
const scoreNeighbours = (index: ScopeIndex, turns: Float64Array, distance: number): Float64Array =>
  turns.map((_, position) => {
    const { positions } = index.groupOf[position]!
    const place = index.placeOf[position]!
    const before = positions[place - distance]
    const after = positions[place + distance]
    return (before === undefined ? 0 : turns[before]!) + (after === undefined ? 0 : turns[after]!)
  })

/** The best positions by score, best first; of equals the newer first. */
const takeBest = (scores: Float64Array, positions: Iterable<number>, limit: number): ReadonlyArray<number> => {
  const best: Array<number> = []
  for (const position of positions) {
    const score = scores[position]!
    if (best.length === limit && score < scores[best[limit - 1]!]!) continue
    let low = 0
    let high = best.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = scores[best[middle]!]!
      if (other > score || (other === score && best[middle]! > position)) low = middle + 1
      else high = middle
    }
    best.splice(low, 0, position)
    if (best.length > limit) best.pop()
  }
  return best
}

const matchesOf = (scores: Float64Array): ReadonlyArray<number> => {
  const matches: Array<number> = []
  for (let position = 0; position < scores.length; position++) if (scores[position]! > 0) matches.push(position)
  return matches
}

const heaviestFirst: Order.Order<WeightedTerm> = Order.combine(
  Order.mapInput(Order.reverse(Order.number), ([, weight]: WeightedTerm) => weight),
  Order.mapInput(Order.string, ([posting]: WeightedTerm) => posting.term)
)

/** RM3: the rarest terms that the best turns share become a second, weighted query. */
const expand = (index: ScopeIndex, turns: Float64Array, query: ReadonlySet<string>): ReadonlyArray<WeightedTerm> => {
  const weights = new Map<Posting, number>()
  for (const position of takeBest(turns, matchesOf(turns), rankerWeights.expansion.documents)) {
    const share = turns[position]! / index.lengths[position]!
    for (const [posting, frequency] of index.forward[position]!) {
      if (query.has(posting.term) || stopTerms.has(posting.term)) continue
      weights.set(posting, (weights.get(posting) ?? 0) + share * frequency)
    }
  }
  const terms = Array.from(weights, ([posting, weight]): WeightedTerm => [
    posting,
    weight * inverseFrequency(index.memories.length, posting.positions.length)
  ])
  return Arr.take(Arr.sort(terms, heaviestFirst), rankerWeights.expansion.terms)
}

/** Speakers whom the query names. */
const scoreSpeakers = (index: ScopeIndex, query: ReadonlySet<string>): Float64Array => {
  const named = new Map<string, boolean>()
  const isNamed = (speaker: string): boolean => {
    let answer = named.get(speaker)
    if (answer === undefined) {
      answer = memoryTerms(speaker).some((term) => query.has(term))
      named.set(speaker, answer)
    }
    return answer
  }
  return Float64Array.from(index.memories, ({ speaker }) => speaker !== undefined && isNamed(speaker) ? 1 : 0)
}

const halfLife = rankerWeights.recencyHalfLifeDays * 24 * 60 * 60 * 1000

/** Relative to the newest candidate rather than to the clock, so the same data always gives the same order. */
const scoreRecency = (index: ScopeIndex, candidates: ReadonlyArray<number>): Float64Array => {
  let newest = -Infinity
  for (const position of candidates) newest = Math.max(newest, index.memories[position]!.at)
  return Float64Array.from(index.memories, ({ at }) => 2 ** (Math.min(0, at - newest) / halfLife))
}

/** Scales to 0..1 over the candidates and by the signal's weight; a signal that tells no candidate apart stays flat. */
const scale = (values: Float64Array, candidates: ReadonlyArray<number>, weight: number): Float64Array => {
  let low = Infinity
  let high = -Infinity
  for (const position of candidates) {
    const value = values[position]!
    if (value < low) low = value
    if (value > high) high = value
  }
  const range = high - low
  return values.map((value) => weight * (range > 0 ? (value - low) / range : Math.min(1, Math.max(0, value))))
}

const silent: Readonly<Record<SignalName, number>> = {
  turn: 0,
  near: 0,
  far: 0,
  session: 0,
  speaker: 0,
  expansion: 0,
  recency: 0,
  importance: 0
}

const lexicalSignals = (
  index: ScopeIndex,
  query: ReadonlySet<string>
): ReadonlyArray<readonly [SignalName, Float64Array]> => {
  const terms: Array<WeightedTerm> = []
  for (const term of query) {
    const posting = index.postings.get(term)
    if (posting !== undefined) terms.push([posting, 1])
  }
  const turn = scoreTurns(index, terms)
  const sessions = scoreSessions(index, terms)
  return [
    ["turn", turn],
    ["near", scoreNeighbours(index, turn, 1)],
    ["far", scoreNeighbours(index, turn, 2)],
    ["session", turn.map((_, position) => sessions[index.groupOf[position]!.ordinal]!)],
    ["speaker", scoreSpeakers(index, query)],
    ["expansion", scoreTurns(index, expand(index, turn, query))]
  ]
}

/**
 * The best `limit` memories among those that `accepts` lets through, best first. A query without any content word has
 * nothing to match and is answered by recency and importance; any other query is answered only by memories that some
 * lexical signal reaches.
 *
 * @since 0.1.0
 */
export const rankMemories = (
  index: ScopeIndex,
  query: string,
  options: { readonly limit: number; readonly accepts: (memory: IndexedMemory) => boolean }
): ReadonlyArray<Ranked> => {
  const candidates: Array<number> = []
  index.memories.forEach((memory, position) => {
    if (options.accepts(memory)) candidates.push(position)
  })
  const terms = queryTerms(query)
  const lexical = terms.size === 0 ? [] : lexicalSignals(index, terms)
  const reached = terms.size === 0
    ? candidates
    : candidates.filter((position) => lexical.some(([, values]) => values[position]! > 0))
  if (reached.length === 0) return []
  const signals = [
    ...lexical,
    ["recency", scoreRecency(index, reached)] as const,
    ["importance", Float64Array.from(index.memories, (memory) => memory.importance)] as const
  ].map(([name, values]) => [name, scale(values, reached, rankerWeights.signals[name])] as const)
  const total = new Float64Array(index.memories.length)
  for (const [, values] of signals) {
    for (const position of reached) total[position]! += values[position]!
  }
  return takeBest(total, reached, options.limit).map((position) => ({
    memory: index.memories[position]!,
    score: total[position]!,
    signals: { ...silent, ...Object.fromEntries(signals.map(([name, values]) => [name, values[position]!])) }
  }))
}
