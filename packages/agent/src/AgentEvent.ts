/**
 * The event log of a run: everything that happened, in true order. Answers,
 * transcripts, server-sent events and screens are all derived from it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ModelError, ToolError } from "./AgentError.ts"
import type { Message, ToolCall, ToolMessage } from "./Message.ts"
import { assistant, Attachment, repair, user } from "./Message.ts"

/** Every event: `seq` counts from 1 without gaps, `at` is milliseconds since 1970. */
const stamp = { seq: Schema.Number, at: Schema.Number }

/**
 * Always the first event.
 *
 * @since 0.1.0
 * @category events
 */
export const RunStarted = Schema.TaggedStruct("RunStarted", {
  ...stamp,
  runId: Schema.String,
  agent: Schema.String,
  model: Schema.String,
  message: Schema.String,
  attachments: Schema.Array(Attachment)
})

/**
 * The model is asked for the `step`-th time (from 1).
 *
 * @since 0.1.0
 * @category events
 */
export const StepStarted = Schema.TaggedStruct("StepStarted", { ...stamp, step: Schema.Number })

/**
 * More of the text of this step.
 *
 * @since 0.1.0
 * @category events
 */
export const TextDelta = Schema.TaggedStruct("TextDelta", { ...stamp, text: Schema.String })

/**
 * More of what a reasoning model shows of its thinking. Not part of the answer.
 *
 * @since 0.1.0
 * @category events
 */
export const ReasoningDelta = Schema.TaggedStruct("ReasoningDelta", { ...stamp, text: Schema.String })

/**
 * The model began to ask for a tool; its arguments are still coming.
 *
 * @since 0.1.0
 * @category events
 */
export const ToolCallStarted = Schema.TaggedStruct("ToolCallStarted", {
  ...stamp,
  callId: Schema.String,
  name: Schema.String
})

/**
 * The arguments (JSON text as the model wrote it) are complete; the tool starts.
 *
 * @since 0.1.0
 * @category events
 */
export const ToolCallReady = Schema.TaggedStruct("ToolCallReady", {
  ...stamp,
  callId: Schema.String,
  name: Schema.String,
  arguments: Schema.String
})

/**
 * A call ended. `content` is what the model reads; `error` is there when the
 * call did not succeed.
 *
 * @since 0.1.0
 * @category events
 */
export const ToolResult = Schema.TaggedStruct("ToolResult", {
  ...stamp,
  callId: Schema.String,
  name: Schema.String,
  content: Schema.String,
  error: Schema.optional(ToolError),
  truncated: Schema.Boolean,
  untrusted: Schema.Boolean,
  durationMs: Schema.Number
})

/**
 * Tokens used by the run so far.
 *
 * @since 0.1.0
 * @category events
 */
export const UsageUpdated = Schema.TaggedStruct("UsageUpdated", {
  ...stamp,
  inputTokens: Schema.Number,
  outputTokens: Schema.Number
})

/**
 * All results of this step are there.
 *
 * @since 0.1.0
 * @category events
 */
export const StepFinished = Schema.TaggedStruct("StepFinished", {
  ...stamp,
  step: Schema.Number,
  toolCalls: Schema.Number
})

/**
 * The limit that ended a run.
 *
 * @since 0.1.0
 * @category models
 */
export const Limit = Schema.Literal("steps", "toolCalls", "tokens", "wallClock")

/**
 * @since 0.1.0
 * @category models
 */
export type Limit = typeof Limit.Type

/**
 * Always the last event. `limit` is there when the outcome is `limited`,
 * `error` when it is `failed`. `text` is the answer.
 *
 * @since 0.1.0
 * @category events
 */
export const RunFinished = Schema.TaggedStruct("RunFinished", {
  ...stamp,
  outcome: Schema.Literal("completed", "limited", "stopped", "failed"),
  limit: Schema.optional(Limit),
  error: Schema.optional(ModelError),
  text: Schema.String,
  durationMs: Schema.Number
})

/**
 * @since 0.1.0
 * @category events
 */
export const AgentEvent = Schema.Union(
  RunStarted,
  StepStarted,
  TextDelta,
  ReasoningDelta,
  ToolCallStarted,
  ToolCallReady,
  ToolResult,
  UsageUpdated,
  StepFinished,
  RunFinished
)

/**
 * @since 0.1.0
 * @category events
 */
export type AgentEvent = typeof AgentEvent.Type

/**
 * The messages that a run added to a conversation: the user's, then those of
 * the assistant and its tools, always complete enough to go on from (a call
 * without a result gets one that says so).
 *
 * @since 0.1.0
 * @category derivations
 */
export const toMessages = (events: Iterable<AgentEvent>): ReadonlyArray<Message> => {
  const messages: Array<Message> = []
  let text = ""
  let calls: Array<ToolCall> = []
  let results: Array<ToolMessage> = []
  const close = () => {
    if (text !== "" || calls.length > 0) messages.push(assistant(text, calls), ...results)
    text = ""
    calls = []
    results = []
  }
  for (const event of events) {
    switch (event._tag) {
      case "RunStarted":
        messages.push(user(event.message, event.attachments))
        break
      case "TextDelta":
        text += event.text
        break
      case "ToolCallStarted":
        calls.push({ id: event.callId, name: event.name, arguments: "{}" })
        break
      case "ToolCallReady": {
        const index = calls.findIndex((call) => call.id === event.callId)
        calls[index] = { id: event.callId, name: event.name, arguments: event.arguments }
        break
      }
      case "ToolResult": {
        const { callId, content, error, name, untrusted } = event
        results.push({ role: "tool", callId, name, content, failed: error !== undefined, untrusted })
        break
      }
      case "StepStarted":
      case "RunFinished":
        close()
        break
    }
  }
  close()
  return repair(messages)
}
