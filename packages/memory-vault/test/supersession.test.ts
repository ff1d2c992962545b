import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import type { Memory } from "@sennit/memory-vault"
import { MemoryVault } from "@sennit/memory-vault"
import type { UserMemory } from "@sennit/memory-vault/MemoryVault"
import { Effect, FastCheck, Option, Stream, TestClock } from "effect"
import { endingPairs, keepingPairs } from "./support/factPairs.ts"
import { layerFile, makeFile, userMemory, within } from "./support/vaultFile.ts"

const inFile = <A, E>(
  name: string,
  use: (memory: UserMemory) => Effect.Effect<A, E, MemoryVault.MemoryVault>
) => it.scoped(name, () => within(layerFile)(Effect.flatMap(userMemory("alice"), use)))

const textsOf = ({ memories }: Memory.RecallResult) => memories.map(({ memory }) => memory.text)

const day = (n: number) => Date.UTC(2026, 0, n)

/** Which of the pairs the second sentence ended the first of. */
const endedAmong = (pairs: ReadonlyArray<readonly [string, string]>) =>
  Effect.filter(pairs, ([before, after]) =>
    Effect.gen(function*() {
      const memory = yield* userMemory(`${before} / ${after}`)
      const { memories: [first] } = yield* memory.save({ text: before, eventTime: day(1) })
      const { memories: [second], superseded } = yield* memory.save({ text: after, eventTime: day(2) })
      const found = yield* Effect.flatMap(Effect.fromNullable(first), ({ id }) => memory.get(id))
      const by = Option.flatMapNullable(found, ({ supersededBy }) => supersededBy)
      expect(superseded).toEqual(Option.isSome(by) ? [first?.id] : [])
      if (Option.isSome(by)) expect(by.value).toBe(second?.id)
      return Option.isSome(by)
    }))

