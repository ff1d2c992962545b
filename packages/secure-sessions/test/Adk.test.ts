// @effect-diagnostics asyncFunction:off - ADK speaks promises, and so does whoever uses it
/* oxlint-disable eslint/no-await-in-loop -- a conversation is one thing after the other */
import { describe, expect, it } from "@effect/vitest"
import {
  BaseLlm,
  createEvent,
  createEventActions,
  FunctionTool,
  InMemorySessionService,
  LlmAgent,
  LogLevel,
  Runner,
  setLogLevel
} from "@google/adk"
import type { BaseLlmConnection, BaseSessionService, Event, LlmResponse, Session as AdkSession } from "@google/adk"
import { SecureSessions, type SecureSessionsError, Session, SessionService } from "@sennit/secure-sessions"
import * as Adk from "@sennit/secure-sessions/Adk"
import type { AdkOptions, EncryptedSessionService } from "@sennit/secure-sessions/Adk"
import { Effect, type Layer, Option, Redacted, Stream } from "effect"
import { describeDatabases } from "./databases.ts"
import { app, filesOf, openFile, temporaryFile, using } from "./support.ts"

setLogLevel(LogLevel.ERROR)

const appName = "desk"
const userId = "ada"

/** A model that says what is written down. */
class Scripted extends BaseLlm {
  readonly #lines: Array<LlmResponse>

  constructor(lines: ReadonlyArray<LlmResponse>) {
    super({ model: "scripted" })
    this.#lines = [...lines]
  }

  override async *generateContentAsync(): AsyncGenerator<LlmResponse, void> {
    const line = this.#lines.shift()
    if (line === undefined) throw new Error("the script has ended")
    yield line
  }

  override connect(): Promise<BaseLlmConnection> {
    return Promise.reject(new Error("nothing is live here"))
  }
}

const text = (words: string): LlmResponse => ({ content: { role: "model", parts: [{ text: words }] } })
const call = (name: string): LlmResponse => ({
  content: { role: "model", parts: [{ functionCall: { name, args: {} } }] }
})

const remember = (values: Record<string, unknown>) =>
  new FunctionTool({
    name: "remember",
    description: "Keeps what was said",
    execute: (_input, context) => {
      for (const [name, value] of Object.entries(values)) context?.state.set(name, value)
      return { kept: Object.keys(values).length }
    }
  })

/** Without what is random: ids and times. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (name, member: unknown) =>
      ["id", "invocationId", "timestamp", "lastUpdateTime"].includes(name) ? "*" : member)
  )

const values = { note: { deep: [1, null, "two"] }, "app:motd": "hi", "user:name": "Ada", "temp:draft": "no" }

/** Three turns of a conversation with a tool in the second, and what is stored of it. */
const converse = async (sessionService: BaseSessionService) => {
  const model = new Scripted([text("Hello."), call("remember"), text("Noted."), text("Bye.")])
  const agent = new LlmAgent({ name: "clerk", model, tools: [remember(values)] })
  const runner = new Runner({ appName, agent, sessionService })
  const { id: sessionId } = await sessionService.createSession({ appName, userId, state: { topic: "tides" } })
  const heard: Array<Event> = []
  for (const words of ["Hi.", "Remember this.", "That is all."]) {
    const stateDelta = { last: words }
    for await (
      const event of runner.runAsync({ userId, sessionId, newMessage: { parts: [{ text: words }] }, stateDelta })
    ) heard.push(event)
  }
  const session = await sessionService.getSession({ appName, userId, sessionId })
  return { heard, session, sessionId }
}

const rejection = <A>(promise: Promise<A>): Promise<unknown> =>
  promise.then(() => expect.unreachable("this should reject"), (error: unknown) => error)

const at = (timestamp: number, id: string, stateDelta: Record<string, unknown> = {}) =>
  createEvent({
    id,
    timestamp,
    invocationId: "i",
    author: "user",
    content: { role: "user", parts: [{ text: id }] },
    actions: createEventActions({ stateDelta })
  })

/** Runs with the service on a database of the test's own. */
const withService =
  (layer: Layer.Layer<SecureSessions.Services, SecureSessions.BuildError>, options?: AdkOptions) =>
  <A>(body: (service: EncryptedSessionService) => Promise<A>) =>
    using(layer)(Effect.flatMap(Adk.make(options), (service) => Effect.promise(() => body(service))))

