import { MemoryVault } from "@sennit/memory-vault"
import type { JobId } from "@sennit/memory-vault/Compressor"
import type { MemoryId } from "@sennit/memory-vault/Memory"
import type { UserMemory } from "@sennit/memory-vault/MemoryVault"
import { Effect, FastCheck, Option, Stream } from "effect"
import { scopeOf } from "./vaultFile.ts"

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
  "*",
  "u".repeat(512)
]

const command = FastCheck.oneof(
  { weight: 5, arbitrary: FastCheck.record({ verb: FastCheck.constant("save"), text: FastCheck.nat(9) }) },
  { weight: 3, arbitrary: FastCheck.record({ verb: FastCheck.constant("recall"), text: FastCheck.nat(9) }) },
  { weight: 2, arbitrary: FastCheck.record({ verb: FastCheck.constant("list"), text: FastCheck.nat(9) }) },
  { weight: 3, arbitrary: FastCheck.record({ verb: FastCheck.constant("get"), text: FastCheck.nat(99) }) },
  { weight: 3, arbitrary: FastCheck.record({ verb: FastCheck.constant("update"), text: FastCheck.nat(99) }) },
  { weight: 3, arbitrary: FastCheck.record({ verb: FastCheck.constant("forget"), text: FastCheck.nat(99) }) },
  { weight: 1, arbitrary: FastCheck.record({ verb: FastCheck.constant("forgetAll"), text: FastCheck.nat(9) }) },
  { weight: 1, arbitrary: FastCheck.record({ verb: FastCheck.constant("export"), text: FastCheck.nat(9) }) },
  { weight: 1, arbitrary: FastCheck.record({ verb: FastCheck.constant("jobs"), text: FastCheck.nat(99) }) },
  { weight: 1, arbitrary: FastCheck.record({ verb: FastCheck.constant("notes"), text: FastCheck.nat(9) }) }
)
const step = FastCheck.tuple(FastCheck.nat(users.length - 1), command)

/** What a scope should hold: texts by identifier. */
type Held = Map<string, string>

/** What all users of one run share: identifiers to try on each other. */
interface Shared {
  readonly ids: Array<MemoryId>
  readonly jobs: Array<JobId>
}

const sorted = (pairs: Iterable<ReadonlyArray<string>>) => Array.from(pairs, (pair) => pair.join(" ")).toSorted()

const agree = (verb: string, actual: unknown, expected: unknown) =>
  JSON.stringify(actual) === JSON.stringify(expected)
    ? Effect.void
    : Effect.dieMessage(`${verb} gave ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`)

const noteOf = (user: number, text: number) => `Note ${text} on the lighthouse, by writer${user}.`

const perform = (
  memory: UserMemory,
  user: number,
  held: Held,
  own: Set<string>,
  { ids, jobs }: Shared,
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
        yield* agree("recall", sorted(memories.map((found) => [found.memory.id, found.memory.text])), sorted(held))
        return []
      }
      case "list": {
        const all = yield* Stream.runCollect(memory.list())
        yield* agree("list", sorted(Array.from(all, (found) => [found.id, found.text])), sorted(held))
        return []
      }
      case "get": {
        if (id !== undefined) {
          const found = yield* memory.get(id)
          yield* agree("get", Option.getOrUndefined(found)?.text, held.get(id))
        }
        return []
      }
      case "update": {
        if (id === undefined) return []
        yield* agree("history", (yield* memory.history(id)).length > 0, held.has(id))
        const changed = yield* Effect.either(
          memory.update(id, { version: 1, text: `Note ${text} is rewritten, lighthouse.` })
        )
        if (changed._tag === "Right") held.set(id, changed.right.text)
        else yield* agree("update", changed.left._tag, held.has(id) ? "VersionConflict" : "MemoryNotFound")
        return []
      }
      case "forget": {
        if (id !== undefined) yield* agree("forget", yield* memory.forget(id), held.delete(id))
        return []
      }
      case "export": {
        const lines = yield* Stream.runCollect(memory.export)
        yield* agree("export", lines.length, 2 + held.size)
        return []
      }
      case "jobs": {
        // Job, summary and memory identifiers of anyone: those of others do not exist here.
        const job = yield* memory.compress({ dryRun: true, sessions: [] })
        yield* agree("status", Option.isSome(yield* memory.jobs.status(job.id)), true)
        jobs.push(job.id)
        own.add(job.id)
        const foreign = jobs[text % jobs.length]
        if (foreign !== undefined && !own.has(foreign)) {
          yield* agree("foreign job", Option.isNone(yield* memory.jobs.status(foreign)), true)
          yield* agree("foreign cancel", yield* memory.jobs.cancel(foreign), false)
        }
        yield* agree("stats", (yield* memory.stats).memories, held.size)
        return []
      }
      case "notes": {
        yield* memory.procedural.upsert({ key: "tone", text: `Be like writer${user}.` })
        const procedures = yield* Stream.runCollect(memory.procedural.list())
        yield* agree("procedure", Array.from(procedures, (one) => one.text), [`Be like writer${user}.`])
        yield* memory.working("s").set({ key: "k", text: `Of writer${user}.` })
        const notes = yield* Stream.runCollect(memory.working("s").list())
        yield* agree("notes", Array.from(notes, (one) => one.text), [`Of writer${user}.`])
        yield* memory.procedural.delete("tone")
        return []
      }
      default: {
        yield* agree("forgetAll", (yield* memory.forgetAll({ confirm: true })).memories, held.size)
        held.clear()
        own.clear()
        return []
      }
    }
  })

/**
 * Random interleavings of every verb by users whose identifiers are hostile, each user checked against what it should
 * hold at every step; dies with what leaked. Gives the number of steps.
 */
export const interleave = (runs: number, seed: number) =>
  Effect.gen(function*() {
    const vault = yield* MemoryVault.MemoryVault
    const few = FastCheck.uniqueArray(FastCheck.nat(users.length - 1), { minLength: 2, maxLength: 4 })
    const interleavings = FastCheck.sample(
      FastCheck.tuple(few, FastCheck.array(step, { minLength: 4, maxLength: 12, size: "max" })),
      { numRuns: runs, seed }
    )
    let taken = 0
    for (const [run, [chosen, steps]] of interleavings.entries()) {
      const shared: Shared = { ids: [], jobs: [] }
      const states = chosen.map((user) => ({
        user,
        memory: vault.scoped(scopeOf(users[user] ?? "", `run ${run}`)),
        held: new Map<string, string>(),
        own: new Set<string>()
      }))
      for (const [who, choice] of steps) {
        const state = states[who % states.length]
        if (state === undefined) continue
        const { held, memory, own, user } = state
        shared.ids.push(...(yield* perform(memory, user, held, own, shared, choice)))
        taken++
      }
      yield* Effect.forEach(states, ({ memory }) => memory.forgetAll({ confirm: true }), { discard: true })
    }
    return taken
  })
