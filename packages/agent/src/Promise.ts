/**
 * An agent for programs without Effect.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { AgentInput, AgentResult } from "./Agent.ts"
import { approve, attach, cancel, make, resume, run, start, stream } from "./Agent.ts"
import type { RunStoreError } from "./AgentError.ts"
import type { AgentEvent } from "./AgentEvent.ts"
import type { RunStatus } from "./AgentRuns.ts"
import * as AgentRuns from "./AgentRuns.ts"
import type { AgentTool } from "./AgentTool.ts"
import type { Decision } from "./Approval.ts"
import type { Limits } from "./Budget.ts"
import type { ChatModel } from "./ChatModel.ts"
import * as Documents from "./Documents.ts"
import * as Files from "./Files.ts"
import * as Memory from "./Memory.ts"
import * as OpenAiChat from "./OpenAiChat.ts"
import * as Planner from "./Planner.ts"
import type { RunStore } from "./RunStore.ts"
import { layerMemory as journalInMemory } from "./RunStore.ts"
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
  /** Where detached runs are written down. Default: in memory, so that they end with the agent; see `RunStore.layerSql`. */
  readonly journal?: Layer.Layer<RunStore, RunStoreError>
}

/**
 * Disposing of it stops what it runs. Detached runs (`start`) stay in the journal as they are and can be resumed by an
 * agent with the same name and the same journal.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseAgent extends AsyncDisposable {
  /** Rejects with the `ModelError` itself when the model does not answer. Aborting stops the model and all tools, and rejects with the signal's reason. */
  readonly run: (input: AgentInput, options?: { readonly signal?: AbortSignal }) => Promise<AgentResult>
  /** The events as they happen. Leaving the loop stops the model and all tools. */
  readonly stream: (input: AgentInput) => AsyncIterable<AgentEvent>
  /** Starts a run that goes on when nobody reads it. Rejects with `TooManyRuns`, `RunAlreadyExists` or `RunStoreError`. */
  readonly start: (input: AgentInput) => Promise<RunStatus>
  /**
   * The events of a detached run with a `seq` above `after` (default 0: all), then those to come, until it ends or waits
   * for decisions. Leaving the loop does not stop the run. Rejects with `RunNotFound` or `RunStoreError`.
   */
  readonly attach: (runId: string, options?: { readonly after?: number }) => AsyncIterable<AgentEvent>
  /** Stops a detached run and waits until its model call and tools are gone. Rejects with `RunNotFound` or `RunStoreError`. */
  readonly cancel: (runId: string) => Promise<RunStatus>
  /**
   * Goes on with a run that waits or whose process ended; finished tools keep their results. Rejects with `RunNotFound`,
   * `RunStateError`, `TooManyRuns` or `RunStoreError`.
   */
  readonly resume: (runId: string) => Promise<RunStatus>
  /** Decides about a call that waits; rejects as `resume` does. The run goes on when its last call is decided. */
  readonly approve: (runId: string, callId: string, decision: Decision) => Promise<RunStatus>
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
  const services = Layer.mergeAll(
    modelLayer(options),
    Files.layerMemory(options.files ?? {}),
    Documents.layer(),
    Memory.layerMemory,
    Layer.provide(AgentRuns.layer(), options.journal ?? journalInMemory())
  )
  const runtime = ManagedRuntime.make(services)
  type Services = Layer.Layer.Success<typeof services>
  const promise = <A, E>(effect: Effect.Effect<A, E, Services>, signal?: AbortSignal): Promise<A> =>
    runtime.runPromiseExit(effect, signal === undefined ? {} : { signal }).then((exit) => {
      if (Exit.isSuccess(exit)) return exit.value
      if (signal?.aborted === true && Cause.isInterrupted(exit.cause)) throw signal.reason
      throw Option.getOrElse(Cause.failureOption(exit.cause), () => Cause.squash(exit.cause))
    })
  const iterable = <E>(events: Stream.Stream<AgentEvent, E, Services>): AsyncIterable<AgentEvent> => ({
    [Symbol.asyncIterator]: () => {
      const begun = runtime.runtime().then((context) =>
        Stream.toAsyncIterableRuntime(events, context)[Symbol.asyncIterator]()
      )
      return {
        next: () => begun.then((iterator) => iterator.next()),
        return: () => begun.then((iterator) => iterator.return?.() ?? { done: true, value: undefined })
      }
    }
  })
  return {
    run: (input, { signal } = {}) => promise(run(agent, input), signal),
    stream: (input) => iterable(stream(agent, input)),
    start: (input) => promise(start(agent, input)),
    attach: (runId, from) => iterable(attach(runId, from)),
    cancel: (runId) => promise(cancel(runId)),
    resume: (runId) => promise(resume(agent, runId)),
    approve: (runId, callId, decision) => promise(approve(runId, callId, decision)),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}

const modelLayer = ({ httpClient = FetchHttpClient.layer, model }: CreateAgentOptions): Layer.Layer<ChatModel> => {
  if (model === "planner") return Planner.layer
  const { apiKey, baseUrl, model: name } = model
  const key = apiKey === undefined ? {} : { apiKey: Redacted.make(apiKey) }
  return OpenAiChat.layer({ baseUrl, model: name, ...key }).pipe(Layer.provide(httpClient))
}