/** The same session object on two services, and the answers of both. */
const windows = async (service: BaseSessionService) => {
  const session = await service.createSession({ appName, userId, sessionId: "one", state: { a: 1, "temp:x": 1 } })
  // Equal times keep their order, and one that goes back as well.
  for (const [index, time] of [1000, 2000, 2000, 1500, 3000, 3000].entries()) {
    await service.appendEvent({ session, event: at(time, `e${index}`, { [`k${index}`]: index, "temp:t": index }) })
  }
  const get = async (config?: { numRecentEvents?: number; afterTimestamp?: number }) =>
    (await service.getSession({ appName, userId, sessionId: "one", ...(config === undefined ? {} : { config }) }))
      ?.events.map(({ id }) => id)
  return {
    live: { ...session, events: session.events.map(({ id }) => id) },
    all: await get(),
    recent: await Promise.all([0, 1, 3, 6, 9].map((numRecentEvents) => get({ numRecentEvents }))),
    after: await Promise.all(
      [0, 1, 1500, 1501, 2000, 2500, 3000, 3001].map((afterTimestamp) => get({ afterTimestamp }))
    ),
    both: await Promise.all([1, 2, 3, 4].map((numRecentEvents) => get({ numRecentEvents, afterTimestamp: 1500 }))),
    stored: (await service.getSession({ appName, userId, sessionId: "one" }))?.state,
    lastUpdateTime: (await service.getSession({ appName, userId, sessionId: "one" }))?.lastUpdateTime,
    none: await service.getSession({ appName, userId, sessionId: "other" }) === undefined
  }
}

const pages = async (service: BaseSessionService) => {
  for (const [index, time] of [5000, 1000, 3000, 3000, 2000].entries()) {
    const owner = { appName, userId: index === 4 ? "eve" : userId }
    const session = await service.createSession({ ...owner, sessionId: `s${9 - index}` })
    await service.appendEvent({ session, event: at(time, "e") })
  }
  const orders = [{ order: "asc" }, { order: "desc" }] as const
  const parts = [
    {},
    { offset: 2 },
    { limit: 2 },
    { limit: 2, offset: 1 },
    { limit: 2, offset: 3 },
    { limit: 2, page: 1 },
    { limit: 2, page: 2, offset: 3 },
    { limit: 2, page: 9 },
    { limit: 0 },
    { limit: 100 }
  ]
  const owners = [{ appName }, { appName, userId }, { appName, userId: "nobody" }]
  const requests = owners.flatMap((owner) =>
    orders.flatMap((order) => parts.map((part) => Object.assign({}, owner, order, part)))
  )
  return Promise.all(requests.map((request) => service.listSessions(request)))
}

