import { expect, layer } from "@effect/vitest"
import {
  Agent,
  Calculate,
  ChatModel,
  Documents,
  Files,
  Memory,
  Planner,
  QueryTable,
  ReadFile,
  Recall,
  Remember,
  Toolset
} from "@sennit/agent"
import type { AgentEvent, Message } from "@sennit/agent"
import { ChatModelContract } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { expectTypeOf } from "vitest"

interface Sale {
  readonly date: string
  readonly product: string
  readonly region: string
  readonly city: string
  readonly quantity: number
  /** In cents, so that the expected values are whole numbers. */
  readonly revenue: number
}

const products = ["Tea", "Coffee", "Cocoa"]
const places = [["North", "Porto"], ["South", "Faro"], ["North", "Braga"], ["South", "Lagos"]] as const

const sales: ReadonlyArray<Sale> = Array.from({ length: 60 }, (_, i) => ({
  date: `2026-${String((i % 6) + 1).padStart(2, "0")}-${String((i % 27) + 1).padStart(2, "0")}`,
  product: products[(i % 7) % 3]!,
  region: places[(i * 7) % 4]![0],
  city: places[(i * 7) % 4]![1],
  quantity: (i % 5) + 1,
  revenue: 1010 + i * 137
}))

const cents = (n: number) => `${Math.trunc(n / 100)}.${String(n % 100).padStart(2, "0")}`

const toCsv = (rows: ReadonlyArray<Sale>) =>
  ["date,product,region,city,quantity,revenue"]
    .concat(rows.map((r) => [r.date, r.product, r.region, r.city, r.quantity, cents(r.revenue)].join(",")))
    .join("\n")

const total = (rows: ReadonlyArray<Sale>) => rows.reduce((sum, row) => sum + row.revenue, 0)
const inMonth = (month: number) => sales.filter((row) => Number(row.date.slice(5, 7)) === month)

const guide = [
  "# Delivery",
  "",
  "Parcels leave the warehouse every weekday at noon.",
  "",
  "# Returns",
  "",
  "Returns are free within 30 days."
].join("\n")

const tools = Toolset.make(QueryTable.tool, ReadFile.tool, Calculate.tool, Remember.tool, Recall.tool)
const agent = Agent.make({ name: "planner", instructions: "", tools })
expectTypeOf(agent).toEqualTypeOf<Agent.Agent<Documents.Documents | Files.Files | Memory.Memory>>()

const attachment = (name: string) => ({ name, size: 1, type: "text/csv" })

const files = {
  "sales.csv": toCsv(sales),
  "guide.md": guide,
  "ragged.csv": "product,revenue\nTea,1.50\nCoffee\nCocoa,2.25,x\nTea,3.00",
  "broken.csv": "a,b\n\"x,1\n",
  "logo.png": new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
}

const services = Layer.mergeAll(Planner.layer, Memory.layerMemory, Documents.layer())

const askIn = (
  contents: Record<string, string | Uint8Array>,
  message: string,
  attached: ReadonlyArray<string> = [],
  history: ReadonlyArray<Message.Message> = []
) =>
  Agent.run(agent, { message, history, attachments: attached.map(attachment), runId: "run" }).pipe(
    Effect.provide(Files.layerMemory(contents))
  )

const ask = (message: string, attached: ReadonlyArray<string> = ["sales.csv"]) =>
  Effect.map(askIn(files, message, attached), ({ text }) => text)

const bold = (text: string) => Array.from(text.matchAll(/\*\*([^*]+)\*\*/g), ([, value]) => value)

const best = (rows: ReadonlyArray<Sale>, key: (row: Sale) => string) =>
  Array.from(new Set(rows.map(key)), (name) => [name, total(rows.filter((row) => key(row) === name))] as const)
    .toSorted((a, b) => b[1] - a[1])

const stable = (events: ReadonlyArray<AgentEvent.AgentEvent>) =>
  events.map((event) => Object.entries(event).filter(([key]) => key !== "at" && key !== "durationMs"))

