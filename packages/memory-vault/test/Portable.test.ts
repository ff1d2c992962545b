import { describe, expect, it } from "@effect/vitest"
import type { Memory } from "@sennit/memory-vault"
import { MemoryVault } from "@sennit/memory-vault"
import type { UserMemory } from "@sennit/memory-vault/MemoryVault"
import type { Option } from "effect"
import { Chunk, Effect, FastCheck, Stream, TestClock } from "effect"
import { layerFile, makeFile, userMemory, within } from "./support/vaultFile.ts"

const inFile = <A, E>(
  name: string,
  use: (memory: UserMemory) => Effect.Effect<A, E, MemoryVault.MemoryVault>
) => it.scoped(name, () => within(layerFile)(Effect.flatMap(userMemory("alice"), use)))

const linesOf = (memory: UserMemory) => Effect.map(Stream.runCollect(memory.export), Chunk.toReadonlyArray)

const ids = (memory: UserMemory) =>
  Effect.map(Stream.runCollect(memory.list()), (all) => Array.from(all, ({ id }) => id))

const day = (n: number) => Date.UTC(2026, 0, n)

const input: FastCheck.Arbitrary<Memory.SaveInput> = FastCheck.record({
  text: FastCheck.oneof(
    FastCheck.constantFrom("I live in Porto.", "I live in Lisbon.", "I love jazz.", "I don't like jazz anymore."),
    FastCheck.string({ unit: "binary", maxLength: 40 }).map((text) => `Note: ${text}.`)
  ),
  sessionId: FastCheck.option(FastCheck.constantFrom("s1", "s2\n\"é"), { nil: undefined }),
  speaker: FastCheck.option(FastCheck.constantFrom("Ann", "Bob"), { nil: undefined }),
  eventTime: FastCheck.option(FastCheck.nat(40).map(day), { nil: undefined }),
  metadata: FastCheck.option(FastCheck.record({ a: FastCheck.integer(), b: FastCheck.string() }), { nil: undefined })
})

const fill = (memory: UserMemory, inputs: ReadonlyArray<Memory.SaveInput>) =>
  Effect.gen(function*() {
    for (const [i, one] of inputs.entries()) {
      yield* TestClock.adjust("1 hour")
      const { memories: [saved] } = yield* memory.save(one)
      if (i % 4 === 3 && saved !== undefined) {
        yield* memory.update(saved.id, { version: saved.version, text: `Rewritten ${i}.` })
      }
    }
    yield* memory.procedural.upsert({ key: "language", text: "Answer in Portuguese." })
    yield* memory.procedural.upsert({ key: "language", text: "Answer in English." })
  })

const answers = (memory: UserMemory) =>
  Effect.map(memory.recall({ query: "Where do I live? jazz note", topK: 50, tokenBudget: 50_000 }), (found) => found)

describe("export and import", () => {
  it.effect.prop(
    "a scope that travels is the same scope: lines, memories, validity and recall",
    [FastCheck.array(input, { minLength: 1, maxLength: 12 }), FastCheck.integer({ min: 1, max: 200 })],
    ([inputs, pieceLength]) =>
      Effect.gen(function*() {
        yield* TestClock.setTime(day(50))
        const source = yield* Effect.gen(function*() {
          const memory = yield* userMemory("alice")
          yield* fill(memory, inputs)
          return { lines: yield* linesOf(memory), answers: yield* answers(memory) }
        }).pipe(within(MemoryVault.layerMemory))
        const text = source.lines.join("")
        const pieces = Array.from(
          { length: Math.ceil(text.length / pieceLength) },
          (_, i) => text.slice(i * pieceLength, (i + 1) * pieceLength)
        )
        yield* Effect.gen(function*() {
          const memory = yield* userMemory("alice")
          const report = yield* memory.import(Stream.fromIterable(pieces))
          expect(report).toEqual({ memories: source.lines.length - 3, procedures: 1, kept: 0 })
          expect(yield* linesOf(memory)).toEqual(source.lines)
          expect(yield* answers(memory)).toEqual(source.answers)
          // Once more changes nothing.
          const again = yield* memory.import(Stream.fromIterable(source.lines))
          expect(again).toEqual({ memories: 0, procedures: 0, kept: source.lines.length - 2 })
          expect(yield* linesOf(memory)).toEqual(source.lines)
        }).pipe(within(MemoryVault.layerMemory))
      }),
    { fastCheck: { numRuns: 25 }, timeout: 60_000 }
  )

  it.scoped("keeps what the scope holds, works validity out over both, and keeps the file sound", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      yield* Effect.gen(function*() {
        const [alice, bob] = [yield* userMemory("alice"), yield* userMemory("bob")]
        yield* TestClock.setTime(day(20))
        yield* alice.save({ text: "I live in Porto.", eventTime: day(1) })
        yield* alice.save("The ferry leaves at noon.")
        yield* alice.procedural.upsert({ key: "tone", text: "Be brief." })
        const lines = yield* linesOf(alice)
        yield* TestClock.setTime(day(30))
        yield* bob.save({ text: "I live in Lisbon.", eventTime: day(2) })
        yield* bob.procedural.upsert({ key: "tone", text: "Be verbose." })
        expect(yield* bob.import(Stream.fromIterable(lines))).toEqual({ memories: 2, procedures: 0, kept: 1 })
        const found = yield* bob.recall("Where do I live?")
        expect(found.memories.map(({ memory }) => memory.text)).toEqual(["I live in Lisbon."])
        expect(found.procedures.map(({ text }) => text)).toEqual(["Be verbose."])
        // Identifiers are unique in a file, so the other scope's copies have their own; the first scope lost nothing.
        expect(new Set([...(yield* ids(alice)), ...(yield* ids(bob))]).size).toBe(5)
        expect(yield* linesOf(alice)).toEqual(lines)
        expect(yield* bob.import(Stream.fromIterable(lines))).toEqual({ memories: 0, procedures: 0, kept: 3 })
      }).pipe(within(MemoryVault.layerSqlite({ filename })))
      expect(yield* MemoryVault.verify({ filename })).toEqual([])
    }))

  inFile("names the line that is wrong", (memory) =>
    Effect.gen(function*() {
      yield* memory.save("One.")
      yield* memory.save("Two.")
      const [header = "", one = "", two = "", end = ""] = yield* linesOf(memory)
      const cases: ReadonlyArray<readonly [lines: ReadonlyArray<string>, reason: string, line: number]> = [
        [[], "truncated", 1],
        [["not json\n"], "header", 1],
        [[one, two, end], "header", 1],
        [[header.replace("\"version\":1", "\"version\":2")], "version", 1],
        [[header, one, header], "header", 3],
        [[header, one, "{}\n"], "record", 3],
        [[header, one.replace("mem_", "men_")], "record", 2],
        [[header, one, end], "count", 3],
        [[header, one, two], "truncated", 4],
        [[header, one, two, end, one], "after-end", 5],
        [[header, "\n", one, two.slice(0, -5)], "record", 3]
      ]
      const other = yield* userMemory("bob")
      for (const [lines, reason, line] of cases) {
        expect(yield* Effect.flip(other.import(Stream.fromIterable(lines)))).toMatchObject({
          _tag: "ImportError",
          reason,
          line
        })
      }
    }))
})

