// @effect-diagnostics nodeBuiltinImport:off -- reads the sample files that the repository offers to newcomers
import { expect, layer } from "@effect/vitest"
import {
  Agent,
  Calculate,
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
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"

/** What a newcomer would ask about the sample files; every figure is worked out here again, in whole cents. */
const sample = (name: string) => Fs.readFileSync(new URL(`../../../examples/${name}`, import.meta.url), "utf8")

const names = ["sales.csv", "weather.csv", "handbook.md", "inventory.json", "ragged.csv"]
const contents = Object.fromEntries(names.map((name) => [name, sample(name)]))

const rowsOf = (name: string) => sample(name).trim().split("\n").slice(1).map((line) => line.split(","))

const hundredths = (text: string) => {
  const [whole, part = ""] = text.split(".")
  return Number(whole) * 100 + Number(part.padEnd(2, "0"))
}
const show = (n: number) => `${Math.trunc(n / 100)}.${String(n % 100).padStart(2, "0")}`

const sales = rowsOf("sales.csv").map(([date, region, product, units, price, revenue]) => ({
  date: date!,
  month: date!.slice(0, 7),
  region: region!,
  product: product!,
  units: Number(units),
  price: hundredths(price!),
  revenue: hundredths(revenue!)
}))
const weather = rowsOf("weather.csv").map(([day, station, temperature, rain]) => ({
  day: day!,
  station: station!,
  temperature: hundredths(temperature!),
  rain: hundredths(rain!)
}))
type Sale = typeof sales[number]

const sum = <A>(rows: ReadonlyArray<A>, of: (row: A) => number) => rows.reduce((all, row) => all + of(row), 0)
const revenue = (keep: (sale: Sale) => boolean) => show(sum(sales.filter(keep), (sale) => sale.revenue))
const units = (keep: (sale: Sale) => boolean) => String(sum(sales.filter(keep), (sale) => sale.units))

/** Groups with their totals, the largest first. */
const ranked = <A>(rows: ReadonlyArray<A>, key: (row: A) => string, of: (row: A) => number) =>
  Array.from(new Set(rows.map(key)), (name) => [name, sum(rows.filter((row) => key(row) === name), of)] as const)
    .toSorted((a, b) => b[1] - a[1])

const byMonth = ranked(sales, (sale) => sale.month, (sale) => sale.revenue)
const byProduct = ranked(sales, (sale) => sale.product, (sale) => sale.units)
const byRegion = ranked(sales, (sale) => sale.region, (sale) => sale.revenue)
const rainByDay = ranked(weather, (row) => row.day, (row) => row.rain)
const at = (station: string) => weather.filter((row) => row.station === station)
const average = (station: string, of: (row: typeof weather[number]) => number) =>
  (sum(at(station), of) / at(station).length / 100).toFixed(2)
const warmest = at("Lisbon").toSorted((a, b) => b.temperature - a.temperature)[0]!
const coldest = weather.toSorted((a, b) => a.temperature - b.temperature)
const dearest = sales.toSorted((a, b) => b.price - a.price)[0]!
const cheapest = sales.toSorted((a, b) => a.price - b.price)[0]!

const tools = Toolset.make(QueryTable.tool, ReadFile.tool, Calculate.tool, Remember.tool, Recall.tool)
const agent = Agent.make({ name: "planner", instructions: "", tools })

const askOf = (attached: ReadonlyArray<string>, message: string) =>
  Agent.run(agent, { message, attachments: attached.map((name) => ({ name, size: 1, type: "text/plain" })) })

const ask = (attached: string, message: string) =>
  Effect.map(askOf(attached.split(" ").filter((name) => name !== ""), message), ({ text }) => text)

const bold = (text: string) => Array.from(text.matchAll(/\*\*([^*]+)\*\*/g), ([, value]) => value)

const services = Layer.mergeAll(Planner.layer, Memory.layerMemory, Documents.layer(), Files.layerMemory(contents))

layer(services)("Planner over the sample files", (test) => {
  test.effect.each<readonly [file: string, question: string, answer: ReadonlyArray<string>]>([
    ["sales.csv", "What was the best month?", [byMonth[0]![0], show(byMonth[0]![1])]],
    ["sales.csv", "which product sold the most units?", [byProduct[0]![0], String(byProduct[0]![1])]],
    ["sales.csv", "Which region is the worst?", [byRegion.at(-1)![0], show(byRegion.at(-1)![1])]],
    ["sales.csv", "What is the most expensive product?", [dearest.product, show(dearest.price)]],
    ["sales.csv", "what is the cheapest product?", [cheapest.product, show(cheapest.price)]],
    ["sales.csv", "How many sales in the North region in 2025?", [
      String(sales.filter((sale) => sale.region === "North").length)
    ]],
    ["sales.csv", "How many sales were above 1000?", [String(sales.filter((sale) => sale.revenue > 100_000).length)]],
    ["sales.csv", "How much did we sell in March?", [revenue((sale) => sale.month === "2025-03")]],
    ["sales.csv", "How many lamps were sold?", [units((sale) => sale.product === "Lamp")]],
    ["sales.csv", "How many shelves did we sell in July?", [
      units((sale) => sale.product === "Shelf" && sale.month === "2025-07")
    ]],
    ["sales.csv", "How many products were sold in the North?", [units((sale) => sale.region === "North")]],
    ["sales.csv", "how many products are there?", [String(byProduct.length)]],
    ["sales.csv", "Which products do we sell?", [String(byProduct.length)]],
    ["sales.csv", "What regions are there?", [String(byRegion.length)]],
    ["sales.csv", "What was the revenue on 2025-03-08?", [revenue((sale) => sale.date === "2025-03-08")]],
    ["sales.csv", "Compare North and South", [
      revenue((sale) => sale.region === "North"),
      revenue((sale) => sale.region === "South")
    ]],
    ["sales.csv", "Did revenue grow from January to February?", [
      revenue((sale) => sale.month === "2025-01"),
      revenue((sale) => sale.month === "2025-02")
    ]],
    ["weather.csv", "average temperature in Porto", [average("Porto", (row) => row.temperature)]],
    ["weather.csv", "Was it warmer in Lisbon or Porto?", [
      average("Lisbon", (row) => row.temperature),
      average("Porto", (row) => row.temperature)
    ]],
    ["weather.csv", "What was the warmest day in Lisbon?", [warmest.day, show(warmest.temperature)]],
    ["weather.csv", "When did it rain the most?", [rainByDay[0]![0], show(rainByDay[0]![1])]],
    ["weather.csv", "How much did it rain in Porto?", [show(sum(at("Porto"), (row) => row.rain))]],
    ["sales.csv weather.csv", "What is the average rain in Porto?", [average("Porto", (row) => row.rain)]],
    ["inventory.json", "total stock in Porto", ["50"]],
    ["inventory.json", "How many chairs do we have?", ["41"]],
    ["inventory.json", "Which item has the lowest stock?", ["Lamp", "3"]],
    ["ragged.csv", "What is the total revenue?", ["195.75"]],
    ["", "What is 15% of 240?", ["36"]]
  ])("%s: %s", ([file, question, expected]) =>
    Effect.gen(function*() {
      expect(bold(yield* ask(file, question)).toSorted()).toEqual([...expected].toSorted())
    }))

  test.effect("charts every month", () =>
    Effect.gen(function*() {
      const chart = yield* ask("sales.csv", "chart revenue by month")
      expect(byMonth).toHaveLength(12)
      for (const [month, total] of byMonth) expect(chart).toMatch(new RegExp(`${month} █+ ${show(total)}\n`))
    }))

  test.effect("says who shares the first place", () =>
    Effect.gen(function*() {
      expect(byProduct[0]![1]).toBe(byProduct[1]![1])
      expect(yield* ask("sales.csv", "which product sold the most units?")).toContain(`${byProduct[1]![0]} has just as`)
      expect(coldest[0]!.temperature).toBe(coldest[1]!.temperature)
      const text = yield* ask("weather.csv", "What was the coldest day?")
      expect(text).toContain(`**${coldest[0]!.day}**: **${show(coldest[0]!.temperature)}**. ${coldest[1]!.day} has`)
    }))

  test.effect.each<readonly [file: string, question: string, line: number]>([
    ["handbook.md", "What does the handbook say about late returns?", 10],
    ["handbook.md", "How much does it cost to return a book late?", 10],
    ["handbook.md", "When is the library open?", 5],
    ["handbook.md", "How many books may I borrow?", 9],
    ["handbook.md", "Can I reserve a room?", 14],
    ["sales.csv handbook.md", "When is the library open?", 5]
  ])("%s: %s", ([file, question, line]) =>
    Effect.gen(function*() {
      const text = yield* ask(file, question)
      expect(text).toContain(`> ${sample("handbook.md").split("\n")[line - 1]}`)
      expect(text).toContain(`handbook.md, line ${line}\n`)
      expect(text).not.toContain("No line clearly")
    }))

  test.effect.each([
    ["sales.csv", "What share of revenue comes from the North?"],
    ["sales.csv", "What is the median revenue?"],
    ["sales.csv", "Who is the best customer?"],
    ["sales.csv", "Who is the biggest customer?"],
    ["sales.csv", "How many customers do we have?"],
    ["sales.csv", "Which products are profitable?"],
    ["weather.csv", "On how many days did it rain in Lisbon?"],
    ["weather.csv", "Which day had no rain?"],
    ["inventory.json", "Which items are below their reorder level?"],
    ["inventory.json", "what needs to be reordered?"],
    ["", "What's the weather like today?"],
    ["", "tell me a joke"]
  ])("%s refuses, with something to try: %s", ([file, question]) =>
    Effect.gen(function*() {
      const text = yield* ask(file!, question!)
      expect(bold(text)).toEqual([])
      expect(text).toContain("can't work that out with fixed rules")
      expect(text).toMatch(/Try: "[^"]+"/)
    }))

  test.effect("what it suggests after a refusal, it can answer", () =>
    Effect.gen(function*() {
      for (const file of ["sales.csv", "weather.csv", "inventory.json"]) {
        const suggested = /Try: "([^"]+)"/.exec(yield* ask(file, "What is the median?"))?.[1]
        expect(yield* ask(file, suggested!)).toMatch(/^The (?:total|average) \w+ per \w+:\n\n\|/)
      }
    }))

  test.effect("says when a line may not answer", () =>
    Effect.gen(function*() {
      expect(yield* ask("handbook.md", "Who is the director of the library?")).toMatch(/^No line clearly answers this/)
      expect(yield* ask("handbook.md", "Who is the director?")).toMatch(/no line .*Try: "Summarise handbook\.md"/)
    }))

  test.effect("is polite, says what it is, and never claims to have forgotten", () =>
    Effect.gen(function*() {
      for (const question of ["what can you do?", "hello", "who are you?"]) {
        expect(yield* ask("", question)).toMatch(/not a language model.*Try:/)
      }
      expect(yield* ask("", "thanks")).toMatch(/^You are welcome\..*Try:/)
      expect(yield* ask("", "Remember that Ada lives in Porto.")).toContain("> Ada lives in Porto.")
      expect(yield* ask("", "forget that")).toMatch(/nothing was changed.*Try:/)
      expect(yield* ask("", "What did I tell you about Ada?")).toContain("> Ada lives in Porto.")
    }))
})
