import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import type { Files } from "@sennit/agent"
import * as StoreFiles from "@sennit/agent/adapters/StoreFiles"
import { Local, Memory } from "@sennit/store"
import type { Store } from "@sennit/store"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"

const localStore = Effect.gen(function*() {
  const fileSystem = yield* FileSystem.FileSystem
  return yield* Local.make({ root: yield* fileSystem.makeTempDirectoryScoped() })
}).pipe(Effect.provide(NodeContext.layer), Effect.orDie)

type Writable = Store.StoreOf<"read" | "list" | "write" | "createIfAbsent">

const stores: ReadonlyArray<readonly [name: string, make: Effect.Effect<Writable, never, Scope>]> = [
  ["Local", localStore],
  ["Memory", Memory.make()]
]

const hostile = ["../x", "..", ".", "", "/etc/passwd", "a\0b", "folder", "folder/", "folder/inner.txt", "./sales.csv"]

/** Bytes that are no text, in many chunks of any store. */
const picture = Uint8Array.from({ length: 3_000_001 }, (_, i) => (i * 31) % 251)

const bytesOf = (files: typeof Files.Files.Service, name: string) =>
  Effect.map(Stream.runCollect(files.read(name)), (chunks) => Chunk.toReadonlyArray(chunks))

describe.each(stores)("StoreFiles over %s", (_, make) => {
  const filled = Effect.gen(function*() {
    const store = yield* make
    yield* store.write("sales.csv", "a,b\n1,2\n")
    yield* store.write("picture.png", picture)
    yield* store.write("folder/inner.txt", "not for the agent")
    return { store, files: StoreFiles.make(store) }
  })

  it.scoped("lists what lies directly under the root, with size and type", () =>
    Effect.gen(function*() {
      const { files } = yield* filled
      expect(Array.from(yield* Stream.runCollect(files.list))).toEqual([
        { name: "picture.png", size: 3_000_001, type: "image/png" },
        { name: "sales.csv", size: 8, type: "text/csv" }
      ])
      expect(yield* files.stat("sales.csv")).toEqual(Option.some({ name: "sales.csv", size: 8, type: "text/csv" }))
    }))

  it.scoped("an empty store is an empty list", () =>
    Effect.gen(function*() {
      const files = StoreFiles.make(yield* make)
      expect(yield* Stream.runCount(files.list)).toBe(0)
    }))

  it.scoped("streams the bytes as they were written", () =>
    Effect.gen(function*() {
      const { files } = yield* filled
      const parts = yield* bytesOf(files, "picture.png")
      expect(parts.length).toBeGreaterThan(1)
      expect(Buffer.compare(Buffer.concat(parts), picture)).toBe(0)
    }))

  for (const name of ["missing.csv", ...hostile]) {
    it.scoped(`there is no file ${JSON.stringify(name)}`, () =>
      Effect.gen(function*() {
        const { files } = yield* filled
        expect(yield* files.stat(name)).toEqual(Option.none())
        expect(yield* Effect.flip(bytesOf(files, name))).toMatchObject({
          _tag: "FilesError",
          reason: "NotFound",
          name
        })
      }))
  }

  it.scoped("a child of a store shows that folder and nothing above it", () =>
    Effect.gen(function*() {
      const { store } = yield* filled
      const files = StoreFiles.make(yield* store.child("folder"))
      expect(Array.from(yield* Stream.runCollect(files.list), ({ name }) => name)).toEqual(["inner.txt"])
      for (const name of ["../sales.csv", "sales.csv"]) expect(yield* files.stat(name)).toEqual(Option.none())
    }))
})
