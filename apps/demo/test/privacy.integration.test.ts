import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { readdir, writeFile } from "node:fs/promises"
import path from "node:path"
import { command, everyByte, killedAtChange, printed, runs, startDemo, temporaryFolder } from "./servers/demo.ts"
import { modelServer, text } from "./servers/model.ts"

interface Receipt {
  readonly conversations: number
  readonly destroyedKey: string | null
  readonly memories: number
  readonly memoryLogEmptied: boolean
  readonly files: number
  readonly digest: string
}

interface Answer {
  readonly session: string
  readonly answer: string
  readonly outcome: string
}

const ask = (env: Record<string, string>, ...args: ReadonlyArray<string>) => printed<Answer>(env, "ask", ...args)

const erase = (env: Record<string, string>, ...args: ReadonlyArray<string>) =>
  Effect.map(runs(env, "erase", "--yes", ...args), (stdout): Receipt => JSON.parse(stdout))

const randomWord = () => `canary${randomBytes(10).toString("hex")}`

/** Whether a word is anywhere below the folder, in any case and in any file, journals included. */
const isIn = (folder: string, word: string) =>
  Effect.map(everyByte(folder), (bytes) => bytes.toString("latin1").toLowerCase().includes(word))

describe("erase", () => {
  it.scopedLive("leaves no byte of one person in the data folder, and another person's as they were", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const elsewhere = yield* temporaryFolder
      const word = randomWord()
      const note = path.join(elsewhere, `${word}.csv`)
      yield* Effect.promise(() => writeFile(note, `name,amount\n${word},12\n`))
      const { address, kill } = yield* startDemo({ SENNIT_DATA: data })
      const ada = { SENNIT_DATA: data, SENNIT_PORT: new URL(address).port }
      const bob = ["--as", "bob"]
      const first = yield* ask(ada, "--attach", note, "What is the total amount?")
      yield* ask(ada, `Remember that my boat is called ${word}`)
      const other = yield* ask(ada, ...bob, "Remember that my boat is called Kestrel")
      // It is there to be found: the attached file is not encrypted.
      assert.isTrue(yield* isIn(data, word))

      const receipt = yield* erase(ada)
      assert.include(receipt, { conversations: 2, memories: 1, files: 1, memoryLogEmptied: true })
      assert.match(receipt.destroyedKey ?? "", /^[0-9a-f]{32}$/)
      // While the server runs: its journals are there and hold nothing either.
      assert.include(yield* Effect.promise(() => readdir(data)), "sessions.db-wal")
      assert.isFalse(yield* isIn(data, word))
      const { digest, ...said } = receipt
      assert.strictEqual(digest, createHash("sha256").update(JSON.stringify(said)).digest("hex"))

      // The server goes on, and begins anew for her; the other one is as before.
      assert.strictEqual((yield* command(["ask", "--session", first.session, "And now?"], ada)).code, 1)
      assert.notInclude((yield* ask(ada, "What is my boat called?")).answer, "Kestrel")
      yield* kill("SIGKILL")
      assert.isFalse(yield* isIn(data, word))
      assert.include((yield* ask(ada, "What is 6*7?")).answer, "42")
      const read = yield* ask(ada, ...bob, "--session", other.session, "What is my boat called?")
      assert.include(read.answer, "Kestrel")
      assert.strictEqual((yield* erase(ada)).conversations, 2)
    }))

  it.scopedLive("stops an answer that is being given, and keeps nothing of it", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const word = randomWord()
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const env = { SENNIT_DATA: data, SENNIT_PORT: new URL(address).port }
      const asked = yield* Effect.fork(command(["ask", "--json", `Tell me of ${word}`], env))
      yield* model.send(text(`${word} was`))
      const receipt = yield* erase(env)
      assert.strictEqual(receipt.conversations, 1)
      yield* model.abandoned
      assert.include((yield* asked).stdout, "stopped")
      assert.isFalse(yield* isIn(data, word))
    }))

  it.scopedLive("that was killed is completed by the next one", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const elsewhere = yield* temporaryFolder
      const word = randomWord()
      const note = path.join(elsewhere, "note.csv")
      yield* Effect.promise(() => writeFile(note, `name,amount\n${word},12\n`))
      const env = { SENNIT_DATA: data }
      const { session } = yield* ask(env, "--attach", note, "What is the total amount?")
      yield* ask(env, `Remember that my boat is called ${word}`)
      const { signal } = yield* killedAtChange(["erase", "--yes"], env, {
        folder: path.join(data, "files"),
        prefix: session,
        nth: 1
      })
      assert.strictEqual(signal, "SIGKILL")
      yield* erase(env)
      assert.isFalse(yield* isIn(data, word))
      assert.strictEqual((yield* command(["ask", "--session", session, "And now?"], env)).code, 1)
    }))

  it.scopedLive("asks first, and without a yes erases nothing", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const env = { SENNIT_DATA: data }
      const { session } = yield* ask(env, "What is 6*7?")
      const { code, stderr } = yield* command(["erase"], env)
      assert.strictEqual(code, 1)
      assert.include(stderr, "Nothing was erased")
      assert.include((yield* ask(env, "--session", session, "What is 6*8?")).answer, "48")
    }))
})

interface Line {
  readonly type: string
  readonly body?: string
  readonly record?: { readonly text?: string }
  readonly name?: string
  readonly offset?: number
  readonly base64?: string
  readonly records?: number
}

const exported = (env: Record<string, string>, ...args: ReadonlyArray<string>) =>
  Effect.map(
    runs(env, "export", ...args),
    (stdout) => stdout.trim().split("\n").map((line): Line => JSON.parse(line))
  )

describe("export", () => {
  it.scopedLive("gives everything of one person and nothing of another, and its last line says that it is complete", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const elsewhere = yield* temporaryFolder
      const file = path.join(elsewhere, "bytes.csv")
      const bytes = Buffer.concat([Buffer.from("a,b\n"), Buffer.alloc(200_000, "1,2\n")])
      yield* Effect.promise(() => writeFile(file, bytes))
      const env = { SENNIT_DATA: data }
      yield* ask(env, "--attach", file, "How many rows are there?")
      yield* ask(env, "Remember that my boat is called Kestrel")
      yield* ask(env, "--as", "bob", "Remember that my boat is called Osprey")
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      for (const there of [env, { ...env, SENNIT_PORT: new URL(address).port }]) {
        const lines = yield* exported(there)
        assert.deepStrictEqual(lines.at(-1), { type: "end", records: lines.length - 1 })
        assert.strictEqual(lines.filter(({ type }) => type === "conversation").length, 2)
        assert.isTrue(lines.some(({ body }) => body?.includes("How many rows are there?")))
        assert.isTrue(lines.some(({ record }) => record?.text === "my boat is called Kestrel"))
        const parts = lines.filter(({ type }) => type === "file")
        assert.isAbove(parts.length, 1)
        assert.isTrue(Buffer.concat(parts.map(({ base64 = "" }) => Buffer.from(base64, "base64"))).equals(bytes))
        assert.notInclude(JSON.stringify(lines), "Osprey")
      }
      assert.include(JSON.stringify(yield* exported(env, "--as", "bob")), "Osprey")
    }))
})
