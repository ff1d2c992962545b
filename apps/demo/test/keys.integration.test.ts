import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import path from "node:path"
import { command, everyByte, killedAtChange, printed, startDemo, temporaryFolder } from "./servers/demo.ts"
import { end, modelServer, text } from "./servers/model.ts"

interface Status {
  readonly keys: ReadonlyArray<
    { readonly id: string; readonly isPrimary: boolean; readonly isKnown: boolean; readonly dataKeys: number }
  >
  readonly records: number
}

const read = (file: string) => Effect.promise(() => readFile(file, "utf8"))

const status = (env: Record<string, string>) => printed<Status>(env, "keys", "status")

const linesOf = (data: string) => Effect.map(read(path.join(data, "key")), (keys) => keys.trim().split("\n"))

const answerOf = (env: Record<string, string>, ...args: ReadonlyArray<string>) =>
  printed<{ readonly session: string; readonly answer: string }>(env, "ask", ...args)

describe("keys", () => {
  it.scopedLive("of a first version are taken over, changed, and removed; what was said stays", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const env = { SENNIT_DATA: data }
      const old = randomBytes(32).toString("base64")
      yield* Effect.promise(() => writeFile(path.join(data, "key"), `${old}\n`, { mode: 0o600 }))
      const { session } = yield* answerOf(env, "What is 6*7?")
      assert.deepStrictEqual((yield* status(env)).keys.map(({ id, isPrimary }) => ({ id, isPrimary })), [
        { id: "key-file", isPrimary: true }
      ])
      const { records } = yield* status(env)
      const changed = yield* printed<Status>(env, "keys", "rotate")
      assert.strictEqual(changed.records, records)
      assert.strictEqual(changed.keys.length, 1)
      assert.notStrictEqual(changed.keys[0]?.id, "key-file")
      assert.isFalse((yield* everyByte(data)).includes(old))
      assert.isFalse((yield* everyByte(data)).includes(Buffer.from(old, "base64")))
      assert.strictEqual((yield* Effect.promise(() => stat(path.join(data, "key")))).mode & 0o777, 0o600)
      assert.include((yield* answerOf(env, "--session", session, "What is 6*8?")).answer, "48")
      // The old key opens nothing any more.
      yield* Effect.promise(() => writeFile(path.join(data, "key"), `${old}\n`))
      assert.strictEqual((yield* command(["ask", "--session", session, "What is 6*9?"], env)).code, 1)
    }))

  it.scopedLive("change while a conversation goes on, and everything reads afterwards", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const env = { SENNIT_DATA: data, OPENAI_BASE_URL: model.address }
      const first = yield* startDemo(env)
      const there = { ...env, SENNIT_PORT: new URL(first.address).port }
      const before = yield* status(there)
      const asked = yield* Effect.fork(answerOf(there, "Tell me a story"))
      yield* model.send(text("Once upon "))
      // A program beside the server does not change keys under it.
      const beside = yield* command(["keys", "rotate"], env)
      assert.strictEqual(beside.code, 1)
      assert.include(beside.stderr, "Another program uses the data folder")
      const changed = yield* printed<Status>(there, "keys", "rotate")
      assert.notStrictEqual(changed.keys[0]?.id, before.keys[0]?.id)
      yield* model.send(text("a time"))
      assert.strictEqual((yield* linesOf(data)).length, 1)
      yield* model.finish(text(" there was a key."), end("stop"))
      const { answer, session } = yield* asked
      assert.strictEqual(answer, "Once upon a time there was a key.")
      yield* first.kill("SIGKILL")

      const again = yield* Effect.fork(answerOf(env, "--session", session, "And then?"))
      yield* model.finish(text("It was changed."), end("stop"))
      assert.strictEqual((yield* again).answer, "It was changed.")
      // The model was told the whole conversation, so the log of before, during and after the change was read.
      assert.include(model.requests.at(-1), "Once upon a time there was a key.")
    }))

  it.scopedLive("that are being changed when the program is killed all read, and the next change completes it", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const env = { SENNIT_DATA: data }
      const { session } = yield* answerOf(env, "What is 6*7?")
      yield* answerOf(env, "Remember that my boat is called Kestrel")
      // The file is replaced twice: a new key is put in, and when nothing needs it any more, the old one is taken out.
      for (const nth of [1, 3, 5]) {
        const { signal } = yield* killedAtChange(["keys", "rotate"], env, { folder: data, prefix: "key", nth })
        if (nth < 4) assert.strictEqual(signal, "SIGKILL")
        assert.include((yield* answerOf(env, "--session", session, "What is 6*8?")).answer, "48")
      }
      const { keys } = yield* printed<Status>(env, "keys", "rotate")
      assert.deepStrictEqual(keys.map(({ isPrimary }) => isPrimary), [true])
      assert.strictEqual((yield* linesOf(data)).length, 1)
      const left = (yield* Effect.promise(() => readdir(data))).filter((name) => name.includes("key"))
      assert.deepStrictEqual(left.toSorted(), ["key", "memory.key"])
      // The key of the memories is sealed under what was changed.
      assert.include((yield* answerOf(env, "What is my boat called?")).answer, "Kestrel")
    }))

  it.scopedLive("from the environment are not changed here, and the answer says so", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const env = { SENNIT_DATA: data, SENNIT_KEY: randomBytes(32).toString("hex") }
      yield* answerOf(env, "What is 6*7?")
      const { code, stderr } = yield* command(["keys", "rotate"], env)
      assert.strictEqual(code, 1)
      assert.include(stderr, "SENNIT_KEY")
      assert.deepStrictEqual((yield* status(env)).keys.map(({ isKnown, isPrimary }) => isKnown && isPrimary), [true])
    }))
})
