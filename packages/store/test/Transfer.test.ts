// @effect-diagnostics nodeBuiltinImport:off tests look at the disk behind the store's back
import { describe, expect, it, vi } from "@effect/vitest"
import { Layers, Local, Memory, Transfer } from "@sennit/store"
import type { Interceptor, Store } from "@sennit/store"
import { Cause, Chunk, Effect, Exit, Fiber, Stream } from "effect"
import * as Fs from "node:fs"
import { openBelow, temps } from "./support/disk.ts"
import { tempFolder } from "./support/tempFolder.ts"

vi.setConfig({ testTimeout: 0 })

const overwrite = { mode: "overwrite" } as const
const parts = { partBytes: 1000, partsUnderWay: 3 }

const bytesOf = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >>> 8) * 17 + seed) & 0xff)

/** Sizes around those of parts, and names that are hard to keep. */
const tree: Readonly<Record<string, number>> = {
  "a": 0,
  "grüße & co/b c": 999,
  "grüße & co/\u{1f600}": 1000,
  "x/y/z/%2e": 1001,
  "x/y/z.txt": 7003
}

const fill = (store: Store.StoreOf<"write">, prefix = "") =>
  Effect.forEach(Object.entries(tree), ([key, size]) => store.write(prefix + key, bytesOf(size), overwrite))

const contentOf = (store: Store.StoreOf<"read" | "list">, prefix = "") =>
  Effect.gen(function*() {
    const content: Record<string, number> = {}
    const entries = yield* Stream.runCollect(store.list(prefix, { recursive: true }))
    for (const { key } of entries) {
      const bytes = yield* store.readBytes(key)
      expect(Buffer.from(bytes).equals(bytesOf(bytes.length))).toBe(true)
      content[prefix === "" ? key : key.slice(prefix.length + 1)] = bytes.length
    }
    return content
  })

const failuresOf = ({ failures }: Transfer.Progress) =>
  Chunk.toReadonlyArray(failures).map(({ error, from, to }) => [
    from,
    to,
    "reason" in error ? `${error._tag}:${error.reason}` : error._tag
  ])

const outcome = (transfer: Transfer.Transfer) => Effect.map(Effect.flip(Transfer.run(transfer)), ({ _tag }) => _tag)

const nextTurn = Effect.async<void>((resume) => void setImmediate(resume, Effect.void))

/** Something that happens at the `nth` call of an operation, and how many were under way at most. */
const watch = (operation: string, nth: number, event: Effect.Effect<unknown>) => {
  let calls = 0
  const underWay = { now: 0, most: 0 }
  const interceptor: Interceptor.Interceptor = {
    effect: (call, next) =>
      call.operation !== operation ? next : Effect.suspend(() => {
        underWay.most = Math.max(underWay.most, ++underWay.now)
        const before = ++calls === nth ? event : nextTurn
        return Effect.ensuring(Effect.zipRight(before, next), Effect.sync(() => underWay.now--))
      })
  }
  return { interceptor, underWay }
}

