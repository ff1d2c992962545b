/**
 * Every number of the ranker, in one place and under one version. They were chosen on five LoCoMo conversations, few and
 * round, each confirmed by leaving one conversation out; whoever changes one runs the LoCoMo rows of the benchmark and
 * raises the version.
 *
 * @since 0.1.0
 */
export const rankerWeights = {
  version: 2,
  bm25: { k1: 1.2, b: 0.75 },
  expansion: { documents: 8, terms: 10 },
  recencyHalfLifeDays: 30,
  /** A memory beside a date that the query names counts less with every day, and nothing from here on. */
  dateReachDays: 14,
  /** A cosine below this says nothing by itself. */
  leastMeaning: 0.3,
  /** So many of the best by a first, coarse pass are looked at in full. */
  candidates: 1_000,
  /**
   * Near-duplicates: from the cosine `from` on, up to `penalty` off a memory that is like a better one. The first
   * `depth` places are spread so.
   */
  diversity: { from: 0.9, penalty: 0.5, depth: 50 },
  signals: {
    turn: 1,
    near: 0.3,
    far: 0.5,
    coverage: 0.5,
    answer: 0.5,
    session: 0.5,
    speaker: 0.4,
    expansion: 0.1,
    meaning: 1,
    time: 1,
    statement: 0.2,
    recency: 0.02,
    importance: 0.02
  }
} as const

/**
 * @since 0.1.0
 */
export type SignalName = keyof typeof rankerWeights.signals | "diversity"
