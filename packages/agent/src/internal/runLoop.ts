import type { Clock } from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type { Scope } from "effect/Scope"
import type { Agent, AgentInput } from "../Agent.ts"
import { ModelError } from "../AgentError.ts"
import type { AgentEvent, Limit } from "../AgentEvent.ts"
import type { AgentTool } from "../AgentTool.ts"
import type { Decision } from "../Approval.ts"
import * as Budget from "../Budget.ts"
import type { ModelEvent } from "../ChatModel.ts"
import { ChatModel } from "../ChatModel.ts"
import type { Message } from "../Message.ts"
import { assistant, repair, system, user } from "../Message.ts"
import * as Telemetry from "../Telemetry.ts"
import type { PendingCall } from "./accumulateToolCalls.ts"
import { CallStage } from "./openStage.ts"
import { raceLimit } from "./raceLimit.ts"
import type { OpenCall, Replayed } from "./replayRun.ts"
import { replay } from "./replayRun.ts"
import type { ToolOutcome, ToolRuntime } from "./runTools.ts"
import { makeToolRuntime, refuse } from "./runTools.ts"
import { Turn } from "./trackTurn.ts"

/** @internal Where the events of a run go. */
export interface EventSink {
  /** Takes the events, whatever happens. */
  readonly push: (events: ReadonlyArray<AgentEvent>) => void
  /** Waits for a slow reader; then the model's socket waits as well. */
  readonly room: () => Effect.Effect<void>
  /** Waits until everything that was pushed would survive the end of the process. */
  readonly flush: () => Effect.Effect<void>
}

/** @internal What others may do to a run that goes on. */
export interface RunHandle {
  /** Answers false when no such call waits here. */
  decide: (callId: string, decision: Decision) => boolean
  /** Whether an interruption leaves the log as it is, to be resumed, instead of ending it. */
  leave: boolean
}

/** @internal */
export type Unstamped<E = AgentEvent> = E extends AgentEvent ? Omit<E, "seq" | "at"> : never

type Portion = ReadonlyArray<Unstamped>
type Stop = Limit | "answered" | "suspended"

/** How long the last answer may take once the time of a run is up. */
const wrapUpTime = Duration.seconds(30)

/**
 * @internal
 * One run, from the user's message, or from where `prior` ends, to
 * `RunFinished` or `RunSuspended`. It never fails: whatever happens is an event.
 * Interrupting it interrupts the model call and all tools, then gives every open
 * call a result and ends the log.
 */
export const runLoop = <R>(
  agent: Agent<R>,
  input: AgentInput,
  runId: string,
  sink: EventSink,
  options: { readonly prior?: ReadonlyArray<AgentEvent>; readonly handle?: RunHandle } = {}
): Effect.Effect<void, never, ChatModel | R> =>
  Effect.flatMap(ChatModel, (model) =>
    Effect.clockWith((clock) => {
      const run = new Run(agent, input, runId, model, clock, sink, options.prior ?? [])
      const { handle } = options
      if (handle !== undefined) handle.decide = (callId, decision) => run.decide(callId, decision)
      Telemetry.count("run", 1)
      return Effect.onExit(Effect.interruptible(run.main), (exit) => {
        if (exit._tag === "Failure" && handle?.leave !== true) run.abandon()
        Telemetry.count("run", -1)
        return Effect.void
      })
    })).pipe(
      // A run that is stopped before its first word still ends its log.
      Effect.uninterruptible,
      Effect.withSpan(`${Telemetry.spanRun} ${agent.name}`, {
        captureStackTrace: false,
        attributes: {
          [Telemetry.operationName]: Telemetry.spanRun,
          [Telemetry.agentName]: agent.name,
          [Telemetry.conversationId]: input.conversation ?? runId
        }
      })
    )

class Run<R> {
  private readonly runtime: ToolRuntime<R>
  private readonly messages: Array<Message>
  private readonly usedIds: Set<string>
  private readonly startedAt: number
  private readonly past: Replayed | undefined
  /** The step that is going on. */
  private turn: Turn | undefined
  private seq = 0
  private steps = 0
  private stages = 0
  private toolCalls = 0
  private inputTokens = 0
  private outputTokens = 0
  private answer = ""
  private reached: Limit | undefined

