// @effect-diagnostics schemaSync:off asyncFunction:off globalFetch:off -- other people's clients, as they are used
import { expect, it } from "@effect/vitest"
import { Agent, AgentError, AgentTool, Conversation, StateSealer, Toolset } from "@sennit/agent"
import * as Dial from "@sennit/agent/server/Dial"
import { Scripted } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { AzureOpenAI } from "openai"
import { authenticate, serve, services } from "./serve.ts"

const report = AgentTool.make("report", {
  description: "x",
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.String,
  handler: ({ city }, { stage }) =>
    Effect.gen(function*() {
      yield* stage.append("Looking")
      yield* stage.within("Source", (inner) => inner.append("the station"))
      yield* stage.attach({ name: "chart.png", size: 3, type: "image/png", url: "files/chart.png" })
      return `sunny in ${city}`
    })
})
const broken = AgentTool.make("broken", {
  description: "x",
  parameters: Schema.Struct({}),
  success: Schema.String,
  handler: () => Effect.fail("no luck")
})
const assistant = Agent.make({
  name: "assistant",
  instructions: "The secret instructions.",
  tools: Toolset.make(report, broken)
})

const makeModel = () =>
  Scripted.make(({ messages }) =>
    messages.at(-1)?.role === "tool"
      ? Scripted.text("Done.")
      : Scripted.calls(["report", { city: "Porto" }], ["broken", {}])
  )

const open = (state: "server" | "portable", model = makeModel()) =>
  Effect.map(
    serve(
      Dial.layer({ agents: { assistant }, authenticate, services: services(model), state }).pipe(
        Layer.provide(Layer.merge(Conversation.layerMemory(), StateSealer.layerEphemeral))
      )
    ),
    (url) => ({ url, model })
  )

const clientOf = (url: string, user = "ada", conversation = "c1") =>
  new AzureOpenAI({
    endpoint: url,
    apiKey: `key-of-${user}`,
    apiVersion: "2024-10-21",
    deployment: "assistant",
    maxRetries: 0,
    defaultHeaders: { "x-conversation-id": conversation }
  })

type Json = { readonly [key: string]: unknown }
const Custom = Schema.Struct({
  custom_content: Schema.Struct({
    state: Schema.Unknown,
    stages: Schema.optional(Schema.Array(Schema.Unknown)),
    attachments: Schema.optional(Schema.Array(Schema.Unknown))
  })
})

it.scopedLive("AzureOpenAI, which posts to DIAL's path, streams stages, attachments and an answer", () =>
  Effect.gen(function*() {
    const { url } = yield* open("server")
    const deltas = yield* Effect.promise(async () => {
      const stream = await clientOf(url).chat.completions.create({
        model: "assistant",
        stream: true,
        messages: [{ role: "user", content: "Porto?" }]
      })
      const all: Array<Json> = []
      for await (const chunk of stream) {
        const [choice] = chunk.choices
        if (choice !== undefined) all.push({ ...choice.delta, finish: choice.finish_reason })
      }
      return all
    })
    expect(deltas[0]).toEqual({ role: "assistant", finish: null })
    expect(deltas.map(({ content }) => content ?? "").join("")).toBe("Done.")
    expect(deltas.at(-1)).toEqual({ finish: "stop" })
    const stages = deltas.flatMap((delta) => {
      const custom = delta["custom_content"]
      return typeof custom === "object" && custom !== null && "stages" in custom && Array.isArray(custom.stages)
        ? custom.stages.map((stage: Json) => stage)
        : []
    })
    const opened = stages.filter((stage) => "name" in stage)
    expect(opened).toEqual([
      { index: 0, name: "report", status: null },
      { index: 1, name: "broken", status: null },
      { index: 2, name: "Source", status: null, parent_stage_index: 0 }
    ])
    const closed = stages.filter((stage) => stage["status"] !== null && stage["status"] !== undefined)
    expect(Object.fromEntries(closed.map(({ index, status }) => [index, status]))).toEqual({
      0: "completed",
      1: "failed",
      2: "completed"
    })
    expect(JSON.stringify(deltas)).toContain("files/chart.png")
    expect(JSON.stringify(deltas)).not.toContain("secret")
  }))

const ask = (url: string, messages: ReadonlyArray<object>, user = "ada", conversation = "c1") =>
  Effect.promise(async () => {
    const response = await fetch(`${url}/openai/deployments/assistant/chat/completions`, {
      method: "POST",
      headers: { "api-key": `key-of-${user}`, "x-conversation-id": conversation },
      body: JSON.stringify({ messages })
    })
    const body: unknown = await response.json()
    return { status: response.status, body }
  })

const messageOf = (body: unknown) =>
  Schema.decodeUnknownSync(
    Schema.Struct({
      choices: Schema.Tuple(
        Schema.Struct({ message: Schema.Struct({ role: Schema.String, content: Schema.String, ...Custom.fields }) })
      )
    })
  )(body).choices[0].message

