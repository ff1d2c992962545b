import { KeyProvider, SecureSessions, Session, SessionService } from "@sennit/secure-sessions"
import { Effect, Layer, ManagedRuntime, Option } from "effect"

const app = Session.AppName.make("desk")
const user = Session.UserId.make("ada")

const program = Effect.gen(function*() {
  const sessions = yield* SessionService.SessionService
  const opened = yield* sessions.create({ app, user, state: { topic: "tides", "user:language": "en" } })
  const asked = yield* sessions.append(opened, { author: "ada", body: "When is high tide?" })
  yield* sessions.append(asked, { author: "desk", body: "At six." }, { stateDelta: { answered: true } })

  const stored = Option.getOrThrow(yield* sessions.get(opened.ref, { recent: 1 }))
  const stale = yield* Effect.flip(sessions.append(asked, { author: "ada", body: "Thanks!" }))
  return { stored, stale }
})

// A real program names a file and keeps its key: KeyProvider.layerConfig reads SENNIT_KEY.
const layer = Layer.provide(SecureSessions.layerSqlite({ filename: ":memory:" }), KeyProvider.layerMemory)
const runtime = ManagedRuntime.make(layer)

const { stale, stored } = await runtime.runPromise(program)
console.log(stored.revision) // => 2
console.log(stored.events[0]?.body) // => At six.
console.log(stored.state["answered"], stored.state["user:language"]) // => true en
console.log(stale._tag) // => StaleSession
await runtime.dispose()
