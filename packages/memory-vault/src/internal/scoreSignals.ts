/**
 * The signals by which memories are ranked. A turn of a conversation is short and leans on its neighbours, so a memory is
 * scored by its own words, by those of the turns around it and by those of its session (all BM25, Robertson and Zaragoza
 * 2009), by pseudo-relevance feedback (RM3, Lavrenko and Croft 2001), and by who spoke and when.
 *
 * Each gives a score for every position. These loops run over whole scopes: they are plain and of fixed shape.
 *
 * @since 0.1.0
 */
import { stopTerms } from "./analyzeText.ts"
import type { Posting, ScopeIndex } from "./indexScope.ts"
import { rankerWeights } from "./rankerWeights.ts"
import { nearness } from "./readDates.ts"
import type { NamedDate } from "./readDates.ts"
import { takeFirst } from "./takeFirst.ts"

/**
 * @since 0.1.0
 */
export type WeightedTerm = readonly [posting: Posting, weight: number]

const { b, k1 } = rankerWeights.bm25

const saturate = (frequency: number, length: number, averageLength: number): number =>
  frequency * (k1 + 1) / (frequency + k1 * (1 - b + b * length / averageLength))

const inverseFrequency = (documents: number, containing: number): number =>
  Math.log(1 + (documents - containing + 0.5) / (containing + 0.5))

const spread = ({ entries }: Posting): number => entries.length / 2

/**
 * BM25 of the memories themselves.
 *
 * @since 0.1.0
 */
export const scoreTurns = (index: ScopeIndex, terms: ReadonlyArray<WeightedTerm>): Float64Array => {
  const count = index.memories.length
  const average = index.totalLength / count
  const scores = new Float64Array(count)
  const { lengths } = index
  for (const [posting, weight] of terms) {
    const idf = weight * inverseFrequency(count, spread(posting))
    const { entries } = posting
    for (let i = 0; i < entries.length; i += 2) {
      const position = entries[i]!
      scores[position]! += idf * saturate(entries[i + 1]!, lengths[position]!, average)
    }
  }
  return scores
}

/**
 * Every session is one document to this signal; its turns share its score.
 *
 * @since 0.1.0
 */
export const scoreSessions = (index: ScopeIndex, terms: ReadonlyArray<WeightedTerm>): Float64Array => {
  const { groupLengths, groupOf } = index
  const count = groupLengths.length
  const average = index.totalLength / count
  const sessions = new Float64Array(count)
  const inSession = new Float64Array(count)
  for (const [{ entries }, weight] of terms) {
    inSession.fill(0)
    let containing = 0
    for (let i = 0; i < entries.length; i += 2) {
      const group = groupOf[entries[i]!]!
      if (inSession[group] === 0) containing++
      inSession[group]! += entries[i + 1]!
    }
    const idf = weight * inverseFrequency(count, containing)
    for (let group = 0; group < count; group++) {
      const frequency = inSession[group]!
      if (frequency > 0) sessions[group]! += idf * saturate(frequency, groupLengths[group]!, average)
    }
  }
  const scores = new Float64Array(index.memories.length)
  for (let position = 0; position < scores.length; position++) scores[position] = sessions[groupOf[position]!]!
  return scores
}

/**
 * What the turns beside scored, and those one further.
 *
 * @since 0.1.0
 */
export const scoreNeighbours = (
  { next, previous }: ScopeIndex,
  turns: Float64Array
): { readonly near: Float64Array; readonly far: Float64Array } => {
  const near = new Float64Array(turns.length)
  const far = new Float64Array(turns.length)
  for (let position = 0; position < turns.length; position++) {
    const score = turns[position]!
    if (score === 0) continue
    const before = previous[position]!
    if (before >= 0) {
      near[before]! += score
      if (previous[before]! >= 0) far[previous[before]!]! += score
    }
    const after = next[position]!
    if (after >= 0) {
      near[after]! += score
      if (next[after]! >= 0) far[next[after]!]! += score
    }
  }
  return { near, far }
}

/**
 * What a turn scored that asks, for the turn after it: the answer to a question that is like the query.
 *
 * @since 0.1.0
 */
export const scoreAnswers = ({ asking, next }: ScopeIndex, turns: Float64Array): Float64Array => {
  const scores = new Float64Array(turns.length)
  for (let position = 0; position < turns.length; position++) {
    const after = next[position]!
    if (turns[position]! > 0 && after >= 0 && asking[position]! > 0) scores[after] = turns[position]!
  }
  return scores
}

/**
 * How much of the query occurs in a turn or within two turns of it, each term once and by its rarity.
 *
 * @since 0.1.0
 */
