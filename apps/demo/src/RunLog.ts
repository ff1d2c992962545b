/**
 * The log of runs, which is the conversations themselves: what a run did is sealed into its session as it settles, so a
 * run is read, gone on with after a crash, and erased where the conversation is.
 */
import { AgentError, AgentEvent, AgentRuns, type Message, RunStore } from "@sennit/agent"
import { Session, SessionService } from "@sennit/secure-sessions"
import * as Arr from "effect/Array"
import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { StorageFailed } from "./ApiError.ts"
import { failed } from "./StorageProblem.ts"
import { makeProjection, type ThreadEvent } from "./Thread.ts"

/**
 * What one event of a session holds: a stretch of a run's log. Deltas that followed each other are one; `pieces` has the
 * lengths of what they were, by the number of the first, so that a reader can go on after any of them.
 */
const Stored = Schema.parseJson(Schema.Struct({
  run: Schema.String,
  events: Schema.Array(AgentEvent.AgentEvent),
  pieces: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Array(Schema.Number) }))
}))
type Stored = typeof Stored.Type

const decode = Schema.decodeUnknown(Stored)
const encode = Schema.encode(Stored)

// --- names of runs -----------------------------------------------------------------------------------------------

const Place = Schema.parseJson(Schema.Tuple(Session.UserId, Session.SessionId, Schema.String))
const decodePlace = Schema.decodeUnknownOption(Place)

/** The id of a run says in which session its log is; `nonce` tells the runs of a conversation apart. */
export const runIdOf = ({ id, user }: Session.SessionRef, nonce: string): string =>
  Encoding.encodeBase64Url(JSON.stringify([user, id, nonce]))

const refOf = (app: Session.AppName, runId: string): Option.Option<Session.SessionRef> =>
  Encoding.decodeBase64UrlString(runId).pipe(
    Option.getRight,
    Option.flatMap(decodePlace),
    Option.map(([user, id]) => ({ app, user, id }))
  )

// --- a stretch ---------------------------------------------------------------------------------------------------

/** Deltas that follow each other become one in the stored log. */
const compact = (run: string, events: ReadonlyArray<AgentEvent.AgentEvent>): Stored => {
  const result: Array<AgentEvent.AgentEvent> = []
  const pieces: Record<string, Array<number>> = {}
  for (const event of events) {
    const last = result.at(-1)
    if (event._tag === "TextDelta" && last?._tag === "TextDelta") {
      result[result.length - 1] = { ...last, text: last.text + event.text }
      const lengths = pieces[last.seq] ??= [last.text.length]
      lengths.push(event.text.length)
    } else result.push(event)
  }
  return { run, events: result, pieces }
}

/** The events as they happened, of which a stretch keeps all but the moments of its deltas. */
const expand = ({ events, pieces = {} }: Stored): ReadonlyArray<AgentEvent.AgentEvent> =>
  events.flatMap((event) => {
    const lengths = event._tag === "TextDelta" ? pieces[event.seq] : undefined
    if (event._tag !== "TextDelta" || lengths === undefined) return [event]
    let from = 0
    const { _tag, at, seq, text } = event
    return lengths.map((length, index) => ({ _tag, at, seq: seq + index, text: text.slice(from, from += length) }))
  })

const grows: ReadonlySet<AgentEvent.AgentEvent["_tag"]> = new Set([
  "StepStarted",
  "TextDelta",
  "ReasoningDelta",
  "ToolCallStarted",
  "ToolCallReady",
  "StageOpened",
  "StageAppended",
  "StageClosed",
  "UsageUpdated"
])

/** Text that still grows is not written: after a crash the model is asked for it again. Anything else is safe first. */
const settles = ({ _tag }: AgentEvent.AgentEvent): boolean => !grows.has(_tag)

/** The log of a session, stretch by stretch. */
export const readLog = (session: Session.Session): Effect.Effect<ReadonlyArray<Stored>, StorageFailed> =>
  Effect.forEach(session.events, ({ body }) => decode(body)).pipe(
    Effect.mapError(() =>
      new StorageFailed({
        detail: `Conversation ${session.ref.id} was written by another version of this demo. It was left as it is.`
      })
    )
  )

/** What the model is told of earlier runs, which never overlap in one conversation. */
export const messagesOf = (log: ReadonlyArray<Stored>): ReadonlyArray<Message.Message> =>
  Arr.isNonEmptyReadonlyArray(log)
    ? Arr.groupWith(log, (a, b) => a.run === b.run).flatMap((stretches) =>
      AgentEvent.toMessages(stretches.flatMap(({ events }) => events))
    )
    : []

