import { describe, expect, it, vi } from "@effect/vitest"
import { Driver, Layers, Memory, Operations, Store } from "@sennit/store"
import type { StoreError } from "@sennit/store"
import { derive } from "@sennit/store/testing"
import { Chunk, DateTime, Deferred, Duration, Effect, Exit, Fiber, Option, Schedule, Stream, TestClock } from "effect"

vi.setConfig({ testTimeout: 0 })

const lost = { _tag: "Unavailable", reason: "Network", retryable: true, applied: "unknown" } as const
const unsent = { _tag: "Unavailable", reason: "Throttled", retryable: true } as const
const atOnce = { schedule: Schedule.recurs(3) }

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onFailure: ({ _tag }) => _tag, onSuccess: () => "success" })

/** A fault at the given requests of a primitive. */
const at = (primitive: string, faults: { readonly [nth: number]: Layers.Fault }) =>
  Layers.fault((request) => request.primitive === primitive ? faults[request.nth] : undefined)

const countRequests = Effect.map(Memory.make(), (memory) => {
  const requests: Array<string> = []
  const store = memory.pipe(Layers.fault(({ primitive }) => {
    requests.push(primitive)
    return undefined
  }))
  return { memory, requests, store }
})

describe("retry", () => {
  it.effect("tries again what has not happened", () =>
    Effect.gen(function*() {
      const store = (yield* Memory.make()).pipe(
        at("put", { 1: { when: "before", condition: unsent }, 2: { when: "before", condition: unsent } }),
        Layers.retry(atOnce)
      )
      yield* store.write("a", "x")
      expect(yield* store.readText("a")).toBe("x")
    }))

  it.effect("gives up in the end, and never tries again what is final", () =>
    Effect.gen(function*() {
      const { requests, store } = yield* countRequests
      const broken = store.pipe(Layers.fault(() => ({ when: "before", condition: unsent })), Layers.retry(atOnce))
      expect(yield* tagOf(broken.stat("a"))).toBe("BackendUnavailable")
      expect(yield* tagOf(store.pipe(Layers.retry(atOnce)).stat("a"))).toBe("NotFound")
      expect(requests).toEqual(["stat"])
    }))

  it.effect("waits longer each time", () =>
    Effect.gen(function*() {
      const store = (yield* Memory.make()).pipe(
        at("stat", { 1: { when: "before", condition: unsent } }),
        Layers.retry()
      )
      const fiber = yield* Effect.fork(tagOf(store.stat("a")))
      yield* TestClock.adjust("1 millis")
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
      yield* TestClock.adjust("1 seconds")
      expect(yield* Fiber.join(fiber)).toBe("NotFound")
    }))

  it.effect("knows a conditional write of its own again after a lost answer", () =>
    Effect.gen(function*() {
      const memory = yield* Memory.make()
      const store = memory.pipe(at("put", { 1: { when: "after", condition: lost } }), Layers.retry(atOnce))
      const created = yield* store.write("a", "mine", { metadata: { by: "me" } })
      expect(created.etag).toBe((yield* memory.stat("a")).etag)
      expect((yield* store.stat("a")).metadata).toEqual({ by: "me" })
      const again = memory.pipe(at("put", { 1: { when: "after", condition: lost } }), Layers.retry(atOnce))
      const replaced = yield* again.write("a", "next", { mode: { ifMatch: created.etag } })
      expect([replaced.etag, yield* memory.readText("a")]).toEqual([(yield* memory.stat("a")).etag, "next"])
    }))

  it.effect("sends a conditional write again when it was lost on its way", () =>
    Effect.gen(function*() {
      const memory = yield* Memory.make()
      const store = memory.pipe(at("put", { 1: { when: "before", condition: lost } }), Layers.retry(atOnce))
      yield* store.write("a", "mine")
      expect(yield* memory.readText("a")).toBe("mine")
    }))

  it.effect("calls ambiguous what nobody can tell: another's object, no metadata, a streamed body, a move", () =>
    Effect.gen(function*() {
      const memory = yield* Memory.make()
      yield* memory.write("taken", "another's")
      const blind = memory.only("read", "write", "createIfAbsent", "atomicWrite", "move")
      const loses = (primitive: string) => at(primitive, { 1: { when: "after", condition: lost } })
      const before = at("put", { 1: { when: "before", condition: lost } })
      expect(yield* tagOf(memory.pipe(before, Layers.retry(atOnce)).write("taken", "mine"))).toBe("AmbiguousWrite")
      const body = Stream.make(new Uint8Array([1]))
      expect(yield* tagOf(memory.pipe(loses("put"), Layers.retry(atOnce)).write("b", body))).toBe("AmbiguousWrite")
      expect(yield* tagOf(blind.pipe(loses("move"), Layers.retry(atOnce)).move("taken", "c"))).toBe("AmbiguousWrite")
      const bare = Store.fromDriver(withoutMetadata())
      expect(yield* tagOf(bare.pipe(loses("put"), Layers.retry(atOnce)).write("d", "x"))).toBe("AmbiguousWrite")
    }))

  it.effect("never applies twice what counts", () =>
    Effect.gen(function*() {
      const { requests, store } = yield* countRequests
      yield* store.write("a", "x")
      const flaky = store.pipe(at("move", { 1: { when: "after", condition: lost } }), Layers.retry(atOnce))
      yield* tagOf(flaky.move("a", "b", { mode: "overwrite" }))
      expect(requests.filter((primitive) => primitive === "move")).toEqual(["move"])
    }))

  it.effect("takes an object that is gone after a lost answer for deleted", () =>
    Effect.gen(function*() {
      const memory = yield* Memory.make()
      yield* memory.write("a", "x")
      const store = memory.pipe(at("delete", { 1: { when: "after", condition: lost } }), Layers.retry(atOnce))
      yield* store.delete("a")
      expect(yield* tagOf(store.delete("a"))).toBe("NotFound")
    }))

  it.effect("tries a page of a listing again, not the listing", () =>
    Effect.gen(function*() {
      const { memory, requests, store } = yield* countRequests
      yield* Effect.forEach(Array.from({ length: 2500 }, (_, i) => `k${i}`), (key) => memory.write(key, ""))
      const flaky = store.pipe(at("list", { 2: { when: "before", condition: unsent } }), Layers.retry(atOnce))
      expect(Chunk.size(yield* Stream.runCollect(flaky.list("")))).toBe(2500)
      expect(requests).toEqual(["list", "list", "list"])
    }))

  it.effect("goes on with the rest of a stream that broke off, and never with another version", () =>
    Effect.gen(function*() {
      const store = Store.fromDriver(breaking(3))
      const whole = store.pipe(Layers.retry(atOnce))
      expect(yield* whole.readBytes("a")).toEqual(content)
      expect(yield* whole.readBytes("a", { range: { suffix: 9 } })).toEqual(content.slice(11))
      expect(yield* tagOf(store.readBytes("a"))).toBe("BackendUnavailable")
      expect(yield* tagOf(Store.fromDriver(breaking(3, true)).pipe(Layers.retry(atOnce)).readBytes("a"))).toBe(
        "PreconditionFailed"
      )
    }))
})

