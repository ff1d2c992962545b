/**
 * An agent asks a model, runs the tools that it calls, and goes on until there
 * is an answer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type {
  ModelError,
  RunAlreadyExists,
  RunNotFound,
  RunStateError,
  RunStoreError,
  TooManyRuns
} from "./AgentError.ts"
import type { AgentEvent, Limit } from "./AgentEvent.ts"
import { toMessages } from "./AgentEvent.ts"
import type { RunStatus } from "./AgentRuns.ts"
import { AgentRuns } from "./AgentRuns.ts"
import type { Decision } from "./Approval.ts"
import type { Limits, Prices, Usage } from "./Budget.ts"
import { defaultLimits } from "./Budget.ts"
import type { ChatModel } from "./ChatModel.ts"
import { EventBuffer } from "./internal/bufferEvents.ts"
import { makeRunId } from "./internal/makeRunId.ts"
import { runLoop } from "./internal/runLoop.ts"
import type { Attachment, Message } from "./Message.ts"
import type { Toolset } from "./Toolset.ts"
import { empty } from "./Toolset.ts"

/**
 * An agent whose tools need `R`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Agent<out R = never> {
  readonly name: string
  readonly instructions: string
  readonly tools: Toolset<R>
  readonly limits: Limits
  /** What the model costs, for the limit of cost. */
  readonly prices: Prices | undefined
  /** Whether a tool starts as soon as its arguments are complete, while the model still streams. */
  readonly eagerTools: boolean
}

/**
 * What a run starts from. `history` is what was said before; instructions in it
 * are left out. `runId` is made up when left out. `user` and `conversation` say
 * whose run it is: tools see them, and the journal keeps them.
 *
 * @since 0.1.0
 * @category models
 */
export interface AgentInput {
  readonly message: string
  readonly attachments?: ReadonlyArray<Attachment>
  readonly history?: ReadonlyArray<Message>
  readonly runId?: string
  readonly user?: string
  readonly conversation?: string
}

/**
 * How a run ended, derived from its events. `messages` is what the run added
 * to the conversation, the user's message first; `attachments` are the files
 * that its tools gave. With outcome `suspended` it waits for decisions about
 * calls, see `Approval.pending`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AgentResult {
  readonly runId: string
  readonly outcome: "completed" | "limited" | "suspended"
  readonly limit: Limit | undefined
  readonly text: string
  readonly steps: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly messages: ReadonlyArray<Message>
  readonly attachments: ReadonlyArray<Attachment>
  readonly events: ReadonlyArray<AgentEvent>
}

/**
 * Makes an agent. Throws when cost is limited and there are no prices to count
 * it by. Default: tools start eagerly, limits are `Budget.defaultLimits`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <R = never>(options: {
  readonly name: string
  readonly instructions: string
  readonly tools?: Toolset<R>
  readonly limits?: Partial<Limits>
  readonly prices?: Prices
  readonly eagerTools?: boolean
}): Agent<R> => {
  const limits = { ...defaultLimits, ...options.limits }
  if (Number.isFinite(limits.costUsd) && options.prices === undefined) {
    throw new TypeError(`The agent "${options.name}" has a limit of cost, so it needs the prices of its model`)
  }
  return {
    name: options.name,
    instructions: options.instructions,
    tools: options.tools ?? empty,
    limits,
    prices: options.prices,
    eagerTools: options.eagerTools ?? true
  }
}

/**
 * Runs the agent and gives its events as they happen. The stream never fails:
 * a model that does not answer ends it with a `RunFinished` of outcome
 * `failed`. Leaving the stream interrupts the model call and all tools; reading
 * it slowly slows the model's connection.
 *
 * @since 0.1.0
 * @category running
 */
export const stream = <R>(agent: Agent<R>, input: AgentInput): Stream.Stream<AgentEvent, never, ChatModel | R> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const buffer = new EventBuffer()
    const runId = input.runId ?? (yield* makeRunId)
    yield* runLoop(agent, input, runId, buffer).pipe(
      Effect.ensuring(Effect.sync(() => buffer.end())),
      Effect.forkScoped
    )
    return buffer.stream
  }))

