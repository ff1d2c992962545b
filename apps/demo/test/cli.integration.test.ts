import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmod, readdir, stat } from "node:fs/promises"
import path from "node:path"
import { command, printed, runs, startCommand, startDemo, temporaryFolder } from "./servers/demo.ts"
import { modelServer, text } from "./servers/model.ts"

const sales = path.resolve(import.meta.dirname, "../../../examples/sales.csv")

interface Session {
  readonly id: string
  readonly title: string
  readonly hit?: string
}

interface Memory {
  readonly id: string
  readonly text: string
  readonly why?: { readonly score: number; readonly parts: ReadonlyArray<{ readonly share: number }> }
}

interface Report {
  readonly ok: boolean
  readonly findings: ReadonlyArray<{ readonly name: string; readonly ok: boolean; readonly advice: string }>
}

const brokenIn = ({ findings }: Report) => findings.filter(({ ok }) => !ok).map(({ name }) => name)

const examined = (env: Record<string, string>) =>
  Effect.map(command(["doctor", "--json"], env), ({ code, stdout }) => {
    const report: Report = JSON.parse(stdout)
    assert.strictEqual(code, report.ok ? 0 : 1)
    return report
  })

describe("the command line", () => {
  it.scopedLive("lists, searches, shows and removes what there is, at the server and beside it", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const there = { SENNIT_DATA: data, SENNIT_PORT: new URL(address).port }
      const beside = { SENNIT_DATA: data }
      yield* runs(there, "ask", "--attach", sales, "What is the total revenue in March?")
      yield* runs(there, "ask", "Remember that my boat is called Kestrel")
      yield* runs(there, "ask", "--as", "bob", "Remember that my boat is called Osprey")
      // The same in another process, which opens the folder itself.
      assert.strictEqual((yield* printed<ReadonlyArray<Session>>(beside, "sessions")).length, 2)
      const found = yield* printed<ReadonlyArray<Session>>(there, "sessions", "--search", "kestrel")
      assert.deepStrictEqual(found.map(({ title }) => title), ["Remember that my boat is called Kestrel"])
      assert.include(found[0]?.hit, "Kestrel")
      assert.include(yield* runs(there, "sessions", "show", found[0]?.id ?? ""), "[remember done]")
      const memories = yield* printed<ReadonlyArray<Memory>>(there, "memory", "--question", "my boat")
      assert.deepStrictEqual(memories.map((one) => one.text), ["my boat is called Kestrel"])
      const { parts = [], score = 0 } = memories[0]?.why ?? {}
      assert.isAbove(score, 0)
      assert.closeTo(parts.reduce((sum, { share }) => sum + share, 0), score, 1e-9)
      const files = yield* printed<ReadonlyArray<{ readonly name: string; readonly size: number }>>(there, "files")
      const { size } = yield* Effect.promise(() => stat(sales))
      assert.deepStrictEqual(files.map((file) => [file.name, file.size]), [["sales.csv", size]])
      const tools = yield* printed<ReadonlyArray<{ readonly name: string }>>(there, "tools")
      assert.includeMembers(tools.map(({ name }) => name), ["query_table", "remember", "recall"])

      yield* runs(there, "memory", "forget", memories[0]?.id ?? "")
      assert.deepStrictEqual(yield* printed<ReadonlyArray<Memory>>(beside, "memory"), [])
      assert.strictEqual((yield* printed<ReadonlyArray<Memory>>(beside, "memory", "--as", "bob")).length, 1)
      yield* runs(there, "sessions", "delete", found[0]?.id ?? "")
      const gone = yield* command(["sessions", "show", found[0]?.id ?? ""], there)
      assert.strictEqual(gone.code, 1)
      assert.include(gone.stderr, "No such conversation")
    }))

  it.scopedLive("chats line by line in one conversation, and reads a question from a pipe", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const env = { SENNIT_DATA: data }
      const { code, stderr, stdout } = yield* command(
        ["chat"],
        env,
        "What is 6*7?\n\nWhat is 6*8?\n/exit\nWhat is 6*9?\n"
      )
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /\*\*42\*\*[^]*\*\*48\*\*/)
      assert.notInclude(stdout, "**54**")
      const sessions = new Set(stdout.match(/^session: .*$/gm))
      assert.strictEqual(sessions.size, 1)
      const asked = yield* command(["ask", "-"], env, "What is 6*9?\n")
      assert.strictEqual(asked.code, 0, asked.stderr)
      assert.include(asked.stdout, "**54**")
    }))

  it.scopedLive("ends on Ctrl-C: the model's connection is closed, and what was said is kept", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const env = { SENNIT_DATA: data, OPENAI_BASE_URL: model.address }
      const end = yield* startCommand(["chat"], env, "Tell me a story\n")
      yield* model.send(text("Once upon a time"))
      const { code, stderr } = yield* end("SIGINT")
      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 130)
      yield* model.abandoned
      const [session] = yield* printed<ReadonlyArray<Session>>(env, "sessions")
      assert.strictEqual(session?.title, "Tell me a story")
      assert.include(yield* runs(env, "sessions", "show", session?.id ?? ""), "stopped")
    }))

  it.scopedLive("completes its commands in a shell", () =>
    Effect.gen(function*() {
      const script = yield* runs({}, "--completions", "bash")
      for (const name of ["serve", "chat", "sessions", "keys", "erase", "doctor"]) assert.include(script, name)
    }))
})

describe("doctor", () => {
  it.scopedLive("finds nothing wrong with a first start, and makes nothing", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const report = yield* examined({ SENNIT_DATA: path.join(data, "new") })
      assert.isTrue(report.ok)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(data)), [])
    }))

  it.scopedLive("names what is broken and what to do about it", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const env = { SENNIT_DATA: data }
      yield* runs(env, "ask", "What is 6*7?")
      assert.isTrue((yield* examined(env)).ok)
      yield* Effect.promise(() => chmod(path.join(data, "key"), 0o644))
      const open = yield* examined({ ...env, OPENAI_BASE_URL: "http://127.0.0.1:9/v1" })
      assert.deepStrictEqual(brokenIn(open), ["key", "model"])
      assert.include(open.findings.find(({ name }) => name === "key")?.advice, "chmod 600")
      yield* Effect.promise(() => chmod(path.join(data, "key"), 0o600))
      assert.deepStrictEqual(brokenIn(yield* examined({ ...env, SENNIT_KEY: "00".repeat(32) })), ["data"])
      assert.deepStrictEqual(brokenIn(yield* examined({ ...env, SENNIT_PORT: "none" })), ["settings"])
    }))

  it.scopedLive("asks the server that runs, which answers about its health", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const response = yield* Effect.promise(() => fetch(`${address}/health`))
      assert.strictEqual(response.status, 200)
      const health: { readonly status: string; readonly checks: ReadonlyArray<{ readonly name: string }> } =
        yield* Effect.promise(() => response.json())
      assert.strictEqual(health.status, "ok")
      assert.deepStrictEqual(health.checks.map(({ name }) => name), ["conversations", "memory", "files"])
      const report = yield* examined({ SENNIT_DATA: data, SENNIT_PORT: new URL(address).port })
      assert.isTrue(report.ok)
      // Another program's port, and this one is not it.
      const other = yield* examined({ SENNIT_DATA: path.join(data, "other"), SENNIT_PORT: new URL(address).port })
      assert.deepStrictEqual(brokenIn(other), ["server"])
    }))
})
