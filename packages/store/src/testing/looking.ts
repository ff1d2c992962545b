/**
 * The part of the contract that is about folders, and about many objects at once.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ListOptions } from "../Operations.ts"
import type { StoreOf } from "../Store.ts"
import { define, expectFailure, expectSame, overwrite, toArray } from "./Case.ts"
import type { Conformance } from "./Case.ts"

const head = define({
  name: "head is stat, or none where there is no object",
  uses: ["write", "stat", "head"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.write("folder/a", "x", overwrite)
      const found = yield* store.head("folder/a")
      yield* expectSame("head", Option.getOrUndefined(found), yield* store.stat("folder/a"))
      yield* expectSame("of nothing", Option.isNone(yield* store.head("none")), true)
      yield* expectSame("below an object", Option.isNone(yield* store.head("folder/a/b")), true)
      yield* expectFailure("of a folder", store.head("folder"), "InvalidPath:IsFolder")
    })
})

/** Sorted by their UTF-8 bytes. */
const tree = ["a-b.txt", "a/b.txt", "a/c/d.md", "a/c/e/f.txt", "a0.txt", "g/h/i.txt", "z.md"]

const keysOf = (store: StoreOf<"list">) => (prefix: string, options: ListOptions) =>
  Effect.map(toArray(store.list(prefix, options)), (entries) => entries.map(({ key }) => key))

const depth = define({
  name: "a listing goes as deep, starts where and keeps what it is told",
  uses: ["write", "list"],
  run: (store) =>
    Effect.gen(function*() {
      yield* Effect.forEach(tree, (key) => store.write(key, key, overwrite))
      const keys = keysOf(store)
      const all = { recursive: true }
      for (
        const [maxDepth, expected] of [
          [0, []],
          [1, ["a-b.txt", "a0.txt", "z.md"]],
          [2, ["a-b.txt", "a/b.txt", "a0.txt", "z.md"]],
          [3, ["a-b.txt", "a/b.txt", "a/c/d.md", "a0.txt", "g/h/i.txt", "z.md"]],
          [9, tree]
        ] as const
      ) yield* expectSame(`depth ${maxDepth}`, yield* keys("", { ...all, maxDepth }), expected)
      yield* expectSame("depth below a folder", yield* keys("a", { ...all, maxDepth: 1 }), ["a/b.txt"])
      for (const [index, startAfter] of tree.entries()) {
        const expected = tree.slice(index + 1)
        yield* expectSame(`after ${startAfter}`, yield* keys("", { ...all, startAfter }), expected)
        yield* expectSame(`after ${startAfter}, walked`, yield* keys("", { ...all, startAfter, maxDepth: 9 }), expected)
      }
      yield* expectSame("flat, after a key that is not there", yield* keys("", { startAfter: "a." }), [
        "a",
        "a0.txt",
        "g",
        "z.md"
      ])
      yield* expectSame("after all", yield* keys("", { ...all, startAfter: "zz" }), [])
      yield* expectSame("names", yield* keys("", { ...all, pattern: "*.md" }), ["a/c/d.md", "z.md"])
      yield* expectSame("paths", yield* keys("a", { ...all, pattern: "c/**" }), ["a/c/d.md", "a/c/e/f.txt"])
      yield* expectSame("folders too", yield* keys("", { pattern: "[a-g]" }), ["a", "g"])
      yield* expectFailure("no pattern", keys("", { pattern: "[" }), "InvalidPath:Pattern")
      yield* expectFailure("no path", keys("", { startAfter: "../x" }), "InvalidPath:ParentSegment")
    })
})

const glob = define({
  name: "glob finds the objects that match, in order",
  uses: ["write", "glob"],
  run: (store) =>
    Effect.gen(function*() {
      yield* Effect.forEach([...tree, "a/[x]/y"], (key) => store.write(key, key, overwrite))
      const cases: ReadonlyArray<readonly [pattern: string, keys: ReadonlyArray<string>]> = [
        ["*.txt", ["a-b.txt", "a0.txt"]],
        ["**/*.txt", ["a-b.txt", "a/b.txt", "a/c/e/f.txt", "a0.txt", "g/h/i.txt"]],
        ["a/**", ["a/[x]/y", "a/b.txt", "a/c/d.md", "a/c/e/f.txt"]],
        ["a/*/*", ["a/[x]/y", "a/c/d.md"]],
        ["?/?/?.txt", ["g/h/i.txt"]],
        ["[!a-f]/**/i.txt", ["g/h/i.txt"]],
        ["a/[[]x]/*", ["a/[x]/y"]],
        ["a/b.txt", ["a/b.txt"]],
        ["a/c", []],
        ["none/*", []],
        ["a/b.txt/*", []],
        ["**/e/**", ["a/c/e/f.txt"]],
        ["*", ["a-b.txt", "a0.txt", "z.md"]]
      ]
      for (const [pattern, expected] of cases) {
        const found = (yield* toArray(store.glob(pattern))).map(({ key }) => key)
        yield* expectSame(pattern, found, expected)
      }
      yield* expectFailure("upwards", Stream.runDrain(store.glob("../*")), "InvalidPath:ParentSegment")
      yield* expectFailure("open", Stream.runDrain(store.glob("a/[b")), "InvalidPath:Pattern")
      const inner = yield* store.child("a/c")
      yield* expectSame("in a child", (yield* toArray(inner.glob("**/*.txt"))).map(({ key }) => key), ["e/f.txt"])
    })
})

