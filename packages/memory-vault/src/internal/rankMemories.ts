/**
 * The contextual lexical ranker. A turn of a conversation is short and leans on its neighbours, so a memory is scored by
 * its own words, by those of the turns around it and by those of its session (all BM25, Robertson and Zaragoza 2009),
 * by pseudo-relevance feedback (RM3, Lavrenko and Croft 2001), by who spoke, when, and how weighty it looked.
 *
 * Every signal is scaled to 0..1 over the candidates before the weighted sum, so no signal depends on another's unit.
 *
 * @since 0.1.0
 */
import * as Record from "effect/Record"
import { queryTerms, stopTerms } from "./analyzeText.ts"
import type { Group, IndexedMemory, Posting, ScopeIndex } from "./indexScope.ts"
import { rankerWeights } from "./rankerWeights.ts"
import type { SignalName } from "./rankerWeights.ts"

/**
 * A ranked memory and its score.
 *
 * @since 0.1.0
 */
export interface Ranked {
  readonly memory: IndexedMemory
  readonly score: number
  /** What each signal adds to the score. */
  readonly explain: () => Readonly<Record<SignalName, number>>
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
  for (const [{ frequencies, positions }, weight] of terms) {
    const idf = weight * inverseFrequency(count, positions.length)
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i]!
      scores[position]! += idf * saturate(frequencies[i]!, index.lengths[position]!, average)
    }
  }
  return scores
}

/** Every session is one document to this signal; its turns share its score. */
const scoreSessions = (index: ScopeIndex, terms: ReadonlyArray<WeightedTerm>): Float64Array => {
  const count = index.groups.size
  const average = index.totalLength / count
  const sessions = new Map<Group, number>()
  for (const [{ frequencies, positions }, weight] of terms) {
    const inSession = new Map<Group, number>()
    for (let i = 0; i < positions.length; i++) {
      const group = index.groupOf[positions[i]!]!
      inSession.set(group, (inSession.get(group) ?? 0) + frequencies[i]!)
    }
    const idf = weight * inverseFrequency(count, inSession.size)
    for (const [group, frequency] of inSession) {
      sessions.set(group, (sessions.get(group) ?? 0) + idf * saturate(frequency, group.length, average))
    }
  }
  const scores = new Float64Array(index.memories.length)
  for (const [group, score] of sessions) {
    for (const position of group.positions) scores[position] = score
  }
  return scores
}

/** What the turns at a distance in the same session scored. */
const scoreNeighbours = (index: ScopeIndex, turns: Float64Array, distance: number): Float64Array => {
  const scores = new Float64Array(turns.length)
  for (let position = 0; position < turns.length; position++) {
    const score = turns[position]!
    if (score === 0) continue
    const { positions } = index.groupOf[position]!
    const place = index.placeOf[position]!
    if (place >= distance) scores[positions[place - distance]!]! += score
    if (place + distance < positions.length) scores[positions[place + distance]!]! += score
  }
  return scores
}

/** The first `limit` by an order without equals, first first. */
const takeFirst = <A>(items: Iterable<A>, limit: number, isBefore: (one: A, other: A) => boolean): ReadonlyArray<A> => {
  const first: Array<A> = []
  for (const item of items) {
    if (first.length === limit && !isBefore(item, first[limit - 1]!)) continue
    let place = first.length
    while (place > 0 && isBefore(item, first[place - 1]!)) place--
    first.splice(place, 0, item)
    if (first.length > limit) first.pop()
  }
  return first
}

/** Best score first; of equals the newer first. */
const byScore = (scores: Float64Array) => (one: number, other: number): boolean => {
  const difference = scores[one]! - scores[other]!
  return difference > 0 || (difference === 0 && one > other)
}

const isHeavier = ([{ term }, weight]: WeightedTerm, [other, otherWeight]: WeightedTerm): boolean =>
  weight > otherWeight || (weight === otherWeight && term < other.term)

/** RM3: the terms that the best turns share, weighted by rarity, become a second query. */
const expand = (index: ScopeIndex, turns: Float64Array, query: ReadonlySet<string>): ReadonlyArray<WeightedTerm> => {
  const matching: Array<number> = []
  for (let position = 0; position < turns.length; position++) if (turns[position]! > 0) matching.push(position)
  const shares = new Map<Posting, number>()
  for (const position of takeFirst(matching, rankerWeights.expansion.documents, byScore(turns))) {
    const share = turns[position]! / index.lengths[position]!
    for (const [posting, frequency] of index.forward[position]!) {
      if (query.has(posting.term) || stopTerms.has(posting.term)) continue
      shares.set(posting, (shares.get(posting) ?? 0) + share * frequency)
    }
  }
  const terms: Array<WeightedTerm> = []
  for (const [posting, share] of shares) {
    terms.push([posting, share * inverseFrequency(index.memories.length, posting.positions.length)])
  }
  return takeFirst(terms, rankerWeights.expansion.terms, isHeavier)
}

