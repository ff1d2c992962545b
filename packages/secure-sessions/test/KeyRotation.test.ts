import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import { DataKeys, Encryption, KeyProvider, KeyRotation, Session, SessionService, Suite } from "@sennit/secure-sessions"
import { Chunk, DateTime, Effect, Fiber, Layer, Option, Redacted, Stream, TestClock } from "effect"
import { type Database, describeDatabases } from "./databases.ts"
import { ada, app, eve, keyOf, say, using } from "./support.ts"

const ring = (...keys: readonly [KeyProvider.KeyringKey, ...Array<KeyProvider.KeyringKey>]) =>
  Layer.orDie(KeyProvider.layerKeyring(keys))
const old = { id: "old", key: keyOf(1) }
const next = { id: "next", key: keyOf(2) }
const onlyOld = ring(old)
const both = ring(old, { ...next, primary: true })
const onlyNext = ring(next)

const id = Session.SessionId.make("s1")
const users = [ada, eve, ...Array.from({ length: 8 }, (_, index) => Session.UserId.make(`user${index}`))]

/** A session of each user with events, state of all scopes, a secret and metadata. */
const write = Effect.forEach(users, (user) =>
  Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    const state = { "app:motto": "calm", "user:name": user, "topic": "tides", "secret:token": Redacted.make("t0ken") }
    let session = yield* sessions.create({ app, user, id, state, metadata: { of: user } })
    for (const body of ["a", "b", "c"]) {
      session = yield* sessions.append(session, say(body), { stateDelta: { last: body } })
    }
  }))

/** Everything that was written, opened and verified. */
const read = Effect.forEach(users, (user) =>
  Effect.gen(function*() {
    const sessions = yield* SessionService.SessionService
    const ref = { app, user, id }
    const session = Option.getOrThrow(yield* sessions.get(ref))
    const secret = yield* sessions.getSecret(ref, "secret:token")
    const { eventCount } = yield* sessions.verify(ref)
    return {
      metadata: session.metadata,
      state: session.state,
      events: session.events.map(({ body }) => body),
      secret: Option.map(secret, Redacted.value),
      eventCount
    }
  }))

const expected = users.map((user) => ({
  metadata: { of: user },
  state: { "app:motto": "calm", "user:name": user, "topic": "tides", "last": "c" },
  events: ["a", "b", "c"],
  secret: Option.some("t0ken"),
  eventCount: 3
}))

const rotation = KeyRotation.KeyRotation
const last = <E, R>(stream: Stream.Stream<KeyRotation.Progress, E, R>) =>
  Effect.map(Stream.runLast(stream), Option.getOrUndefined)
const rewrapAll = Effect.flatMap(rotation, ({ rewrapAll: all }) => last(all))
const reencrypt = (options?: KeyRotation.ReencryptOptions) =>
  Effect.flatMap(rotation, (service) => last(service.reencrypt(options)))
const status = Effect.flatMap(rotation, (service) => service.status)
const removeRetired = Effect.flatMap(
  rotation,
  (service) => service.removeRetired({ isUsedElsewhere: () => Effect.succeed(false) })
)

/** Records per user: metadata, two events of state, a secret, three events; the app's state once. */
const recordCount = users.length * (1 + 3 + 1 + 3) + 1

const opening = (database: Database) =>
  Effect.map(
    database.make,
    (open) =>
    (keys: Layer.Layer<KeyProvider.KeyProvider>, suites: Layer.Layer<never> = Layer.empty) =>
    <A, E, R>(program: Effect.Effect<A, E, R>) =>
      Effect.scoped(using(Layer.orDie(Layer.provide(open(keys), suites)))(program))
  )

const suites = (...of: readonly [Suite.Suite, ...Array<Suite.Suite>]) => Layer.orDie(Suite.layer(of))

const isOfEve = ({ user }: { readonly user: string }) => Effect.succeed(user === eve)

/** A cipher that only the tests know: AES-256-GCM under another id. */
const other: Suite.Suite = { ...Suite.aes256Gcm, id: 200, name: "other" }

