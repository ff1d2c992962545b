/**
 * The SQL of sessions. Statements only: what is ciphertext here was sealed before and is opened after.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { SessionRef } from "../Session.ts"
import type { ChainHead } from "./chainEvents.ts"

/** A row of `sessions` without its ciphertext. @internal */
export interface HeadRow {
  readonly app: string
  readonly user_id: string
  readonly session_id: string
  readonly revision: number
  readonly event_count: number
  readonly create_time: number
  readonly update_time: number
}

/** A row of `sessions` with what vouches for it; `chained` is 1 when it was chained from its creation. @internal */
export interface ChainedHeadRow extends HeadRow {
  readonly chained: number
  readonly link: Uint8Array
  readonly head: Uint8Array
}

/** @internal */
export interface StateRow {
  readonly user_id: string
  readonly session_id: string
  readonly key_index: Uint8Array
  readonly stamp: number
  readonly value: unknown
}

/** @internal */
export interface EventRow {
  readonly sequence: number
  readonly event_id: string
  readonly body: unknown
  /** 0 for an event of before the chain. */
  readonly chained: number
}

/** An event with its link, which only a verification needs. @internal */
export interface LinkedEventRow extends EventRow {
  readonly link: Uint8Array
}

/** Which events to read; all conditions hold together. @internal */
export interface EventWindow {
  readonly fromSequence?: number | undefined
  /** Epoch milliseconds. */
  readonly after?: number | undefined
  /** The last so many. */
  readonly last?: number | undefined
  /** The first so many. */
  readonly first?: number | undefined
}

/** Where a page of the listing begins. @internal */
export interface ListCursor {
  readonly create_time: number
  readonly user_id: string
  readonly session_id: string
}

/** Secrets have a table of their own, so that the ciphertext of one never opens as state. @internal */
export type StateTable = "session_state" | "session_secrets"

/** A state row to be stored, or to be removed without `sealed`. Empty user and session: shared by those below. @internal */
export interface StateChange {
  readonly table: StateTable
  readonly owner: { readonly app: string; readonly user: string; readonly session: string }
  readonly keyIndex: Uint8Array
  readonly sealed: { readonly stamp: number; readonly value: Uint8Array } | undefined
}

type Rows<Row> = Effect.Effect<ReadonlyArray<Row>, SqlError>

const integers = new Set([
  "revision",
  "event_count",
  "create_time",
  "update_time",
  "chained",
  "stamp",
  "sequence",
  "sessions",
  "events"
])

const decodeIntegers = <Row extends object>(row: Row): Row => ({
  ...row,
  ...Object.fromEntries(
    Object.entries(row).flatMap(([name, value]) => integers.has(name) ? [[name, Number(value)] as const] : [])
  )
})

/** PostgreSQL hands out integers of 64 bits as text; all of ours fit a number. */
const makeSelect = (sql: SqlClient.SqlClient): <Row extends object>(statement: Rows<Row>) => Rows<Row> =>
  sql.onDialectOrElse({
    pg: () => <Row extends object>(statement: Rows<Row>) => Effect.map(statement, (rows) => rows.map(decodeIntegers)),
    orElse: () => <Row extends object>(statement: Rows<Row>) => statement
  })

/** @internal */
export type SessionRows = ReturnType<typeof makeSessionRows>

