// @effect-diagnostics nodeBuiltinImport:off -- hostile streams are made with zlib; the process is asked for its threads
import { describe, expect, it, layer } from "@effect/vitest"
import { Documents, Files, ReadFile, SearchDocuments } from "@sennit/agent"
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { deflateSync } from "node:zlib"
import { callTool } from "./support/callTool.ts"
import { drawLines, writePdf } from "./support/writePdf.ts"

const decodePage = Schema.decode(Schema.parseJson(ReadFile.Page))
const decodePassages = Schema.decode(Schema.parseJson(SearchDocuments.Passages))

type Contents = Record<string, string | Uint8Array>

const read = (files: Contents, file: string, page = 1) =>
  callTool(ReadFile.tool, { file, page }).pipe(
    Effect.provide(Files.layerMemory(files)),
    Effect.flatMap(decodePage)
  )

const refuse = (files: Contents, file: string) =>
  Effect.flip(Effect.flatMap(Documents.Documents, (documents) => documents.read(file))).pipe(
    Effect.provide(Files.layerMemory(files))
  )

const fieldsOf = ({ name, reason }: { readonly name: string; readonly reason: string }) => [reason, name]

const report = writePdf([
  drawLines(["Annual report (2025)", "The harbour of Porto handled 14 million tonnes."]),
  drawLines(["Energy", "The solar plant in Faro produced 320 gigawatt hours."]),
  drawLines(["Staff", "At the end of the year 1250 people worked for us."])
])

/** 200 MB of blanks, in two hundred kilobytes. */
const bomb = writePdf([{ content: deflateSync(Buffer.alloc(200e6, " ")), filter: "/Filter /FlateDecode" }])

layer(Documents.layer())("reading", (test) => {
  test.effect("a PDF is read as the text that it shows, page after page", () =>
    Effect.gen(function*() {
      const { text, type } = yield* read({ "report.pdf": report }, "report.pdf")
      expect(type).toBe("application/pdf")
      expect(text.split("\n").filter((line) => line !== "")).toEqual([
        "Annual report (2025)",
        "The harbour of Porto handled 14 million tonnes.",
        "Energy",
        "The solar plant in Faro produced 320 gigawatt hours.",
        "Staff",
        "At the end of the year 1250 people worked for us."
      ])
    }))

  test.effect("what a PDF is does not depend on its name", () =>
    Effect.gen(function*() {
      expect((yield* read({ "notes.txt": report }, "notes.txt")).text).toContain("harbour of Porto")
    }))

  test.effect("HTML becomes Markdown without scripts, styles and images", () =>
    Effect.gen(function*() {
      const html = "<!doctype html><title>Shop</title><style>p{}</style><script>steal()</script>" +
        "<h2>Prices &amp; more</h2><p>See <a href=\"https://x.test/\">the list</a>.</p>" +
        "<img src=\"https://spy.test/p.png\" alt=\"a cup\"><ul><li>Tea</li><li>Coffee</li></ul>" +
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"
      const { text } = yield* read({ "shop.html": html }, "shop.html")
      expect(text).toContain("## Prices & more")
      expect(text).toContain("[the list](https://x.test/)")
      expect(text).toMatch(/^-\s+Tea$/m)
      expect(text).toContain("| 1 | 2 |")
      expect(text).toContain("a cup")
      for (const gone of ["steal", "p{}", "spy.test"]) expect(text).not.toContain(gone)
    }))

  test.effect("CSV, JSON and Markdown stay as they are written", () =>
    Effect.gen(function*() {
      const files = { "a.csv": "x,y\n\"1,5\",2\n", "b.json": "{\"a\": 1}", "c.md": "# T\n\n- x" }
      for (const [name, text] of Object.entries(files)) expect((yield* read(files, name)).text).toBe(text)
    }))

  test.effect("a large text is decoded elsewhere, with the same result", () =>
    Effect.gen(function*() {
      const text = "täglich 12\n".repeat(150_000)
      const { pages, text: first } = yield* read({ "big.txt": text }, "big.txt")
      expect(pages).toBe(Math.ceil(text.length / 10_000))
      expect(first).toBe(text.slice(0, 10_000))
      const broken = new Uint8Array(2 * 1024 * 1024).fill(0xc3)
      expect((yield* refuse({ "big.txt": broken }, "big.txt")).reason).toBe("NotText")
    }))

  test.effect.prop("the pages of a file are the file", [
    FC.string({ unit: "binary", maxLength: 100 }),
    FC.integer({ min: 1, max: 400 })
  ], ([unit, times]) =>
    Effect.gen(function*() {
      const text = `x${unit.replace(/[\ud800-\udfff\0]/g, "")}`.repeat(times)
      const page = (number: number) => read({ "t.txt": text }, "t.txt", number)
      const { pages } = yield* page(1)
      const all = yield* Effect.forEach(Array.from({ length: pages }, (_, i) => i + 1), page)
      expect(all.map((one) => one.text).join("")).toBe(text)
      const beyond = yield* Effect.flip(page(pages + 1))
      expect(beyond.message).toContain(`has ${pages} page`)
    }))
})

