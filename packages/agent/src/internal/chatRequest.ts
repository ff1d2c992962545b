import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { AgentInput } from "../Agent.ts"
import type { EndpointError } from "../AgentError.ts"
import type { Attachment, Message } from "../Message.ts"
import { assistant, user } from "../Message.ts"
import { refusal } from "../server/Endpoint.ts"
import { guessType } from "./guessType.ts"

const Part = Schema.Struct({ type: Schema.String, text: Schema.optional(Schema.String) })

const Content = Schema.NullOr(Schema.Union(Schema.String, Schema.Array(Part)))

const WireCall = Schema.Struct({
  id: Schema.String,
  function: Schema.Struct({ name: Schema.String, arguments: Schema.String })
})

const WireAttachment = Schema.Struct({
  type: Schema.optional(Schema.NullOr(Schema.String)),
  title: Schema.optional(Schema.NullOr(Schema.String)),
  data: Schema.optional(Schema.NullOr(Schema.String)),
  url: Schema.optional(Schema.NullOr(Schema.String)),
  reference_url: Schema.optional(Schema.NullOr(Schema.String))
})

/** @internal */
export const WireMessage = Schema.Struct({
  role: Schema.Literal("system", "developer", "user", "assistant", "tool"),
  content: Schema.optionalWith(Content, { default: () => null }),
  tool_calls: Schema.optional(Schema.NullOr(Schema.Array(WireCall))),
  tool_call_id: Schema.optional(Schema.String),
  custom_content: Schema.optional(Schema.NullOr(Schema.Struct({
    attachments: Schema.optional(Schema.NullOr(Schema.Array(WireAttachment))),
    state: Schema.optional(Schema.Unknown)
  })))
})

/** @internal */
export type WireMessage = typeof WireMessage.Type

/** @internal What clients ask; sampling is the agent's own business, so those fields are passed over. */
export const ChatRequest = Schema.Struct({
  model: Schema.optional(Schema.String),
  messages: Schema.Array(WireMessage),
  stream: Schema.optional(Schema.NullOr(Schema.Boolean)),
  stream_options: Schema.optional(Schema.NullOr(Schema.Struct({ include_usage: Schema.optional(Schema.Boolean) }))),
  n: Schema.optional(Schema.NullOr(Schema.Number)),
  tools: Schema.optional(Schema.NullOr(Schema.Array(Schema.Unknown))),
  functions: Schema.optional(Schema.NullOr(Schema.Array(Schema.Unknown))),
  user: Schema.optional(Schema.NullOr(Schema.String))
})

/** @internal */
export type ChatRequest = typeof ChatRequest.Type

/** @internal */
export const textOf = ({ content }: WireMessage): Effect.Effect<string, EndpointError> => {
  if (content === null || typeof content === "string") return Effect.succeed(content ?? "")
  const other = content.find(({ type }) => type !== "text")
  return other === undefined
    ? Effect.succeed(content.map(({ text = "" }) => text).join(""))
    : Effect.fail(refusal(400, `Content of type "${other.type}" is not supported.`, { param: "messages" }))
}

/** DIAL names files by their address; tools find them under the last part of it. */
const attachmentsOf = (message: WireMessage): ReadonlyArray<Attachment> =>
  (message.custom_content?.attachments ?? []).flatMap(({ title, type, url }) => {
    if (typeof url !== "string" || url === "") return []
    const name = decodeName(url.slice(url.lastIndexOf("/") + 1)) || title || url
    return [{ name, size: 0, type: type ?? guessType(name), url }]
  })

const decodeName = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** @internal What the request asks an agent, and the instructions that the client gave on its own. */
export interface Asked {
  readonly input: AgentInput
  readonly instructions: string
}

/**
 * @internal
 * `unpack` gives the messages that an assistant's message with a state stands
 * for; `turn` counts those from 0.
 */
export const readChatRequest = <R>(
  request: ChatRequest,
  unpack: (state: unknown, turn: number) => Effect.Effect<ReadonlyArray<Message>, EndpointError, R>
): Effect.Effect<Asked, EndpointError, R> =>
  Effect.gen(function*() {
    if ((request.tools ?? []).length > 0 || (request.functions ?? []).length > 0) {
      return yield* refusal(400, "The agent has tools of its own and takes none.", { param: "tools" })
    }
    if ((request.n ?? 1) !== 1) return yield* refusal(400, "There is one answer to a question.", { param: "n" })
    const last = request.messages.at(-1)
    if (last?.role !== "user") {
      return yield* refusal(400, "The last message must be the user's.", { param: "messages" })
    }
    const history: Array<Message> = []
    const instructions: Array<string> = []
    let turn = 0
    for (const message of request.messages.slice(0, -1)) {
      const text = yield* textOf(message)
      switch (message.role) {
        case "system":
        case "developer":
          instructions.push(text)
          break
        case "user":
          history.push(user(text, attachmentsOf(message)))
          break
        case "assistant": {
          const state = message.custom_content?.state
          if (state !== undefined && state !== null) history.push(...yield* unpack(state, turn))
          else {
            const calls = (message.tool_calls ?? []).map(({ function: { arguments: args, name }, id }) => ({
              id,
              name,
              arguments: args
            }))
            history.push(assistant(text, calls))
          }
          turn++
          break
        }
        case "tool": {
          const callId = message.tool_call_id ?? ""
          history.push({ role: "tool", callId, name: "", content: text, failed: false, untrusted: true })
          break
        }
      }
    }
    const message = yield* textOf(last)
    return {
      input: { message, attachments: attachmentsOf(last), history },
      instructions: instructions.join("\n\n")
    }
  })

/** @internal How many answers came before this one. */
export const turnOf = ({ messages }: ChatRequest): number => messages.filter(({ role }) => role === "assistant").length