  constructor(
    private readonly agent: Agent<R>,
    private readonly input: AgentInput,
    private readonly runId: string,
    private readonly model: typeof ChatModel.Service,
    private readonly clock: Clock,
    private readonly sink: EventSink,
    prior: ReadonlyArray<AgentEvent>
  ) {
    this.startedAt = clock.unsafeCurrentTimeMillis()
    const { parallelTools } = agent.limits
    this.runtime = makeToolRuntime({ toolset: agent.tools, parallelTools, clock })
    const history = input.history === undefined ? [] : repair(input.history.filter(({ role }) => role !== "system"))
    this.messages = [system(agent.instructions), ...history, user(input.message, input.attachments)]
    this.usedIds = new Set()
    for (const message of history) {
      if (message.role === "assistant") { for (const { id } of message.toolCalls) this.usedIds.add(id) }
    }
    if (prior.length > 0) {
      const past = this.past = replay(prior)
      for (const id of past.usedIds) this.usedIds.add(id)
      for (const call of past.answered) this.runtime.count(call)
      this.messages.push(...repair(past.messages))
      this.seq = past.seq
      this.steps = past.steps
      this.stages = past.stages
      this.toolCalls = past.answered.length
      this.inputTokens = past.inputTokens
      this.outputTokens = past.outputTokens
      this.reached = past.limit
    }
  }

  get main(): Effect.Effect<void, never, R> {
    const wallClock = Duration.toMillis(this.agent.limits.wallClock) - (this.past?.activeMs ?? 0)
    const timeIsUp = Effect.as(this.clock.sleep(Duration.millis(Math.max(0, wallClock))), "wallClock" as const)
    const work = this.past === undefined
      ? Effect.zipRight(this.emit([this.beginning]), this.advance())
      : this.takeUp(this.past)
    return Effect.matchEffect(
      Effect.flatMap(
        raceLimit(work, timeIsUp),
        (stop) => stop === "answered" || stop === "suspended" ? Effect.succeed(stop) : this.wrapUp(stop)
      ),
      {
        onFailure: (error) => this.emit(this.ending({ outcome: "failed", error })),
        onSuccess: (stop) => {
          if (stop === "suspended") return this.suspend()
          const { reached } = this
          return this.emit(
            this.ending(reached === undefined ? { outcome: "completed" } : { outcome: "limited", limit: reached })
          )
        }
      }
    )
  }

  /** Asks the model until it calls no tool, or a limit is reached, or there is nothing left but to wait. */
  private advance(): Effect.Effect<Stop, ModelError, R> {
    return Effect.flatMap(this.step("auto"), (turn) => this.goOn(turn))
  }

  private goOn(turn: Turn): Effect.Effect<Stop, ModelError, R> {
    if (turn.waiting.size > 0) return Effect.succeed("suspended")
    if (turn.tools.calls.length === 0) return Effect.succeed("answered")
    const limit = this.overrun()
    return limit === undefined ? this.advance() : Effect.succeed(limit)
  }

  private overrun(): Limit | undefined {
    const { limits, prices } = this.agent
    return this.toolCalls > limits.toolCalls
      ? "toolCalls"
      : this.inputTokens + this.outputTokens >= limits.tokens
      ? "tokens"
      : Budget.cost({ inputTokens: this.inputTokens, outputTokens: this.outputTokens }, prices) >= limits.costUsd
      ? "costUsd"
      : this.steps >= limits.steps
      ? "steps"
      : undefined
  }

  /** Goes on where the log ends. */
  private takeUp(past: Replayed): Effect.Effect<Stop, ModelError, R> {
    return Effect.scopedWith((scope) =>
      Effect.suspend(() => {
        const resumed: Array<Unstamped> = past.openStages.map((stageId) =>
          ({ _tag: "StageClosed", stageId, status: "failed" }) as const
        )
        resumed.push({ _tag: "RunResumed", model: this.model.name })
        const begin = this.emit(resumed)
        if (past.openCalls.length === 0) return Effect.as(begin, undefined)
        const turn = this.turn = new Turn(this.steps, this.usedIds)
        turn.text = past.openText
        return begin.pipe(
          Effect.zipRight(this.restart(turn, past, scope)),
          Effect.zipRight(turn.idle),
          Effect.zipRight(Effect.suspend(() => turn.waiting.size > 0 ? Effect.void : this.closeTurn(turn))),
          Effect.as(turn)
        )
      })
    ).pipe(
      Effect.flatMap((turn) =>
        past.limit !== undefined
          ? Effect.succeed(past.limit)
          : turn === undefined
          ? this.advance()
          : this.goOn(turn)
      )
    )
  }

