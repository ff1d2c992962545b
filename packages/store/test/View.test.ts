import { FileSystem, KeyValueStore, Path, PlatformConfigProvider } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Local, Memory, View } from "@sennit/store"
import { Config, Effect, Layer, Option, Schema, Stream } from "effect"
import type { Chunk } from "effect"
import { tempFolder } from "./support/tempFolder.ts"

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (parts: Chunk.Chunk<Uint8Array>) => Buffer.concat([...parts]).toString()

/** A folder of a store, and the store around it. */
const stores = {
  memory: Memory.make(),
  local: Effect.flatMap(tempFolder, (root) => Local.make({ root }))
}

for (const [name, open] of Object.entries(stores)) {
  const subtree = Effect.flatMap(
    open,
    (store) => Effect.map(store.child("users/42"), (folder) => ({ store, files: View.fileSystem(folder), folder }))
  )

  describe(`a file system over ${name}`, () => {
    it.scopedLive("reads, writes, streams, lists, copies and removes below its folder only", () =>
      Effect.gen(function*() {
        const { files, store } = yield* subtree
        yield* files.writeFileString("/notes/a.txt", "hello")
        expect(yield* store.readText("users/42/notes/a.txt")).toBe("hello")
        expect(yield* files.readFileString("notes/a.txt")).toBe("hello")
        yield* Stream.run(Stream.make(bytesOf("one "), bytesOf("two")), files.sink("b"))
        const part = yield* Stream.runCollect(files.stream("b", { offset: 2, bytesToRead: 4, chunkSize: 3 }))
        expect([textOf(part), part.length]).toEqual(["e tw", 2])
        yield* files.copy("notes", "copies/notes")
        yield* files.copyFile("b", "/copies/b")
        yield* files.rename("b", "c")
        expect(yield* files.readDirectory("/")).toEqual(["c", "copies", "notes"])
        expect(yield* files.readDirectory("copies", { recursive: true })).toEqual(["b", "notes", "notes/a.txt"])
        expect(yield* files.stat("notes")).toMatchObject({ type: "Directory" })
        expect(yield* files.stat("c")).toMatchObject({ type: "File", size: 7n, mtime: { _tag: "Some" } })
        expect([yield* files.exists("notes"), yield* files.exists("none")]).toEqual([true, false])
        expect(yield* files.realPath("./notes//a.txt")).toBe("/notes/a.txt")
        yield* files.remove("copies", { recursive: true })
        yield* files.remove("none", { force: true })
        expect(yield* files.exists("copies")).toBe(false)
        const temporary = yield* files.makeTempFileScoped({ directory: "tmp", suffix: ".txt" })
        expect((yield* files.stat(temporary)).size).toBe(0n)
        expect(yield* Effect.flip(files.readFile("../43/secret"))).toMatchObject({ _tag: "BadArgument" })
      }))

    it.scopedLive("opens files for reading anywhere and for writing as a whole", () =>
      Effect.gen(function*() {
        const { files } = yield* subtree
        yield* files.writeFileString("a", "0123456789")
        const file = yield* files.open("a")
        yield* file.seek(4, "start")
        expect(Option.map(yield* file.readAlloc(3), (bytes) => Buffer.from(bytes).toString())).toEqual(
          Option.some("456")
        )
        const buffer = new Uint8Array(10)
        expect([yield* file.read(buffer), buffer[0]]).toEqual([3n, "7".charCodeAt(0)])
        expect(yield* file.readAlloc(1)).toEqual(Option.none())
        const writing = (end: Effect.Effect<void, string>) =>
          Effect.scoped(Effect.gen(function*() {
            const handle = yield* files.open("w", { flag: "w" })
            yield* handle.writeAll(bytesOf("whole"))
            expect(yield* files.exists("w")).toBe(false)
            yield* end
          }))
        yield* Effect.flip(writing(Effect.fail("no")))
        expect(yield* files.exists("w")).toBe(false)
        yield* writing(Effect.void)
        expect(yield* files.readFileString("w")).toBe("whole")
        expect(yield* Effect.flip(Effect.scoped(files.open("w", { flag: "wx" })))).toMatchObject({
          reason: "AlreadyExists"
        })
      }))

    it.scopedLive("refuses what a store cannot do with a typed error, and changes nothing", () =>
      Effect.gen(function*() {
        const { files, folder } = yield* subtree
        yield* files.writeFileString("a/b", "x")
        const before = yield* folder.stat("a/b")
        const attempts = {
          chmod: files.chmod("a/b", 0o600),
          chown: files.chown("a/b", 0, 0),
          link: files.link("a/b", "c"),
          symlink: files.symlink("a/b", "c"),
          readLink: files.readLink("a/b"),
          truncate: files.truncate("a/b"),
          utimes: files.utimes("a/b", 0, 0),
          watch: Stream.runDrain(files.watch("a")),
          append: files.writeFileString("a/b", "y", { flag: "a" }),
          update: Effect.scoped(files.open("a/b", { flag: "r+" })),
          permissions: files.writeFileString("a/b", "y", { mode: 0o600 }),
          emptyFolder: files.makeDirectory("d"),
          temporaryFolder: files.makeTempDirectory(),
          renameFolder: files.rename("a", "d"),
          times: files.copy("a", "d", { preserveTimestamps: true }),
          removeFolder: files.remove("a"),
          inTheWay: files.makeDirectory("a/b", { recursive: true }),
          noFolder: files.readDirectory("none"),
          taken: files.writeFileString("a/b", "y", { flag: "wx" }),
          seekWriter: Effect.scoped(Effect.gen(function*() {
            const handle = yield* files.open("e", { flag: "w" })
            yield* handle.seek(5, "start")
            yield* handle.writeAll(bytesOf("x"))
          }))
        }
        for (const [what, attempt] of Object.entries(attempts)) {
          const error = yield* Effect.flip(Effect.asVoid(attempt))
          expect([what, error._tag]).toEqual([what, what === "inTheWay" ? "BadArgument" : "SystemError"])
        }
        yield* files.makeDirectory("a/deeper", { recursive: true })
        expect(yield* folder.stat("a/b")).toEqual(before)
        expect(yield* files.readDirectory("/", { recursive: true })).toEqual(["a", "a/b"])
      }))

    it.scopedLive("carries what platform itself builds on files: a key-value store, and configuration in a tree", () =>
      Effect.gen(function*() {
        const { files, folder } = yield* subtree
        const services = Layer.merge(Layer.succeed(FileSystem.FileSystem, files), Path.layer)
        yield* Effect.gen(function*() {
          const values = yield* KeyValueStore.KeyValueStore
          yield* values.set("a/b", "x")
          yield* values.set("c", "y")
          yield* values.remove("c")
          expect([yield* values.get("a/b"), yield* values.size]).toEqual([Option.some("x"), 1])
        }).pipe(Effect.provide(KeyValueStore.layerFileSystem("/values").pipe(Layer.provide(services))))
        expect(yield* folder.readText("values/a%2Fb")).toBe("x")
        yield* folder.write("config/STORE/ROOT", "/r\n")
        const tree = PlatformConfigProvider.layerFileTree({ rootDirectory: "/config" }).pipe(Layer.provide(services))
        expect(yield* Effect.provide(Config.nested(Config.string("ROOT"), "STORE"), tree)).toBe("/r")
      }))
  })

  describe(`a key-value store over ${name}`, () => {
    it.scopedLive("keeps text and bytes under any key, and what a schema describes", () =>
      Effect.gen(function*() {
        const store = yield* open
        const values = View.keyValueStore(yield* store.child("values"))
        for (const key of ["a", "a/b", "..", ".~x", "é :%", "\0"]) yield* values.set(key, `value of ${key}`)
        for (const key of ["a", "a/b", "..", ".~x", "é :%", "\0"]) {
          expect(yield* values.get(key)).toEqual(Option.some(`value of ${key}`))
        }
        expect([yield* values.size, yield* values.has("none"), yield* values.get("none")]).toEqual([
          6,
          false,
          Option.none()
        ])
        const raw = new Uint8Array([0, 255])
        yield* values.set("raw", raw)
        expect(Option.map(yield* values.getUint8Array("raw"), (bytes) => [...bytes])).toEqual(Option.some([0, 255]))
        const people = values.forSchema(Schema.Struct({ name: Schema.String, born: Schema.Date }))
        yield* people.set("ada", { name: "Ada", born: new Date(0) })
        yield* people.modify("ada", (ada) => ({ ...ada, name: "Ada L." }))
        expect(yield* people.get("ada")).toEqual(Option.some({ name: "Ada L.", born: new Date(0) }))
        yield* values.remove("ada")
        yield* values.remove("ada")
        yield* values.clear
        expect(yield* values.isEmpty).toBe(true)
        expect(yield* Effect.flip(values.set("", "x"))).toMatchObject({ _tag: "BadArgument" })
        expect(yield* Effect.flip(values.set("x".repeat(256), "x"))).toMatchObject({ _tag: "BadArgument" })
      }))

    it.scopedLive("modify loses no update", () =>
      Effect.gen(function*() {
        const store = yield* open
        const values = View.keyValueStore(store)
        yield* values.set("counter", "0")
        const increment = values.modify("counter", (text) => String(Number(text) + 1))
        yield* Effect.all(Array.from({ length: 8 }, () => Effect.repeatN(increment, 4)), { concurrency: "unbounded" })
        expect(yield* values.get("counter")).toEqual(Option.some("40"))
        expect(yield* values.modify("none", (text) => text)).toEqual(Option.none())
      }))
  })
}

it.effect("a view of a store that lacks a capability says so where it is needed", () =>
  Effect.gen(function*() {
    const store = (yield* Memory.make()).only("read", "write", "delete", "list")
    const files = View.fileSystem(store)
    yield* files.writeFileString("a", "x")
    const refused = [
      files.rename("a", "b"),
      files.copyFile("a", "b"),
      files.writeFileString("b", "x", { flag: "wx" }),
      Stream.runDrain(files.stream("a", { offset: 1 })),
      Effect.scoped(Effect.asVoid(files.open("a")))
    ]
    for (const attempt of refused) {
      expect(yield* Effect.flip(attempt)).toMatchObject({ cause: { _tag: "CapabilityNotSupported" } })
    }
    // @ts-expect-error a store that cannot be written to is no file system
    View.fileSystem(store.only("read", "list"))
  }))
