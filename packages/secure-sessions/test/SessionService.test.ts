import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import { Session, SessionService } from "@sennit/secure-sessions"
import { DateTime, Deferred, Effect, Exit, FastCheck as fc, Fiber, Option, Redacted, Stream, TestClock } from "effect"
import { describeDatabases } from "./databases.ts"
import { ada, app, eve, say, using } from "./support.ts"

const idOf = (text: string) => Session.SessionId.make(text)

const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), (all) => Array.from(all))

describeDatabases("SessionService", (database) => {
  const fresh = using(database.layer)

  it.scoped("fifty callers create the first sessions of a new app at once, and all succeed", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const made = yield* Effect.all(
        Array.from(
          { length: 50 },
          (_, index) =>
            sessions.create({ app, user: index % 2 === 0 ? ada : eve, state: { "app:seen": index, own: index } })
        ),
        { concurrency: "unbounded" }
      )
      expect(new Set(made.map(({ ref }) => ref.id)).size).toBe(50)
      expect(made.map(({ state }) => state["own"])).toEqual(made.map((_, index) => index))
      expect(yield* collect(sessions.list({ app }))).toHaveLength(50)
    })))

  it.scoped("of appends through one stale handle one wins, and with retry none is lost", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const session = yield* sessions.create({ app, user: ada })
      const exits = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) => Effect.either(sessions.append(session, say(index)))),
        { concurrency: "unbounded" }
      )
      expect(exits.filter(({ _tag }) => _tag === "Right")).toHaveLength(1)
      const losers = exits.flatMap((exit) => exit._tag === "Left" ? [exit.left._tag] : [])
      expect(new Set(losers)).toEqual(new Set(["StaleSession"]))

      const retried = yield* Effect.all(
        Array.from(
          { length: 20 },
          (_, index) =>
            sessions.append(session, say(100 + index), { onStale: "retry", stateDelta: { [`k${index}`]: index } })
        ),
        { concurrency: "unbounded" }
      )
      expect(new Set(retried.map(({ revision }) => revision)).size).toBe(20)
      const events = yield* collect(sessions.events(session.ref))
      expect(events.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 21 }, (_, index) => index + 1))
      const stored = Option.getOrThrow(yield* sessions.get(session.ref))
      expect(stored).toMatchObject({ revision: 21, eventCount: 21 })
      expect(Object.keys(stored.state)).toHaveLength(20)
    })))

  it.scoped("two handles that append in turn at equal times are told apart by revision", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      let left = yield* sessions.create({ app, user: ada })
      let right = Option.getOrThrow(yield* sessions.get(left.ref))
      for (let round = 0; round < 8; round++) {
        left = yield* sessions.append(left, say(`left ${round}`))
        expect((yield* Effect.flip(sessions.append(right, say("late"))))._tag).toBe("StaleSession")
        right = Option.getOrThrow(yield* sessions.get(left.ref))
        right = yield* sessions.append(right, say(`right ${round}`))
        expect((yield* Effect.flip(sessions.append(left, say("late"))))._tag).toBe("StaleSession")
        left = Option.getOrThrow(yield* sessions.get(left.ref))
      }
      expect(left.events.map(({ time }) => time.epochMillis)).toEqual(left.events.map(() => 0))
      const expected = Array.from({ length: 8 }, (_, round) => [`left ${round}`, `right ${round}`]).flat()
      expect(left.events.map(({ body }) => body)).toEqual(expected)
    })))

  it.scoped("an append that is interrupted leaves nothing or all of it, and the connection works", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const sql = yield* SqlClient.SqlClient
      const session = yield* sessions.create({ app, user: ada })

      // The append waits for the connection, which a transaction of ours holds.
      const started = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      const holder = yield* Effect.fork(
        sql.withTransaction(Effect.zipRight(Deferred.succeed(started, undefined), Deferred.await(release)))
      )
      yield* Deferred.await(started)
      const waiting = yield* Effect.fork(sessions.append(session, say("never"), { stateDelta: { never: 1 } }))
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      yield* Fiber.interruptFork(waiting)
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(holder)
      expect(Exit.isInterrupted(yield* Fiber.await(waiting))).toBe(true)
      expect(Option.getOrThrow(yield* sessions.get(session.ref))).toMatchObject({ revision: 0, state: {} })

      // And at every number of steps into it.
      for (let steps = 0; steps < 60; steps++) {
        const current = Option.getOrThrow(yield* sessions.get(session.ref))
        const fiber = yield* Effect.fork(sessions.append(current, say(steps), { stateDelta: { last: steps } }))
        yield* Effect.repeatN(Effect.yieldNow(), steps)
        yield* Fiber.interrupt(fiber)
        const after = Option.getOrThrow(yield* sessions.get(session.ref))
        expect(after.events).toHaveLength(after.revision)
        expect(after.state["last"]).toBe(after.events.at(-1)?.body)
      }
      const last = Option.getOrThrow(yield* sessions.get(session.ref))
      expect((yield* sessions.append(last, say("works"))).revision).toBe(last.revision + 1)
    })))

  it.scoped("a listing is the newest first, in pages, and does not ask for a key", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const sql = yield* SqlClient.SqlClient
      for (let index = 0; index < 230; index++) {
        yield* sessions.create({ app, user: index % 3 === 0 ? eve : ada, id: idOf(`s${index}`) })
        if (index % 4 === 0) yield* TestClock.adjust("1 second")
      }
      // Nothing here could be decrypted any more.
      yield* sql.unsafe(database.inDialect("UPDATE sessions SET metadata = x'00'"))
      const all = yield* collect(sessions.list({ app }))
      expect(new Set(all.map(({ ref }) => ref.id)).size).toBe(230)
      const times = all.map(({ createTime }) => createTime.epochMillis)
      expect(times).toEqual(times.toSorted((left, right) => right - left))
      const ofEve = yield* collect(sessions.list({ app, user: eve }))
      expect(ofEve.map(({ ref }) => ref)).toEqual(all.map(({ ref }) => ref).filter(({ user }) => user === eve))
      expect(yield* collect(Stream.take(sessions.list({ app }), 3))).toEqual(all.slice(0, 3))
      expect(yield* collect(sessions.list({ app: Session.AppName.make("none") }))).toEqual([])
    })))

  it.scoped("the history is read in chunks, from any sequence", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      let session = yield* sessions.create({ app, user: ada })
      for (let index = 1; index <= 25; index++) session = yield* sessions.append(session, say(index))
      for (const chunk of [1, 5, 24, 25, 26]) {
        const bodies = Effect.map(collect(sessions.events(session.ref, { chunk, fromSequence: 4 })), (events) =>
          events.map(({ body }) => body))
        expect(yield* bodies).toEqual(Array.from({ length: 22 }, (_, index) =>
          index + 4))
      }
    })))

  it.scoped("ids of any writing, and names of the object machinery, are ids as any other", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const names = [
        "__proto__",
        "constructor",
        "a|b",
        "a\u001fb",
        "\u202eabc",
        "e\u0301",
        "\u00e9",
        "🧵",
        "' OR 1=1 --"
      ]
      for (const name of names) {
        const made = yield* sessions.create({
          app: Session.AppName.make(name),
          user: Session.UserId.make(name),
          id: idOf(name),
          state: { [name]: name, [`user:${name}`]: 1, [`app:${name}`]: { [name]: name } }
        })
        const session = yield* sessions.append(made, { ...say(name), id: Session.EventId.make(name) })
        const stored = Option.getOrThrow(yield* sessions.get(session.ref))
        expect(Object.keys(stored.state)).toHaveLength(3)
        expect(Object.getPrototypeOf(stored.state)).toBe(Object.prototype)
        expect(Object.entries(stored.state).find(([key]) => key === name)?.[1]).toBe(name)
        expect(stored.events[0]?.id).toBe(name)
      }
      expect(Reflect.get({}, "polluted")).toBeUndefined()
    })))

  it.scoped("an id with U+0000 is as any other in SQLite, and refused by PostgreSQL, which has no such text", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const ref = { app, user: Session.UserId.make("a\0b"), id: idOf("a\0") }
      const made = yield* Effect.either(sessions.create(ref))
      if (database.name === "SQLite") {
        expect(Option.getOrThrow(yield* sessions.get(ref)).ref).toEqual(ref)
        expect(Option.isNone(yield* sessions.get({ ...ref, user: Session.UserId.make("a") }))).toBe(true)
      } else {
        expect(made).toMatchObject({ left: { _tag: "StorageError", code: "22021", retryable: false } })
        expect((yield* sessions.create({ app, user: ada })).revision).toBe(0)
      }
    })))

  it.prop("an id has 1 to 256 units of well-formed text", [fc.string({ unit: "binary", maxLength: 300 })], ([text]) => {
    const accepted = Option.isSome(Option.liftThrowable(() => Session.SessionId.make(text))())
    expect(accepted).toBe(text.length >= 1 && text.length <= 256 && Buffer.from(text, "utf8").toString("utf8") === text)
  })

  it.scoped("values that JSON would change are refused and write nothing", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const session = yield* sessions.create({ app, user: ada })
      for (const bad of [Number.NaN, -0, Infinity, "\ud800"]) {
        const appends = [
          sessions.append(session, say({ bad })),
          sessions.append(session, say(1), { stateDelta: { bad } })
        ]
        for (const append of appends) expect(yield* Effect.flip(append)).toMatchObject({ _tag: "SerializationError" })
        const create = sessions.create({ app, user: ada, state: { ok: 1, bad } })
        expect(yield* Effect.flip(create)).toMatchObject({ reason: "NotJson", path: [1] })
        const secret = sessions.append(session, say(1), { stateDelta: { ok: 1, "secret:s": Redacted.make([bad]) } })
        expect(yield* Effect.flip(secret)).toMatchObject({ reason: "NotJson", path: [1, 0] })
      }
      const mixed = [
        { state: { "secret:s": "bare" }, reason: "NotRedacted" },
        { state: { plain: Redacted.make("wrapped") }, reason: "NotJson" }
      ]
      for (const { reason, state } of mixed) {
        expect(yield* Effect.flip(sessions.create({ app, user: ada, state }))).toMatchObject({ reason, path: [0] })
      }
      expect(Option.getOrThrow(yield* sessions.get(session.ref)).revision).toBe(0)
      expect(yield* collect(sessions.list({ app }))).toHaveLength(1)
    })))

  it.scoped("a session that was deleted and made again refuses the handles of its predecessor", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const id = idOf("again")
      const first = yield* sessions.create({ app, user: ada, id, state: { of: "first" } })
      yield* TestClock.adjust("1 second")
      yield* sessions.delete(first.ref)
      const second = yield* sessions.create({ app, user: ada, id })
      expect(second.state).toEqual({})
      expect((yield* Effect.flip(sessions.append(first, say("x"))))._tag).toBe("StaleSession")
      const retried = yield* Effect.flip(sessions.append(first, say("x"), { onStale: "retry" }))
      expect(retried._tag).toBe("SessionNotFound")
    })))

  it.scoped("the state of a handle is what was stored, however many appends went by unseen, and never changes", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      let session = yield* sessions.create({ app, user: ada, state: { first: 0, "temp:t": 0 } })
      const handles = [session]
      for (let index = 1; index <= 70; index++) {
        const stateDelta = { [`k${index}`]: index, last: index, ["__proto__"]: index }
        session = yield* sessions.append(session, say(index), { stateDelta, removed: [`k${index - 2}`, "first"] })
        handles.push(session)
      }
      const stored = Option.getOrThrow(yield* sessions.get(session.ref))
      expect(session.state).toEqual({ ...stored.state, "temp:t": 0 })
      expect(Object.keys(stored.state).toSorted()).toEqual(["__proto__", "k69", "k70", "last"])
      expect(handles.map(({ state }) => state["last"])).toEqual([undefined, ...handles.slice(1).map((_, at) => at + 1)])
      expect(handles[0]?.state).toEqual({ first: 0, "temp:t": 0 })
      expect(Object.keys({ ...session })).toContain("state")
    })))

  it.scoped("a handle without state appends, and listings begin with the oldest when asked", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const ids = ["a", "b", "c"]
      for (const id of ids) {
        yield* sessions.create({ app, user: ada, id: idOf(id), state: { kept: id } })
        yield* TestClock.adjust("1 second")
      }
      const ref = { app, user: ada, id: idOf("b") }
      const bare = Option.getOrThrow(yield* sessions.get(ref, { includeState: false, recent: 0 }))
      expect(bare).toMatchObject({ state: {}, events: [] })
      yield* sessions.append(bare, { ...say(1), time: DateTime.unsafeMake(500) }, { stateDelta: { own: 1 } })
      const found = Option.getOrThrow(yield* sessions.get(ref))
      expect(found.state).toEqual({ kept: "b", own: 1 })
      expect(found.updateTime.epochMillis).toBe(500)
      const listed = yield* collect(sessions.list({ app, order: "oldest" }))
      expect(listed.map(({ ref: { id } }) => id)).toEqual(ids)
    })))

  it.scoped("the time of an event is the sealed one", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const sql = yield* SqlClient.SqlClient
      const session = yield* sessions.create({ app, user: ada })
      const time = DateTime.unsafeMake("2020-02-02T02:02:02.002Z")
      yield* sessions.append(session, { ...say("x"), time })
      yield* sql`UPDATE session_events SET time = 5`
      const [event] = yield* collect(sessions.events(session.ref))
      expect(event?.time).toEqual(time)
    })))
})

