/**
 * The journal of runs: their inputs and events, from which a run is read again
 * and goes on after its process ended.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { AgentInput } from "./Agent.ts"
import type { RunStoreError } from "./AgentError.ts"
import { RunAlreadyExists } from "./AgentError.ts"
import type { AgentEvent } from "./AgentEvent.ts"
import { outcomeOf } from "./internal/readOutcome.ts"
import { makeSqlRunStore } from "./internal/sqlRunStore.ts"

/**
 * A run in the journal. `outcome` is that of its last `RunFinished`, or
 * `suspended`; undefined while it goes on, and when its process ended before it
 * did. `seq` is that of its last event.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunRecord {
  readonly runId: string
  readonly agent: string
  readonly user: string
  readonly conversation: string
  readonly seq: number
  readonly outcome: "completed" | "limited" | "stopped" | "failed" | "suspended" | undefined
}

/**
 * `append` is done when the events would survive the end of the process. Events
 * come in order and without gaps; when the `seq` of the first is taken, another
 * process goes on with the run and `append` fails with reason `Conflict`.
 *
 * @since 0.1.0
 * @category services
 */
export class RunStore extends Context.Tag("@sennit/agent/RunStore")<RunStore, {
  readonly create: (
    run: { readonly runId: string; readonly agent: string; readonly input: AgentInput }
  ) => Effect.Effect<void, RunAlreadyExists | RunStoreError>
  readonly append: (runId: string, events: ReadonlyArray<AgentEvent>) => Effect.Effect<void, RunStoreError>
  readonly get: (runId: string) => Effect.Effect<Option.Option<RunRecord>, RunStoreError>
  /** What the run was started with; none when there is no such run. */
  readonly input: (runId: string) => Effect.Effect<Option.Option<AgentInput>, RunStoreError>
  /** The events with a `seq` above `after` (default 0: all); empty when there is no such run. */
  readonly read: (runId: string, options?: { readonly after?: number }) => Stream.Stream<AgentEvent, RunStoreError>
  /** All runs, or those of one user or conversation, or those that have not finished; oldest first. */
  readonly list: (filter?: {
    readonly user?: string
    readonly conversation?: string
    readonly unfinished?: boolean
  }) => Stream.Stream<RunRecord, RunStoreError>
  /** Answers whether there was such a run. */
  readonly delete: (runId: string) => Effect.Effect<boolean, RunStoreError>
}>() {}

interface Kept {
  readonly agent: string
  readonly input: AgentInput
  readonly events: Array<AgentEvent>
}

const recordOf = (runId: string, { agent, events, input }: Kept): RunRecord => {
  const last = events.at(-1)
  const { conversation = "", user = "" } = input
  return { runId, agent, user, conversation, seq: last?.seq ?? 0, outcome: outcomeOf(last) }
}

/**
 * Runs in memory, which end with the process. Default: the last 256 finished
 * runs are kept for late readers.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (options: { readonly keepFinished?: number } = {}): Layer.Layer<RunStore> =>
  Layer.sync(RunStore, () => {
    const { keepFinished = 256 } = options
    const runs = new Map<string, Kept>()
    const finished = new Set<string>()
    const find = (runId: string) => Effect.sync(() => Option.fromNullable(runs.get(runId)))
    return RunStore.of({
      create: ({ agent, input, runId }) =>
        Effect.suspend(() => {
          if (runs.has(runId)) return Effect.fail(new RunAlreadyExists({ runId }))
          runs.set(runId, { agent, input, events: [] })
          return Effect.void
        }),
      append: (runId, events) =>
        Effect.sync(() => {
          const run = runs.get(runId)
          if (run === undefined) return
          for (const event of events) run.events.push(event)
          if (events.at(-1)?._tag !== "RunFinished") return
          finished.add(runId)
          for (const oldest of finished) {
            if (finished.size <= keepFinished) break
            finished.delete(oldest)
            runs.delete(oldest)
          }
        }),
      get: (runId) => Effect.map(find(runId), Option.map((run) => recordOf(runId, run))),
      input: (runId) => Effect.map(find(runId), Option.map(({ input }) => input)),
      read: (runId, { after = 0 } = {}) =>
        Stream.suspend(() =>
          Stream.fromChunk(Chunk.unsafeFromArray(runs.get(runId)?.events.filter(({ seq }) => seq > after) ?? []))
        ),
      list: ({ conversation, unfinished = false, user } = {}) =>
        Stream.suspend(() =>
          Stream.fromIterable(
            Array.from(runs, ([runId, run]) => recordOf(runId, run)).filter((record) =>
              (user === undefined || record.user === user) &&
              (conversation === undefined || record.conversation === conversation) &&
              (!unfinished || record.outcome === undefined || record.outcome === "suspended")
            )
          )
        ),
      delete: (runId) =>
        Effect.sync(() => {
          finished.delete(runId)
          return runs.delete(runId)
        })
    })
  })

/**
 * Runs in a SQL database, in two tables of its own (`agent_runs`,
 * `agent_run_events`), which it makes. Events that arrive together are one row;
 * runs that write at the same time share one statement. With SQLite in WAL mode
 * a row survives the end of the process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSql: Layer.Layer<RunStore, RunStoreError, SqlClient.SqlClient> = Layer.scoped(
  RunStore,
  makeSqlRunStore
)
