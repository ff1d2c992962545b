import { describe, expect, it } from "@effect/vitest"
import { Documents, Files, QueryTable } from "@sennit/agent"
import type { AgentTool } from "@sennit/agent"
import { ToolContext } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

const context = ToolContext.make({ runId: "r", callId: "c" })
const decodeAnswer = Schema.decode(Schema.parseJson(QueryTable.Answer))
const decodeDescription = Schema.decode(Schema.parseJson(QueryTable.Description))

const invoke = <R>(tool: AgentTool.AgentTool<R>, files: Record<string, string | Uint8Array>, args: object) =>
  Effect.provide(tool.invoke(args, context), Layer.merge(Files.layerMemory(files), Documents.layer()))

const query = (csv: string, args: object, file = "t.csv") =>
  Effect.flatMap(invoke(QueryTable.tool, { [file]: csv }, { file, ...args }), decodeAnswer)

const refuse = (files: Record<string, string | Uint8Array>, args: object) =>
  Effect.map(Effect.flip(invoke(QueryTable.tool, files, args)), ({ message }) => message)

const sum = (column: string) => ({ aggregates: [{ fn: "sum", column }] })

const show = (n: bigint) => {
  const digits = (n < 0n ? -n : n).toString().padStart(3, "0")
  return `${n < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

const months = (cells: ReadonlyArray<string>) =>
  Effect.map(
    query(["d", ...cells.map((cell) => `"${cell}"`)].join("\n"), {
      groupBy: [{ column: "d", by: "month" }],
      aggregates: [{ fn: "count" }]
    }),
    ({ rows }) => rows
  )

describe("numbers", () => {
  it.effect.prop("sums of cents are exact, and keep their cents", [
    FC.array(FC.integer({ min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 50 })
  ], ([
    cents
  ]) =>
    Effect.gen(function*() {
      const csv = ["v", ...cents.map((n) => show(BigInt(n)))].join("\n")
      const expected = show(cents.reduce((all, n) => all + BigInt(n), 0n))
      const { rows } = yield* query(csv, sum("v"))
      expect(rows[0]![0]).toBe(expected)
    }))

  it.effect.each<readonly [string, ReadonlyArray<string>, string]>([
    ["drift", ["0.1", "0.2"], "0.30"],
    ["thousands", ["1,234.50", "2,000"], "3234.50"],
    ["European", ["1.234,50", "0,25"], "1234.75"],
    ["currency", ["$10", "-$2.50"], "7.50"],
    ["parentheses are negative", ["(3)", "10"], "7"],
    ["percent", ["5%", "7%"], "12"],
    ["spaces", ["1 000", "2 000"], "3000"],
    ["many digits", ["12345678901234567890", "1"], "12345678901234567891"]
  ])("%s", ([, cells, expected]) =>
    Effect.gen(function*() {
      const csv = ["v", ...cells.map((cell) => `"${cell}"`)].join("\n")
      expect((yield* query(csv, sum("v"))).rows).toEqual([[expected]])
    }))

  it.effect("blank cells are left out and counted", () =>
    Effect.gen(function*() {
      const result = yield* query("n,v\na,1\nb,n/a\nc,3\nd,", { aggregates: [{ fn: "avg", column: "v" }] })
      expect(result).toMatchObject({ rows: [["2"]], rowsMatched: 4, rowsUsed: 2 })
      expect(result.skipped).toEqual([{ reason: "no value in \"v\"", count: 2, rows: "3, 5" }])
    }))

  it.effect("a column with text cannot be added up", () =>
    Effect.map(
      refuse({ "t.csv": "v\n1\nabc" }, { file: "t.csv", ...sum("v") }),
      (message) => expect(message).toContain("row 3 has \"abc\"")
    ))
})

describe("dates", () => {
  it.effect.each<readonly [string, ReadonlyArray<string>, ReadonlyArray<ReadonlyArray<string>>]>([
    ["ISO", ["2026-03-31", "2026-01-02T10:00:00Z"], [["2026-01", "1"], ["2026-03", "1"]]],
    ["day first", ["31/03/2026", "01/02/2026"], [["2026-02", "1"], ["2026-03", "1"]]],
    ["month first", ["03/31/2026", "01/02/2026"], [["2026-01", "1"], ["2026-03", "1"]]],
    ["points", ["31.3.2026", "1.2.2026"], [["2026-02", "1"], ["2026-03", "1"]]],
    ["names", ["5 March 2026", "Jan 7, 2026"], [["2026-01", "1"], ["2026-03", "1"]]],
    ["months alone, in order", ["March", "January", "March"], [["January", "1"], ["March", "2"]]]
  ])("%s", ([, cells, expected]) => Effect.map(months(cells), (rows) => expect(rows).toEqual(expected)))

  it.effect("a day that does not exist is no date", () =>
    Effect.map(Effect.exit(months(["2026-02-30"])), (exit) => expect(exit._tag).toBe("Failure")))

  it.effect.each<readonly [object, number]>([
    [{ op: "month", value: "March" }, 2],
    [{ op: "month", value: "2025-03" }, 1],
    [{ op: "year", value: 2026 }, 2],
    [{ op: "between", value: "2026-01", to: "2026-03" }, 2],
    [{ op: "gt", value: "2025-12-31" }, 2],
    [{ op: "lte", value: "2026-01" }, 2]
  ])("filter %o", ([filter, expected]) =>
    Effect.gen(function*() {
      const csv = "d,v\n2025-03-01,1\n2026-01-15,2\n2026-03-31,3"
      const { rowsMatched } = yield* query(csv, {
        filters: [{ column: "d", ...filter }],
        aggregates: [{ fn: "count" }]
      })
      expect(rowsMatched).toBe(expected)
    }))
})

describe("what files really look like", () => {
  it.effect.each<readonly [string, string, string]>([
    ["semicolons", "t.csv", "a;v\nx;1\ny;2"],
    ["tabs", "t.tsv", "a\tv\nx\t1\ny\t2"],
    ["CRLF and a byte order mark", "t.csv", "\ufeffa,v\r\nx,1\r\ny,2\r\n"],
    ["quoted newlines and quotes", "t.csv", "a,v\n\"x\n\"\"q\"\"\",1\ny,2\n\n"],
    ["JSON", "t.json", "[{\"a\":\"x\",\"v\":1},{\"a\":\"y\",\"v\":2}]"],
    ["JSON within an object", "t.json", "{\"rows\":[{\"v\":1},{\"v\":2}],\"n\":2}"]
  ])(
    "%s",
    ([, file, text]) =>
      Effect.map(
        query(text, sum("v"), file),
        (result) => expect(result).toMatchObject({ rows: [["3"]], rowsMatched: 2 })
      )
  )

  it.effect("ragged rows fail with their numbers, and are counted when lenient", () =>
    Effect.gen(function*() {
      const csv = "a,v\nx,1\ny\nz,2,3\nw,4"
      const message = yield* refuse({ "t.csv": csv }, { file: "t.csv", ...sum("v") })
      expect(message).toContain("Rows 3, 4")
      const result = yield* query(csv, { ...sum("v"), lenient: true })
      expect(result.rows).toEqual([["5"]])
      expect(result.skipped[0]).toMatchObject({ count: 2, rows: "3, 4" })
    }))

  it.effect("an unknown column, file or name gets the closest one", () =>
    Effect.gen(function*() {
      const files = { "sales.csv": "product,revenue\nTea,1" }
      expect(yield* refuse(files, { file: "sales.csv", ...sum("revenu") })).toContain("Did you mean \"revenue\"?")
      expect(yield* refuse(files, { file: "sale.csv" })).toContain("Did you mean \"sales.csv\"?")
    }))

  it.effect.each<readonly [string, string | Uint8Array, string]>([
    ["a.csv", new Uint8Array([0x25, 0x50, 0x44, 0x46, 0x2d, 0x31]), "PDF"],
    ["a.csv", new Uint8Array([0x61, 0x00, 0x62]), "binary"],
    ["a.csv", new Uint8Array([0x61, 0xe9, 0x62]), "not valid UTF-8"],
    ["a.csv", "", "empty"],
    ["a.json", "{", "not valid JSON"],
    ["a.json", "[1,2]", "no list of objects"],
    ["a.csv", "a\n\"x", "quotation mark"]
  ])(
    "%s is refused",
    ([name, content, expected]) =>
      Effect.map(refuse({ [name]: content }, { file: name }), (message) => {
        expect(message).toContain(name)
        expect(message).toContain(expected)
      })
  )

  it.effect("UTF-16 with a byte order mark is read", () =>
    Effect.gen(function*() {
      const units = Array.from("\ufeffv\n7", (sign) => sign.charCodeAt(0))
      const bytes = new Uint8Array(units.flatMap((unit) => [unit & 0xff, unit >> 8]))
      const text = yield* invoke(QueryTable.tool, { "t.csv": bytes }, { file: "t.csv", ...sum("v") })
      expect((yield* decodeAnswer(text)).rows).toEqual([["7"]])
    }))

  it.effect("a file beyond 50 MB is refused before it is parsed", () =>
    Effect.map(
      refuse({ "big.csv": new Uint8Array(50 * 1024 * 1024 + 1).fill(0x61) }, { file: "big.csv" }),
      (message) => expect(message).toMatch(/big\.csv.*50 MB/)
    ))
})

it.effect("a table is described with types, ranges and the cells that a text mentions", () =>
  Effect.gen(function*() {
    const csv = "day,city,price\n2026-01-05,Porto,1.5\n2026-03-01,Vila Real,\n2026-02-01,Real,20"
    const text = yield* invoke(QueryTable.tool, { "t.csv": csv }, {
      file: "t.csv",
      mentionedIn: "Rain in vila real, in real life"
    })
    const description = yield* decodeDescription(text)
    expect(description.columns).toEqual([
      { name: "day", type: "date", blank: 0, min: "2026-01-05", max: "2026-03-01" },
      { name: "city", type: "text", blank: 0, distinct: 3, examples: ["Porto", "Vila Real", "Real"] },
      { name: "price", type: "number", blank: 1, min: "1.5", max: "20" }
    ])
    expect(description.mentioned).toEqual([{ column: "city", value: "Vila Real" }, { column: "city", value: "Real" }])
  }))

describe("tables too large for the event loop", () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => `2026-03-${String(i % 28 + 1).padStart(2, "0")},${i}.25`)
  const csv = ["day,price", ...rows].join("\n")

  it.live("are answered in a thread, exactly", () =>
    Effect.gen(function*() {
      const answer = yield* query(csv, {
        filters: [{ column: "day", op: "lte", value: "2026-03-07" }],
        ...sum("price")
      })
      const used = rows.flatMap((_, i) => i % 28 < 7 ? [i] : [])
      const cents = used.reduce((total, i) => total + i * 100 + 25, 0)
      expect(answer.rows).toEqual([[(cents / 100).toFixed(2)]])
      expect(answer.rowsUsed).toBe(used.length)
      const description = yield* Effect.flatMap(
        invoke(QueryTable.tool, { "t.csv": csv }, { file: "t.csv" }),
        decodeDescription
      )
      expect(description).toMatchObject({ rowCount: rows.length, columns: [{ type: "date" }, { type: "number" }] })
    }))

  it.live("are refused as small ones are", () =>
    Effect.gen(function*() {
      const ragged = yield* refuse({ "t.csv": `${csv}\nx` }, { file: "t.csv", ...sum("price") })
      expect(ragged).toContain(`Row ${rows.length + 2} has another number of cells`)
      expect(yield* refuse({ "t.csv": csv }, { file: "t.csv", ...sum("prize") })).toContain("Did you mean \"price\"?")
      const latin = new Uint8Array(100_000).fill(0xe9)
      expect(yield* refuse({ "t.csv": latin }, { file: "t.csv" })).toContain("not valid UTF-8")
      const image = new Uint8Array(100_000)
      image.set([0x89, 0x50, 0x4e, 0x47])
      expect(yield* refuse({ "t.csv": image }, { file: "t.csv" })).toContain("a PNG image")
    }))

  it.live("are given up in the middle when they take too long", () =>
    Effect.gen(function*() {
      const layers = Layer.merge(Files.layerMemory({ "t.csv": csv }), Documents.layer({ timeout: "1 millis" }))
      const error = yield* Effect.flip(Effect.provide(QueryTable.tool.invoke({ file: "t.csv" }, context), layers))
      expect(error.message).toContain("took too long and was stopped")
    }))
})
