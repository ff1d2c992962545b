/**
 * The names of spans, attributes and metrics, after the OpenTelemetry
 * conventions for generative AI (semantic conventions 1.37), and the gauge that
 * shows whether anything leaks.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { ParentSpan } from "effect/Tracer"

/**
 * One run of an agent; the name of the agent follows.
 *
 * @since 0.1.0
 * @category spans
 */
export const spanRun = "invoke_agent"

/**
 * One call of the model; the name of the model follows.
 *
 * @since 0.1.0
 * @category spans
 */
export const spanModel = "chat"

/**
 * One call of a tool; the name of the tool follows.
 *
 * @since 0.1.0
 * @category spans
 */
export const spanTool = "execute_tool"

/**
 * @since 0.1.0
 * @category attributes
 */
export const operationName = "gen_ai.operation.name"

/**
 * @since 0.1.0
 * @category attributes
 */
export const agentName = "gen_ai.agent.name"

/**
 * @since 0.1.0
 * @category attributes
 */
export const conversationId = "gen_ai.conversation.id"

/**
 * @since 0.1.0
 * @category attributes
 */
export const modelName = "gen_ai.request.model"

/**
 * @since 0.1.0
 * @category attributes
 */
export const inputTokens = "gen_ai.usage.input_tokens"

/**
 * @since 0.1.0
 * @category attributes
 */
export const outputTokens = "gen_ai.usage.output_tokens"

/**
 * @since 0.1.0
 * @category attributes
 */
export const finishReasons = "gen_ai.response.finish_reasons"

/**
 * @since 0.1.0
 * @category attributes
 */
export const toolName = "gen_ai.tool.name"

/**
 * @since 0.1.0
 * @category attributes
 */
export const toolCallId = "gen_ai.tool.call.id"

/**
 * Why a call of a model or tool failed: the `reason` of its error.
 *
 * @since 0.1.0
 * @category attributes
 */
export const errorType = "error.type"

/**
 * What is open: runs that go on, calls of models (each a connection) and of
 * tools.
 *
 * @since 0.1.0
 * @category metrics
 */
export type Kind = "run" | "model_call" | "tool_call"

const gauge = Metric.gauge("sennit_agent_open", {
  description: "Runs, model calls and tool calls that are open; all 0 when nothing goes on"
})

/**
 * How many of a kind are open: 0 when nothing goes on.
 *
 * @since 0.1.0
 * @category metrics
 */
export const open: { readonly [K in Kind]: Metric.Metric.Gauge<number> } = {
  run: Metric.tagged(gauge, "kind", "run"),
  model_call: Metric.tagged(gauge, "kind", "model_call"),
  tool_call: Metric.tagged(gauge, "kind", "tool_call")
}

/**
 * Everything that is open, of all kinds together. Anything but 0 in a process
 * that runs no agent is a leak.
 *
 * @since 0.1.0
 * @category metrics
 */
export const leaks: Effect.Effect<number> = Effect.sync(() =>
  Object.values(open).reduce((sum, one) => sum + one.unsafeValue([]).value, 0)
)

const noTags: [] = []

/** @internal Hot path: counts without an effect. */
export const count = (kind: Kind, by: 1 | -1): void => open[kind].unsafeModify(by, noTags)

const tokens = Metric.counter("gen_ai.client.token.usage", { description: "Tokens used", incremental: true })

/**
 * Tokens used, by `gen_ai.token.type`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const tokenUsage: { readonly [K in "input" | "output"]: Metric.Metric.Counter<number> } = {
  input: Metric.tagged(tokens, "gen_ai.token.type", "input"),
  output: Metric.tagged(tokens, "gen_ai.token.type", "output")
}

/** @internal Hot path: counts without an effect. */
export const countTokens = (input: number, output: number): void => {
  tokenUsage.input.unsafeUpdate(input, noTags)
  tokenUsage.output.unsafeUpdate(output, noTags)
}

/** @internal The span of one tool call, and its place among what is open. */
export const toolSpan =
  (call: { readonly id: string; readonly name: string }) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, ParentSpan>> =>
    Effect.withSpan(
      Effect.suspend(() => {
        count("tool_call", 1)
        return Effect.onExit(effect, () => {
          count("tool_call", -1)
          return Effect.void
        })
      }),
      `${spanTool} ${call.name}`,
      {
        captureStackTrace: false,
        attributes: { [operationName]: spanTool, [toolName]: call.name, [toolCallId]: call.id }
      }
    )
