/**
 * What the page shows of a conversation, and the events of `GET /api/events` that change it. Runs in the browser too.
 */
import * as Schema from "effect/Schema"

/** A file of a conversation: its name is its identity there; `size` in bytes. */
export const FileSummary = Schema.Struct({ name: Schema.String, size: Schema.Number })
export type FileSummary = typeof FileSummary.Type

/** A file that a tool made; `type` is its media type. */
export const MadeFile = Schema.Struct({ ...FileSummary.fields, type: Schema.String })
export type MadeFile = typeof MadeFile.Type

/** One line of the conversation list; `updatedAt` is epoch milliseconds. */
export class ConversationSummary extends Schema.Class<ConversationSummary>("ConversationSummary")({
  id: Schema.String,
  title: Schema.String,
  updatedAt: Schema.Number,
  running: Schema.Boolean,
  /** An answer waits for a decision of the person. */
  waiting: Schema.Boolean,
  /** Of a search: the words around what was found. */
  hit: Schema.optional(Schema.String)
}) {}

/** A kind of block: what it is, and an id that is unique in the conversation. */
const block = <Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({ type: Schema.Literal(type), id: Schema.String, ...fields })

/** What the person asked; times are epoch milliseconds. */
const Question = block("question", {
  at: Schema.Number,
  text: Schema.String,
  attachments: Schema.Array(FileSummary)
})

/** A stretch of the answer between two tool calls, in Markdown. */
const Text = block("text", { text: Schema.String })

/**
 * One tool call; `arguments` is JSON text, `result` is what the model was given. `arriving`: the model still writes the
 * arguments; `waiting`: it is run only when the person allows it, by `callId`. What is `untrusted` was written by strangers: a page or a document.
 */
const Tool = block("tool", {
  callId: Schema.String,
  name: Schema.String,
  arguments: Schema.String,
  status: Schema.Literal("arriving", "waiting", "running", "done", "failed", "stopped", "refused"),
  /** The last lines of what it said while it worked. */
  output: Schema.String,
  result: Schema.String,
  files: Schema.Array(MadeFile),
  untrusted: Schema.Boolean,
  startedAt: Schema.Number,
  durationMs: Schema.Number
})

/** How far a run is, and what it has used; not shown in the thread. */
const Run = block("run", {
  startedAt: Schema.Number,
  steps: Schema.Number,
  toolCalls: Schema.Number,
  inputTokens: Schema.Number,
  outputTokens: Schema.Number,
  /** Null while it goes on. */
  durationMs: Schema.NullOr(Schema.Number)
})

/** What happened to an answer, in words. */
const Notice = block("notice", { text: Schema.String })

/** How a run ended, and which model answered. */
const Finish = block("finish", {
  outcome: Schema.Literal("completed", "limited", "stopped", "failed", "interrupted"),
  model: Schema.String,
  message: Schema.String,
  durationMs: Schema.Number,
  /** Tools whose results are kept. */
  toolsDone: Schema.Number
})

/** A block of the thread, in the order in which it happened. The id is unique in the conversation. */
export const Block = Schema.Union(Question, Text, Tool, Run, Notice, Finish)
export type Block = typeof Block.Type

/** A conversation as it stood at event `at`; later events of the stream bring it up to date. */
export class Conversation extends Schema.Class<Conversation>("Conversation")({
  summary: ConversationSummary,
  blocks: Schema.Array(Block),
  files: Schema.Array(FileSummary),
  at: Schema.String
}) {}

/** One event of `GET /api/events`. A delta's `offset` says where in the block's text it belongs, so a repeat is harmless. */
export const UiEvent = Schema.Union(
  Schema.Struct({ type: Schema.Literal("conversation"), conversation: ConversationSummary }),
  Schema.Struct({ type: Schema.Literal("removed"), conversation: Schema.String }),
  Schema.Struct({ type: Schema.Literal("block"), conversation: Schema.String, block: Block }),
  Schema.Struct({
    type: Schema.Literal("delta"),
    conversation: Schema.String,
    block: Schema.String,
    offset: Schema.Number,
    text: Schema.String
  })
)
export type UiEvent = typeof UiEvent.Type

/** The payload of one server-sent event: what happened in one flush, oldest first. */
export const UiEvents = Schema.parseJson(Schema.Array(UiEvent))
