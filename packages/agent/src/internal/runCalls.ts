import type { Clock } from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type { Scope } from "effect/Scope"
import type { Agent, AgentInput } from "../Agent.ts"
import type { AgentTool } from "../AgentTool.ts"
import type { Decision } from "../Approval.ts"
import type { ToolCall } from "../Message.ts"
import type { PendingCall } from "./accumulateToolCalls.ts"
import type { Alarm } from "./keepTime.ts"
import { CurrentAlarm } from "./keepTime.ts"
import { CallStage } from "./openStage.ts"
import type { OpenCall, Replayed } from "./replayRun.ts"
import type { ToolOutcome, ToolRuntime } from "./runTools.ts"
import { makeToolRuntime, refuse } from "./runTools.ts"
import type { EventLog, Unstamped } from "./tellEvents.ts"
import type { Turn } from "./trackTurn.ts"

/** What a tool leaves behind may outlive the run, and with it the alarm of the run. */
const apart = <R>(call: Effect.Effect<void, never, R>) => Effect.provideService(call, CurrentAlarm, undefined)

/** @internal Runs the calls of one run's steps, or has them decided about first. */
export class Calls<R> {
  /** How many were begun or refused. */
  begun = 0
  private readonly runtime: ToolRuntime<R>

  constructor(
    private readonly agent: Agent<R>,
    private readonly input: AgentInput,
    private readonly runId: string,
    private readonly log: EventLog,
    clock: Clock,
    alarm: Alarm,
    past: ReadonlyArray<ToolCall>
  ) {
    const { limits: { parallelTools }, tools: toolset } = agent
    this.runtime = makeToolRuntime({ toolset, parallelTools, clock, alarm })
    for (const call of past) this.runtime.count(call)
    this.begun = past.length
  }

  /** Starts these calls as children of the scope, and tells of those that are refused. */
  start(
    turn: Turn,
    calls: ReadonlyArray<PendingCall>,
    scope: Scope,
    known?: ReadonlyMap<string, OpenCall>
  ): Effect.Effect<void, never, R> {
    return Effect.suspend(() => {
      const events: Array<Unstamped> = []
      const begun: Array<Effect.Effect<void, never, R>> = []
      for (const call of calls) {
        const overLimit = ++this.begun > this.agent.limits.toolCalls
        const prepared = overLimit
          ? { refused: refuse(call, "limit", "The run has used up its tool calls") }
          : this.runtime.prepare(call)
        if (prepared.refused !== undefined) {
          events.push(turn.conclude(call, prepared.refused))
          continue
        }
        const { args, tool } = prepared
        const past = known?.get(call.id)
        if (past?.decision === undefined && tool.needsApproval(args)) {
          const { arguments: text, id: callId, name } = call
          if (past?.requested !== true) {
            events.push({ _tag: "ApprovalRequested", callId, name, arguments: text })
          }
          begun.push(Effect.flatMap(
            this.decision(turn, callId),
            (decision) => this.decided(turn, call, tool, args, decision)
          ))
        } else {
          turn.active++
          begun.push(this.decided(turn, call, tool, args, past?.decision))
        }
      }
      const told = this.log.emit(events)
      return begun.length === 0
        ? told
        : Effect.zipRight(told, Effect.forEach(begun, (one) => Effect.forkIn(apart(one), scope), { discard: true }))
    })
  }

  /** Calls with a result keep it; what may be run again is run; of the rest nobody knows. */
  restart(turn: Turn, past: Replayed, scope: Scope): Effect.Effect<void, never, R> {
    const again: Array<PendingCall> = []
    const known = new Map<string, OpenCall>()
    const events: Array<Unstamped> = []
    for (const open of past.openCalls) {
      const { call: { arguments: args, id, name }, begun, ready, result } = open
      const call = turn.tools.restore(id, name, args)
      known.set(id, open)
      if (result !== undefined) turn.results.set(id, result)
      else if (begun) {
        const unknown =
          "The process ended while this call ran. Whether it took effect is not known. Do not repeat it " +
          "before this has been found out."
        events.push(turn.conclude(call, refuse(call, "outcome_unknown", unknown)))
      } else if (!ready || past.limit !== undefined) {
        events.push(turn.conclude(call, refuse(call, "interrupted", "The call was never run", true)))
      } else again.push(call)
    }
    return Effect.zipRight(this.log.emit(events), this.start(turn, again, scope, known))
  }

  /** Answers false when no such call waits. */
  decide(turn: Turn, callId: string, decision: Decision): boolean {
    const goOn = turn.waiting.get(callId)
    if (goOn === undefined) return false
    this.log.emitNow([{ _tag: "ApprovalResolved", callId, ...decision }])
    goOn(decision)
    return true
  }

  /** Waits for a decision; when one comes the call counts as running again. */
  private decision(turn: Turn, callId: string): Effect.Effect<Decision> {
    const decided = Deferred.unsafeMake<Decision>(FiberId.none)
    turn.waiting.set(callId, (decision) => {
      turn.waiting.delete(callId)
      turn.active++
      Deferred.unsafeDone(decided, Effect.succeed(decision))
    })
    return Deferred.await(decided)
  }

  private decided(
    turn: Turn,
    call: PendingCall,
    tool: AgentTool<R>,
    args: unknown,
    decision: Decision | undefined
  ): Effect.Effect<void, never, R> {
    if (decision?.approved === false) {
      const why = `This call was not approved${decision.why === undefined ? "." : `: ${decision.why}`}`
      return this.onResult(turn, call, refuse(call, "denied", why))
    }
    const { conversation = "", user = "" } = this.input
    const stage = new CallStage(call.id, this.log)
    const context = { runId: this.runId, callId: call.id, user, conversation, stage }
    const before = tool.annotations.sideEffect === "once"
      ? Effect.suspend(() =>
        Effect.zipRight(this.log.emit([{ _tag: "ToolRunStarted", callId: call.id }]), this.log.flush())
      )
      : Effect.void
    return Effect.flatMap(
      this.runtime.run(call, tool, args, context, before),
      (result) => this.onResult(turn, call, result)
    )
  }

  private onResult(turn: Turn, call: PendingCall, outcome: ToolOutcome): Effect.Effect<void> {
    return Effect.suspend(() => {
      const told = this.log.emit([turn.conclude(call, outcome)])
      turn.ended()
      return told
    })
  }
}