/**
 * Runs the agent to its end. Fails when the model does not answer; failing
 * tools do not fail a run.
 *
 * @example
 * ```ts
 * import { Agent, Planner } from "@sennit/agent"
 * import * as Effect from "effect/Effect"
 *
 * const assistant = Agent.make({ name: "assistant", instructions: "Answer briefly." })
 *
 * const program = Agent.run(assistant, { message: "What can you do?" }).pipe(
 *   Effect.map((result) => result.text),
 *   Effect.provide(Planner.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const run = <R>(agent: Agent<R>, input: AgentInput): Effect.Effect<AgentResult, ModelError, ChatModel | R> =>
  // Its span is that of the run itself, as for `stream`.
  Effect.suspend(() => {
    const sink = new Collected()
    return Effect.flatMap(input.runId === undefined ? makeRunId : Effect.succeed(input.runId), (runId) =>
      Effect.zipRight(runLoop(agent, input, runId, sink), Effect.suspend(() => toResult(sink.events))))
  })

class Collected {
  readonly events: Array<AgentEvent> = []
  push(events: ReadonlyArray<AgentEvent>): void {
    for (const event of events) this.events.push(event)
  }
  room(): Effect.Effect<void> {
    return Effect.void
  }
  flush(): Effect.Effect<void> {
    return Effect.void
  }
}

/**
 * Starts a run that goes on without a reader. See `AgentRuns`.
 *
 * @since 0.1.0
 * @category detached
 */
export const start = <R>(
  agent: Agent<R>,
  input: AgentInput
): Effect.Effect<RunStatus, TooManyRuns | RunAlreadyExists | RunStoreError, AgentRuns | ChatModel | R> =>
  Effect.flatMap(AgentRuns, (runs) => runs.start(agent, input))

/**
 * The events of a detached run after the `after`-th, then those to come.
 *
 * @since 0.1.0
 * @category detached
 */
export const attach = (
  runId: string,
  options?: { readonly after?: number }
): Stream.Stream<AgentEvent, RunNotFound | RunStoreError, AgentRuns> =>
  Stream.unwrap(Effect.map(AgentRuns, (runs) => runs.attach(runId, options)))

/**
 * Stops a detached run, or one that is suspended.
 *
 * @since 0.1.0
 * @category detached
 */
export const cancel = (runId: string): Effect.Effect<RunStatus, RunNotFound | RunStoreError, AgentRuns> =>
  Effect.flatMap(AgentRuns, (runs) => runs.cancel(runId))

/**
 * Goes on with a run that was suspended, or whose process ended: finished tools
 * are not run again.
 *
 * @since 0.1.0
 * @category detached
 */
export const resume = <R>(
  agent: Agent<R>,
  runId: string
): Effect.Effect<RunStatus, RunNotFound | RunStateError | TooManyRuns | RunStoreError, AgentRuns | ChatModel | R> =>
  Effect.flatMap(AgentRuns, (runs) => runs.resume(agent, runId))

/**
 * Decides about a call that waits for it.
 *
 * @since 0.1.0
 * @category detached
 */
export const approve = (
  runId: string,
  callId: string,
  decision: Decision
): Effect.Effect<RunStatus, RunNotFound | RunStateError | TooManyRuns | RunStoreError, AgentRuns> =>
  Effect.flatMap(AgentRuns, (runs) => runs.approve(runId, callId, decision))

/**
 * The result of a finished run from its events. Fails when the run failed, and
 * is interrupted when it was stopped.
 *
 * @since 0.1.0
 * @category derivations
 */
export const toResult = (events: ReadonlyArray<AgentEvent>): Effect.Effect<AgentResult, ModelError> => {
  const started = events[0]
  const last = events.at(-1)
  if (started?._tag !== "RunStarted" || (last?._tag !== "RunFinished" && last?._tag !== "RunSuspended")) {
    return Effect.dieMessage("The events are not those of one finished run")
  }
  const finished = last._tag === "RunFinished" ? last : undefined
  if (finished?.error !== undefined) return Effect.fail(finished.error)
  if (finished?.outcome === "stopped" || finished?.outcome === "failed") return Effect.interrupt
  let usage: Usage = { inputTokens: 0, outputTokens: 0 }
  let steps = 0
  const attachments: Array<Attachment> = []
  for (const event of events) {
    if (event._tag === "UsageUpdated") usage = event
    else if (event._tag === "StepStarted") steps = event.step
    else if (event._tag === "AttachmentAdded") attachments.push(event.attachment)
  }
  const messages = toMessages(events)
  return Effect.succeed({
    runId: started.runId,
    outcome: finished?.outcome ?? "suspended",
    limit: finished?.limit,
    text: finished?.text ?? "",
    steps,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    messages,
    attachments,
    events
  })
}