layer(Documents.layer({ timeout: "1 minute" }), { excludeTestServices: true })("hostile files", (test) => {
  test.effect("a PDF that unpacks to 200 MB is refused, and the next one is read", () =>
    Effect.gen(function*() {
      expect(fieldsOf(yield* refuse({ "bomb.pdf": bomb }, "bomb.pdf"))).toEqual(["TooLarge", "bomb.pdf"])
      expect((yield* read({ "report.pdf": report }, "report.pdf")).text).toContain("Faro")
    }))

  test.effect("broken files are typed errors that name the file", () =>
    Effect.gen(function*() {
      const cut = report.subarray(0, 200)
      expect(fieldsOf(yield* refuse({ "cut.pdf": cut }, "cut.pdf"))).toEqual(["Damaged", "cut.pdf"])
      const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10])
      expect((yield* refuse({ "a.txt": png }, "a.txt")).reason).toBe("Binary")
      const zip = new Uint8Array([0x50, 0x4b, 0x03, 0x04, 0])
      expect((yield* refuse({ "a.docx": zip }, "a.docx")).reason).toBe("Binary")
      expect((yield* refuse({}, "gone.pdf")).reason).toBe("NotFound")
    }))
})

const threads = () => process.getActiveResourcesInfo().filter((name) => name === "MessagePort").length

describe("bounds", () => {
  it.scopedLive("a document that takes too long is stopped with its thread", () =>
    Effect.gen(function*() {
      const error = yield* refuse({ "report.pdf": report }, "report.pdf").pipe(
        Effect.provide(Documents.layer({ timeout: "1 millis" }))
      )
      expect(error).toMatchObject({ reason: "TooSlow" })
    }))

  it.scopedLive("a page that is nested without end is stopped, if it is not refused before", () =>
    Effect.gen(function*() {
      const deep = "<div>".repeat(20_000)
      const { reason } = yield* Effect.provide(
        refuse({ "deep.html": deep }, "deep.html"),
        Documents.layer({ timeout: "2 seconds" })
      )
      expect(reason).toMatch(/Damaged|TooSlow/)
    }))

  it.scopedLive("a text that is longer than allowed is refused, not cut", () =>
    Effect.gen(function*() {
      const small = Documents.layer({ maxChars: 60 })
      expect(yield* Effect.provide(refuse({ "report.pdf": report }, "report.pdf"), small)).toMatchObject({
        reason: "TooLarge"
      })
    }))

  it.live("interruption ends the thread at once, and the scope leaves none", () =>
    Effect.gen(function*() {
      const before = threads()
      yield* Effect.scoped(Effect.gen(function*() {
        const documents = yield* Documents.make()
        const reading = yield* Effect.fork(
          Effect.provide(documents.read("bomb.pdf"), Files.layerMemory({ "bomb.pdf": bomb }))
        )
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(reading)
        const { text } = yield* Effect.provide(documents.read("r.pdf"), Files.layerMemory({ "r.pdf": report }))
        expect(text).toContain("Porto")
      }))
      expect(threads()).toBe(before)
    }))
})

const ask = (text: string) =>
  Effect.flatMap(Documents.Documents, (documents) => documents.search(["a.md"], "capital", 1)).pipe(
    Effect.provide(Files.layerMemory({ "a.md": text }))
  )

layer(Documents.layer())("searching", (test) => {
  const files: Contents = {
    "report.pdf": report,
    "handbook.md":
      "# Returns\n\nReturns are free within 30 days.\n\n# Delivery\n\nParcels leave every weekday at noon.",
    "logo.png": new Uint8Array([0x89, 0x50, 0x4e, 0x47])
  }
  const search = (args: object) =>
    callTool(SearchDocuments.tool, args).pipe(
      Effect.provide(Files.layerMemory(files)),
      Effect.flatMap(decodePassages),
      Effect.map(({ passages }) => passages)
    )

  test.effect("passages name their file and page, and stand where they say", () =>
    Effect.gen(function*() {
      const [best] = yield* search({ query: "How much did the solar plant produce?" })
      expect(best).toMatchObject({ file: "report.pdf", page: 2 })
      expect(best!.text).toContain("320 gigawatt hours")
      const { text } = yield* Effect.flatMap(Documents.Documents, (documents) => documents.read("report.pdf")).pipe(
        Effect.provide(Files.layerMemory(files))
      )
      expect(text.slice(best!.start, best!.end)).toBe(best!.text)
      const [other] = yield* search({ query: "are returns free?" })
      expect(other).toMatchObject({ file: "handbook.md" })
      expect(other!.page).toBeUndefined()
    }))

  test.effect.prop("every passage stands where it says, is bounded, and splits no character", [
    FC.array(FC.constantFrom("word", "\n\n", ". ", " ", "😀".repeat(500), "x".repeat(1200)), {
      minLength: 1,
      maxLength: 30
    })
  ], ([parts]) =>
    Effect.gen(function*() {
      const text = `word ${parts.join("")}`
      const documents = yield* Documents.Documents
      const found = yield* Effect.provide(documents.search(["a.md"], "word", 20), Files.layerMemory({ "a.md": text }))
      expect(found.length).toBeGreaterThan(0)
      for (const { end, start, text: passage } of found) {
        expect(text.slice(start, end)).toBe(passage)
        expect(passage.length).toBeLessThanOrEqual(900)
        expect(passage).not.toMatch(/^[\udc00-\udfff]|[\ud800-\udbff]$/)
      }
    }))

  test.effect("only the named files are searched, and never more passages are given than asked for", () =>
    Effect.gen(function*() {
      const found = yield* search({ query: "returns Porto people", files: ["report.pdf"], limit: 2 })
      expect(found).toHaveLength(2)
      expect(new Set(found.map(({ file }) => file))).toEqual(new Set(["report.pdf"]))
      expect(yield* search({ query: "zeppelin" })).toEqual([])
    }))

  test.effect("a file that changed is searched as it is now", () =>
    Effect.gen(function*() {
      expect((yield* ask("The capital is Porto."))[0]!.text).toContain("Porto")
      expect((yield* ask("The capital is Lisbon."))[0]!.text).toContain("Lisbon")
    }))
})
