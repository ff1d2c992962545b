import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { SecretName } from "../Session.ts"
import { AppName, EventId, SessionId, UserId } from "../Session.ts"
import { SessionService } from "../SessionService.ts"
import { expect, failureOf, isSame } from "./expectPromise.ts"
import type { ContractCase } from "./index.ts"

const ada = UserId.make("ada")
const eve = UserId.make("eve")
const say = (body: string) => ({ author: "ada", body })
const appOf = (name: string) => AppName.make(`contract: ${name}`)

const ids = (summaries: Iterable<{ readonly ref: { readonly id: string } }>) =>
  Array.from(summaries, ({ ref }) => ref.id).toSorted()

const contractCase = (
  name: string,
  check: (sessions: typeof SessionService.Service, app: AppName) => ContractCase<never>["run"]
): ContractCase<SessionService> => ({
  name,
  run: Effect.flatMap(SessionService, (sessions) => check(sessions, appOf(name)))
})

const created = [
  contractCase("a created session reads back as it was", (sessions, app) =>
    Effect.gen(function*() {
      const state = { topic: "tides", deep: [{ half: [1, null, true] }], empty: {}, none: [] }
      const session = yield* sessions.create({ app, user: ada, state, metadata: { colour: "blue" } })
      const stored = Option.getOrUndefined(yield* sessions.get(session.ref))
      yield* expect("the state is the same", isSame(sorted(stored?.state), sorted(state)))
      yield* expect("the metadata is the same", isSame(stored?.metadata, { colour: "blue" }))
      yield* expect("it has no events yet", stored?.revision === 0 && stored.eventCount === 0)
    })),
  contractCase("a session of another user, app or id is none", (sessions, app) =>
    Effect.gen(function*() {
      const { ref } = yield* sessions.create({ app, user: ada })
      const others = [{ ...ref, user: eve }, { ...ref, app: AppName.make("other") }, {
        ...ref,
        id: SessionId.make("x")
      }]
      for (const other of others) {
        yield* expect("another reference finds nothing", Option.isNone(yield* sessions.get(other)))
      }
    })),
  contractCase("an id that is taken is refused and left as it was", (sessions, app) =>
    Effect.gen(function*() {
      const id = SessionId.make("one")
      const { ref } = yield* sessions.create({ app, user: ada, id, state: { kept: 1 } })
      const error = yield* failureOf(
        "create refuses a taken id",
        sessions.create({ app, user: ada, id, state: { kept: 2 } })
      )
      yield* expect("the refusal is SessionAlreadyExists", error._tag === "SessionAlreadyExists")
      const again = yield* sessions.getOrCreate({ app, user: ada, id, state: { kept: 3 } })
      yield* expect("the state is the first one", isSame(again.state, { kept: 1 }) && isSame(again.ref, ref))
    })),
  contractCase(
    "of many callers that get or create one id, all get the same session",
    (sessions, app) =>
      Effect.gen(function*() {
        const id = SessionId.make("shared")
        const all = yield* Effect.all(
          Array.from({ length: 20 }, (_, caller) => sessions.getOrCreate({ app, user: ada, id, state: { caller } })),
          { concurrency: "unbounded" }
        )
        yield* expect("all callers see one state", new Set(all.map(({ state }) => state["caller"])).size === 1)
      })
  )
]

