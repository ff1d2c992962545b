/** Who can answer: the model of the configuration, and always the offline planner. */
import { ChatModel, OpenAiChat, Planner } from "@sennit/agent"
import * as NetBodyReader from "@sennit/agent/adapters/NetBodyReader"
import { HttpClient } from "@sennit/http-client"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { ModelSummary } from "./Api.ts"
import type { DemoConfig } from "./DemoConfig.ts"

type Model = Context.Tag.Service<ChatModel.ChatModel>

export class Models extends Context.Tag("@sennit/demo/Models")<Models, {
  /** The first one answers when none is asked for. */
  readonly list: NonEmptyReadonlyArray<ModelSummary>
  readonly get: (id?: ModelSummary["id"]) => Model
}>() {}

/** Answers that are given at the same time. What each takes is mostly waiting for the model, on a connection of its own. */
export const RUNS_AT_ONCE = 256

const connections = { connectionsPerOrigin: RUNS_AT_ONCE, connections: RUNS_AT_ONCE }

const planner: ModelSummary = { id: "planner", name: "offline planner" }

export const layer = ({ modelAddress, modelKey, modelName }: DemoConfig) =>
  Layer.scoped(
    Models,
    Effect.gen(function*() {
      const offline = Context.get(yield* Layer.build(Planner.layer), ChatModel.ChatModel)
      if (Option.isNone(modelAddress)) return Models.of({ list: [planner], get: () => offline })
      const address = modelAddress.value
      const configured = OpenAiChat.layer({
        baseUrl: address,
        model: modelName,
        apiKey: Option.getOrUndefined(modelKey)
      })
      const online = Context.get(
        yield* Layer.build(Layer.provide(configured, [NetBodyReader.layer, HttpClient.layerPooled(connections)])),
        ChatModel.ChatModel
      )
      return Models.of({
        list: [{ id: "model", name: `${modelName} at ${address}` }, planner],
        get: (id) => id === "planner" ? offline : online
      })
    })
  )
