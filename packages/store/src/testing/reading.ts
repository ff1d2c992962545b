/**
 * The part of the contract that is about reading and listing.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Order from "effect/Order"
import * as Stream from "effect/Stream"
import { define, expectFailure, expectSame, joinBytes, overwrite, pattern, toArray } from "./Case.ts"
import type { Conformance } from "./Case.ts"

const roundTrip = define({
  name: "bytes come back as they were written",
  uses: ["write", "read", "readBytes", "readText"],
  run: (store) =>
    Effect.gen(function*() {
      for (const size of [0, 1, 1024, 256 * 1024, 256 * 1024 + 1, 700_001]) {
        const bytes = pattern(size)
        const written = yield* store.write(`size/${size}`, bytes, overwrite)
        yield* expectSame("the size that write reports", written.size, size)
        yield* expectSame("readBytes", yield* store.readBytes(`size/${size}`), bytes)
        yield* expectSame("read", joinBytes(yield* toArray(store.read(`size/${size}`))), bytes)
      }
      yield* store.write("text", "grüße 🎏", overwrite)
      yield* expectSame("readText", yield* store.readText("text"), "grüße 🎏")
      yield* store.write("stream", Stream.make(pattern(10), new Uint8Array(0), pattern(5)), overwrite)
      yield* expectSame("a streamed body", yield* store.readBytes("stream"), joinBytes([pattern(10), pattern(5)]))
    })
})

const owned = define({
  name: "arrays given and taken are not shared",
  uses: ["write", "readBytes"],
  run: (store) =>
    Effect.gen(function*() {
      const given = pattern(100)
      yield* store.write("a", given, overwrite)
      given.fill(0)
      const taken = yield* store.readBytes("a")
      yield* expectSame("after the given array changed", taken, pattern(100))
      taken.fill(0)
      yield* expectSame("after the taken array changed", yield* store.readBytes("a"), pattern(100))
    })
})

const absent = define({
  name: "absence is NotFound and exists is false",
  uses: ["write", "read", "readBytes", "stat", "exists"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("object", "x", overwrite)
      for (const path of ["none", "none/below", "object/below"]) {
        yield* expectFailure("read", Stream.runDrain(store.read(path)), "NotFound")
        yield* expectFailure("readBytes", store.readBytes(path), "NotFound")
        yield* expectFailure("stat", store.stat(path), "NotFound")
        yield* expectSame("exists", yield* store.exists(path), false)
      }
      yield* expectSame("exists of an object", yield* store.exists("object"), true)
    })
})

const folders = define({
  name: "a folder is not an object",
  uses: ["write", "readBytes", "stat", "exists", "isFile", "isFolder"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("folder/object", "x", overwrite)
      yield* expectFailure("readBytes", store.readBytes("folder"), "InvalidPath:IsFolder")
      yield* expectFailure("stat", store.stat("folder"), "InvalidPath:IsFolder")
      yield* expectSame("exists", yield* store.exists("folder"), true)
      yield* expectSame("isFile", yield* store.isFile("folder"), false)
      yield* expectSame("isFolder", yield* store.isFolder("folder"), true)
      yield* expectSame("isFolder of an object", yield* store.isFolder("folder/object"), false)
      yield* expectSame("isFile of an object", yield* store.isFile("folder/object"), true)
      yield* expectSame("isFolder of nothing", yield* store.isFolder("none"), false)
      for (const root of ["", ".", "/"]) {
        yield* expectSame("the root", [
          yield* store.exists(root),
          yield* store.isFile(root),
          yield* store.isFolder(root)
        ], [true, false, true])
      }
      yield* expectFailure("the root", store.readBytes(""), "InvalidPath:Root")
      yield* expectFailure("the root", store.write(".", "y", overwrite), "InvalidPath:Root")
    })
})

const exclusive = define({
  name: "an object and a folder never have one name",
  uses: ["write"],
  also: ["exclusiveNames"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("folder/object", "x", overwrite)
      yield* expectFailure("write over it", store.write("folder", "y", overwrite), "InvalidPath:IsFolder")
      yield* expectFailure(
        "write below an object",
        store.write("folder/object/below", "y", overwrite),
        "InvalidPath:AncestorIsObject"
      )
    })
})

const illegal = define({
  name: "illegal paths are refused with a reason",
  uses: ["write", "read"],
  run: (store) =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [path: string, reason: string]> = [
        ["../x", "ParentSegment"],
        ["a/../../x", "ParentSegment"],
        ["a\\..\\x", "ParentSegment"],
        ["a\0b", "NulByte"],
        ["a/\ud800", "LoneSurrogate"],
        ["x".repeat(256), "SegmentTooLong"],
        ["x/".repeat(600), "PathTooLong"],
        [".~x", "ReservedPrefix"],
        ["a/.~x/b", "ReservedPrefix"]
      ]
      for (const [path, reason] of cases) {
        yield* expectFailure("write", store.write(path, "x", overwrite), `InvalidPath:${reason}`)
        yield* expectFailure("read", Stream.runDrain(store.read(path)), `InvalidPath:${reason}`)
      }
    })
})

const ranges = define({
  name: "a range is the part of it that exists",
  uses: ["write", "read", "readBytes"],
  also: ["range"],
  run: (store) =>
    Effect.gen(function*() {
      const bytes = pattern(600_000)
      yield* store.write("a", bytes, overwrite)
      const cases = [
        { range: { offset: 0, length: 10 }, start: 0, end: 10 },
        { range: { offset: 262_140, length: 10 }, start: 262_140, end: 262_150 },
        { range: { offset: 5 }, start: 5, end: 600_000 },
        { range: { offset: 599_999, length: 9 }, start: 599_999, end: 600_000 },
        { range: { offset: 700_000 }, start: 0, end: 0 },
        { range: { offset: 3, length: 0 }, start: 0, end: 0 },
        { range: { suffix: 7 }, start: 599_993, end: 600_000 },
        { range: { suffix: 700_000 }, start: 0, end: 600_000 }
      ] as const
      for (const { end, range, start } of cases) {
        const expected = bytes.slice(start, end)
        yield* expectSame("readBytes", yield* store.readBytes("a", { range }), expected)
        yield* expectSame("read", joinBytes(yield* toArray(store.read("a", { range }))), expected)
      }
      for (const range of [{ offset: -1 }, { offset: 0.5 }, { offset: 0, length: NaN }, { suffix: -1 }]) {
        yield* expectFailure("no range", store.readBytes("a", { range }), "InvalidRange")
      }
    })
})

const readIfMatch = define({
  name: "a read with ifMatch answers that version or PreconditionFailed",
  uses: ["write", "readBytes", "stat"],
  also: ["readIfMatch"],
  run: (store) =>
    Effect.gen(function*() {
      const { etag } = yield* store.write("a", "one", overwrite)
      yield* expectSame("stat's etag", (yield* store.stat("a")).etag, etag)
      yield* store.readBytes("a", { ifMatch: etag })
      yield* store.write("a", "two", overwrite)
      yield* expectFailure("stale", store.readBytes("a", { ifMatch: etag }), "PreconditionFailed")
      yield* expectFailure("absent", store.readBytes("b", { ifMatch: etag }), "NotFound")
    })
})

/** In the order of UTF-8 bytes: "-" < "." < "/" < "0", U+FF5E before U+1F600 (which UTF-16 sorts the other way). */
const oddKeys = [
  " leading and trailing ",
  "%2e",
  "a b/c+d&e<f>\"g'h",
  "a-b",
  "a.b",
  "a/b",
  "a0",
  "b\nnew line",
  "c:d",
  "caf\u0065\u0301",
  "caf\u00e9",
  "\u{ff5e}",
  "\u{1f600}/\u{1f680}"
]

