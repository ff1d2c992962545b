// @effect-diagnostics nodeBuiltinImport:off - a database file of an earlier version is copied here
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { Session, SessionService } from "@sennit/secure-sessions"
import { Effect, Option } from "effect"
import { copyFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describeDatabases } from "./databases.ts"
import { ada, app, openFile, say, temporaryFile, using } from "./support.ts"

const here = "app = 'desk' AND user_id = 'ada' AND session_id = 'one'"
const ref = { app, user: ada, id: Session.SessionId.make("one") }
const tables = ["sessions", "session_events", "session_state"]

/** A session of so many events in a file, and ways to save all its rows and put them back. */
const setting = (count: number) =>
  Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    const sql = yield* SqlClient.SqlClient
    yield* sessions.create(ref)
    const append = (body: Session.Json) =>
      Effect.flatMap(sessions.getOrCreate(ref), (session) => sessions.append(session, say(body)))
    for (let index = 1; index <= count; index++) yield* append(index)
    const each = (statement: (table: string) => string) =>
      Effect.forEach(tables, (table) => sql.unsafe(statement(table)), { discard: true })
    const save = (name: string) => each((table) => `CREATE TABLE ${name}_${table} AS SELECT * FROM ${table}`)
    const restore = (name: string, some = tables) =>
      Effect.forEach(some, (table) =>
        Effect.zipRight(
          sql.unsafe(`DELETE FROM ${table}`),
          sql.unsafe(`INSERT INTO ${table} SELECT * FROM ${name}_${table}`)
        ))
    /** Without its unique constraints, whoever writes the file can do anything to the table of events. */
    const loosen = Effect.forEach(
      [
        "CREATE TABLE loose AS SELECT * FROM session_events",
        "DROP TABLE session_events",
        "ALTER TABLE loose RENAME TO session_events"
      ],
      (statement) => sql.unsafe(statement)
    )
    return { sessions, sql, append, save, restore, loosen, violation: Effect.flip(sessions.verify(ref)) }
  })

const setSequence = (from: number, to: number | string) =>
  `UPDATE session_events SET sequence = ${to} WHERE ${here} AND sequence = ${from}`
const swapColumn = (column: string) =>
  `UPDATE session_events SET ${column} = (SELECT other.${column} FROM kept_session_events other
    WHERE other.sequence = 6 - session_events.sequence) WHERE sequence IN (2, 4)`
const copyAt = (sequence: number, of: number) =>
  `INSERT INTO session_events (app, user_id, session_id, sequence, event_id, time, body, link)
    SELECT app, user_id, session_id, ${sequence}, 'copy', time, body, link FROM kept_session_events
    WHERE sequence = ${of}`

interface Damage {
  readonly name: string
  readonly statements: ReadonlyArray<string>
  readonly kind: string
  readonly sequence: number
}

