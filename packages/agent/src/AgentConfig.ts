/**
 * Defaults and environment names.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"

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
  /** How many runs may go on at the same time; those that wait for a decision do not count. Default: 32. */
  readonly maxRunning: number
}

/**
 * @since 0.1.0
 * @category defaults
 */
export const defaultAgentRuns: AgentRunsConfig = { maxRunning: 32 }

/**
 * Reads `AGENT_MAX_RUNNING`.
 *
 * @since 0.1.0
 * @category config
 */
export const agentRuns: Config.Config<AgentRunsConfig> = Config.all({
  maxRunning: Config.integer("AGENT_MAX_RUNNING").pipe(Config.withDefault(defaultAgentRuns.maxRunning))
})
