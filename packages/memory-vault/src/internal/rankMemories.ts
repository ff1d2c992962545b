/**
 * The ranker: candidates by words, neighbours, session, meaning and time; every signal scaled to 0..1 over the
 * candidates, so that none depends on another's unit; a weighted sum; near-duplicates of what is ranked already step
 * back (maximal marginal relevance, Carbonell and Goldstein 1998).
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import { queryTerms } from "./analyzeText.ts"
import type { IndexedMemory, ScopeIndex } from "./indexScope.ts"
import { rankerWeights } from "./rankerWeights.ts"
import type { SignalName } from "./rankerWeights.ts"
import { readDates } from "./readDates.ts"
import * as Signals from "./scoreSignals.ts"
import type { WeightedTerm } from "./scoreSignals.ts"
import { takeFirst } from "./takeFirst.ts"

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

const { signals: weights } = rankerWeights

type Scored = Exclude<SignalName, "diversity">
type Scores = Partial<Record<Scored, Float64Array>>

/**
 * What holds: begun by the one time, and not over at the other.
 *
 * @since 0.1.0
 */
export interface Validity {
  readonly begunBy: number
  readonly openAt: number
}

const always: Validity = { begunBy: Infinity, openAt: -Infinity }

const gatherAccepted = (
  { begins, ends, memories }: ScopeIndex,
  { accepts, valid: { begunBy, openAt } = always }: {
    readonly accepts?: ((memory: IndexedMemory) => boolean) | undefined
    readonly valid?: Validity | undefined
  }
): Int32Array => {
  const kept = new Int32Array(memories.length)
  let count = 0
  for (let position = 0; position < memories.length; position++) {
    if (ends[position]! > openAt && begins[position]! <= begunBy) {
      if (accepts === undefined || accepts(memories[position]!)) kept[count++] = position
    }
  }
  return kept.subarray(0, count)
}

/** What the query's words and dates reach. */
const scoreWords = (index: ScopeIndex, query: string, words: ReadonlySet<string>): Scores => {
  const terms = Array.from(words).flatMap((term): ReadonlyArray<WeightedTerm> => {
    const posting = index.postings.get(term)
    return posting === undefined ? [] : [[posting, 1]]
  })
  const turn = Signals.scoreTurns(index, terms)
  return {
    turn,
    ...Signals.scoreNeighbours(index, turn),
    coverage: Signals.scoreCoverage(index, terms),
    answer: Signals.scoreAnswers(index, turn),
    session: Signals.scoreSessions(index, terms),
    ...Signals.scoreSpeakers(index, words),
    expansion: Signals.scoreExpansion(index, turn, words),
    ...Signals.scoreTimes(index, readDates(query))
  }
}

/** A signal as a share of the score: scaled to 0..1 over the candidates, then weighted. */
interface Share {
  readonly values: Float64Array
  readonly low: number
  readonly factor: number
  readonly base: number
}

const scaleOver = (candidates: Int32Array, values: Float64Array, weight: number): Share => {
  let low = Infinity
  let high = -Infinity
  for (let i = 0; i < candidates.length; i++) {
    const value = values[candidates[i]!]!
    if (value < low) low = value
    if (value > high) high = value
  }
  // A signal that tells no candidate apart gives each the same.
  return high > low
    ? { values, low, factor: weight / (high - low), base: 0 }
    : { values, low, factor: 0, base: weight * Math.max(0, Math.min(1, low)) }
}

const scaleAll = (scores: Scores, candidates: Int32Array): Partial<Record<Scored, Share>> =>
  Record.filterMap(
    weights,
    (weight, name) => Option.map(Option.fromNullable(scores[name]), (values) => scaleOver(candidates, values, weight))
  )

const shareOf = ({ base, factor, low, values }: Share, position: number): number =>
  base + factor * (values[position]! - low)

const sumShares = (shares: Partial<Record<Scored, Share>>, candidates: Int32Array, length: number): Float64Array => {
  const total = new Float64Array(length)
  for (const { base, factor, low, values } of Object.values(shares)) {
    for (let i = 0; i < candidates.length; i++) {
      const position = candidates[i]!
      total[position]! += base + factor * (values[position]! - low)
    }
  }
  return total
}

const addShares = (total: Float64Array, values: Float64Array, weight: number): void => {
  let high = 0
  for (let i = 0; i < values.length; i++) if (values[i]! > high) high = values[i]!
  if (high === 0) return
  const factor = weight / high
  for (let i = 0; i < values.length; i++) total[i]! += factor * values[i]!
}

const steps = 1_024