const content = Uint8Array.from({ length: 20 }, (_, i) => i)
const version = { size: content.length, etag: "1", modifiedAt: DateTime.unsafeMake(0) }
const attributes = { contentType: Option.none(), metadata: {} }

/** Gives a few bytes and breaks off, each time it is opened. */
const breaking = (after: number, changes = false): Driver.Driver<"read" | "range" | "readIfMatch"> => {
  let opened = 0
  return {
    name: "breaking",
    capabilities: new Set(["read", "range", "readIfMatch"] as const),
    quality: { replaceIfMatch: "none", atomicMove: "never", durability: "none" },
    stat: () => Effect.succeed({ _tag: "Object", version, attributes }),
    get: (_, { ifMatch, range }) =>
      Effect.suspend(() => {
        if (changes && opened++ > 0 && ifMatch === "1") {
          return Effect.fail(Driver.refuse({ _tag: "PreconditionFailed" }))
        }
        const part = range === undefined
          ? content
          : "suffix" in range
          ? content.slice(content.length - range.suffix)
          : content.slice(range.offset, range.offset + (range.length ?? content.length))
        let position = 0
        const pull = Effect.suspend(() => {
          if (position >= part.length) return Effect.succeed(undefined)
          if (position >= after) return Effect.fail(Driver.refuse(unsent))
          const piece = part.slice(position, position + after)
          position += piece.length
          return Effect.succeed(piece)
        })
        return Effect.succeed({ size: part.length, etag: "1", pull })
      }),
    classify: () => unsent
  }
}