const appended = [
  contractCase(
    "events keep the order of their appends, whatever their times are",
    (sessions, app) =>
      Effect.gen(function*() {
        const time = DateTime.unsafeMake(1_000)
        let session = yield* sessions.create({ app, user: ada })
        for (const body of ["a", "b", "c"]) session = yield* sessions.append(session, { ...say(body), time })
        session = yield* sessions.append(session, { ...say("d"), time: DateTime.unsafeMake(0) })
        const events = yield* Stream.runCollect(sessions.events(session.ref, { chunk: 2 }))
        const read = Array.from(events, ({ body, sequence }) => [sequence, body])
        yield* expect("the order is that of the appends", isSame(read, [[1, "a"], [2, "b"], [3, "c"], [4, "d"]]))
      })
  ),
  contractCase(
    "an append through an old handle is stale and writes nothing",
    (sessions, app) =>
      Effect.gen(function*() {
        const first = yield* sessions.create({ app, user: ada })
        const second = yield* sessions.append(first, say("mine"), { stateDelta: { winner: "first" } })
        const late = sessions.append(first, say("late"), { stateDelta: { winner: "late" } })
        const error = yield* failureOf("an old handle is refused", late)
        yield* expect(
          "the refusal is StaleSession and tells both revisions",
          error._tag === "StaleSession" && error.expected === 0 && error.actual === second.revision
        )
        const stored = yield* sessions.getOrCreate({ ...first.ref })
        yield* expect(
          "neither event nor state was written",
          stored.eventCount === 1 && stored.state["winner"] === "first"
        )
      })
  ),
  contractCase("an append that retries goes after what others appended", (sessions, app) =>
    Effect.gen(function*() {
      const first = yield* sessions.create({ app, user: ada })
      yield* sessions.append(first, say("one"), { stateDelta: { one: 1 } })
      const session = yield* sessions.append(first, say("two"), { onStale: "retry", stateDelta: { two: 2 } })
      yield* expect("the handle has both events", isSame(session.events.map(({ body }) => body), ["one", "two"]))
      yield* expect("and both states", isSame(sorted(session.state), { one: 1, two: 2 }) && session.revision === 2)
    })),
  contractCase("an event id is stored once", (sessions, app) =>
    Effect.gen(function*() {
      const id = EventId.make("same")
      const session = yield* sessions.append(yield* sessions.create({ app, user: ada }), { ...say("a"), id })
      const again = sessions.append(session, { ...say("b"), id }, { stateDelta: { b: 1 } })
      const error = yield* failureOf("a repeated event id is refused", again)
      yield* expect("the refusal is EventAlreadyExists", error._tag === "EventAlreadyExists")
      const stored = yield* sessions.getOrCreate({ ...session.ref })
      yield* expect("nothing was written", stored.revision === 1 && isSame(stored.state, {}))
    })),
  contractCase("a deleted session is gone for its handles as well", (sessions, app) =>
    Effect.gen(function*() {
      const session = yield* sessions.append(yield* sessions.create({ app, user: ada }), say("a"))
      yield* sessions.delete(session.ref)
      yield* sessions.delete(session.ref)
      const error = yield* failureOf("a deleted session refuses appends", sessions.append(session, say("b")))
      yield* expect("the refusal is SessionNotFound", error._tag === "SessionNotFound")
      const events = yield* Stream.runCollect(sessions.events(session.ref))
      yield* expect("nothing is left", Option.isNone(yield* sessions.get(session.ref)) && events.length === 0)
    }))
]