describe("a tree", () => {
  it.scopedLive("goes down to a folder and up again with every byte and name", () =>
    Effect.gen(function*() {
      const [folder, store, again] = [yield* tempFolder, yield* Memory.make(), yield* Memory.make()]
      yield* fill(store, "site/")
      const down = yield* Transfer.run(Transfer.downloadTree({ store, path: "site" }, `${folder}/new`, parts))
      const files = Fs.readdirSync(`${folder}/new`, { recursive: true, withFileTypes: true })
      expect(files.filter((file) => file.isFile()).length).toBe(5)
      const up = yield* Transfer.run(Transfer.uploadTree(`${folder}/new`, { store: again, path: "" }, parts))
      expect(yield* contentOf(again)).toEqual(tree)
      const amount = { objects: 5, bytes: 10_003 }
      for (const end of [down, up]) {
        expect(end).toEqual({ done: amount, total: amount, isTotalKnown: true, failures: Chunk.empty() })
      }
      expect([temps(folder), openBelow(folder)]).toEqual([[], 0])
    }))

  it.effect("takes content type and metadata along from store to store", () =>
    Effect.gen(function*() {
      const [from, to] = [yield* Memory.make(), yield* Memory.make()]
      for (const [key, size] of [["a/small", 10], ["a/large", 5000]] as const) {
        yield* from.write(key, bytesOf(size), { contentType: "text/x", metadata: { owner: "ann" } })
      }
      yield* Transfer.run(Transfer.copyTree({ store: from, path: "a" }, { store: to, path: "b" }, parts))
      for (const key of ["small", "large"]) {
        const { contentType, metadata } = yield* from.stat(`a/${key}`)
        expect(yield* to.stat(`b/${key}`)).toMatchObject({ contentType, metadata })
      }
    }))

  it.scopedLive("tells its progress up to the end, and never goes back while nothing fails", () =>
    Effect.gen(function*() {
      const [from, to] = [yield* Memory.make(), yield* Memory.make()]
      yield* fill(from)
      const copy = Transfer.copyTree({ store: from, path: "" }, { store: to, path: "" }, parts)
      const seen = Chunk.toReadonlyArray(yield* Stream.runCollect(copy))
      for (const [i, { done, total }] of seen.entries()) {
        const before = seen[i - 1] ?? { done: { bytes: 0, objects: 0 }, total: { bytes: 0, objects: 0 } }
        expect(done.bytes >= before.done.bytes && done.objects >= before.done.objects).toBe(true)
        expect(total.bytes >= before.total.bytes && done.bytes <= total.bytes).toBe(true)
      }
      expect(seen.length).toBeGreaterThan(5)
      expect(seen.at(-1)).toMatchObject({ isTotalKnown: true, done: { objects: 5, bytes: 10_003 } })
    }))

  it.scopedLive("of which some fails tells what and why, and the rest goes on", () =>
    Effect.gen(function*() {
      const [folder, store] = [yield* tempFolder, yield* Memory.make()]
      const local = yield* Local.make({ root: folder })
      yield* fill(local)
      Fs.symlinkSync("/etc", `${folder}/x/etc`)
      Fs.writeFileSync(`${folder}/back\\slash`, "x")
      Fs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x61, 0xff])]), "x")
      Fs.writeFileSync(`${folder}/.~lock.a#`, "x")
      yield* store.write("to/a", "kept")
      yield* store.write("to/x/y/z.txt", "kept")
      const end = yield* Transfer.run(Transfer.uploadTree(folder, { store, path: "to" }, parts))
      expect(failuresOf(end).toSorted()).toEqual([
        [".~lock.a#", "to/.~lock.a#", "InvalidPath:ReservedPrefix"],
        ["a", "to/a", "AlreadyExists"],
        ["a\uFFFD", "to/a\uFFFD", "InvalidPath:NotRepresentable"],
        ["back\\slash", "to/back\\slash", "InvalidPath:NotRepresentable"],
        ["x/etc", "to/x/etc", "InvalidPath:SymbolicLink"],
        ["x/y/z.txt", "to/x/y/z.txt", "AlreadyExists"]
      ])
      expect(end.done).toEqual({ objects: 3, bytes: 3000 })
      expect(end.total.objects).toBe(9)
      expect(yield* store.readText("to/a")).toBe("kept")
      expect(Fs.existsSync(`${folder}/.~lock.a#`)).toBe(true)
    }))

  it.effect("whose listing fails is transferred as far as it was listed, and the failure comes last", () =>
    Effect.gen(function*() {
      const [memory, to] = [yield* Memory.make(), yield* Memory.make()]
      yield* Effect.forEach(Array.from({ length: 1001 }, (_, i) => `${i}`), (key) => memory.write(key, key))
      const broken = { _tag: "Unavailable", reason: "Network", retryable: true } as const
      const from = memory.pipe(
        Layers.fault(({ nth, primitive }) =>
          primitive === "list" && nth === 2 ? { when: "before", condition: broken } : undefined
        )
      )
      const last = { done: { objects: 0, bytes: 0 }, isTotalKnown: false }
      const copy = Transfer.copyTree({ store: from, path: "" }, { store: to, path: "" })
      const failure = yield* Effect.flip(
        Stream.runForEach(copy, (progress) => Effect.sync(() => Object.assign(last, progress)))
      )
      expect(failure).toMatchObject({ _tag: "BackendUnavailable", operation: "list" })
      const { objects } = yield* to.folderInfo("")
      expect(objects).toBeGreaterThan(0)
      expect([last.done.objects, last.isTotalKnown]).toEqual([objects, false])
    }))

  it.scopedLive("is written nowhere but in its folder, whatever links are in there", () =>
    Effect.gen(function*() {
      const [folder, outside, store] = [yield* tempFolder, yield* tempFolder, yield* Memory.make()]
      yield* fill(store)
      Fs.symlinkSync(outside, `${folder}/x`)
      const end = yield* Transfer.run(Transfer.downloadTree({ store, path: "" }, folder))
      expect(failuresOf(end).map(([from, , why]) => `${from} ${why}`).toSorted()).toEqual([
        "x/y/z.txt InvalidPath:SymbolicLink",
        "x/y/z/%2e InvalidPath:SymbolicLink"
      ])
      expect(Fs.readdirSync(outside)).toEqual([])
    }))

  it.scopedLive("takes no more at once than it says", () =>
    Effect.gen(function*() {
      const [memory, to] = [yield* Memory.make(), yield* Memory.make()]
      yield* Effect.forEach(Array.from({ length: 40 }, (_, i) => `${i}`), (key) => memory.write(key, bytesOf(5000)))
      const reads = watch("readBytes", 0, Effect.void)
      const writes = watch("write", 0, Effect.void)
      yield* Transfer.run(Transfer.copyTree(
        { store: memory.intercept(reads.interceptor), path: "" },
        { store: to.intercept(writes.interceptor), path: "" },
        { concurrency: 3, partBytes: 1000, partsUnderWay: 2 }
      ))
      expect([writes.underWay.most, reads.underWay.most]).toEqual([3, 6])
      expect(Object.keys(yield* contentOf(to)).length).toBe(40)
    }))

  it.scopedLive("that is interrupted leaves no part of an object, no temporary file and no descriptor", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make()
      yield* Effect.forEach(Array.from({ length: 8 }, (_, i) => `d/${i}`), (key) => store.write(key, bytesOf(90_000)))
      const folder = yield* tempFolder
      for (let turns = 0; turns < 40; turns++) {
        const download = Transfer.downloadTree({ store, path: "" }, folder, { ...overwrite, partBytes: 30_000 })
        const fiber = yield* Effect.fork(Transfer.run(download))
        for (let turn = 0; turn < turns; turn++) yield* nextTurn
        yield* Fiber.interrupt(fiber)
        expect([temps(folder), openBelow(folder)]).toEqual([[], 0])
      }
      const sizes = Fs.readdirSync(`${folder}/d`).map((name) => Fs.statSync(`${folder}/d/${name}`).size)
      expect(new Set(sizes)).toEqual(new Set([90_000]))
    }))
})

