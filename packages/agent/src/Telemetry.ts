/**
 * The names of spans, attributes and metrics, after the OpenTelemetry
 * conventions for generative AI.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * One run of an agent.
 *
 * @since 0.1.0
 * @category spans
 */
export const spanRun = "invoke_agent"

/**
 * One call of the model.
 *
 * @since 0.1.0
 * @category spans
 */
export const spanModel = "chat"

/**
 * One call of a tool.
 *
 * @since 0.1.0
 * @category spans
 */
export const spanTool = "execute_tool"

/**
 * @since 0.1.0
 * @category attributes
 */
export const agentName = "gen_ai.agent.name"

/**
 * @since 0.1.0
 * @category attributes
 */
export const modelName = "gen_ai.request.model"

/**
 * @since 0.1.0
 * @category attributes
 */
export const toolName = "gen_ai.tool.name"

/**
 * How many runs are going on: 0 when nothing leaks.
 *
 * @since 0.1.0
 * @category metrics
 */
export const runsActive: Metric.Metric.Gauge<number> = Metric.gauge("sennit_agent_runs_active", {
  description: "Runs that are going on"
})
