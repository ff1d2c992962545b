import type { ModelRequest } from "../ChatModel.ts"
import type { Attachment, Message } from "../Message.ts"

/** @internal The body of a streaming chat completions request. */
export const writeModelRequest = (model: string, request: ModelRequest): object => ({
  model,
  messages: request.messages.map(writeMessage),
  stream: true,
  stream_options: { include_usage: true },
  ...(request.tools.length === 0 ? {} : {
    tools: request.tools.map((tool) => ({ type: "function", function: tool })),
    tool_choice: request.toolChoice ?? "auto"
  })
})

const writeMessage = (message: Message): object => {
  switch (message.role) {
    case "system":
      return message
    case "user":
      return { role: "user", content: message.content + listAttachments(message.attachments) }
    case "assistant":
      return message.toolCalls.length === 0
        ? { role: "assistant", content: message.content }
        : {
          role: "assistant",
          content: message.content === "" ? null : message.content,
          tool_calls: message.toolCalls.map((call) => ({
            id: call.id,
            type: "function",
            function: { name: call.name, arguments: validJson(call.arguments) }
          }))
        }
    case "tool":
      return { role: "tool", tool_call_id: message.callId, content: message.content }
  }
}

const listAttachments = (attachments: ReadonlyArray<Attachment>): string =>
  attachments.length === 0
    ? ""
    : `\n\nAttached files:\n${
      attachments.map(({ name, size, type }) => `- ${name} (${type}, ${size} bytes)`).join("\n")
    }`

/** Servers put earlier arguments into a template that needs JSON; the result of the call says what was wrong. */
const validJson = (text: string): string => {
  try {
    JSON.parse(text)
    return text
  } catch {
    return "{}"
  }
}
