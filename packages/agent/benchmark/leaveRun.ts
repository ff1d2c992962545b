/** Begins a run in the journal of a folder, stops in the middle of its second step, and waits to be killed. */
import { Agent, ChatModel } from "@sennit/agent"
import { Effect, Stream } from "effect"
import { journaled, model, tracing } from "./journaled.ts"

const [folder = ""] = process.argv.slice(2)

await Effect.runPromise(
  Effect.gen(function*() {
    const { runId } = yield* Agent.start(tracing(folder), { message: "go", runId: "r" })
    yield* Stream.runForEach(Agent.attach(runId), (event) =>
      Effect.sync(() => {
        // Three calls have ended by now, and their results are in the journal; the fourth hangs.
        if (event._tag === "ToolResult" && event.callId === "call_3") process.send?.("left")
      }))
  }).pipe(
    Effect.provide(journaled(folder)),
    Effect.provideService(ChatModel.ChatModel, model)
  )
)