describe("supersession without a model", () => {
  it.scoped("ends at least 80 % of what became untrue, and nothing that did not", () =>
    Effect.gen(function*() {
      const right = yield* endedAmong(endingPairs)
      const wrong = yield* endedAmong(keepingPairs)
      expect(endingPairs.length + keepingPairs.length).toBeGreaterThanOrEqual(200)
      expect(wrong).toEqual([])
      expect(right.length / endingPairs.length).toBeGreaterThanOrEqual(0.8)
    }).pipe(within(MemoryVault.layerMemory)))

  inFile("answers with the present town, and with the former one as of then", (memory) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(day(1))
      yield* memory.save("Remember that my sister Ada lives in Porto")
      yield* TestClock.setTime(day(10))
      yield* memory.save("Remember that my sister Ada lives in Lisbon")
      const query = "Where does Ada live?"
      const now = yield* memory.recall(query)
      expect(textsOf(now)).toEqual(["Remember that my sister Ada lives in Lisbon"])
      expect(now.promptBlock).toContain("Lisbon")
      expect(now.promptBlock).not.toContain("Porto")
      expect(textsOf(yield* memory.recall({ query, asOf: day(5) }))).toEqual([
        "Remember that my sister Ada lives in Porto"
      ])
      expect(textsOf(yield* memory.recall({ query, asOf: day(0) }))).toEqual([])
      expect(textsOf(yield* memory.recall({ query, includeSuperseded: true })).toSorted()).toEqual([
        "Remember that my sister Ada lives in Lisbon",
        "Remember that my sister Ada lives in Porto"
      ])
    }))

  inFile("takes back what was said before when it is said anew", (memory) =>
    Effect.gen(function*() {
      for (const [i, town] of ["Porto", "Lisbon", "Porto"].entries()) {
        yield* TestClock.setTime(day(10 * i + 1))
        yield* memory.save(`I live in ${town}.`)
      }
      expect(textsOf(yield* memory.recall("Where do I live?"))).toEqual(["I live in Porto."])
      expect(textsOf(yield* memory.recall({ query: "Where do I live?", asOf: day(15) }))).toEqual(["I live in Lisbon."])
      expect(textsOf(yield* memory.recall({ query: "Where do I live?", asOf: day(5) }))).toEqual(["I live in Porto."])
    }))

  inFile("gives the former fact back when the later one is forgotten", (memory) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(day(20))
      yield* memory.save({ text: "I live in Porto.", eventTime: day(1) })
      const { memories: [mistaken] } = yield* memory.save({ text: "I live in Lisbon.", eventTime: day(2) })
      expect(textsOf(yield* memory.recall("live"))).toEqual(["I live in Lisbon."])
      if (mistaken !== undefined) yield* memory.forget(mistaken.id)
      expect(textsOf(yield* memory.recall("live"))).toEqual(["I live in Porto."])
    }))

  inFile("keeps the words of two speakers apart", (memory) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(day(20))
      yield* memory.save({ text: "I live in Porto.", speaker: "Ada" })
      const { superseded } = yield* memory.save({ text: "I live in Lisbon.", speaker: "Bob" })
      expect(superseded).toEqual([])
      expect(textsOf(yield* memory.recall("live")).toSorted()).toEqual(["I live in Lisbon.", "I live in Porto."])
    }))

  inFile("honours a stated span of validity", (memory) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(day(1))
      yield* memory.save({ text: "The pool is closed for repairs.", validTo: day(8) })
      yield* memory.save({ text: "The pool opens at seven.", validFrom: day(8) })
      const at = (asOf: number) => Effect.map(memory.recall({ query: "pool", asOf }), textsOf)
      expect(yield* at(day(7))).toEqual(["The pool is closed for repairs."])
      expect(yield* at(day(8))).toEqual(["The pool opens at seven."])
      yield* TestClock.setTime(day(9))
      expect(textsOf(yield* memory.recall("pool"))).toEqual(["The pool opens at seven."])
      // What is over is said anew, not counted as said again.
      const again = yield* memory.save("The pool is closed for repairs.")
      expect([again.created, again.merged]).toEqual([1, 0])
      for (const wrong of [{ validTo: "never" }, { validFrom: day(2), validTo: day(2) }, { validFrom: Number.NaN }]) {
        expect(yield* Effect.flip(memory.save({ text: "x", ...wrong }))).toMatchObject({ reason: "validity" })
      }
    }))

  const towns = ["Porto", "Lisbon", "Faro", "Braga"]
  it.effect.prop(
    "works validity out from what is stored, whatever the order of arrival",
    [
      FastCheck.uniqueArray(FastCheck.tuple(FastCheck.nat(60), FastCheck.nat(3)), {
        minLength: 2,
        maxLength: 8,
        selector: ([at]) => at
      }).chain((said) =>
        FastCheck.tuple(FastCheck.constant(said), FastCheck.shuffledSubarray(said, { minLength: said.length }))
      )
    ],
    ([[said, arrival]]) =>
      Effect.gen(function*() {
        const memory = yield* userMemory("alice")
        yield* TestClock.setTime(day(100))
        for (const [at, town] of arrival) {
          yield* memory.save({ text: `I live in ${towns[town]}.`, eventTime: day(at) })
        }
        // Said twice in a row it is counted, so only the town of each day is compared.
        const inOrder = said.toSorted(([a], [b]) => a - b)
        const latest = inOrder.at(-1)
        const current = yield* memory.recall({ query: "live", topK: 50 })
        expect(new Set(textsOf(current))).toEqual(new Set([`I live in ${towns[latest?.[1] ?? 0]}.`]))
      }).pipe(within(MemoryVault.layerMemory)),
    { fastCheck: { numRuns: 40 } }
  )
})

