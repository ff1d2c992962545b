/**
 * An agent asks a model, runs the tools that it calls, and goes on until there
 * is an answer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import type { Limits } from "./AgentConfig.ts"
import { defaultLimits } from "./AgentConfig.ts"
import type { ModelError } from "./AgentError.ts"
import type { AgentEvent, Limit } from "./AgentEvent.ts"
import { toMessages } from "./AgentEvent.ts"
import type { ChatModel } from "./ChatModel.ts"
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
}

/**
 * What a run starts from. `history` is what was said before, without the
 * instructions of the agent; `runId` is made up when left out.
 *
 * @since 0.1.0
 * @category models
 */
export interface AgentInput {
  readonly message: string
  readonly attachments?: ReadonlyArray<Attachment>
  readonly history?: ReadonlyArray<Message>
  readonly runId?: string
}

/**
 * How a run ended, derived from its events. `messages` is what the run added
 * to the conversation, the user's message first.
 *
 * @since 0.1.0
 * @category models
 */
export interface AgentResult {
  readonly runId: string
  readonly outcome: "completed" | "limited"
  readonly limit: Limit | undefined
  readonly text: string
  readonly steps: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly messages: ReadonlyArray<Message>
  readonly events: ReadonlyArray<AgentEvent>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = <R = never>(options: {
  readonly name: string
  readonly instructions: string
  readonly tools?: Toolset<R>
  readonly limits?: Partial<Limits>
}): Agent<R> => ({
  name: options.name,
  instructions: options.instructions,
  tools: options.tools ?? empty,
  limits: { ...defaultLimits, ...options.limits }
})

/** How many events a reader may be behind before the model has to wait. */
const readAhead = 64

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
    const mailbox = yield* Mailbox.make<AgentEvent>({ capacity: readAhead })
    const runId = input.runId ?? (yield* makeRunId)
    yield* runLoop(agent, input, runId, {
      offer: (events) => Effect.asVoid(mailbox.offerAll(events)),
      // Only a reader that has left interrupts the run, so nobody waits for these.
      offerNow: (events) => void mailbox.unsafeOfferAll(events)
    }).pipe(Effect.ensuring(mailbox.end), Effect.forkScoped)
    return Mailbox.toStream(mailbox)
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
    const events: Array<AgentEvent> = []
    const append = (more: ReadonlyArray<AgentEvent>) => void events.push(...more)
    const sink = { offer: (more: ReadonlyArray<AgentEvent>) => Effect.sync(() => append(more)), offerNow: append }
    return Effect.flatMap(input.runId === undefined ? makeRunId : Effect.succeed(input.runId), (runId) =>
      Effect.zipRight(runLoop(agent, input, runId, sink), Effect.suspend(() => toResult(events))))
  })

/** @internal */
export const makeRunId: Effect.Effect<string> = Effect.sync(() => crypto.randomUUID())

/**
 * The result of a finished run from its events. Fails when the run failed, and
 * is interrupted when it was stopped.
 *
 * @since 0.1.0
 * @category derivations
 */
export const toResult = (events: ReadonlyArray<AgentEvent>): Effect.Effect<AgentResult, ModelError> => {
  const started = events[0]
  const finished = events.at(-1)
  if (started?._tag !== "RunStarted" || finished?._tag !== "RunFinished") {
    return Effect.dieMessage("The events are not those of one finished run")
  }
  if (finished.error !== undefined) return Effect.fail(finished.error)
  if (finished.outcome !== "completed" && finished.outcome !== "limited") return Effect.interrupt
  const usage = events.findLast((event) => event._tag === "UsageUpdated")
  return Effect.succeed({
    runId: started.runId,
    outcome: finished.outcome,
    limit: finished.limit,
    text: finished.text,
    steps: events.filter((event) => event._tag === "StepStarted").length,
    inputTokens: usage?.inputTokens ?? 0,
    outputTokens: usage?.outputTokens ?? 0,
    messages: toMessages(events),
    events
  })
}
