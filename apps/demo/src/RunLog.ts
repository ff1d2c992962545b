/** A run's log on its way into the session, and back out of it. */
import { AgentEvent, AgentRuns, type Message } from "@sennit/agent"
import { type Session, SessionService } from "@sennit/secure-sessions"
import * as Arr from "effect/Array"
import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { StorageFailed } from "./Api.ts"
import { makeProjection, type ThreadEvent } from "./Thread.ts"

/** What one event of a session holds: a stretch of a run's log. */
const Stored = Schema.parseJson(Schema.Struct({ run: Schema.String, events: Schema.Array(AgentEvent.AgentEvent) }))
type Stored = typeof Stored.Type

const decode = Schema.decodeUnknown(Stored)
const encode = Schema.encode(Stored)

/** A run that goes on: its log so far, of which the first `stored` events are in the session. */
export interface Live {
  readonly run: string
  readonly events: Array<AgentEvent.AgentEvent>
  session: Session.Session
  stored: number
  readonly ended: Deferred.Deferred<void>
}

/** Deltas that follow each other are one in the stored log; numbers and order stay. */
const compact = (events: ReadonlyArray<AgentEvent.AgentEvent>): ReadonlyArray<AgentEvent.AgentEvent> => {
  const result: Array<AgentEvent.AgentEvent> = []
  for (const event of events) {
    const last = result.at(-1)
    if (event._tag === "TextDelta" && last?._tag === "TextDelta") {
      result[result.length - 1] = { ...last, text: last.text + event.text }
    } else result.push(event)
  }
  return result
}

/** After these nothing before them changes any more, so the log up to them is stored. */
const settles = (event: AgentEvent.AgentEvent): boolean =>
  event._tag === "RunStarted" || event._tag === "ToolResult" || event._tag === "StepFinished" ||
  event._tag === "RunFinished"

const record = Effect.fnUntraced(function*(live: Live, title: string | undefined) {
  const sessions = yield* SessionService.SessionService
  const events = compact(live.events.slice(live.stored))
  const length = live.events.length
  const body = yield* Effect.orDie(encode({ run: live.run, events }))
  live.session = yield* sessions.append(
    live.session,
    { author: "agent", body },
    { onStale: "retry", ...(title === undefined ? {} : { stateDelta: { title } }) }
  )
  live.stored = length
})

/**
 * Follows a run to its end: shows each event as it comes and stores the log as it settles. When it cannot be stored,
 * the run is stopped and the thread says why.
 */
export const followRun = ({ live, publish, recorded, title }: {
  readonly live: Live
  /** For the conversation's state; undefined when it has a title. */
  readonly title: string | undefined
  readonly publish: (changes: ReadonlyArray<ThreadEvent>) => Effect.Effect<void>
  readonly recorded: (session: Session.Session) => Effect.Effect<void>
}): Effect.Effect<void, never, AgentRuns.AgentRuns | SessionService.SessionService> => {
  const project = makeProjection()
  const step = Effect.fnUntraced(function*(events: ReadonlyArray<AgentEvent.AgentEvent>) {
    live.events.push(...events)
    yield* publish(events.flatMap(project))
    if (!events.some(settles)) return
    const first = live.stored === 0
    yield* record(live, first ? title : undefined)
    if (first) yield* recorded(live.session)
  })
  return Effect.gen(function*() {
    const runs = yield* AgentRuns.AgentRuns
    yield* runs.attach(live.run).pipe(
      Stream.chunks,
      Stream.runForEach((chunk) => step([...chunk])),
      Effect.catchTag("RunNotFound", Effect.die),
      Effect.catchAll((error) =>
        Effect.zipRight(
          Effect.ignore(runs.cancel(live.run)),
          publish([{
            type: "block",
            block: {
              type: "finish",
              id: `${live.run}-end`,
              outcome: "failed",
              model: "",
              message: error.message,
              durationMs: 0,
              toolsDone: 0
            }
          }])
        )
      )
    )
  })
}

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