const TITLE_LENGTH = 80

const titleOf = (question: string): string => {
  const line = question.trim().split("\n", 1)[0] ?? ""
  return line.length > TITLE_LENGTH ? `${line.slice(0, TITLE_LENGTH - 1)}…` : line
}

/** What the state of the conversation says after these events: its title, and the run that is not at its end. */
const stateOf = (session: Session.Session, runId: string, events: ReadonlyArray<AgentEvent.AgentEvent>) => {
  const begun = events.find((event) => event._tag === "RunStarted")
  const title = begun?._tag === "RunStarted" && session.eventCount === 0 ? { title: titleOf(begun.message) } : {}
  const ended = events.some(({ _tag }) => _tag === "RunFinished")
  const turn = events.findLast(({ _tag }) => _tag === "RunSuspended" || _tag === "RunResumed")
  return {
    ...title,
    ...begun === undefined ? {} : { run: runId },
    ...turn === undefined ? {} : { waiting: turn._tag === "RunSuspended" },
    ...ended ? { run: null, waiting: false } : {}
  }
}

/** Whether the run of a conversation waits for a decision. */
export const isWaiting = ({ state }: Session.Session): boolean => state["waiting"] === true

/** The run of a conversation that has not come to its end, as its state says. */
export const unfinishedRun = ({ state }: Session.Session): string | undefined =>
  typeof state["run"] === "string" ? state["run"] : undefined

// --- the journal -------------------------------------------------------------------------------------------------

/** A run of this process: its agent, its session, and what is not written yet. */
interface Kept {
  agent: string
  session: Session.Session
  growing: Array<AgentEvent.AgentEvent>
}

const failure =
  (runId: string, reason: AgentError.RunStoreError["reason"] = "Unavailable") =>
  (cause: { readonly message: string }) => new AgentError.RunStoreError({ reason, runId, detail: cause.message, cause })

