/** What lies on this disk for a conversation: the very bytes of the database beside what they say. */
import * as SqlClient from "@effect/sql/SqlClient"
import { Session, SessionService } from "@sennit/secure-sessions"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { StoredRecord } from "./Api.ts"
import { NoSuchConversation, StorageFailed } from "./ApiError.ts"
import { Identity } from "./Identity.ts"
import { failed } from "./StorageProblem.ts"

export class OnDisk extends Context.Tag("@sennit/demo/OnDisk")<OnDisk, {
  /** The newest records of the conversation, oldest first. */
  readonly stored: (
    conversation: string
  ) => Effect.Effect<ReadonlyArray<StoredRecord>, NoSuchConversation | StorageFailed>
}>() {}

const SHOWN_RECORDS = 3
const SHOWN_BYTES = 128
const SHOWN_CHARACTERS = 600

const decodeId = Schema.decodeUnknown(Session.SessionId)

/** What the driver says may quote what it was given, so it is not carried on. */
const unread = () => new StorageFailed({ detail: "The records of this conversation could not be read." })

/** SQLite gives numbers, PostgreSQL its large ones as text. */
interface Row {
  readonly sequence: number | string
  readonly event_id: string
  readonly time: number | string
  readonly size: number
  readonly head: Uint8Array
  readonly key_id: Uint8Array
  readonly kek_id: string
}

/** The key of a record stands in its 6th to 21st byte. */
const selectNewest = (sql: SqlClient.SqlClient, { app, id, user }: Session.SessionRef) =>
  sql<Row>`SELECT e.sequence, e.event_id, e.time, length(e.body) AS size, substr(e.body, 1, ${SHOWN_BYTES}) AS head,
      k.kid AS key_id, k.kek_id
    FROM session_events AS e JOIN session_keys AS k ON k.kid = substr(e.body, 6, 16)
    WHERE e.app = ${app} AND e.user_id = ${user} AND e.session_id = ${id}
    ORDER BY e.sequence DESC LIMIT ${SHOWN_RECORDS}`

const clearOf = (event: Session.SessionEvent | undefined): string => {
  const text = typeof event?.body === "string" ? event.body : JSON.stringify(event?.body ?? null)
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text
}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const sessions = yield* SessionService.SessionService
  const identity = yield* Identity

  return OnDisk.of({
    stored: Effect.fnUntraced(function*(conversation) {
      const missing = new NoSuchConversation({ id: conversation })
      const id = yield* Effect.mapError(decodeId(conversation), () => missing)
      const ref = { ...(yield* identity.owner), id }
      const found = yield* Effect.mapError(sessions.get(ref, { recent: 0, includeState: false }), failed)
      if (Option.isNone(found)) return yield* missing
      const rows = (yield* Effect.mapError(selectNewest(sql, ref), unread)).toReversed()
      const events = yield* Effect.mapError(
        Stream.runCollect(sessions.events(ref, { fromSequence: Number(rows[0]?.sequence ?? 1) })),
        failed
      )
      const bySequence = new Map([...events].map((event) => [event.sequence, event]))
      return rows.map((row) =>
        new StoredRecord({
          table: "session_events",
          row: `${id} / ${row.sequence}`,
          time: DateTime.formatIso(DateTime.unsafeMake(Number(row.time))),
          size: row.size,
          head: Encoding.encodeHex(row.head),
          dataKey: Encoding.encodeHex(row.key_id),
          wrappedBy: row.kek_id,
          clear: clearOf(bySequence.get(Number(row.sequence)))
        })
      )
    })
  })
})

export const layer: Layer.Layer<
  OnDisk,
  never,
  SqlClient.SqlClient | SessionService.SessionService | Identity
> = Layer.effect(OnDisk, make)
