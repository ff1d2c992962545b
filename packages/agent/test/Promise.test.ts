// @effect-diagnostics asyncFunction:off nodeBuiltinImport:off -- shows the facade as programs without Effect use it
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { AgentError, type AgentEvent, AgentTool, RunStore } from "@sennit/agent"
import { createAgent } from "@sennit/agent/Promise"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { expect, it, onTestFinished } from "vitest"

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

const collect = async (events: AsyncIterable<AgentEvent.AgentEvent>) => {
  const all = []
  for await (const event of events) all.push(event)
  return all
}

it("runs without a reader, is read from any event on, and is ended by cancelling it", async () => {
  const hang = AgentTool.make("fetch_url", {
    description: "x",
    parameters: Schema.Struct({ urls: Schema.Array(Schema.String) }),
    success: Schema.String,
    handler: () => Effect.never
  })
  await using agent = createAgent({ model: "planner", files, tools: [hang] })
  const { runId, running } = await agent.start({ message: "What is the total revenue?", attachments })
  expect(running).toBe(true)
  const events = await collect(agent.attach(runId))
  expect(events.at(-1)).toMatchObject({ _tag: "RunFinished", outcome: "completed" })
  expect(await collect(agent.attach(runId, { after: 3 }))).toEqual(events.slice(3))

  const hanging = await agent.start({ message: "https://example.com/" })
  for await (const event of agent.attach(hanging.runId)) if (event._tag === "ToolCallReady") break
  expect(await agent.cancel(hanging.runId)).toMatchObject({ running: false, outcome: "stopped" })
  expect((await collect(agent.attach(hanging.runId))).at(-1)).toMatchObject({ outcome: "stopped" })

  await expect(agent.start({ message: "x", runId })).rejects.toBeInstanceOf(AgentError.RunAlreadyExists)
  await expect(agent.resume(runId)).rejects.toMatchObject({ _tag: "RunStateError", reason: "Finished" })
  await expect(agent.cancel("none")).rejects.toBeInstanceOf(AgentError.RunNotFound)
  await expect(collect(agent.attach("none"))).rejects.toBeInstanceOf(AgentError.RunNotFound)
})

it("waits for a decision in the journal, which another agent finds there and goes on from", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "sennit-promise-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const journal = Layer.orDie(
    Layer.provide(RunStore.layerSql, SqliteClient.layer({ filename: path.join(folder, "runs.db") }))
  )
  let fetched = 0
  const guarded = AgentTool.make("fetch_url", {
    description: "x",
    parameters: Schema.Struct({ urls: Schema.Array(Schema.String) }),
    success: Schema.String,
    needsApproval: true,
    handler: () => Effect.sync(() => `page ${++fetched}`)
  })
  const options = { model: "planner", tools: [guarded], journal } as const
  const waiting = await (async () => {
    await using agent = createAgent(options)
    await agent.start({ message: "https://example.com/", runId: "r" })
    return collect(agent.attach("r"))
  })()
  const asked = waiting.find((event) => event._tag === "ApprovalRequested")
  expect(waiting.at(-1)).toMatchObject({ _tag: "RunSuspended", waiting: [asked?.callId] })
  expect(fetched).toBe(0)

  await using agent = createAgent(options)
  await expect(agent.approve("r", "other", { approved: true })).rejects.toMatchObject({ reason: "NothingToDecide" })
  expect(await agent.approve("r", asked?.callId ?? "", { approved: true })).toMatchObject({ running: false })
  expect(await agent.resume("r")).toMatchObject({ running: true })
  expect((await collect(agent.attach("r"))).at(-1)).toMatchObject({ _tag: "RunFinished", outcome: "completed" })
  expect(fetched).toBe(1)
})