const shared = [
  contractCase(
    "app and user state is shared, temporary state is not stored",
    (sessions, app) =>
      Effect.gen(function*() {
        const one = yield* sessions.create({ app, user: ada, state: { "temp:draft": 1, own: 1 } })
        yield* expect("temporary state is on the handle", one.state["temp:draft"] === 1)
        yield* sessions.append(one, say("a"), { stateDelta: { "app:motd": "hi", "user:name": "Ada", "temp:x": 2 } })
        const ofAda = yield* sessions.create({ app, user: ada })
        const ofEve = yield* sessions.create({ app, user: eve })
        yield* expect(
          "a user's sessions share user state",
          isSame(sorted(ofAda.state), { "app:motd": "hi", "user:name": "Ada" })
        )
        yield* expect("another user's see app state alone", isSame(ofEve.state, { "app:motd": "hi" }))
        yield* expect("and read apart", isSame(yield* sessions.getAppState(app), { "app:motd": "hi" }))
        yield* expect("of a user as well", isSame(yield* sessions.getUserState(app, ada), { "user:name": "Ada" }))
        yield* expect("of nobody it is empty", isSame(yield* sessions.getUserState(app, eve), {}))
      })
  ),
  contractCase(
    "a secret is handed out redacted, by name, and is in no state",
    (sessions, app) =>
      Effect.gen(function*() {
        const made = yield* sessions.create({ app, user: ada, state: { a: 1, "secret:one": Redacted.make("s1") } })
        const stateDelta = { "secret:two": Redacted.make({ deep: ["s2"] }) }
        const session = yield* sessions.append(made, say("a"), { stateDelta })
        const stored = yield* sessions.getOrCreate({ ...made.ref })
        for (const { state } of [made, session, stored]) yield* expect("no state shows it", isSame(state, { a: 1 }))
        const read = (name: SecretName) =>
          Effect.map(
            sessions.getSecret(made.ref, name),
            (secret) => Option.getOrUndefined(Option.map(secret, Redacted.value))
          )
        yield* expect("it is as it was", isSame(yield* read("secret:one"), "s1"))
        yield* expect("values of any shape", isSame(yield* read("secret:two"), { deep: ["s2"] }))
        yield* sessions.append(session, say("b"), { removed: ["secret:one"] })
        yield* expect("a removed one is gone", (yield* read("secret:one")) === undefined)
        yield* expect("another name is none", (yield* read("secret:three")) === undefined)
        yield* expect("its sibling stays", isSame(yield* read("secret:two"), { deep: ["s2"] }))
      })
  ),
  contractCase("removed keys are gone from the handle and for everybody", (sessions, app) =>
    Effect.gen(function*() {
      const initial = { own: 1, kept: null, "user:u": 2, "app:a": 3, "temp:t": 4 }
      const made = yield* sessions.create({ app, user: ada, state: initial })
      const removed = ["own", "user:u", "app:a", "temp:t", "never"]
      const session = yield* sessions.append(made, say("a"), { removed, stateDelta: { added: 5 } })
      const stored = yield* sessions.getOrCreate({ ...made.ref })
      for (const { state } of [session, stored]) {
        yield* expect("null is a value, what was removed is not there", isSame(sorted(state), { added: 5, kept: null }))
      }
      const both = sessions.append(session, say("b"), { removed: ["kept"], stateDelta: { kept: 1 } })
      const error = yield* failureOf("a key that is set and removed is refused", both)
      yield* expect("as ConflictingKey", error._tag === "SerializationError" && error.reason === "ConflictingKey")
    })),
  contractCase(
    "sessions that write different shared keys at once lose none",
    (sessions, app) =>
      Effect.gen(function*() {
        const names = Array.from({ length: 10 }, (_, index) => `app:${index}`)
        yield* Effect.forEach(
          names,
          (name) =>
            Effect.flatMap(
              sessions.create({ app, user: ada }),
              (session) => sessions.append(session, say(name), { stateDelta: { [name]: name } })
            ),
          { concurrency: "unbounded" }
        )
        const { state } = yield* sessions.create({ app, user: eve })
        yield* expect("all keys are there", isSame(Object.keys(state).toSorted(), names))
      })
  ),
  contractCase("a listing names each session once, of one user or of all", (sessions, app) =>
    Effect.gen(function*() {
      const made = yield* Effect.forEach([ada, eve, ada], (user) => sessions.create({ app, user }))
      const all = yield* Stream.runCollect(sessions.list({ app }))
      const ofAda = yield* Stream.runCollect(sessions.list({ app, user: ada }))
      yield* expect("all sessions are listed", isSame(ids(all), ids(made)))
      yield* expect("one user's are two", isSame(ids(ofAda), ids(made.filter(({ ref }) => ref.user === ada))))
    })),
  contractCase("a window of the history is the wished one", (sessions, app) =>
    Effect.gen(function*() {
      let session = yield* sessions.create({ app, user: ada })
      for (const body of [1, 2, 3, 4]) {
        session = yield* sessions.append(session, { author: "ada", body, time: DateTime.unsafeMake(body * 1000) })
      }
      const bodies = (options: { readonly recent?: number; readonly after?: DateTime.Utc }) =>
        Effect.map(sessions.get(session.ref, options), (found) =>
          Option.match(found, { onNone: () => [], onSome: ({ events }) => events.map(({ body }) => body) }))
      yield* expect("the last two", isSame(yield* bodies({ recent: 2 }), [3, 4]))
      yield* expect("none", isSame(yield* bodies({ recent: 0 }), []))
      yield* expect("of that time or later", isSame(yield* bodies({ after: DateTime.unsafeMake(3000) }), [3, 4]))
      yield* expect("both", isSame(yield* bodies({ after: DateTime.unsafeMake(2000), recent: 2 }), [3, 4]))
    }))
]

/** Keys in the order of their names. */
function sorted(state: { readonly [key: string]: unknown } | undefined) {
  return Object.fromEntries(Object.entries(state ?? {}).toSorted(([left], [right]) => left < right ? -1 : 1))
}

/** @internal */
export const sessionServiceCases: ReadonlyArray<ContractCase<SessionService>> = [...created, ...appended, ...shared]
