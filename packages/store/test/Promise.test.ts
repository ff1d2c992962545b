// @effect-diagnostics asyncFunction:off this is the facade for code that is written with async functions
import { describe, expect, it } from "@effect/vitest"
import { Layers, Memory, StoreError } from "@sennit/store"
import { createStore, fromStore } from "@sennit/store/Promise"
import type { PromiseStore } from "@sennit/store/Promise"
import { Effect, Schema, Stream } from "effect"
import { tempFolder } from "./support/tempFolder.ts"

const body = async function*() {
  yield new Uint8Array([1, 2])
  yield new Uint8Array([3])
}

const broken = async function*() {
  yield new Uint8Array([1])
  throw new RangeError("the source broke")
}

type Both = PromiseStore<
  "read" | "range" | "readIfMatch" | "write" | "atomicWrite" | "createIfAbsent" | "delete" | "list"
>

const tour = async (store: Both) => {
  const written = await store.write("folder/a", "hello")
  expect(written).toMatchObject({ key: "folder/a", size: 5 })
  await expect(store.write("folder/a", "again")).rejects.toMatchObject({ _tag: "AlreadyExists", path: "folder/a" })
  await expect(store.readText("none")).rejects.toMatchObject({ _tag: "NotFound", operation: "readText" })
  await store.write("b", body())
  const parts: Array<number> = []
  for await (const bytes of store.read("b", { range: { offset: 1 } })) parts.push(...bytes)
  expect(parts).toEqual([2, 3])
  await expect(store.write("c", broken())).rejects.toThrow("the source broke")
  const keys: Array<string> = []
  for await (const { key } of store.list("", { recursive: true })) keys.push(key)
  expect(keys).toEqual(["b", "folder/a"])
  for await (const { key } of store.list("")) {
    expect(key).toBe("b")
    break
  }
  await expect(async () => {
    for await (const bytes of store.read("none")) expect(bytes).toBeUndefined()
  }).rejects.toMatchObject({ _tag: "NotFound" })
  await store.write("json", JSON.stringify({ name: "cord" }))
  expect((await store.readJson("json", Schema.Struct({ name: Schema.String }))).name).toBe("cord")
  await expect(store.readJson("json", Schema.Struct({ name: Schema.Number }))).rejects.toBeInstanceOf(
    StoreError.DecodeFailed
  )
  const report = await store.deleteMany(async function*() {
    yield "json"
    yield "none"
  }())
  expect(report).toEqual({ gone: 2, failures: [] })
}

const openings = async (store: Both) => {
  const draft = async () => {
    await using writer = await store.openAtomic("opened")
    await writer.write("half")
  }
  await draft()
  expect(await store.exists("opened")).toBe(false)
  await using writer = await store.openAtomic("opened")
  await writer.write("whole")
  expect(await writer.commit()).toMatchObject({ key: "opened", size: 5 })
  await using reader = await store.openReader("opened")
  expect(reader.info.size).toBe(5)
  expect(Buffer.from(await reader.readAt(1, 3)).toString()).toBe("hol")
  await expect(store.openAtomic("opened")).rejects.toBeInstanceOf(StoreError.AlreadyExists)
}

describe("createStore", () => {
  it("works in memory", async () => {
    await using store = await createStore({ driver: "memory" })
    await tour(store)
    await openings(store)
    await store.write("m", "x", { contentType: "text/plain" })
    expect(await store.stat("m")).toMatchObject({ contentType: { _tag: "Some", value: "text/plain" } })
  })

  it.scopedLive("works in a folder and refuses what it does not keep", () =>
    Effect.flatMap(tempFolder, (root) =>
      Effect.promise(async () => {
        await using store = await createStore({ driver: "local", root })
        await tour(store)
        await openings(store)
        // @ts-expect-error a local store keeps no content type
        await expect(store.write("m", "x", { contentType: "text/plain" })).rejects.toMatchObject({
          _tag: "CapabilityNotSupported",
          capability: "metadata"
        })
      })))

  it.scopedLive("rejects where there is no folder to be had", () =>
    Effect.flatMap(
      tempFolder,
      () =>
        Effect.promise(() =>
          expect(createStore({ driver: "local", root: "/dev/null/x" })).rejects.toMatchObject({
            backend: "local",
            operation: "open"
          })
        )
    ))

  it("narrows, widens and descends as the store does, by throwing", async () => {
    await using store = await createStore({ driver: "memory" })
    await store.child("users/42").write("a", "x")
    const reader = store.child("users").only("read")
    expect(await reader.readText("42/a")).toBe("x")
    // @ts-expect-error a store that only reads has no write
    expect(reader.write).toBeUndefined()
    expect(() => reader.require("write")).toThrow(StoreError.CapabilityNotSupported)
    expect(() => store.child("..")).toThrow(StoreError.InvalidPath)
    expect([reader.name, reader.supports("write")]).toEqual(["memory", false])
  })
})

describe("fromStore", () => {
  it("gives a store with layers to code that knows promises, and leaves its end to its owner", async () => {
    const store = (await Effect.runPromise(Memory.make())).pipe(Layers.limit(1))
    const use = async () => {
      await using promises = fromStore(store)
      await promises.write("a", "x")
    }
    await use()
    expect(await Effect.runPromise(Stream.runCount(store.list("")))).toBe(1)
  })
})
