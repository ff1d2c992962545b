// @effect-diagnostics asyncFunction:off -- shows the facade as programs without Effect use it
import { AgentError, AgentTool } from "@sennit/agent"
import { createAgent } from "@sennit/agent/Promise"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"

const files = { "sales.csv": "product,revenue\nTea,1.50\nCoffee,2.25" }
const attachments = [{ name: "sales.csv", size: 39, type: "text/csv" }]

it("answers with a promise, and remembers while it lives", async () => {
  await using agent = createAgent({ model: "planner", files })
  const result = await agent.run({ message: "What is the total revenue?", attachments })
  expect(result.text).toContain("**3.75**")
  await agent.run({ message: "Remember that Ada lives in Porto" })
  expect((await agent.run({ message: "Where does Ada live?" })).text).toContain("> Ada lives in Porto")
})

it("gives the events of a run to a loop", async () => {
  await using agent = createAgent({ model: "planner", files })
  const tags = []
  for await (const event of agent.stream({ message: "What is the total revenue?", attachments })) tags.push(event._tag)
  expect(tags[0]).toBe("RunStarted")
  expect(tags.filter((tag) => tag === "ToolResult")).toHaveLength(2)
  expect(tags.at(-1)).toBe("RunFinished")
  for await (const event of agent.stream({ message: "hello" })) {
    expect(event._tag).toBe("RunStarted")
    break
  }
})

it("rejects with the typed error itself", async () => {
  await using agent = createAgent({ model: { baseUrl: "http://127.0.0.1:1/v1", model: "m" }, limits: { steps: 1 } })
  const error = await agent.run({ message: "x" }, {}).catch((cause: unknown) => cause)
  expect(Schema.is(AgentError.ModelError)(error)).toBe(true)
  expect(error).toMatchObject({ reason: "Unavailable", url: "http://127.0.0.1:1/v1/chat/completions" })
})

it("aborting stops a run", async () => {
  const abort = new AbortController()
  let stopped = false
  const calculate = AgentTool.make("fetch_url", {
    description: "x",
    parameters: Schema.Struct({ urls: Schema.Array(Schema.String) }),
    success: Schema.String,
    handler: () =>
      Effect.zipRight(Effect.sync(() => abort.abort()), Effect.never).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            stopped = true
          })
        )
      )
  })
  await using agent = createAgent({ model: "planner", tools: [calculate] })
  await expect(agent.run({ message: "https://example.com/" }, { signal: abort.signal })).rejects.toMatchObject({
    name: "AbortError"
  })
  expect(stopped).toBe(true)
})
