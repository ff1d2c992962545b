// @effect-diagnostics schemaSync:off -- an event of ours is always of its schema, and rows of many are written at once
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type { Fragment } from "@effect/sql/Statement"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import { RunAlreadyExists, RunStoreError } from "../AgentError.ts"
import { AgentEvent } from "../AgentEvent.ts"
import { Attachment, Message } from "../Message.ts"
import type { RunRecord, RunStore } from "../RunStore.ts"
import { outcomeOf } from "./readOutcome.ts"

const Input = Schema.parseJson(Schema.Struct({
  message: Schema.String,
  attachments: Schema.optionalWith(Schema.Array(Attachment), { exact: true }),
  history: Schema.optionalWith(Schema.Array(Message), { exact: true }),
  runId: Schema.optionalWith(Schema.String, { exact: true }),
  user: Schema.optionalWith(Schema.String, { exact: true }),
  conversation: Schema.optionalWith(Schema.String, { exact: true })
}))

const encodeInput = Schema.encode(Input)
const decodeInput = Schema.decodeUnknown(Input)
const encodeEvent = Schema.encodeSync(AgentEvent)
const decodeEvents = Schema.decodeUnknown(Schema.parseJson(Schema.Array(AgentEvent)))

const Row = Schema.Struct({
  run_id: Schema.String,
  agent: Schema.String,
  user_id: Schema.String,
  conversation: Schema.String,
  outcome: Schema.NullOr(Schema.Literal("completed", "limited", "stopped", "failed", "suspended")),
  last_seq: Schema.NullOr(Schema.Union(Schema.Number, Schema.NumberFromString))
})

/** Most events are plain already; only those with an error need their schema. */
const stringify = (events: ReadonlyArray<AgentEvent>): string =>
  JSON.stringify(
    events.map((event) => "error" in event && event.error !== undefined ? encodeEvent(event) : event)
  )

interface Write {
  readonly runId: string
  readonly events: ReadonlyArray<AgentEvent>
  readonly done: (exit: Either.Either<void, RunStoreError>) => void
}

/** An event with which the outcome of a run changes. */
interface Change {
  readonly runId: string
  readonly change: AgentEvent
}

const changesOutcome = ({ _tag }: AgentEvent): boolean =>
  _tag === "RunFinished" || _tag === "RunSuspended" || _tag === "RunResumed"

/** How many rows go into one statement. */
const groupSize = 100

const tables = [
  `CREATE TABLE IF NOT EXISTS agent_runs (
    run_id TEXT PRIMARY KEY, agent TEXT NOT NULL, user_id TEXT NOT NULL, conversation TEXT NOT NULL,
    input TEXT NOT NULL, started_at BIGINT NOT NULL, outcome TEXT)`,
  `CREATE TABLE IF NOT EXISTS agent_run_events (
    run_id TEXT NOT NULL, seq BIGINT NOT NULL, last_seq BIGINT NOT NULL, events TEXT NOT NULL,
    PRIMARY KEY (run_id, seq))`,
  "CREATE INDEX IF NOT EXISTS agent_runs_owner ON agent_runs (user_id, conversation, started_at)"
]

const unavailable = (runId: string) => (cause: SqlError): RunStoreError =>
  new RunStoreError({
    reason: "Unavailable",
    runId,
    detail: "The database did not answer. What was there before is kept; try again.",
    cause
  })

const malformed = (runId: string) => (): RunStoreError =>
  new RunStoreError({
    reason: "Malformed",
    runId,
    detail: "It was written by another version, or is damaged. It was left as it is."
  })