export const scoreCoverage = (index: ScopeIndex, terms: ReadonlyArray<WeightedTerm>): Float64Array => {
  const { next, previous } = index
  const count = index.memories.length
  const scores = new Float64Array(count)
  const seen = new Int32Array(count)
  let term = 0
  for (const [posting] of terms) {
    term++
    const idf = inverseFrequency(count, spread(posting))
    const { entries } = posting
    for (let i = 0; i < entries.length; i += 2) {
      const position = entries[i]!
      let place = position
      for (let step = 0; step <= 2 && place >= 0; step++, place = previous[place]!) {
        if (seen[place] !== term) scores[place]! += idf
        seen[place] = term
      }
      place = next[position]!
      for (let step = 1; step <= 2 && place >= 0; step++, place = next[place]!) {
        if (seen[place] !== term) scores[place]! += idf
        seen[place] = term
      }
    }
  }
  return scores
}

const byScore = (scores: Float64Array) => (one: number, other: number): boolean => {
  const difference = scores[one]! - scores[other]!
  return difference > 0 || (difference === 0 && one > other)
}

const isHeavier = ([{ term }, weight]: WeightedTerm, [other, otherWeight]: WeightedTerm): boolean =>
  weight > otherWeight || (weight === otherWeight && term < other.term)

function* positive(scores: Float64Array): Iterable<number> {
  for (let position = 0; position < scores.length; position++) if (scores[position]! > 0) yield position
}

/** RM3: the terms that the best turns share, by how much those turns scored and how rare the terms are. */
const expand = (index: ScopeIndex, turns: Float64Array, query: ReadonlySet<string>): ReadonlyArray<WeightedTerm> => {
  const shares = new Map<Posting, number>()
  for (const position of takeFirst(positive(turns), rankerWeights.expansion.documents, byScore(turns))) {
    const share = turns[position]! / index.lengths[position]!
    for (const [posting, frequency] of index.termsOf(position)) {
      if (query.has(posting.term) || stopTerms.has(posting.term)) continue
      shares.set(posting, (shares.get(posting) ?? 0) + share * frequency)
    }
  }
  const terms: Array<WeightedTerm> = []
  for (const [posting, share] of shares) {
    terms.push([posting, share * inverseFrequency(index.memories.length, spread(posting))])
  }
  return takeFirst(terms, rankerWeights.expansion.terms, isHeavier)
}

/**
 * The memories that share the terms of the best.
 *
 * @since 0.1.0
 */
export const scoreExpansion = (index: ScopeIndex, turns: Float64Array, query: ReadonlySet<string>): Float64Array =>
  scoreTurns(index, expand(index, turns, query))

/**
 * Turns of the speakers whom the query names.
 *
 * @since 0.1.0
 */
export const scoreSpeakers = (
  index: ScopeIndex,
  query: ReadonlySet<string>
): { readonly speaker?: Float64Array } => {
  const named = Array.from(index.speakers.values()).filter(({ terms }) => terms.some((term) => query.has(term)))
  if (named.length === 0) return {}
  const speaker = new Float64Array(index.memories.length)
  for (const { positions } of named) {
    for (let i = 0; i < positions.length; i++) speaker[positions[i]!] = 1
  }
  return { speaker }
}

/**
 * How near a memory is to a date that the query names.
 *
 * @since 0.1.0
 */
export const scoreTimes = (
  { memories }: ScopeIndex,
  dates: ReadonlyArray<NamedDate>
): { readonly time?: Float64Array } => {
  if (dates.length === 0) return {}
  const time = new Float64Array(memories.length)
  const near = nearness(dates, rankerWeights.dateReachDays)
  for (let position = 0; position < time.length; position++) time[position] = near(memories[position]!.at)
  return { time }
}

/**
 * How much of a memory tells rather than asks.
 *
 * @since 0.1.0
 */
export const scoreStatements = ({ asking }: ScopeIndex, candidates: Int32Array): Float64Array => {
  const scores = new Float64Array(asking.length)
  for (let i = 0; i < candidates.length; i++) scores[candidates[i]!] = 1 - asking[candidates[i]!]!
  return scores
}

/**
 * @since 0.1.0
 */
export const scoreImportance = ({ memories }: ScopeIndex, candidates: Int32Array): Float64Array => {
  const scores = new Float64Array(memories.length)
  for (let i = 0; i < candidates.length; i++) scores[candidates[i]!] = memories[candidates[i]!]!.importance
  return scores
}

const halfLife = rankerWeights.recencyHalfLifeDays * 24 * 60 * 60 * 1000

/**
 * Relative to the newest candidate rather than to the clock, so the same data always gives the same order.
 *
 * @since 0.1.0
 */
export const scoreRecency = ({ memories }: ScopeIndex, candidates: Int32Array): Float64Array => {
  let newest = -Infinity
  for (const position of candidates) newest = Math.max(newest, memories[position]!.at)
  const scores = new Float64Array(memories.length)
  for (const position of candidates) scores[position] = halfLife / (halfLife + newest - memories[position]!.at)
  return scores
}