/** The best by score, at least `limit` of them: all that share the step of the last one. */
const takeBest = (candidates: Int32Array, scores: Float64Array, limit: number): Int32Array => {
  let low = Infinity
  let high = -Infinity
  for (let i = 0; i < candidates.length; i++) {
    const score = scores[candidates[i]!]!
    if (score < low) low = score
    if (score > high) high = score
  }
  if (high === low) return candidates.subarray(Math.max(0, candidates.length - limit))
  const counts = new Int32Array(steps)
  const stepOf = new Uint16Array(candidates.length)
  for (let i = 0; i < candidates.length; i++) {
    const step = Math.min(steps - 1, Math.floor(steps * (scores[candidates[i]!]! - low) / (high - low)))
    stepOf[i] = step
    counts[step]!++
  }
  let least = steps - 1
  let count = counts[least]!
  while (count < limit && least > 0) count += counts[--least]!
  const best = new Int32Array(count)
  let taken = 0
  for (let i = 0; i < candidates.length; i++) if (stepOf[i]! >= least) best[taken++] = candidates[i]!
  return best
}

/** The signals of the first pass; what the rest add, they add to memories that one of these reaches. */
const coarse = ["turn", "near", "coverage", "session", "speaker", "time", "meaning"] as const

/** A first pass over many: signs in place of vectors, and every signal as a share of its best. */
const narrow = (
  index: ScopeIndex,
  accepted: Int32Array,
  scores: Scores,
  meaning: Int8Array | undefined
): Int32Array => {
  if (accepted.length <= rankerWeights.candidates) return accepted
  const estimate = new Float64Array(index.memories.length)
  if (meaning !== undefined) index.vectors.estimate(meaning, accepted, estimate)
  const total = new Float64Array(index.memories.length)
  for (const name of coarse) {
    const values = name === "meaning" ? estimate : scores[name]
    if (values !== undefined) addShares(total, values, weights[name])
  }
  return takeBest(accepted, total, rankerWeights.candidates)
}

/** Best score first; of equals the newer first. */
const byScore = (scores: Float64Array) => (one: number, other: number): boolean => {
  const difference = scores[one]! - scores[other]!
  return difference > 0 || (difference === 0 && one > other)
}

/** How much each of the best loses for being like a better one; those that stay before the rest are told in order. */
const spreadOut = (
  index: ScopeIndex,
  best: ReadonlyArray<number>,
  total: Float64Array,
  { depth, limit }: { readonly depth: number; readonly limit: number }
) => {
  const { from, penalty } = rankerWeights.diversity
  const waiting = [...best]
  const losses = waiting.map(() => 0)
  const chosen: Array<readonly [position: number, loss: number]> = []
  while (waiting.length > 0 && chosen.length < limit) {
    let first = 0
    for (let i = 1; i < waiting.length; i++) {
      if (total[waiting[i]!]! - losses[i]! > total[waiting[first]!]! - losses[first]!) first = i
    }
    const [position] = waiting.splice(first, 1)
    const [loss] = losses.splice(first, 1)
    chosen.push([position!, loss!])
    if (chosen.length > depth) continue
    for (let i = 0; i < waiting.length; i++) {
      const likeness = index.vectors.between(position!, waiting[i]!)
      if (likeness > from) losses[i] = Math.max(losses[i]!, penalty * (likeness - from) / (1 - from))
    }
  }
  return chosen
}

/**
 * The best `limit` memories among those that `accepts` lets through, best first. A query without any content word has
 * nothing to match and is answered by recency and importance; any other query is answered only by memories that some
 * word, a date or the meaning reaches. `meaning` is the query's vector.
 *
 * @since 0.1.0
 */
export const rankMemories = (
  index: ScopeIndex,
  query: string,
  options: {
    readonly limit: number
    /** Absent: all that is valid. */
    readonly accepts?: ((memory: IndexedMemory) => boolean) | undefined
    readonly valid?: Validity | undefined
    readonly meaning?: Int8Array | undefined
  }
): ReadonlyArray<Ranked> => {
  const { memories } = index
  const words = queryTerms(query)
  const accepted = gatherAccepted(index, options)
  const first = words.size === 0 ? {} : scoreWords(index, query, words)
  const narrowed = narrow(index, accepted, first, options.meaning)
  const meaning = new Float64Array(memories.length)
  if (options.meaning !== undefined) index.vectors.score(options.meaning, narrowed, meaning)
  const reaching = Object.values(first)
  const candidates = words.size === 0
    ? narrowed
    : narrowed.filter((position) =>
      meaning[position]! >= rankerWeights.leastMeaning || reaching.some((values) => values[position]! > 0)
    )
  const shares = scaleAll({
    ...first,
    meaning,
    statement: Signals.scoreStatements(index, candidates),
    recency: Signals.scoreRecency(index, candidates),
    importance: Signals.scoreImportance(index, candidates)
  }, candidates)
  const total = sumShares(shares, candidates, memories.length)
  const depth = words.size === 0 ? 0 : rankerWeights.diversity.depth
  const pool = takeFirst(candidates, options.limit + Math.min(options.limit, depth), byScore(total))
  return spreadOut(index, pool, total, { depth, limit: options.limit }).map(([position, loss]) => ({
    memory: memories[position]!,
    score: total[position]! - loss,
    explain: () => ({
      ...Record.map(weights, (_, name) => shares[name] === undefined ? 0 : shareOf(shares[name], position)),
      diversity: -loss
    })
  }))
}
