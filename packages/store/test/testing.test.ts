import { describe, expect, it, vi } from "@effect/vitest"
import { Capability, Memory, StoreError } from "@sennit/store"
import { conformance, conformanceFor, cutStreams, failNth, runConformance } from "@sennit/store/testing"
import { Chunk, Effect, Either, Stream } from "effect"

vi.setConfig({ testTimeout: 0 })

const error = new StoreError.BackendUnavailable({
  path: "a",
  backend: "memory",
  operation: "read",
  reason: "Io",
  retryable: true,
  cause: "injected"
})

describe("fault injection", () => {
  it.effect("fails the nth call and no other", () =>
    Effect.gen(function*() {
      const store = (yield* Memory.make()).intercept(yield* failNth({ operation: "write", nth: 2, error }))
      const outcomes = yield* Effect.forEach(["a", "b", "c"], (key) => Effect.either(store.write(key, "x")))
      expect(outcomes.map(Either.isLeft)).toEqual([false, true, false])
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(store.list(""))).map(({ key }) => key)).toEqual(["a", "c"])
    }))

  it.effect("cuts a stream after so many elements", () =>
    Effect.gen(function*() {
      const plain = yield* Memory.make()
      yield* plain.write("a", new Uint8Array(1_000_000))
      const store = plain.intercept(cutStreams({ operation: "read", after: 2, error }))
      let pulled = 0
      const failure = yield* Effect.flip(Stream.runForEach(store.read("a"), () => Effect.sync(() => pulled++)))
      expect([failure, pulled]).toEqual([error, 2])
      const copied = yield* Effect.either(plain.write("b", store.read("a")))
      expect([Either.isLeft(copied), yield* plain.exists("b")]).toEqual([true, false])
    }))
})

describe("the contract suite", () => {
  it("is filtered by what a store offers and lacks", () => {
    const none = conformanceFor(new Set())
    expect(none.map(({ needs }) => needs)).toEqual(none.map(() => []))
    expect(none.length).toBeLessThan(3)
    const all = conformanceFor(new Set(Capability.all))
    expect(conformance.filter((one) => !all.includes(one)).every(({ lacks }) => lacks.length > 0)).toBe(true)
    expect(new Set(conformance.map(({ name }) => name)).size).toBe(conformance.length)
  })

  it.effect("passes on a narrowed store with the cases that are left", () =>
    Effect.gen(function*() {
      const names = yield* runConformance((yield* Memory.make()).only("read", "write", "atomicWrite"))
      expect(names).toContain("write refuses metadata where metadata is not offered")
      expect(names).not.toContain("create never replaces")
    }))

  // A suite that cannot fail proves nothing: each of these stores breaks one promise.
  const broken = {
    "bytes come back as they were written": { effect: "readBytes", value: new Uint8Array(3) },
    "absence is NotFound and exists is false": { effect: "exists", value: true },
    "create never replaces": { effect: "write", value: { key: "a", size: 1, etag: "m1" } },
    "of many that create one key exactly one wins": { effect: "write", value: { key: "a", size: 1, etag: "m1" } },
    "a range is the part of it that exists": { effect: "readBytes", value: new Uint8Array(1) },
    "delete removes an object and never a folder": { effect: "delete", value: undefined },
    "a listing has every key once in UTF-8 order": { stream: "list" },
    "a listing shows what is directly in a folder": { stream: "list" },
    "a long listing is complete while objects are deleted": { stream: "list" },
    "a write whose source fails leaves what was there": { effect: "write", value: {} },
    "move keeps to its mode": { effect: "move", value: {} },
    "copy keeps to its mode": { effect: "copy", value: {} },
    "a child store sees its folder and no more": { effect: "stat", value: { key: "a/b/c/d/e" } },
    "a write with ifMatch replaces that version or nothing": { effect: "write", value: { etag: "always" } }
  } as const
  for (const [name, lie] of Object.entries(broken)) {
    it.effect(`finds out a store that lies: ${name}`, () =>
      Effect.gen(function*() {
        const honest = yield* Memory.make()
        const store = honest.intercept({
          effect: (call, next) =>
            "effect" in lie && lie.effect === call.operation
              ? Effect.map(Effect.ignore(next), () => pretend(lie.value))
              : next,
          stream: (call, next) => "stream" in lie && lie.stream === call.operation ? Stream.drop(next, 1) : next
        })
        const found = conformance.find((one) => one.name === name)
        const outcome = yield* Effect.either(found?.run(store) ?? Effect.void)
        expect(Either.isLeft(outcome)).toBe(true)
      }))
  }
})

function pretend<A>(value: unknown): A
function pretend(value: unknown): unknown {
  return value
}
