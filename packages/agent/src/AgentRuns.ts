/**
 * Runs that go on without a reader: start one, read its events from anywhere
 * and from any point, stop it.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Option from "effect/Option"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Agent, AgentInput } from "./Agent.ts"
import { makeRunId } from "./Agent.ts"
import type { AgentRunsConfig } from "./AgentConfig.ts"
import * as AgentConfig from "./AgentConfig.ts"
import { RunAlreadyExists, RunNotFound, TooManyRuns } from "./AgentError.ts"
import type { AgentEvent } from "./AgentEvent.ts"
import type { ChatModel } from "./ChatModel.ts"
import { runLoop } from "./internal/runLoop.ts"
import * as Telemetry from "./Telemetry.ts"

/**
 * How far a run is. `seq` is that of its last event; `outcome` is there when
 * it has finished.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunStatus {
  readonly runId: string
  readonly agent: string
  readonly seq: number
  readonly outcome: "completed" | "limited" | "stopped" | "failed" | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export class AgentRuns extends Context.Tag("@sennit/agent/AgentRuns")<AgentRuns, {
  /** Starts a run that goes on when nobody reads it, until it ends, is cancelled, or the layer is closed. */
  readonly start: <R>(
    agent: Agent<R>,
    input: AgentInput
  ) => Effect.Effect<RunStatus, TooManyRuns | RunAlreadyExists, ChatModel | R>
  /** The events of a run with a `seq` above `after` (default 0: all), then those to come, until its last one. */
  readonly attach: (
    runId: string,
    options?: { readonly after?: number }
  ) => Stream.Stream<AgentEvent, RunNotFound>
  /** Stops a run and waits until its model call and tools are gone. Does nothing to a finished one. */
  readonly cancel: (runId: string) => Effect.Effect<RunStatus, RunNotFound>
  readonly status: (runId: string) => Effect.Effect<RunStatus, RunNotFound>
  /** The runs that are going on or still kept, oldest first. */
  readonly list: Stream.Stream<RunStatus>
}>() {}

/** How many events a reader gets at once. */
const replayChunk = 256

/** A run and its log. Readers that have read everything wait on `grown`. */
class RunLog {
  readonly events: Array<AgentEvent> = []
  fiber: Fiber.Fiber<void> | undefined
  private grown: Deferred.Deferred<void> | undefined
  constructor(readonly runId: string, readonly agent: string) {}

  append(events: ReadonlyArray<AgentEvent>): void {
    for (const event of events) this.events.push(event)
    const { grown } = this
    this.grown = undefined
    if (grown !== undefined) Deferred.unsafeDone(grown, Effect.void)
  }

  get status(): RunStatus {
    const last = this.events.at(-1)
    const outcome = last?._tag === "RunFinished" ? last.outcome : undefined
    return { runId: this.runId, agent: this.agent, seq: this.events.length, outcome }
  }

  read(after: number): Stream.Stream<AgentEvent> {
    return Stream.unfoldChunkEffect(Math.max(0, after), (position) => this.next(position))
  }

  private next(position: number): Effect.Effect<Option.Option<readonly [Chunk.Chunk<AgentEvent>, number]>> {
    return Effect.suspend(() => {
      if (position < this.events.length) {
        const events = this.events.slice(position, position + replayChunk)
        return Effect.succeedSome([Chunk.unsafeFromArray(events), position + events.length] as const)
      }
      if (this.status.outcome !== undefined) return Effect.succeedNone
      // Taken before the next event can be appended, so no wake-up is missed.
      const grown = this.grown ??= Deferred.unsafeMake(FiberId.none)
      return Effect.zipRight(Deferred.await(grown), this.next(position))
    })
  }
}

/**
 * Closing the scope stops every run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (config?: Partial<AgentRunsConfig>) => Effect.Effect<typeof AgentRuns.Service, never, Scope> = Effect
  .fnUntraced(function*(config?: Partial<AgentRunsConfig>) {
    const { keepFinished, maxRunning } = { ...AgentConfig.defaultAgentRuns, ...config }
    const scope = yield* Effect.scope
    const logs = new Map<string, RunLog>()
    const finished: Array<string> = []
    let running = 0

    const find = (runId: string): Effect.Effect<RunLog, RunNotFound> =>
      Effect.suspend(() => {
        const log = logs.get(runId)
        return log === undefined ? Effect.fail(new RunNotFound({ runId })) : Effect.succeed(log)
      })

    const retire = (log: RunLog) =>
      Effect.zipRight(
        Effect.sync(() => {
          running--
          finished.push(log.runId)
          while (finished.length > keepFinished) logs.delete(finished.shift()!)
        }),
        Metric.incrementBy(Telemetry.runsActive, -1)
      )

    const start = Effect.fn("AgentRuns.start")(function*<R>(agent: Agent<R>, input: AgentInput) {
      const runId = input.runId ?? (yield* makeRunId)
      if (logs.has(runId)) return yield* new RunAlreadyExists({ runId })
      if (running >= maxRunning) return yield* new TooManyRuns({ limit: maxRunning })
      const log = new RunLog(runId, agent.name)
      logs.set(runId, log)
      running++
      yield* Metric.increment(Telemetry.runsActive)
      log.fiber = yield* runLoop(agent, input, runId, {
        offer: (events) => Effect.sync(() => log.append(events)),
        offerNow: (events) => log.append(events)
      }).pipe(
        Effect.ensuring(retire(log)),
        Effect.forkIn(scope)
      )
      return log.status
    }, Effect.uninterruptible)

    return AgentRuns.of({
      start,
      attach: (runId, options) => Stream.unwrap(Effect.map(find(runId), (log) => log.read(options?.after ?? 0))),
      cancel: Effect.fn("AgentRuns.cancel")(function*(runId) {
        const log = yield* find(runId)
        if (log.fiber !== undefined) yield* Fiber.interrupt(log.fiber)
        return log.status
      }),
      status: Effect.fn("AgentRuns.status")((runId) => Effect.map(find(runId), (log) => log.status)),
      list: Stream.suspend(() => Stream.fromIterable(Array.from(logs.values(), (log) => log.status)))
    })
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (config?: Partial<AgentRunsConfig>): Layer.Layer<AgentRuns> =>
  Layer.scoped(AgentRuns, make(config))

/**
 * Bounds from the environment, see `AgentConfig.agentRuns`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<AgentRuns, ConfigError> = Layer.scoped(
  AgentRuns,
  Effect.flatMap(AgentConfig.agentRuns, make)
)
