import { expect, layer } from "@effect/vitest"
import {
  Agent,
  Charts,
  CodeSandbox,
  Documents,
  DrawChart,
  Files,
  Forget,
  Memory,
  Planner,
  QueryTable,
  ReadFile,
  Recall,
  Remember,
  RunCode,
  SearchDocuments,
  Toolset
} from "@sennit/agent"
import type { AgentEvent } from "@sennit/agent"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { drawLines, writePdf } from "./support/writePdf.ts"

const agent = Agent.make({
  name: "planner",
  instructions: "",
  tools: Toolset.make(
    QueryTable.tool,
    ReadFile.tool,
    SearchDocuments.tool,
    DrawChart.tool,
    RunCode.tool,
    Remember.tool,
    Recall.tool,
    Forget.tool
  )
})

const services = Layer.mergeAll(
  Planner.layer,
  Documents.layer(),
  Charts.layer(),
  CodeSandbox.layer(),
  Memory.layerMemory
)

const report = (tonnes: number) =>
  writePdf([
    drawLines(["Annual report", "Our harbour is in Porto."]),
    drawLines(["Cargo", `The harbour handled ${tonnes} tonnes of cargo.`])
  ])

const csv = (revenues: ReadonlyArray<number>) =>
  ["product,revenue", ...revenues.map((revenue, i) => `${["Tea", "Coffee"][i % 2]},${revenue}`)].join("\n")

const ask = (message: string, files: Record<string, string | Uint8Array> = {}) =>
  Agent.run(agent, {
    message,
    attachments: Object.keys(files).map((name) => ({ name, size: 1, type: "text/plain" })),
    conversation: "c",
    user: "u"
  }).pipe(Effect.provide(Files.layerMemory(files)))

const toolsOf = (events: ReadonlyArray<AgentEvent.AgentEvent>) =>
  events.flatMap((event) =>
    event._tag === "ToolResult" ? [event.error === undefined ? event.name : `${event.name}!`] : []
  )

layer(services, { excludeTestServices: true })("the planner with all its tools", (test) => {
  test.effect("answers from a PDF in its own words, and names the page", () =>
    Effect.gen(function*() {
      for (const tonnes of [1234, 98_765]) {
        const { events, text } = yield* ask("How many tonnes of cargo did the harbour handle?", {
          "report.pdf": report(tonnes)
        })
        expect(text).toContain(`> The harbour handled ${tonnes} tonnes of cargo.`)
        expect(text).toMatch(/report\.pdf, page 2, characters \d+ to \d+/)
        expect(toolsOf(events)).toEqual(["search_documents"])
      }
    }))

  test.effect("says that a PDF holds nothing about something, and that it cannot be read", () =>
    Effect.gen(function*() {
      const { text } = yield* ask("What does it say about zeppelins?", { "report.pdf": report(1) })
      expect(text).toContain("no passage")
      const broken = yield* ask("What does it say about cargo?", { "report.pdf": report(1).subarray(0, 100) })
      expect(broken.text).toContain("search_documents did not succeed")
    }))

  test.effect("draws the chart of a table, and shows the figures that it drew", () =>
    Effect.gen(function*() {
      const { attachments, events, text } = yield* ask("Chart the total revenue per product", {
        "sales.csv": csv([10, 20, 30, 40])
      })
      expect(toolsOf(events)).toEqual(["query_table", "query_table", "draw_chart"])
      expect(attachments).toMatchObject([{ name: "chart.svg", type: "image/svg+xml" }])
      expect(text).toContain("**chart.svg**")
      expect(text).toMatch(/\| Tea \| 40 \|/)
      expect(text).toMatch(/\| Coffee \| 60 \|/)
    }))

  test.effect("works out a median in the sandbox, from the file as it is", () =>
    Effect.gen(function*() {
      const first = yield* ask("What is the median revenue?", { "sales.csv": csv([5, 1, 100, 7]) })
      expect(first.text).toContain("The median of revenue is **6**.")
      expect(first.text).toContain("4 of 4 rows used")
      expect(toolsOf(first.events)).toEqual(["query_table", "run_code"])
      const second = yield* ask("What is the standard deviation of revenue?", { "sales.csv": csv([2, 4, 6]) })
      expect(second.text).toContain("**2**")
    }))

  test.effect("refuses a median of some rows, which it cannot choose", () =>
    Effect.gen(function*() {
      const { events, text } = yield* ask("What is the median revenue of Tea?", { "sales.csv": csv([5, 1, 100, 7]) })
      expect(text).toContain("can't work that out")
      expect(toolsOf(events)).toEqual(["query_table"])
    }))

  test.effect("runs code that is put to it, over the attached file", () =>
    Effect.gen(function*() {
      const { text } = yield* ask("Run this:\n```python\nprint('rows', len(read_csv('sales.csv')))\n6 * 7\n```", {
        "sales.csv": csv([1, 2, 3])
      })
      expect(text).toContain("rows 3")
      expect(text).toContain("42")
      expect((yield* ask("```js\nnull.x\n```")).text).toContain("TypeError")
    }))

  test.effect("forgets the one note that is meant, and no other", () =>
    Effect.gen(function*() {
      yield* ask("Remember that Ada lives in Porto.")
      yield* ask("Remember that Bob lives in Faro.")
      const { events, text } = yield* ask("Forget that Ada lives in Porto")
      expect(text).toContain("> Ada lives in Porto")
      expect(toolsOf(events)).toEqual(["recall", "forget"])
      expect((yield* ask("Where does Bob live?")).text).toContain("Faro")
      expect((yield* ask("Forget that Ada lives in Porto")).text).toContain("nothing was forgotten")
      expect((yield* ask("Forget everything")).text).toMatch(/nothing was (?:changed|forgotten)/)
    }))
})
