/**
 * Models of `@effect/ai` as a `ChatModel`, so that its providers (Anthropic, Google, Bedrock, OpenRouter ...) serve
 * agents, and a `ChatModel` as a `LanguageModel` of `@effect/ai`.
 *
 * @since 0.1.0
 */
import * as AiError from "@effect/ai/AiError"
import * as LanguageModel from "@effect/ai/LanguageModel"
import type * as Prompt from "@effect/ai/Prompt"
import type * as Response from "@effect/ai/Response"
import * as Tool from "@effect/ai/Tool"
import type * as Toolkit from "@effect/ai/Toolkit"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ModelError } from "../AgentError.ts"
import type { FinishReason, ModelEvent, ModelRequest, ModelTool } from "../ChatModel.ts"
import * as ChatModel from "../ChatModel.ts"
import { ToolCallAccumulator } from "../internal/accumulateToolCalls.ts"
import { reasonOfStatus } from "../internal/readModelBytes.ts"
import type { Message } from "../Message.ts"
import { assistant, system, user } from "../Message.ts"

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

const toPrompt = (messages: ReadonlyArray<Message>): Prompt.RawInput =>
  messages.map((message): Prompt.MessageEncoded => {
    switch (message.role) {
      case "system":
        return { role: "system", content: message.content }
      case "user": {
        const files = message.attachments.map(({ name, size, type }) => `\n- ${name} (${type}, ${size} bytes)`).join("")
        const text = files === "" ? message.content : `${message.content}\n\nAttached files:${files}`
        return { role: "user", content: [{ type: "text", text }] }
      }
      case "assistant":
        return {
          role: "assistant",
          content: [
            ...(message.content === "" ? [] : [{ type: "text" as const, text: message.content }]),
            ...message.toolCalls.map(({ arguments: args, id, name }) => ({
              type: "tool-call" as const,
              id,
              name,
              params: parseJson(args),
              providerExecuted: false
            }))
          ]
        }
      case "tool":
        return {
          role: "tool",
          content: [{
            type: "tool-result",
            id: message.callId,
            name: message.name,
            isFailure: message.failed,
            result: message.content,
            providerExecuted: false
          }]
        }
    }
  })

/** Takes any arguments: the agent decodes them itself, once. */
const toTool = ({ description, name, parameters }: ModelTool) =>
  Tool.make(name, { description, success: Schema.Unknown }).setParameters(
    Schema.Struct({}, { key: Schema.String, value: Schema.Unknown }).annotations({ jsonSchema: parameters })
  )

type Tools = { readonly [name: string]: ReturnType<typeof toTool> }

/** Describes the tools to a provider; none of them is ever run by it. */
const toToolkit = (tools: ReadonlyArray<ModelTool>): Toolkit.WithHandler<Tools> => ({
  tools: Object.fromEntries(tools.map((tool) => [tool.name, toTool(tool)])),
  handle: () => Effect.dieMessage("The tools of an agent are run by the agent")
})

const finishReasons: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  "tool-calls": "tool_calls",
  length: "length",
  "content-filter": "content_filter"
}

/** Calls are given whole: providers do not agree on what their fragments mean. */
const toEvents = (part: Response.StreamPart<Tools>): ReadonlyArray<ModelEvent> => {
  switch (part.type) {
    case "text-delta":
      return [{ _tag: "TextDelta", text: part.delta }]
    case "reasoning-delta":
      return [{ _tag: "ReasoningDelta", text: part.delta }]
    case "tool-call":
      return [{
        _tag: "ToolCallDelta",
        index: undefined,
        id: part.id,
        name: part.name,
        arguments: JSON.stringify(part.params ?? {})
      }]
    case "finish": {
      const { inputTokens = 0, outputTokens = 0 } = part.usage
      return [
        { _tag: "Usage", inputTokens, outputTokens },
        { _tag: "Finish", reason: finishReasons[part.reason] ?? "unknown" }
      ]
    }
    default:
      return []
  }
}