/** JSON text of both, so that what is undefined counts as absent and prototypes do not count. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const parse = (value: AdkSession): AdkSession => JSON.parse(JSON.stringify(value))

describeDatabases("EncryptedSessionService", (database) => {
  const fresh = withService(database.layer)

  it.scoped("a Runner converses and stores what it does with ADK's own service", () =>
    fresh(async (service) => {
      const ours = await converse(service)
      const theirs = await converse(new InMemorySessionService())
      expect(ours.heard).toHaveLength(5)
      expect(plain(ours.heard)).toEqual(plain(theirs.heard))
      expect(plain(ours.session)).toEqual(plain(theirs.session))
      expect(ours.session?.events).toHaveLength(8)
      expect(ours.session?.state).toEqual({
        topic: "tides",
        last: "That is all.",
        note: values.note,
        "app:motd": "hi",
        "user:name": "Ada"
      })
      expect(ours.session?.lastUpdateTime).toBe(ours.session?.events.at(-1)?.timestamp)
      // Shared state reaches the next session of the user, and of another only what the app shares.
      expect((await service.createSession({ appName, userId })).state).toEqual({ "app:motd": "hi", "user:name": "Ada" })
      expect((await service.createSession({ appName, userId: "eve" })).state).toEqual({ "app:motd": "hi" })
    }))

  it.scoped("windows of the history, the live object and what is stored are those of ADK's own service", () =>
    fresh(async (service) => {
      expect(asJson(await windows(service))).toEqual(asJson(await windows(new InMemorySessionService())))
    }))

  it.scoped("pages and orders of a listing are those of ADK's own service", () =>
    fresh(async (service) => {
      expect(asJson(await pages(service))).toEqual(asJson(await pages(new InMemorySessionService())))
    }))

  it.scoped("of two objects of one session the second to append is stale, and nothing of it is stored", () =>
    fresh(async (service) => {
      const first = await service.createSession({ appName, userId, sessionId: "one" })
      const second = await service.getOrCreateSession({ appName, userId, sessionId: "one" })
      await service.appendEvent({ session: first, event: at(1, "a", { k: "first" }) })
      const before = asJson(second)
      const late = at(1, "b", { k: "late", "temp:t": 1 })
      expect(await rejection(service.appendEvent({ session: second, event: late }))).toMatchObject({
        _tag: "StaleSession",
        expected: 0,
        actual: 1
      })
      expect(asJson(second)).toEqual(before)
      const stored = await service.getSession({ appName, userId, sessionId: "one" })
      expect(stored?.events.map(({ id }) => id)).toEqual(["a"])
      expect(stored?.state).toEqual({ k: "first" })
    }))

  it.scoped("with retry the object gets what it missed and the append goes after it", () =>
    withService(database.layer, { onStale: "retry" })(async (service) => {
      const first = await service.createSession({ appName, userId, sessionId: "one" })
      const second = await service.getOrCreateSession({ appName, userId, sessionId: "one" })
      await service.appendEvent({ session: first, event: at(1, "a", { x: 1 }) })
      await service.appendEvent({ session: second, event: at(2, "b", { y: 2 }) })
      expect(second.events.map(({ id }) => id)).toEqual(["a", "b"])
      expect(second.state).toEqual({ x: 1, y: 2 })
      await service.appendEvent({ session: second, event: at(3, "c") })
      expect((await service.getSession({ appName, userId, sessionId: "one" }))?.events).toHaveLength(3)
    }))

  it.scoped("appends through one object at once are stored one after the other", () =>
    fresh(async (service) => {
      const session = await service.createSession({ appName, userId })
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => service.appendEvent({ session, event: at(index, `e${index}`) }))
      )
      const stored = await service.getSession({ appName, userId, sessionId: session.id })
      const ids = stored?.events.map(({ id }) => id)
      expect(ids).toEqual(Array.from({ length: 20 }, (_, index) => `e${index}`))
      expect(session.events.map(({ id }) => id)).toEqual(ids)
    }))

  it.scoped("copies of an object know where they stand, and one that came as JSON is asked for its time", () =>
    fresh(async (service) => {
      const session = await service.createSession({ appName, userId })
      const copy = { ...session, events: [...session.events] }
      const old = { ...parse(session), lastUpdateTime: 0 }
      const event = at(session.lastUpdateTime + 1000, "a")
      await service.appendEvent({ session: copy, event })
      expect(await rejection(service.appendEvent({ session, event: at(1, "b") }))).toMatchObject({
        _tag: "StaleSession"
      })
      expect(await rejection(service.appendEvent({ session: old, event: at(1, "b") }))).toMatchObject({
        _tag: "StaleSession"
      })
      await service.appendEvent({ session: parse(copy), event: at(event.timestamp + 1, "c") })
      const stored = await service.getSession({ appName, userId, sessionId: session.id })
      expect(stored?.events.map(({ id }) => id)).toEqual(["a", "c"])
    }))

  it.scoped("what ADK has words for is said in them, with our error as the cause", () =>
    fresh(async (service) => {
      const session = await service.createSession({ appName, userId, sessionId: "one" })
      const taken = await rejection(service.createSession({ appName, userId, sessionId: "one" }))
      expect(taken).toMatchObject({
        message: "Session with id one already exists.",
        cause: { _tag: "SessionAlreadyExists" }
      })
      await service.deleteSession({ appName, userId, sessionId: "one" })
      await service.deleteSession({ appName, userId, sessionId: "one" })
      const missing = await rejection(service.appendEvent({ session, event: at(1, "a") }))
      expect(missing).toMatchObject({
        message: "Session one not found for appendEvent",
        cause: { _tag: "SessionNotFound" }
      })
    }))

  it.scoped("many that get or create one session at once all get it", () =>
    fresh(async (service) => {
      const all = await Promise.all(
        Array.from({ length: 30 }, (_, caller) =>
          service.getOrCreateSession({ appName, userId, sessionId: "one", state: { caller } }))
      )
      expect(
        new Set(all.map(({ state }) =>
          state["caller"]
        )).size
      ).toBe(1)
    }))

  it.scoped("an event is stored once, a partial one not at all, and a value that JSON would change is refused", () =>
    fresh(async (service) => {
      const session = await service.createSession({ appName, userId })
      const partial = { ...at(1, "p", { k: 1 }), partial: true }
      expect(await service.appendEvent({ session, event: partial })).toBe(partial)
      expect(session).toMatchObject({ events: [], state: {} })
      await service.appendEvent({ session, event: at(1, "a") })
      expect(await rejection(service.appendEvent({ session, event: at(2, "a") }))).toMatchObject({
        _tag: "EventAlreadyExists"
      })
      for (const bad of [Number.NaN, new Map([[1, 2]]), 10n, () => 1, [undefined], "\ud800"]) {
        expect(await rejection(service.appendEvent({ session, event: at(2, "b", { bad }) }))).toMatchObject({
          _tag: "SerializationError"
        })
        expect(await rejection(service.createSession({ appName, userId, state: { bad } }))).toMatchObject({
          _tag: "SerializationError"
        })
      }
      const cycle: Record<string, unknown> = {}
      cycle["self"] = cycle
      expect(await rejection(service.appendEvent({ session, event: at(2, "b", { cycle }) }))).toMatchObject({
        reason: "TooDeep"
      })
      expect((await service.getSession({ appName, userId, sessionId: session.id }))?.events).toHaveLength(1)
    }))

  it.scoped("a key that is set to undefined is removed, and names of the object machinery are names as any other", () =>
    fresh(async (service) => {
      const state: Record<string, unknown> = JSON.parse("{\"__proto__\":{\"polluted\":1},\"gone\":1,\"constructor\":2}")
      const session = await service.createSession({ appName, userId: "__proto__", sessionId: "constructor", state })
      await service.appendEvent({ session, event: at(1, "toString", { gone: undefined }) })
      const stored = await service.getSession({ appName, userId: "__proto__", sessionId: "constructor" })
      expect(Object.entries(stored?.state ?? {}).toSorted()).toEqual([["__proto__", { polluted: 1 }], [
        "constructor",
        2
      ]])
      expect(Reflect.get(stored?.state ?? {}, "polluted")).toBeUndefined()
      expect(Reflect.get({}, "polluted")).toBeUndefined()
    }))
})

describe("EncryptedSessionService", () => {
  it.scoped("a secret that a tool sets is handed out by getSecret alone", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      const canary = "canary-4f9f7d1c"
      yield* using(openFile(filename))(Effect.gen(function*() {
        const service = yield* Adk.make()
        const sessions = yield* SessionService.SessionService
        const heard = yield* Effect.promise(async () => {
          const model = new Scripted([call("remember"), text("Noted.")])
          const agent = new LlmAgent({ name: "clerk", model, tools: [remember({ "secret:token": canary, plain: 1 })] })
          const runner = new Runner({ appName, agent, sessionService: service })
          const { id: sessionId } = await service.createSession({ appName, userId, sessionId: "one" })
          const events: Array<Event> = []
          const newMessage = { parts: [{ text: "Keep it." }] }
          for await (const event of runner.runAsync({ userId, sessionId, newMessage })) events.push(event)
          return events
        })
        const ref = { app, user: Session.UserId.make(userId), id: Session.SessionId.make("one") }
        const session = Option.getOrThrow(yield* sessions.get(ref))
        expect(session.state).toEqual({ plain: 1 })
        expect(JSON.stringify([heard, session, yield* Stream.runCollect(sessions.events(ref))])).not.toContain(canary)
        expect(Option.map(yield* sessions.getSecret(ref, "secret:token"), Redacted.value)).toEqual(Option.some(canary))
        const files = yield* filesOf(filename)
        expect(files.filter(({ bytes }) => bytes.includes(canary))).toEqual([])
      }))
    }))

  it.scoped("opens a file by plain options, and refuses another key", () =>
    Effect.gen(function*() {
      const filename = yield* temporaryFile
      yield* Effect.promise(async () => {
        {
          await using service = await Adk.EncryptedSessionService.open({ filename, key: "07".repeat(32) })
          await service.createSession({ appName, userId, sessionId: "kept" })
        }
        const wrong = await rejection(Adk.EncryptedSessionService.open({ filename, key: "08".repeat(32) }))
        expect(wrong).toMatchObject({ _tag: "ConfigurationError", reason: "WrongKey" })
        await using again = await Adk.EncryptedSessionService.open({ filename, key: "07".repeat(32) })
        expect((await again.getSession({ appName, userId, sessionId: "kept" }))?.id).toBe("kept")
      })
    }))

  it.scoped("a history that this service did not write is a typed error", () =>
    using(SecureSessions.layerMemory)(Effect.gen(function*() {
      const sessions = yield* SessionService.SessionService
      const service = yield* Adk.make()
      const made = yield* sessions.create({ app, user: Session.UserId.make(userId) })
      yield* sessions.append(made, { author: "x", body: "no event of ADK" })
      const error: unknown = yield* Effect.promise(() =>
        rejection(service.getSession({ appName, userId, sessionId: made.ref.id }))
      )
      const expected: Partial<SecureSessionsError.SerializationError> = {
        _tag: "SerializationError",
        reason: "Malformed"
      }
      expect(error).toMatchObject(expected)
    })))
})