describe("an object that is replaced while it is read in parts", () => {
  for (const [size, seed] of [[9000, 2], [8000, 1], [500, 3]] as const) {
    it.scopedLive(`by another of ${size} bytes is PreconditionFailed and never a mixture`, () =>
      Effect.gen(function*() {
        const [folder, memory] = [yield* tempFolder, yield* Memory.make()]
        yield* memory.write("a", bytesOf(8000))
        Fs.writeFileSync(`${folder}/a`, "old")
        for (let nth = 1; nth <= 8; nth++) {
          const { interceptor } = watch(
            "readBytes",
            nth,
            Effect.orDie(memory.write("a", bytesOf(size, seed), overwrite))
          )
          const place = { store: memory.intercept(interceptor), path: "a" }
          const failure = yield* Effect.flip(
            Transfer.run(Transfer.downloadFile(place, `${folder}/a`, { ...overwrite, ...parts }))
          )
          expect(failure).toMatchObject({ _tag: "PreconditionFailed", path: "a", backend: "memory" })
          yield* memory.write("a", bytesOf(8000), overwrite)
        }
        expect([Fs.readFileSync(`${folder}/a`, "utf8"), Fs.readdirSync(folder)]).toEqual(["old", ["a"]])
      }))
  }

  it.effect("is the whole of one version where the store cannot pin a range", () =>
    Effect.gen(function*() {
      const memory = yield* Memory.make()
      yield* memory.write("a", bytesOf(8000))
      const got = yield* Stream.runCollect(Transfer.read(memory.only("read", "range"), "a", parts))
      expect(Buffer.concat(Chunk.toReadonlyArray(got)).equals(bytesOf(8000))).toBe(true)
    }))
})

