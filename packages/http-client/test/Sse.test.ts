import { describe, expect, it } from "@effect/vitest"
import { Sse } from "@sennit/http-client"
import * as FastCheck from "effect/FastCheck"

const bytes = (text: string) => new TextEncoder().encode(text)
const parse = (text: string) => new Sse.SseParser().push(bytes(text))
const message = (data: string, lastEventId = "", event = "message") => ({ event, data, lastEventId })

describe("the examples of the standard (WHATWG HTML §9.2.6)", () => {
  it("three lines, comments and ids", () => {
    expect(parse("data: YHOO\ndata: +2\ndata: 10\n\n")).toEqual([message("YHOO\n+2\n10")])
    expect(parse(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"))
      .toEqual([
        message("first event", "1"),
        message("second event"),
        message(" third event")
      ])
  })
  it("empty data, and an event that does not end", () => {
    expect(parse("data\n\ndata\ndata\n\ndata:")).toEqual([message(""), message("\n")])
    expect(parse("data:test\n\ndata: test\n\n")).toEqual([message("test"), message("test")])
  })
})

const limited = (text: string) => new Sse.SseParser({ line: 12, event: 10 }).push(bytes(text))

describe("fields", () => {
  it("event, unknown fields, ids with NUL, retry", () => {
    const parser = new Sse.SseParser()
    expect(parser.push(bytes("event: add\ndata: 1\nfoo: x\nid: a\n\nid: b\0c\nretry: 12x\ndata: 2\n\nevent: lost\n\n")))
      .toEqual(
        [message("1", "a", "add"), message("2", "a")]
      )
    expect(parser.retry).toBeUndefined()
    parser.push(bytes("retry: 2500\nid: only\n\n"))
    expect([parser.retry, parser.lastEventId]).toEqual([2500, "only"])
  })

  it("a byte order mark at the start, and text beyond ASCII", () => {
    expect(parse("\uFEFFdata: \u{1F642}\n\n")).toEqual([message("\u{1F642}")])
  })

  it("limits", () => {
    expect(limited("data: 123456\n\n")).toEqual([message("123456")])
    expect(limited("data: 1234567")).toMatchObject({ _tag: "EventStreamError", reason: "Line", maximum: 12 })
    expect(limited("data:1234567\ndata:12\n\n")).toEqual([message("1234567\n12")])
    expect(limited("data:1234567\ndata:1234\n\n")).toMatchObject({ reason: "Event", maximum: 10 })
  })
})

/** A line ends in any of three ways; the model joins and parses whole events at once. */
const field = FastCheck.tuple(
  FastCheck.constantFrom("data", "event", "id", "", "other"),
  FastCheck.string({ unit: "grapheme", maxLength: 8 }).filter((text) => !/[\r\n\0]/.test(text))
).map(([name, value]) => `${name}: ${value}`)

describe("any division of any stream", () => {
  it.prop(
    "with any line ends gives the same events",
    [
      FastCheck.array(FastCheck.oneof(field, FastCheck.constant("")), { maxLength: 30 }),
      FastCheck.array(FastCheck.constantFrom("\r", "\n", "\r\n"), { minLength: 1, maxLength: 5 }),
      FastCheck.integer({ min: 1, max: 9 })
    ],
    ([lines, ends, size]) => {
      const whole = parse(lines.map((line) => `${line}\n`).join(""))
      // a carriage return before an empty line that ends with a line feed would be one line end
      const mixed = lines.map((line, i) => line + (ends[i % ends.length] ?? "\n"))
      const safe = mixed.map((line, i) => line.endsWith("\r") && mixed[i + 1] === "\n" ? `${line}\n` : line)
      const all = bytes(safe.join(""))
      const parser = new Sse.SseParser()
      const events: Array<unknown> = []
      for (let at = 0; at < all.length; at += size) events.push(...[parser.push(all.subarray(at, at + size))].flat())
      expect(events).toEqual(whole)
    }
  )
})