/** What is done to a history of five events, and what verify has to say. */
const damages: ReadonlyArray<Damage> = [
  ...[1, 3, 4].map((sequence) => ({
    name: `event ${sequence} is deleted`,
    statements: [`DELETE FROM session_events WHERE ${here} AND sequence = ${sequence}`],
    kind: "Deleted",
    sequence
  })),
  {
    name: "two events are deleted and the rest moved up",
    statements: [
      `DELETE FROM session_events WHERE ${here} AND sequence IN (2, 3)`,
      setSequence(4, 2),
      setSequence(5, 3)
    ],
    kind: "Deleted",
    sequence: 2
  },
  {
    name: "the tail is cut off",
    statements: [`DELETE FROM session_events WHERE ${here} AND sequence > 3`],
    kind: "Truncated",
    sequence: 4
  },
  {
    name: "all events are cut off",
    statements: ["DELETE FROM session_events"],
    kind: "Truncated",
    sequence: 1
  },
  {
    name: "the tail is cut off and the counts are lowered",
    statements: [
      `DELETE FROM session_events WHERE ${here} AND sequence > 3`,
      "UPDATE sessions SET revision = 3, event_count = 3, link = (SELECT link FROM session_events WHERE sequence = 3)"
    ],
    kind: "HeadAltered",
    sequence: 4
  },
  {
    name: "the whole history is cut off and the session passed off as one of before the chain",
    statements: [
      "DELETE FROM session_events",
      "UPDATE sessions SET revision = 0, event_count = 0, link = x'', head = x'', chained = 0"
    ],
    kind: "Altered",
    sequence: 0
  },
  {
    name: "two events change places",
    statements: [setSequence(2, 99), setSequence(4, 2), setSequence(99, 4)],
    kind: "Reordered",
    sequence: 2
  },
  {
    name: "the contents of two events change places",
    statements: [swapColumn("body"), swapColumn("link")],
    kind: "Reordered",
    sequence: 2
  },
  {
    name: "an event is moved to the end",
    statements: [setSequence(2, 99), setSequence(3, 2), setSequence(4, 3), setSequence(5, 4), setSequence(99, 5)],
    kind: "Reordered",
    sequence: 2
  },
  {
    name: "an event is repeated at the end",
    statements: [copyAt(6, 2)],
    kind: "Duplicated",
    sequence: 6
  },
  {
    name: "an event is repeated in the middle",
    statements: [setSequence(5, 6), setSequence(4, 5), setSequence(3, 4), copyAt(3, 1)],
    kind: "Duplicated",
    sequence: 3
  },
  {
    name: "an event is written over by another",
    statements: [
      "UPDATE session_events SET body = (SELECT body FROM kept_session_events WHERE sequence = 1) WHERE sequence = 4"
    ],
    kind: "Duplicated",
    sequence: 4
  },
  {
    name: "a byte of an event is flipped",
    statements: [
      "UPDATE session_events SET body = CAST(substr(body, 1, 40) || x'00' || substr(body, 42) AS BLOB) WHERE sequence = 3"
    ],
    kind: "Altered",
    sequence: 3
  },
  {
    name: "an event is given another key id",
    statements: [
      "UPDATE session_events SET body = CAST(substr(body, 1, 5) || zeroblob(16) || substr(body, 22) AS BLOB) WHERE sequence = 2"
    ],
    kind: "Altered",
    sequence: 2
  },
  ...[1, 3, 5].map((sequence) => ({
    name: `the link of event ${sequence} is altered`,
    statements: [`UPDATE session_events SET link = zeroblob(12) WHERE sequence = ${sequence}`],
    kind: "Altered",
    sequence
  })),
  {
    name: "the link of an event is text",
    statements: ["UPDATE session_events SET link = 'abcdefghijkl' WHERE sequence = 3"],
    kind: "Altered",
    sequence: 3
  },
  {
    name: "an event is passed off as one of before the chain",
    statements: ["UPDATE session_events SET link = x'' WHERE sequence = 3"],
    kind: "Altered",
    sequence: 3
  },
  ...["revision = revision + 1", "revision = 4", "event_count = 6", "head = zeroblob(16)", "link = zeroblob(12)"].map(
    (change) => ({
      name: `the session row is altered (${change})`,
      statements: [`UPDATE sessions SET ${change}`],
      kind: "HeadAltered",
      sequence: 6
    })
  )
]

describeDatabases("verify", (database) => {
  const fresh = using(database.layer)

  it.scoped.each(damages)(
    "$name: $kind at $sequence",
    ({ kind, sequence, statements }) =>
      fresh(Effect.gen(function*() {
        const { loosen, restore, save, sessions, sql, violation } = yield* setting(5)
        yield* save("kept")
        yield* loosen
        expect(yield* sessions.verify(ref)).toMatchObject({ revision: 5, eventCount: 5, unchained: 0 })
        yield* Effect.forEach(statements, (statement) => sql.unsafe(database.inDialect(statement)))
        expect(yield* violation).toMatchObject({ _tag: "IntegrityViolation", kind, sequence, ref })
        yield* restore("kept")
        expect(yield* sessions.verify(ref)).toMatchObject({ revision: 5, eventCount: 5 })
      }))
  )

  it.scoped("rows of an older copy of the history are rolled back", () =>
    fresh(Effect.gen(function*() {
      const { append, restore, save, sessions, sql, violation } = yield* setting(3)
      yield* save("old")
      yield* append("four")
      yield* append("five")
      const now = yield* sessions.verify(ref)
      yield* save("now")

      // The session row alone.
      yield* restore("old", ["sessions"])
      expect(yield* violation).toMatchObject({ kind: "RolledBack", sequence: 4 })

      // Another history went on from the same beginning: one of its events, a stretch, and its end.
      yield* restore("old")
      yield* append("other four")
      yield* append("other five")
      yield* save("branch")
      yield* restore("now")
      const take = (...sequences: ReadonlyArray<number>) =>
        Effect.forEach(sequences, (sequence) =>
          Effect.zipRight(
            sql.unsafe(`DELETE FROM session_events WHERE sequence = ${sequence}`),
            sql.unsafe(`INSERT INTO session_events SELECT * FROM branch_session_events WHERE sequence = ${sequence}`)
          ))
      yield* take(4)
      expect(yield* violation).toMatchObject({ kind: "RolledBack", sequence: 4 })
      yield* take(5)
      expect(yield* violation).toMatchObject({ kind: "RolledBack", sequence: 5 })

      // All of the session: whole in itself, and not what the checkpoint says.
      for (const [name, sequence] of [["old", 4], ["branch", 5]] as const) {
        yield* restore(name)
        expect((yield* sessions.verify(ref)).link).not.toBe(now.link)
        const error = yield* Effect.flip(sessions.verify(ref, { since: now }))
        expect(error).toMatchObject({ kind: "RolledBack", sequence })
      }
      yield* restore("now")
      expect(yield* sessions.verify(ref, { since: now })).toEqual(now)
      yield* append("six")
      expect(yield* sessions.verify(ref, { since: now })).toMatchObject({ eventCount: 6 })
    })))

  it.scoped("an append does not make the claims of an altered session row true", () =>
    fresh(Effect.gen(function*() {
      const { sessions, sql, violation } = yield* setting(5)
      yield* sql`DELETE FROM session_events WHERE sequence > 3`
      yield* sql`UPDATE sessions SET revision = 3, event_count = 3,
        link = (SELECT link FROM session_events WHERE sequence = 3)`
      const session = Option.getOrThrow(yield* sessions.get(ref))
      const refused = yield* Effect.flip(sessions.append(session, say("next"), { stateDelta: { a: 1 } }))
      expect(refused).toMatchObject({ _tag: "IntegrityViolation", kind: "HeadAltered", sequence: 4 })
      expect(yield* violation).toMatchObject({ kind: "HeadAltered", sequence: 4 })
      expect(yield* sql`SELECT 1 FROM session_state`).toEqual([])
    })))

  it.scoped("a history longer than what is read at a time is verified to its end", () =>
    fresh(Effect.gen(function*() {
      const { append, sessions, sql, violation } = yield* setting(255)
      for (const count of [256, 257]) {
        yield* append(count)
        expect(yield* sessions.verify(ref)).toMatchObject({ eventCount: count })
      }
      yield* sql.unsafe(database.inDialect("UPDATE session_events SET link = zeroblob(12) WHERE sequence = 256"))
      expect(yield* violation).toMatchObject({ kind: "Altered", sequence: 256 })
      yield* sql`DELETE FROM session_events WHERE sequence = 256`
      expect(yield* violation).toMatchObject({ kind: "Deleted", sequence: 256 })
    })))

  it.scoped("a session that is not there is not found, and one without events is whole", () =>
    fresh(Effect.gen(function*() {
      const { sessions } = yield* setting(0)
      expect(yield* sessions.verify(ref)).toMatchObject({ revision: 0, eventCount: 0, unchained: 0 })
      const none = { ...ref, id: Session.SessionId.make("none") }
      expect(yield* Effect.flip(sessions.verify(none))).toMatchObject({ _tag: "SessionNotFound" })
    })))
})

