// @effect-diagnostics nodeBuiltinImport:off -- files of its own, and a process to kill
import { expect, it } from "@effect/vitest"
import { type AgentEvent, AgentRuns, Approval, ChatModel, RunStore } from "@sennit/agent"
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { describe } from "vitest"
import { journal, makeAgent, model } from "./programs/journaledAgent.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "sennit-runs-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const at = 1_700_000_000_000
const events: ReadonlyArray<AgentEvent.AgentEvent> = [
  { _tag: "RunStarted", seq: 1, at, runId: "a", agent: "x", model: "m", message: "hi", attachments: [] },
  { _tag: "StepStarted", seq: 2, at, step: 1 },
  { _tag: "TextDelta", seq: 3, at, text: "yes" },
  { _tag: "StepFinished", seq: 4, at, step: 1, toolCalls: 0 },
  { _tag: "RunFinished", seq: 5, at, outcome: "completed", text: "yes", durationMs: 1 }
]

const stores = [
  ["memory", RunStore.layerMemory()],
  ["SQLite", Layer.unwrapScoped(Effect.map(temporary, (folder) => journal(path.join(folder, "runs.db"))))]
] as const

const read = (runId: string, after = 0) =>
  Effect.gen(function*() {
    const store = yield* RunStore.RunStore
    return Chunk.toReadonlyArray(yield* Stream.runCollect(store.read(runId, { after })))
  })

describe.each(stores)("a journal in %s", (_, layer) => {
  it.scoped("gives back what was written, from any point on", () =>
    Effect.gen(function*() {
      const store = yield* RunStore.RunStore
      const input = {
        message: "hi",
        user: "ada",
        conversation: "c",
        history: [{ role: "system", content: "s" }]
      } as const
      yield* store.create({ runId: "a", agent: "x", input })
      yield* store.append("a", events.slice(0, 2))
      expect(yield* store.get("a")).toEqual(
        Option.some({ runId: "a", agent: "x", user: "ada", conversation: "c", seq: 2, outcome: undefined })
      )
      yield* store.append("a", events.slice(2))
      for (const after of [0, 1, 2, 3, 4, 5, 9]) expect(yield* read("a", after)).toEqual(events.slice(after))
      expect(yield* store.input("a")).toEqual(Option.some(input))
      expect(yield* Effect.map(store.get("a"), Option.map(({ outcome, seq }) => [seq, outcome]))).toEqual(
        Option.some([5, "completed"])
      )
    }).pipe(Effect.provide(layer)))

  it.scoped("a run is made once, listed by whose it is, and gone when deleted", () =>
    Effect.gen(function*() {
      const store = yield* RunStore.RunStore
      yield* store.create({ runId: "a", agent: "x", input: { message: "", user: "ada" } })
      yield* store.create({ runId: "b", agent: "x", input: { message: "", user: "bob" } })
      const again = store.create({ runId: "a", agent: "x", input: { message: "" } })
      expect(yield* Effect.flip(again)).toMatchObject({ _tag: "RunAlreadyExists", runId: "a" })
      yield* store.append("a", events)
      const ids = (filter?: Parameters<typeof store.list>[0]) =>
        Effect.map(Stream.runCollect(store.list(filter)), (runs) => Array.from(runs, ({ runId }) => runId))
      expect(yield* ids({ user: "bob" })).toEqual(["b"])
      expect(yield* ids({ unfinished: true })).toEqual(["b"])
      expect(yield* store.delete("a")).toBe(true)
      expect(yield* store.delete("a")).toBe(false)
      expect(yield* ids()).toEqual(["b"])
      expect(yield* read("a")).toEqual([])
    }).pipe(Effect.provide(layer)))
})

it.scoped("many runs that write at once keep their own order, and a number that is taken is a conflict", () =>
  Effect.gen(function*() {
    const store = yield* RunStore.RunStore
    const ids = Array.from({ length: 120 }, (_, i) => `r${i}`)
    yield* Effect.forEach(ids, (runId) => store.create({ runId, agent: "x", input: { message: "" } }))
    const write = (runId: string) => Effect.forEach(events, (event) => store.append(runId, [event]), { discard: true })
    yield* Effect.forEach(ids, write, { concurrency: "unbounded", discard: true })
    for (const runId of ids) expect(yield* read(runId)).toEqual(events)
    const [error] = yield* Effect.all([
      Effect.flip(store.append("r0", events.slice(2, 3))),
      store.append("r1", [
        { _tag: "StepStarted", seq: 6, at, step: 2 }
      ])
    ], { concurrency: "unbounded" })
    expect(error).toMatchObject({ _tag: "RunStoreError", reason: "Conflict", runId: "r0" })
    expect(yield* read("r1", 5)).toHaveLength(1)
  }).pipe(Effect.provide(stores[1][1])))