/** @internal */
export const makeSessionRows = (sql: SqlClient.SqlClient) => {
  const select = makeSelect(sql)
  const isSession = ({ app, id, user }: SessionRef) => sql`app = ${app} AND user_id = ${user} AND session_id = ${id}`

  const isShredded = (app: string, user: string) =>
    sql<{ readonly kid: unknown }>`SELECT kid FROM session_keys
      WHERE app = ${app} AND user_id = ${user} AND shredded_time IS NOT NULL`

  const eventColumns = sql`sequence, event_id, body, length(link) AS chained`

  const windowOf = (ref: SessionRef, { after, first, fromSequence, last }: EventWindow) => {
    const conditions = sql.and([
      isSession(ref),
      sql`sequence >= ${fromSequence ?? 1}`,
      ...(after === undefined ? [] : [sql`time >= ${after}`])
    ])
    const order = last === undefined ? sql`ORDER BY sequence` : sql`ORDER BY sequence DESC`
    const limit = last ?? first
    return sql`WHERE ${conditions} ${order} ${limit === undefined ? sql`` : sql`LIMIT ${limit}`}`
  }

  return {
    /** The id of the key of a user who was erased. */
    selectShredded: isShredded,

    /**
     * Keeps the erasure of the user waiting until the transaction ends. A transaction of SQLite that writes keeps
     * everybody waiting, and has to write first.
     */
    holdUser: (app: string, user: string): Rows<object> =>
      sql.onDialectOrElse({
        pg: () => sql`SELECT 1 AS held FROM session_keys WHERE app = ${app} AND user_id = ${user} FOR SHARE`,
        orElse: () => Effect.succeed([])
      }),

    /** Nothing for a user who was erased, whatever key the caller still has. */
    insertSession: ({ app, id, user }: SessionRef, now: number, metadata: Uint8Array, { head, link }: ChainHead) =>
      sql`INSERT INTO sessions
        (app, user_id, session_id, revision, event_count, create_time, update_time, metadata, chained, link, head)
        SELECT ${app}, ${user}, ${id}, 0, 0, ${now}, ${now}, ${metadata}, 1, ${link}, ${head}
        WHERE NOT EXISTS (${isShredded(app, user)})
        ON CONFLICT (app, user_id, session_id) DO NOTHING RETURNING revision`,

    /** The write lock and the check of the revision in one statement. The creation time tells a namesake apart. */
    advance: (ref: SessionRef, revision: number, createTime: number, time: number) =>
      select(sql<ChainedHeadRow>`UPDATE sessions SET revision = revision + 1, event_count = event_count + 1,
          update_time = ${time}
        WHERE ${isSession(ref)} AND revision = ${revision} AND create_time = ${createTime}
        RETURNING app, user_id, session_id, revision, event_count, create_time, update_time, chained, link, head`),

    setChainHead: (ref: SessionRef, { head, link }: ChainHead) =>
      sql`UPDATE sessions SET link = ${link}, head = ${head} WHERE ${isSession(ref)}`,

    selectRevision: (ref: SessionRef) =>
      select(sql<{ readonly revision: number }>`SELECT revision FROM sessions WHERE ${isSession(ref)}`),

    selectSession: (ref: SessionRef) =>
      select(
        sql<ChainedHeadRow & { readonly metadata: unknown }>`SELECT app, user_id, session_id, revision, event_count,
          create_time, update_time, metadata, chained, link, head FROM sessions WHERE ${isSession(ref)}`
      ),

    writeState: ({ keyIndex, owner, sealed, table }: StateChange) =>
      sealed === undefined
        ? sql`DELETE FROM ${sql(table)} WHERE app = ${owner.app} AND user_id = ${owner.user}
            AND session_id = ${owner.session} AND key_index = ${keyIndex}`
        : sql`INSERT INTO ${sql(table)} (app, user_id, session_id, key_index, stamp, value)
            VALUES (${owner.app}, ${owner.user}, ${owner.session}, ${keyIndex}, ${sealed.stamp}, ${sealed.value})
            ON CONFLICT (app, user_id, session_id, key_index)
            DO UPDATE SET stamp = excluded.stamp, value = excluded.value`,

    /** State of the app, of the user and of the session, in this order. */
    selectState: ({ app, id, user }: SessionRef) =>
      select(sql<StateRow>`SELECT user_id, session_id, key_index, stamp, value FROM session_state
        WHERE app = ${app} AND (user_id = '' AND session_id = '' OR user_id = ${user} AND session_id IN ('', ${id}))
        ORDER BY user_id, session_id, key_index`),

    /** State that the sessions of a user share, or with the user `""` all sessions of the app. */
    selectShared: (app: string, user: string) =>
      select(sql<StateRow>`SELECT user_id, session_id, key_index, stamp, value FROM session_state
        WHERE app = ${app} AND user_id = ${user} AND session_id = '' ORDER BY key_index`),

    selectSecrets: (ref: SessionRef) =>
      select(
        sql<StateRow>`SELECT user_id, session_id, key_index, stamp, value FROM session_secrets WHERE ${isSession(ref)}`
      ),

    insertEvent: (
      { app, id, user }: SessionRef,
      event: Omit<EventRow, "chained"> & {
        /** Epoch milliseconds, to select by. */
        readonly time: number
        readonly body: Uint8Array
        readonly link: Uint8Array
      }
    ) =>
      sql`INSERT INTO session_events (app, user_id, session_id, sequence, event_id, time, body, link)
        VALUES (${app}, ${user}, ${id}, ${event.sequence}, ${event.event_id}, ${event.time}, ${event.body},
          ${event.link})
        ON CONFLICT (app, user_id, session_id, event_id) DO NOTHING RETURNING sequence`,

    selectEvents: (ref: SessionRef, window: EventWindow) =>
      select(sql<EventRow>`SELECT ${eventColumns} FROM session_events ${windowOf(ref, window)}`),

    selectLinkedEvents: (ref: SessionRef, window: EventWindow) =>
      select(sql<LinkedEventRow>`SELECT ${eventColumns}, link FROM session_events ${windowOf(ref, window)}`),

    selectPage: (
      query: {
        readonly app: string
        readonly user?: string | undefined
        readonly order?: "newest" | "oldest" | undefined
      },
      cursor: ListCursor | undefined,
      limit: number
    ) => {
      const [comparison, direction] = query.order === "oldest" ? [sql`>`, sql`ASC`] : [sql`<`, sql`DESC`]
      const conditions = sql.and([
        sql`app = ${query.app}`,
        ...(query.user === undefined ? [] : [sql`user_id = ${query.user}`]),
        ...(cursor === undefined
          ? []
          : [
            sql`(create_time, user_id, session_id) ${comparison}
              (${cursor.create_time}, ${cursor.user_id}, ${cursor.session_id})`
          ])
      ])
      return select(sql<HeadRow>`SELECT app, user_id, session_id, revision, event_count, create_time, update_time
        FROM sessions WHERE ${conditions}
        ORDER BY create_time ${direction}, user_id ${direction}, session_id ${direction} LIMIT ${limit}`)
    },

    countUser: (app: string, user: string) =>
      select(sql<{ readonly sessions: number; readonly events: number }>`SELECT
        (SELECT COUNT(*) FROM sessions WHERE app = ${app} AND user_id = ${user}) AS sessions,
        (SELECT COUNT(*) FROM session_events WHERE app = ${app} AND user_id = ${user}) AS events`),

    deleteUser: (app: string, user: string) =>
      ["sessions", "session_events", "session_state", "session_secrets"].map((table) =>
        sql`DELETE FROM ${sql(table)} WHERE app = ${app} AND user_id = ${user}`
      ),

    deleteSession: (ref: SessionRef) => [
      sql`DELETE FROM sessions WHERE ${isSession(ref)}`,
      sql`DELETE FROM session_events WHERE ${isSession(ref)}`,
      sql`DELETE FROM session_state WHERE ${isSession(ref)}`,
      sql`DELETE FROM session_secrets WHERE ${isSession(ref)}`
    ]
  }
}