  /** Calls with a result keep it; what may be run again is run; of the rest nobody knows. */
  private restart(turn: Turn, past: Replayed, scope: Scope): Effect.Effect<void, never, R> {
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
        this.conclude(turn, call, refuse(call, "outcome_unknown", unknown), events)
      } else if (!ready || past.limit !== undefined) {
        this.conclude(turn, call, refuse(call, "interrupted", "The call was never run", true), events)
      } else again.push(call)
    }
    return Effect.zipRight(this.emit(events), this.startTools(turn, again, scope, known))
  }

  /** One last answer without tools, saying that a limit was reached. */
  private wrapUp(limit: Limit): Effect.Effect<Stop, ModelError, R> {
    return Effect.suspend(() => {
      const interrupted = this.settle("The time of the run was up")
      if (this.past?.limit === undefined) interrupted.push({ _tag: "LimitReached", limit })
      this.reached = limit
      this.messages.push(system(
        `The run has reached its limit of ${limitNames[limit]}. No more tools can be used. Answer now with what is ` +
          "known, and say that the answer may be incomplete because of this limit."
      ))
      return Effect.zipRight(this.emit(interrupted), Effect.timeoutOption(this.step("none"), wrapUpTime))
    }).pipe(
      Effect.flatMap((turn) => {
        if (Option.isSome(turn)) return Effect.void
        const rest = this.settle("The time of the run was up")
        this.answer = `I stopped at the limit of ${limitNames[limit]} before I had an answer.`
        return this.emit([...rest, { _tag: "TextDelta", text: this.answer }])
      }),
      Effect.as(limit)
    )
  }

  private step(toolChoice: "auto" | "none"): Effect.Effect<Turn, ModelError, R> {
    return Effect.scopedWith((scope) => {
      const turn = this.turn = new Turn(++this.steps, this.usedIds)
      return this.emit([{ _tag: "StepStarted", step: turn.step }]).pipe(
        Effect.zipRight(this.ask(turn, toolChoice, scope)),
        Effect.zipRight(this.startRest(turn, scope)),
        Effect.zipRight(turn.idle),
        Effect.zipRight(Effect.suspend(() => turn.waiting.size > 0 ? Effect.void : this.closeTurn(turn))),
        Effect.as(turn)
      )
    })
  }

  private ask(turn: Turn, toolChoice: "auto" | "none", scope: Scope): Effect.Effect<void, ModelError, R> {
    const { agent: { eagerTools, tools: { modelTools: tools } }, messages, model } = this
    const accept = toolChoice === "auto"
    const before = { input: this.inputTokens, output: this.outputTokens }
    return Effect.suspend(() => {
      Telemetry.count("model_call", 1)
      return model.answer(
        { messages: messages.slice(), tools, toolChoice },
        (events) => this.onEvents(turn, events, scope, accept, eagerTools)
      )
    }).pipe(
      Effect.catchAllDefect((defect) => Effect.fail(this.modelDefect(defect))),
      Effect.onExit((exit) => {
        Telemetry.count("model_call", -1)
        const failed = exit._tag === "Failure" && exit.cause._tag === "Fail" ? exit.cause.error.reason : undefined
        return Effect.annotateCurrentSpan({
          [Telemetry.inputTokens]: this.inputTokens - before.input,
          [Telemetry.outputTokens]: this.outputTokens - before.output,
          ...(turn.finish === undefined ? {} : { [Telemetry.finishReasons]: [turn.finish] }),
          ...(failed === undefined ? {} : { [Telemetry.errorType]: failed })
        })
      }),
      Effect.withSpan(`${Telemetry.spanModel} ${model.name}`, {
        captureStackTrace: false,
        kind: "client",
        attributes: { [Telemetry.operationName]: Telemetry.spanModel, [Telemetry.modelName]: model.name }
      })
    )
  }

  /** Hot path: one pass over the events of a network chunk, one offer to the sink. */
  private onEvents(
    turn: Turn,
    portion: ReadonlyArray<ModelEvent>,
    scope: Scope,
    accept: boolean,
    eager: boolean
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
          if (!accept) break
          const call = turn.tools.push(event)
          if (!call.announced && call.name !== "") this.announce(call, events)
          if (eager && call.scan.complete && !call.started && call.name !== "") {
            this.markReady(call, events)
            ready ??= []
            ready.push(call)
          }
          break
        }
        case "Usage":
          this.inputTokens += event.inputTokens
          this.outputTokens += event.outputTokens
          Telemetry.countTokens(event.inputTokens, event.outputTokens)
          events.push({ _tag: "UsageUpdated", inputTokens: this.inputTokens, outputTokens: this.outputTokens })
          break
        case "Finish":
          turn.finish = event.reason
          break
      }
    }
    if (events.length === 0) return Effect.void
    const offer = this.emit(events)
    return ready === undefined ? offer : Effect.zipRight(offer, this.startTools(turn, ready, scope))
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
      return Effect.zipRight(this.emit(events), this.startTools(turn, rest, scope))
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

  private startTools(
    turn: Turn,
    calls: ReadonlyArray<PendingCall>,
    scope: Scope,
    known?: ReadonlyMap<string, OpenCall>
  ): Effect.Effect<void, never, R> {
    return Effect.suspend(() => {
      const events: Array<Unstamped> = []
      const begun: Array<Effect.Effect<void, never, R>> = []
      for (const call of calls) {
        const overLimit = ++this.toolCalls > this.agent.limits.toolCalls
        const prepared = overLimit
          ? { refused: refuse(call, "limit", "The run has used up its tool calls") }
          : this.runtime.prepare(call)
        if (prepared.refused !== undefined) {
          this.conclude(turn, call, prepared.refused, events)
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
      const told = this.emit(events)
      return begun.length === 0
        ? told
        : Effect.zipRight(told, Effect.forEach(begun, (one) => Effect.forkIn(one, scope), { discard: true }))
    })
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

  /** See `RunHandle.decide`. */
  decide(callId: string, decision: Decision): boolean {
    const goOn = this.turn?.waiting.get(callId)
    if (goOn === undefined) return false
    this.sink.push(this.stamp([{ _tag: "ApprovalResolved", callId, ...decision }]))
    goOn(decision)
    return true
  }

  private decided(
    turn: Turn,
    call: PendingCall,
    tool: AgentTool<R>,
    args: unknown,
    decision: Decision | undefined
  ): Effect.Effect<void, never, R> {
    if (decision?.approved === false) {
      return this.onResult(
        turn,
        call,
        refuse(call, "denied", `This call was not approved${decision.why === undefined ? "." : `: ${decision.why}`}`)
      )
    }
    const { conversation = "", user: whose = "" } = this.input
    const context = {
      runId: this.runId,
      callId: call.id,
      user: whose,
      conversation,
      stage: new CallStage(call.id, this)
    }
    const before = tool.annotations.sideEffect === "once"
      ? Effect.suspend(() =>
        Effect.zipRight(this.emit([{ _tag: "ToolRunStarted", callId: call.id }]), this.sink.flush())
      )
      : Effect.void
    return Effect.flatMap(
      this.runtime.run(call, tool, args, context, before),
      (result) => this.onResult(turn, call, result)
    )
  }

  private onResult(turn: Turn, call: PendingCall, outcome: ToolOutcome): Effect.Effect<void> {
    return Effect.suspend(() => {
      const events: Array<Unstamped> = []
      this.conclude(turn, call, outcome, events)
      const told = this.emit(events)
      turn.ended()
      return told
    })
  }

  private conclude(turn: Turn, call: PendingCall, outcome: ToolOutcome, events: Array<Unstamped>): void {
    turn.results.set(call.id, outcome)
    events.push({ _tag: "ToolResult", callId: call.id, name: call.name, ...outcome })
  }

  private closeTurn(turn: Turn): Effect.Effect<void, ModelError> {
    if (turn.text === "" && turn.tools.calls.length === 0) return Effect.fail(this.emptyAnswer(turn))
    const { step, tools: { calls } } = turn
    return this.emit([...this.settle(""), { _tag: "StepFinished", step, toolCalls: calls.length }])
  }

  /**
   * Adds what the step said and found to the transcript, results in call order.
   * A call that has no result because of `why` gets one that says so; these are
   * returned as events.
   */
  private settle(why: string): Array<Unstamped> {
    const { turn } = this
    const events: Array<Unstamped> = []
    if (turn === undefined) return events
    this.turn = undefined
    this.answer = turn.text
    const calls = turn.tools.calls.filter((call) => call.announced)
    if (turn.text === "" && calls.length === 0) return events
    this.messages.push(
      assistant(turn.text, calls.map(({ arguments: args, id, name }) => ({ id, name, arguments: args })))
    )
    for (const call of calls) {
      const { id, name } = call
      if (!turn.results.has(id)) {
        const detail = turn.waiting.has(id)
          ? `${why} before it was approved; it was not run`
          : `${why} before there was a result; it may have taken effect`
        this.conclude(turn, call, refuse(call, "interrupted", detail), events)
      }
      const { content, error, untrusted } = turn.results.get(id)!
      this.messages.push({ role: "tool", callId: id, name, content, failed: error !== undefined, untrusted })
    }
    return events
  }

  private suspend(): Effect.Effect<void> {
    const waiting = Array.from(this.turn?.waiting.keys() ?? [])
    this.turn = undefined
    return this.emit([{ _tag: "RunSuspended", waiting }])
  }

  private emptyAnswer(turn: Turn): ModelError {
    const detail = `It ended with neither text nor a tool call (finish reason: ${turn.finish ?? "none"}).`
    return new ModelError({ reason: "Empty", model: this.model.name, detail })
  }

  private modelDefect(cause: unknown): ModelError {
    return new ModelError({ reason: "Defect", model: this.model.name, detail: "It threw.", cause })
  }

  private get beginning(): Unstamped {
    const { agent, input: { attachments = [], message }, model, runId } = this
    return { _tag: "RunStarted", runId, agent: agent.name, model: model.name, message, attachments }
  }

  private ending(end: Ending): Array<Unstamped> {
    const interrupted = this.settle(end.outcome === "stopped" ? "The run was stopped" : "The run failed")
    const durationMs = this.clock.unsafeCurrentTimeMillis() - this.startedAt + (this.past?.activeMs ?? 0)
    return [...interrupted, { _tag: "RunFinished", text: this.answer, durationMs, ...end }]
  }

  /** The last words of a run that is being interrupted, or that died of a defect in the sink. */
  abandon(): void {
    const beginning = this.seq === 0 ? [this.beginning] : []
    this.sink.push(this.stamp([...beginning, ...this.ending({ outcome: "stopped" })]))
  }

  /** The number of a new stage. */
  nextStage(): number {
    return ++this.stages
  }

  /** Tells of something, then waits for a slow reader. */
  emit(events: Portion): Effect.Effect<void> {
    if (events.length === 0) return Effect.void
    return Effect.suspend(() => {
      this.emitNow(events)
      return this.sink.room()
    })
  }

  /** Tells of something without waiting: for what happens while a fiber is interrupted. */
  emitNow(events: Portion): void {
    this.sink.push(this.stamp(events))
  }

  private stamp(events: Portion): ReadonlyArray<AgentEvent> {
    const at = this.clock.unsafeCurrentTimeMillis()
    return events.map((event) => ({ ...event, seq: ++this.seq, at }))
  }
}

type Ending = Pick<Extract<AgentEvent, { _tag: "RunFinished" }>, "outcome" | "limit" | "error">

const limitNames: Record<Limit, string> = {
  steps: "steps",
  toolCalls: "tool calls",
  tokens: "tokens",
  costUsd: "cost",
  wallClock: "time"
}