const toModelError = (model: string) => (error: AiError.AiError): ModelError => {
  const status = error._tag === "HttpResponseError" ? error.response.status : undefined
  const reason = status !== undefined
    ? reasonOfStatus(status)
    : error._tag === "HttpRequestError"
    ? "Unavailable"
    : error._tag === "MalformedInput"
    ? "Rejected"
    : "Malformed"
  const retryAfter = error._tag === "HttpResponseError" ? Number(error.response.headers["retry-after"]) : Number.NaN
  return new ModelError({
    reason,
    model,
    status,
    detail: error.message,
    cause: error,
    ...(retryAfter >= 0 ? { retryAfterMillis: retryAfter * 1000 } : {})
  })
}

/**
 * The `LanguageModel` in the context as a `ChatModel`. `name` is shown to
 * people. Arguments that a provider cannot parse end the answer with a
 * `ModelError`: `@effect/ai` gives them to nobody.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromLanguageModel = (
  name: string
): Effect.Effect<typeof ChatModel.ChatModel.Service, never, LanguageModel.LanguageModel> =>
  Effect.map(
    LanguageModel.LanguageModel,
    (model) =>
      ChatModel.fromStream(name, ({ messages, toolChoice = "auto", tools }) => {
        const parts = model.streamText({
          prompt: toPrompt(messages),
          toolkit: toToolkit(tools),
          toolChoice: tools.length === 0 ? "none" : toolChoice,
          disableToolCallResolution: true
        })
        return Stream.mapError(parts, toModelError(name)).pipe(
          Stream.mapConcatChunk((part) => Chunk.unsafeFromArray(toEvents(part)))
        )
      })
  )

/**
 * @since 0.1.0
 * @category layers
 */
export const layerChatModel = (
  name: string
): Layer.Layer<ChatModel.ChatModel, never, LanguageModel.LanguageModel> =>
  Layer.effect(ChatModel.ChatModel, fromLanguageModel(name))

const toMessages = (prompt: Prompt.Prompt): ReadonlyArray<Message> =>
  prompt.content.flatMap((message): ReadonlyArray<Message> => {
    switch (message.role) {
      case "system":
        return [system(message.content)]
      case "user":
        return [user(message.content.map((part) => part.type === "text" ? part.text : "").join(""))]
      case "assistant":
        return [assistant(
          message.content.map((part) => part.type === "text" ? part.text : "").join(""),
          message.content.flatMap((part) =>
            part.type === "tool-call" ? [{ id: part.id, name: part.name, arguments: JSON.stringify(part.params) }] : []
          )
        )]
      case "tool":
        return message.content.map(({ id, isFailure, name, result }) => ({
          role: "tool",
          callId: id,
          name,
          content: typeof result === "string" ? result : JSON.stringify(result),
          failed: isFailure,
          untrusted: true
        }))
    }
  })

const toRequest = ({ prompt, toolChoice, tools }: LanguageModel.ProviderOptions): ModelRequest => ({
  messages: toMessages(prompt),
  tools: tools.map((tool) => ({
    name: tool.name,
    description: tool.description ?? Tool.getDescriptionFromSchemaAst(tool.parametersSchema.ast) ?? "",
    parameters: Tool.getJsonSchemaFromSchemaAst(tool.parametersSchema.ast)
  })),
  toolChoice: toolChoice === "none" ? "none" : "auto"
})

const reasons: Readonly<Record<FinishReason, Response.FinishReason>> = {
  stop: "stop",
  tool_calls: "tool-calls",
  length: "length",
  content_filter: "content-filter",
  unknown: "unknown"
}

const malformed = (method: string, description: string) =>
  new AiError.MalformedOutput({ module: "ChatModel", method, description })

/** Parts in the order of the events; calls are given when the answer is complete. */
class PartWriter {
  private readonly calls = new ToolCallAccumulator(new Set())
  private readonly open = new Set<"text" | "reasoning">()
  private usage = { inputTokens: 0, outputTokens: 0 }
  private finish: FinishReason = "unknown"

  write(event: ModelEvent): ReadonlyArray<Response.StreamPartEncoded> {
    switch (event._tag) {
      case "TextDelta":
        return [
          ...this.start("text", { type: "text-start", id: "text" }),
          { type: "text-delta", id: "text", delta: event.text }
        ]
      case "ReasoningDelta":
        return [
          ...this.start("reasoning", { type: "reasoning-start", id: "reasoning" }),
          { type: "reasoning-delta", id: "reasoning", delta: event.text }
        ]
      case "ToolCallDelta":
        this.calls.push(event)
        return []
      case "Usage":
        this.usage = { inputTokens: event.inputTokens, outputTokens: event.outputTokens }
        return []
      case "Finish":
        this.finish = event.reason
        return []
    }
  }

