// @effect-diagnostics nodeBuiltinImport:off - ids are random UUIDs of node:crypto
/**
 * Appending: everything is sealed before the transaction, which starts with the check of the revision.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import type { Encryption } from "../Encryption.ts"
import { EventAlreadyExists, SessionNotFound, StaleSession } from "../SecureSessionsError.ts"
import type { EventInput, Session, SessionEvent } from "../Session.ts"
import { EventId } from "../Session.ts"
import type { AppendOptions } from "../SessionService.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Chain } from "./chainEvents.ts"
import type { SessionReader } from "./readSession.ts"
import { run, transact } from "./runSql.ts"
import { encodeEvent, readDelta, sealEvent, sealState, temporaryOf } from "./sealSession.ts"
import type { SessionRows, StateChange } from "./sessionRows.ts"
import { withDelta } from "./viewState.ts"

/** How often `onStale: "retry"` starts again. Every failed start means that somebody else's append succeeded. */
const maxRetries = 1000

/** @internal */
export const makeAppend = (
  sql: SqlClient.SqlClient,
  rows: SessionRows,
  cipher: typeof Encryption.Service,
  chain: Chain,
  { readSession }: SessionReader
) => {
  const refuse = Effect.fnUntraced(function*({ ref, revision }: Session) {
    const [row] = yield* run("Session.append", rows.selectRevision(ref))
    if (row === undefined) return yield* new SessionNotFound({ ref })
    return yield* new StaleSession({ ref, expected: revision, actual: row.revision })
  })

  const store = Effect.fnUntraced(function*(
    session: Session,
    state: ReadonlyArray<StateChange>,
    event: SessionEvent,
    { body, digest }: { readonly body: Uint8Array; readonly digest: Uint8Array }
  ) {
    const { ref } = session
    const time = event.time.epochMillis
    const [head] = yield* run(
      "Session.append",
      rows.advance(ref, session.revision, session.createTime.epochMillis, time)
    )
    if (head === undefined) return yield* refuse(session)
    const chained = yield* chain.extend(ref, head, { sequence: event.sequence, eventId: event.id, digest })
    yield* Effect.forEach(state, (entry) => run("Session.append", rows.writeState(entry)), { discard: true })
    const row = { sequence: event.sequence, event_id: event.id, time, body, link: chained.link }
    const inserted = yield* run("Session.append", rows.insertEvent(ref, row))
    if (inserted.length === 0) return yield* new EventAlreadyExists({ ref, eventId: event.id })
    yield* run("Session.append", rows.setChainHead(ref, chained))
    return head
  })

  /** What was appended since the handle was read, and the state of now. */
  const refresh = Effect.fnUntraced(function*(session: Session) {
    const found = yield* readSession(session.ref, { fromSequence: session.eventCount + 1 })
    // A later session of the same id is not the one that this handle knows.
    const current = Option.filter(found, ({ createTime }) => createTime.epochMillis === session.createTime.epochMillis)
    if (Option.isNone(current)) return yield* new SessionNotFound({ ref: session.ref })
    const { events, state } = current.value
    return {
      ...current.value,
      state: { ...state, ...temporaryOf(session.state) },
      events: [...session.events, ...events]
    }
  })

  const append = Effect.fn("Session.append")(function*(session: Session, input: EventInput, options?: AppendOptions) {
    const { entries, visible } = yield* readDelta(session.ref, options?.stateDelta ?? {}, options?.removed)
    const id = input.id ?? EventId.make(randomUUID())
    const time = input.time ?? (yield* DateTime.now)
    const content = yield* encodeEvent({ time, author: input.author, body: input.body })
    const digest = yield* chain.digest(session.ref, content)
    const state = yield* sealState(cipher, entries)

    const appendTo = Effect.fnUntraced(function*(handle: Session) {
      const event = { id, sequence: handle.eventCount + 1, time, author: input.author, body: input.body }
      const body = yield* sealEvent(cipher, handle.ref, event, content)
      const head = yield* transact(sql, "Session.append", store(handle, state, event, { body, digest }))
      const appended = {
        ref: handle.ref,
        revision: head.revision,
        eventCount: head.event_count,
        createTime: handle.createTime,
        updateTime: DateTime.unsafeMake(head.update_time),
        metadata: handle.metadata,
        events: [...handle.events, event]
      }
      return withDelta(handle, appended, visible, options?.removed)
    })

    const first = appendTo(session).pipe(
      Effect.tapErrorTag("StaleSession", () => Metric.increment(Telemetry.staleAppends))
    )
    if (options?.onStale !== "retry") return yield* first
    const again = Effect.flatMap(refresh(session), appendTo)
    return yield* Effect.catchTag(
      first,
      "StaleSession",
      () => Effect.retry(again, { times: maxRetries, while: (error) => error._tag === "StaleSession" })
    )
  })

  return append
}
