// @effect-diagnostics asyncFunction:off - the facade is for programs that are written with async functions
import { describe, expect, it } from "@effect/vitest"
import {
  KeyProvider,
  SecureSessions,
  SecureSessionsConfig,
  SecureSessionsError,
  Session,
  SessionService
} from "@sennit/secure-sessions"
import { createSessions } from "@sennit/secure-sessions/Promise"
import { ConfigProvider, DateTime, Effect, Layer, Option, Redacted } from "effect"
import { ada, app, temporaryFile, using } from "./support.ts"

const key = "07".repeat(32)
const rejection = (promise: Promise<unknown>) => promise.then(() => undefined, (error: unknown) => error)

const collect = async <A>(items: AsyncIterable<A>) => {
  const all: Array<A> = []
  for await (const item of items) all.push(item)
  return all
}

describe("createSessions", () => {
  it("creates, appends, reads, lists and deletes", async () => {
    await using sessions = await createSessions({ filename: ":memory:", key })
    const session = await sessions.create({ app: "desk", user: "ada", id: "one", state: { a: 1 }, metadata: "m" })
    const time = DateTime.toDate(DateTime.unsafeMake(5000))
    const next = await sessions.append(session, { author: "ada", body: "hi", time }, { stateDelta: { b: 2 } })
    await sessions.append(next, { author: "desk", body: "ho" })
    const stored = await sessions.get(session.ref, { recent: 1 })
    expect(stored).toMatchObject({ revision: 2, state: { a: 1, b: 2 }, metadata: "m" })
    expect(stored?.events.map(({ body }) => body)).toEqual(["ho"])
    expect((await sessions.get(session.ref, { after: DateTime.toDate(DateTime.unsafeMake(6000)) }))?.events)
      .toHaveLength(1)
    expect((await sessions.getOrCreate({ app: "desk", user: "ada", id: "one" })).revision).toBe(2)
    expect((await collect(sessions.list({ app: "desk", user: "ada" }))).map(({ ref }) => ref.id)).toEqual(["one"])
    expect((await collect(sessions.events(session.ref, { fromSequence: 2 }))).map(({ body }) => body)).toEqual(["ho"])
    const stateDelta = { "user:u": 1, "app:a": 2, "secret:s": Redacted.make("s") }
    await sessions.append(stored!, { author: "ada", body: "hm" }, { stateDelta })
    expect(await sessions.getUserState("desk", "ada")).toEqual({ "user:u": 1 })
    expect(await sessions.getAppState("desk")).toEqual({ "app:a": 2 })
    expect(Redacted.value((await sessions.getSecret(session.ref, "secret:s"))!)).toBe("s")
    expect(await sessions.getSecret(session.ref, "secret:t")).toBeUndefined()
    const records = await collect(sessions.exportUser("desk", "ada"))
    expect(records.map(({ _tag }) => _tag)).toEqual(["UserState", "Session", "Event", "Event", "Event"])
    const report = await sessions.verify(session.ref)
    expect(await sessions.verify(session.ref, { since: report })).toEqual(report)
    await sessions.delete(session.ref)
    expect(await sessions.get(session.ref)).toBeUndefined()
    expect(await sessions.eraseUser("desk", "ada")).toMatchObject({ app: "desk", user: "ada", sessions: 0 })
    expect(await rejection(sessions.get(session.ref))).toMatchObject({ reason: "KeyShredded" })
  })

  it("rejects with the typed error itself", async () => {
    await using sessions = await createSessions({ filename: ":memory:", key: new Uint8Array(32) })
    const session = await sessions.create({ app: "desk", user: "ada", id: "one" })
    const taken = await rejection(sessions.create({ app: "desk", user: "ada", id: "one" }))
    expect(taken).toBeInstanceOf(SecureSessionsError.SessionAlreadyExists)
    await sessions.append(session, { author: "ada", body: 1 })
    expect(await rejection(sessions.append(session, { author: "ada", body: 2 }))).toBeInstanceOf(
      SecureSessionsError.StaleSession
    )
    const refused = { _tag: "SerializationError", reason: "InvalidInput" }
    expect(await rejection(sessions.create({ app: "", user: "ada" }))).toMatchObject(refused)
    expect(await rejection(sessions.get({ app: "desk", user: "ada", id: "\ud800" }))).toMatchObject(refused)
    expect(await rejection(collect(sessions.list({ app: "" })))).toMatchObject({ reason: "InvalidInput" })
  })

  it("rejects keys that are none", async () => {
    const bad = ["", "hunter2", new Uint8Array(31)]
    const errors = await Promise.all(bad.map((each) => rejection(createSessions({ filename: ":memory:", key: each }))))
    expect(errors).toMatchObject(bad.map(() => ({ _tag: "ConfigurationError", reason: "InvalidKey" })))
  })

  it.scoped("keeps a file that a passphrase opens again and another does not", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      yield* Effect.promise(async () => {
        {
          await using sessions = await createSessions({ filename, passphrase: "one" })
          await sessions.create({ app: "desk", user: "ada", id: "kept" })
        }
        expect(await rejection(createSessions({ filename, passphrase: "two" }))).toMatchObject({ reason: "WrongKey" })
        await using again = await createSessions({ filename, passphrase: "one", synchronous: "NORMAL" })
        expect((await again.get({ app: "desk", user: "ada", id: "kept" }))?.revision).toBe(0)
      })
    }), 60_000)
})

const environment = (variables: ReadonlyArray<readonly [string, string]>) =>
  using(
    Layer.provide(SecureSessions.layerConfig, Layer.setConfigProvider(ConfigProvider.fromMap(new Map(variables))))
  )

describe("SecureSessions.layerConfig", () => {
  it.scoped("takes file, durability and key from the environment", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      const file: readonly [string, string] = [SecureSessionsConfig.filenameName, filename]
      const ref = { app, user: ada, id: Session.SessionId.make("one") }
      const create = Effect.flatMap(SessionService.SessionService, (sessions) => sessions.create(ref))
      const get = Effect.flatMap(SessionService.SessionService, (sessions) => sessions.get(ref))
      const right = environment([file, [SecureSessionsConfig.keyName, key], [
        SecureSessionsConfig.synchronousName,
        "NORMAL"
      ]])
      yield* Effect.scoped(right(create))
      expect(Option.isSome(yield* Effect.scoped(right(get)))).toBe(true)
      const wrong = environment([file, [SecureSessionsConfig.keyName, "08".repeat(32)]])
      expect(yield* Effect.flip(Effect.scoped(wrong(get)))).toMatchObject({
        _tag: "ConfigurationError",
        reason: "WrongKey"
      })
      const odd = environment([file, [SecureSessionsConfig.keyName, key], [
        SecureSessionsConfig.synchronousName,
        "OFF"
      ]])
      expect(String(yield* Effect.flip(Effect.scoped(odd(get))))).toContain(SecureSessionsConfig.synchronousName)
    }))

  it.scoped("a key and the same key in a ring of its name are one", () =>
    Effect.gen(function*() {
      const variables = Layer.setConfigProvider(ConfigProvider.fromMap(new Map([[SecureSessionsConfig.keyName, key]])))
      const provider = yield* using(Layer.provide(KeyProvider.layerConfig, variables))(KeyProvider.KeyProvider)
      const { id } = yield* provider.primary
      expect(id).toMatch(/^key-[0-9a-f]{12}$/)
      expect(id).not.toContain("0707")
    }))
})
