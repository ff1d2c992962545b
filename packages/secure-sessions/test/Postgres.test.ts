import { NodeContext } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import { SecureSessions, Session, SessionService } from "@sennit/secure-sessions"
import { createSessions } from "@sennit/secure-sessions/Promise"
import { Cause, ConfigProvider, Deferred, Effect, Fiber, Inspectable, Layer, Option, Redacted, Stream } from "effect"
import { describePostgres, postgres } from "./databases.ts"
import { ada, app, eve, keyring, say, using } from "./support.ts"

const idOf = (text: string) => Session.SessionId.make(text)

const countOf = (sql: SqlClient.SqlClient, table: string) =>
  Effect.map(
    sql<{ readonly count: string }>`SELECT COUNT(*) AS count FROM ${sql(table)}`,
    ([row]) => Number(row?.count)
  )

/** The files of a folder that hold the text. */
const filesWith = (folder: string, text: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const names = yield* fs.readDirectory(folder, { recursive: true })
    const files = yield* Effect.filter(names, (name) =>
      Effect.map(fs.stat(`${folder}/${name}`), ({ type }) => type === "File"))
    return yield* Effect.filter(
      files,
      (name) =>
        Effect.map(fs.readFile(`${folder}/${name}`), (bytes) => Buffer.from(bytes).includes(text))
    )
  }).pipe(using(NodeContext.layer))

