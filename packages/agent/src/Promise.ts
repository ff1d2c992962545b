/**
 * An agent for programs without Effect.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { AgentInput, AgentResult } from "./Agent.ts"
import { make, run, stream } from "./Agent.ts"
import type { AgentEvent } from "./AgentEvent.ts"
import type { AgentTool } from "./AgentTool.ts"
import type { Limits } from "./Budget.ts"
import type { ChatModel } from "./ChatModel.ts"
import * as Documents from "./Documents.ts"
import * as Files from "./Files.ts"
import * as Memory from "./Memory.ts"
import * as OpenAiChat from "./OpenAiChat.ts"
import * as Planner from "./Planner.ts"
import * as Calculate from "./tools/Calculate.ts"
import * as QueryTable from "./tools/QueryTable.ts"
import * as ReadFile from "./tools/ReadFile.ts"
import * as Recall from "./tools/Recall.ts"
import * as Remember from "./tools/Remember.ts"
import * as Toolset from "./Toolset.ts"

/**
 * Where answers come from: the offline planner, or a server that speaks chat
 * completions.
 *
 * @since 0.1.0
 * @category models
 */
export type ModelOptions = "planner" | {
  readonly baseUrl: string
  readonly model: string
  readonly apiKey?: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface CreateAgentOptions {
  readonly model: ModelOptions
  readonly name?: string
  readonly instructions?: string
  /** Tools beside the built-in ones for files, tables, arithmetic and notes. */
  readonly tools?: ReadonlyArray<AgentTool>
  readonly limits?: Partial<Limits>
  /** Files that the agent may read, by name. */
  readonly files?: Record<string, string | Uint8Array>
  /** Sends requests to the model. Default: `fetch`. */
  readonly httpClient?: Layer.Layer<HttpClient>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PromiseAgent extends AsyncDisposable {
  /** Rejects with the `ModelError` itself when the model does not answer. Aborting stops the model and all tools, and rejects with the signal's reason. */
  readonly run: (input: AgentInput, options?: { readonly signal?: AbortSignal }) => Promise<AgentResult>
  /** The events as they happen. Leaving the loop stops the model and all tools. */
  readonly stream: (input: AgentInput) => AsyncIterable<AgentEvent>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const createAgent = (options: CreateAgentOptions): PromiseAgent => {
  const builtIn = Toolset.make(QueryTable.tool, ReadFile.tool, Calculate.tool, Remember.tool, Recall.tool)
  const agent = make({
    name: options.name ?? "assistant",
    instructions: options.instructions ?? "You are a helpful assistant. Use the tools; do not guess.",
    tools: Toolset.merge(builtIn, Toolset.make(...(options.tools ?? []))),
    ...(options.limits === undefined ? {} : { limits: options.limits })
  })
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(
      modelLayer(options),
      Files.layerMemory(options.files ?? {}),
      Documents.layer(),
      Memory.layerMemory
    )
  )
  return {
    run: (input, { signal } = {}) =>
      runtime.runPromiseExit(run(agent, input), signal === undefined ? {} : { signal }).then((exit) => {
        if (Exit.isSuccess(exit)) return exit.value
        if (signal?.aborted === true && Cause.isInterrupted(exit.cause)) throw signal.reason
        throw Option.getOrElse(Cause.failureOption(exit.cause), () => Cause.squash(exit.cause))
      }),
    stream: (input) => ({
      [Symbol.asyncIterator]: () => {
        const events = runtime.runtime().then((services) => {
          const iterable = Stream.toAsyncIterableRuntime(stream(agent, input), services)
          return iterable[Symbol.asyncIterator]()
        })
        return {
          next: () => events.then((iterator) => iterator.next()),
          return: () => events.then((iterator) => iterator.return?.() ?? { done: true, value: undefined })
        }
      }
    }),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}

const modelLayer = ({ httpClient = FetchHttpClient.layer, model }: CreateAgentOptions): Layer.Layer<ChatModel> => {
  if (model === "planner") return Planner.layer
  const { apiKey, baseUrl, model: name } = model
  const key = apiKey === undefined ? {} : { apiKey: Redacted.make(apiKey) }
  return OpenAiChat.layer({ baseUrl, model: name, ...key }).pipe(Layer.provide(httpClient))
}
