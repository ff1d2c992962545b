/**
 * Reading: rows in one snapshot, opened after it.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Encryption } from "../Encryption.ts"
import { StorageError } from "../SecureSessionsError.ts"
import type { SecretName, Session, SessionSummary } from "../Session.ts"
import { SessionRef } from "../Session.ts"
import type { ListSessions } from "../SessionService.ts"
import { keyShredded } from "./checkKey.ts"
import { run, runAlone, snapshot, withoutIdleSpans } from "./runSql.ts"
import { openEvents, openMetadata, openSecret, openSecrets, openState } from "./sealSession.ts"
import type { ChainedHeadRow, EventRow, EventWindow, HeadRow, SessionRows, StateRow } from "./sessionRows.ts"

const decodeRef = Schema.decodeUnknown(SessionRef)

const corrupt = () => new StorageError({ operation: "read", reason: "Corrupt", retryable: false })

/** Ids and times of a row; a row that this package cannot have written is a corrupt database. @internal */
const toSummary = (row: HeadRow): Effect.Effect<SessionSummary, StorageError> =>
  Effect.all({
    ref: decodeRef({ app: row.app, user: row.user_id, id: row.session_id }),
    createTime: DateTime.make(row.create_time),
    updateTime: DateTime.make(row.update_time)
  }).pipe(
    Effect.mapBoth({
      onFailure: corrupt,
      onSuccess: (parts) => ({ ...parts, revision: row.revision, eventCount: row.event_count })
    })
  )

/** The rows of one session, still sealed. @internal */
export interface SessionRowSet {
  readonly head: ChainedHeadRow & { readonly metadata: unknown }
  readonly state: ReadonlyArray<StateRow>
  readonly events: ReadonlyArray<EventRow>
}

/** @internal */
export type SessionReader = ReturnType<typeof makeRead>

/** @internal */
export const makeRead = (sql: SqlClient.SqlClient, rows: SessionRows, cipher: typeof Encryption.Service) => {
  /** Where nothing is found: whether that is because the user was erased. */
  const refuseShredded = Effect.fnUntraced(function*({ app, user }: { readonly app: string; readonly user: string }) {
    const [row] = yield* runAlone("Session.read", rows.selectShredded(app, user))
    if (row !== undefined) return yield* keyShredded(app, user, row.kid)
  })

  const orShredded = <A, E>(
    owner: { readonly app: string; readonly user: string },
    selected: Effect.Effect<ReadonlyArray<A>, E>
  ) => Effect.tap(selected, (found) => found.length === 0 ? refuseShredded(owner) : Effect.void)

  /** To be run in a transaction, so that state and revision belong together. */
  const selectSession = Effect.fnUntraced(function*(ref: SessionRef, window: EventWindow, includeState: boolean) {
    const [head] = yield* run("Session.read", rows.selectSession(ref))
    if (head === undefined) return yield* Effect.as(refuseShredded(ref), Option.none<SessionRowSet>())
    const state = includeState ? yield* run("Session.read", rows.selectState(ref)) : []
    const events = yield* run("Session.read", rows.selectEvents(ref, window))
    return Option.some<SessionRowSet>({ head, state, events: window.last === undefined ? events : events.toReversed() })
  })

  const openSession = Effect.fnUntraced(function*(ref: SessionRef, { events, head, state }: SessionRowSet) {
    const session: Session = {
      ...(yield* toSummary(head)),
      metadata: yield* openMetadata(cipher, ref, head),
      state: yield* openState(cipher, ref, state),
      events: yield* openEvents(cipher, ref, events)
    }
    return session
  })

  const readSession = (ref: SessionRef, window: EventWindow, includeState = true) =>
    Effect.flatMap(
      snapshot(sql, "Session.read", selectSession(ref, window, includeState)),
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (stored) => Effect.asSome(openSession(ref, stored))
      })
    )

  const readEvents = (ref: SessionRef, window: EventWindow) =>
    Effect.flatMap(
      orShredded(ref, withoutIdleSpans(runAlone("Session.events", rows.selectEvents(ref, window)))),
      (selected) => openEvents(cipher, ref, selected)
    )

  const readShared = (app: string, user: string) =>
    Effect.flatMap(
      orShredded({ app, user }, runAlone("Session.read", rows.selectShared(app, user))),
      (selected) => openState(cipher, { app, user }, selected)
    )

  const readSecret = (ref: SessionRef, name: SecretName) =>
    Effect.flatMap(
      orShredded(ref, runAlone("Session.read", rows.selectSecrets(ref))),
      (selected) => openSecret(cipher, ref, name, selected)
    )

  const readSecrets = (ref: SessionRef) =>
    Effect.flatMap(
      runAlone("Session.read", rows.selectSecrets(ref)),
      (selected) => openSecrets(cipher, ref, selected)
    )

  /** One page and where the next begins. */
  const listPage = Effect.fnUntraced(function*(query: ListSessions, after: SessionSummary | undefined, size: number) {
    const cursor = after === undefined ? undefined : {
      create_time: after.createTime.epochMillis,
      user_id: after.ref.user,
      session_id: after.ref.id
    }
    const selected = yield* runAlone("Session.list", rows.selectPage(query, cursor, size))
    const page = yield* Effect.forEach(selected, toSummary)
    const last = page.length === size ? page.at(-1) : undefined
    return [Chunk.unsafeFromArray(page), Option.fromNullable(last)] as const
  })

  return {
    selectSession,
    openSession,
    readSession,
    readEvents,
    readShared,
    readSecret,
    readSecrets,
    refuseShredded,
    listPage
  }
}