const folderInfo = define({
  name: "a folder knows how much is in it",
  uses: ["write", "folderInfo", "stat"],
  run: (store) =>
    Effect.gen(function*() {
      const none = yield* store.folderInfo("")
      yield* expectSame("the empty root", [none.objects, none.size, Option.isNone(none.modifiedAt)], [0, 0, true])
      yield* store.write("a/b", "12345", overwrite)
      yield* store.write("a/c/d", "123", overwrite)
      const { modifiedAt } = yield* store.stat("a/c/d")
      const all = yield* store.folderInfo("a")
      yield* expectSame("all the way", [all.key, all.objects, all.size], ["a", 2, 8])
      yield* expectSame("the latest", Option.getOrUndefined(all.modifiedAt), modifiedAt)
      const shallow = yield* store.folderInfo("a", { maxDepth: 1 })
      yield* expectSame("one deep", [shallow.objects, shallow.size], [1, 5])
      yield* expectFailure("none", store.folderInfo("none"), "NotFound")
      yield* expectFailure("an object", store.folderInfo("a/b"), "NotFound")
    })
})

const deleteFolder = define({
  name: "deleteFolder deletes all or refuses",
  uses: ["write", "list", "deleteFolder", "exists"],
  run: (store) =>
    Effect.gen(function*() {
      yield* Effect.forEach(tree, (key) => store.write(key, key, overwrite))
      yield* expectFailure("not empty", store.deleteFolder("a"), "DirectoryNotEmpty")
      yield* expectFailure("none", store.deleteFolder("none"), "NotFound")
      yield* expectFailure("an object", store.deleteFolder("z.md", { recursive: true }), "NotFound")
      yield* expectFailure("the root", store.deleteFolder("", { recursive: true }), "InvalidPath:Root")
      yield* store.deleteFolder("none", { missingOk: true })
      yield* store.deleteFolder("a", { recursive: true })
      yield* expectSame("the folder after", yield* store.exists("a"), false)
      const left = (yield* toArray(store.list("", { recursive: true }))).map(({ key }) => key)
      yield* expectSame("what is left", left, ["a-b.txt", "a0.txt", "g/h/i.txt", "z.md"])
    })
})

const deleteMany = define({
  name: "deleteMany deletes what is there and tells what it could not",
  uses: ["write", "list", "deleteMany"],
  run: (store) =>
    Effect.gen(function*() {
      yield* Effect.forEach(tree, (key) => store.write(key, key, overwrite))
      const report = yield* store.deleteMany(["a/b.txt", "none", "../x", "z.md", "a/c/d.md"])
      yield* expectSame("gone", report.gone, 4)
      yield* expectSame("failures", report.failures.map(({ _tag, path }) => [_tag, path ?? ""]), [[
        "InvalidPath",
        "../x"
      ]])
      const rest = Stream.map(store.list("", { recursive: true }), ({ key }) => key)
      yield* expectSame("while listing", (yield* store.deleteMany(rest)).gone, tree.length - 3)
      yield* expectSame("what is left", yield* toArray(store.list("")), [])
    })
})

const deleteIfMatch = define({
  name: "a delete with ifMatch deletes that version or nothing",
  uses: ["write", "delete", "exists"],
  also: ["deleteIfMatch"],
  run: (store) =>
    Effect.gen(function*() {
      const one = yield* store.write("a", "one", overwrite)
      const two = yield* store.write("a", "two", overwrite)
      yield* expectFailure("stale", store.delete("a", { ifMatch: one.etag }), "PreconditionFailed")
      yield* expectSame("still there", yield* store.exists("a"), true)
      yield* store.delete("a", { ifMatch: two.etag })
      yield* expectSame("gone", yield* store.exists("a"), false)
    })
})

const names = define({
  name: "names lead to the backend's own and back",
  uses: ["ping"],
  run: (store) =>
    Effect.gen(function*() {
      yield* store.ping()
      const native = yield* store.nativePath("a b/é.txt")
      yield* expectSame("back", yield* store.toKey(native), "a b/é.txt")
      const inner = yield* store.child("a b")
      yield* expectSame("back to a child", yield* inner.toKey(native), "é.txt")
      yield* expectSame("the same place", (yield* inner.resolve("é.txt")).nativePath, native)
      const outside = (yield* store.child("elsewhere")).toKey(native)
      yield* expectSame("not in this store", Either.isLeft(outside), true)
    })
})

const probe = define({
  name: "what it declares it keeps, and the probe leaves nothing behind",
  uses: ["write", "list", "delete"],
  run: (store) =>
    Effect.gen(function*() {
      const seen = yield* store.probe
      yield* expectSame("capabilities", [...seen.capabilities], [...store.capabilities])
      yield* expectSame("objects", yield* toArray(store.list("")), [])
    })
})

/**
 * @since 0.1.0
 * @category conformance
 */
export const looking: ReadonlyArray<Conformance> = [
  head,
  depth,
  glob,
  folderInfo,
  deleteFolder,
  deleteMany,
  deleteIfMatch,
  names,
  probe
]
