import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Agent } from "../Agent.ts"
import { ModelError } from "../AgentError.ts"
import type { Usage } from "../Budget.ts"
import type { ChatModel, ModelEvent } from "../ChatModel.ts"
import type { Message } from "../Message.ts"
import * as Telemetry from "../Telemetry.ts"
import type { PendingCall } from "./accumulateToolCalls.ts"
import type { Alarm } from "./keepTime.ts"
import { CurrentAlarm } from "./keepTime.ts"
import type { Calls } from "./runCalls.ts"
import type { EventLog, Unstamped } from "./tellEvents.ts"
import type { Turn } from "./trackTurn.ts"

/** @internal Asks the model, tells what it says, and starts the tools that it calls. */
export class Asker<R> {
  /** What the run has used so far. */
  used: Usage

  constructor(
    private readonly agent: Agent<R>,
    private readonly model: typeof ChatModel.Service,
    private readonly log: EventLog,
    private readonly calls: Calls<R>,
    private readonly alarm: Alarm,
    past: Usage
  ) {
    this.used = { inputTokens: past.inputTokens, outputTokens: past.outputTokens }
  }

  /** Ends when the model has said everything; the calls run on in the scope. */
  ask(
    turn: Turn,
    messages: ReadonlyArray<Message>,
    toolChoice: "auto" | "none",
    scope: Scope
  ): Effect.Effect<void, ModelError, R> {
    const { agent: { tools: { modelTools: tools } }, model, used: before } = this
    return Effect.suspend(() => {
      Telemetry.count("model_call", 1)
      return model.answer({ messages, tools, toolChoice }, (events) => this.onEvents(turn, events, scope, toolChoice))
    }).pipe(
      Effect.provideService(CurrentAlarm, this.alarm),
      Effect.catchAllDefect((cause) =>
        Effect.fail(new ModelError({ reason: "Defect", model: model.name, detail: "It threw.", cause }))
      ),
      Effect.onExit((exit) => {
        Telemetry.count("model_call", -1)
        const failed = exit._tag === "Failure" && exit.cause._tag === "Fail" ? exit.cause.error.reason : undefined
        return Effect.annotateCurrentSpan({
          [Telemetry.inputTokens]: this.used.inputTokens - before.inputTokens,
          [Telemetry.outputTokens]: this.used.outputTokens - before.outputTokens,
          ...(turn.finish === undefined ? {} : { [Telemetry.finishReasons]: [turn.finish] }),
          ...(failed === undefined ? {} : { [Telemetry.errorType]: failed })
        })
      }),
      Effect.withSpan(`${Telemetry.spanModel} ${model.name}`, {
        captureStackTrace: false,
        kind: "client",
        attributes: { [Telemetry.operationName]: Telemetry.spanModel, [Telemetry.modelName]: model.name }
      }),
      Effect.zipRight(this.startRest(turn, scope))
    )
  }

  /** An answer with nothing in it. */
  emptyAnswer(turn: Turn): ModelError {
    const detail = `It ended with neither text nor a tool call (finish reason: ${turn.finish ?? "none"}).`
    return new ModelError({ reason: "Empty", model: this.model.name, detail })
  }

  /** Hot path: one pass over the events of a network chunk, one offer to the sink, and no effect unless one must wait. */
  private onEvents(
    turn: Turn,
    portion: ReadonlyArray<ModelEvent>,
    scope: Scope,
    toolChoice: "auto" | "none"
  ): Effect.Effect<void, never, R> {
    const events: Array<Unstamped> = []
    let ready: Array<PendingCall> | undefined
    for (const event of portion) {
      switch (event._tag) {
        case "TextDelta":
          turn.text += event.text
          events.push(event)
          break
        case "ReasoningDelta":
          events.push(event)
          break
        case "ToolCallDelta": {
          if (toolChoice === "none") break
          const call = turn.tools.push(event)
          if (!call.announced && call.name !== "") this.announce(call, events)
          if (this.agent.eagerTools && call.scan.complete && !call.started && call.name !== "") {
            this.markReady(call, events)
            ready ??= []
            ready.push(call)
          }
          break
        }
        case "Usage": {
          const inputTokens = this.used.inputTokens + event.inputTokens
          const outputTokens = this.used.outputTokens + event.outputTokens
          this.used = { inputTokens, outputTokens }
          Telemetry.countTokens(event.inputTokens, event.outputTokens)
          events.push({ _tag: "UsageUpdated", inputTokens, outputTokens })
          break
        }
        case "Finish":
          turn.finish = event.reason
          break
      }
    }
    if (events.length === 0) return Effect.void
    this.log.emitNow(events)
    const room = this.log.room()
    return ready === undefined ? room : Effect.zipRight(room, this.calls.start(turn, ready, scope))
  }

  /** Starts what the model finished only by ending: calls without arguments, or with broken ones. */
  private startRest(turn: Turn, scope: Scope): Effect.Effect<void, never, R> {
    return Effect.suspend(() => {
      const rest = turn.tools.calls.filter((call) => !call.started)
      if (rest.length === 0) return Effect.void
      const events: Array<Unstamped> = []
      for (const call of rest) {
        if (!call.announced) this.announce(call, events)
        this.markReady(call, events)
      }
      return Effect.zipRight(this.log.emit(events), this.calls.start(turn, rest, scope))
    })
  }

  private announce(call: PendingCall, events: Array<Unstamped>): void {
    call.announced = true
    events.push({ _tag: "ToolCallStarted", callId: call.id, name: call.name })
  }

  private markReady(call: PendingCall, events: Array<Unstamped>): void {
    call.started = true
    events.push({ _tag: "ToolCallReady", callId: call.id, name: call.name, arguments: call.arguments })
  }
}
