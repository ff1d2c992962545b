// @effect-diagnostics strictEffectProvide:off each test is an entry point
import { describe, expect, it } from "@effect/vitest"
import { Layers, Memory, Store, Telemetry } from "@sennit/store"
import { Chunk, Effect, Exit, Layer, Metric, Stream, Tracer } from "effect"

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onFailure: ({ _tag }) => _tag, onSuccess: () => "success" })

describe("capabilities in types", () => {
  it.effect("a poorer store has no method for what it cannot do, in its type and at run time", () =>
    Effect.gen(function*() {
      const full = yield* Memory.make()
      const readOnly: Store.StoreOf<"read"> = full.only("read")
      // @ts-expect-error a store that only reads has no write
      const write: unknown = readOnly.write
      // @ts-expect-error nor can it be listed
      const list: unknown = readOnly.list
      // @ts-expect-error what it does not offer cannot be kept
      const wider = readOnly.only("write")
      expect([write, list, "write" in wider, [...wider.capabilities]]).toEqual([undefined, undefined, false, []])
    }))

  it.effect("an option needs its capability", () =>
    Effect.gen(function*() {
      const full = yield* Memory.make()
      const store = full.only("read", "write")
      // @ts-expect-error the store does not offer range
      const range = store.readBytes("a", { range: { offset: 0 } })
      // @ts-expect-error the store does not offer metadata
      const metadata = store.write("a", "x", { mode: "overwrite", metadata: { a: "b" } })
      // @ts-expect-error the store does not offer createIfAbsent
      const create = store.write("a", "x", { mode: "create" })
      // @ts-expect-error the store does not offer replaceIfMatch
      const replace = store.write("a", "x", { mode: { ifMatch: "m1" } })
      for (
        const refused of [
          Effect.asVoid(range),
          ...[metadata, create, replace, store.write("a", "x")].map(Effect.asVoid)
        ]
      ) {
        expect(yield* tagOf(refused)).toBe("CapabilityNotSupported")
      }
      expect(yield* full.exists("a")).toBe(false)
    }))

  it.effect("a richer store can be given for a poorer one, and not the other way round", () =>
    Effect.gen(function*() {
      const full = yield* Memory.make()
      const common: Store.StoreOf<Store.Common> = full
      const poor: Store.StoreOf<"read" | "list"> = common
      // @ts-expect-error the poorer store lacks write
      const rich: Store.StoreOf<"read" | "write"> = poor
      expect(rich.name).toBe("memory")
    }))

  it.effect("require gives back what is there at run time", () =>
    Effect.gen(function*() {
      const full = yield* Memory.make()
      const unknown: Store.StoreOf<never> = full
      const writable = yield* unknown.require("write", "createIfAbsent")
      yield* writable.write("a", "x")
      const refused = yield* Effect.flip(Effect.asVoid(full.only("read").require("read", "move")))
      expect(refused).toMatchObject({ _tag: "CapabilityNotSupported", capability: "move", backend: "memory" })
    }))
})

describe("attenuation in types", () => {
  it.effect("what require was not asked for stays unknown, and what it was asked for is exact", () =>
    Effect.gen(function*() {
      const full: Store.StoreOf<never> = yield* Memory.make()
      const reader = yield* full.require("read")
      const wanted: Store.Capability = "list"
      expect(reader.supports(wanted)).toBe(true)
      // @ts-expect-error only read was asked for, though the store has more
      const list: unknown = reader.list
      // @ts-expect-error there is no such capability
      const unknown = yield* Effect.exit(Effect.asVoid(full.require("teleport")))
      // @ts-expect-error a range was not asked for
      const ranged = yield* Effect.exit(reader.readBytes("none", { range: { offset: 0 } }))
      expect([typeof list, unknown._tag, ranged._tag]).toEqual(["function", "Failure", "Failure"])
    }))

  it.effect("what only has taken away neither require, child nor an interceptor gives back", () =>
    Effect.gen(function*() {
      const full = yield* Memory.make()
      const narrow = full.only("read", "list")
      const again = (yield* narrow.child("folder")).intercept({})
      // @ts-expect-error the child of a store that only reads only reads
      const write: unknown = again.write
      // @ts-expect-error and cannot be narrowed to what it lacks
      const none = again.only("delete")
      expect([write, [...none.capabilities]]).toEqual([undefined, []])
      for (const store of [narrow, again]) {
        expect(yield* tagOf(Effect.asVoid(store.require("write")))).toBe("CapabilityNotSupported")
      }
      // a layer keeps what the types say
      const piped = narrow.pipe(Layers.limit(1))
      // @ts-expect-error a layer adds nothing
      expect(piped.write).toBeUndefined()
    }))
})

