// @effect-diagnostics nodeBuiltinImport:off tests look at the disk and at a process of their own
import { StoreError } from "@sennit/store"
import { createStore } from "@sennit/store/Sync"
import type { SyncStore } from "@sennit/store/Sync"
import { Effect, Option } from "effect"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { setImmediate } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterAll, beforeEach, describe, expect, it } from "vitest"

const root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "sennit-store-"))
const memory = createStore({ driver: "memory" })
const local = createStore({ driver: "local", root })
afterAll(() => {
  memory.close()
  local.close()
  Fs.rmSync(root, { recursive: true })
})
// a thread that only waits answers nobody, the test runner neither
beforeEach(async () => {
  await setImmediate()
})

const caught = (call: () => unknown): unknown => {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error("nothing was thrown")
}

const inFiber = (call: () => unknown): unknown => Effect.runSync(Effect.sync(() => caught(call)))

function* pieces(count: number, size: number) {
  for (let i = 0; i < count; i++) yield new Uint8Array(size).fill(i)
}

type Both = SyncStore<"read" | "range" | "write" | "atomicWrite" | "createIfAbsent" | "delete" | "list" | "move">

for (const [name, store] of [["memory", memory], ["local", local]] satisfies ReadonlyArray<[string, Both]>) {
  describe(`a store that blocks, ${name}`, () => {
    it("writes, reads, looks and deletes, and throws the store's own errors", () => {
      const written = store.write("folder/a", "hello", { digest: "sha256" })
      expect(written).toMatchObject({ key: "folder/a", size: 5, digest: { algorithm: "sha256" } })
      expect(store.readText("folder/a")).toBe("hello")
      expect(Buffer.from(store.readBytes("folder/a", { range: { offset: 1, length: 3 } })).toString()).toBe("ell")
      const info = store.stat("folder/a")
      expect([info.etag, info.modifiedAt, info.contentType]).toEqual([written.etag, written.modifiedAt, Option.none()])
      expect(store.head("none")).toEqual(Option.none())
      expect(store.folderInfo("")).toMatchObject({ objects: 1, size: 5, modifiedAt: Option.some(info.modifiedAt) })
      expect(store.exists("folder")).toBe(true)
      const taken = caught(() => store.write("folder/a", "again"))
      expect(taken).toBeInstanceOf(StoreError.AlreadyExists)
      expect(taken).toMatchObject({ path: "folder/a", backend: name, operation: "write" })
      expect(caught(() => store.readText("../x"))).toBeInstanceOf(StoreError.InvalidPath)
      expect(caught(() => [...store.read("none")])).toBeInstanceOf(StoreError.NotFound)
      store.move("folder/a", "b")
      const report = store.deleteMany(["b", "none", "../c"])
      expect(report.gone).toBe(2)
      expect(report.failures[0]).toBeInstanceOf(StoreError.InvalidPath)
      expect([...store.list("")]).toEqual([])
    })

    it("pulls a body from an iterable, which may itself be read from the store", () => {
      const large = new Uint8Array(700_000).map((_, i) => i)
      store.write("source", [new Uint8Array(3), large, new Uint8Array(0), new Uint8Array([9])])
      const copied = store.write("copy", store.read("source"))
      expect(copied.size).toBe(700_004)
      expect(Buffer.from(store.readBytes("copy")).equals(Buffer.concat([new Uint8Array(3), large, Buffer.from([9])])))
        .toBe(true)
      expect(store.deleteMany(new Set(["source", "copy"])).gone).toBe(2)
    })

    it("an iterable that throws leaves what was there, and its error is thrown as it is", () => {
      const own = new RangeError("mine")
      store.write("kept", "old", { mode: "overwrite" })
      const breaking = function*() {
        yield* pieces(2, 300_000)
        throw own
      }
      expect(caught(() => store.write("kept", breaking(), { mode: "overwrite" }))).toBe(own)
      expect(store.readText("kept")).toBe("old")
      store.delete("kept")
    })

    it("opens a reader and a writer; what is not committed is not there", () => {
      const draft = () => {
        using writer = store.openAtomic("atomic")
        writer.write("half")
      }
      draft()
      expect(store.exists("atomic")).toBe(false)
      using writer = store.openAtomic("atomic")
      writer.write("first, ")
      writer.write(new TextEncoder().encode("second"))
      expect(store.exists("atomic")).toBe(false)
      expect(writer.commit().size).toBe(13)
      using reader = store.openReader("atomic")
      expect(reader.info.size).toBe(13)
      expect(Buffer.from(reader.readAt(7, 6)).toString()).toBe("second")
      reader[Symbol.dispose]()
      expect(caught(() => reader.readAt(0, 1))).toMatchObject({ _tag: "SyncError", reason: "Closed" })
      store.delete("atomic")
    })

    it("a child sees its folder and no more", () => {
      const child = store.child("users").child("42")
      child.write("a", "x")
      expect([...store.list("", { recursive: true })].map(({ key }) => key)).toEqual(["users/42/a"])
      expect([...child.list("")].map(({ key }) => key)).toEqual(["a"])
      expect(caught(() => child.readText("../../a"))).toBeInstanceOf(StoreError.InvalidPath)
      expect(caught(() => store.child(".."))).toBeInstanceOf(StoreError.InvalidPath)
      child.delete("a")
    })
  })
}

