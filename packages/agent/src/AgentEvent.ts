/**
 * The event log of a run: everything that happened, in true order. Answers,
 * transcripts, server-sent events and screens are all derived from it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ModelError, ToolError } from "./AgentError.ts"
import { Decision } from "./Approval.ts"
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
 * A tool whose side effect must happen at most once is about to run. It is in
 * the journal before the tool begins, so that after a crash nobody runs it
 * again.
 *
 * @since 0.1.0
 * @category events
 */
export const ToolRunStarted = Schema.TaggedStruct("ToolRunStarted", { ...stamp, callId: Schema.String })

/**
 * The call waits until somebody decides about it. `arguments` is what would be
 * run.
 *
 * @since 0.1.0
 * @category events
 */
export const ApprovalRequested = Schema.TaggedStruct("ApprovalRequested", {
  ...stamp,
  callId: Schema.String,
  name: Schema.String,
  arguments: Schema.String
})

/**
 * Somebody decided. A call that was not approved is never run.
 *
 * @since 0.1.0
 * @category events
 */
export const ApprovalResolved = Schema.TaggedStruct("ApprovalResolved", {
  ...stamp,
  callId: Schema.String,
  ...Decision.fields
})

/**
 * A stage of the work began. A tool call is a stage of its own, whose id is the
 * id of the call; the others name the stage that they are in.
 *
 * @since 0.1.0
 * @category events
 */
export const StageOpened = Schema.TaggedStruct("StageOpened", {
  ...stamp,
  stageId: Schema.String,
  parentId: Schema.String,
  name: Schema.String
})

/**
 * More of what a stage shows.
 *
 * @since 0.1.0
 * @category events
 */
export const StageAppended = Schema.TaggedStruct("StageAppended", {
  ...stamp,
  stageId: Schema.String,
  text: Schema.String
})

/**
 * A stage ended; `failed` also when it was interrupted.
 *
 * @since 0.1.0
 * @category events
 */
export const StageClosed = Schema.TaggedStruct("StageClosed", {
  ...stamp,
  stageId: Schema.String,
  status: Schema.Literal("completed", "failed")
})

/**
 * A stage gave a file to the answer.
 *
 * @since 0.1.0
 * @category events
 */
export const AttachmentAdded = Schema.TaggedStruct("AttachmentAdded", {
  ...stamp,
  stageId: Schema.String,
  attachment: Attachment
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
export const Limit = Schema.Literal("steps", "toolCalls", "tokens", "costUsd", "wallClock")

/**
 * @since 0.1.0
 * @category models
 */
export type Limit = typeof Limit.Type

/**
 * A limit was reached: one last answer without tools follows.
 *
 * @since 0.1.0
 * @category events
 */
export const LimitReached = Schema.TaggedStruct("LimitReached", { ...stamp, limit: Limit })

/**
 * All that is left is to wait for decisions about these calls. The run holds
 * nothing until it is resumed.
 *
 * @since 0.1.0
 * @category events
 */
export const RunSuspended = Schema.TaggedStruct("RunSuspended", { ...stamp, waiting: Schema.Array(Schema.String) })

/**
 * The run goes on, after decisions or after its process had ended. The text of
 * a step that had called no tool yet is void: the model is asked again.
 *
 * @since 0.1.0
 * @category events
 */
export const RunResumed = Schema.TaggedStruct("RunResumed", { ...stamp, model: Schema.String })

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
  ToolRunStarted,
  ApprovalRequested,
  ApprovalResolved,
  StageOpened,
  StageAppended,
  StageClosed,
  AttachmentAdded,
  ToolResult,
  UsageUpdated,
  StepFinished,
  LimitReached,
  RunSuspended,
  RunResumed,
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
      case "RunResumed":
        if (calls.length === 0) text = ""
        break
      case "StepStarted":
      case "RunFinished":
        close()
        break
    }
  }
  close()
  return repair(messages)
}
