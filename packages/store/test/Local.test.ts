// @effect-diagnostics nodeBuiltinImport:off tests look at the disk behind the store's back
import { describe, expect, it, vi } from "@effect/vitest"
import { Local } from "@sennit/store"
import type { StoreError } from "@sennit/store"
import { Array as Arr, Chunk, Effect, Either, Fiber, Order, Stream } from "effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import { inspect } from "node:util"
import { kill, linesOf, openBelow, start, temps } from "./support/disk.ts"
import { lentPieces } from "./support/lentPieces.ts"
import { raceProcesses } from "./support/raceProcesses.ts"
import { tempFolder } from "./support/tempFolder.ts"

vi.setConfig({ testTimeout: 0 })

const overwrite = { mode: "overwrite" } as const

const open = Effect.flatMap(tempFolder, (root) => Effect.map(Local.make({ root }), (store) => ({ root, store })))

const keysOf = <E>(entries: Stream.Stream<{ readonly key: string }, E>) =>
  Effect.map(Stream.runCollect(entries), (chunk) => Chunk.toReadonlyArray(chunk).map(({ key }) => key))

const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flip(Effect.asVoid(effect))

describe("races", () => {
  it.scopedLive("of 64 fibers that create each of many keys one wins", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      const keys = Array.from({ length: 60 }, (_, i) => `folder-${i % 5}/${i}`)
      yield* Effect.forEach(keys, (key) =>
        Effect.gen(function*() {
          const outcomes = yield* Effect.forEach(
            Array.from({ length: 64 }, (_, racer) => `${racer} `.repeat(400)),
            (body) => Effect.either(Effect.as(store.write(key, body), body)),
            { concurrency: "unbounded" }
          )
          const winners = outcomes.filter(Either.isRight).map(({ right }) => right)
          expect(winners.length).toBe(1)
          expect(yield* store.readText(key)).toBe(winners[0])
        }), { concurrency: 4 })
      expect(temps(root)).toEqual([])
    }))

  it.scopedLive("of 4 processes that create each of 300 keys one wins, and its bytes are whole", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      yield* raceProcesses(store, { backend: "local", options: { root }, keys: 300 })
      expect(temps(root)).toEqual([])
    }))

  it.scopedLive("folders that are pruned while others write into them lose nothing", () =>
    Effect.gen(function*() {
      const { store } = yield* open
      const churn = (name: string) =>
        Effect.replicateEffect(
          Effect.zipRight(store.write(`a/b/c/${name}`, name), store.delete(`a/b/c/${name}`)),
          60,
          { discard: true }
        )
      yield* Effect.forEach(["1", "2", "3", "4", "5", "6"], churn, { concurrency: "unbounded" })
      expect(yield* keysOf(store.list(""))).toEqual([])
    }))
})

describe("crash", () => {
  it.scopedLive("after kill -9 every object is an old or a new version, and opening sweeps the rest", () =>
    Effect.gen(function*() {
      const { root } = yield* open
      for (const lines of [0, 3, 8, 47, 112, 330]) {
        const child = yield* start("overwriteForever.ts", root)
        const reader = linesOf(child)
        for (let line = 0; line <= lines; line++) yield* Effect.promise(() => reader.next())
        yield* kill(child)
        const store = yield* Local.make({ root, sweepOlderThan: 0 })
        expect(temps(root)).toEqual([])
        const keys = yield* keysOf(store.list("", { recursive: true }))
        expect(keys.length).toBeGreaterThan(0)
        for (const key of keys) {
          const bytes = yield* store.readBytes(key)
          expect([key, bytes.length, new Set(bytes).size]).toEqual([key, 200_000, 1])
        }
      }
    }))

  it.scopedLive("opening sweeps what has rested long enough, and nothing else", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      yield* store.write("a/b", "kept")
      for (const name of [".~stale", "a/.~stale", "a/.~fresh"]) Fs.writeFileSync(`${root}/${name}`, "part")
      const longAgo = 1_000_000_000
      for (const name of [".~stale", "a/.~stale"]) Fs.utimesSync(`${root}/${name}`, longAgo, longAgo)
      expect(yield* keysOf(store.list("", { recursive: true }))).toEqual(["a/b"])
      yield* Local.make({ root })
      expect(temps(root)).toEqual(["a/.~fresh"])
      expect(yield* failureOf(store.readText("a/.~fresh"))).toMatchObject({ reason: "ReservedPrefix" })
    }))
})