describe("streams", () => {
  it("are pulled as they are wanted, and closed when they are left", () => {
    for (let i = 0; i < 2500; i++) memory.write(`many/${i}`, "x")
    expect([...memory.list("many")].length).toBe(2500)
    for (const entry of memory.list("many")) {
      expect(entry).toMatchObject({ _tag: "Object", key: "many/0" })
      // the listing has not gone on by itself: what is deleted behind its first page is not in it any more
      break
    }
    const listing = memory.list("many")
    expect(listing.next().done).toBe(false)
    memory.deleteMany([...memory.list("many")].map(({ key }) => key))
    let rest = 0
    for (const entry of listing) rest += entry.key.startsWith("many/") ? 1 : 0
    expect(rest).toBeLessThan(1000)
  })

  it("hold no more than a bound: the oldest of very many is given up", () => {
    memory.write("a", new Uint8Array(600_000), { mode: "overwrite" })
    const first = memory.read("a")
    first.next()
    for (let i = 0; i < 256; i++) memory.read("a").next()
    expect(caught(() => first.next())).toMatchObject({ _tag: "SyncError", reason: "Closed" })
  })
})

describe("what is refused", () => {
  it("a call where a fiber runs, with what to do instead", () => {
    expect(inFiber(() => memory.readText("a"))).toMatchObject({ _tag: "SyncError", reason: "InsideFiber" })
    expect(inFiber(() => createStore({ driver: "memory" }))).toMatchObject({
      message: expect.stringContaining("use the store itself")
    })
  })

  it("an operation that the backend does not offer is missing, an option is refused, and what was closed stays closed", () => {
    const site = createStore({ driver: "http", baseUrl: "http://127.0.0.1:1" })
    // @ts-expect-error a web server is not written to
    expect(site.write).toBeUndefined()
    expect(caught(() => site.require("write"))).toBeInstanceOf(StoreError.CapabilityNotSupported)
    expect(caught(() => site.readText("a"))).toBeInstanceOf(StoreError.BackendUnavailable)
    // @ts-expect-error a local store keeps no content type
    expect(caught(() => local.write("m", "x", { contentType: "text/plain" }))).toMatchObject({ capability: "metadata" })
    expect(memory.require("metadata").write("m", "x", { metadata: { a: "b" } }).size).toBe(1)
    expect(memory.stat("m").metadata).toEqual({ a: "b" })
    const stream = site.read("a")
    site.close()
    site.close()
    expect(caught(() => site.readText("a"))).toMatchObject({ _tag: "SyncError", reason: "Closed" })
    expect(caught(() => stream.next())).toMatchObject({ _tag: "SyncError", reason: "Closed" })
  })

  it("a store that cannot be opened, and settings that cannot be sent; no secret is in what is thrown", () => {
    const unusable = caught(() => createStore({ driver: "http", baseUrl: "http://user:geheim@example.org/" }))
    expect(unusable).toMatchObject({ _tag: "BackendUnavailable", reason: "Misconfigured", operation: "open" })
    expect(JSON.stringify(unusable)).not.toContain("geheim")
    const odd: object = { baseUrl: () => "function" }
    expect(caught(() => createStore({ driver: "http", baseUrl: "http://a", ...odd }))).toMatchObject({
      _tag: "SyncError",
      reason: "Options"
    })
  })
})

it("a store that is left open holds no process alive", () => {
  const script = `import { createStore } from "@sennit/store/Sync"
    const store = createStore({ driver: "memory" })
    store.write("a", "hello")
    process.stdout.write(store.readText("a"))`
  const { status, stdout } = spawnSync(
    process.execPath,
    ["--import", "tsx", "-C", "@sennit/source", "--input-type=module", "-e", script],
    { encoding: "utf8", cwd: fileURLToPath(new URL("..", import.meta.url)) }
  )
  expect([status, stdout]).toEqual([0, "hello"])
})
