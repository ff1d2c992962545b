/**
 * Every number of the ranker, in one place and under one version. They were chosen on five LoCoMo conversations with
 * few and round values; whoever changes one runs the LoCoMo test and raises the version.
 *
 * @since 0.1.0
 */
export const rankerWeights = {
  version: 1,
  bm25: { k1: 1.2, b: 0.75 },
  expansion: { documents: 8, terms: 10 },
  recencyHalfLifeDays: 30,
  signals: {
    turn: 1,
    near: 0.5,
    far: 0.5,
    session: 0.5,
    speaker: 0.15,
    expansion: 0.2,
    recency: 0.02,
    importance: 0.02
  }
} as const

/**
 * @since 0.1.0
 */
export type SignalName = keyof typeof rankerWeights.signals
