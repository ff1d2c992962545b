import { describe, expect, it } from "@effect/vitest"
import { Driver, Store } from "@sennit/store"
import { DateTime, Effect, Option } from "effect"

const bytes = Uint8Array.from({ length: 20 }, (_, i) => i)
const version = { size: bytes.length, etag: "1", modifiedAt: DateTime.unsafeMake(0) }

/** The least that a backend can bring: no `getAll`, and its bytes come in small pieces. */
const inPieces = (promised: number): Driver.Driver<"read"> => ({
  name: "pieces",
  capabilities: new Set(["read" as const]),
  quality: { replaceIfMatch: "none", atomicMove: "never", durability: "none" },
  stat: () => Effect.succeed({ _tag: "Object", version, attributes: { contentType: Option.none(), metadata: {} } }),
  get: () =>
    Effect.sync(() => {
      let position = 0
      const pull = Effect.sync(() => {
        const piece = bytes.slice(position, position + 7)
        position += piece.length
        return piece.length === 0 ? undefined : piece
      })
      return { size: promised, pull }
    }),
  classify: () => ({ _tag: "Unavailable", reason: "Io", retryable: false })
})

describe("a driver without getAll", () => {
  it.effect("has its pieces put together", () =>
    Effect.gen(function*() {
      expect(yield* Store.fromDriver(inPieces(20)).readBytes("a")).toEqual(bytes)
    }))

  it.effect("that gives fewer bytes than it said is Truncated", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(Store.fromDriver(inPieces(21)).readBytes("a"))
      expect(failure).toMatchObject({ _tag: "BackendUnavailable", reason: "Truncated", retryable: true })
    }))

  it.effect("fails as it says: what it refuses by itself needs no classify", () =>
    Effect.gen(function*() {
      const driver = { ...inPieces(20), get: () => Effect.fail(Driver.refuse({ _tag: "PermissionDenied" })) }
      expect(yield* Effect.flip(Store.fromDriver(driver).readText("a"))).toMatchObject({ _tag: "PermissionDenied" })
    }))
})