describe("interruption", () => {
  it.scopedLive("at any point leaves the old bytes, no temporary file and no descriptor", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      yield* store.write("a", "old", overwrite)
      const before = openBelow(root)
      const part = new Uint8Array(1000)
      for (let pauses = 0; pauses < 1000; pauses++) {
        const body = Stream.concat(Stream.make(part, part, part), Stream.never)
        const target = pauses % 2 === 0 ? "a" : `new/${pauses}/b`
        const opened = Effect.scoped(
          Effect.zipRight(
            Effect.flatMap(store.openAtomic(target, overwrite), ({ write }) => write(part)),
            Effect.never
          )
        )
        const writer = yield* Effect.fork(pauses % 3 === 0 ? opened : store.write(target, body, overwrite))
        const reader = yield* Effect.fork(Stream.runDrain(store.read("a")))
        for (let pause = 0; pause < pauses % 40; pause++) {
          yield* Effect.async<void>((resume) => {
            setImmediate(() => resume(Effect.void))
          })
        }
        yield* Fiber.interruptAll([writer, reader])
      }
      expect(temps(root)).toEqual([])
      expect(openBelow(root)).toBe(before)
      expect(yield* store.readText("a")).toBe("old")
      expect(Fs.readdirSync(root)).toEqual(["a"])
    }))

  it.live("closing the scope closes the root", () =>
    Effect.gen(function*() {
      const root = yield* Effect.scoped(Effect.gen(function*() {
        const opened = yield* open
        yield* opened.store.write("a/b", "x")
        expect(openBelow(opened.root)).toBe(1)
        return opened.root
      }))
      expect(openBelow(root)).toBe(0)
    }))
})

describe("symbolic links", () => {
  it.scopedLive("to a folder or a file are refused by every operation and shown by none", () =>
    Effect.gen(function*() {
      const outside = yield* tempFolder
      const { root, store } = yield* open
      Fs.writeFileSync(`${outside}/x`, "secret")
      Fs.symlinkSync(outside, `${root}/d`)
      Fs.symlinkSync(`${outside}/x`, `${root}/f`)
      yield* store.write("mine", "x")
      for (const key of ["d/x", "f"]) {
        const attempts = [
          store.readText(key),
          store.stat(key),
          store.exists(key),
          store.write(key, "y", overwrite),
          store.write(key, "y"),
          store.delete(key),
          store.move(key, "z"),
          store.copy(key, "z"),
          store.move("mine", key, overwrite),
          store.copy("mine", key, overwrite)
        ]
        for (const attempt of attempts) {
          expect(yield* failureOf(Effect.asVoid<unknown, StoreError.StoreError, never>(attempt))).toMatchObject({
            _tag: "InvalidPath",
            reason: "SymbolicLink"
          })
        }
      }
      expect(yield* failureOf(Stream.runDrain(store.list("d")))).toMatchObject({ reason: "SymbolicLink" })
      expect(yield* keysOf(store.list("", { recursive: true }))).toEqual(["mine"])
      expect([Fs.readFileSync(`${outside}/x`, "utf8"), Fs.readdirSync(outside)]).toEqual(["secret", ["x"]])
    }))

  it.scopedLive("swapped in while we work let nothing out and nothing in", () =>
    Effect.gen(function*() {
      const outside = yield* tempFolder
      const { root, store } = yield* open
      Fs.writeFileSync(`${outside}/x`, "secret")
      const child = yield* start("swapForever.ts", root, outside)
      const reader = linesOf(child)
      yield* Effect.promise(() => reader.next())
      const outcomes = new Set<string>()
      for (let round = 0; round < 1000; round++) {
        const steps: ReadonlyArray<Effect.Effect<unknown, StoreError.StoreError>> = [
          store.write("d/x", "mine", overwrite),
          store.readText("d/x"),
          store.delete("d/x"),
          keysOf(store.list("d"))
        ]
        const results = yield* Effect.forEach(steps, Effect.either, { concurrency: 4 })
        for (const result of results) outcomes.add(inspect(result, { depth: 5 }))
      }
      yield* kill(child)
      expect([...outcomes].filter((outcome) => outcome.includes("secret"))).toEqual([])
      expect([...outcomes].some((outcome) => outcome.includes("SymbolicLink"))).toBe(true)
      expect([Fs.readFileSync(`${outside}/x`, "utf8"), Fs.readdirSync(outside)]).toEqual(["secret", ["x"]])
    }))
})

