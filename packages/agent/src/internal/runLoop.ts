import type { Clock } from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Agent, AgentInput } from "../Agent.ts"
import type { ModelError } from "../AgentError.ts"
import type { AgentEvent, Limit } from "../AgentEvent.ts"
import type { Decision } from "../Approval.ts"
import * as Budget from "../Budget.ts"
import { ChatModel } from "../ChatModel.ts"
import type { Message } from "../Message.ts"
import { assistant, repair, system, user } from "../Message.ts"
import * as Telemetry from "../Telemetry.ts"
import { Asker } from "./askModel.ts"
import { Alarm } from "./keepTime.ts"
import { raceLimit } from "./raceLimit.ts"
import type { Replayed } from "./replayRun.ts"
import { replay } from "./replayRun.ts"
import { Calls } from "./runCalls.ts"
import { refuse } from "./runTools.ts"
import type { EventSink, Unstamped } from "./tellEvents.ts"
import { EventLog } from "./tellEvents.ts"
import { Turn } from "./trackTurn.ts"

/** @internal What others may do to a run that goes on. */
export interface RunHandle {
  /** Answers false when no such call waits here. */
  decide: (callId: string, decision: Decision) => boolean
  /** Whether an interruption leaves the log as it is, to be resumed, instead of ending it. */
  leave: boolean
}

type Stop = Limit | "answered" | "suspended"

/** How long the last answer may take once the time of a run is up, in milliseconds. */
const wrapUpMillis = 30_000

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
  private readonly alarm: Alarm
  private readonly log: EventLog
  private readonly calls: Calls<R>
  private readonly asker: Asker<R>
  private readonly messages: Array<Message>
  private readonly usedIds: Set<string>
  private readonly startedAt: number
  private readonly past: Replayed | undefined
  /** The step that is going on. */
  private turn: Turn | undefined
  private steps: number
  private answer = ""
  private reached: Limit | undefined

  constructor(
    private readonly agent: Agent<R>,
    private readonly input: AgentInput,
    private readonly runId: string,
    private readonly model: typeof ChatModel.Service,
    private readonly clock: Clock,
    sink: EventSink,
    prior: ReadonlyArray<AgentEvent>
  ) {
    this.startedAt = clock.unsafeCurrentTimeMillis()
    const past = this.past = prior.length === 0 ? undefined : replay(prior)
    this.alarm = new Alarm(clock)
    this.log = new EventLog(sink, clock, past?.seq ?? 0, past?.stages ?? 0)
    this.calls = new Calls(agent, input, runId, this.log, clock, this.alarm, past?.answered ?? [])
    this.asker = new Asker(agent, model, this.log, this.calls, this.alarm, past ?? { inputTokens: 0, outputTokens: 0 })
    const history = input.history === undefined ? [] : repair(input.history.filter(({ role }) => role !== "system"))
    this.messages = [system(agent.instructions), ...history, user(input.message, input.attachments)]
    this.usedIds = new Set(past?.usedIds)
    for (const message of history) {
      if (message.role === "assistant") { for (const { id } of message.toolCalls) this.usedIds.add(id) }
    }
    if (past !== undefined) this.messages.push(...repair(past.messages))
    this.steps = past?.steps ?? 0
    this.reached = past?.limit
  }

  get main(): Effect.Effect<void, never, R> {
    const wallClock = Duration.toMillis(this.agent.limits.wallClock) - (this.past?.activeMs ?? 0)
    const timeIsUp = Effect.as(this.alarm.keep(wallClock), "wallClock" as const)
    const work = this.past === undefined
      ? Effect.zipRight(this.log.emit([this.beginning]), this.advance())
      : this.takeUp(this.past)
    return Effect.matchEffect(
      Effect.flatMap(
        raceLimit(work, timeIsUp),
        (stop) => stop === "answered" || stop === "suspended" ? Effect.succeed(stop) : this.wrapUp(stop)
      ),
      {
        onFailure: (error) => this.log.emit(this.ending({ outcome: "failed", error })),
        onSuccess: (stop) => {
          if (stop === "suspended") return this.suspend()
          const { reached } = this
          return this.log.emit(
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
    if (limit !== undefined) return Effect.succeed(limit)
    // What the tools found is safe before the model hears of it, so that after a crash none of them runs again.
    return Effect.zipRight(this.log.flush(), this.advance())
  }

  private overrun(): Limit | undefined {
    const { agent: { limits, prices }, asker: { used }, calls: { begun } } = this
    return begun > limits.toolCalls
      ? "toolCalls"
      : used.inputTokens + used.outputTokens >= limits.tokens
      ? "tokens"
      : Budget.cost(used, prices) >= limits.costUsd
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
        const begin = this.log.emit(resumed)
        if (past.openCalls.length === 0) return Effect.as(begin, undefined)
        const turn = this.turn = new Turn(this.steps, this.usedIds)
        turn.text = past.openText
        return begin.pipe(
          Effect.zipRight(this.calls.restart(turn, past, scope)),
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
      return Effect.zipRight(this.log.emit(interrupted), raceLimit(this.step("none"), this.alarm.keep(wrapUpMillis)))
    }).pipe(
      Effect.flatMap((turn) => {
        if (turn !== undefined) return Effect.void
        const rest = this.settle("The time of the run was up")
        this.answer = `I stopped at the limit of ${limitNames[limit]} before I had an answer.`
        return this.log.emit([...rest, { _tag: "TextDelta", text: this.answer }])
      }),
      Effect.as(limit)
    )
  }

  private step(toolChoice: "auto" | "none"): Effect.Effect<Turn, ModelError, R> {
    return Effect.scopedWith((scope) => {
      const turn = this.turn = new Turn(++this.steps, this.usedIds)
      return this.log.emit([{ _tag: "StepStarted", step: turn.step }]).pipe(
        Effect.zipRight(this.asker.ask(turn, this.messages.slice(), toolChoice, scope)),
        Effect.zipRight(turn.idle),
        Effect.zipRight(Effect.suspend(() => turn.waiting.size > 0 ? Effect.void : this.closeTurn(turn))),
        Effect.as(turn)
      )
    })
  }

  /** See `RunHandle.decide`. */
  decide(callId: string, decision: Decision): boolean {
    return this.turn !== undefined && this.calls.decide(this.turn, callId, decision)
  }

  private closeTurn(turn: Turn): Effect.Effect<void, ModelError> {
    if (turn.text === "" && turn.tools.calls.length === 0) return Effect.fail(this.asker.emptyAnswer(turn))
    const { step, tools: { calls } } = turn
    return this.log.emit([...this.settle(""), { _tag: "StepFinished", step, toolCalls: calls.length }])
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
        events.push(turn.conclude(call, refuse(call, "interrupted", detail)))
      }
      const { content, error, untrusted } = turn.results.get(id)!
      this.messages.push({ role: "tool", callId: id, name, content, failed: error !== undefined, untrusted })
    }
    return events
  }

  private suspend(): Effect.Effect<void> {
    const waiting = Array.from(this.turn?.waiting.keys() ?? [])
    this.turn = undefined
    return this.log.emit([{ _tag: "RunSuspended", waiting }])
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
    const beginning = this.log.isEmpty ? [this.beginning] : []
    this.log.emitNow([...beginning, ...this.ending({ outcome: "stopped" })])
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