/** Keeps one object, and nothing about it. */
const withoutMetadata = (): Driver.Driver<"read" | "write" | "createIfAbsent"> => {
  let there = false
  return {
    name: "bare",
    capabilities: new Set(["read", "write", "createIfAbsent"] as const),
    quality: { replaceIfMatch: "none", atomicMove: "never", durability: "none" },
    stat: () =>
      Effect.suspend(() =>
        there
          ? Effect.succeed<Driver.Node>({ _tag: "Object", version, attributes })
          : Effect.fail(Driver.refuse({ _tag: "NotFound" }))
      ),
    get: () => Effect.fail(Driver.refuse({ _tag: "NotFound" })),
    put: () =>
      Effect.suspend(() => {
        if (there) return Effect.fail(Driver.refuse({ _tag: "AlreadyExists" }))
        there = true
        return Effect.succeed(version)
      }),
    classify: () => unsent
  }
}

describe("timeout", () => {
  it.effect("gives up, and says whether a change may have been made", () =>
    Effect.gen(function*() {
      const slow = Layers.intercept({
        effect: (_, next) => Effect.delay(next, "1 hour"),
        stream: (_, next) => Stream.concat(Stream.fromEffect(Effect.never), next)
      })
      const store = (yield* Memory.make()).pipe(slow, Layers.timeout("5 seconds"))
      for (
        const [call, applied] of [
          [Effect.asVoid(store.write("a", "x")), "unknown"],
          [Effect.asVoid(store.stat("a")), "no"],
          [Stream.runDrain(store.list("")), "no"]
        ] as const
      ) {
        const fiber = yield* Effect.fork(Effect.flip(call))
        yield* TestClock.adjust("5 seconds")
        expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "TimedOut", timeout: 5000, applied, backend: "memory" })
      }
    }))
})

describe("limit", () => {
  it.effect("lets no more run at once, and an interrupted one makes room", () =>
    Effect.gen(function*() {
      let running = 0
      let most = 0
      const watch = Layers.intercept({
        effect: (_, next) =>
          Effect.acquireUseRelease(
            Effect.sync(() => {
              most = Math.max(most, ++running)
            }),
            () => Effect.zipRight(Effect.yieldNow(), next),
            () =>
              Effect.sync(() => {
                running--
              })
          )
      })
      const store = (yield* Memory.make()).pipe(watch, Layers.limit(3))
      const calls = Array.from({ length: 50 }, (_, i) => `k${i}`)
      yield* Effect.forEach(calls, (key) => store.write(key, "x"), { concurrency: "unbounded" })
      expect([most, running]).toEqual([3, 0])
      const one = (yield* Memory.make()).pipe(Layers.limit(1))
      const waiting = yield* Effect.fork(one.write("a", Stream.fromEffect(Effect.never)))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(waiting)
      yield* one.write("a", "x")
      const streams = yield* Effect.fork(Stream.runDrain(one.list("")))
      yield* Fiber.join(streams)
      expect(yield* one.readText("a")).toBe("x")
    }))
})

