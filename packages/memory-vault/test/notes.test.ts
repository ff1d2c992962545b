import { describe, expect, it } from "@effect/vitest"
import { MemoryVault, PromptBlock } from "@sennit/memory-vault"
import type { UserMemory } from "@sennit/memory-vault/MemoryVault"
import { Effect, Either, FastCheck, Option, Stream, TestClock } from "effect"
import { layerFile, makeFile, userMemory, within } from "./support/vaultFile.ts"

const inFile = <A, E>(
  name: string,
  use: (memory: UserMemory) => Effect.Effect<A, E, MemoryVault.MemoryVault>
) => it.scoped(name, () => within(layerFile)(Effect.flatMap(userMemory("alice"), use)))

const keysOf = (memory: UserMemory) =>
  Effect.map(Stream.runCollect(memory.procedural.list()), (all) => Array.from(all, ({ key, text }) => [key, text]))

describe("procedural memory", () => {
  inFile("a key holds the last text given to it", (memory) =>
    Effect.gen(function*() {
      yield* memory.procedural.upsert({ key: "language", text: "Answer in English." })
      yield* TestClock.adjust("1 minute")
      yield* memory.procedural.upsert({ key: "tone", text: "Be brief." })
      yield* TestClock.adjust("1 minute")
      const changed = yield* memory.procedural.upsert({ key: "language", text: "Answer in Portuguese." })
      expect([changed.version, changed.createdAt.epochMillis, changed.updatedAt.epochMillis]).toEqual([2, 0, 120_000])
      expect(yield* keysOf(memory)).toEqual([["language", "Answer in Portuguese."], ["tone", "Be brief."]])
      expect(yield* keysOf(yield* userMemory("bob"))).toEqual([])
      expect([yield* memory.procedural.delete("tone"), yield* memory.procedural.delete("tone")]).toEqual([true, false])
      expect(yield* keysOf(memory)).toEqual([["language", "Answer in Portuguese."]])
      for (const wrong of [{ key: "", text: "x" }, { key: "k\0", text: "x" }, { key: "k".repeat(513), text: "x" }]) {
        expect(yield* Effect.flip(memory.procedural.upsert(wrong))).toMatchObject({ reason: "label" })
      }
      expect(yield* Effect.flip(memory.procedural.upsert({ key: "k", text: " " }))).toMatchObject({ reason: "empty" })
    }))

  inFile(
    "comes first in every block, whatever is asked, and not where it is filtered out",
    (memory) =>
      Effect.gen(function*() {
        yield* memory.procedural.upsert({ key: "language", text: "Answer in Portuguese." })
        yield* memory.save("The ferry leaves at noon.")
        const { memories, procedures, promptBlock } = yield* memory.recall("When does the ferry leave?")
        expect([procedures.length, memories.length]).toEqual([1, 1])
        const items = Either.getOrThrow(PromptBlock.parse(promptBlock, "xml"))
        expect(items.map(({ text, type }) => [type, text])).toEqual([
          ["procedural", "Answer in Portuguese."],
          ["episodic", "The ferry leaves at noon."]
        ])
        const unrelated = yield* memory.recall("zeppelin")
        expect([unrelated.procedures.length, unrelated.memories.length]).toEqual([1, 0])
        expect((yield* memory.recall({ query: "ferry", types: ["episodic"] })).procedures).toEqual([])
        expect((yield* memory.recall({ query: "ferry", proceduralShare: 0 })).procedures).toEqual([])
        for (const proceduralShare of [-0.1, 1.1, Number.NaN]) {
          expect(yield* Effect.flip(memory.recall({ query: "ferry", proceduralShare }))).toMatchObject({
            reason: "procedural-share"
          })
        }
      })
  )

  it.scoped("takes no more than its share, and a larger budget never loses an item", () =>
    Effect.gen(function*() {
      const memory = yield* userMemory("alice")
      for (let i = 0; i < 6; i++) {
        yield* memory.procedural.upsert({
          key: `rule ${i}`,
          text: `Standing order number ${i}: ${"be kind ".repeat(i * 2)}`
        })
        yield* memory.save(`Harbour note number ${i} ${"with many words ".repeat(i)}`)
      }
      const shares = FastCheck.sample(FastCheck.double({ min: 0.05, max: 1, noNaN: true }), { numRuns: 6, seed: 3 })
      for (const proceduralShare of shares) {
        let before = { procedures: 0, memories: 0 }
        for (let tokenBudget = 20; tokenBudget < 700; tokenBudget += 7) {
          const found = yield* memory.recall({ query: "harbour", topK: 10, tokenBudget, proceduralShare })
          expect(found.totalTokens).toBeLessThanOrEqual(tokenBudget)
          expect(found.procedures.length).toBeGreaterThanOrEqual(before.procedures)
          expect(found.memories.length).toBeGreaterThanOrEqual(before.memories)
          before = { procedures: found.procedures.length, memories: found.memories.length }
          const alone = yield* memory.recall({ query: "zeppelin", tokenBudget, proceduralShare })
          if (alone.procedures.length > 0) expect(alone.totalTokens).toBeLessThanOrEqual(proceduralShare * tokenBudget)
        }
        expect(before.memories).toBe(6)
      }
    }).pipe(within(MemoryVault.layerMemory)))

  inFile("refuses the 257th key and lets the others be changed", (memory) =>
    Effect.gen(function*() {
      yield* Effect.forEach(
        Array.from({ length: 256 }, (_, i) => ({ key: `k${i}`, text: "x" })),
        memory.procedural.upsert,
        { discard: true }
      )
      expect(yield* Effect.flip(memory.procedural.upsert({ key: "one more", text: "x" }))).toMatchObject({
        _tag: "QuotaExceeded",
        resource: "procedures",
        limit: 256
      })
      expect((yield* memory.procedural.upsert({ key: "k7", text: "y" })).version).toBe(2)
      expect(yield* keysOf(memory)).toHaveLength(256)
    }))
})

