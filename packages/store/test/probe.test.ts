import { describe, expect, it } from "@effect/vitest"
import { Driver, Memory, Store } from "@sennit/store"
import type { Capability } from "@sennit/store"
import { Chunk, Context, DateTime, Effect, Either, Option, Stream } from "effect"

const attributes = { contentType: Option.none(), metadata: {} }

const refuse = (tag: "NotFound" | "AlreadyExists" | "PreconditionFailed") => Effect.fail(Driver.refuse({ _tag: tag }))

/** Declares every condition, and like many a server ignores those that it is told to ignore. */
const careless = (ignored: ReadonlyArray<Capability.Capability>) => {
  const objects = new Map<string, { readonly bytes: Uint8Array; readonly version: { size: number; etag: string } }>()
  const enforces = (capability: Capability.Capability) => !ignored.includes(capability)
  const modifiedAt = DateTime.unsafeMake(0)
  let writes = 0
  const capabilities = [
    "read",
    "range",
    "readIfMatch",
    "write",
    "createIfAbsent",
    "replaceIfMatch",
    "delete",
    "deleteIfMatch"
  ] as const
  const driver: Driver.Driver<(typeof capabilities)[number]> = {
    name: "careless",
    capabilities: new Set(capabilities),
    quality: { replaceIfMatch: "server", atomicMove: "never", durability: "server" },
    stat: (key) =>
      Effect.suspend(() => {
        const there = objects.get(key)
        return there === undefined
          ? refuse("NotFound")
          : Effect.succeed<Driver.Node>({ _tag: "Object", version: { ...there.version, modifiedAt }, attributes })
      }),
    get: (key, { ifMatch, range }) =>
      Effect.suspend(() => {
        const there = objects.get(key)
        if (there === undefined) return refuse("NotFound")
        if (ifMatch !== undefined && ifMatch !== there.version.etag && enforces("readIfMatch")) {
          return refuse("PreconditionFailed")
        }
        const size = range === undefined || !enforces("range") ? there.bytes.length : 0
        return Effect.succeed({ size, pull: Effect.succeed(undefined) })
      }),
    put: (key, body, { mode }) =>
      Effect.suspend(() => {
        const there = objects.get(key)
        if (mode === "create" && there !== undefined && enforces("createIfAbsent")) return refuse("AlreadyExists")
        if (typeof mode === "object" && there?.version.etag !== mode.ifMatch && enforces("replaceIfMatch")) {
          return refuse("PreconditionFailed")
        }
        const bytes = body instanceof Uint8Array ? body : new Uint8Array()
        const version = { size: bytes.length, etag: String(++writes) }
        objects.set(key, { bytes, version })
        return Effect.succeed({ ...version, modifiedAt })
      }),
    delete: (key, { ifMatch }) =>
      Effect.suspend(() => {
        const stale = ifMatch !== undefined && ifMatch !== objects.get(key)?.version.etag
        if (stale && enforces("deleteIfMatch")) return refuse("PreconditionFailed")
        return objects.delete(key) ? Effect.void : refuse("NotFound")
      }),
    classify: () => ({ _tag: "Unavailable", reason: "Io", retryable: false })
  }
  return { driver, objects }
}

describe("a probe", () => {
  for (const ignored of ["range", "readIfMatch", "createIfAbsent", "replaceIfMatch", "deleteIfMatch"] as const) {
    it.effect(`sees that ${ignored} is ignored, and takes it away`, () =>
      Effect.gen(function*() {
        const { driver, objects } = careless([ignored])
        const store = Store.fromDriver(driver)
        const seen = yield* store.probe
        const missing = [...store.capabilities].filter((capability) => !seen.supports(capability))
        expect(missing).toEqual([ignored])
        expect(objects.size).toBe(0)
        const refusal = yield* Effect.flip(Effect.asVoid(seen.require("read", ignored)))
        expect(refusal).toMatchObject({ _tag: "CapabilityNotSupported", capability: ignored })
      }))
  }

  it.effect("takes nothing away from a server that keeps its word", () =>
    Effect.gen(function*() {
      const store = Store.fromDriver(careless([]).driver)
      const seen = yield* store.probe
      expect([...seen.capabilities]).toEqual([...store.capabilities])
      yield* (yield* seen.require("write", "createIfAbsent")).write("a", "x")
    }))

  it.effect("is the driver's own where it has one", () =>
    Effect.gen(function*() {
      const keys: Array<string> = []
      const driver: Driver.Driver<"read" | "write"> = {
        ...careless([]).driver,
        capabilities: new Set(["read", "write"] as const),
        probe: (scratch) =>
          Effect.sync(() => {
            keys.push(scratch)
            return ["write"] as const
          })
      }
      const store = yield* Store.fromDriver(driver).child("inner")
      expect([...(yield* store.probe).capabilities]).toEqual(["read"])
      expect(keys.every((key) => key.startsWith("inner/"))).toBe(true)
    }))
})

class Client extends Context.Tag("@sennit/store/test/probe.test/Client")<Client, { readonly url: string }>() {}

describe("what is below a store", () => {
  it.effect("its own client is there for who opened it, and for nobody who got less of it", () =>
    Effect.gen(function*() {
      const { driver } = careless([])
      const store = Store.fromDriver({ ...driver, services: Context.make(Client, { url: "x" }) })
      expect((yield* store.unwrap(Client)).url).toBe("x")
      const child = yield* store.child("a")
      for (const less of [store.only("read"), child, yield* store.probe, yield* Memory.make()]) {
        expect(yield* Effect.flip(Effect.asVoid(less.unwrap(Client)))).toMatchObject({ _tag: "CapabilityNotSupported" })
      }
    }))

  it.effect("many are deleted in one request where the backend has one", () =>
    Effect.gen(function*() {
      const requests: Array<ReadonlyArray<string>> = []
      const denied = Driver.refuse({ _tag: "PermissionDenied" })
      const store = Store.fromDriver({
        ...careless([]).driver,
        deleteMany: {
          limit: 3,
          run: (keys) =>
            Effect.sync(() => {
              requests.push(keys)
              return keys.filter((key) => key === "c").map((key) => new Driver.Failure({ cause: denied.cause, key }))
            })
        }
      })
      const report = yield* store.deleteMany(Stream.fromChunk(Chunk.make("a", "b", "c", "../d", "e", "f", "g")))
      expect(requests).toEqual([["a", "b", "c"], ["e", "f"], ["g"]])
      expect(report.gone).toBe(5)
      expect(report.failures.map(({ _tag }) => _tag)).toEqual(["PermissionDenied", "InvalidPath"])
    }))

  it.effect("a path says where it really is", () =>
    Effect.gen(function*() {
      const inner = yield* (yield* Memory.make()).child("users/42")
      expect(Either.getOrThrow(inner.resolve("a//b"))).toEqual({
        backend: "memory",
        path: "a/b",
        key: "users/42/a/b",
        nativePath: "users/42/a/b"
      })
      expect(Either.isLeft(inner.resolve("../b"))).toBe(true)
      expect(Either.isLeft(inner.toKey("users/421/a"))).toBe(true)
    }))
})