describe("a single object", () => {
  it.scopedLive("goes from file to store to store to file", () =>
    Effect.gen(function*() {
      const [folder, one, two] = [yield* tempFolder, yield* Memory.make(), yield* Memory.make()]
      Fs.writeFileSync(`${folder}/in`, bytesOf(4321))
      yield* Transfer.run(Transfer.uploadFile(`${folder}/in`, { store: one, path: "x/1" }, parts))
      yield* Transfer.run(Transfer.copyObject({ store: one, path: "x/1" }, { store: two, path: "y/2" }, parts))
      yield* Transfer.run(Transfer.downloadFile({ store: two, path: "y/2" }, `${folder}/made/out`, parts))
      expect(Fs.readFileSync(`${folder}/made/out`).equals(bytesOf(4321))).toBe(true)
    }))

  it.scopedLive("fails its stream: absent, taken, a link, a mode that the store cannot keep", () =>
    Effect.gen(function*() {
      const [folder, store] = [yield* tempFolder, yield* Memory.make()]
      yield* store.write("a", "x")
      Fs.writeFileSync(`${folder}/file`, "y")
      Fs.symlinkSync(`${folder}/file`, `${folder}/link`)
      const place = { store, path: "a" }
      expect(yield* outcome(Transfer.downloadFile({ store, path: "none" }, `${folder}/x`))).toBe("NotFound")
      expect(yield* outcome(Transfer.uploadFile(`${folder}/none`, place))).toBe("NotFound")
      expect(yield* outcome(Transfer.uploadFile(`${folder}/none/none`, place))).toBe("NotFound")
      expect(yield* outcome(Transfer.uploadTree(`${folder}/none`, place))).toBe("NotFound")
      expect(yield* outcome(Transfer.uploadFile(`${folder}/file`, place))).toBe("AlreadyExists")
      expect(yield* outcome(Transfer.uploadFile(`${folder}/link`, place))).toBe("InvalidPath")
      const poor = { store: store.only("write"), path: "b" }
      expect(yield* outcome(Transfer.uploadFile(`${folder}/file`, poor))).toBe("CapabilityNotSupported")
      expect([yield* store.readText("a"), yield* store.exists("b")]).toEqual(["x", false])
      expect(Fs.readdirSync(folder).toSorted()).toEqual(["file", "link"])
    }))

  it.effect("with options that make no sense is a defect and not an endless loop", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make()
      for (const wrong of [{ partBytes: 0 }, { concurrency: 0 }, { partsUnderWay: 0.5 }, { partBytes: Number.NaN }]) {
        const copy = Transfer.copyTree({ store, path: "a" }, { store, path: "b" }, wrong)
        const exit = yield* Effect.exit(Transfer.run(copy))
        expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      }
    }))
})

describe("many at once", () => {
  it.effect("are copied, asked for and deleted, and what fails is told beside what does not", () =>
    Effect.gen(function*() {
      const store = yield* Memory.make()
      yield* fill(store)
      const pairs = [...Object.keys(tree), "none"].map((from) => ({ from, to: `copy/${from}` }))
      yield* store.write("copy/a", "kept")
      const copied = yield* Transfer.copyMany(store, pairs)
      expect(copied.copied).toBe(4)
      expect(copied.failures.map(({ error, from }) => [from, error._tag])).toEqual([
        ["a", "AlreadyExists"],
        ["none", "NotFound"]
      ])
      const again = yield* Transfer.copyMany(store, pairs, overwrite)
      expect([again.copied, again.failures.length]).toEqual([5, 1])
      expect(yield* contentOf(store, "copy")).toEqual(tree)
      const asked = yield* Transfer.existsMany(store, ["copy/a", "none", "copy", "../x"])
      expect([asked.present, asked.absent]).toEqual([["copy/a", "copy"], ["none"]])
      expect(asked.failures).toMatchObject([{ _tag: "InvalidPath", path: "../x" }])
      const gone = yield* store.deleteMany(["copy/a", "none", "../x"])
      expect([gone.gone, gone.failures.map(({ _tag }) => _tag)]).toEqual([2, ["InvalidPath"]])
    }))
})
