import { LLMock } from "@copilotkit/aimock"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it, layer } from "@effect/vitest"
import {
  Agent,
  AgentTool,
  AskAgent,
  Calculate,
  Charts,
  ChatModel,
  Documents,
  DrawChart,
  Files,
  Forget,
  GenerateImage,
  Memory,
  ReadWebPage,
  Toolset,
  WebClient
} from "@sennit/agent"
import { Scripted, ToolContext } from "@sennit/agent/testing"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { rawServer } from "./servers/rawServer.ts"
import { callTool } from "./support/callTool.ts"

const textOf = (name: string) =>
  Effect.gen(function*() {
    const files = yield* Files.Files
    return yield* files.read(name).pipe(Stream.decodeText(), Stream.mkString)
  })

const chart = {
  kind: "bar",
  title: "Revenue",
  columns: ["product", "sum(revenue)"],
  rows: [["Tea", "10.5"], ["Coffee", "31"], ["<script>alert(1)</script>", 4]],
  x: "product",
  y: "sum(revenue)"
}

const refuseChart = (change: object) =>
  Effect.map(Effect.flip(callTool(DrawChart.tool, { ...chart, ...change })), ({ message }) => message)

layer(Charts.layer(), { excludeTestServices: true })("charts", (test) => {
  test.effect("rows as query_table gives them become an SVG file with a mark for each", () =>
    Effect.gen(function*() {
      const context = ToolContext.make()
      const drawn = yield* Effect.flatMap(
        callTool(DrawChart.tool, chart, context),
        Schema.decode(Schema.parseJson(DrawChart.Drawn))
      )
      expect(drawn).toMatchObject({ file: { name: "chart.svg", type: "image/svg+xml" }, rows: 3 })
      expect(context.shown.attachments).toEqual([drawn.file])
      const svg = yield* textOf("chart.svg")
      expect(svg.match(/aria-roledescription="bar"/g)).toHaveLength(3)
      expect(svg).toContain("Coffee")
      expect(svg).not.toContain("<script")
      const again = yield* callTool(DrawChart.tool, { ...chart, kind: "arc" })
      expect(again).toContain("chart-2.svg")
    }).pipe(Effect.provide(Files.layerMemory({}))))

  test.effect("what cannot be drawn says why", () =>
    Effect.gen(function*() {
      expect(yield* refuseChart({ y: "profit" })).toContain("There is no column \"profit\"")
      expect(yield* refuseChart({ y: "product", x: "sum(revenue)" })).toContain("not all numbers")
      expect(yield* refuseChart({ rows: [] })).toContain("no rows")
    }).pipe(Effect.provide(Files.layerMemory({}))))

  test.effect("names of columns are never taken as paths or expressions", () =>
    Effect.gen(function*() {
      const columns = ["a.b[0]", "datum['y']", "x\\\"y"]
      const rows = [["p", 1, "q"], ["r", 2, "s"]]
      const drawn = yield* callTool(DrawChart.tool, {
        ...chart,
        columns,
        rows,
        x: columns[0],
        y: columns[1],
        color: columns[2]
      })
      expect(drawn).toContain("\"rows\":2")
      expect((yield* textOf("chart.svg")).match(/aria-roledescription="bar"/g)).toHaveLength(2)
    }).pipe(Effect.provide(Files.layerMemory({}))))
})

describe("images", () => {
  const mock = Effect.acquireRelease(
    Effect.promise(() => {
      const server = new LLMock({ port: 0 })
      const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]).toString("base64")
      server.onImage("a lighthouse", { images: [{ b64Json: png, revisedPrompt: "a tall lighthouse" }] })
      return server.start().then(() => server)
    }),
    (server) => Effect.promise(() => server.stop())
  )

  it.scopedLive("a deployment makes an image, which becomes a file", () =>
    Effect.gen(function*() {
      const server = yield* mock
      const tool = GenerateImage.make({ baseUrl: `${server.url}/v1`, model: "dall-e-3" })
      const context = ToolContext.make()
      const made = yield* callTool(tool, { prompt: "a lighthouse", size: "1024x1024" }, context)
      expect(made).toContain("image.png")
      expect(made).toContain("a tall lighthouse")
      expect(context.shown.attachments).toMatchObject([{ name: "image.png", size: 8, type: "image/png" }])
    }).pipe(Effect.provide([Files.layerMemory({}), FetchHttpClient.layer])))

  it.scopedLive("refusals, nonsense and absence are typed", () =>
    Effect.gen(function*() {
      const answers = [[400, "{}"], [503, "{}"], [200, "{\"data\":[]}"], [
        200,
        "{\"data\":[{\"b64_json\":\"%\"}]}"
      ]] as const
      const server = yield* rawServer((response, attempt) => {
        const [status, body] = answers[attempt]!
        response.writeHead(status, { "content-type": "application/json" }).end(body)
      })
      const tool = GenerateImage.make({ baseUrl: server.url, model: "m" })
      const errors = yield* Effect.forEach(answers, () => Effect.flip(callTool(tool, { prompt: "x" })))
      expect(errors.map(({ retryable }) => retryable)).toEqual([false, true, false, false])
      expect(errors[0]!.message).toContain("400")
      expect(errors[3]!.message).toContain("no image")
    }).pipe(Effect.provide([Files.layerMemory({}), FetchHttpClient.layer])))
})

const webClient = Layer.effect(WebClient.WebClient, HttpClient.HttpClient).pipe(Layer.provide(FetchHttpClient.layer))

