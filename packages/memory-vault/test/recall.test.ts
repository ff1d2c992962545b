import { describe, expect, it } from "@effect/vitest"
import type { Memory } from "@sennit/memory-vault"
import { MemoryVault } from "@sennit/memory-vault"
import type { UserMemory } from "@sennit/memory-vault/MemoryVault"
import { Effect, FastCheck, Stream, TestClock } from "effect"
import { userMemory, within } from "./support/vaultFile.ts"

const inMemory = <A, E>(name: string, use: (memory: UserMemory) => Effect.Effect<A, E>) =>
  it.effect(name, () => within(MemoryVault.layerMemory)(Effect.flatMap(userMemory("alice"), use)))

const saveEach = (memory: UserMemory, inputs: ReadonlyArray<Memory.SaveInput | string>) =>
  Stream.runDrain(memory.saveAll(Stream.fromIterable(inputs)))

const texts = ({ memories }: Memory.RecallResult) => memories.map(({ memory }) => memory.text)

describe("recall", () => {
  inMemory(
    "finds words by their stem and by compatibility forms, whatever their case",
    (alice) =>
      Effect.gen(function*() {
        yield* saveEach(alice, ["She was RUNNING by the ﬁrst canal.", "Nothing else happened.", "Café Ångström opens."])
        expect(texts(yield* alice.recall({ query: "runs", topK: 1 }))).toEqual([
          "She was RUNNING by the first canal.".replace("first", "ﬁrst")
        ])
        expect(texts(yield* alice.recall({ query: "first", topK: 1 }))).toEqual(["She was RUNNING by the ﬁrst canal."])
        expect(texts(yield* alice.recall({ query: "cafe\u0301 A\u030angstro\u0308m", topK: 1 }))).toEqual([
          "Café Ångström opens."
        ])
      })
  )

  inMemory("finds inside scripts that are written without spaces", (alice) =>
    Effect.gen(function*() {
      const all = [
        "私は東京都に住んでいます。",
        "黒猫が好きです。",
        "他在北京大学学习计算机科学。",
        "ฉันชอบกินข้าวผัด",
        "나는 서울에서 일합니다",
        "मुझे चाय पसंद है"
      ]
      yield* saveEach(alice, all)
      for (
        const [query, index] of [["東京", 0], ["猫", 1], ["北京大学", 2], ["ข้าวผัด", 3], ["서울", 4], [
          "चाय",
          5
        ]] as const
      ) {
        expect(texts(yield* alice.recall({ query, topK: 1 }))).toEqual([all[index]])
      }
    }))

  inMemory("uses the turns around a turn", (alice) =>
    Effect.gen(function*() {
      const filler = Array.from({ length: 30 }, (_, i) => ({ text: `Idle talk ${i}.`, sessionId: `s${i % 5}` }))
      yield* saveEach(alice, [
        ...filler,
        { text: "What is the name of your violin teacher?", sessionId: "music" },
        { text: "Mrs. Abernathy.", sessionId: "music" }
      ])
      const found = texts(yield* alice.recall({ query: "Who is the violin teacher?", topK: 2 }))
      expect(found).toContain("Mrs. Abernathy.")
    }))

  inMemory("explains a score as the sum of its signals", (alice) =>
    Effect.gen(function*() {
      yield* saveEach(
        alice,
        ["ferry to Lisbon", "the ferry is late", "Lisbon in May", "captain of the ferry"].map((text, i) => ({
          text,
          sessionId: "s",
          speaker: i % 2 === 0 ? "Ann" : "Bob",
          eventTime: i * 1e9
        }))
      )
      const { memories } = yield* alice.recall({
        query: "Which ferry did Ann take to Lisbon?",
        explain: true,
        topK: 10
      })
      expect(memories).toHaveLength(4)
      for (const { score, signals } of memories) {
        const { diversity = 0, ...parts } = signals ?? {}
        expect(Object.keys(parts)).toEqual(expect.arrayContaining(["turn", "near", "meaning", "time", "recency"]))
        expect(Object.values(parts).reduce((sum, part) => sum + part, diversity)).toBeCloseTo(score, 10)
        expect(Object.values(parts).every((part) => part >= 0)).toBe(true)
        expect(diversity).toBeLessThanOrEqual(0)
      }
      expect((yield* alice.recall("ferry")).memories[0]).not.toHaveProperty("signals")
    }))

  inMemory(
    "answers with nothing where nothing matches, and by recency where nothing is asked",
    (alice) =>
      Effect.gen(function*() {
        for (const text of ["First fact.", "Second fact.", "Third fact."]) {
          yield* alice.save(text)
          yield* TestClock.adjust("10 days")
        }
        expect(texts(yield* alice.recall("zeppelin"))).toEqual([])
        expect(texts(yield* alice.recall("what is it that you have?"))).toEqual([
          "Third fact.",
          "Second fact.",
          "First fact."
        ])
        expect(texts(yield* alice.recall(""))).toEqual(["Third fact.", "Second fact.", "First fact."])
      })
  )

  inMemory("keeps to a span of time before it ranks", (alice) =>
    Effect.gen(function*() {
      yield* saveEach(
        alice,
        Array.from({ length: 28 }, (_, day) => ({
          text: `Harbour log ${"harbour ".repeat(day % 5)} of day ${day + 1}.`,
          eventTime: Date.UTC(2026, 1, day + 1)
        }))
      )
      const found = yield* alice.recall({
        query: "harbour",
        from: "2026-02-10",
        until: Date.UTC(2026, 1, 12),
        topK: 5
      })
      expect(new Set(texts(found).map((text) => text.slice(-7)))).toEqual(new Set(["day 10.", "day 11."]))
      const listed = yield* Stream.runCollect(alice.list({ from: "2026-02-10", until: "2026-02-12" }))
      expect(listed.length).toBe(2)
    }))

  inMemory("holds the budget and says what it left out", (alice) =>
    Effect.gen(function*() {
      yield* saveEach(
        alice,
        Array.from({ length: 40 }, (_, i) => `Harbour note number ${i} with some more words in it.`)
      )
      const whole = yield* alice.recall({ query: "harbour", topK: 40, tokenBudget: 100_000 })
      expect([whole.memories.length, whole.omitted]).toEqual([40, 0])
      const half = yield* alice.recall({ query: "harbour", topK: 40, tokenBudget: Math.floor(whole.totalTokens / 2) })
      expect(half.totalTokens).toBeLessThanOrEqual(whole.totalTokens / 2)
      expect(half.memories.length + half.omitted).toBe(40)
      expect(texts(half)).toEqual(texts(whole).slice(0, half.memories.length))
      const error = yield* Effect.flip(alice.recall({ query: "harbour", tokenBudget: 1 }))
      expect(error).toMatchObject({ _tag: "BudgetExceeded", provided: 1 })
    }))

  inMemory("refuses impossible bounds", (alice) =>
    Effect.gen(function*() {
      for (const topK of [0, -1, 1.5, Number.NaN, 1001]) {
        expect(yield* Effect.flip(alice.recall({ query: "x", topK }))).toMatchObject({
          _tag: "InvalidQuery",
          reason: "top-k"
        })
      }
      for (const tokenBudget of [-1, 0.5, Number.NaN, Infinity]) {
        expect(yield* Effect.flip(alice.recall({ query: "x", tokenBudget }))).toMatchObject({ reason: "token-budget" })
      }
      expect(yield* Effect.flip(alice.recall({ query: "x", from: "not a time" }))).toMatchObject({ reason: "time" })
      expect(yield* Effect.flip(Stream.runDrain(alice.list({ until: Number.NaN })))).toMatchObject({ reason: "time" })
    }))

  const hostile = FastCheck.oneof(
    FastCheck.string({ unit: "binary", maxLength: 60 }),
    FastCheck.string16bits(),
    FastCheck.constantFrom(
      "\"",
      "'",
      "*",
      "a* OR b",
      "NEAR(a b)",
      "a AND",
      "(((",
      "-a",
      "^a",
      "col:x",
      "%_",
      "\\",
      "\0",
      "\ud800",
      "\udfff\ud800",
      "the of and",
      "__proto__ constructor hasOwnProperty",
      "'; DROP TABLE vault_memories; --",
      "🏴‍☠️",
      "ﷺ",
      "\u202e",
      "ǅ",
      "İ"
    )
  )

  it.effect("takes any text as query and as memory", () =>
    Effect.gen(function*() {
      const vault = yield* userMemory("alice")
      const inputs = FastCheck.sample(hostile, { numRuns: 400, seed: 42 })
      for (const text of inputs) {
        const saved = yield* Effect.either(vault.save({ text, speaker: "x" }))
        if (saved._tag === "Left") expect(saved.left).toMatchObject({ _tag: "IngestionError", reason: "empty" })
        const { memories } = yield* vault.recall({ query: text, topK: 3 })
        for (const { score } of memories) expect(Number.isFinite(score)).toBe(true)
      }
    }).pipe(within(MemoryVault.layerMemory)))

  inMemory("takes a query of a megabyte", (alice) =>
    Effect.gen(function*() {
      yield* alice.save("The needle is here.")
      for (const filler of ["haystack ", "a", " ", "東", "\ud800", "the "]) {
        const query = `needle ${filler.repeat(Math.ceil(1_000_000 / filler.length))}`
        expect(texts(yield* alice.recall({ query, topK: 1 }))).toEqual(["The needle is here."])
      }
    }))
})
