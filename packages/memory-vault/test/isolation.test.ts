import { describe, expect, it } from "@effect/vitest"
import { MemoryVault } from "@sennit/memory-vault"
import type { MemoryId } from "@sennit/memory-vault/Memory"
import type { UserMemory } from "@sennit/memory-vault/MemoryVault"
import { Effect, FastCheck, Option, Stream } from "effect"
import { scopeOf, userMemory, within } from "./support/vaultFile.ts"

const users = [
  "u_4",
  "u_42",
  "U_4",
  "u_4 ",
  "é",
  "e\u0301",
  "%",
  "u_4\n",
  "' OR '1'='1",
  "{\"user\":1}",
  "NEAR(u)",
  "*"
]

const command = FastCheck.oneof(
  { weight: 5, arbitrary: FastCheck.record({ verb: FastCheck.constant("save"), text: FastCheck.nat(9) }) },
  { weight: 3, arbitrary: FastCheck.record({ verb: FastCheck.constant("recall"), text: FastCheck.nat(9) }) },
  { weight: 2, arbitrary: FastCheck.record({ verb: FastCheck.constant("list"), text: FastCheck.nat(9) }) },
  { weight: 3, arbitrary: FastCheck.record({ verb: FastCheck.constant("get"), text: FastCheck.nat(99) }) },
  { weight: 3, arbitrary: FastCheck.record({ verb: FastCheck.constant("update"), text: FastCheck.nat(99) }) },
  { weight: 3, arbitrary: FastCheck.record({ verb: FastCheck.constant("forget"), text: FastCheck.nat(99) }) },
  { weight: 1, arbitrary: FastCheck.record({ verb: FastCheck.constant("forgetAll"), text: FastCheck.nat(9) }) }
)
const step = FastCheck.tuple(FastCheck.nat(users.length - 1), command)

/** What a scope should hold: texts by identifier. */
type Held = Map<string, string>

const noteOf = (user: number, text: number) => `Note ${text} on the lighthouse, by writer${user}.`

const perform = (
  memory: UserMemory,
  user: number,
  held: Held,
  ids: ReadonlyArray<MemoryId>,
  { text, verb }: { readonly verb: string; readonly text: number }
) =>
  Effect.gen(function*() {
    const id = ids[text % Math.max(1, ids.length)]
    switch (verb) {
      case "save": {
        const { memories } = yield* memory.save(noteOf(user, text))
        for (const saved of memories) held.set(saved.id, saved.text)
        return memories.map((saved) => saved.id)
      }
      case "recall": {
        const { memories } = yield* memory.recall({ query: "lighthouse", topK: 1000, tokenBudget: 100_000 })
        expect(new Map(memories.map((found) => [found.memory.id, found.memory.text]))).toEqual(held)
        return []
      }
      case "list": {
        const all = yield* Stream.runCollect(memory.list())
        expect(new Map(Array.from(all, (found) => [found.id, found.text]))).toEqual(held)
        return []
      }
      case "get": {
        if (id !== undefined) {
          expect(Option.map(yield* memory.get(id), (found) => found.text)).toEqual(Option.fromNullable(held.get(id)))
        }
        return []
      }
      case "update": {
        if (id === undefined) return []
        expect((yield* memory.history(id)).length > 0).toBe(held.has(id))
        const changed = yield* Effect.either(
          memory.update(id, { version: 1, text: `Note ${text} is rewritten, lighthouse.` })
        )
        if (changed._tag === "Right") held.set(id, changed.right.text)
        else expect(changed.left._tag).toBe(held.has(id) ? "VersionConflict" : "MemoryNotFound")
        return []
      }
      case "forget": {
        if (id !== undefined) expect(yield* memory.forget(id)).toBe(held.delete(id))
        return []
      }
      default: {
        expect((yield* memory.forgetAll({ confirm: true })).memories).toBe(held.size)
        held.clear()
        return []
      }
    }
  })

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
        const vault = yield* MemoryVault.MemoryVault
        const interleavings = FastCheck.sample(
          FastCheck.array(step, { minLength: 20, maxLength: 60, size: "max" }),
          { numRuns: 120, seed: 1 }
        )
        for (const [run, steps] of interleavings.entries()) {
          const helds = users.map((): Held => new Map())
          const ids: Array<MemoryId> = []
          for (const [user, choice] of steps) {
            const memory = vault.scoped(scopeOf(users[user] ?? "", `run ${run}`))
            ids.push(...(yield* perform(memory, user, helds[user] ?? new Map(), ids, choice)))
          }
        }
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