describe("stats", () => {
  inFile("counts what the scope holds", (memory) =>
    Effect.gen(function*() {
      const nothing = { memories: 0, superseded: 0, sessions: 0, procedures: 0, notes: 0, summaries: 0, characters: 0 }
      expect(yield* memory.stats).toEqual(nothing)
      yield* memory.save({ text: "I live in Porto.", sessionId: "a", eventTime: day(1) })
      yield* memory.save({ text: "I live in Lisbon.", sessionId: "b", eventTime: day(2) })
      yield* memory.procedural.upsert({ key: "k", text: "x" })
      yield* memory.working("a").set({ key: "k", text: "x" })
      expect(yield* memory.stats).toEqual({
        memories: 2,
        superseded: 1,
        summaries: 0,
        sessions: 2,
        procedures: 1,
        notes: 1,
        characters: "I live in Porto.I live in Lisbon.".length
      })
      expect(yield* (yield* userMemory("bob")).stats).toEqual(nothing)
    }))
})

/** The next events of a scope, once all `count` are there. */
const takeEvents = <E>(pull: Effect.Effect<Chunk.Chunk<Memory.MemoryEvent>, Option.Option<E>>, count: number) =>
  Effect.gen(function*() {
    const events: Array<Memory.MemoryEvent> = []
    while (events.length < count) events.push(...(yield* pull))
    return events
  })

describe("changes", () => {
  inFile(
    "tells what happens in the scope, and in no other, from the subscription on",
    (memory) =>
      Effect.scoped(Effect.gen(function*() {
        yield* memory.save("Before.")
        const pull = yield* Stream.toPull(memory.changes)
        expect(yield* takeEvents(pull, 1)).toEqual([{ _tag: "Subscribed" }])
        const { memories: [saved] } = yield* memory.save("One.")
        if (saved === undefined) return yield* Effect.dieMessage("nothing was saved")
        yield* (yield* userMemory("bob")).save("Elsewhere.")
        yield* memory.update(saved.id, { version: 1, text: "Two." })
        yield* memory.forget(saved.id)
        yield* memory.forgetAll({ confirm: true })
        expect(yield* takeEvents(pull, 4)).toEqual([
          { _tag: "Saved", ids: [saved.id], superseded: [] },
          { _tag: "Updated", id: saved.id, version: 2 },
          { _tag: "Forgotten", id: saved.id },
          { _tag: "Erased" }
        ])
      }))
  )

  inFile(
    "tells a subscriber who does not keep up how much he missed",
    (memory) =>
      Effect.scoped(Effect.gen(function*() {
        const pull = yield* Stream.toPull(memory.changes)
        yield* takeEvents(pull, 1)
        for (let i = 0; i < 300; i++) yield* memory.save(`Note ${i}.`)
        const events = yield* takeEvents(pull, 257)
        expect(events[0]).toEqual({ _tag: "Missed", count: 300 - 256 })
        expect(events).toHaveLength(257)
      }))
  )
})