describePostgres("layerPg", (server) => {
  const database = postgres(server)
  const fresh = using(database.layer)
  const newUrl = Effect.flatMap(server, ({ createDatabase }) => createDatabase)

  it.scopedLive("sixteen writers in a session each and one in all of them lose nothing", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const appends = 6
      const shared = yield* sessions.create({ app, user: eve })
      yield* Effect.forEach(
        Array.from({ length: 16 }, (_, writer) => writer),
        (writer) =>
          Effect.gen(function*() {
            let own = yield* sessions.create({ app, user: ada, id: idOf(`w${writer}`) })
            for (let index = 0; index < appends; index++) {
              // The same shared keys, named in different orders.
              const keys = [`app:${index % 3}`, "app:last", `user:${writer}`]
              const names = writer % 2 === 0 ? keys : keys.toReversed()
              const stateDelta = Object.fromEntries(names.map((name) => [name, writer]))
              own = yield* sessions.append(own, say(index), { stateDelta })
              if (index < 2) yield* sessions.append(shared, say(`${writer} ${index}`), { onStale: "retry" })
            }
          }),
        { concurrency: "unbounded" }
      )
      const all = Array.from(yield* Stream.runCollect(sessions.events(shared.ref)))
      expect(all).toHaveLength(32)
      expect(new Set(all.map(({ body }) => body)).size).toBe(32)
      expect(yield* sessions.verify(shared.ref)).toMatchObject({ eventCount: 32 })
      const state = yield* sessions.getUserState(app, ada)
      expect(Object.keys(state)).toHaveLength(16)
      for (let writer = 0; writer < 16; writer++) {
        const found = Option.getOrThrow(yield* sessions.get({ app, user: ada, id: idOf(`w${writer}`) }))
        expect(found).toMatchObject({ revision: appends, eventCount: appends })
      }
    })))

  it.scopedLive("a read sees one moment while others append", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const { ref } = yield* sessions.create({ app, user: ada, state: { last: 0 } })
      const writer = yield* Effect.fork(Effect.iterate(yield* sessions.getOrCreate(ref), {
        while: ({ revision }) => revision < 60,
        body: (session) => sessions.append(session, say(1), { stateDelta: { last: session.revision + 1 } })
      }))
      let seen = 0
      while (seen < 60) {
        const session = Option.getOrThrow(yield* sessions.get(ref))
        expect(session.events).toHaveLength(session.revision)
        expect(session.state["last"]).toBe(session.revision)
        seen = session.revision
      }
      yield* Fiber.join(writer)
    })))

  it.scopedLive("twenty that open an empty database at once make its tables once", () =>
    Effect.gen(function*() {
      const url = yield* newUrl
      const open = Effect.scoped(
        using(Layer.provide(SecureSessions.layerPg({ url, maxConnections: 2 }), keyring()))(
          Effect.flatMap(SessionService.SessionService, (sessions) => sessions.create({ app, user: ada }))
        )
      )
      yield* Effect.all(Array.from({ length: 20 }, () => open), { concurrency: "unbounded" })
      yield* using(Layer.provide(SecureSessions.layerPg({ url }), keyring()))(Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        expect(yield* countOf(sql, "sessions")).toBe(20)
        expect(yield* countOf(sql, "session_keys")).toBe(2)
      }))
    }))

  it.scopedLive("a wrong key is refused and writes nothing", () =>
    Effect.gen(function*() {
      const open = yield* database.make
      yield* Effect.scoped(
        using(open())(
          Effect.flatMap(SessionService.SessionService, (sessions) => sessions.create({ app, user: ada }))
        )
      )
      const error = yield* Effect.flip(Effect.scoped(Layer.build(open(keyring(9)))))
      expect(error).toMatchObject({ _tag: "ConfigurationError", reason: "WrongKey" })
    }))

  it.scopedLive("a connection that the server ends in the middle of an append leaves nothing, and the next works", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const sql = yield* SqlClient.SqlClient
      const session = yield* sessions.create({ app, user: ada })
      // A row that somebody holds keeps the append waiting in its transaction.
      const held = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      const holder = yield* Effect.fork(sql.withTransaction(
        sql`SELECT 1 FROM sessions FOR UPDATE`.pipe(
          Effect.zipRight(Deferred.succeed(held, undefined)),
          Effect.zipRight(Deferred.await(release))
        )
      ))
      yield* Deferred.await(held)
      const append = yield* Effect.fork(Effect.flip(sessions.append(session, say("lost"), { stateDelta: { a: 1 } })))
      const ended = sql<{ readonly ended: boolean }>`SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()`
      yield* Effect.repeat(ended, { until: (rows) => rows.length > 0 })
      expect(yield* Fiber.join(append)).toMatchObject({ _tag: "StorageError", reason: "Unavailable", retryable: true })
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(holder)
      expect(Option.getOrThrow(yield* sessions.get(session.ref))).toMatchObject({ revision: 0, state: {} })
      expect((yield* sessions.append(session, say("kept"))).revision).toBe(1)
    })))

  it.scopedLive("a session made while its user is erased is erased with them", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const sql = yield* SqlClient.SqlClient
      for (let round = 0; round < 8; round++) {
        const user = Session.UserId.make(`user ${round}`)
        yield* sessions.create({ app, user, state: { "user:x": 1 } })
        yield* Effect.all(
          [
            sessions.eraseUser(app, user),
            ...Array.from({ length: 6 }, () => Effect.either(sessions.create({ app, user, state: { own: 1 } })))
          ],
          { concurrency: "unbounded" }
        )
        for (const table of ["sessions", "session_state"]) {
          expect(yield* sql`SELECT 1 AS left_over FROM ${sql(table)} WHERE user_id = ${user}`).toEqual([])
        }
      }
    })))

  it.scopedLive("what cannot be reached is Unavailable, and the password of the URL is in no word of it", () =>
    Effect.gen(function*() {
      const url = Redacted.make("postgres://sennit:canary-7d1f@127.0.0.1:1/none")
      const cause = yield* Effect.flip(
        Effect.sandbox(Effect.scoped(Layer.build(Layer.provide(SecureSessions.layerPg({ url }), keyring()))))
      )
      expect(Cause.squash(cause)).toMatchObject({ _tag: "StorageError", reason: "Unavailable", retryable: true })
      expect(`${Cause.pretty(cause)} ${Inspectable.toStringUnknown(cause)}`).not.toContain("canary-7d1f")
    }))

  it.scopedLive("what is sealed is in no file of the server, and a refused statement tells no parameter", () =>
    Effect.gen(function*() {
      const { data } = yield* server
      const token = "canary-9b27e6c05d1a"
      yield* fresh(Effect.gen(function*() {
        const sessions = yield* SessionService.SessionService
        const sql = yield* SqlClient.SqlClient
        const state = { [token]: token, [`user:${token}`]: token, "secret:t": Redacted.make(token) }
        const session = yield* sessions.create({ app, user: ada, state, metadata: token })
        yield* sessions.append(session, { author: token, body: token })
        yield* sql`CHECKPOINT`
        yield* sql`DROP TABLE session_events`
        const cause = yield* Effect.flip(Effect.sandbox(sessions.append(session, { author: token, body: token })))
        expect(`${Cause.pretty(cause)} ${Inspectable.toStringUnknown(cause)}`).not.toContain(token)
      }))
      expect(yield* filesWith(data, token)).toEqual([])
      expect((yield* filesWith(data, "session_schema")).length).toBeGreaterThan(0)
    }))

  it.scopedLive("the environment and plain options open it as well", () =>
    Effect.gen(function*() {
      const url = Redacted.value(yield* newUrl)
      const key = "07".repeat(32)
      const variables = new Map([["SENNIT_SESSIONS_URL", url], ["SENNIT_KEY", key]])
      const configured = Layer.provide(
        SecureSessions.layerConfig,
        Layer.setConfigProvider(ConfigProvider.fromMap(variables))
      )
      yield* Effect.scoped(
        using(configured)(
          Effect.flatMap(SessionService.SessionService, (sessions) =>
            sessions.create({ app, user: ada, id: idOf("one") }))
        )
      )
      const other = Redacted.value(yield* newUrl)
      const made = yield* Effect.promise(async () => {
        await using sessions = await createSessions({ url: other, key })
        return await sessions.create({ app: "desk", user: "ada", id: "one" })
      })
      expect(made.revision).toBe(0)
      for (const place of [url, other]) {
        const sql = yield* Layer.build(PgClient.layer({ url: Redacted.make(place) }))
        const rows = yield* Effect.provide(
          Effect.flatMap(SqlClient.SqlClient, (client) =>
            countOf(client, "sessions")),
          sql
        )
        expect(rows).toBe(1)
      }
    }))

  it.scopedLive("a transaction of the program's own holds its sessions and its rows together", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE orders (id TEXT)`
      const both = (id: string) =>
        sql.withTransaction(
          Effect.gen(function*() {
            yield* sql`INSERT INTO orders VALUES (${id})`
            const session = yield* sessions.create({ app, user: ada, id: idOf(id) })
            return yield* sessions.append(session, say(id))
          })
        )
      yield* Effect.flip(Effect.zipRight(both("undone"), Effect.fail("no")).pipe(sql.withTransaction))
      yield* both("done")
      expect(yield* sql`SELECT id FROM orders`).toEqual([{ id: "done" }])
      expect(Option.isNone(yield* sessions.get({ app, user: ada, id: idOf("undone") }))).toBe(true)
      expect(Option.isSome(yield* sessions.get({ app, user: ada, id: idOf("done") }))).toBe(true)
    })))
})