describe("cache", () => {
  const cache = Layers.cache({ timeToLive: "1 minute" })

  it.effect("asks once until the time is over or the object changes, by whatever operation", () =>
    Effect.gen(function*() {
      const { requests, store } = yield* countRequests
      const kept = store.pipe(cache)
      const child = yield* kept.child("f")
      const reads = () => requests.splice(0).filter((primitive) => primitive === "get").length
      yield* kept.write("f/a", "one")
      expect([yield* kept.readText("f/a"), yield* kept.readText("f//a"), yield* child.readText("a")]).toEqual(
        ["one", "one", "one"]
      )
      expect(reads()).toBe(1)
      yield* TestClock.adjust("59 seconds")
      yield* kept.readText("f/a")
      expect(reads()).toBe(0)
      yield* TestClock.adjust("1 seconds")
      yield* kept.readText("f/a")
      expect(reads()).toBe(1)
      const changes: ReadonlyArray<readonly [string, Effect.Effect<unknown, StoreError.StoreError>]> = [
        ["two", child.write("a", "two", { mode: "overwrite" })],
        ["three", Stream.run(Stream.make(new TextEncoder().encode("three")), kept.sink("f/a", { mode: "overwrite" }))],
        [
          "four",
          Effect.scoped(
            Effect.flatMap(kept.openAtomic("f/a", { mode: "overwrite" }), (writer) =>
              Effect.gen(function*() {
                yield* writer.write("four")
                expect(yield* kept.readText("f/a")).toBe("three")
                yield* writer.commit
                expect(yield* kept.readText("f/a")).toBe("four")
              }))
          )
        ],
        ["five", Effect.zipRight(kept.write("b", "five"), kept.move("b", "f/a", { mode: "overwrite" }))],
        ["NotFound", kept.delete("f/a")],
        ["six", kept.write("f/a", "six")],
        ["NotFound", kept.deleteFolder("f", { recursive: true })],
        ["seven", kept.write("f/a", "seven")],
        ["NotFound", kept.deleteMany(["f/a"])]
      ]
      for (const [expected, change] of changes) {
        yield* change
        const now = yield* Effect.merge(Effect.mapError(kept.readText("f/a"), ({ _tag }) => _tag))
        expect(now).toBe(expected)
      }
    }))

  it.effect("gives arrays of one's own", () =>
    Effect.gen(function*() {
      const kept = (yield* Memory.make()).pipe(cache)
      yield* kept.write("a", "x")
      ;(yield* kept.readBytes("a")).fill(0)
      ;(yield* kept.readBytes("a")).fill(0)
      expect(yield* kept.readBytes("a")).toEqual(new TextEncoder().encode("x"))
    }))

  it.effect("asks once for many who ask at once, and one that gives up does not fail the others", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      let loads = 0
      const slow = Layers.intercept({
        effect: (call, next) =>
          call.operation === "readText"
            ? Effect.zipRight(
              Effect.suspend(() => {
                loads++
                return Deferred.await(gate)
              }),
              next
            )
            : next
      })
      const store = (yield* Memory.make()).pipe(slow, cache)
      yield* store.write("a", "x")
      const leader = yield* Effect.fork(store.readText("a"))
      yield* Effect.yieldNow()
      const others = yield* Effect.fork(Effect.all(Array.from({ length: 20 }, () => store.readText("a")), {
        concurrency: "unbounded"
      }))
      yield* Effect.yieldNow()
      expect(loads).toBe(1)
      yield* Fiber.interrupt(leader)
      yield* Deferred.succeed(gate, undefined)
      expect(yield* Fiber.join(others)).toEqual(Array.from({ length: 20 }, () => "x"))
      expect(loads).toBe(2)
    }))

  it.effect("does not keep what was read while it changed", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const late = Layers.intercept({
        effect: (call, next) => call.operation === "readText" ? Effect.zipLeft(next, Deferred.await(gate)) : next
      })
      const store = (yield* Memory.make()).pipe(late, cache)
      yield* store.write("a", "old")
      const reader = yield* Effect.fork(store.readText("a"))
      yield* Effect.yieldNow()
      yield* store.write("a", "new", { mode: "overwrite" })
      yield* Deferred.succeed(gate, undefined)
      expect(yield* Fiber.join(reader)).toBe("old")
      expect(yield* store.readText("a")).toBe("new")
    }))

  it.effect("keeps failures never, the least used no longer than there is room, and nothing large", () =>
    Effect.gen(function*() {
      const { memory, requests, store } = yield* countRequests
      const kept = store.pipe(Layers.cache({ timeToLive: "1 minute", capacity: 2, maxBytes: 10 }))
      expect(yield* tagOf(kept.readText("a"))).toBe("NotFound")
      yield* Effect.forEach(["a", "b", "c"], (key) => memory.write(key, "x"))
      yield* memory.write("large", "x".repeat(11))
      for (const key of ["a", "b", "a", "c", "a", "b"]) yield* kept.readBytes(key)
      requests.length = 0
      yield* kept.readBytes("b")
      expect(requests).toEqual([])
      yield* kept.readBytes("c")
      expect(requests).toEqual(["get"])
      yield* kept.readBytes("large")
      yield* kept.readBytes("large")
      expect(requests).toEqual(["get", "get", "get"])
    }))

  it.effect("revalidates by etag", () =>
    Effect.gen(function*() {
      const { memory, requests, store } = yield* countRequests
      const kept = store.pipe(Layers.cache({ timeToLive: "1 minute", revalidate: true }))
      yield* memory.write("a", "one")
      yield* kept.readText("a")
      yield* TestClock.adjust("2 minutes")
      requests.length = 0
      expect([yield* kept.readText("a"), yield* kept.readText("a")]).toEqual(["one", "one"])
      expect(requests).toEqual(["stat"])
      yield* memory.write("a", "two", { mode: "overwrite" })
      yield* TestClock.adjust("2 minutes")
      expect(yield* kept.readText("a")).toBe("two")
    }))
})

