import { describe, expect, it } from "@effect/vitest"
import { MemoryVault, PromptBlock } from "@sennit/memory-vault"
import type { UserMemory } from "@sennit/memory-vault/MemoryVault"
import { Cause, Effect, Either, FastCheck, Fiber, Stream, TestClock } from "effect"
import { layerFile, makeFile, userMemory, within } from "./support/vaultFile.ts"

const inMemory = <A, E>(name: string, use: (memory: UserMemory) => Effect.Effect<A, E>) =>
  it.effect(name, () => within(MemoryVault.layerMemory)(Effect.flatMap(userMemory("alice"), use)))

const listed = (memory: UserMemory) =>
  Effect.map(Stream.runCollect(memory.list()), (all) => Array.from(all, ({ text }) => text))

describe("queries of any kind", () => {
  inMemory(
    "are answered, whatever their characters, their length, or their lack of content",
    (memory) =>
      Effect.gen(function*() {
        yield* Stream.runDrain(memory.saveAll(Stream.map(
          Stream.range(1, 50),
          (i) => `The ferry number ${i} left the harbour at noon, 東京 ${i}.`
        )))
        const odd = FastCheck.sample(FastCheck.string({ unit: "binary", maxLength: 60 }), { numRuns: 300, seed: 5 })
        const syntax = [
          "NEAR(a b)",
          "\"unclosed",
          "a AND",
          "* OR *",
          "text:x",
          "' OR 1=1 --",
          "-",
          "^a",
          "a*",
          "(((",
          "\0",
          "%_"
        ]
        const halves = ["\ud800", "a\udc00b", "\ud83d ferry"]
        const stop = ["the and of", "is it was?", "who are you"]
        const long = ["ferry ".repeat(175_000), "x".repeat(1_048_576), "東".repeat(349_525), "\u0301".repeat(500_000)]
        for (const query of [...odd, ...syntax, ...halves, ...stop, ...long, "", " "]) {
          const { memories, totalTokens } = yield* memory.recall({ query, topK: 3, tokenBudget: 200 })
          expect(memories.length).toBeLessThanOrEqual(3)
          expect(totalTokens).toBeLessThanOrEqual(200)
        }
        // What has no content is answered by what is newest; what has is answered by nothing else.
        const texts = yield* listed(memory)
        const { memories } = yield* memory.recall({ query: "the and of", topK: 3 })
        expect(memories.map((found) => found.memory.text)).toEqual(texts.slice(0, 3))
        expect((yield* memory.recall("ferry ".repeat(175_000))).memories).toHaveLength(5)
        expect((yield* memory.recall("zeppelin")).memories).toEqual([])
      })
  )

  inMemory("get the true minimum when not even an empty block fits", (memory) =>
    Effect.gen(function*() {
      yield* memory.save("The ferry leaves at noon.")
      for (const format of ["xml", "markdown", "json"] as const) {
        const error = yield* Effect.flip(memory.recall({ query: "ferry", format, tokenBudget: 0 }))
        if (error._tag !== "BudgetExceeded") return yield* Effect.dieMessage(error._tag)
        const { minimumRequired } = error
        const least = yield* memory.recall({ query: "ferry", format, tokenBudget: minimumRequired })
        expect(Either.getOrThrow(PromptBlock.parse(least.promptBlock, format))).toEqual([])
        const less = memory.recall({ query: "ferry", format, tokenBudget: minimumRequired - 1 })
        expect(yield* Effect.flip(less)).toMatchObject({ _tag: "BudgetExceeded", minimumRequired })
      }
    }))
})

const day = (n: number) => Date.UTC(2028, 1, n)

describe("a clock that goes back", () => {
  it.scoped("loses nothing, keeps the order of saving, and ends facts by when they were so", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      yield* Effect.gen(function*() {
        const memory = yield* userMemory("alice")
        // A leap day, the future, the past, and the time before 1970.
        const times = [day(29), day(400), day(1), day(-30_000), day(29)]
        for (const [i, time] of times.entries()) {
          yield* TestClock.setTime(time)
          yield* memory.save({ text: `Entry ${i} of the ferry's log.`, sessionId: "s" })
        }
        expect(yield* listed(memory)).toEqual([4, 3, 2, 1, 0].map((i) => `Entry ${i} of the ferry's log.`))
        yield* TestClock.setTime(day(10))
        yield* memory.save("I live in Porto.")
        yield* TestClock.setTime(day(5))
        yield* memory.save("I live in Lisbon.")
        yield* TestClock.setTime(day(20))
        const towns = (asOf?: number) =>
          Effect.map(
            memory.recall({ query: "Where do I live?", asOf }),
            ({ memories }) => memories.map((found) => found.memory.text).filter((text) => text.startsWith("I live"))
          )
        expect(yield* towns()).toEqual(["I live in Porto."])
        expect(yield* towns(day(7))).toEqual(["I live in Lisbon."])
        const note = yield* memory.working("s").set({ key: "k", text: "x", ttl: "1 hour" })
        yield* TestClock.setTime(day(1))
        expect((yield* memory.working("s").set({ key: "k", text: "y", ttl: "1 hour" })).expiresAt.epochMillis)
          .toBeLessThan(note.expiresAt.epochMillis)
        const [first] = Array.from(yield* Stream.runCollect(memory.list()))
        if (first === undefined) return yield* Effect.dieMessage("nothing is listed")
        yield* TestClock.setTime(day(-500))
        expect((yield* memory.update(first.id, { version: 1, metadata: { late: true } })).version).toBe(2)
        expect((yield* memory.history(first.id)).map(({ version }) => version)).toEqual([1, 2])
      }).pipe(within(MemoryVault.layerSqlite({ filename })))
      expect(yield* MemoryVault.verify({ filename })).toEqual([])
    }))
})