/** @internal */
export const makeSqlRunStore: Effect.Effect<typeof RunStore.Service, RunStoreError, SqlClient.SqlClient | Scope> =
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    for (const table of tables) yield* Effect.mapError(sql.unsafe(table), unavailable(""))
    const append = yield* makeGroupCommit(sql)

    const select = (where: Fragment, runId: string) =>
      sql`SELECT r.run_id, r.agent, r.user_id, r.conversation, r.outcome,
          (SELECT MAX(e.last_seq) FROM agent_run_events e WHERE e.run_id = r.run_id) AS last_seq
        FROM agent_runs r WHERE ${where} ORDER BY r.started_at, r.run_id`.pipe(
        Effect.mapError(unavailable(runId)),
        Effect.flatMap((rows) => Effect.mapError(Schema.decodeUnknown(Schema.Array(Row))(rows), malformed(runId))),
        Effect.map((rows) =>
          rows.map((row): RunRecord => ({
            runId: row.run_id,
            agent: row.agent,
            user: row.user_id,
            conversation: row.conversation,
            seq: row.last_seq ?? 0,
            outcome: row.outcome ?? undefined
          }))
        )
      )

    return {
      create: Effect.fn("RunStore.create")(function*({ agent, input, runId }) {
        const text = yield* Effect.mapError(encodeInput(input), malformed(runId))
        const startedAt = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        const { conversation = "", user = "" } = input
        const made = yield* sql`INSERT INTO agent_runs (run_id, agent, user_id, conversation, input, started_at)
          VALUES (${runId}, ${agent}, ${user}, ${conversation}, ${text}, ${startedAt})
          ON CONFLICT (run_id) DO NOTHING RETURNING run_id`
        if (made.length === 0) return yield* new RunAlreadyExists({ runId })
      }, (effect, { runId }) => Effect.catchTag(effect, "SqlError", (error) => Effect.fail(unavailable(runId)(error)))),
      append,
      get: Effect.fn("RunStore.get")((runId) =>
        Effect.map(select(sql`r.run_id = ${runId}`, runId), ([record]) => Option.fromNullable(record))
      ),
      input: Effect.fn("RunStore.input")((runId) =>
        Effect.flatMap(
          Effect.mapError(
            sql<{ readonly input: string }>`SELECT input FROM agent_runs WHERE run_id = ${runId}`,
            unavailable(runId)
          ),
          ([row]) =>
            row === undefined
              ? Effect.succeedNone
              : Effect.asSome(Effect.mapError(decodeInput(row.input), malformed(runId)))
        )
      ),
      read: (runId, { after = 0 } = {}) =>
        sql<{ readonly events: string }>`SELECT events FROM agent_run_events
          WHERE run_id = ${runId} AND last_seq > ${after} ORDER BY seq`.pipe(
          Effect.mapError(unavailable(runId)),
          Effect.map((rows) => Stream.fromIterable(rows)),
          Stream.unwrap,
          Stream.mapEffect(({ events }) => Effect.mapError(decodeEvents(events), malformed(runId))),
          Stream.mapConcatChunk((events) => Chunk.filter(Chunk.fromIterable(events), ({ seq }) => seq > after))
        ),
      list: ({ conversation, unfinished = false, user } = {}) =>
        Stream.unwrap(Effect.map(
          select(
            sql.and([
              sql`1 = 1`,
              ...(user === undefined ? [] : [sql`r.user_id = ${user}`]),
              ...(conversation === undefined ? [] : [sql`r.conversation = ${conversation}`]),
              ...(unfinished ? [sql`(r.outcome IS NULL OR r.outcome = 'suspended')`] : [])
            ]),
            ""
          ),
          Stream.fromIterable
        )),
      delete: Effect.fn("RunStore.delete")((runId) =>
        Effect.gen(function*() {
          const existing = yield* sql`SELECT 1 FROM agent_runs WHERE run_id = ${runId}`
          yield* sql`DELETE FROM agent_run_events WHERE run_id = ${runId}`
          yield* sql`DELETE FROM agent_runs WHERE run_id = ${runId}`
          return existing.length > 0
        }).pipe(sql.withTransaction, Effect.mapError(unavailable(runId)))
      )
    }
  })

const conflictOr = (runId: string, cause: SqlError): RunStoreError =>
  /unique|constraint|duplicate/i.test(String(cause.cause))
    ? new RunStoreError({
      reason: "Conflict",
      runId,
      detail: "Another process goes on with this run. This one has stopped.",
      cause
    })
    : unavailable(runId)(cause)

/** One fiber writes; what arrives while it writes goes into its next statement. */
const makeGroupCommit = Effect.fnUntraced(function*(sql: SqlClient.SqlClient) {
  let waiting: Array<Write> = []
  let wake: (() => void) | undefined
  const some = Effect.async<void>((resume) => {
    if (waiting.length > 0) resume(Effect.void)
    else wake = () => resume(Effect.void)
  })

  const insert = (writes: ReadonlyArray<Write>) =>
    sql`INSERT INTO agent_run_events ${
      sql.insert(writes.map(({ events, runId }) => ({
        run_id: runId,
        seq: events[0]!.seq,
        last_seq: events.at(-1)!.seq,
        events: stringify(events)
      })))
    }`

  const setOutcome = ({ change, runId }: Change): Effect.Effect<unknown, SqlError> => {
    const outcome = outcomeOf(change) ?? null
    return sql`UPDATE agent_runs SET outcome = ${outcome} WHERE run_id = ${runId}`
  }

  const write = (writes: ReadonlyArray<Write>): Effect.Effect<unknown, SqlError> => {
    const changes = writes.flatMap(({ events, runId }): ReadonlyArray<Change> => {
      const change = events.findLast(changesOutcome)
      return change === undefined ? [] : [{ runId, change }]
    })
    // A statement alone is a transaction.
    return changes.length === 0
      ? insert(writes)
      : sql.withTransaction(Effect.zipRight(insert(writes), Effect.forEach(changes, setOutcome, { discard: true })))
  }

  /** One write that cannot be done fails alone. */
  const separately = (writes: ReadonlyArray<Write>) =>
    Effect.forEach(writes, (one) =>
      Effect.matchEffect(write([one]), {
        onFailure: (error) => Effect.sync(() => one.done(Either.left(conflictOr(one.runId, error)))),
        onSuccess: () => Effect.sync(() => one.done(Either.right(undefined)))
      }), { discard: true })

  const commit = Effect.suspend(() => {
    const group = waiting.slice(0, groupSize)
    waiting = waiting.slice(groupSize)
    return Effect.matchEffect(write(group), {
      onFailure: () => separately(group),
      onSuccess: () =>
        Effect.sync(() => {
          for (const { done } of group) done(Either.right(undefined))
        })
    })
  })

  yield* Effect.forkScoped(Effect.interruptible(Effect.forever(Effect.zipRight(some, Effect.uninterruptible(commit)))))

  return (runId: string, events: ReadonlyArray<AgentEvent>): Effect.Effect<void, RunStoreError> =>
    events.length === 0 ? Effect.void : Effect.async((resume) => {
      waiting.push({ runId, events, done: (result) => resume(result) })
      const go = wake
      wake = undefined
      go?.()
    })
})
