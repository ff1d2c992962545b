/**
 * Runs that go on without a reader: start one, read its events from anywhere
 * and from any point, decide about its calls, stop it, and go on with it after
 * the process ended.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Agent, AgentInput } from "./Agent.ts"
import type { AgentRunsConfig } from "./AgentConfig.ts"
import * as AgentConfig from "./AgentConfig.ts"
import type { RunAlreadyExists, RunStoreError } from "./AgentError.ts"
import { RunNotFound, RunStateError, TooManyRuns } from "./AgentError.ts"
import type { AgentEvent } from "./AgentEvent.ts"
import type { Decision } from "./Approval.ts"
import { pending } from "./Approval.ts"
import type { ChatModel } from "./ChatModel.ts"
import { closeRun } from "./internal/closeRun.ts"
import { LiveRun } from "./internal/liveRun.ts"
import { makeRunId } from "./internal/makeRunId.ts"
import { outcomeOf } from "./internal/readOutcome.ts"
import { runLoop } from "./internal/runLoop.ts"
import type { RunRecord } from "./RunStore.ts"
import { RunStore } from "./RunStore.ts"

/**
 * How far a run is. Without an outcome and not `running` it was interrupted by
 * the end of its process, and can be resumed, as can one that is `suspended`.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunStatus extends RunRecord {
  /** Whether it goes on in this process. */
  readonly running: boolean
}

/**
 * Closing the layer interrupts every run and leaves its log as it is: with a
 * journal that outlives the process they can be resumed. `cancel` ends a run
 * for good.
 *
 * @since 0.1.0
 * @category services
 */
export class AgentRuns extends Context.Tag("@sennit/agent/AgentRuns")<AgentRuns, {
  /** Starts a run that goes on when nobody reads it, until it ends, is cancelled, or the layer is closed. */
  readonly start: <R>(
    agent: Agent<R>,
    input: AgentInput
  ) => Effect.Effect<RunStatus, TooManyRuns | RunAlreadyExists | RunStoreError, ChatModel | R>
  /** The events of a run with a `seq` above `after` (default 0: all), then those to come, until it ends or is suspended. */
  readonly attach: (
    runId: string,
    options?: { readonly after?: number }
  ) => Stream.Stream<AgentEvent, RunNotFound | RunStoreError>
  /** Stops a run and waits until its model call and tools are gone. Ends one that is suspended or was interrupted. */
  readonly cancel: (runId: string) => Effect.Effect<RunStatus, RunNotFound | RunStoreError>
  /** Goes on with a run that is suspended or was interrupted: finished tools keep their results. */
  readonly resume: <R>(
    agent: Agent<R>,
    runId: string
  ) => Effect.Effect<RunStatus, RunNotFound | RunStateError | TooManyRuns | RunStoreError, ChatModel | R>
  /**
   * Decides about a call. A run that was suspended in this process goes on when
   * its last call is decided; after a restart, `resume` it.
   */
  readonly approve: (
    runId: string,
    callId: string,
    decision: Decision
  ) => Effect.Effect<RunStatus, RunNotFound | RunStateError | TooManyRuns | RunStoreError>
  readonly status: (runId: string) => Effect.Effect<RunStatus, RunNotFound | RunStoreError>
  /** The runs of the journal, oldest first. */
  readonly list: (filter?: {
    readonly user?: string
    readonly conversation?: string
    readonly unfinished?: boolean
  }) => Stream.Stream<RunStatus, RunStoreError>
}>() {}

/** How many suspended runs can go on by themselves when they are decided about. */
const maxSuspended = 1024

const refuse = (runId: string, reason: RunStateError["reason"], detail: string) =>
  Effect.fail(new RunStateError({ reason, runId, detail }))

type Launch = Effect.Effect<void, TooManyRuns>

