import { describe, expect, it } from "@effect/vitest"
import { MemoryVault } from "@sennit/memory-vault"
import { Effect, FastCheck } from "effect"
import { interleave } from "./support/interleave.ts"
import { userMemory, within } from "./support/vaultFile.ts"

const sentence = FastCheck.array(
  FastCheck.constantFrom("harbour", "lighthouse", "ferry", "storm", "captain", "the", "was", "Lisbon", "May"),
  { minLength: 1, maxLength: 12 }
).map((words) => words.join(" "))

const scoresIn = (own: ReadonlyArray<string>, others: ReadonlyArray<string>, query: string) =>
  Effect.gen(function*() {
    const alice = yield* userMemory("alice")
    const stranger = yield* userMemory("alice", "another tenant")
    for (const [i, text] of own.entries()) {
      const other = others[i]
      if (other !== undefined) yield* stranger.save({ text: other, sessionId: "s", speaker: "Ann" })
      yield* alice.save({ text, sessionId: "s", speaker: "Ann" })
    }
    yield* Effect.forEach(others, (text) => stranger.save(text), { discard: true })
    const { memories } = yield* alice.recall({ query, topK: 100, explain: true, tokenBudget: 100_000 })
    return memories.map(({ memory, score, signals }) => ({ text: memory.text, score, signals }))
  }).pipe(within(MemoryVault.layerMemory))

describe("isolation", () => {
  it.scopedLive(
    "no verb of one user reaches another's memories, whatever the interleaving",
    () =>
      Effect.gen(function*() {
        expect(yield* interleave(600, 1)).toBeGreaterThan(4_000)
      }).pipe(within(MemoryVault.layerMemory)),
    { timeout: 60_000 }
  )

  it.effect.prop(
    "another tenant's data changes no bit of a ranking",
    [
      FastCheck.array(sentence, { minLength: 1, maxLength: 12 }),
      FastCheck.array(sentence, { minLength: 1, maxLength: 12 }),
      sentence
    ],
    ([own, others, query]) =>
      Effect.gen(function*() {
        const alone = yield* scoresIn(own, [], query)
        const among = yield* scoresIn(own, others, query)
        expect(among.length).toBe(alone.length)
        for (const [i, { score, signals, text }] of alone.entries()) {
          expect(among[i]?.text).toBe(text)
          expect(Object.is(among[i]?.score, score)).toBe(true)
          expect(among[i]?.signals).toStrictEqual(signals)
        }
      }),
    { fastCheck: { numRuns: 40 }, timeout: 60_000 }
  )
})