describe("a file of the first version of the tables", () => {
  const old = Effect.gen(function*() {
    const filename = yield* temporaryFile
    yield* Effect.sync(() => copyFileSync(fileURLToPath(new URL("vectors/schema-v1.db", import.meta.url)), filename))
    return openFile(filename)
  })

  it.scoped("reads as it was, is reported as unchained, and is chained from its next event", () =>
    Effect.flatMap(old, (layer) =>
      using(layer)(Effect.gen(function*() {
        const sessions = yield* SessionService.SessionService
        const sql = yield* SqlClient.SqlClient
        const session = Option.getOrThrow(yield* sessions.get(ref))
        expect(session).toMatchObject({ revision: 3, eventCount: 3, metadata: { made: "before" } })
        expect(session.state).toEqual({ topic: "one", "user:language": "en", "app:motd": "hi", last: 3 })
        expect(session.events.map(({ body, id }) => [id, body])).toEqual([1, 2, 3].map((n) => [`e${n}`, { n }]))
        const before = yield* sessions.verify(ref)
        expect(before).toEqual({ revision: 3, eventCount: 3, unchained: 3, link: "" })

        yield* sessions.append(session, say("now"))
        const after = yield* sessions.verify(ref, { since: before })
        expect(after).toMatchObject({ revision: 4, eventCount: 4, unchained: 3 })
        expect(after.link).toMatch(/^[0-9a-f]{24}$/)

        // What was chained cannot pass for what was not.
        yield* sql`UPDATE sessions SET head = x'', link = x''`
        expect(yield* Effect.flip(sessions.verify(ref))).toMatchObject({ kind: "RolledBack", sequence: 4 })
        yield* sql`DELETE FROM session_events WHERE sequence = 2`
        expect(yield* Effect.flip(sessions.verify(ref))).toMatchObject({ kind: "Deleted", sequence: 2 })
      }))))

  it.scoped("a session without events is chained from its first", () =>
    Effect.flatMap(old, (layer) =>
      using(layer)(Effect.gen(function*() {
        const sessions = yield* SessionService.SessionService
        const empty = { ...ref, id: Session.SessionId.make("empty") }
        expect(yield* sessions.verify(empty)).toEqual({ revision: 0, eventCount: 0, unchained: 0, link: "" })
        yield* sessions.append(Option.getOrThrow(yield* sessions.get(empty)), say("first"))
        expect(yield* sessions.verify(empty)).toMatchObject({ revision: 1, eventCount: 1, unchained: 0 })
      }))))
})