const makeJournal = Effect.fnUntraced(function*(app: Session.AppName) {
  const sessions = yield* SessionService.SessionService
  const kept = new Map<string, Kept>()

  const open = Effect.fnUntraced(function*(runId: string) {
    const ref = refOf(app, runId)
    if (Option.isNone(ref)) return Option.none<Session.Session>()
    return yield* Effect.mapError(sessions.get(ref.value), failure(runId))
  })

  /** Everything of the conversation, and of it what this run did. */
  const read = Effect.fnUntraced(function*(runId: string) {
    const session = yield* open(runId)
    if (Option.isNone(session)) return { before: [], events: [] }
    const log = yield* Effect.mapError(readLog(session.value), failure(runId, "Malformed"))
    const first = log.findIndex(({ run }) => run === runId)
    return {
      before: first < 0 ? log : log.slice(0, first),
      events: log.flatMap((stretch) => stretch.run === runId ? expand(stretch) : [])
    }
  })

  const write = Effect.fnUntraced(function*(runId: string, run: Kept) {
    const stretch = compact(runId, run.growing)
    const { events } = stretch
    const body = yield* Effect.orDie(encode(stretch))
    const stateDelta = stateOf(run.session, runId, events)
    run.session = yield* Effect.mapError(
      sessions.append(run.session, { author: "agent", body }, { onStale: "retry", stateDelta }),
      failure(runId)
    )
    run.growing = []
    if (events.some(({ _tag }) => _tag === "RunFinished")) kept.delete(runId)
  })

  const keep = Effect.fnUntraced(function*(runId: string, agent = "") {
    const known = kept.get(runId)
    if (known !== undefined) return known
    const session = yield* open(runId)
    if (Option.isNone(session)) return yield* failure(runId)({ message: "Its conversation is gone." })
    const run: Kept = { agent, session: session.value, growing: [] }
    kept.set(runId, run)
    return run
  })

  const recordOf = (runId: string, events: ReadonlyArray<AgentEvent.AgentEvent>): Option.Option<RunStore.RunRecord> => {
    const [first] = events
    const ref = refOf(app, runId)
    if (first?._tag !== "RunStarted" || Option.isNone(ref)) return Option.none()
    const last = events.at(-1)
    const outcome = last?._tag === "RunFinished"
      ? last.outcome
      : last?._tag === "RunSuspended"
      ? "suspended" as const
      : undefined
    const { id: conversation, user } = ref.value
    return Option.some({ runId, agent: first.agent, user, conversation, seq: last?.seq ?? 0, outcome })
  }

  /** A run that has done nothing yet is there all the same. */
  const newborn = (runId: string): Option.Option<RunStore.RunRecord> =>
    Option.map(Option.fromNullable(kept.get(runId)), ({ agent, session: { ref: { id: conversation, user } } }) => ({
      runId,
      agent,
      user,
      conversation,
      seq: 0,
      outcome: undefined
    }))

  const listOf = (user: string) =>
    sessions.list({ app, user: Session.UserId.make(user) }).pipe(
      Stream.mapEffect(({ ref }) => sessions.get(ref)),
      Stream.filterMap((found) => found),
      Stream.mapError(failure("")),
      Stream.mapEffect((session) => Effect.mapError(readLog(session), failure("", "Malformed"))),
      Stream.mapConcat((log) =>
        [...new Set(log.map(({ run }) => run))].flatMap((run) =>
          Option.toArray(recordOf(run, log.flatMap((stretch) => stretch.run === run ? stretch.events : [])))
        )
      )
    )

  return RunStore.RunStore.of({
    create: ({ agent, runId }) => Effect.asVoid(keep(runId, agent)),
    append: Effect.fnUntraced(function*(runId, events) {
      const run = kept.get(runId) ?? (yield* keep(runId))
      run.growing.push(...events)
      // A run whose log cannot be written is over.
      if (events.some(settles)) yield* Effect.tapError(write(runId, run), () => Effect.sync(() => kept.delete(runId)))
    }),
    get: (runId) =>
      Effect.map(read(runId), ({ events }) => Option.orElse(recordOf(runId, events), () => newborn(runId))),
    input: (runId) =>
      Effect.map(read(runId), ({ before, events: [first] }) =>
        first?._tag === "RunStarted"
          ? Option.some({
            runId,
            message: first.message,
            attachments: first.attachments,
            history: messagesOf(before)
          })
          : Option.none()),
    read: (runId, { after = 0 } = {}) =>
      Stream.fromIterableEffect(
        Effect.map(read(runId), ({ events }) => events.filter(({ seq }) => seq > after))
      ),
    list: ({ conversation, unfinished = false, user } = {}) =>
      user === undefined ?
        Stream.fail(failure("")({ message: "Runs are listed person by person." })) :
        listOf(user).pipe(
          Stream.filter((found) => conversation === undefined || found.conversation === conversation),
          Stream.filter(({ outcome }) => !unfinished || outcome === undefined || outcome === "suspended")
        ),
    // What was written goes with its conversation.
    delete: (runId) => Effect.sync(() => kept.delete(runId))
  })
})

export const layer = (
  app: Session.AppName
): Layer.Layer<RunStore.RunStore, never, SessionService.SessionService> =>
  Layer.effect(RunStore.RunStore, makeJournal(app))

// --- following a run ---------------------------------------------------------------------------------------------

/** A run that goes on, and its log so far. */
export interface Live {
  readonly run: string
  readonly events: Array<AgentEvent.AgentEvent>
  readonly ended: Deferred.Deferred<void>
}

/** Follows a run until it ends or waits, and shows each event as it comes. When its log cannot be written, the thread says why. */
export const followRun = ({ begun, live, publish }: {
  readonly live: Live
  readonly publish: (changes: ReadonlyArray<ThreadEvent>) => Effect.Effect<void>
  /** Runs when the conversation has its question. */
  readonly begun: Effect.Effect<void>
}): Effect.Effect<void, never, AgentRuns.AgentRuns> => {
  const project = makeProjection()
  const step = Effect.fnUntraced(function*(events: ReadonlyArray<AgentEvent.AgentEvent>) {
    const first = live.events.length === 0
    live.events.push(...events)
    yield* publish(events.flatMap(project))
    if (first) yield* begun
  })
  const explain = (error: AgentError.RunStoreError) =>
    publish([{
      type: "block",
      block: {
        type: "finish",
        id: `${live.run}-end`,
        outcome: "failed",
        model: "",
        message: failed(error).detail,
        durationMs: 0,
        toolsDone: 0
      }
    }])
  return Effect.gen(function*() {
    const runs = yield* AgentRuns.AgentRuns
    yield* runs.attach(live.run).pipe(
      Stream.chunks,
      Stream.runForEach((chunk) => step([...chunk])),
      Effect.catchTags({ RunNotFound: Effect.die, RunStoreError: explain })
    )
  })
}
