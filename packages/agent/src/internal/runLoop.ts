import type { Clock } from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Scope } from "effect/Scope"
import type { Agent, AgentInput } from "../Agent.ts"
import { ModelError } from "../AgentError.ts"
import type { AgentEvent, Limit } from "../AgentEvent.ts"
import type { FinishReason, ModelEvent } from "../ChatModel.ts"
import { ChatModel } from "../ChatModel.ts"
import type { Message } from "../Message.ts"
import { assistant, repair, system, user } from "../Message.ts"
import * as Telemetry from "../Telemetry.ts"
import type { PendingCall } from "./accumulateToolCalls.ts"
import { ToolCallAccumulator } from "./accumulateToolCalls.ts"
import { raceLimit } from "./raceLimit.ts"
import type { ToolOutcome, ToolRuntime } from "./runTools.ts"
import { makeToolRuntime } from "./runTools.ts"

/** @internal Where the events of a run go. */
export interface EventSink {
  /** May wait for a slow reader; then the model's socket waits as well. */
  readonly offer: (events: ReadonlyArray<AgentEvent>) => Effect.Effect<void>
  /** Never waits: used when the run is being interrupted. */
  readonly offerNow: (events: ReadonlyArray<AgentEvent>) => void
}

type WithoutStamp<E> = E extends AgentEvent ? Omit<E, "seq" | "at"> : never

/** How long the last answer may take once the time of a run is up. */
const wrapUpTime = Duration.seconds(30)

/**
 * @internal
 * One run, from the user's message to `RunFinished`. It never fails: whatever
 * happens is an event. Interrupting it interrupts the model call and all tools,
 * then gives every open call a result and ends the log.
 */
export const runLoop = <R>(
  agent: Agent<R>,
  input: AgentInput,
  runId: string,
  sink: EventSink
): Effect.Effect<void, never, ChatModel | R> =>
  Effect.gen(function*() {
    const model = yield* ChatModel
    const clock = yield* Effect.clock
    const run = new Run(agent, input, runId, model, clock, sink)
    yield* Effect.onExit(
      Effect.interruptible(run.main),
      (exit) => exit._tag === "Failure" ? Effect.sync(() => run.abandon()) : Effect.void
    )
  }).pipe(
    // A run that is stopped before its first word still ends its log.
    Effect.uninterruptible,
    Effect.withSpan(Telemetry.spanRun, { captureStackTrace: false, attributes: { [Telemetry.agentName]: agent.name } })
  )

/** What the model said in one step. */
class Turn {
  readonly tools: ToolCallAccumulator
  readonly results = new Map<string, ToolOutcome>()
  readonly fibers: Array<Fiber.Fiber<void>> = []
  text = ""
  finish: FinishReason | undefined
  constructor(usedIds: Set<string>) {
    this.tools = new ToolCallAccumulator(usedIds)
  }
}