describe("services", () => {
  it.effect("several stores live side by side by name", () => {
    const Uploads = Store.tag("uploads")
    const Scratch = Store.tag("scratch")
    return Effect.gen(function*() {
      yield* (yield* Uploads).write("a", "in uploads")
      yield* (yield* Scratch).write("a", "in scratch")
      yield* (yield* Store.Store).write("a", "in the application's")
      expect(yield* (yield* Uploads).readText("a")).toBe("in uploads")
    }).pipe(
      Effect.provide(
        Layer.mergeAll(Layer.effect(Uploads, Memory.make()), Layer.effect(Scratch, Memory.make()), Memory.layer)
      )
    )
  })
})

describe("interceptors", () => {
  it.effect("see every allowed call, the last given outermost", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const watch = (name: string) => ({
        effect: <A, E, R>(call: { readonly operation: string; readonly path: string }, next: Effect.Effect<A, E, R>) =>
          Effect.zipRight(Effect.sync(() => seen.push(`${name} ${call.operation} ${call.path}`)), next),
        stream: <A, E, R>(call: { readonly operation: string; readonly path: string }, next: Stream.Stream<A, E, R>) =>
          Stream.concat(Stream.execute(Effect.sync(() => seen.push(`${name} ${call.operation} ${call.path}`))), next)
      })
      const store = (yield* Memory.make()).intercept(watch("inner")).intercept(watch("outer"))
      yield* store.write("a", "x")
      yield* Stream.runDrain(store.read("a"))
      yield* (yield* store.child("folder")).exists("b")
      yield* tagOf(store.only("read", "write").write("c", "x"))
      expect(seen).toEqual([
        "outer write a",
        "inner write a",
        "outer read a",
        "inner read a",
        "outer exists b",
        "inner exists b"
      ])
    }))
})

describe("telemetry", () => {
  it.effect("every operation has a span of its name with backend and path, and is counted by outcome", () =>
    Effect.gen(function*() {
      const spans: Array<string> = []
      const tracer = Tracer.make({
        context: (f) => f(),
        span: (name, parent, context, links, startTime, kind) => {
          const attributes = new Map<string, unknown>()
          return {
            _tag: "Span",
            name,
            spanId: name,
            traceId: "trace",
            parent,
            context,
            links,
            kind,
            sampled: true,
            status: { _tag: "Started", startTime },
            attributes,
            attribute: (key, value) => attributes.set(key, value),
            addLinks: () => {},
            event: () => {},
            end: (_, exit) => {
              const { backend, path } = Telemetry.attribute
              spans.push(`${name} ${attributes.get(backend)} ${attributes.get(path)} ${Exit.isSuccess(exit)}`)
            }
          }
        }
      })
      const store = yield* Memory.make()
      yield* Effect.gen(function*() {
        yield* store.write("a", "x")
        yield* tagOf(store.write("a", "x"))
        yield* Stream.runDrain(store.list("folder"))
      }).pipe(Effect.withTracer(tracer))
      expect(spans).toEqual([
        "Store.write memory a true",
        "Store.write memory a false",
        "Store.list memory folder true"
      ])
      const { attribute, operationCount } = Telemetry
      const failures = operationCount.pipe(
        Metric.tagged(attribute.backend, "memory"),
        Metric.tagged(attribute.operation, "write"),
        Metric.tagged(attribute.outcome, "failure")
      )
      expect((yield* Metric.value(failures)).count).toBeGreaterThanOrEqual(1)
    }))
})

describe("errors", () => {
  it.effect("say what, where and what is safe", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make()
      const missing = yield* Effect.flip(store.readText("no\nthing"))
      expect(missing).toMatchObject({ _tag: "NotFound", path: "no\nthing", backend: "memory", operation: "readText" })
      expect(missing.message).toBe(`memory readText: no object at "no\\nthing"; nothing was changed`)
      const invalid = yield* Effect.flip(store.write("../x", "y"))
      expect(invalid).toMatchObject({ _tag: "InvalidPath", reason: "ParentSegment", operation: "write" })
      const streamed = yield* Effect.flip(Stream.runCollect(store.read("none")).pipe(Effect.map(Chunk.size)))
      expect(streamed).toMatchObject({ _tag: "NotFound", operation: "read", path: "none" })
    }))
})