/**
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  config?: Partial<AgentRunsConfig>
) => Effect.Effect<typeof AgentRuns.Service, never, RunStore | Scope.Scope> = Effect.fnUntraced(
  function*(config?: Partial<AgentRunsConfig>) {
    const { maxRunning } = { ...AgentConfig.defaultAgentRuns, ...config }
    const store = yield* RunStore
    const lives = new Map<string, LiveRun>()
    const suspended = new Map<string, Launch>()
    const alone = Effect.unsafeMakeSemaphore(1).withPermits(1)
    const scope = yield* Effect.acquireRelease(Scope.make(), (inner, exit) => {
      for (const live of lives.values()) live.handle.leave = true
      return Scope.close(inner, exit)
    })

    const record = Effect.fnUntraced(function*(runId: string) {
      return yield* Option.match(yield* store.get(runId), {
        onNone: () => Effect.fail(new RunNotFound({ runId })),
        onSome: Effect.succeed
      })
    })

    const withLive = (found: RunRecord): RunStatus => {
      const live = lives.get(found.runId)
      if (live === undefined) return { ...found, running: false }
      const last = live.events.at(-1)
      return { ...found, seq: last?.seq ?? 0, outcome: outcomeOf(last), running: true }
    }

    const status = (runId: string) => Effect.map(record(runId), withLive)

    const readAll = (runId: string) => Effect.map(Stream.runCollect(store.read(runId)), Chunk.toReadonlyArray)

    const launch = <R>(
      agent: Agent<R>,
      input: AgentInput,
      runId: string,
      prior: ReadonlyArray<AgentEvent>
    ): Effect.Effect<void, TooManyRuns, ChatModel | R> =>
      Effect.gen(function*() {
        if (lives.size >= maxRunning) return yield* new TooManyRuns({ limit: maxRunning })
        const context = yield* Effect.context<ChatModel | R>()
        const live = new LiveRun(runId, agent.name, prior)
        lives.set(runId, live)
        suspended.delete(runId)
        const again = Effect.flatMap(Effect.orDie(readAll(runId)), (events) => launch(agent, input, runId, events))
        const retire = Effect.suspend(() => {
          lives.delete(runId)
          if (live.events.at(-1)?._tag !== "RunSuspended" || live.error !== undefined) return Effect.void
          const go = Effect.provide(again, context)
          // Everything was decided while it was on its way to wait.
          if (pending(live.events).length === 0) return Effect.ignore(go)
          suspended.set(runId, go)
          for (const oldest of suspended.keys()) {
            if (suspended.size <= maxSuspended) break
            suspended.delete(oldest)
          }
          return Effect.void
        })
        live.fiber = yield* Effect.fork(live.write(store)).pipe(
          Effect.flatMap((writer) =>
            runLoop(agent, input, runId, live, { prior, handle: live.handle }).pipe(
              Effect.ensuring(Effect.zipRight(Effect.sync(() => live.end()), Fiber.join(writer))),
              Effect.ensuring(retire)
            )
          ),
          Effect.forkIn(scope)
        )
      }).pipe(Effect.uninterruptible)

    /** Events of a run that goes on nowhere. */
    const appendTo = Effect.fnUntraced(function*(runId: string, events: ReadonlyArray<AgentEvent>) {
      yield* store.append(runId, events)
      return yield* status(runId)
    })

    const cancel = Effect.fn("AgentRuns.cancel")(function*(runId: string) {
      const live = lives.get(runId)
      if (live?.fiber !== undefined) {
        yield* Fiber.interrupt(live.fiber)
        return yield* status(runId)
      }
      return yield* alone(Effect.gen(function*() {
        const found = yield* status(runId)
        if (found.outcome !== undefined && found.outcome !== "suspended") return found
        const at = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        suspended.delete(runId)
        return yield* appendTo(runId, closeRun(runId, yield* readAll(runId), at))
      }))
    })

    const approve = Effect.fn("AgentRuns.approve")(function*(runId: string, callId: string, decision: Decision) {
      const live = lives.get(runId)
      if (live?.handle.decide(callId, decision) === true) return yield* status(runId)
      // A run that is just being suspended is waited for.
      if (live?.fiber !== undefined && pending(live.events).some((call) => call.callId === callId)) {
        yield* Fiber.await(live.fiber)
      }
      return yield* alone(Effect.gen(function*() {
        const found = yield* status(runId)
        const events = yield* readAll(runId)
        if (!pending(events).some((call) => call.callId === callId)) {
          return yield* refuse(runId, "NothingToDecide", `No call "${callId}" waits for a decision.`)
        }
        const at = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        const resolved: AgentEvent = { _tag: "ApprovalResolved", seq: found.seq + 1, at, callId, ...decision }
        yield* store.append(runId, [resolved])
        if (pending([...events, resolved]).length === 0) yield* suspended.get(runId) ?? Effect.void
        return yield* status(runId)
      }))
    })

    return AgentRuns.of({
      start: Effect.fn("AgentRuns.start")(function*(agent, input) {
        const runId = input.runId ?? (yield* makeRunId)
        yield* store.create({ runId, agent: agent.name, input })
        yield* Effect.tapError(launch(agent, input, runId, []), () => Effect.ignore(store.delete(runId)))
        const { conversation = "", user = "" } = input
        return { runId, agent: agent.name, user, conversation, seq: 0, outcome: undefined, running: true }
      }, Effect.uninterruptible),
      attach: (runId, { after = 0 } = {}) =>
        Stream.suspend(() => {
          const live = lives.get(runId)
          return live === undefined
            ? Stream.unwrap(Effect.as(record(runId), store.read(runId, { after })))
            : live.read(after)
        }),
      cancel,
      resume: Effect.fn("AgentRuns.resume")(function*(agent, runId) {
        return yield* alone(Effect.gen(function*() {
          const found = yield* status(runId)
          if (found.running) return yield* refuse(runId, "Running", "It goes on in this process.")
          if (found.outcome !== undefined && found.outcome !== "suspended") {
            return yield* refuse(runId, "Finished", `It has ended: ${found.outcome}.`)
          }
          if (found.agent !== agent.name) {
            return yield* refuse(runId, "OtherAgent", `It is a run of "${found.agent}", not of "${agent.name}".`)
          }
          const input = yield* Effect.flatMap(
            store.input(runId),
            Option.match({ onNone: () => Effect.fail(new RunNotFound({ runId })), onSome: Effect.succeed })
          )
          yield* launch(agent, input, runId, yield* readAll(runId))
          return yield* status(runId)
        }))
      }),
      approve,
      status: Effect.fn("AgentRuns.status")(status),
      list: (filter) => Stream.map(store.list(filter), withLive)
    })
  }
)

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (config?: Partial<AgentRunsConfig>): Layer.Layer<AgentRuns, never, RunStore> =>
  Layer.scoped(AgentRuns, make(config))

/**
 * Bounds from the environment, see `AgentConfig.agentRuns`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<AgentRuns, ConfigError, RunStore> = Layer.scoped(
  AgentRuns,
  Effect.flatMap(AgentConfig.agentRuns, make)
)
