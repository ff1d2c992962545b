import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { DataKeys, Encryption, type SecureSessionsError, Session, SessionService } from "@sennit/secure-sessions"
import { Effect, Either, Layer, Option, Redacted, Stream } from "effect"
import { describeDatabases } from "./databases.ts"
import { ada, app, eve, filesOf, keyring, openFile, say, temporaryFile, using } from "./support.ts"

const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), (all) => Array.from(all))
const idOf = (text: string) => Session.SessionId.make(text)
const shredded = { _tag: "DecryptionError", reason: "KeyShredded" }

/** A session with everything that can be stored. */
const fill = (user: Session.UserId, id = "one") =>
  Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    const state = { own: id, "user:name": user, "app:motd": "hi", "secret:token": Redacted.make(`${user} ${id}`) }
    const session = yield* sessions.create({ app, user, id: idOf(id), state, metadata: id })
    return yield* sessions.append(yield* sessions.append(session, say(1)), say(2))
  })

describeDatabases("eraseUser", (database) => {
  const fresh = using(database.layer)

  it.scoped("whatever is asked of an erased user afterwards fails with KeyShredded, and others read as before", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const encryption = yield* Encryption.Encryption
      const sql = yield* SqlClient.SqlClient
      const place = { table: "notes", column: "body" }
      const session = yield* fill(ada)
      yield* fill(ada, "two")
      const other = yield* fill(eve)
      const { ref } = session
      const note = yield* encryption.seal(ref, place, Buffer.from("note"))

      const receipt = yield* sessions.eraseUser(app, ada)
      expect(receipt).toMatchObject({ app, user: ada, sessions: 2, events: 4 })
      expect(Option.getOrThrow(receipt.keyId)).toMatch(/^[0-9a-f]{32}$/)

      const attempts: ReadonlyArray<Effect.Effect<unknown, SecureSessionsError.SecureSessionsError>> = [
        sessions.get(ref),
        sessions.create({ app, user: ada }),
        sessions.create({ ...ref }),
        sessions.getOrCreate({ ...ref }),
        sessions.append(session, say(3)),
        sessions.append(session, say(3), { onStale: "retry" }),
        collect(sessions.events(ref)),
        sessions.verify(ref),
        sessions.getSecret(ref, "secret:token"),
        sessions.getUserState(app, ada),
        collect(sessions.exportUser(app, ada)),
        encryption.seal(ref, place, Buffer.from("x")),
        encryption.open(ref, place, note)
      ]
      for (const attempt of attempts) expect(yield* Effect.flip(Effect.asVoid(attempt))).toMatchObject(shredded)
      expect(yield* collect(sessions.list({ app, user: ada }))).toEqual([])
      for (const table of ["sessions", "session_events", "session_state", "session_secrets"]) {
        expect(yield* sql`SELECT 1 FROM ${sql(table)} WHERE user_id = 'ada'`).toEqual([])
      }

      expect(yield* sessions.get(other.ref)).toMatchObject(Option.some({ revision: 2, metadata: "one" }))
      expect(yield* sessions.verify(other.ref)).toMatchObject({ eventCount: 2 })
      expect(yield* sessions.getAppState(app)).toEqual({ "app:motd": "hi" })
      // The same user of another app is somebody else.
      const elsewhere = yield* sessions.create({ app: Session.AppName.make("other"), user: ada })
      expect(elsewhere.revision).toBe(0)

      const again = yield* sessions.eraseUser(app, ada)
      expect(again).toEqual({ ...receipt, sessions: 0, events: 0 })
      const nobody = yield* sessions.eraseUser(app, Session.UserId.make("nobody"))
      expect(nobody).toMatchObject({ keyId: Option.none(), sessions: 0 })
    })))

  it.scoped("another service on the same database, with the key still in memory, can write nothing for the erased user", () =>
    Effect.gen(function*() {
      const place = yield* database.make
      const open = Effect.flatMap(
        Layer.build(place()),
        (context) => Effect.provide(SessionService.SessionService, context)
      )
      const [left, right] = [yield* open, yield* open]
      const session = yield* left.create({ app, user: ada })
      const theirs = Option.getOrThrow(yield* right.get(session.ref))
      yield* left.eraseUser(app, ada)
      expect(yield* Effect.flip(right.append(theirs, say(1)))).toMatchObject({ _tag: "SessionNotFound" })
      expect(yield* Effect.flip(right.create({ app, user: ada }))).toMatchObject(shredded)
      expect(yield* Effect.flip(right.get(session.ref))).toMatchObject(shredded)
    }))

  it.scoped("is refused inside a transaction, which could bring the key back", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const sql = yield* SqlClient.SqlClient
      const { ref } = yield* fill(ada)
      const error = yield* Effect.flip(sql.withTransaction(sessions.eraseUser(app, ada)))
      expect(error).toMatchObject({ _tag: "StorageError" })
      expect(Option.isSome(yield* sessions.get(ref))).toBe(true)
    })))

  it.scoped("the key in memory is overwritten at once, and what fails beside leaves it as it was", () =>
    using(DataKeys.layer().pipe(Layer.provideMerge(database.layer), Layer.provide(keyring())))(Effect.gen(function*() {
      const keys = yield* DataKeys.DataKeys
      const owner = { app: "desk", user: "ada" }
      const derived = yield* keys.use(owner, 0, (key) => Either.right(key.derive("test", 32)))
      expect(yield* Effect.flip(keys.shred(owner, Effect.fail("no")))).toBe("no")
      expect(yield* keys.use(owner, 0, (key) => Either.right(Buffer.from(key.derive("test", 32))))).toEqual(derived)
      yield* keys.shred(owner, Effect.void)
      expect(derived.every((byte) => byte === 0)).toBe(true)
      expect(yield* Effect.flip(keys.find(owner, () => 1))).toMatchObject(shredded)
    })))
})

