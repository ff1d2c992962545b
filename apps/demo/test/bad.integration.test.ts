/** What goes wrong on a machine: each says what happened and what to do, and nothing is overwritten. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { copyFile, open, readFile, rm, writeFile } from "node:fs/promises"
import { connect } from "node:net"
import path from "node:path"
import { command, runs, startDemo, temporaryFolder } from "./servers/demo.ts"

/** Puts other bytes over a part of a file. */
const damage = (file: string, at: number, length: number) =>
  Effect.promise(async () => {
    const handle = await open(file, "r+")
    await handle.write(randomBytes(length), 0, length, at)
    await handle.close()
  })

describe("a damaged database", () => {
  it.scopedLive("is named, left as it is, and the way to restore it is said", () =>
    Effect.gen(function*() {
      for (const name of ["sessions.db", "memory.db"]) {
        const data = yield* temporaryFolder
        yield* runs({ SENNIT_DATA: data }, "ask", "Remember that my boat is called Kestrel")
        const file = path.join(data, name)
        yield* damage(file, 4096, 8000)
        const before = yield* Effect.promise(() => readFile(file))
        const { code, stderr } = yield* command(["serve"], { SENNIT_DATA: data })
        assert.strictEqual(code, 1)
        assert.include(stderr, `${file} cannot be used`)
        assert.include(stderr, "put the file of a backup in its place")
        assert.isTrue((yield* Effect.promise(() => readFile(file))).equals(before))
      }
    }))
})

describe("the key of the memories", () => {
  it.scopedLive("that is gone, or of another folder, refuses to start, and comes back with its backup", () =>
    Effect.gen(function*() {
      const [data, other] = [yield* temporaryFolder, yield* temporaryFolder]
      for (const folder of [data, other]) {
        yield* runs({ SENNIT_DATA: folder }, "ask", "Remember that my boat is called Kestrel")
      }
      const [key, memory] = [path.join(data, "memory.key"), path.join(data, "memory.db")]
      const [kept, before] = yield* Effect.promise(() => Promise.all([readFile(key), readFile(memory)]))
      yield* Effect.promise(() => rm(key))
      const without = yield* command(["serve"], { SENNIT_DATA: data })
      assert.strictEqual(without.code, 1)
      assert.include(without.stderr, `${memory} cannot be used`)
      assert.include(without.stderr, "Its key is in memory.key beside it")
      yield* Effect.promise(() => copyFile(path.join(other, "memory.key"), key))
      const foreign = yield* command(["serve"], { SENNIT_DATA: data })
      assert.strictEqual(foreign.code, 1)
      assert.include(foreign.stderr, `${key} cannot be used`)
      assert.isTrue((yield* Effect.promise(() => readFile(memory))).equals(before))
      yield* Effect.promise(() => writeFile(key, kept))
      assert.include(yield* runs({ SENNIT_DATA: data }, "ask", "What is my boat called?"), "Kestrel")
    }))
})

describe("a file", () => {
  it.scopedLive("may have a name as long as a disk allows, at the server and beside it", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const name = `${"prices ".repeat(30)}of März.csv`
      yield* Effect.promise(() => writeFile(path.join(data, name), "item,price\nrope,7\n"))
      const { address } = yield* startDemo({ SENNIT_DATA: path.join(data, "data") })
      for (const port of [new URL(address).port, "0"]) {
        const env = { SENNIT_DATA: path.join(data, "data"), SENNIT_PORT: port }
        const answer = yield* runs(env, "ask", "--attach", path.join(data, name), "What is the total price?")
        assert.include(answer, "7")
        assert.include(answer, "query_table")
      }
    }))

  it.scopedLive("that is an archive, a program, empty or cut off on its way is refused, and nothing of it is kept", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const created = yield* Effect.promise(() => fetch(`${address}/api/conversations`, { method: "POST" }))
      const { id }: { readonly id: string } = yield* Effect.promise(() => created.json())
      const put = (name: string, body: Uint8Array<ArrayBuffer>) =>
        Effect.promise(async () => {
          const response = await fetch(`${address}/api/conversations/${id}/files/${name}`, { method: "PUT", body })
          return { status: response.status, text: await response.text() }
        })
      const zip = yield* put("data.zip", new Uint8Array([0x50, 0x4b, 0x03, 0x04, 1, 2, 3]))
      assert.strictEqual(zip.status, 400)
      assert.include(zip.text, "an archive; nothing is opened that could unfold")
      // What a file is, its bytes say.
      const program = yield* put("sales.csv", new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]))
      assert.include(program.text, "it looks like a program")
      assert.include((yield* put("empty.csv", new Uint8Array(0))).text, "The file is empty")
      // The half of an upload, then the connection breaks.
      const { hostname, port } = new URL(address)
      yield* Effect.promise(() =>
        new Promise<void>((resolve, reject) => {
          const socket = connect(Number(port), hostname)
          socket.on("error", reject)
          socket.on("close", () => resolve())
          const head =
            `PUT /api/conversations/${id}/files/half.csv HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-length: 100000\r\n\r\n`
          socket.write(`${head}${"a,b\n".repeat(1000)}`, () => socket.destroy())
        })
      )
      const files = yield* Effect.promise(async () => (await fetch(`${address}/api/conversations/${id}`)).json())
      assert.deepStrictEqual(files.files, [])
    }))
})
