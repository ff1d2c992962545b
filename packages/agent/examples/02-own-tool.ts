import { Agent, AgentTool, Toolset } from "@sennit/agent"
import { Scripted } from "@sennit/agent/testing"
import { Effect, Schema, Stream } from "effect"

class NoSuchCity extends Schema.TaggedError<NoSuchCity>()("NoSuchCity", { city: Schema.String }) {
  override get message() {
    return `No weather is known for ${this.city}.`
  }
}

const weather = AgentTool.make("weather", {
  description: "The temperature in a city, in degrees Celsius",
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.Number,
  timeout: "5 seconds",
  handler: ({ city }) => city === "Porto" ? Effect.succeed(21) : new NoSuchCity({ city })
})

const assistant = Agent.make({ name: "assistant", instructions: "Be brief.", tools: Toolset.make(weather) })

// A model that follows a script; in a program this is `OpenAiChat.layer` or `Planner.layer`.
const model = Scripted.layer([
  Scripted.calls(["weather", { city: "Porto" }], ["weather", { city: "Atlantis" }]),
  Scripted.text("It is 21 °C in Porto; ", "for Atlantis nothing is known.")
])

const program = Stream.runForEach(
  Agent.stream(assistant, { message: "How warm is it in Porto and in Atlantis?" }),
  (event) =>
    Effect.sync(() => {
      if (event._tag === "ToolResult") console.log(event.name, event.error?.message ?? event.content)
      if (event._tag === "RunFinished") console.log(event.text)
    })
)

await Effect.runPromise(Effect.provide(program, model))
// => weather 21
// => weather No weather is known for Atlantis.
// => It is 21 °C in Porto; for Atlantis nothing is known.