describe("work that is done at once", () => {
  it.scopedLive("leaves timers and sockets their turns, and keeps its order", () =>
    Effect.gen(function*() {
      const { store } = yield* open
      let turns = 0
      const loop = () => {
        turns++
        again = setImmediate(loop)
      }
      let again = setImmediate(loop)
      const done: Array<number> = []
      yield* Effect.forEach(
        Arr.range(1, 640),
        (i) => Effect.map(store.write(`${i}`, "x"), () => done.push(i)),
        { concurrency: "unbounded" }
      )
      clearImmediate(again)
      expect(turns).toBeGreaterThanOrEqual(640 / 32 - 1)
      expect(done).toEqual(Arr.range(1, 640))
    }))

  it.scopedLive("is not taken for what is large: a large object is replaced by a small one and back", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      const before = openBelow(root)
      for (const size of [10, 1_000_000, 65_536, 65_537, 0, 200_000]) {
        const { size: written } = yield* store.write("a", new Uint8Array(size).fill(7), overwrite)
        expect([written, (yield* store.readBytes("a")).length, Fs.statSync(`${root}/a`).size]).toEqual([
          size,
          size,
          size
        ])
      }
      yield* store.delete("a")
      expect([Fs.readdirSync(root), openBelow(root)]).toEqual([[], before])
    }))
})

describe("files of others", () => {
  it.scopedLive("devices and pipes are no objects, and a pipe does not block", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      ChildProcess.execFileSync("mkfifo", [`${root}/pipe`])
      expect(yield* failureOf(store.readText("pipe"))).toMatchObject({ _tag: "InvalidPath", reason: "SpecialFile" })
      expect(yield* failureOf(store.write("pipe", "x", overwrite))).toMatchObject({ reason: "SpecialFile" })
      expect(yield* keysOf(store.list(""))).toEqual([])
    }))

  it.scopedLive("names that are no keys are left out, and everything listed can be read", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      Fs.writeFileSync(`${root}/back\\slash`, "x")
      Fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x61, 0xff, 0x62])]), "x")
      Fs.writeFileSync(`${root}/plain`, "x")
      expect(yield* keysOf(store.list(""))).toEqual(["plain"])
    }))

  it.scopedLive("a file changed in place has another etag", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      const { etag } = yield* store.write("a", "one")
      Fs.writeFileSync(`${root}/a`, "two")
      expect(yield* failureOf(store.write("a", "3", { mode: { ifMatch: etag } }))).toMatchObject({
        _tag: "PreconditionFailed"
      })
    }))

  it.scopedLive("a file that shrinks while it is read is Truncated, not short", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      yield* store.write("a", new Uint8Array(4_000_000))
      const shrink = Effect.sync(() => Fs.truncateSync(`${root}/a`, 300_000))
      const failure = yield* failureOf(Stream.runForEach(store.read("a"), () => shrink))
      expect(failure).toMatchObject({ _tag: "BackendUnavailable", reason: "Truncated", retryable: true })
    }))
})

describe("streams", () => {
  it.scopedLive("a body reaches the disk while it is produced", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      const part = new Uint8Array(100_000)
      const sizes: Array<number> = []
      const body = Stream.repeatEffect(Effect.sync(() => {
        sizes.push(...temps(root).map((name) => Fs.statSync(`${root}/${name}`).size))
        return part
      })).pipe(Stream.take(5))
      yield* store.write("a", body)
      expect(sizes).toEqual([0, 100_000, 200_000, 300_000, 400_000])
    }))

  it.scopedLive("a piece of a body is the caller's again when the next one is pulled", () =>
    Effect.gen(function*() {
      const { store } = yield* open
      const whole = Uint8Array.from({ length: 700_001 }, (_, i) => (i * 31 + (i >>> 8) * 17) & 0xff)
      for (const length of [1000, 300_000]) {
        yield* store.write("a", lentPieces(whole, length), overwrite)
        expect(Buffer.from(yield* store.readBytes("a")).equals(whole)).toBe(true)
      }
    }))

  it.scopedLive("a reader takes no more than it asks for: the head of 64 GiB", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      Fs.writeFileSync(`${root}/sparse`, "")
      Fs.truncateSync(`${root}/sparse`, 64 * 2 ** 30)
      const head = yield* Stream.runCollect(Stream.take(store.read("sparse"), 2))
      expect(Chunk.toReadonlyArray(head).map(({ length }) => length)).toEqual([256 * 1024, 256 * 1024])
      const tail = yield* store.readBytes("sparse", { range: { suffix: 10 } })
      expect(tail.length).toBe(10)
      expect(openBelow(root)).toBe(1)
    }))

  it.scopedLive("written files have the bytes that node reads, under the key's own name", () =>
    Effect.gen(function*() {
      const { root, store } = yield* open
      const keys = ["é/a:b", "%2e/ x ", "\u{1f600}"]
      yield* Effect.forEach(keys, (key) => store.write(key, key))
      const files = Fs.readdirSync(root, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
      const found = files.map((file) => `${file.parentPath}/${file.name}`.slice(root.length + 1))
      expect(Arr.sort(found, Order.string)).toEqual(Arr.sort(keys, Order.string))
      for (const key of keys) expect(Fs.readFileSync(`${root}/${key}`, "utf8")).toBe(key)
    }))
})
