/**
 * Defaults and environment names.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"

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
  /** How long the run may take. Default: 5 minutes. */
  readonly wallClock: Duration.DurationInput
  /** How many tokens, in and out together, before no further step is begun. Default: no limit. */
  readonly tokens: number
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
  tokens: Number.POSITIVE_INFINITY
}

/**
 * Where a model is and how to talk to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenAiChatConfig {
  readonly baseUrl: string
  readonly model: string
  readonly apiKey: Redacted.Redacted | undefined
}

/**
 * Reads `OPENAI_BASE_URL` (default `https://api.openai.com/v1`), `OPENAI_MODEL`
 * and, when there is one, `OPENAI_API_KEY`.
 *
 * @since 0.1.0
 * @category config
 */
export const openAiChat: Effect.Effect<OpenAiChatConfig, ConfigError.ConfigError> = Effect.map(
  Config.all({
    baseUrl: Config.string("OPENAI_BASE_URL").pipe(Config.withDefault("https://api.openai.com/v1")),
    model: Config.nonEmptyString("OPENAI_MODEL"),
    apiKey: Config.option(Config.redacted("OPENAI_API_KEY"))
  }),
  ({ apiKey, baseUrl, model }) => ({ baseUrl, model, apiKey: Option.getOrUndefined(apiKey) })
)

/**
 * Bounds of the service that keeps detached runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface AgentRunsConfig {
  /** How many runs may go on at the same time. Default: 32. */
  readonly maxRunning: number
  /** How many finished runs are kept for late readers. Default: 256. */
  readonly keepFinished: number
}

/**
 * @since 0.1.0
 * @category defaults
 */
export const defaultAgentRuns: AgentRunsConfig = { maxRunning: 32, keepFinished: 256 }

/**
 * Reads `AGENT_MAX_RUNNING` and `AGENT_KEEP_FINISHED`.
 *
 * @since 0.1.0
 * @category config
 */
export const agentRuns: Config.Config<AgentRunsConfig> = Config.all({
  maxRunning: Config.integer("AGENT_MAX_RUNNING").pipe(Config.withDefault(defaultAgentRuns.maxRunning)),
  keepFinished: Config.integer("AGENT_KEEP_FINISHED").pipe(Config.withDefault(defaultAgentRuns.keepFinished))
})