/** Work whose interruption could leave something behind; each run is told by a number of its own. */
const works: ReadonlyArray<readonly [string, (memory: UserMemory, run: number) => Effect.Effect<unknown, Error>]> = [
  ["save", (memory, run) => memory.save({ text: `I live in Town${run}.`, sessionId: "s", idempotencyKey: `${run}` })],
  [
    "saveAll",
    (memory, run) => Stream.runDrain(memory.saveAll(Stream.make(`Saved ${run} first.`, `Saved ${run} second.`)))
  ],
  ["recall", (memory) => memory.recall({ query: "pier and ferry", summaries: 2 })],
  [
    "update",
    (memory, run) =>
      Effect.flatMap(
        Effect.flatten(Stream.runHead(memory.list())),
        ({ id, version }) => memory.update(id, { version, text: `Updated ${run}.` })
      )
  ],
  [
    "forget",
    (memory) => Effect.flatMap(Effect.flatten(Stream.runHead(memory.list())), ({ id }) => memory.forget(id))
  ],
  ["list", (memory) => Stream.runDrain(memory.list())],
  ["export", (memory) => Stream.runDrain(memory.export)],
  [
    "notes",
    (memory, run) =>
      Effect.zipRight(
        memory.procedural.upsert({ key: `${run % 5}`, text: "x" }),
        memory.working("s").set({ key: "k", text: "x" })
      )
  ],
  [
    "session and compress",
    (memory) =>
      Effect.scoped(Effect.flatMap(memory.session({ sessionId: "s", compress: true }), ({ end }) => end)).pipe(
        Effect.flatMap(({ job }) => job === undefined ? Effect.void : memory.jobs.await(job))
      )
  ],
  ["forgetAll", (memory) => memory.forgetAll({ confirm: true })]
]

describe("interruption", () => {
  it.scopedLive(
    "at any step of any work leaves nothing half, nothing locked and nothing running",
    () =>
      Effect.gen(function*() {
        const filename = yield* makeFile
        yield* Effect.gen(function*() {
          const memory = yield* userMemory("alice")
          const turns = Array.from(
            { length: 20 },
            (_, i) => ({ text: `Turn ${i} on a pier and a ferry.`, sessionId: "s" })
          )
          let run = 0
          for (const [name, work] of works) {
            yield* Stream.runDrain(memory.saveAll(Stream.fromIterable(turns)))
            let finished = 0
            for (let steps = 0; steps < 4_000 && finished < 2; steps += 1 + (steps >> 3)) {
              // The worker gives way after every few operations, so that each number of steps stops it somewhere else.
              const fiber = yield* work(memory, run++).pipe(Effect.withMaxOpsBeforeYield(128), Effect.fork)
              yield* Effect.repeatN(Effect.yieldNow(), steps)
              // What waits for another fiber, or for its turn, needs real time.
              if (steps > 200) yield* Effect.sleep(steps / 50)
              const exit = yield* Fiber.interrupt(fiber)
              if (exit._tag === "Success") finished++
              else expect(Cause.isInterruptedOnly(exit.cause)).toBe(true)
              // The connection is free again.
              yield* memory.stats
            }
            expect([name, finished]).toEqual([name, 2])
          }
        }).pipe(within(MemoryVault.layerSqlite({ filename })))
        expect(yield* MemoryVault.verify({ filename })).toEqual([])
      }),
    { timeout: 60_000 }
  )

  it.scopedLive("of a vault's own scope ends its jobs at once and leaves them to the next", () =>
    Effect.gen(function*() {
      const memory = yield* userMemory("alice")
      const turns = Array.from({ length: 60 }, (_, i) => ({ text: `Turn ${i} on pier ${i}.`, sessionId: `s${i % 2}` }))
      yield* Stream.runDrain(memory.saveAll(Stream.fromIterable(turns)))
      yield* memory.compress()
    }).pipe(within(layerFile)))
})
