import { describe, expect, it } from "@effect/vitest"
import { MemoryClassifier, MemoryVault, TokenCounter } from "@sennit/memory-vault"
import type { Memory } from "@sennit/memory-vault"
import type { UserMemory } from "@sennit/memory-vault/MemoryVault"
import { Effect, FastCheck, Layer, Stream } from "effect"
import { userMemory, within } from "./support/vaultFile.ts"

const inMemory = <A, E>(name: string, use: (memory: UserMemory) => Effect.Effect<A, E>) =>
  it.effect(name, () => within(MemoryVault.layerMemory)(Effect.flatMap(userMemory("alice"), use)))

const sentence = (i: number) => `Sentence number ${i} says that the lighthouse keeper counted the ships again.`
const paragraph = (from: number, length: number) => Array.from({ length }, (_, i) => sentence(from + i)).join(" ")

const textsOf = ({ memories }: Memory.SaveResult) => memories.map(({ text }) => text)
const squeeze = (text: string) => text.replace(/\s+/g, "")

describe("cleaning", () => {
  inMemory("normalises without touching code", (alice) =>
    Effect.gen(function*() {
      const code = "```ts\nconst a = 1\n\n\n\nconst b = 2\n```"
      const result = yield* alice.save(`\u0000 cafe\u0301\r\none\rtwo\n\n\n\nthree \ud800\u001b[0m\n${code}\n `)
      expect(textsOf(result)).toEqual([`café\none\ntwo\n\nthree \ufffd[0m\n${code}`])
    }))

  inMemory("refuses what cannot be kept, with the reason", (alice) =>
    Effect.gen(function*() {
      const reasonOf = (input: Memory.SaveInput) =>
        Effect.map(
          Effect.flip(alice.save(input)),
          (error) => error._tag === "IngestionError" ? error.reason : error._tag
        )
      expect(yield* reasonOf({ text: "" })).toBe("empty")
      expect(yield* reasonOf({ text: " \n\u0000\u0001" })).toBe("empty")
      expect(yield* reasonOf({ text: "x".repeat(262_145) })).toBe("too-long")
      expect(yield* reasonOf({ text: "x", speaker: "" })).toBe("label")
      expect(yield* reasonOf({ text: "x", sessionId: "s".repeat(513) })).toBe("label")
      expect(yield* reasonOf({ text: "x", role: "a\0b" })).toBe("label")
      expect(yield* reasonOf({ text: "x", eventTime: "yesterday-ish" })).toBe("event-time")
      expect(yield* reasonOf({ text: "x", metadata: { big: "x".repeat(9_000) } })).toBe("metadata")
      expect(yield* reasonOf({ text: "x", metadata: { bad: Number.NaN } })).toBe("metadata")
      expect((yield* Stream.runCollect(alice.list())).length).toBe(0)
    }))

  inMemory("keeps metadata with any key but __proto__", (alice) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(alice.save({ text: "x", metadata: { ["__proto__"]: "own" } }))
      expect(error).toMatchObject({ _tag: "IngestionError", reason: "metadata" })
      const metadata = { constructor: 1, toString: "x", "": null, "a b": true }
      const { memories } = yield* alice.save({ text: "x", metadata })
      expect(memories[0]?.metadata).toStrictEqual(metadata)
    }))
})

