/**
 * The part of the contract that is about objects that are opened, and about what is in them.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { define, expectFailure, expectSame, joinBytes, overwrite, pattern, toArray } from "./Case.ts"
import type { Conformance } from "./Case.ts"

const reader = define({
  name: "a reader reads anywhere, one version",
  uses: ["write", "openReader", "stat"],
  run: (store) =>
    Effect.scoped(Effect.gen(function*() {
      const bytes = pattern(300_000)
      yield* store.write("a", bytes, overwrite)
      const opened = yield* store.openReader("a")
      yield* expectSame("what it knows", opened.info, yield* store.stat("a"))
      for (const [offset, length] of [[299_990, 100], [0, 10], [262_140, 10], [5, 0], [400_000, 1]] as const) {
        const expected = bytes.slice(offset, offset + length)
        yield* expectSame(`${length} at ${offset}`, yield* opened.readAt(offset, length), expected)
      }
      yield* expectFailure("no range", opened.readAt(-1, 1), "InvalidRange")
      yield* expectFailure("none", Effect.scoped(store.openReader("none")), "NotFound")
      yield* store.write("folder/x", "x", overwrite)
      yield* expectFailure("a folder", Effect.scoped(store.openReader("folder")), "InvalidPath:IsFolder")
    }))
})

const pinned = define({
  name: "a reader never mixes versions",
  uses: ["write", "openReader"],
  also: ["readIfMatch"],
  run: (store) =>
    Effect.scoped(Effect.gen(function*() {
      yield* store.write("a", pattern(1000, 1), overwrite)
      const opened = yield* store.openReader("a")
      yield* store.write("a", pattern(1000, 2), overwrite)
      const outcome = yield* Effect.either(opened.readAt(0, 1000))
      yield* outcome._tag === "Left"
        ? expectSame("the refusal", outcome.left._tag, "PreconditionFailed")
        : expectSame("the version that was opened", outcome.right, pattern(1000, 1))
    }))
})

const writer = define({
  name: "a writer's object is there whole when its scope ends well, and else not at all",
  uses: ["write", "openAtomic", "readText", "exists", "list"],
  run: (store) =>
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const opened = yield* store.openAtomic("a", overwrite)
        for (const part of ["one ", "two ", "three ", "four"]) yield* opened.write(part)
        yield* expectSame("before its end", yield* store.exists("a"), false)
      }))
      yield* expectSame("at its end", yield* store.readText("a"), "one two three four")
      yield* Effect.scoped(Effect.gen(function*() {
        const opened = yield* store.openAtomic("a", overwrite)
        yield* opened.write("committed")
        yield* expectSame("what commit answers", (yield* opened.commit).size, 9)
        yield* expectSame("after the commit", yield* store.readText("a"), "committed")
      }))
      const failing = Effect.scoped(Effect.gen(function*() {
        const opened = yield* store.openAtomic("a", overwrite)
        yield* opened.write(pattern(100_000))
        return yield* Effect.fail("given up" as const)
      }))
      yield* expectFailure("its own failure", failing, "given up")
      const reached = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(Effect.scoped(Effect.gen(function*() {
        const opened = yield* store.openAtomic("new/b", overwrite)
        yield* opened.write(pattern(100_000))
        yield* Deferred.succeed(reached, undefined)
        return yield* Effect.never
      })))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      yield* expectSame("the old object", yield* store.readText("a"), "committed")
      yield* expectSame("entries", (yield* toArray(store.list(""))).map(({ key }) => key), ["a"])
    })
})

const writerMode = define({
  name: "a writer keeps to its mode",
  uses: ["write", "openAtomic", "readText"],
  also: ["createIfAbsent"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("a", "old", overwrite)
      yield* expectFailure("create", Effect.scoped(store.openAtomic("a")), "AlreadyExists")
      const late = Effect.scoped(Effect.gen(function*() {
        const opened = yield* store.openAtomic("b")
        yield* store.write("b", "first", overwrite)
        yield* opened.write("second")
        yield* opened.commit
      }))
      yield* expectFailure("created meanwhile", late, "AlreadyExists")
      yield* expectSame("who was first", yield* store.readText("b"), "first")
    })
})

const sink = define({
  name: "a sink puts the stream that runs into it",
  uses: ["write", "sink", "readBytes", "list"],
  also: ["atomicWrite"],
  run: (store) =>
    Effect.gen(function*() {
      const parts = [pattern(300_000, 1), pattern(0), pattern(5, 2)]
      const written = yield* Stream.run(Stream.fromIterable(parts), store.sink("a/b", overwrite))
      yield* expectSame("the result", [written.key, written.size], ["a/b", 300_005])
      yield* expectSame("the bytes", yield* store.readBytes("a/b"), joinBytes(parts))
      const failing = Stream.concat(Stream.make(pattern(100_000)), Stream.fail("the source's own error" as const))
      for (const path of ["a/b", "c"]) {
        yield* expectFailure("the source's", Stream.run(failing, store.sink(path, overwrite)), "the source's own error")
      }
      yield* expectSame("the old bytes", yield* store.readBytes("a/b"), joinBytes(parts))
      yield* expectSame("entries", (yield* toArray(store.list(""))).map(({ key }) => key), ["a"])
    })
})

/** FIPS 180-2, appendix B.1. */
const abc = { algorithm: "sha256", hex: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" } as const
const other = { ...abc, hex: abc.hex.replace("ba", "ab") }

const digests = define({
  name: "bytes that are not those of the digest are neither written nor read",
  uses: ["write", "read", "readBytes", "readText", "exists"],
  also: ["atomicWrite"],
  run: (store) =>
    Effect.gen(function*() {
      const bytes = new TextEncoder().encode("abc")
      const streamed = Stream.make(bytes.subarray(0, 1), bytes.subarray(1))
      const plain = yield* store.write("a", "abc", { ...overwrite, digest: "sha256" })
      yield* expectSame("the digest of bytes", plain.digest, abc)
      const stream = yield* store.write("b", streamed, { ...overwrite, digest: abc })
      yield* expectSame("the digest of a stream", stream.digest, abc)
      for (const body of [bytes, streamed]) {
        const refused = store.write("c", body, { ...overwrite, digest: other })
        yield* expectFailure("another digest", refused, "IntegrityMismatch")
      }
      yield* expectSame("whether it was written", yield* store.exists("c"), false)
      yield* expectSame("readBytes", yield* store.readBytes("a", { digest: abc }), bytes)
      yield* expectFailure("readText", store.readText("a", { digest: other }), "IntegrityMismatch")
      yield* expectSame("read", joinBytes(yield* toArray(store.read("a", { digest: abc }))), bytes)
      yield* expectFailure("read", Stream.runDrain(store.read("a", { digest: other })), "IntegrityMismatch")
    })
})

const json = define({
  name: "JSON is what the schema says or DecodeFailed",
  uses: ["write", "readJson"],
  run: (store) =>
    Effect.gen(function*() {
      const schema = Schema.Struct({ count: Schema.NumberFromString })
      yield* store.write("a", `{"count":"42"}`, overwrite)
      yield* expectSame("decoded", yield* store.readJson("a", schema), { count: 42 })
      for (const text of [`{"count":"secret"}`, `{"count":`, ""]) {
        yield* store.write("a", text, overwrite)
        const error = yield* Effect.flip(store.readJson("a", schema)).pipe(Effect.orElseSucceed(() => undefined))
        yield* expectSame("the failure", error?._tag, "DecodeFailed")
        yield* expectSame("whether it tells the value", String(error?.message).includes("secret"), false)
      }
      yield* expectFailure("none", store.readJson("none", schema), "NotFound")
    })
})

/**
 * @since 0.1.0
 * @category conformance
 */
export const opening: ReadonlyArray<Conformance> = [reader, pinned, writer, writerMode, sink, digests, json]
