import type { AgentEvent } from "@sennit/agent"
import { FastCheck as fc } from "effect"
import { describe, expect, it } from "vitest"
import type { Block } from "../src/Block.ts"
import { apply, fold, makeProjection, type ThreadEvent } from "../src/Thread.ts"

type Piece = Partial<AgentEvent.AgentEvent> & { readonly _tag: AgentEvent.AgentEvent["_tag"] }

/** A log of one run from its pieces: sequence numbers and times are filled in. */
const logOf = (run: string, pieces: ReadonlyArray<Piece>): ReadonlyArray<AgentEvent.AgentEvent> => {
  const started = { _tag: "RunStarted", runId: run, agent: "a", model: "m", message: "q", attachments: [] } as const
  const finished = { _tag: "RunFinished", outcome: "completed", text: "", durationMs: 1 } as const
  return [started, ...pieces, finished].map((piece, index) =>
    Object.assign({ seq: index + 1, at: 0 }, piece) as AgentEvent.AgentEvent
  )
}

const step = fc.oneof(
  fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 4 }).map((texts) =>
    texts.map((text): Piece => ({ _tag: "TextDelta", text }))
  ),
  fc.nat(1000).map((number): ReadonlyArray<Piece> => {
    const call = { callId: `call-${number}`, name: "read_file" }
    return [
      { _tag: "ToolCallStarted", ...call },
      { _tag: "ToolCallReady", ...call, arguments: "{}" },
      { _tag: "ToolResult", ...call, content: "1", truncated: false, untrusted: false, durationMs: 2 }
    ]
  })
)
const run = fc.uniqueArray(step, { maxLength: 8, selector: (pieces) => JSON.stringify(pieces[0]) }).map((steps) =>
  steps.flat()
)

describe("a thread", () => {
  it("is the same whether it is folded at once or followed event by event", () => {
    fc.assert(fc.property(run, (pieces) => {
      const log = logOf("r", pieces)
      const project = makeProjection()
      let blocks: ReadonlyArray<Block> = []
      for (const event of log) for (const change of project(event)) blocks = apply(blocks, change) ?? []
      expect(blocks).toEqual(fold(log, undefined))
    }))
  })

  it("does not change when a reader gets changes a second time", () => {
    fc.assert(fc.property(run, fc.nat(30), (pieces, from) => {
      const project = makeProjection()
      const changes: ReadonlyArray<ThreadEvent> = logOf("r", pieces).flatMap(project)
      const once = changes.reduce<ReadonlyArray<Block>>((blocks, change) => apply(blocks, change) ?? [], [])
      // A reconnected page may see the tail again.
      const twice = changes.slice(Math.min(from, changes.length))
        .reduce((blocks, change) => apply(blocks, change) ?? blocks, once)
      expect(twice).toEqual(once)
    }))
  })

  it("keeps the true order of text and tools", () => {
    const call = { callId: "c", name: "calculate" }
    const log = logOf("r", [
      { _tag: "TextDelta", text: "Let me " },
      { _tag: "TextDelta", text: "see." },
      { _tag: "ToolCallStarted", ...call },
      { _tag: "ToolCallReady", ...call, arguments: "{\"expression\":\"1+1\"}" },
      { _tag: "ToolResult", ...call, content: "2", truncated: false, untrusted: false, durationMs: 3 },
      { _tag: "TextDelta", text: "It is 2." }
    ])
    const shown = fold(log, undefined).map((block) =>
      block.type === "text" ? block.text : block.type === "tool" ? `${block.name}: ${block.status}` : block.type
    )
    expect(shown).toEqual(["question", "run", "Let me see.", "calculate: done", "It is 2.", "finish"])
  })

  it("says of a run without an end that it was interrupted, unless it runs", () => {
    const log = logOf("r", [{ _tag: "ToolCallStarted", callId: "c", name: "fetch_url" }]).slice(0, -1)
    expect(fold(log, "r").at(-1)).toMatchObject({ type: "tool", status: "arriving" })
    const [, , tool, finish] = fold(log, undefined)
    expect(tool).toMatchObject({ type: "tool", status: "failed" })
    expect(finish).toMatchObject({ type: "finish", outcome: "interrupted", model: "m" })
  })

  it("tells that text is missing instead of showing it wrong", () => {
    const blocks: ReadonlyArray<Block> = [{ type: "text", id: "t", text: "ab" }]
    expect(apply(blocks, { type: "delta", block: "t", offset: 5, text: "x" })).toBeUndefined()
    expect(apply(blocks, { type: "delta", block: "t", offset: 1, text: "bc" })).toEqual([{
      type: "text",
      id: "t",
      text: "abc"
    }])
  })
})
