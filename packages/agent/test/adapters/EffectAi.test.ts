import * as AiError from "@effect/ai/AiError"
import * as LanguageModel from "@effect/ai/LanguageModel"
import type * as Response from "@effect/ai/Response"
import * as Tool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import { expect, it } from "@effect/vitest"
import { Agent, AgentTool, ChatModel, Toolset } from "@sennit/agent"
import * as EffectAi from "@sennit/agent/adapters/EffectAi"
import { Scripted } from "@sennit/agent/testing"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const double = AgentTool.make("double", {
  description: "Twice",
  parameters: Schema.Struct({ n: Schema.Number }),
  success: Schema.Number,
  handler: ({ n }) => Effect.succeed(2 * n)
})
const agent = Agent.make({ name: "a", instructions: "Count.", tools: Toolset.make(double) })

/** A provider of `@effect/ai` that calls a tool, then repeats its result. */
const provider = (seen: Array<LanguageModel.ProviderOptions>) =>
  Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({
      generateText: () => Effect.dieMessage("It is streamed"),
      streamText: (options) => {
        seen.push(options)
        const last = options.prompt.content.at(-1)
        const usage = { inputTokens: 3, outputTokens: 2, totalTokens: 5 }
        if (last?.role !== "tool") {
          return Stream.make<Array<Response.StreamPartEncoded>>(
            { type: "tool-params-start", id: "c1", name: "double" },
            { type: "tool-params-delta", id: "c1", delta: "{\"n\":21}" },
            { type: "tool-params-end", id: "c1" },
            { type: "tool-call", id: "c1", name: "double", params: { n: 21 }, providerExecuted: false },
            { type: "finish", reason: "tool-calls", usage }
          )
        }
        const [part] = last.content
        return Stream.make<Array<Response.StreamPartEncoded>>(
          { type: "text-start", id: "t" },
          { type: "text-delta", id: "t", delta: `It is ${String(part?.result)}` },
          { type: "text-end", id: "t" },
          { type: "finish", reason: "stop", usage }
        )
      }
    })
  )

it.effect("a provider of @effect/ai serves an agent", () =>
  Effect.gen(function*() {
    const seen: Array<LanguageModel.ProviderOptions> = []
    const result = yield* Agent.run(agent, { message: "21?" }).pipe(
      Effect.provide(Layer.provide(EffectAi.layerChatModel("provider"), provider(seen)))
    )
    expect(result).toMatchObject({ text: "It is 42", outcome: "completed", inputTokens: 6, outputTokens: 4 })
    expect(
      seen.map(({ tools }) =>
        tools.map((tool) => [tool.name, Tool.getJsonSchemaFromSchemaAst(tool.parametersSchema.ast)])
      )[0]
    ).toEqual([
      ["double", double.parameters]
    ])
    expect(seen[1]?.prompt.content.map(({ role }) => role)).toEqual(["system", "user", "assistant", "tool"])
  }))

it.effect("what a provider fails with is a typed error of the model", () =>
  Effect.gen(function*() {
    const failing = Layer.effect(
      LanguageModel.LanguageModel,
      LanguageModel.make({
        generateText: () => Effect.dieMessage("It is streamed"),
        streamText: () => Stream.fail(new AiError.MalformedOutput({ module: "m", method: "s", description: "odd" }))
      })
    )
    const error = yield* Effect.flip(
      Effect.provide(
        Agent.run(agent, { message: "x" }),
        Layer.provide(EffectAi.layerChatModel("provider"), failing)
      )
    )
    expect(error).toMatchObject({ _tag: "ModelError", reason: "Malformed", model: "provider" })
  }))

const Double = Tool.make("double", {
  description: "Twice",
  parameters: { n: Schema.Number },
  success: Schema.Number
})
const toolkit = Toolkit.make(Double)
const handlers = toolkit.toLayer({ double: ({ n }) => Effect.succeed(2 * n) })

it.effect("a ChatModel serves programs on @effect/ai, in fragments as well", () =>
  Effect.gen(function*() {
    const fragments: ReadonlyArray<ChatModel.ModelEvent> = [
      { _tag: "TextDelta", text: "One " },
      { _tag: "TextDelta", text: "moment" },
      { _tag: "ToolCallDelta", index: 0, id: "c1", name: "double", arguments: "{\"n" },
      { _tag: "ToolCallDelta", index: 0, id: undefined, name: undefined, arguments: "\":21}" },
      { _tag: "Usage", inputTokens: 1, outputTokens: 2 },
      { _tag: "Finish", reason: "tool_calls" }
    ]
    const model = Scripted.make(() => fragments)
    const language = yield* Effect.provideService(EffectAi.toLanguageModel, ChatModel.ChatModel, model)
    const whole = yield* Effect.provide(language.generateText({ prompt: "21?", toolkit }), handlers)
    expect(whole.text).toBe("One moment")
    expect(whole.toolResults.map(({ result }) => result)).toEqual([42])
    expect(whole.finishReason).toBe("tool-calls")
    const parts = yield* Effect.provide(Stream.runCollect(language.streamText({ prompt: "21?", toolkit })), handlers)
    expect(Chunk.toReadonlyArray(parts).map(({ type }) => type)).toEqual([
      "text-start",
      "text-delta",
      "text-delta",
      "text-end",
      "tool-call",
      "finish",
      "tool-result"
    ])
    expect(model.requests[0]?.tools.map(({ name }) => name)).toEqual(["double"])
    const odd = yield* Effect.provideService(
      EffectAi.toLanguageModel,
      ChatModel.ChatModel,
      Scripted.make(() => Scripted.calls(["double", "{broken"]))
    )
    const error = yield* Effect.flip(Effect.provide(odd.generateText({ prompt: "x", toolkit }), handlers))
    expect(error).toMatchObject({ _tag: "MalformedOutput" })
  }))