it.scopedLive("a web page is read as Markdown, page after page", () =>
  Effect.gen(function*() {
    const long = "<p>word</p>".repeat(3000)
    const server = yield* rawServer((response) => {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" })
        .end(`<title>A &amp; B</title><h1>Head</h1><script>x()</script><a href="/next">next</a>${long}`)
    })
    const read = (page: number) =>
      Effect.flatMap(
        callTool(ReadWebPage.tool, { url: `${server.url}/x`, page }),
        Schema.decode(Schema.parseJson(ReadWebPage.Page))
      )
    const first = yield* read(1)
    expect(first.markdown).toContain("# Head")
    expect(first.markdown).toContain("[next](/next)")
    expect(first.markdown).not.toContain("x()")
    const all = yield* Effect.forEach(Array.from({ length: first.pages }, (_, i) => i + 1), read)
    expect(all.map(({ markdown }) => markdown).join("").match(/word/g)).toHaveLength(3000)
    expect((yield* Effect.flip(read(first.pages + 1))).message).toContain(`it has ${first.pages}`)
  }).pipe(Effect.provide([webClient, Documents.layer()])))

it.effect("a note is forgotten once, by its id", () =>
  Effect.gen(function*() {
    const memory = yield* Memory.Memory
    const { id } = yield* memory.remember({ text: "Ada lives in Porto." })
    expect(yield* callTool(Forget.tool, { id })).toContain("\"forgotten\":true")
    expect(yield* callTool(Forget.tool, { id })).toContain("\"forgotten\":false")
    expect((yield* memory.recall({ query: "Where does Ada live?" })).notes).toEqual([])
    expect((yield* memory.remember({ text: "Another" })).id).not.toBe(id)
  }).pipe(Effect.provide(Memory.layerMemory)))

describe("agents as tools", () => {
  const expert = Agent.make({ name: "expert", instructions: "You calculate.", tools: Toolset.make(Calculate.tool) })
  const model = Scripted.make([
    Scripted.calls(["calculate", { expression: "6*7" }], ["calculate", { expression: "1/0" }]),
    Scripted.text("It is ", "42.")
  ])
  const tool = AskAgent.make("ask_expert", { description: "Asks an expert", agent: expert, model })

  it.effect("the answer is the result, and the work of the other is seen as stages", () =>
    Effect.gen(function*() {
      const outer = Scripted.make([
        Scripted.calls(["ask_expert", { request: "What is 6 times 7?" }]),
        Scripted.text("The expert says 42.")
      ])
      const asking = Agent.make({ name: "asking", instructions: "", tools: Toolset.make(tool) })
      const events = yield* Stream.runCollect(Agent.stream(asking, { message: "6 times 7?" })).pipe(
        Effect.map(Chunk.toReadonlyArray),
        Effect.provideService(ChatModel.ChatModel, outer)
      )
      const result = events.find((event) => event._tag === "ToolResult")
      expect(result).toMatchObject({ content: "It is 42.", untrusted: true })
      const opened = events.flatMap((event) => event._tag === "StageOpened" ? [event] : [])
      expect(opened.map(({ name }) => name)).toEqual(["expert", "calculate", "calculate"])
      expect(opened.slice(1).every(({ parentId }) => parentId === opened[0]!.stageId)).toBe(true)
      const closed = events.flatMap((event) => event._tag === "StageClosed" ? [event.status] : [])
      expect(closed.toSorted()).toEqual(["completed", "completed", "failed"])
      const shown = events.flatMap((event) =>
        event._tag === "StageAppended" && event.stageId === opened[0]!.stageId ? [event.text] : []
      )
      expect(shown.join("")).toBe("It is 42.")
      expect(model.requests[0]!.messages.map(({ content }) => content)).toContain("What is 6 times 7?")
    }))

  it.effect("a deployment that does not answer is a failed call, not a failed run", () =>
    Effect.gen(function*() {
      const silent = AskAgent.make("ask_gpt", {
        description: "Asks a deployment",
        agent: Agent.make({ name: "gpt", instructions: "" }),
        model: Scripted.make([])
      })
      const error = yield* Effect.flip(callTool(silent, { request: "hello" })).pipe(
        Effect.provideService(ChatModel.ChatModel, Scripted.make([]))
      )
      expect(error).toMatchObject({ reason: "failed" })
      expect(error.message).toContain("\"gpt\" did not answer")
    }))
})

describe("tools with a raw JSON Schema", () => {
  const parameters = {
    type: "object",
    properties: { size: { type: "integer", minimum: 1 }, unit: { enum: ["cm", "in"] } },
    required: ["size"],
    additionalProperties: false
  }
  const measure = AgentTool.fromJsonSchema("measure", {
    description: "Measures",
    parameters,
    success: Schema.String,
    handler: (args) => Effect.succeed(`measured ${String(args.size)}`)
  })

  it.effect("models see the schema as it is, and the handler only what fits it", () =>
    Effect.gen(function*() {
      expect(measure.parameters).toEqual(parameters)
      expect(yield* callTool(measure, { size: 3, unit: "cm" })).toBe("measured 3")
      for (const wrong of [{}, { size: 0 }, { size: 1.5 }, { size: 1, unit: "m" }, { size: 1, other: true }]) {
        const error = yield* Effect.flip(callTool(measure, wrong))
        expect(error).toMatchObject({ reason: "invalid_arguments", retryable: true })
      }
      expect((yield* Effect.flip(callTool(measure, { size: "big" }))).message).toContain("size")
      expect(yield* Effect.flip(callTool(measure, ["size"]))).toMatchObject({ reason: "invalid_arguments" })
    }))
})
