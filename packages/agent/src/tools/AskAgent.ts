/**
 * Lets an agent ask another one: an agent with tools of its own, or a deployment,
 * which is an agent without tools and with a model of its own.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Agent } from "../Agent.ts"
import { stream } from "../Agent.ts"
import { AskError } from "../AgentError.ts"
import type { AgentEvent } from "../AgentEvent.ts"
import type { AgentTool, Annotations, Stage } from "../AgentTool.ts"
import { make as makeTool } from "../AgentTool.ts"
import { ChatModel } from "../ChatModel.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<R> {
  readonly description: string
  readonly agent: Agent<R>
  /** Who answers. Default: the model of the agent that asks. */
  readonly model?: typeof ChatModel.Service
  /** What the asked agent may do. Default: a side effect that must not be repeated, and an open world. */
  readonly annotations?: Partial<Annotations>
}

/**
 * @since 0.1.0
 * @category models
 */
export const Parameters = Schema.Struct({
  request: Schema.NonEmptyTrimmedString.annotations({
    description: "What is wanted, complete in itself: the other one sees nothing of this conversation"
  })
})

/**
 * The asked agent's limits hold, and its work is a stage of the call: with the
 * call it is interrupted. Files that its tools give are given to the answer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <R = never>(name: string, options: Options<R>): AgentTool<ChatModel | R> =>
  makeTool(name, {
    description: options.description,
    parameters: Parameters,
    success: Schema.String,
    annotations: { sideEffect: "once", openWorld: true, ...options.annotations },
    timeout: options.agent.limits.wallClock,
    maxResultChars: 20_000,
    handler: Effect.fn("AskAgent.ask")(function*({ request }, { callId, conversation, runId, stage, user }) {
      const { agent } = options
      const model = options.model ?? (yield* ChatModel)
      return yield* stage.within(agent.name, (inner) =>
        Effect.gen(function*() {
          const answer = yield* Ref.make<AgentEvent | undefined>(undefined)
          const show = yield* makeShow(inner)
          yield* stream(agent, { message: request, runId: `${runId}.${callId}`, user, conversation }).pipe(
            Stream.provideService(ChatModel, model),
            Stream.runForEach((event) => Effect.zipRight(Ref.set(answer, event), show(event)))
          )
          return yield* Effect.flatMap(Ref.get(answer), (last) => toAnswer(agent.name, last))
        }).pipe(Effect.scoped))
    })
  })

const toAnswer = (agent: string, last: AgentEvent | undefined): Effect.Effect<string, AskError> => {
  if (last?._tag === "RunFinished" && last.outcome !== "failed") return Effect.succeed(last.text)
  return Effect.fail(
    last?._tag === "RunSuspended"
      ? new AskError({
        reason: "Suspended",
        agent,
        detail: "One of its calls waits for approval, which it cannot get here."
      })
      : new AskError({
        reason: "Failed",
        agent,
        detail: last?._tag === "RunFinished" && last.error !== undefined ? last.error.message : "It gave no answer."
      })
  )
}

/** Shows what the asked agent says, and each of its calls as a stage that lasts as long as the call. */
const makeShow = (
  stage: Stage
): Effect.Effect<(event: AgentEvent) => Effect.Effect<void>, never, Scope> =>
  Effect.map(Effect.scope, (scope) => {
    const calls = new Map<string, Deferred.Deferred<void, string>>()
    return (event) => {
      switch (event._tag) {
        case "TextDelta":
          return stage.append(event.text)
        case "AttachmentAdded":
          return stage.attach(event.attachment)
        case "ToolCallReady":
          return Effect.gen(function*() {
            const ended = yield* Deferred.make<void, string>()
            calls.set(event.callId, ended)
            yield* stage.within(event.name, (inner) =>
              Effect.zipRight(inner.append(event.arguments), Deferred.await(ended))).pipe(
                Effect.ignore,
                Effect.forkIn(scope)
              )
            yield* Effect.yieldNow()
          })
        case "ToolResult": {
          const ended = calls.get(event.callId)
          if (ended === undefined) {
            return Effect.void
          }
          return Effect.asVoid(
            event.error === undefined ? Deferred.succeed(ended, undefined) : Deferred.fail(ended, event.error.message)
          )
        }
        default:
          return Effect.void
      }
    }
  })
