/**
 * What a run may use, and what it has used.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

/**
 * What one run may use. When a limit is reached, the model is asked once more,
 * without tools, and the outcome is `limited`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** How often the model may be asked, not counting a last answer at a limit. Default: 16. */
  readonly steps: number
  /** How many tool calls may be run. Default: 64. */
  readonly toolCalls: number
  /** How many tool calls may run at the same time. Default: 8. */
  readonly parallelTools: number
  /** How long the run may take, without the time it waits for decisions. Default: 5 minutes. */
  readonly wallClock: Duration.DurationInput
  /** How many tokens, in and out together, before no further step is begun. Default: no limit. */
  readonly tokens: number
  /** How much the model may cost, by `Prices`, before no further step is begun. Default: no limit. */
  readonly costUsd: number
}

/**
 * What a model costs, in US dollars per million tokens.
 *
 * @since 0.1.0
 * @category models
 */
export interface Prices {
  readonly input: number
  readonly output: number
}

/**
 * Tokens that a run has used so far.
 *
 * @since 0.1.0
 * @category models
 */
export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
}

/**
 * @since 0.1.0
 * @category defaults
 */
export const defaultLimits: Limits = {
  steps: 16,
  toolCalls: 64,
  parallelTools: 8,
  wallClock: "5 minutes",
  tokens: Number.POSITIVE_INFINITY,
  costUsd: Number.POSITIVE_INFINITY
}

/**
 * What these tokens cost, in US dollars; 0 without prices.
 *
 * @since 0.1.0
 * @category accounting
 */
export const cost = (usage: Usage, prices: Prices | undefined): number =>
  prices === undefined ? 0 : (usage.inputTokens * prices.input + usage.outputTokens * prices.output) / 1_000_000
