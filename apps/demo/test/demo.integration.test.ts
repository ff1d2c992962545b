import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { copyFile, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import path from "node:path"
import { command, startDemo, temporaryFolder } from "./servers/demo.ts"

const examples = path.resolve(import.meta.dirname, "../../../examples")
const sales = path.join(examples, "sales.csv")

interface Answer {
  readonly session: string
  readonly answer: string
  readonly outcome: string
  readonly message: string
  readonly model: string
  readonly tools: ReadonlyArray<
    { readonly name: string; readonly status: string; readonly arguments: string; readonly result: string }
  >
}

/** Asks as a person would from a terminal; fails when the program does. */
const askWith = (env: Record<string, string>, question: string, ...options: ReadonlyArray<string>) =>
  Effect.map(command(["ask", "--json", ...options, question], env), ({ code, stderr, stdout }) => {
    assert.strictEqual(code, 0, stderr)
    const answer: Answer = JSON.parse(stdout)
    return answer
  })

const ask = (data: string, question: string, ...options: ReadonlyArray<string>) =>
  askWith({ SENNIT_DATA: data }, question, ...options)

/** The revenue of March, added up in cents from the file's text. */
const marchRevenue = (csv: string): string => {
  const cents = csv.trim().split("\n").slice(1)
    .filter((line) => line.startsWith("2025-03-"))
    .reduce((sum, line) => sum + Math.round(Number(line.split(",")[5]) * 100), 0)
  return (cents / 100).toFixed(2)
}

const digits = (text: string) => text.replaceAll(/[,\s*]/g, "")

const read = (file: string) => Effect.promise(() => readFile(file, "utf8"))

describe("a question about a file", () => {
  it.scopedLive("is answered from the file, with the tool and the file named", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { answer, model, tools } = yield* ask(data, "What is the total revenue in March?", "--attach", sales)
      assert.include(digits(answer), marchRevenue(yield* read(sales)))
      assert.include(answer, "sales.csv")
      assert.include(answer, "query_table")
      assert.include(tools.map(({ name }) => name), "query_table")
      assert.include(model, "planner")
    }))

  it.scopedLive("is answered differently when a cell is different", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const copy = path.join(data, "copy.csv")
      const changed = (yield* read(sales)).replace(/^(2025-03-.*),[\d.]+$/m, "$1,12345.67")
      yield* Effect.promise(() => writeFile(copy, changed))
      const { answer } = yield* ask(data, "What is the total revenue in March?", "--attach", copy)
      assert.notStrictEqual(marchRevenue(changed), marchRevenue(yield* read(sales)))
      assert.include(digits(answer), marchRevenue(changed))
    }))

  it.scopedLive("about ragged rows names them, and about a binary or missing file says what to do", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const ragged = yield* ask(data, "What is the total revenue?", "--attach", path.join(examples, "ragged.csv"))
      assert.strictEqual(ragged.tools.find(({ name }) => name === "query_table")?.status, "failed")
      assert.match(ragged.answer, /\b3\b/)
      const binary = path.join(data, "scan.csv")
      yield* Effect.promise(() => writeFile(binary, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 0, 0, 255])))
      const scan = yield* command(["ask", "--attach", binary, "What is in this file?"], { SENNIT_DATA: data })
      assert.strictEqual(scan.code, 1)
      assert.include(scan.stderr, "scan.csv: This is not a type I can read (it looks like a program)")
      const missing = yield* command(["ask", "--attach", path.join(data, "no.csv"), "What is this?"], {
        SENNIT_DATA: data
      })
      assert.notStrictEqual(missing.code, 0)
      assert.include(missing.stderr, "no.csv")
    }))

  it.scopedLive("that is too large is refused, and nothing of it is kept", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const large = path.join(data, "large.csv")
      yield* Effect.promise(() => writeFile(large, "a,b\n"))
      yield* Effect.promise(() => truncate(large, 50_000_001))
      const { address } = yield* startDemo({ SENNIT_DATA: path.join(data, "data") })
      for (const port of [new URL(address).port, "0"]) {
        const { code, stderr } = yield* command(["ask", "--attach", large, "What is this?"], {
          SENNIT_DATA: path.join(data, "data"),
          SENNIT_PORT: port
        })
        assert.strictEqual(code, 1)
        assert.include(stderr, "large.csv: The file has more than 50 MB")
      }
      const stored = yield* Effect.promise(() => readdir(path.join(data, "data", "files"), { recursive: true }))
      assert.deepStrictEqual(stored.filter((name) => name.includes("large")), [])
    }))

  it.scopedLive("in an unknown session is refused", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { code, stderr } = yield* command(["ask", "--session", "nobody", "Hello"], { SENNIT_DATA: data })
      assert.notStrictEqual(code, 0)
      assert.include(stderr, "No such conversation")
    }))
})

