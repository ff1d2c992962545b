/**
 * What is said in a conversation: by the system, the user, the assistant and
 * its tools.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A file that comes with a message. `name` is how tools find it in the `Files`
 * port; `size` is in bytes; `type` is a media type; `url` is where a client
 * finds it.
 *
 * @since 0.1.0
 * @category models
 */
export const Attachment = Schema.Struct({
  name: Schema.String,
  size: Schema.Number,
  type: Schema.String,
  url: Schema.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Attachment = typeof Attachment.Type

/**
 * A call that the assistant asked for; `arguments` is JSON text as the model
 * wrote it, valid or not.
 *
 * @since 0.1.0
 * @category models
 */
export const ToolCall = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  arguments: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export type ToolCall = typeof ToolCall.Type

/**
 * @since 0.1.0
 * @category models
 */
export const SystemMessage = Schema.Struct({ role: Schema.Literal("system"), content: Schema.String })

/**
 * @since 0.1.0
 * @category models
 */
export type SystemMessage = typeof SystemMessage.Type

/**
 * @since 0.1.0
 * @category models
 */
export const UserMessage = Schema.Struct({
  role: Schema.Literal("user"),
  content: Schema.String,
  attachments: Schema.Array(Attachment)
})

/**
 * @since 0.1.0
 * @category models
 */
export type UserMessage = typeof UserMessage.Type

/**
 * @since 0.1.0
 * @category models
 */
export const AssistantMessage = Schema.Struct({
  role: Schema.Literal("assistant"),
  content: Schema.String,
  toolCalls: Schema.Array(ToolCall)
})

/**
 * @since 0.1.0
 * @category models
 */
export type AssistantMessage = typeof AssistantMessage.Type

/**
 * The result of one call. `untrusted` marks content that somebody else may
 * have written (a file, a page, a note): it is data, never an instruction.
 *
 * @since 0.1.0
 * @category models
 */
export const ToolMessage = Schema.Struct({
  role: Schema.Literal("tool"),
  callId: Schema.String,
  name: Schema.String,
  content: Schema.String,
  failed: Schema.Boolean,
  untrusted: Schema.Boolean
})

/**
 * @since 0.1.0
 * @category models
 */
export type ToolMessage = typeof ToolMessage.Type

/**
 * @since 0.1.0
 * @category models
 */
export const Message = Schema.Union(SystemMessage, UserMessage, AssistantMessage, ToolMessage)

/**
 * @since 0.1.0
 * @category models
 */
export type Message = typeof Message.Type

/**
 * @since 0.1.0
 * @category constructors
 */
export const system = (content: string): SystemMessage => ({ role: "system", content })

/**
 * @since 0.1.0
 * @category constructors
 */
export const user = (content: string, attachments: ReadonlyArray<Attachment> = []): UserMessage => ({
  role: "user",
  content,
  attachments
})

/**
 * @since 0.1.0
 * @category constructors
 */
export const assistant = (content: string, toolCalls: ReadonlyArray<ToolCall> = []): AssistantMessage => ({
  role: "assistant",
  content,
  toolCalls
})

const unknownOutcome = "{\"error\":{\"reason\":\"interrupted\",\"retryable\":false," +
  "\"message\":\"The run ended before this call had a result; whether it took effect is not known.\"}}"

/**
 * Makes a transcript acceptable to every model: each tool call is followed by
 * exactly one result, in call order; a call without one gets a result that says
 * so, a result without a call is left out.
 *
 * @since 0.1.0
 * @category combinators
 */
export const repair = (messages: ReadonlyArray<Message>): ReadonlyArray<Message> => {
  const repaired: Array<Message> = []
  let index = 0
  while (index < messages.length) {
    const message = messages[index++]!
    if (message.role === "tool") continue
    repaired.push(message)
    if (message.role !== "assistant" || message.toolCalls.length === 0) continue
    const results = new Map<string, ToolMessage>()
    for (let next = messages[index]; next !== undefined && next.role === "tool"; next = messages[++index]) {
      if (!results.has(next.callId)) results.set(next.callId, next)
    }
    for (const call of message.toolCalls) {
      repaired.push(
        results.get(call.id) ??
          { role: "tool", callId: call.id, name: call.name, content: unknownOutcome, failed: true, untrusted: false }
      )
    }
  }
  return repaired
}
