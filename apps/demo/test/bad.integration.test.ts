/** What goes wrong on a machine: each says what happened and what to do, and nothing is overwritten. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { open, readFile } from "node:fs/promises"
import path from "node:path"
import { command, runs, temporaryFolder } from "./servers/demo.ts"

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
