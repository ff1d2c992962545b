import { describe, expect, it } from "@effect/vitest"
import { MemoryVault } from "@sennit/memory-vault"
import type { UserMemory } from "@sennit/memory-vault/MemoryVault"
import { Effect, Exit, Option, Scope, Stream, TestClock } from "effect"
import { layerFile, makeFile, userMemory, within } from "./support/vaultFile.ts"

const inFile = <A, E>(
  name: string,
  use: (memory: UserMemory) => Effect.Effect<A, E, MemoryVault.MemoryVault | Scope.Scope>
) => it.scoped(name, () => within(layerFile)(Effect.flatMap(userMemory("alice"), use)))

const textsOf = (memory: UserMemory) =>
  Effect.map(Stream.runCollect(memory.list()), (all) => Array.from(all, ({ text }) => text).toReversed())

describe("a session", () => {
  inFile(
    "owns what is saved through it, and its end removes its notes and counts what it holds",
    (memory) =>
      Effect.gen(function*() {
        yield* memory.save({ text: "Said before, in the same session.", sessionId: "s1" })
        const scope = yield* Scope.make()
        const session = yield* Scope.extend(memory.session({ sessionId: "s1" }), scope)
        yield* session.save("The ferry leaves at noon.")
        yield* session.save("The ferry leaves at noon.")
        yield* Stream.runDrain(session.saveAll(Stream.make("One.", { text: "Two.", speaker: "Ann" })))
        yield* session.working.set({ key: "goal", text: "Ship on Friday" })
        expect(yield* session.stats).toMatchObject({ memories: 4, created: 3, merged: 1, notes: 0 })
        expect((yield* session.stats).endedAt).toBe(undefined)
        yield* TestClock.adjust("5 minutes")
        const ended = yield* session.end
        expect(ended).toMatchObject({ memories: 4, created: 3, merged: 1, notes: 1 })
        expect([ended.openedAt.epochMillis, ended.endedAt?.epochMillis]).toEqual([0, 300_000])
        expect(yield* session.end).toBe(ended)
        yield* Scope.close(scope, Exit.void)
        expect(yield* memory.working("s1").get("goal")).toEqual(Option.none())
        const all = yield* Stream.runCollect(memory.list({ sessionId: "s1" }))
        expect(all).toHaveLength(4)
      })
  )

  it.scopedLive("that closes with its scope asks for its compression", () =>
    Effect.gen(function*() {
      const memory = yield* userMemory("alice")
      const id = yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* memory.session({ compress: true })
        yield* Stream.runDrain(session.saveAll(Stream.map(
          Stream.range(1, 30),
          (i) => `Turn ${i} tells of pier ${i} and of the ferry that left it.`
        )))
        return session.id
      }))
      expect(id).toMatch(/^ses_/)
      const summaries = Effect.map(Stream.runCollect(memory.summaries.list(id)), (all) => all.length)
      while ((yield* summaries) === 0) yield* Effect.sleep(5)
      const explicit = yield* memory.session({ sessionId: id, compress: { ratio: 0.5 } })
      const { job } = yield* explicit.end
      if (job === undefined) return yield* Effect.dieMessage("no job was asked for")
      expect(yield* memory.jobs.await(job)).toMatchObject({ state: "done", done: 1 })
    }).pipe(within(layerFile)))

  inFile("has an identifier that can be one", (memory) =>
    Effect.gen(function*() {
      for (const sessionId of ["", "a\0b", "s".repeat(513)]) {
        expect(yield* Effect.flip(memory.session({ sessionId }))).toMatchObject({ reason: "label" })
      }
    }))
})

describe("an idempotency key", () => {
  const long = Array.from({ length: 60 }, (_, i) => `Sentence ${i} tells of pier ${i} and of the ferry that left it.`)

  inFile("makes a repeated save an answer without effect", (memory) =>
    Effect.gen(function*() {
      const input = { text: long.join(" "), idempotencyKey: "k1" }
      const first = yield* memory.save(input)
      expect(first.created).toBeGreaterThan(1)
      const again = yield* memory.save(input)
      expect(again).toMatchObject({ created: 0, merged: 0, repeated: true, memories: first.memories })
      expect(first.repeated).toBe(false)
      // Without a key, or with another, the same text is said again.
      expect(yield* memory.save({ text: input.text })).toMatchObject({ repeated: false, merged: first.created })
      const other = yield* memory.save({ text: input.text, idempotencyKey: "k2" })
      expect(other.memories[0]?.occurrences).toBe(3)
      expect(yield* memory.save({ text: input.text, idempotencyKey: "k2" })).toMatchObject({ repeated: true })
      const stranger = yield* userMemory("bob")
      expect(yield* stranger.save(input)).toMatchObject({ repeated: false, created: first.created })
    }))

  inFile("stands for one text, and does not bring back what was forgotten", (memory) =>
    Effect.gen(function*() {
      const { memories: [saved] } = yield* memory.save({ text: "The key is under the mat.", idempotencyKey: "k" })
      const reused = memory.save({ text: "Another text.", idempotencyKey: "k" })
      expect(yield* Effect.flip(reused)).toMatchObject({ _tag: "IngestionError", reason: "key-reused" })
      if (saved !== undefined) yield* memory.forget(saved.id)
      // Takes the place in the database that became free.
      yield* memory.save("Something else entirely.")
      const late = yield* memory.save({ text: "The key is under the mat.", idempotencyKey: "k" })
      expect(late).toMatchObject({ repeated: true, created: 0, memories: [] })
      expect(yield* textsOf(memory)).toEqual(["Something else entirely."])
      yield* memory.forgetAll({ confirm: true })
      expect(yield* memory.save({ text: "Another text.", idempotencyKey: "k" })).toMatchObject({ created: 1 })
    }))

  it.scoped("holds over a restart and among racing saves", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const open = <A, E>(use: (memory: UserMemory) => Effect.Effect<A, E>) =>
        within(MemoryVault.layerSqlite({ filename }))(Effect.flatMap(userMemory("alice"), use))
      const input = { text: "The ferry leaves at noon.", idempotencyKey: "k" }
      const saves = yield* open((memory) =>
        Effect.forEach(Array.from({ length: 16 }), () => memory.save(input), { concurrency: "unbounded" })
      )
      expect(saves.reduce((sum, { created }) => sum + created, 0)).toBe(1)
      expect(saves.filter(({ repeated }) => repeated)).toHaveLength(15)
      expect(yield* open((memory) => memory.save(input))).toMatchObject({ repeated: true, created: 0 })
    }))
})