  end(): Effect.Effect<ReadonlyArray<Response.StreamPartEncoded>, AiError.AiError> {
    return Effect.gen(this, function*() {
      const parts: Array<Response.StreamPartEncoded> = []
      if (this.open.has("reasoning")) parts.push({ type: "reasoning-end", id: "reasoning" })
      if (this.open.has("text")) parts.push({ type: "text-end", id: "text" })
      for (const { arguments: args, id, name } of this.calls.calls) {
        const params = yield* Effect.mapError(
          decodeArguments(args.trim() === "" ? "{}" : args),
          () => malformed("streamText", `The arguments of ${name} are not valid JSON`)
        )
        parts.push({ type: "tool-call", id, name, params, providerExecuted: false })
      }
      const { inputTokens, outputTokens } = this.usage
      const usage = { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens }
      parts.push({ type: "finish", reason: reasons[this.finish], usage })
      return parts
    })
  }

  private start(
    kind: "text" | "reasoning",
    part: Response.StreamPartEncoded
  ): ReadonlyArray<Response.StreamPartEncoded> {
    if (this.open.has(kind)) return []
    this.open.add(kind)
    return [part]
  }
}

const decodeArguments = Schema.decode(Schema.parseJson())

const toAiError = (error: ModelError): AiError.AiError =>
  new AiError.UnknownError({ module: "ChatModel", method: "streamText", description: error.message, cause: error })

const streamParts = (
  model: typeof ChatModel.ChatModel.Service,
  options: LanguageModel.ProviderOptions
): Stream.Stream<Response.StreamPartEncoded, AiError.AiError> =>
  Stream.suspend(() => {
    if (options.responseFormat.type === "json") {
      return Stream.fail(malformed("streamText", "A ChatModel answers in text, not in a given format"))
    }
    const writer = new PartWriter()
    return Stream.concat(
      ChatModel.stream(toRequest(options)).pipe(
        Stream.provideService(ChatModel.ChatModel, model),
        Stream.mapError(toAiError),
        Stream.mapConcatChunk((event) => Chunk.unsafeFromArray(writer.write(event)))
      ),
      Stream.unwrap(Effect.map(Effect.suspend(() => writer.end()), Stream.fromIterable))
    )
  })

/** The parts of a whole answer: texts joined, starts and ends left out. */
const joinParts = (
  parts: ReadonlyArray<Response.StreamPartEncoded>
): Array<Response.PartEncoded> => {
  let text = ""
  let reasoning = ""
  const rest: Array<Response.PartEncoded> = []
  for (const part of parts) {
    if (part.type === "text-delta") text += part.delta
    else if (part.type === "reasoning-delta") reasoning += part.delta
    else if (part.type === "tool-call" || part.type === "finish") rest.push(part)
  }
  const said: Array<Response.PartEncoded> = []
  if (reasoning !== "") said.push({ type: "reasoning", text: reasoning })
  if (text !== "") said.push({ type: "text", text })
  return [...said, ...rest]
}

/**
 * The `ChatModel` in the context as a `LanguageModel`, for programs on
 * `@effect/ai`. It answers in text and calls of tools, not in a given format.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toLanguageModel: Effect.Effect<LanguageModel.Service, never, ChatModel.ChatModel> = Effect.flatMap(
  ChatModel.ChatModel,
  (model) =>
    LanguageModel.make({
      streamText: (options) => streamParts(model, options),
      generateText: (options) =>
        Effect.map(Stream.runCollect(streamParts(model, options)), (parts) => joinParts(Chunk.toReadonlyArray(parts)))
    })
)

/**
 * @since 0.1.0
 * @category layers
 */
export const layerLanguageModel: Layer.Layer<LanguageModel.LanguageModel, never, ChatModel.ChatModel> = Layer.effect(
  LanguageModel.LanguageModel,
  toLanguageModel
)