/** Turns of the speakers whom the query names. */
const scoreSpeakers = (index: ScopeIndex, query: ReadonlySet<string>): Float64Array => {
  const scores = new Float64Array(index.memories.length)
  for (const { positions, terms } of index.speakers.values()) {
    if (terms.some((term) => query.has(term))) { for (const position of positions) scores[position] = 1 }
  }
  return scores
}

const halfLife = rankerWeights.recencyHalfLifeDays * 24 * 60 * 60 * 1000

/** Relative to the newest candidate rather than to the clock, so the same data always gives the same order. */
const scoreRecency = (index: ScopeIndex, candidates: ReadonlyArray<number>): Float64Array => {
  let newest = -Infinity
  for (const position of candidates) newest = Math.max(newest, index.memories[position]!.at)
  const scores = new Float64Array(index.memories.length)
  for (const position of candidates) scores[position] = halfLife / (halfLife + newest - index.memories[position]!.at)
  return scores
}

const scoreImportance = (index: ScopeIndex, candidates: ReadonlyArray<number>): Float64Array => {
  const scores = new Float64Array(index.memories.length)
  for (const position of candidates) scores[position] = index.memories[position]!.importance
  return scores
}

const scoreLexically = (index: ScopeIndex, query: ReadonlySet<string>): Partial<Record<SignalName, Float64Array>> => {
  const terms: Array<WeightedTerm> = []
  for (const term of query) {
    const posting = index.postings.get(term)
    if (posting !== undefined) terms.push([posting, 1])
  }
  const turn = scoreTurns(index, terms)
  return {
    turn,
    near: scoreNeighbours(index, turn, 1),
    far: scoreNeighbours(index, turn, 2),
    session: scoreSessions(index, terms),
    speaker: scoreSpeakers(index, query),
    expansion: scoreTurns(index, expand(index, turn, query))
  }
}

/** A signal as a share of the score: scaled to 0..1 over the candidates, then weighted. */
interface Share {
  readonly values: Float64Array
  readonly low: number
  readonly factor: number
  readonly base: number
}

const scaleOver = (candidates: ReadonlyArray<number>, values: Float64Array, weight: number): Share => {
  let low = Infinity
  let high = -Infinity
  for (const position of candidates) {
    const value = values[position]!
    if (value < low) low = value
    if (value > high) high = value
  }
  // A signal that tells no candidate apart gives each the same.
  return high > low
    ? { values, low, factor: weight / (high - low), base: 0 }
    : { values, low, factor: 0, base: weight * Math.min(1, low) }
}

const shareOf = ({ base, factor, low, values }: Share, position: number): number =>
  base + factor * (values[position]! - low)

const sumShares = (shares: Iterable<Share>, candidates: ReadonlyArray<number>, length: number): Float64Array => {
  const total = new Float64Array(length)
  for (const share of shares) {
    for (const position of candidates) total[position]! += shareOf(share, position)
  }
  return total
}

const silence = (index: ScopeIndex): Float64Array => new Float64Array(index.memories.length)

const isReached = (signals: ReadonlyArray<Float64Array>, position: number): boolean => {
  for (const values of signals) if (values[position]! > 0) return true
  return false
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
  const terms = queryTerms(query)
  const lexical = terms.size === 0 ? {} : scoreLexically(index, terms)
  const lexicalValues = Object.values(lexical)
  const candidates: Array<number> = []
  for (let position = 0; position < index.memories.length; position++) {
    if ((terms.size === 0 || isReached(lexicalValues, position)) && options.accepts(index.memories[position]!)) {
      candidates.push(position)
    }
  }
  const values = {
    ...lexical,
    recency: scoreRecency(index, candidates),
    importance: scoreImportance(index, candidates)
  }
  const shares = Record.map(
    rankerWeights.signals,
    (weight, name) => scaleOver(candidates, values[name] ?? silence(index), weight)
  )
  const total = sumShares(Object.values(shares), candidates, index.memories.length)
  return takeFirst(candidates, options.limit, byScore(total)).map((position) => ({
    memory: index.memories[position]!,
    score: total[position]!,
    explain: () => Record.map(shares, (share) => shareOf(share, position))
  }))
}