describe("the file of SQLite", () => {
  it.scoped("neither the wrapped key nor a record of an erased user is in any file, whatever lies around it", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      yield* using(openFile(filename))(Effect.gen(function*() {
        const sessions = yield* SessionService.SessionService
        const sql = yield* SqlClient.SqlClient
        // Enough users to split pages, in an order that moves rows about.
        const users = Array.from({ length: 150 }, (_, index) => Session.UserId.make(`user ${(index * 67) % 150}`))
        yield* Effect.forEach(users, (user) => fill(user), { discard: true })
        const erased = users.filter((_, index) => index % 15 === 0)
        const blobs = yield* Effect.forEach(erased, (user) =>
          sql<{ readonly blob: Uint8Array }>`
            SELECT wrapped AS blob FROM session_keys WHERE user_id = ${user}
            UNION ALL SELECT commitment FROM session_keys WHERE user_id = ${user}
            UNION ALL SELECT body FROM session_events WHERE user_id = ${user}
            UNION ALL SELECT value FROM session_state WHERE user_id = ${user}
            UNION ALL SELECT value FROM session_secrets WHERE user_id = ${user}`)
        const traces = blobs.flat().map(({ blob }) => Buffer.from(blob).subarray(-40))
        const found = Effect.map(
          filesOf(filename),
          (files) => traces.filter((trace) => files.some(({ bytes }) => bytes.includes(trace))).length
        )
        expect(traces).toHaveLength(erased.length * 7)
        expect(yield* found).toBe(traces.length)
        yield* Effect.forEach(erased, (user) => sessions.eraseUser(app, user), { discard: true })
        expect(yield* found).toBe(0)
        const rest = users.filter((user) => !erased.includes(user))
        for (const user of rest) {
          expect(Option.isSome(yield* sessions.get({ app, user, id: idOf("one") }))).toBe(true)
        }
      }))
      // And after a restart it is as before.
      yield* using(openFile(filename))(Effect.gen(function*() {
        const sessions = yield* SessionService.SessionService
        expect(yield* Effect.flip(sessions.create({ app, user: Session.UserId.make("user 0") }))).toMatchObject(
          shredded
        )
      }))
    }))
})

describeDatabases("exportUser", (database) => {
  const fresh = using(database.layer)

  it.scoped("gives all of one user in pieces, secrets redacted, and nothing of others", () =>
    fresh(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      yield* fill(eve)
      yield* fill(ada)
      yield* fill(ada, "two")
      const records = yield* collect(sessions.exportUser(app, ada))
      expect(records[0]).toEqual({ _tag: "UserState", state: { "user:name": "ada" } })
      const made = records.flatMap((record) => record._tag === "Session" ? [record] : [])
      expect(made.map(({ session }) => session.metadata).toSorted()).toEqual(["one", "two"])
      for (const { secrets, session } of made) {
        expect(Redacted.value(secrets["secret:token"]!)).toBe(`ada ${session.ref.id}`)
        expect(String(secrets["secret:token"])).not.toContain("ada")
      }
      const events = records.flatMap((record) =>
        record._tag === "Event" ? [`${record.ref.id} ${record.event.sequence}`] : []
      )
      expect(events.toSorted()).toEqual(["one 1", "one 2", "two 1", "two 2"])
      expect(records).toHaveLength(7)
      const nobody = yield* collect(sessions.exportUser(app, Session.UserId.make("nobody")))
      expect(nobody).toEqual([{ _tag: "UserState", state: {} }])
    })))
})