describe("update and history", () => {
  inFile("changes text, index and validity, and remembers what was", (memory) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(day(1))
      const { memories: [saved] } = yield* memory.save({ text: "The spare key lies under the mat.", speaker: "Ada" })
      if (saved === undefined) return yield* Effect.dieMessage("nothing was saved")
      expect([saved.version, saved.updatedAt]).toEqual([1, saved.createdAt])
      yield* TestClock.setTime(day(2))
      const updated = yield* memory.update(saved.id, { version: 1, text: "The spare key hangs in the shed." })
      expect(updated).toMatchObject({
        id: saved.id,
        version: 2,
        text: "The spare key hangs in the shed.",
        speaker: "Ada"
      })
      expect(yield* memory.get(saved.id)).toEqual(Option.some(updated))
      expect(textsOf(yield* memory.recall("shed"))).toEqual(["The spare key hangs in the shed."])
      expect(textsOf(yield* memory.recall("mat"))).toEqual([])
      const history = yield* memory.history(saved.id)
      expect(history.map(({ recordedAt, text, version }) => [version, text, Number(recordedAt.epochMillis)])).toEqual([
        [1, "The spare key lies under the mat.", day(1)],
        [2, "The spare key hangs in the shed.", day(2)]
      ])
      const stranger = yield* userMemory("bob")
      expect(yield* Effect.flip(stranger.update(saved.id, { version: 2, text: "x" }))).toMatchObject({
        _tag: "MemoryNotFound"
      })
      expect(yield* stranger.history(saved.id)).toEqual([])
    }))

  inFile("refuses a change by one who saw another version", (memory) =>
    Effect.gen(function*() {
      const { memories: [saved] } = yield* memory.save("Counter is 0.")
      if (saved === undefined) return yield* Effect.dieMessage("nothing was saved")
      const attempts = yield* Effect.forEach(
        Array.from({ length: 8 }, (_, i) => i + 1),
        (i) => Effect.either(memory.update(saved.id, { version: 1, text: `Counter is ${i}.` })),
        { concurrency: "unbounded" }
      )
      expect(attempts.filter(({ _tag }) => _tag === "Right")).toHaveLength(1)
      for (const attempt of attempts) {
        if (attempt._tag === "Left") {
          expect(attempt.left).toMatchObject({ _tag: "VersionConflict", expected: 1, actual: 2 })
        }
      }
      expect(yield* memory.history(saved.id)).toHaveLength(2)
      const long = "A sentence of the long text stands here. ".repeat(80)
      expect(yield* Effect.flip(memory.update(saved.id, { version: 2, text: long }))).toMatchObject({
        reason: "several"
      })
      expect(yield* Effect.flip(memory.update(saved.id, { version: 2, text: " " }))).toMatchObject({ reason: "empty" })
      yield* memory.forget(saved.id)
      expect(yield* Effect.flip(memory.update(saved.id, { version: 2, type: "semantic" }))).toMatchObject({
        _tag: "MemoryNotFound"
      })
      expect(yield* memory.history(saved.id)).toEqual([])
    }))

  inFile(
    "a corrected fact ends another, and no longer ends what it does not contradict",
    (memory) =>
      Effect.gen(function*() {
        yield* TestClock.setTime(day(20))
        yield* memory.save({ text: "I live in Porto.", eventTime: day(1) })
        const { memories: [other] } = yield* memory.save({ text: "I work in Lisbon.", eventTime: day(2) })
        if (other === undefined) return yield* Effect.dieMessage("nothing was saved")
        yield* memory.update(other.id, { version: 1, text: "I live in Lisbon." })
        expect(textsOf(yield* memory.recall("live"))).toEqual(["I live in Lisbon."])
        yield* memory.update(other.id, { version: 2, text: "I like Lisbon." })
        expect(textsOf(yield* memory.recall("live"))).toEqual(["I live in Porto."])
      })
  )

  inFile("states and takes back an end", (memory) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(day(20))
      const { memories: [saved] } = yield* memory.save({ text: "The gym is free for us.", eventTime: day(1) })
      if (saved === undefined) return yield* Effect.dieMessage("nothing was saved")
      const ended = yield* memory.update(saved.id, { version: 1, validTo: day(5) })
      expect(ended.validTo?.epochMillis).toBe(day(5))
      expect(textsOf(yield* memory.recall("gym"))).toEqual([])
      expect(textsOf(yield* memory.recall({ query: "gym", asOf: day(3) }))).toHaveLength(1)
      const renamed = yield* memory.update(saved.id, { version: 2, metadata: { checked: true } })
      expect([renamed.validTo?.epochMillis, renamed.metadata]).toEqual([day(5), { checked: true }])
      yield* memory.update(saved.id, { version: 3, validTo: null })
      expect(textsOf(yield* memory.recall("gym"))).toHaveLength(1)
    }))
})

describe("migration", () => {
  it.scopedLive("opens a file of schema 1, keeps all it holds and ends its facts by new ones", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const fileSystem = yield* FileSystem.FileSystem
      yield* fileSystem.copyFile(new URL("fixtures/schema-1.db", import.meta.url).pathname, filename)
      yield* Effect.gen(function*() {
        const [alice, bob] = [yield* userMemory("alice"), yield* userMemory("bob", "acme")]
        const listed = Array.from(yield* Stream.runCollect(alice.list()))
        expect(
          listed.map(({ occurrences, text, validFrom, version }) => [text, occurrences, version, validFrom.epochMillis])
        )
          .toEqual([
            ["We took the ferry to Cacilhas.", 2, 1, Date.UTC(2025, 2, 1, 9, 1)],
            ["My sister Ada lives in Porto.", 1, 1, Date.UTC(2025, 2, 1, 9, 0)]
          ])
        expect(textsOf(yield* alice.recall("Where does Ada live?"))[0]).toBe("My sister Ada lives in Porto.")
        yield* alice.save({ text: "My sister Ada lives in Lisbon.", speaker: "Alice" })
        const found = textsOf(yield* alice.recall("Where does Ada live?"))
        expect(found).toContain("My sister Ada lives in Lisbon.")
        expect(found).not.toContain("My sister Ada lives in Porto.")
        expect(yield* Stream.runCollect(bob.list())).toHaveLength(0)
      }).pipe(within(MemoryVault.layerSqlite({ filename })))
      expect(yield* MemoryVault.verify({ filename })).toEqual([])
    }).pipe(within(NodeContext.layer)))
})