describeDatabases("KeyRotation", (database) => {
  it.scoped("rewraps every data key, and then the old key is not needed", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(write)
      yield* open(both)(Effect.gen(function*() {
        expect(yield* rewrapAll).toEqual({ keys: users.length + 2, records: 0, failed: 0 })
        expect(yield* rewrapAll).toEqual({ keys: 0, records: 0, failed: 0 })
        expect((yield* status).keys).toEqual([
          { kekId: "next", isPrimary: true, active: users.length + 2, retired: 0, shredded: 0 }
        ])
      }))
      expect(yield* open(onlyNext)(read)).toEqual(expected)
    }))

  it.scoped("a rewrapping that stops half way leaves everything readable, and goes on", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(write)
      const many = Array.from({ length: 150 }, (_, index) => ({ app: "crowd", user: `${index}` }))
      yield* open(onlyOld)(
        Effect.flatMap(Encryption.Encryption, (encryption) =>
          Effect.forEach(many, (scope) =>
            encryption.seal(scope, { table: "t", column: "c" }, Buffer.from("x"))))
      )
      yield* open(both)(Effect.gen(function*() {
        const { rewrapAll: all } = yield* rotation
        expect(yield* last(Stream.take(all, 1))).toMatchObject({ keys: 100 })
        const { keys } = yield* status
        expect(keys.map(({ active, kekId }) => [kekId, active])).toEqual([["next", 100], ["old", users.length + 52]])
      }))
      // The key that is asked at start is rewrapped last, so the old key alone still starts, and both read all.
      expect(yield* open(both)(read)).toEqual(expected)
      yield* open(both)(rewrapAll)
      expect(yield* open(onlyNext)(read)).toEqual(expected)
    }))

  it.scoped("one data key that was altered does not keep the others from being rewrapped", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(write)
      yield* open(both)(Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql.unsafe(
          database.inDialect("UPDATE session_keys SET commitment = zeroblob(32) WHERE user_id = 'eve'")
        )
        const error = yield* Effect.flip(rewrapAll)
        expect(error).toMatchObject({
          _tag: "RotationIncomplete",
          failed: 1,
          first: { _tag: "KeyProviderError", reason: "AuthenticationFailed" }
        })
        const { keys } = yield* status
        expect(keys.map(({ active, kekId }) => [kekId, active])).toEqual([["next", users.length + 1], ["old", 1]])
      }))
    }))

  it.scoped("seals all records again under new data keys; the old ones can go and histories verify", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(write)
      yield* TestClock.adjust("1 day")
      const renewBefore = yield* DateTime.now
      yield* open(onlyOld)(Effect.gen(function*() {
        const done = yield* reencrypt({ renewBefore })
        expect(done).toEqual({ keys: users.length + 1, records: recordCount, failed: 0 })
        expect(yield* reencrypt({ renewBefore })).toEqual({ keys: 0, records: 0, failed: 0 })
        expect(yield* read).toEqual(expected)
        expect(yield* removeRetired).toBe(0)
        yield* TestClock.adjust("11 minutes")
        expect(yield* removeRetired).toBe(users.length + 1)
        const { keys, records } = yield* status
        expect(keys).toMatchObject([{ active: users.length + 2, retired: 0 }])
        expect(records.every(({ key }) => key === "active")).toBe(true)
        expect(records.reduce((sum, row) => sum + row.records, 0)).toBe(recordCount)
      }))
      expect(yield* open(onlyOld)(read)).toEqual(expected)
    }))

  it.scoped("a retired data key that records still name is not removed, here or elsewhere", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(Effect.gen(function*() {
        yield* write
        const keys = yield* DataKeys.DataKeys
        const service = yield* rotation
        for (const user of [ada, eve]) {
          const keyId = Option.getOrThrow(yield* keys.find({ app, user }, (key) => Uint8Array.from(key.keyId)))
          expect(yield* keys.renew({ app, user }, keyId)).toBe(true)
          expect(yield* keys.renew({ app, user }, keyId)).toBe(false)
        }
        yield* TestClock.adjust("11 minutes")
        expect(yield* removeRetired).toBe(0)
        expect(yield* read).toEqual(expected)
        yield* reencrypt()
        expect(yield* service.removeRetired({ isUsedElsewhere: isOfEve })).toBe(1)
        expect((yield* status).keys).toMatchObject([{ retired: 1 }])
      }))
    }))

  it.scoped("seals all records again with another suite, which alone is then enough", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(write)
      yield* open(onlyOld, suites(other, Suite.aes256Gcm))(Effect.gen(function*() {
        expect(yield* reencrypt()).toEqual({ keys: 0, records: recordCount, failed: 0 })
        expect(new Set((yield* status).records.map(({ suite }) => suite))).toEqual(new Set([other.id]))
      }))
      expect(yield* open(onlyOld, suites(other))(read)).toEqual(expected)
    }))

  it.scoped("a reencryption may be stopped after any batch and started again", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(write)
      yield* TestClock.adjust("1 day")
      const renewBefore = yield* DateTime.now
      let records = 0
      while (true) {
        const progress = yield* open(onlyOld)(Effect.gen(function*() {
          const service = yield* rotation
          const steps = yield* Stream.runCollect(
            Stream.takeUntil(service.reencrypt({ renewBefore }), (step) => step.records > 7)
          )
          expect(yield* read).toEqual(expected)
          return Option.getOrThrow(Chunk.last(steps))
        }))
        records += progress.records
        if (progress.records === 0) break
      }
      expect(records).toBe(recordCount)
    }))

  it.scoped("a record that was altered is left and named, all others are sealed again", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(write)
      yield* open(onlyOld, suites(other, Suite.aes256Gcm))(Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const hit = "UPDATE session_events SET body = x'5e55' WHERE user_id = 'eve' AND sequence = 2"
        yield* sql.unsafe(database.inDialect(hit))
        const error = yield* Effect.flip(reencrypt())
        expect(error).toMatchObject({
          _tag: "RotationIncomplete",
          operation: "reencrypt",
          failed: 1,
          first: { reason: "MalformedEnvelope", location: { table: "session_events", user: "eve", sequence: 2 } }
        })
        const { records } = yield* status
        const done = records.filter(({ suite }) => suite === other.id).reduce((sum, row) => sum + row.records, 0)
        expect(done).toBe(recordCount - 1)
      }))
    }))

  it.scoped("appends and reads go on while records are sealed again, and what they write stays", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(write)
      yield* TestClock.adjust("1 day")
      const renewBefore = yield* DateTime.now
      yield* open(onlyOld)(Effect.gen(function*() {
        const sessions = yield* SessionService.SessionService
        const appendTo = (user: Session.UserId) =>
          Effect.gen(function*() {
            let session = Option.getOrThrow(yield* sessions.get({ app, user, id }))
            for (let at = 0; at < 20; at++) {
              session = yield* sessions.append(session, say(at), { stateDelta: { at, last: "c" } })
              yield* sessions.get({ app, user, id })
              yield* sessions.verify({ app, user, id })
            }
          })
        const writers = yield* Effect.fork(Effect.forEach([ada, eve], appendTo, { concurrency: 2 }))
        yield* reencrypt({ renewBefore })
        yield* Fiber.join(writers)
        const after = yield* read
        const appended = [...expected[0]!.events, ...Array.from({ length: 20 }, (_, at) => at)]
        expect(after.map(({ events }) => events)).toEqual([
          appended,
          appended,
          ...expected.slice(2).map(({ events }) => events)
        ])
        expect(after[0]?.state).toMatchObject({ at: 19, last: "c" })
      }))
    }))

  it.scoped("a user who is erased meanwhile stays erased, whichever data keys they had", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(write)
      yield* TestClock.adjust("1 day")
      const renewBefore = yield* DateTime.now
      yield* open(onlyOld)(Effect.gen(function*() {
        const sessions = yield* SessionService.SessionService
        yield* reencrypt({ renewBefore })
        yield* sessions.eraseUser(app, eve)
        yield* TestClock.adjust("1 day")
        expect(yield* reencrypt({ renewBefore: yield* DateTime.now })).toMatchObject({ keys: users.length, failed: 0 })
        expect(yield* Effect.flip(sessions.get({ app, user: eve, id }))).toMatchObject({ reason: "KeyShredded" })
        const sql = yield* SqlClient.SqlClient
        const left = yield* sql`SELECT kid FROM session_keys
          WHERE user_id = ${eve} AND (length(wrapped) > 0 OR length(carried) > 0)`
        expect(left).toEqual([])
      }))
    }))

  it.scoped("keeps to the rate that it is given", () =>
    Effect.gen(function*() {
      const open = yield* opening(database)
      yield* open(onlyOld)(write)
      yield* open(onlyOld, suites(other, Suite.aes256Gcm))(Effect.gen(function*() {
        const service = yield* rotation
        const done = yield* Effect.fork(last(service.reencrypt({ perSecond: 10 })))
        const start = yield* DateTime.now
        while (Option.isNone(yield* Fiber.poll(done))) {
          yield* TestClock.adjust("100 millis")
          yield* Effect.yieldNow()
        }
        expect(yield* Fiber.join(done)).toMatchObject({ records: recordCount })
        const seconds = ((yield* DateTime.now).epochMillis - start.epochMillis) / 1000
        expect(seconds).toBeGreaterThanOrEqual(recordCount / 10 - 1)
      }))
    }))
})