layer(services)("Planner", (test) => {
  test.effect.each<readonly [question: string, answer: ReadonlyArray<string>]>([
    ["What is the total revenue in March?", [cents(total(inMonth(3)))]],
    ["What is the total revenue?", [cents(total(sales))]],
    ["total revenue for Porto", [cents(total(sales.filter((row) => row.city === "Porto")))]],
    ["How much revenue did we make in the North region in May?", [
      cents(total(inMonth(5).filter((row) => row.region === "North")))
    ]],
    ["What was the total revenue for Tea in 2026-02?", [
      cents(total(inMonth(2).filter((row) => row.product === "Tea")))
    ]],
    ["How many units of Coffee were sold in total?", [
      String(sales.filter((row) => row.product === "Coffee").reduce((sum, row) => sum + row.quantity, 0))
    ]],
    ["How many rows are there in April?", [String(inMonth(4).length)]],
    ["What is the highest revenue in June?", [cents(Math.max(...inMonth(6).map((row) => row.revenue)))]],
    ["minimum revenue", [cents(Math.min(...sales.map((row) => row.revenue)))]],
    ["What is the average quantity?", [String(sales.reduce((sum, row) => sum + row.quantity, 0) / sales.length)]],
    ["Which month had the highest revenue?", [
      best(sales, (row) => row.date.slice(0, 7))[0]![0],
      cents(best(sales, (row) => row.date.slice(0, 7))[0]![1])
    ]],
    ["What was the worst month by revenue?", [
      best(sales, (row) => row.date.slice(0, 7)).at(-1)![0],
      cents(best(sales, (row) => row.date.slice(0, 7)).at(-1)![1])
    ]],
    ["best product in January", [
      best(inMonth(1), (row) => row.product)[0]![0],
      cents(best(inMonth(1), (row) => row.product)[0]![1])
    ]],
    ["Total revenue from February to April 2026", [cents(total([...inMonth(2), ...inMonth(3), ...inMonth(4)]))]],
    ["Total revenue in Q1", [cents(total([...inMonth(1), ...inMonth(2), ...inMonth(3)]))]],
    ["Compare total revenue in March and April", [cents(total(inMonth(3))), cents(total(inMonth(4)))]],
    ["total revenue for Porto and Faro", [
      cents(total(sales.filter((row) => row.city === "Porto"))),
      cents(total(sales.filter((row) => row.city === "Faro")))
    ]],
    ["total revenue excluding Tea", [cents(total(sales.filter((row) => row.product !== "Tea")))]],
    ["What is the total revenue in December?", ["0"]]
  ])("%s", ([question, expected]) =>
    Effect.gen(function*() {
      const text = yield* ask(question)
      if (expected[0] === "0") expect(text).toContain("no rows")
      else expect(bold(text).toSorted()).toEqual([...expected].toSorted())
      expect(text).toContain("query_table")
      expect(text).toContain("sales.csv")
    }))

  test.effect("groups and ranks in a table, and draws a chart", () =>
    Effect.gen(function*() {
      const perRegion = yield* ask("total revenue per region")
      for (const [region, sum] of best(sales, (row) => row.region)) {
        expect(perRegion).toContain(`| ${region} | ${cents(sum)} |`)
      }
      const top = yield* ask("top 2 products by revenue")
      const ranked = best(sales, (row) => row.product)
      expect(top).toContain(`| 1 | ${ranked[0]![0]} | ${cents(ranked[0]![1])} |`)
      expect(top).toContain(`| 2 | ${ranked[1]![0]} | ${cents(ranked[1]![1])} |`)
      expect(top).not.toContain(ranked[2]![0])
      const chart = yield* ask("chart revenue by month")
      for (let month = 1; month <= 6; month++) {
        expect(chart).toMatch(new RegExp(`2026-0${month} █+ ${cents(total(inMonth(month))).replace(".", "\\.")}`))
      }
    }))

  test.effect("changing one cell changes the answer", () =>
    Effect.gen(function*() {
      const changed = sales.with(2, { ...sales[2]!, revenue: sales[2]!.revenue + 1 })
      const before = yield* askIn(files, "What is the total revenue in March?", ["sales.csv"])
      const after = yield* askIn({ "sales.csv": toCsv(changed) }, "What is the total revenue in March?", ["sales.csv"])
      expect(bold(before.text)).toEqual([cents(total(inMonth(3)))])
      expect(bold(after.text)).toEqual([cents(total(inMonth(3)) + 1)])
    }))

  test.effect("looks at the table before it queries it, and answers only after both", () =>
    Effect.gen(function*() {
      const { events } = yield* askIn(files, "What is the total revenue in March?", ["sales.csv"])
      const calls = events.flatMap((e) =>
        e._tag === "ToolCallReady" ? [[e.name, Object.keys(JSON.parse(e.arguments))]] : []
      )
      expect(calls).toEqual([
        ["query_table", ["file", "mentionedIn"]],
        ["query_table", ["file", "aggregates", "filters"]]
      ])
      expect(events.filter((e) => e._tag === "TextDelta").length).toBeGreaterThan(1)
    }))

  test.effect("a file attached earlier is still there, and a short question goes on from the last", () =>
    Effect.gen(function*() {
      const first = yield* askIn(files, "What is the total revenue in March?", ["sales.csv"])
      const second = yield* askIn(files, "And in April?", [], first.messages)
      expect(bold(second.text)).toEqual([cents(total(inMonth(4)))])
    }))

  test.effect("several files are looked at side by side", () =>
    Effect.gen(function*() {
      const { events, text } = yield* askIn(
        { ...files, "staff.csv": "name,salary\nAda,10\nBob,20" },
        "What is the total salary?",
        ["sales.csv", "staff.csv"]
      )
      expect(bold(text)).toEqual(["30"])
      expect(text).toContain("staff.csv")
      const first = events.findIndex((e) => e._tag === "StepFinished")
      expect(events.slice(0, first).filter((e) => e._tag === "ToolCallReady")).toHaveLength(2)
    }))

  test.effect.each<readonly [question: string, answer: ReadonlyArray<string>]>([
    ["What is the average unit price?", ["3.00"]],
    ["total weight", ["60"]],
    ["Which item has the highest price?", ["Lamp", "4.50"]],
    ["How many orders are there?", ["2"]],
    ["How many rows with weight over 25?", ["1"]]
  ])("columns are found by the words of their names: %s", ([question, expected]) =>
    Effect.gen(function*() {
      const csv = "Item,UnitPrice,Weight (kg)\nCup,1.50,20\nLamp,4.50,40"
      const { text } = yield* askIn({ "orders.csv": csv }, question, ["orders.csv"])
      expect(bold(text)).toEqual(expected)
    }))

  test.effect("describes a table and a text", () =>
    Effect.gen(function*() {
      const description = yield* ask("What is in this file?")
      expect(description).toContain("60 rows and 6 columns")
      expect(description).toContain("2026-01-01 to 2026-06-")
      const summary = yield* ask("Summarise this", ["guide.md"])
      expect(summary).toContain("- Delivery\n- Returns")
    }))

  test.effect("quotes the line of a text that fits the question, with its number", () =>
    Effect.gen(function*() {
      const text = yield* ask("When do parcels leave?", ["guide.md"])
      expect(text).toContain("> Parcels leave the warehouse every weekday at noon.")
      expect(text).toContain("guide.md, line 3")
      expect(text).toContain("read_file")
    }))

  test.effect("leaves ragged rows out only with saying so", () =>
    Effect.gen(function*() {
      const text = yield* ask("What is the total revenue?", ["ragged.csv"])
      expect(bold(text)).toEqual(["4.50"])
      expect(text).toContain("2 left out")
      expect(text).toContain("row 3, 4")
    }))

  test.effect("names the file and what to do when it cannot be used", () =>
    Effect.gen(function*() {
      expect(yield* ask("What is the total of a?", ["broken.csv"])).toMatch(/broken\.csv.*quotation mark/)
      expect(yield* ask("Summarise this", ["logo.png"])).toMatch(/logo\.png.*PNG image.*convert/)
      expect(yield* ask("What is the total revenue?", ["missing.csv"])).toMatch(/missing\.csv.*no such file/)
    }))

  test.effect.each([
    ["what is 17*23+4", String(17 * 23 + 4)],
    ["15% of 240", "36"],
    ["What is 0.1 + 0.2?", "0.3"],
    ["calculate (2+3)^2 / 4", "6.25"],
    ["12 divided by 8", "1.5"]
  ])("%s", ([question, expected]) =>
    Effect.gen(function*() {
      const text = yield* ask(question!, [])
      expect(bold(text)).toEqual([expected])
      expect(text).toContain("calculate")
    }))

  test.effect("remembers, and answers from what was remembered, also in another conversation", () =>
    Effect.gen(function*() {
      expect(yield* ask("Remember that my sister's name is Grace.", [])).toContain("> my sister's name is Grace.")
      yield* ask("Remember that Ada lives in Porto", [])
      const where = yield* ask("Where does Ada live?", [])
      expect(where).toContain("> Ada lives in Porto")
      expect(where).toMatch(/recall from memory note-\d+/)
      expect(where).not.toContain("Grace")
      expect(yield* ask("What is my sister's name?", [])).toContain("> my sister's name is Grace.")
      expect(yield* ask("Where does Bob live?", [])).toContain("found no note")
    }))

  test.effect.each([
    "Explain quantum chromodynamics.",
    "How do I defrost food?",
    "Write me a poem about the sea",
    "asdf"
  ])(
    "refuses: %s",
    (question) =>
      Effect.gen(function*() {
        const text = yield* ask(question, [])
        expect(text).toContain("I can't work that out with fixed rules")
        expect(text).toContain("Try:")
      })
  )

  test.effect("the same conversation gives the same events", () =>
    Effect.gen(function*() {
      const once = yield* askIn(files, "top 2 products by revenue", ["sales.csv"])
      const again = yield* askIn(files, "top 2 products by revenue", ["sales.csv"])
      expect(stable(again.events)).toEqual(stable(once.events))
    }))

  test.effect("says that it is no language model", () =>
    Effect.map(ChatModel.ChatModel, (model) => expect(model.name).toContain("not a language model")))

  for (const { check, name } of ChatModelContract.cases) {
    test.effect(name, () => check("What can you do?"))
  }
})
