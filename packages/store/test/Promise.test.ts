// @effect-diagnostics asyncFunction:off this is the facade for code that is written with async functions
import { describe, expect, it } from "@effect/vitest"
import { createStore } from "@sennit/store/Promise"
import type { PromiseStore } from "@sennit/store/Promise"
import { Effect } from "effect"
import { tempFolder } from "./support/tempFolder.ts"

const body = async function*() {
  yield new Uint8Array([1, 2])
  yield new Uint8Array([3])
}

const broken = async function*() {
  yield new Uint8Array([1])
  throw new RangeError("the source broke")
}

const tour = async (store: PromiseStore) => {
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
}

describe("createStore", () => {
  it("works in memory", async () => {
    await using store = await createStore({ memory: true })
    await tour(store)
    await store.write("m", "x", { contentType: "text/plain" })
    expect(await store.stat("m")).toMatchObject({ contentType: { _tag: "Some", value: "text/plain" } })
  })

  it.scopedLive("works in a folder and refuses what it does not keep", () =>
    Effect.flatMap(tempFolder, (root) =>
      Effect.promise(async () => {
        await using store = await createStore({ root })
        await tour(store)
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
          expect(createStore({ root: "/dev/null/x" })).rejects.toMatchObject({ backend: "local", operation: "open" })
        )
    ))
})