const bytesOf = (data: string, prefix: string) =>
  Effect.promise(async () => {
    const names = (await readdir(data)).filter((name) => name.startsWith(prefix))
    return { names, bytes: Buffer.concat(await Promise.all(names.map((name) => readFile(path.join(data, name))))) }
  })

describe("what was said", () => {
  it.scopedLive("survives kill -9, is recalled in another conversation, and is nowhere on the disk in clear", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const first = yield* startDemo({ SENNIT_DATA: data })
      const there = { SENNIT_DATA: data, SENNIT_PORT: new URL(first.address).port }
      yield* askWith(there, "What is the total revenue in March?", "--attach", sales)
      yield* askWith(there, "Remember that my sister Ada lives in Porto")
      yield* first.kill("SIGKILL")
      const second = yield* startDemo({ SENNIT_DATA: data })
      const { answer, tools } = yield* askWith(
        { SENNIT_DATA: data, SENNIT_PORT: new URL(second.address).port },
        "Where does Ada live?"
      )
      assert.include(answer, "Porto")
      assert.include(answer, "my sister Ada lives in Porto")
      assert.deepStrictEqual(tools.map(({ name }) => name), ["recall"])

      const sessions = yield* bytesOf(data, "sessions.db")
      assert.include(sessions.names, "sessions.db-wal")
      const cell = (yield* read(sales)).split("\n")[1]?.split(",")[2] ?? ""
      for (const word of ["Porto", "Ada", cell]) assert.isFalse(sessions.bytes.includes(word), word)
      const memory = yield* bytesOf(data, "memory.")
      assert.include(memory.names, "memory.key")
      for (const word of ["Porto", "Ada", "sister", "porto"]) assert.isFalse(memory.bytes.includes(word), word)
    }))

  it.scopedLive("goes on in the same conversation", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { session } = yield* ask(data, "What is the total revenue in March?", "--attach", sales)
      const { answer } = yield* ask(data, "What is the average revenue in March?", "--session", session)
      const rows = (yield* read(sales)).split("\n").filter((line) => line.startsWith("2025-03-"))
      const average = Number(marchRevenue(yield* read(sales))) / rows.length
      assert.include(digits(answer), average.toFixed(2))
    }))
})

const empty = createHash("sha256").digest("hex")

const hashes = (data: string): Effect.Effect<Record<string, string>> =>
  Effect.promise(async () => {
    const names = (await readdir(data, { recursive: true })).toSorted()
    const entries = await Promise.all(names.map(async (name) => {
      const file = path.join(data, name)
      if (!(await stat(file)).isFile()) return [name, ""] as const
      return [name, createHash("sha256").update(await readFile(file)).digest("hex")] as const
    }))
    return Object.fromEntries(entries)
  })

describe("a start that cannot work", () => {
  it.scopedLive("with a wrong passphrase or another key leaves the data as it was", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const env = { SENNIT_DATA: data, SENNIT_PASSPHRASE: "correct horse" }
      const asked = yield* command(["ask", "What is 2+2?"], env)
      assert.strictEqual(asked.code, 0, asked.stderr)
      const before = yield* hashes(data)
      for (const passphrase of ["wrong horse", ""]) {
        const refused = yield* command(["serve"], { ...env, SENNIT_PASSPHRASE: passphrase })
        assert.strictEqual(refused.code, 1)
        assert.notInclude(refused.stderr, "wrong horse")
      }
      const refused = yield* command(["serve"], { SENNIT_DATA: data, SENNIT_KEY: "00".repeat(32) })
      assert.strictEqual(refused.code, 1)
      assert.match(refused.stderr, /key/i)
      // Looking at a database in this mode makes SQLite's index file and an empty log beside it; the data is as it was.
      const { "sessions.db-shm": _, "sessions.db-wal": log, ...after } = yield* hashes(data)
      assert.strictEqual(log ?? empty, empty)
      assert.deepStrictEqual(after, before)
      assert.strictEqual((yield* command(["ask", "What is 2+2?"], env)).code, 0)
    }))

  it.scopedLive("says that the port is in use, and makes nothing", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: path.join(data, "one") })
      const { port } = new URL(address)
      const { code, stderr } = yield* command(["serve"], { SENNIT_DATA: path.join(data, "two"), SENNIT_PORT: port })
      assert.strictEqual(code, 1)
      assert.include(stderr, `Port ${port} is in use`)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(data)), ["one"])
    }))

  it.scopedLive("says that the data folder cannot be used", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const file = path.join(data, "file")
      yield* Effect.promise(() => writeFile(file, "not a folder"))
      for (const folder of [file, path.join(file, "below")]) {
        const { code, stderr } = yield* command(["serve"], { SENNIT_DATA: folder })
        assert.strictEqual(code, 1)
        assert.include(stderr, `The data folder ${folder} cannot be used`)
      }
    }))
})

