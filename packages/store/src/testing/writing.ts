/**
 * The part of the contract that is about changing what is stored, and about what a store may not do.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { operations } from "../Operations.ts"
import type { StoreOf } from "../Store.ts"
import { define, expectFailure, expectSame, overwrite, pattern, toArray } from "./Case.ts"
import type { Conformance } from "./Case.ts"

const create = define({
  name: "create never replaces",
  uses: ["write", "readText"],
  also: ["createIfAbsent"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("a", "one")
      yield* expectFailure("the default mode", store.write("a", "two"), "AlreadyExists")
      yield* expectFailure("mode create", store.write("a", "two", { mode: "create" }), "AlreadyExists")
      let pulled = false
      const body = Stream.suspend(() => {
        pulled = true
        return Stream.make(pattern(1))
      })
      yield* expectFailure("a streamed body", store.write("a", body), "AlreadyExists")
      yield* expectSame("whether the body was pulled in vain", pulled, false)
      yield* expectSame("what is there", yield* store.readText("a"), "one")
    })
})

const createRace = define({
  name: "of many that create one key exactly one wins",
  uses: ["write", "readText"],
  also: ["createIfAbsent"],
  run: (store) =>
    Effect.gen(function*() {
      for (let round = 0; round < 20; round++) {
        const key = `folder-${round}/key`
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 64 }, (_, racer) => `racer ${racer}`),
          (racer) => Effect.either(Effect.as(store.write(key, racer), racer)),
          { concurrency: "unbounded" }
        )
        const winners = outcomes.filter(Either.isRight).map(({ right }) => right)
        const losers = outcomes.filter(Either.isLeft).map(({ left }) => left._tag)
        yield* expectSame("winners", winners.length, 1)
        yield* expectSame("losers", new Set(losers).size === 1 && losers[0], "AlreadyExists")
        yield* expectSame("the winner's bytes", yield* store.readText(key), winners[0])
      }
    })
})

const replace = define({
  name: "a write with ifMatch replaces that version or nothing",
  uses: ["write", "readText"],
  also: ["replaceIfMatch"],
  run: (store) =>
    Effect.gen(function*() {
      const one = yield* store.write("a", "1", overwrite)
      const two = yield* store.write("a", "2", { mode: { ifMatch: one.etag } })
      yield* expectFailure("stale", store.write("a", "3", { mode: { ifMatch: one.etag } }), "PreconditionFailed")
      yield* expectFailure("absent", store.write("b", "3", { mode: { ifMatch: two.etag } }), "PreconditionFailed")
      yield* expectSame("what is there", yield* store.readText("a"), "2")
    })
})

const fresh = define({
  name: "an etag is not given again, not even to equal bytes",
  uses: ["write"],
  also: ["freshEtags"],
  run: (store) =>
    Effect.gen(function*() {
      const one = yield* store.write("a", "x", overwrite)
      const two = yield* store.write("a", "x", overwrite)
      yield* expectSame("an etag that stays when equal bytes are written", two.etag === one.etag, false)
    })
})

const increment = (store: StoreOf<"read" | "write" | "replaceIfMatch">, key: string) =>
  Effect.gen(function*() {
    const { etag } = yield* store.stat(key)
    const count = Number(yield* store.readText(key))
    yield* store.write(key, String(count + 1), { mode: { ifMatch: etag } })
  }).pipe(Effect.retry({ while: (error) => error._tag === "PreconditionFailed" }))

const counter = define({
  name: "compare-and-set loses no update",
  uses: ["write", "readText", "stat"],
  also: ["replaceIfMatch"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("count", "0", overwrite)
      const worker = Effect.replicateEffect(increment(store, "count"), 25, { discard: true })
      yield* Effect.replicateEffect(worker, 8, { concurrency: 8, discard: true })
      yield* expectSame("eight times twenty-five", yield* store.readText("count"), "200")
    })
})

const failing = define({
  name: "a write whose source fails leaves what was there",
  uses: ["write", "readText", "list"],
  also: ["atomicWrite"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("a", "old", overwrite)
      const source = Stream.concat(Stream.make(pattern(100_000)), Stream.fail("the source's own error" as const))
      for (const key of ["a", "new/folder/b"]) {
        yield* expectFailure("the source's error", store.write(key, source, overwrite), "the source's own error")
      }
      yield* expectSame("the old bytes", yield* store.readText("a"), "old")
      yield* expectSame("entries", (yield* toArray(store.list(""))).map(({ key }) => key), ["a"])
    })
})

const interrupted = define({
  name: "an interrupted write leaves what was there",
  uses: ["write", "readText", "list"],
  also: ["atomicWrite"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("a", "old", overwrite)
      for (const key of ["a", "new/folder/b"]) {
        const reached = yield* Deferred.make<void>()
        const source = Stream.concat(
          Stream.make(pattern(100_000)),
          Stream.fromEffect(Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never))
        )
        const fiber = yield* Effect.fork(store.write(key, source, overwrite))
        yield* Deferred.await(reached)
        yield* Fiber.interrupt(fiber)
      }
      yield* expectSame("the old bytes", yield* store.readText("a"), "old")
      yield* expectSame("entries", (yield* toArray(store.list(""))).map(({ key }) => key), ["a"])
    })
})

const wholeness = define({
  name: "a reader sees one version and no mixture",
  uses: ["write", "readBytes"],
  also: ["atomicWrite"],
  run: (store) =>
    Effect.gen(function*() {
      const versions = [1, 2, 3].map((seed) => new Uint8Array(400_000).fill(seed))
      yield* store.write("a", versions[0] ?? "", overwrite)
      const writer = Effect.forEach(versions, (bytes) => store.write("a", bytes, overwrite), { discard: true })
      const reader = Effect.flatMap(store.readBytes("a"), (bytes) =>
        expectSame("versions in one read", [bytes.length, new Set(bytes).size], [400_000, 1]))
      yield* Effect.all([Effect.replicateEffect(writer, 8), Effect.replicateEffect(reader, 24)], {
        concurrency: 2,
        discard: true
      })
    })
})

const remove = define({
  name: "delete removes an object and never a folder",
  uses: ["write", "delete", "exists", "list"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("folder/a", "x", overwrite)
      yield* expectFailure("folder", store.delete("folder"), "InvalidPath:IsFolder")
      yield* expectFailure("folder", store.delete("folder", { missingOk: true }), "InvalidPath:IsFolder")
      yield* expectFailure("root", store.delete("", { missingOk: true }), "InvalidPath:Root")
      yield* store.delete("folder/a")
      yield* expectSame("exists", yield* store.exists("folder/a"), false)
      yield* expectSame("the empty folder", yield* toArray(store.list("")), [])
      yield* expectFailure("again", store.delete("folder/a"), "NotFound")
      yield* store.delete("folder/a", { missingOk: true })
      yield* store.write("folder", "now an object", overwrite)
    })
})

const transfer = (operation: "move" | "copy") =>
  define({
    name: `${operation} keeps to its mode`,
    uses: [operation, "write", "readText", "exists"],
    also: ["createIfAbsent"],
    run: (store: StoreOf<"read" | "write" | "createIfAbsent" | typeof operation>) =>
      Effect.gen(function*() {
        const full = yield* store.require(operation === "move" ? "move" : "copy")
        const run = operation === "move" ? full.move : full.copy
        yield* store.write("a", "A", overwrite)
        yield* store.write("b", "B", overwrite)
        yield* store.write("folder/c", "C", overwrite)
        yield* expectFailure("target exists", run("a", "b"), "AlreadyExists")
        if (store.supports("exclusiveNames")) {
          yield* expectFailure("target is a folder", run("a", "folder", overwrite), "InvalidPath:IsFolder")
          yield* expectFailure("target below an object", run("a", "b/c", overwrite), "InvalidPath:AncestorIsObject")
        }
        yield* expectFailure("no source, target exists", run("none", "b"), "NotFound")
        yield* expectFailure("no source, target is a folder", run("none", "folder"), "NotFound")
        yield* expectFailure("source is a folder", run("folder", "d"), "InvalidPath:IsFolder")
        yield* expectFailure("no source, same path", run("none", "none"), "NotFound")
        yield* run("a", "a")
        yield* expectSame("to itself", yield* store.readText("a"), "A")
        const created = yield* run("a", "new/place/d")
        yield* expectSame("the result", [created.key, created.size], ["new/place/d", 1])
        yield* expectSame("created", yield* store.readText("new/place/d"), "A")
        yield* expectSame("the source after", yield* store.exists("a"), operation === "copy")
        yield* run("new/place/d", "b", overwrite)
        yield* expectSame("overwritten", yield* store.readText("b"), "A")
        yield* expectSame("the source after", yield* store.exists("new/place/d"), operation === "copy")
      })
  })

const metadata = define({
  name: "metadata and content type are kept and travel",
  uses: ["write", "stat", "move", "copy"],
  also: ["metadata", "createIfAbsent"],
  run: (store) =>
    Effect.gen(function*() {
      const given = { author: "ä ö", empty: "" }
      yield* store.write("a", "x", { contentType: "text/plain", metadata: given })
      yield* store.copy("a", "b")
      yield* store.move("a", "c")
      for (const key of ["b", "c"]) {
        const info = yield* store.stat(key)
        yield* expectSame("metadata", info.metadata, given)
        yield* expectSame("content type", info.contentType._tag === "Some" && info.contentType.value, "text/plain")
      }
      yield* store.write("c", "y", overwrite)
      yield* expectSame("after a write without", (yield* store.stat("c")).metadata, {})
    })
})

const child = define({
  name: "a child store sees its folder and no more",
  uses: ["write", "readText", "list", "stat"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("outside", "x", overwrite)
      const inner = yield* Effect.flatMap(store.child("a/b"), (a) => a.child("c"))
      const written = yield* inner.write("d/e", "x", overwrite)
      yield* expectSame("the key written", written.key, "d/e")
      yield* expectSame("the key of stat", (yield* inner.stat("d/e")).key, "d/e")
      yield* expectSame("from above", yield* store.readText("a/b/c/d/e"), "x")
      yield* expectSame("its listing", (yield* toArray(inner.list("", { recursive: true }))).map(({ key }) => key), [
        "d/e"
      ])
      yield* expectSame("a folder in it", (yield* toArray(inner.list(""))).map(({ key }) => key), ["d"])
      yield* expectFailure("upwards", inner.readText("../../../outside"), "InvalidPath:ParentSegment")
      yield* expectFailure("out of it", inner.child("../x"), "InvalidPath:ParentSegment")
      yield* expectFailure("too long in all", inner.readText(`${"x/".repeat(509)}x`), "InvalidPath:PathTooLong")
    })
})

const attenuation = define({
  name: "a narrowed store has no way back",
  uses: ["write", "readText", "list", "delete"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("a", "x", overwrite)
      const narrow = store.only("read")
      yield* expectSame("what is left", yield* narrow.readText("a"), "x")
      const present = Object.keys(operations).filter((operation) => operation in narrow)
      const expected = Object.entries(operations).flatMap(([name, { needs }]) =>
        needs.every((need) => need === "read") ? [name] : []
      )
      yield* expectSame("operations", present, expected)
      yield* expectFailure("require", Effect.asVoid(narrow.require("write")), "CapabilityNotSupported")
      const inner = yield* narrow.child("folder")
      yield* expectFailure("require of a child", Effect.asVoid(inner.require("write")), "CapabilityNotSupported")
    })
})

/**
 * @since 0.1.0
 * @category conformance
 */
export const writing: ReadonlyArray<Conformance> = [
  create,
  createRace,
  replace,
  fresh,
  counter,
  failing,
  interrupted,
  wholeness,
  remove,
  transfer("move"),
  transfer("copy"),
  metadata,
  child,
  attenuation
]
