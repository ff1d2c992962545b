// @effect-diagnostics globalConsole:off processEnv:off - a program of its own, run as another process by the tests
/** `appendMany.ts <file or URL> <writer> <count>`: appends to one session, waits for nobody, prints each acknowledged event. */
import { Session, SessionService } from "@sennit/secure-sessions"
import { Effect, ManagedRuntime } from "effect"
import { openPlace } from "../support.ts"
import { ref } from "./runWriters.ts"

const [, , place = "", writer = "", count = "0"] = process.argv

const program = Effect.gen(function*() {
  const sessions = yield* SessionService.SessionService
  let session = yield* sessions.getOrCreate(ref)
  for (let index = 0; index < Number(count); index++) {
    const id = Session.EventId.make(`${writer}-${index}`)
    const event = { author: writer, body: index, id }
    session = yield* sessions.append(session, event, { onStale: "retry", stateDelta: { [writer]: index } })
    yield* Effect.sync(() => process.stdout.write(`${id}\n`))
  }
})

const runtime = ManagedRuntime.make(openPlace(place))
await runtime.runPromise(program)
await runtime.dispose()