for (const state of ["server", "portable"] as const) {
  it.scopedLive(`with its state ${state}, the next question knows the calls of the last, and nobody else's does`, () =>
    Effect.gen(function*() {
      const { model, url } = yield* open(state)
      const question = { role: "user", content: "Porto?" }
      const first = yield* ask(url, [question])
      expect(first.status).toBe(200)
      const message = messageOf(first.body)
      expect(message.custom_content.stages).toHaveLength(3)
      expect(message.custom_content.attachments).toEqual([
        { type: "image/png", title: "chart.png", url: "files/chart.png" }
      ])
      // the state holds neither what tools said nor the instructions in a form that can be read
      const travelled = JSON.stringify(message.custom_content.state)
      for (const word of ["sunny", "secret", Buffer.from("sunny in Porto").toString("base64").slice(0, 12)]) {
        expect(travelled).not.toContain(word)
      }
      const more = [question, message, { role: "user", content: "And now?" }]
      expect((yield* ask(url, more)).status).toBe(200)
      const asked = model.requests.findLast(({ messages }) => messages.at(-1)?.role === "user")!
      expect(asked.messages.map(({ role }) => role)).toEqual([
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
        "user"
      ])
      const refused = { status: 400, body: { error: { code: "invalid_state" } } }
      expect(yield* ask(url, more, "eve")).toMatchObject(refused)
      expect(yield* ask(url, more, "ada", "c2")).toMatchObject(refused)
      const forged = { ...message, custom_content: { state: { v: 1, turn: crypto.randomUUID(), sealed: "v1.AAAA" } } }
      expect(yield* ask(url, [question, forged, question])).toMatchObject(refused)
      if (state === "portable") {
        // the same state at another turn
        expect(yield* ask(url, [question, message, question, message, question])).toMatchObject(refused)
      }
    }))
}

it.scopedLive("errors before the first output are a status, after it they end the choice and are said", () =>
  Effect.gen(function*() {
    const fail = new AgentError.ModelError({ reason: "ServerError", model: "m", detail: "d" })
    const early = yield* open("server", Scripted.make(() => Stream.fail(fail)))
    expect(yield* ask(early.url, [{ role: "user", content: "x" }])).toMatchObject({ status: 502 })
    const late = yield* open(
      "server",
      Scripted.make(() => Stream.concat(Stream.fromIterable(Scripted.text("So").slice(0, 1)), Stream.fail(fail)))
    )
    const text = yield* Effect.promise(async () => {
      const response = await fetch(`${late.url}/openai/deployments/assistant/chat/completions`, {
        method: "POST",
        headers: { "api-key": "key-of-ada" },
        body: JSON.stringify({ stream: true, messages: [{ role: "user", content: "x" }] })
      })
      return `${response.status} ${await response.text()}`
    })
    expect(text.startsWith("200 ")).toBe(true)
    const lines = text.slice(4).split("\n\n").filter((line) => line !== "")
    expect(lines.every((line) => line.startsWith("data: "))).toBe(true)
    expect(lines.at(-3)).toContain("\"finish_reason\":\"stop\"")
    expect(lines.at(-2)).toContain("\"error\":{\"message\"")
    expect(lines.at(-1)).toBe("data: [DONE]")
  }))

it.scopedLive("the other endpoints of a deployment answer, and a key is asked for as DIAL's SDK asks", () =>
  Effect.gen(function*() {
    const { url } = yield* open("server")
    const call = (path: string, body?: object, headers: Record<string, string> = { "api-key": "key-of-ada" }) =>
      Effect.promise(async () => {
        const response = await fetch(`${url}/openai/deployments/${path}`, {
          method: body === undefined ? "GET" : "POST",
          headers,
          ...(body === undefined ? {} : { body: JSON.stringify(body) })
        })
        const text = await response.text()
        return { status: response.status, body: text === "" ? undefined : JSON.parse(text) as unknown }
      })
    expect(yield* call("assistant/rate", { responseId: "x", rate: true })).toEqual({ status: 200, body: undefined })
    const inputs = [
      { type: "string", value: "12345678" },
      { type: "request", value: { messages: [{ role: "user", content: "1234" }] } },
      { type: "request", value: { messages: [{ role: "user", content: [{ type: "image_url" }] }] } }
    ]
    expect(yield* call("assistant/tokenize", { inputs })).toMatchObject({
      status: 200,
      body: {
        outputs: [
          { status: "success", token_count: 2 },
          { status: "success", token_count: 5 },
          { status: "error" }
        ]
      }
    })
    expect(yield* call("assistant/configuration")).toMatchObject({ status: 200, body: { type: "object" } })
    expect(yield* call("nobody/rate", {})).toMatchObject({
      status: 404,
      body: { error: { code: "deployment_not_found" } }
    })
    expect(yield* call("assistant/chat/completions", { messages: [] }, {})).toMatchObject({
      status: 400,
      body: { error: { message: "Api-Key header is required", type: "invalid_request_error" } }
    })
  }))