const order = define({
  name: "a listing has every key once in UTF-8 order",
  uses: ["write", "list", "readText"],
  run: (store) =>
    Effect.gen(function*() {
      yield* Effect.forEach(Arr.reverse(oddKeys), (key) => store.write(key, `<${key}>`, overwrite))
      const listed = yield* toArray(store.list("", { recursive: true }))
      yield* expectSame("the keys", listed.map(({ key }) => key), oddKeys)
      for (const { key } of listed) yield* expectSame("read by listed key", yield* store.readText(key), `<${key}>`)
    })
})

const levels = define({
  name: "a listing shows what is directly in a folder",
  uses: ["write", "list"],
  run: (store) =>
    Effect.gen(function*() {
      for (const key of ["x/a", "x/b/1", "x/b/2", "x/b/c/3", "x/b-", "y"]) yield* store.write(key, key, overwrite)
      const show = (prefix: string, recursive: boolean) =>
        Effect.map(
          toArray(store.list(prefix, { recursive })),
          (entries) => entries.map((entry) => entry._tag === "Object" ? `${entry.key} ${entry.size}` : `${entry.key}/`)
        )
      yield* expectSame("root", yield* show("", false), ["x/", "y 1"])
      yield* expectSame("root", yield* show(".", false), ["x/", "y 1"])
      yield* expectSame("folder", yield* show("x", false), ["x/a 3", "x/b- 4", "x/b/"])
      yield* expectSame("below", yield* show("x/b/", true), ["x/b/1 5", "x/b/2 5", "x/b/c/3 7"])
      yield* expectSame("nowhere", yield* show("z", true), [])
      yield* expectSame("an object", yield* show("y", false), [])
      yield* expectSame("below an object", yield* show("y/z", false), [])
      yield* expectFailure("an illegal prefix", Stream.runDrain(store.list("..")), "InvalidPath:ParentSegment")
    })
})

const pages = define({
  name: "a long listing is complete while objects are deleted",
  uses: ["write", "list", "delete", "exists"],
  run: (store) =>
    Effect.gen(function*() {
      const keys = Array.from({ length: 2200 }, (_, i) => `${i % 3}/${String(i).padStart(5, "0")}`)
      yield* Effect.forEach(keys, (key) => store.write(key, "x", overwrite), { concurrency: 16 })
      const sorted = Arr.sort(keys, Order.string)
      const listed = yield* toArray(store.list("", { recursive: true }))
      yield* expectSame("all", listed.map(({ key }) => key), sorted)
      const seen: Array<string> = []
      // Sixteen at a time: the listing goes on, page by page, while what it showed is being deleted.
      yield* store.list("", { recursive: true }).pipe(
        Stream.tap(({ key }) => Effect.sync(() => seen.push(key))),
        Stream.mapEffect(({ key }) => store.delete(key), { concurrency: 16 }),
        Stream.runDrain
      )
      yield* expectSame("all, each deleted when seen", seen, sorted)
      yield* expectSame("nothing left", yield* toArray(store.list("")), [])
      yield* store.write("a/b", "x", overwrite)
      yield* expectSame("take(1)", (yield* toArray(Stream.take(store.list(""), 1))).length, 1)
    })
})

/**
 * @since 0.1.0
 * @category conformance
 */
export const reading: ReadonlyArray<Conformance> = [
  roundTrip,
  owned,
  absent,
  folders,
  exclusive,
  illegal,
  ranges,
  readIfMatch,
  order,
  levels,
  pages
]
