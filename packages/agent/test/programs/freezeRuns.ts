// @effect-diagnostics nodeBuiltinImport:off globalConsole:off strictEffectProvide:off -- a process that is killed
/** Brings one run to each boundary of its journal, holds them there, and says so: to be killed then. */
import { AgentRuns, ChatModel } from "@sennit/agent"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import path from "node:path"
import { frozen, makeAgent, model } from "./journaledAgent.ts"

const [folder = "", boundaries = "0"] = process.argv.slice(2)

const bring = (at: number, when: "before" | "after") =>
  Effect.gen(function*() {
    const name = path.join(folder, `${at}-${when}`)
    const held = yield* Deferred.make<void>()
    const run = Effect.gen(function*() {
      const runs = yield* AgentRuns.AgentRuns
      yield* runs.start(makeAgent(`${name}.txt`), { message: "go", runId: "r" })
      yield* Stream.runDrain(runs.attach("r"))
    }).pipe(
      Effect.provide(frozen(`${name}.db`, at, when, () => Effect.runFork(Deferred.succeed(held, undefined)))),
      Effect.provideService(ChatModel.ChatModel, model)
    )
    // Beyond the last boundary it just ends.
    yield* Effect.forkDaemon(Effect.zipRight(Effect.exit(run), Deferred.succeed(held, undefined)))
    yield* Deferred.await(held)
  })

const all = Array.from({ length: Number(boundaries) }, (_, i) => i + 1).flatMap((at) => [
  bring(at, "before"),
  bring(at, "after")
])

await Effect.runPromise(Effect.all(all, { concurrency: "unbounded" }))
console.log("held")
// Nothing of a held run keeps the process.
setInterval(() => undefined, 1000)