describe("chunks", () => {
  it.effect("hold 50 to 300 tokens, whole sentences, and lose nothing", () =>
    Effect.gen(function*() {
      const alice = yield* userMemory("alice")
      const { count } = yield* TokenCounter.TokenCounter
      const text = [paragraph(0, 2), paragraph(2, 40), paragraph(42, 1), paragraph(43, 9)].join("\n\n")
      const { memories } = yield* alice.save({ text, sessionId: "s" })
      expect(memories.length).toBeGreaterThan(3)
      for (const memory of memories) {
        expect(memory.tokens).toBe(count(memory.text))
        expect(memory.tokens).toBeLessThanOrEqual(300)
        expect(memory.tokens).toBeGreaterThanOrEqual(50)
        expect(memory.text).toMatch(/^Sentence number \d+ says/)
        expect(memory.text).toMatch(/ships again\.$/)
      }
      expect(squeeze(memories.map((memory) => memory.text).join(""))).toBe(squeeze(text))
    }).pipe(within(Layer.merge(MemoryVault.layerMemory, TokenCounter.layerCl100k))))

  inMemory("keep a fenced block of code whole", (alice) =>
    Effect.gen(function*() {
      const code = ["```ts", ...Array.from({ length: 12 }, (_, i) => `const value${i} = compute(${i})\n`), "```"].join(
        "\n"
      )
      const { memories } = yield* alice.save(`${paragraph(0, 10)}\n\n${code}\n\n${paragraph(10, 10)}`)
      expect(memories.filter(({ text }) => text.includes("compute("))).toHaveLength(1)
      expect(memories.some(({ text }) => text.includes(code))).toBe(true)
    }))

  it.effect("of any text stay within bounds and lose no character but space", () =>
    Effect.gen(function*() {
      const alice = yield* userMemory("alice")
      const part = FastCheck.oneof(
        FastCheck.constantFrom(
          "\n\n",
          "\n",
          " ",
          ". ",
          "```\n",
          "\n```\n",
          "~~~",
          "word ".repeat(100),
          "東京".repeat(300),
          "a".repeat(3_000),
          "!?".repeat(400)
        ),
        FastCheck.string({ unit: "grapheme", maxLength: 50 })
      )
      const inputs = FastCheck.sample(FastCheck.array(part, { maxLength: 25 }), { numRuns: 60, seed: 7 })
      for (const [i, parts] of inputs.entries()) {
        const text = parts.join("").normalize("NFC")
        const result = yield* Effect.either(alice.save({ text, speaker: `speaker ${i}` }))
        if (result._tag === "Left") {
          expect(text.trim()).toBe("")
          continue
        }
        for (const memory of result.right.memories) expect(memory.tokens).toBeLessThanOrEqual(300)
        expect(squeeze(result.right.memories.map((memory) => memory.text).join(""))).toBe(squeeze(text))
      }
    }).pipe(within(MemoryVault.layerMemory)))
})

describe("types", () => {
  const examples: ReadonlyArray<readonly [Memory.MemoryType, string]> = [
    ["procedural", "I prefer short answers."],
    ["procedural", "Please always use metric units."],
    ["procedural", "Don't ever call me before nine."],
    ["procedural", "From now on, sign with my initials."],
    ["working", "I'm working on the parser right now."],
    ["working", "The current branch is broken at the moment."],
    ["semantic", "Berlin is the capital of Germany."],
    ["semantic", "My brother works at a bakery."],
    ["semantic", "She lives in Porto."],
    ["episodic", "Yesterday we climbed the old tower."],
    ["episodic", "Wow, thanks!"]
  ]
  inMemory("are told apart by rules", (alice) =>
    Effect.gen(function*() {
      for (const [type, text] of examples) {
        expect((yield* alice.save(text)).memories.map((memory) => [memory.type, memory.text])).toEqual([[type, text]])
      }
    }))

  inMemory("yield to a hint", (alice) =>
    Effect.gen(function*() {
      const { memories } = yield* alice.save({ text: "I prefer tea.", type: "working" })
      expect(memories[0]?.type).toBe("working")
    }))

  it.effect("follow rules of one's own first", () =>
    Effect.gen(function*() {
      const alice = yield* userMemory("alice")
      expect((yield* alice.save("TICKET-12 is blocked.")).memories[0]?.type).toBe("working")
      expect((yield* alice.save("Berlin is a city.")).memories[0]?.type).toBe("semantic")
    }).pipe(within(MemoryVault.layerMemory.pipe(
      Layer.provide(MemoryClassifier.layer([{ type: "working", matches: (text) => /^TICKET-\d+/.test(text) }]))
    ))))
})

describe("importance", () => {
  inMemory("weighs and never discards", (alice) =>
    Effect.gen(function*() {
      const { memories: [dull] } = yield* alice.save("ok")
      const { memories: [weighty] } = yield* alice.save("My allergic reaction in March 2024 was to Penicillin.")
      expect(dull?.importance).toBe(0)
      expect(weighty?.importance).toBeGreaterThan(0.5)
      expect((yield* Stream.runCollect(alice.list())).length).toBe(2)
    }))
})

describe("saveAll", () => {
  inMemory(
    "gives one result for each input and keeps earlier batches when one fails",
    (alice) =>
      Effect.gen(function*() {
        const inputs = Array.from({ length: 200 }, (_, i) => ({ text: i === 150 ? "" : `Turn ${i}.`, sessionId: "s" }))
        const good = yield* Stream.runCollect(alice.saveAll(Stream.fromIterable(inputs.slice(0, 130))))
        expect(Array.from(good, ({ memories }) => memories[0]?.text)).toEqual(
          inputs.slice(0, 130).map(({ text }) => text)
        )
        const error = yield* Effect.flip(Stream.runDrain(alice.saveAll(Stream.fromIterable(inputs))))
        expect(error).toMatchObject({ _tag: "IngestionError", reason: "empty" })
        const kept = yield* Stream.runCollect(alice.list())
        expect(kept.length).toBeGreaterThanOrEqual(130)
        expect(Array.from(kept, ({ text }) => text)).not.toContain("Turn 151.")
      })
  )
})