const at = (appName: string, user: string, id: string) =>
  `app = '${appName}' AND user_id = '${user}' AND session_id = '${id}'`
const here = at("desk", "ada", "one")
const body = (where: string, sequence: number) =>
  `(SELECT body FROM session_events WHERE ${where} AND sequence = ${sequence})`
const value = (where: string, nth = 0) =>
  `(SELECT value FROM session_state WHERE ${where} ORDER BY key_index LIMIT 1 OFFSET ${nth})`
const setBody = (cell: string) => `UPDATE session_events SET body = ${cell} WHERE ${here} AND sequence = 1`
const setValue = (cell: string, nth = 0) =>
  `UPDATE session_state SET value = ${cell} WHERE ${here} AND key_index =
    (SELECT key_index FROM session_state WHERE ${here} ORDER BY key_index LIMIT 1 OFFSET ${nth})`
const setMetadata = (cell: string) => `UPDATE sessions SET metadata = ${cell} WHERE ${here}`
const metadata = (where: string) => `(SELECT metadata FROM sessions WHERE ${where})`

describeDatabases("rows that somebody moved", (database) => {
  const fresh = using(database.layer)

  /** Two of everything, then one cell is put in place of another. */
  const setting = Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    const sql = yield* SqlClient.SqlClient
    const other = Session.AppName.make("other")
    for (const owner of [{ app, user: ada }, { app, user: eve }, { app: other, user: ada }]) {
      for (const id of ["one", "two"]) {
        let session = yield* sessions.create({
          ...owner,
          id: idOf(id),
          metadata: id,
          state: { a: 1, b: 2, "user:u": 3, "app:x": 4 }
        })
        for (const name of ["e1", "e2"]) {
          session = yield* sessions.append(session, { ...say(name), id: Session.EventId.make(name) })
        }
      }
    }
    const ref = { app, user: ada, id: idOf("one") }
    return { sessions, sql, ref, get: sessions.get(ref) }
  })

  const moves: Record<string, string> = {
    "an event of another position": setBody(body(here, 2)),
    "an event of another session": setBody(body(at("desk", "ada", "two"), 1)),
    "an event of another user": setBody(body(at("desk", "eve", "one"), 1)),
    "an event of another app": setBody(body(at("other", "ada", "one"), 1)),
    "an event under another id": `UPDATE session_events SET event_id = 'e3' WHERE ${here} AND sequence = 1`,
    "an event at another sequence": `UPDATE session_events SET sequence = 9 WHERE ${here} AND sequence = 1`,
    "a state value as an event": setBody(value(here)),
    "the metadata as an event": setBody(metadata(here)),
    "a value of another key": setValue(value(here, 1)),
    "a value of another session": setValue(value(at("desk", "ada", "two"))),
    "a value of another user": setValue(value(at("desk", "eve", "one"))),
    "a value of another app": setValue(value(at("other", "ada", "one"))),
    "a value of the user state": setValue(value("app = 'desk' AND user_id = 'ada' AND session_id = ''")),
    "a value of the app state": setValue(value("app = 'desk' AND user_id = '' AND session_id = ''")),
    "an event as a value": setValue(body(here, 1)),
    "metadata of another session": setMetadata(metadata(at("desk", "ada", "two"))),
    "metadata of another user": setMetadata(metadata(at("desk", "eve", "one"))),
    "metadata under another creation time": `UPDATE sessions SET create_time = 77 WHERE ${here}`
  }

  it.scoped.each(Object.entries(moves).map(([name, statement]) => ({ name, statement })))(
    "$name is refused",
    ({ statement }) =>
      fresh(Effect.gen(function*() {
        const { get, sql } = yield* setting
        expect(Option.isSome(yield* get)).toBe(true)
        yield* sql.unsafe(statement)
        const error = yield* Effect.flip(get)
        expect(error._tag).toBe("DecryptionError")
        expect(["AuthenticationFailed", "KeyNotFound"]).toContain(
          error._tag === "DecryptionError" ? error.reason : error._tag
        )
      }))
  )

  it.scoped("an older value of the same row is refused", () =>
    fresh(Effect.gen(function*() {
      const { get, ref, sessions, sql } = yield* setting
      yield* sql.unsafe(`CREATE TABLE kept AS SELECT key_index, value FROM session_state WHERE ${here}`)
      const session = Option.getOrThrow(yield* get)
      yield* sessions.append(session, say("x"), { stateDelta: { a: "newer" } })
      yield* sql.unsafe(
        `UPDATE session_state SET value = (SELECT value FROM kept WHERE kept.key_index = session_state.key_index) WHERE ${here}`
      )
      const error = yield* Effect.flip(sessions.get(ref))
      expect(error).toMatchObject({ _tag: "DecryptionError", reason: "AuthenticationFailed" })
    })))

  const cells: ReadonlyArray<{ readonly name: string; readonly cell: string; readonly reason: string }> = [
    { name: "plaintext bytes", cell: "CAST('[\"a\",1]' AS BLOB)", reason: "PlaintextRefused" },
    { name: "plaintext text", cell: "'[\"a\",1]'", reason: "PlaintextRefused" },
    { name: "base64", cell: "'XlUCAgA='", reason: "PlaintextRefused" },
    { name: "an empty blob", cell: "x''", reason: "MalformedEnvelope" },
    // A column of PostgreSQL holds nothing but its type.
    ...(database.name === "SQLite" ? [{ name: "a number", cell: "17", reason: "MalformedEnvelope" }] : []),
    { name: "half an envelope", cell: "x'5e550202'", reason: "MalformedEnvelope" },
    { name: "an envelope of the future", cell: "x'5e5503020000'", reason: "UnsupportedVersion" }
  ]

  it.scoped.each(cells)("$name in an encrypted column is $reason", ({ cell, reason }) =>
    fresh(Effect.gen(function*() {
      const { get, sql } = yield* setting
      for (
        const [table, column] of [["session_events", "body"], ["session_state", "value"], ["sessions", "metadata"]]
      ) {
        yield* sql.unsafe(`CREATE TABLE kept AS SELECT * FROM ${table}`)
        yield* sql.unsafe(database.inDialect(`UPDATE ${table} SET ${column} = ${cell}`))
        expect(yield* Effect.flip(get)).toMatchObject({ _tag: "DecryptionError", reason })
        yield* sql.unsafe(`DELETE FROM ${table}`)
        yield* sql.unsafe(`INSERT INTO ${table} SELECT * FROM kept`)
        yield* sql.unsafe("DROP TABLE kept")
        expect(Option.isSome(yield* get)).toBe(true)
      }
    })))

  it.scoped("a secret does not open as state, nor under another name or in another session", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const sql = yield* SqlClient.SqlClient
      const make = (id: string) =>
        sessions.create({
          app,
          user: ada,
          id: idOf(id),
          state: { plain: 1, "secret:a": Redacted.make("A"), "secret:b": Redacted.make("B") }
        })
      const { ref } = yield* make("one")
      yield* make("two")
      const moved = (statement: string) =>
        Effect.zipRight(sql.unsafe(statement), Effect.all([sessions.getSecret(ref, "secret:a"), sessions.get(ref)]))
      const failed = { _tag: "DecryptionError", reason: "AuthenticationFailed" }
      yield* sql.unsafe("CREATE TABLE kept AS SELECT * FROM session_secrets")
      const statements = [
        `UPDATE session_secrets SET value = (SELECT value FROM kept AS other WHERE other.session_id = 'one'
          AND other.key_index <> session_secrets.key_index) WHERE ${here}`,
        `UPDATE session_secrets SET value = (SELECT value FROM kept WHERE session_id = 'two' LIMIT 1) WHERE ${here}`,
        `UPDATE session_secrets SET value = ${value(here)} WHERE ${here}`,
        `UPDATE session_secrets SET stamp = stamp + 1 WHERE ${here}`
      ]
      for (const statement of statements) {
        expect(yield* Effect.flip(moved(statement))).toMatchObject(failed)
        yield* sql.unsafe("DELETE FROM session_secrets")
        yield* sql.unsafe("INSERT INTO session_secrets SELECT * FROM kept")
      }
      expect(Option.isSome(yield* sessions.getSecret(ref, "secret:a"))).toBe(true)
      yield* sql.unsafe(`INSERT INTO session_state SELECT * FROM kept WHERE ${here}`)
      expect(yield* Effect.flip(sessions.get(ref))).toMatchObject(failed)
    })))

  it.scoped("reading of people who are not there makes no key", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const sql = yield* SqlClient.SqlClient
      const ref = { app, user: eve, id: idOf("none") }
      expect(Option.isNone(yield* sessions.getSecret(ref, "secret:a"))).toBe(true)
      expect(yield* sessions.getUserState(app, eve)).toEqual({})
      expect(yield* sessions.getAppState(app)).toEqual({})
      expect(yield* sql`SELECT kid FROM session_keys WHERE app = 'desk'`).toEqual([])
    })))

  it.scoped("NULL is refused by the table, and by the reader where the table allows it", () =>
    fresh(Effect.gen(function*() {
      const { get, sql } = yield* setting
      const refused = yield* Effect.either(sql.unsafe(`UPDATE session_events SET body = NULL`))
      expect(refused._tag).toBe("Left")
      yield* sql.unsafe(
        "CREATE TABLE loose AS SELECT app, user_id, session_id, sequence, event_id, time, link, NULL AS body FROM session_events"
      )
      yield* sql.unsafe("DROP TABLE session_events")
      yield* sql.unsafe("ALTER TABLE loose RENAME TO session_events")
      expect(yield* Effect.flip(get)).toMatchObject({ _tag: "DecryptionError", reason: "MalformedEnvelope" })
    })))
})