const program = fileURLToPath(new URL("programs/freezeRuns.ts", import.meta.url))
const root = fileURLToPath(new URL("../../..", import.meta.url))
const boundaries = 16

/** Starts the process, waits until every run is held at its boundary, and kills it. */
const killAtBoundaries = (folder: string) =>
  Effect.async<string>((resume) => {
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "--conditions", "@sennit/source", program, folder, String(boundaries)],
      { cwd: root, stdio: ["ignore", "pipe", "pipe"] }
    )
    let output = ""
    const hear = (chunk: Buffer) => {
      output += String(chunk)
      if (output.includes("held\n")) child.kill("SIGKILL")
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.on("close", (_, signal) => resume(Effect.succeed(`${output}${String(signal)}`)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const tracesOf = (file: string) => existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").filter(Boolean) : []

it.scopedLive("after kill -9 at every boundary of the journal no finished tool runs again, and the run ends", () =>
  Effect.gen(function*() {
    const folder = yield* temporary
    expect(yield* killAtBoundaries(folder)).toBe("held\nSIGKILL")
    let resumed = 0
    let unknown = 0
    for (const name of Arr.range(1, boundaries).flatMap((n) => [`${n}-before`, `${n}-after`])) {
      const traces = path.join(folder, `${name}.txt`)
      const check = Effect.gen(function*() {
        const runs = yield* AgentRuns.AgentRuns
        const before = yield* read("r")
        const status = yield* runs.status("r")
        if (status.outcome === undefined) {
          resumed++
          yield* runs.resume(makeAgent(traces), "r")
          yield* Stream.runDrain(runs.attach("r"))
        }
        const after = yield* read("r")
        // nothing that was in the journal has changed, and numbers have no gaps
        expect(after.slice(0, before.length)).toEqual(before)
        expect(after.map(({ seq }) => seq)).toEqual(after.map((_, index) => index + 1))
        expect(after.at(-1)).toMatchObject({ _tag: "RunFinished", outcome: "completed", text: "all done" })

        const results = after.flatMap((event) => event._tag === "ToolResult" ? [event] : [])
        expect(results.map(({ callId }) => callId).toSorted()).toEqual(
          [...new Set(results.map((r) => r.callId))].toSorted()
        )
        const done = tracesOf(traces)
        const times = (callId: string) => done.filter((line) => line.endsWith(` ${callId}`)).length
        const finished = before.flatMap((event) => event._tag === "ToolResult" ? [event.callId] : [])
        for (const callId of finished) expect(times(callId)).toBe(1)
        for (const { callId, error, name: tool } of results) {
          if (error !== undefined) {
            unknown++
            expect([tool, error.reason]).toEqual(["pay", "outcome_unknown"])
          } else expect(times(callId)).toBeGreaterThanOrEqual(1)
          if (tool === "pay") expect(times(callId)).toBeLessThanOrEqual(1)
        }
      })
      yield* check.pipe(
        Effect.provide(journal(path.join(folder, `${name}.db`))),
        Effect.provideService(ChatModel.ChatModel, model),
        Effect.annotateLogs({ name })
      )
    }
    // the test has gone through boundaries in the middle of calls, and beyond the end
    expect(resumed).toBeGreaterThan(10)
    expect(resumed).toBeLessThan(2 * boundaries)
    expect(unknown).toBeGreaterThan(0)
  }))

it("the calls of a log that wait are those that nobody has decided about", () => {
  const ask = (seq: number, callId: string): AgentEvent.AgentEvent => ({
    _tag: "ApprovalRequested",
    seq,
    at,
    callId,
    name: "pay",
    arguments: "{}"
  })
  expect(
    Approval.pending([ask(1, "a"), ask(2, "b"), { _tag: "ApprovalResolved", seq: 3, at, callId: "a", approved: true }])
  ).toEqual([{ callId: "b", name: "pay", arguments: "{}" }])
})