describe("the key", () => {
  it.scopedLive("is made at the first start in a file that only its owner may read, and is kept", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { banner, kill } = yield* startDemo({ SENNIT_DATA: data })
      const file = path.join(data, "key")
      assert.include(banner, file)
      assert.strictEqual((yield* Effect.promise(() => stat(file))).mode & 0o777, 0o600)
      const key = yield* read(file)
      yield* kill("SIGTERM")
      yield* startDemo({ SENNIT_DATA: data })
      assert.strictEqual(yield* read(file), key)
      assert.deepStrictEqual((yield* Effect.promise(() => readdir(data))).filter((name) => name.startsWith(".key")), [])
    }))
})

describe("the server", () => {
  it.scopedLive("ends cleanly on Ctrl-C while a page follows it", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address, kill } = yield* startDemo({ SENNIT_DATA: data })
      const events = yield* Effect.promise(() => fetch(`${address}/api/events`))
      const reader = events.body?.getReader()
      yield* Effect.promise(async () => reader?.read())
      const { code, stderr } = yield* kill("SIGINT")
      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 0)
    }))

  it.scopedLive("answers no page of another site and no other name", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const status = (headers: Record<string, string>) =>
        Effect.promise(async () => (await fetch(`${address}/api/conversations`, { method: "POST", headers })).status)
      assert.strictEqual(yield* status({ origin: "http://evil.example" }), 403)
      assert.strictEqual(yield* status({ origin: address }), 200)
    }))
})

/** A web site of 50 pages that counts the connections made to it. */
const site = Effect.acquireRelease(
  Effect.async<{ readonly port: number; readonly connections: () => number; readonly close: () => void }>((resume) => {
    let connections = 0
    const server = createServer((request, response) => {
      response.setHeader("content-type", "text/html")
      response.end(`<title>Page ${request.url}</title><p>Text of ${request.url}</p>`)
    })
    server.on("connection", () => connections++)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resume(Effect.succeed({
        port,
        connections: () => connections,
        close: () => {
          server.close()
          server.closeAllConnections()
        }
      }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

describe("pages of the web", () => {
  it.scopedLive("are fetched over at most ten connections, and not at all from inside the network unless allowed", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { connections, port } = yield* site
      const urls = Array.from({ length: 50 }, (_, index) => `http://127.0.0.1:${port}/p${index}`)
      const question = `Fetch these pages: ${urls.join(" ")}`
      const refused = yield* command(["ask", "--json", question], { SENNIT_DATA: data })
      assert.strictEqual(connections(), 0)
      assert.notInclude(refused.stdout, "Text of /p7")
      const allowed = yield* command(["ask", "--json", question], {
        SENNIT_DATA: data,
        SENNIT_ALLOW_HOSTS: `127.0.0.1:${port}`
      })
      assert.strictEqual(allowed.code, 0, allowed.stderr)
      for (const index of [0, 7, 49]) assert.include(allowed.stdout, `Text of /p${index}`)
      assert.isAtMost(connections(), 10)
      assert.isAtLeast(connections(), 1)
    }))
})

it.scopedLive("a copy of the data folder opens with its key file", () =>
  Effect.gen(function*() {
    const data = yield* temporaryFolder
    const other = yield* temporaryFolder
    const { session } = yield* ask(data, "What is 6*7?")
    for (const name of yield* Effect.promise(() => readdir(data))) {
      const file = path.join(data, name)
      if ((yield* Effect.promise(() => stat(file))).isFile()) {
        yield* Effect.promise(() => copyFile(file, path.join(other, name)))
      }
    }
    assert.include((yield* ask(other, "What is 6*8?", "--session", session)).answer, "48")
  }))