class Run<R> {
  private readonly runtime: ToolRuntime<R>
  private readonly messages: Array<Message>
  private readonly usedIds: Set<string>
  private readonly startedAt: number
  /** The step that is going on. */
  private turn: Turn | undefined
  private seq = 0
  private steps = 0
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
    private readonly sink: EventSink
  ) {
    this.startedAt = clock.unsafeCurrentTimeMillis()
    const { parallelTools } = agent.limits
    this.runtime = makeToolRuntime({ runId, toolset: agent.tools, parallelTools, clock })
    const history = repair(input.history ?? [])
    this.messages = [system(agent.instructions), ...history, user(input.message, input.attachments)]
    this.usedIds = new Set(
      history.flatMap((message) => message.role === "assistant" ? message.toolCalls.map(({ id }) => id) : [])
    )
  }

  get main(): Effect.Effect<void, never, R> {
    const { agent } = this
    const timeIsUp = Effect.as(this.clock.sleep(Duration.decode(agent.limits.wallClock)), "wallClock" as const)
    return raceLimit(Effect.zipRight(this.emit([this.beginning]), this.untilAnswer), timeIsUp).pipe(
      Effect.flatMap((limit) => limit === undefined ? Effect.void : this.wrapUp(limit)),
      Effect.matchEffect({
        onFailure: (error) => this.finish({ outcome: "failed", error }),
        onSuccess: () =>
          this.finish(
            this.reached === undefined ? { outcome: "completed" } : { outcome: "limited", limit: this.reached }
          )
      })
    )
  }

  /** Asks the model until it calls no tool; gives the limit that was reached, if one was. */
  private get untilAnswer(): Effect.Effect<Limit | undefined, ModelError, R> {
    const { steps, tokens, toolCalls } = this.agent.limits
    return Effect.iterate({ done: false, limit: undefined as Limit | undefined }, {
      while: (state) => !state.done,
      body: () =>
        Effect.map(this.step("auto"), (turn) => {
          if (turn.tools.calls.length === 0) return { done: true, limit: undefined }
          const limit: Limit | undefined = this.toolCalls > toolCalls
            ? "toolCalls"
            : this.inputTokens + this.outputTokens >= tokens
            ? "tokens"
            : this.steps >= steps
            ? "steps"
            : undefined
          return { done: limit !== undefined, limit }
        })
    }).pipe(Effect.map((state) => state.limit))
  }

  /** One last answer without tools, saying that a limit was reached. */
  private wrapUp(limit: Limit): Effect.Effect<void, ModelError, R> {
    return Effect.suspend(() => {
      this.reached = limit
      const interrupted = this.settle("The time of the run was up")
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
      })
    )
  }

  private step(toolChoice: "auto" | "none"): Effect.Effect<Turn, ModelError, R> {
    return Effect.scopedWith((scope) => {
      const step = ++this.steps
      const turn = this.turn = new Turn(this.usedIds)
      const tools = this.agent.tools.modelTools
      const request = { messages: this.messages.slice(), tools, toolChoice }
      const accept = toolChoice === "auto"
      return this.emit([{ _tag: "StepStarted", step }]).pipe(
        Effect.zipRight(
          this.model.answer(request, (events) => this.onEvents(turn, events, scope, accept)).pipe(
            Effect.catchAllDefect((defect) => Effect.fail(this.modelDefect(defect))),
            Effect.withSpan(Telemetry.spanModel, {
              captureStackTrace: false,
              attributes: { [Telemetry.modelName]: this.model.name }
            })
          )
        ),
        Effect.zipRight(this.startRest(turn, scope)),
        Effect.zipRight(Effect.suspend(() => Fiber.awaitAll(turn.fibers))),
        Effect.zipRight(Effect.suspend(() => this.closeTurn(turn, step))),
        Effect.as(turn)
      )
    })
  }

  /** Hot path: one pass over the events of a network chunk, one offer to the sink. */
  private onEvents(
    turn: Turn,
    portion: ReadonlyArray<ModelEvent>,
    scope: Scope,
    accept: boolean
  ): Effect.Effect<void, never, R> {
    const events: Array<WithoutStamp<AgentEvent>> = []
    const ready: Array<PendingCall> = []
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
          if (call.scan.complete && !call.started && call.name !== "") {
            this.markReady(call, events)
            ready.push(call)
          }
          break
        }
        case "Usage":
          this.inputTokens += event.inputTokens
          this.outputTokens += event.outputTokens
          events.push({ _tag: "UsageUpdated", inputTokens: this.inputTokens, outputTokens: this.outputTokens })
          break
        case "Finish":
          turn.finish = event.reason
          break
      }
    }
    if (events.length === 0) return Effect.void
    const offer = this.emit(events)
    return ready.length === 0 ? offer : Effect.zipRight(offer, this.startTools(turn, ready, scope))
  }

  /** Starts what the model finished only by ending: calls without arguments, or with broken ones. */
  private startRest(turn: Turn, scope: Scope): Effect.Effect<void, never, R> {
    return Effect.suspend(() => {
      const rest = turn.tools.calls.filter((call) => !call.started)
      if (rest.length === 0) return Effect.void
      const events: Array<WithoutStamp<AgentEvent>> = []
      for (const call of rest) {
        if (!call.announced) this.announce(call, events)
        this.markReady(call, events)
      }
      return Effect.zipRight(this.emit(events), this.startTools(turn, rest, scope))
    })
  }

  private announce(call: PendingCall, events: Array<WithoutStamp<AgentEvent>>): void {
    call.announced = true
    events.push({ _tag: "ToolCallStarted", callId: call.id, name: call.name })
  }

  private markReady(call: PendingCall, events: Array<WithoutStamp<AgentEvent>>): void {
    call.started = true
    events.push({ _tag: "ToolCallReady", callId: call.id, name: call.name, arguments: call.arguments })
  }

  private startTools(turn: Turn, calls: ReadonlyArray<PendingCall>, scope: Scope): Effect.Effect<void, never, R> {
    return Effect.forEach(calls, (call) => {
      const overLimit = ++this.toolCalls > this.agent.limits.toolCalls
      const outcome = overLimit
        ? Effect.succeed(this.runtime.refuse(call, "limit", "The run has used up its tool calls"))
        : this.runtime.run(call)
      return Effect.map(
        Effect.forkIn(Effect.flatMap(outcome, (result) => this.onResult(turn, call, result)), scope),
        (fiber) => {
          turn.fibers.push(fiber)
        }
      )
    }, { discard: true })
  }

  private onResult(turn: Turn, call: PendingCall, outcome: ToolOutcome): Effect.Effect<void> {
    turn.results.set(call.id, outcome)
    return this.emit([{ _tag: "ToolResult", callId: call.id, name: call.name, ...outcome }])
  }

  private closeTurn(turn: Turn, step: number): Effect.Effect<void, ModelError> {
    if (turn.text === "" && turn.tools.calls.length === 0) return Effect.fail(this.emptyAnswer(turn))
    return this.emit([...this.settle(""), { _tag: "StepFinished", step, toolCalls: turn.tools.calls.length }])
  }

  /**
   * Adds what the step said and found to the transcript, results in call order.
   * A call that has no result because of `why` gets one that says so; these are
   * returned as events.
   */
  private settle(why: string): Array<WithoutStamp<AgentEvent>> {
    const { turn } = this
    const events: Array<WithoutStamp<AgentEvent>> = []
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
      const result = turn.results.get(id)
      const outcome = result ??
        this.runtime.refuse(call, "interrupted", `${why} before there was a result; it may have taken effect`)
      if (result === undefined) events.push({ _tag: "ToolResult", callId: id, name, ...outcome })
      const { content, error, untrusted } = outcome
      this.messages.push({ role: "tool", callId: id, name, content, failed: error !== undefined, untrusted })
    }
    return events
  }

  private emptyAnswer(turn: Turn): ModelError {
    const detail = `It ended with neither text nor a tool call (finish reason: ${turn.finish ?? "none"}).`
    return new ModelError({ reason: "Empty", model: this.model.name, detail })
  }

  private modelDefect(cause: unknown): ModelError {
    return new ModelError({ reason: "Defect", model: this.model.name, detail: "It threw.", cause })
  }

  private get beginning(): WithoutStamp<AgentEvent> {
    const { agent, input: { attachments = [], message }, model, runId } = this
    return { _tag: "RunStarted", runId, agent: agent.name, model: model.name, message, attachments }
  }

  private finish(end: Ending): Effect.Effect<void> {
    return Effect.suspend(() => this.emit(this.ending(end)))
  }

  private ending(end: Ending): Array<WithoutStamp<AgentEvent>> {
    const interrupted = this.settle(end.outcome === "stopped" ? "The run was stopped" : "The run failed")
    const durationMs = this.clock.unsafeCurrentTimeMillis() - this.startedAt
    return [...interrupted, { _tag: "RunFinished", text: this.answer, durationMs, ...end }]
  }

  /** The last words of a run that is being interrupted, or that died of a defect in the sink. */
  abandon(): void {
    const beginning = this.seq === 0 ? [this.beginning] : []
    this.sink.offerNow(this.stamp([...beginning, ...this.ending({ outcome: "stopped" })]))
  }

  private emit(events: ReadonlyArray<WithoutStamp<AgentEvent>>): Effect.Effect<void> {
    return events.length === 0 ? Effect.void : Effect.suspend(() => this.sink.offer(this.stamp(events)))
  }

  private stamp(events: ReadonlyArray<WithoutStamp<AgentEvent>>): ReadonlyArray<AgentEvent> {
    const at = this.clock.unsafeCurrentTimeMillis()
    return events.map((event) => ({ ...event, seq: ++this.seq, at }))
  }
}

type Ending = Pick<Extract<AgentEvent, { _tag: "RunFinished" }>, "outcome" | "limit" | "error">

const limitNames: Record<Limit, string> = {
  steps: "steps",
  toolCalls: "tool calls",
  tokens: "tokens",
  wallClock: "time"
}