describe("working memory", () => {
  it.scoped("belongs to its session, outlives a restart, and ends with its time", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const open = <A, E>(use: (memory: UserMemory) => Effect.Effect<A, E>) =>
        within(MemoryVault.layerSqlite({ filename }))(Effect.flatMap(userMemory("alice"), use))
      yield* open((memory) =>
        Effect.gen(function*() {
          const note = yield* memory.working("s1").set({ key: "file", text: "We edit harbour.ts", ttl: "10 minutes" })
          expect(note.expiresAt.epochMillis).toBe(600_000)
          yield* memory.working("s1").set({ key: "goal", text: "Ship on Friday" })
          yield* memory.working("s2").set({ key: "file", text: "Another file" })
        })
      )
      yield* TestClock.adjust("9 minutes")
      yield* open((memory) =>
        Effect.gen(function*() {
          const text = Option.map(yield* memory.working("s1").get("file"), (note) => note.text)
          expect(text).toEqual(Option.some("We edit harbour.ts"))
          expect((yield* memory.recall("harbour.ts file")).memories).toEqual([])
          yield* TestClock.adjust("1 minute")
          expect(yield* memory.working("s1").get("file")).toEqual(Option.none())
          const left = yield* Stream.runCollect(memory.working("s1").list())
          expect(Array.from(left, ({ key }) => key)).toEqual(["goal"])
          expect([yield* memory.working("s1").clear, yield* memory.working("s1").clear]).toEqual([1, 0])
          expect(yield* Stream.runCollect(memory.working("s2").list())).toHaveLength(1)
          yield* TestClock.adjust("1 hour")
          expect(yield* Stream.runCollect(memory.working("s2").list())).toHaveLength(0)
          expect(yield* Effect.flip(memory.working("").set({ key: "k", text: "x" }))).toMatchObject({ reason: "label" })
        })
      )
    }))
})