describe("verify", () => {
  it.effect("finds bytes that are not those that were written, and says nothing of its digests", () =>
    Effect.gen(function*() {
      const memory = yield* Memory.make()
      const store = memory.pipe(Layers.verify)
      yield* store.write("a", "good", { metadata: { by: "me" } })
      expect([yield* store.readText("a"), (yield* store.stat("a")).metadata]).toEqual(["good", { by: "me" }])
      const { metadata } = yield* memory.stat("a")
      yield* memory.write("a", "evil", { mode: "overwrite", metadata })
      expect(yield* tagOf(store.readText("a"))).toBe("IntegrityMismatch")
      expect(yield* tagOf(Stream.runDrain(store.read("a")))).toBe("IntegrityMismatch")
      expect(yield* store.readText("a", { range: { offset: 0, length: 1 } })).toBe("e")
      yield* store.write("b", Stream.make(new Uint8Array([1])))
      expect(yield* store.readBytes("b")).toEqual(new Uint8Array([1]))
      // @ts-expect-error a store without metadata has no place for a digest
      expect(typeof Layers.verify<"read">(memory.only("read"))).toBe("object")
    }))
})

describe("readOnly", () => {
  it.effect("has no operation that changes something, in its type and at run time", () =>
    Effect.gen(function*() {
      const memory = yield* Memory.make()
      yield* memory.write("a", "x")
      const store = memory.pipe(Layers.readOnly)
      expect(yield* store.readText("a")).toBe("x")
      // @ts-expect-error there is no write
      const write: unknown = store.write
      expect(write).toBe(undefined)
      const table: Operations.OperationTable = Operations.operations
      const changing = Object.keys(table).filter((name) => name in store && table[name]?.changes !== "nothing")
      expect(changing).toEqual([])
      expect(yield* tagOf(Effect.asVoid(Effect.suspend(() => store.require("delete"))))).toBe("CapabilityNotSupported")
    }))
})

describe("observe", () => {
  it.effect("sees the beginning and the end of every call", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const note = (text: string) => Effect.sync(() => void seen.push(text))
      const store = (yield* Memory.make()).pipe(Layers.observe({
        onStart: ({ operation, path }) => note(`${operation} ${path}`),
        onEnd: ({ operation }, { duration, exit }) =>
          note(`${operation} ${Exit.isSuccess(exit)} ${Duration.toMillis(duration)}`)
      }))
      yield* store.write("a", "x")
      yield* tagOf(store.stat("b"))
      yield* Stream.runDrain(store.read("a"))
      expect(seen).toEqual(["write a", "write true 0", "stat b", "stat false 0", "read a", "read true 0"])
    }))
})

describe("drift", () => {
  it.effect("an operation added to the table is intercepted, kept and dropped as its row says", () =>
    Effect.gen(function*() {
      let loads = 0
      const row = { kind: "effect", arguments: ["key"], gates: {} } as const
      const { interceptors } = yield* interceptorsOf(Layers.cache({ timeToLive: "1 minute" }))
      const { promises } = derive({
        table: {
          peek: { ...row, needs: ["read"], changes: "nothing", cacheable: true },
          poke: { ...row, needs: ["write"], changes: "keys", cacheable: false }
        },
        capabilities: new Set(["read", "write"] as const),
        methods: { peek: () => Effect.sync(() => ++loads), poke: () => Effect.void },
        interceptors
      })
      const call = (name: string, path: string) => Effect.promise(() => Promise.resolve(promises[name]?.(path)))
      expect([yield* call("peek", "a"), yield* call("peek", "a")]).toEqual([1, 1])
      yield* call("poke", "b")
      expect(yield* call("peek", "a")).toBe(1)
      yield* call("poke", "a")
      expect(yield* call("peek", "a")).toBe(2)
    }))
})

/** The hooks that a layer puts around a store. */
const interceptorsOf = (layer: Layers.StoreLayer) =>
  Effect.map(Memory.make(), (memory) => {
    const interceptors: Array<Parameters<typeof memory.intercept>[0]> = []
    layer({
      ...memory,
      intercept: (interceptor) => {
        interceptors.push(interceptor)
        return memory.intercept(interceptor)
      }
    })
    return { interceptors }
  })
