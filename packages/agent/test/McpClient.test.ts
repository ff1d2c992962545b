// @effect-diagnostics nodeBuiltinImport:off -- the official servers are programs that are started here
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Files, McpClient } from "@sennit/agent"
import type { AgentTool } from "@sennit/agent"
import { ToolContext } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { callTool } from "./support/callTool.ts"

const require = createRequire(import.meta.url)
const official = (name: string) =>
  join(require.resolve(`@modelcontextprotocol/server-${name}/package.json`), "../dist/index.js")
const strange = fileURLToPath(new URL("servers/strangeMcp.mjs", import.meta.url))

const folder = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "sennit-mcp-")))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const program = (name: string, ...args: ReadonlyArray<string>): McpClient.StdioServer => ({
  name,
  command: process.execPath,
  args
})

const connect = (...servers: ReadonlyArray<McpClient.Server>) =>
  Effect.provide(McpClient.make(servers), FetchHttpClient.layer)

type Client = typeof McpClient.McpClient.Service

const call = (client: Client, name: string, args: object, context?: AgentTool.CallContext) =>
  Effect.flatMap(client.toolset, ({ tools }) => {
    const tool = tools.get(name)
    return tool === undefined
      ? Effect.dieMessage(`no tool ${name}: ${Array.from(tools.keys()).join(" ")}`)
      : callTool(tool, args, context)
  })

const names = (client: Client) => Effect.map(client.toolset, ({ tools }) => Array.from(tools.keys()))

/** Asks again until it holds; a test that waits in vain ends with the guard of the suite. */
const until = <A, E, R>(look: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  look.pipe(Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: holds }))

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** The processes whose command line has this text. */
const processesOf = (text: string) =>
  readdirSync("/proc").filter((id) => /^\d+$/.test(id)).map(Number).filter((pid) => {
    try {
      return pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text)
    } catch {
      return false
    }
  })

const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** The official server over streamable HTTP; `stop` kills it. */
const everythingAt = (port: number): Effect.Effect<ChildProcess, never, Scope> =>
  Effect.acquireRelease(
    Effect.async<ChildProcess>((resume) => {
      const child = spawn(process.execPath, [official("everything"), "streamableHttp"], {
        env: { PORT: String(port) },
        stdio: ["ignore", "ignore", "pipe"]
      })
      child.stderr.on("data", (bytes: Buffer) => {
        if (bytes.toString().includes("listening")) resume(Effect.succeed(child))
      })
    }),
    stop
  )

const stop = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

const withFiles = Effect.provide(Files.layerMemory({}))

/** What every way to the same server must give. */
const everythingWorks = (client: Client) =>
  Effect.gen(function*() {
    expect(yield* call(client, "every__echo", { message: "hi" })).toContain("hi")
    expect(yield* call(client, "every__get-sum", { a: 2, b: 40 })).toContain("42")
    const structured = yield* call(client, "every__get-structured-content", { location: "Chicago" })
    expect(structured.match(/temperature/g)).toHaveLength(1)
    expect(yield* call(client, "every__get-tiny-image", {})).toMatch(/kept as file "every-image\.png", image\/png/)
    const files = yield* Files.Files
    expect(Option.getOrThrow(yield* files.stat("every-image.png")).size).toBeGreaterThan(100)
    expect(yield* call(client, "every__get-resource-links", { count: 2 })).toMatch(/\[Resource .+: .+:\/\//)
    const listed = yield* call(client, "every__list_resources", {})
    const uri = /"uri":"([^"]+)"/.exec(listed)![1]!
    expect((yield* call(client, "every__read_resource", { uri })).length).toBeGreaterThan(10)
    const wrong = yield* Effect.flip(call(client, "every__get-sum", { a: "two", b: 40 }))
    expect(wrong).toMatchObject({ reason: "invalid_arguments" })
    expect(wrong.message).toContain("a:")
    const context = ToolContext.make()
    yield* call(client, "every__trigger-long-running-operation", { duration: 0.2, steps: 2 }, context)
    expect(context.shown.text.get(context.callId)).toContain("1 of 2")
    const running = yield* Effect.fork(
      call(client, "every__trigger-long-running-operation", { duration: 60, steps: 60 })
    )
    yield* Effect.yieldNow()
    yield* Fiber.interrupt(running)
    expect(yield* call(client, "every__echo", { message: "still here" })).toContain("still here")
  }).pipe(withFiles)

describe("the official servers", () => {
  it.scopedLive("everything, over standard streams", () =>
    Effect.flatMap(connect(program("every", official("everything"))), everythingWorks))

  it.scopedLive("everything, over streamable HTTP", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      yield* everythingAt(port)
      yield* everythingWorks(yield* connect({ name: "every", url: `http://127.0.0.1:${port}/mcp` }))
    }))

  it.scopedLive("filesystem keeps to its folder, and memory remembers, side by side", () =>
    Effect.gen(function*() {
      const path = yield* folder
      writeFileSync(join(path, "note.txt"), "the tide is at six")
      const client = yield* connect(
        program("disk", official("filesystem"), path),
        { ...program("graph", official("memory")), env: {} }
      )
      expect(yield* call(client, "disk__read_text_file", { path: join(path, "note.txt") })).toContain("tide")
      const outside = yield* Effect.flip(call(client, "disk__read_text_file", { path: "/etc/passwd" }))
      expect(outside).toMatchObject({ reason: "failed", name: "disk__read_text_file" })
      expect(yield* names(client)).toEqual(expect.arrayContaining(["graph__create_entities", "graph__search_nodes"]))
    }).pipe(withFiles))
})

describe("servers that fail", () => {
  it.scopedLive("a server that is not there leaves the tools of the others", () =>
    Effect.gen(function*() {
      const log = join(yield* folder, "log")
      const client = yield* connect(
        program("good", strange, log),
        { name: "gone", command: "/nonexistent/program" },
        { name: "nowhere", url: `http://127.0.0.1:${yield* freePort}/mcp` },
        program("broken", "-e", "console.error('no licence'); process.exit(1)")
      )
      expect((yield* names(client)).every((name) => name.startsWith("good__"))).toBe(true)
      const states = yield* client.servers
      expect(states.map(({ connected, name }) => [name, connected])).toEqual([
        ["good", true],
        ["gone", false],
        ["nowhere", false],
        ["broken", false]
      ])
      expect(states[3]!.detail).toContain("no licence")
    }).pipe(withFiles))

  it.scopedLive("a server that dies in a call fails the call, and is started again", () =>
    Effect.gen(function*() {
      const client = yield* connect(program("s", strange, join(yield* folder, "log")))
      const error = yield* Effect.flip(call(client, "s__die", {}))
      expect(error).toMatchObject({ reason: "failed", retryable: true })
      yield* until(names(client), (all) => all.includes("s__echo"))
      expect(yield* call(client, "s__echo", { message: "back" })).toBe("back")
    }).pipe(withFiles))

  it.scopedLive("an HTTP server that is killed and started again is used again", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      const first = yield* everythingAt(port)
      const client = yield* connect({ name: "every", url: `http://127.0.0.1:${port}/mcp` })
      const running = yield* Effect.fork(
        Effect.flip(call(client, "every__trigger-long-running-operation", { duration: 60, steps: 2 }))
      )
      yield* until(Effect.flip(Effect.zipRight(stop(first), call(client, "every__echo", { message: "x" }))), () => true)
      yield* everythingAt(port)
      yield* until(names(client), (all) => all.includes("every__echo"))
      expect(yield* call(client, "every__echo", { message: "back" })).toContain("back")
      yield* Fiber.interrupt(running)
    }).pipe(withFiles))

  it.scopedLive("a call that is never answered ends in time, and the server is told", () =>
    Effect.gen(function*() {
      const log = join(yield* folder, "log")
      const client = yield* connect({ ...program("s", strange, log), timeout: "300 millis" })
      const error = yield* Effect.flip(call(client, "s__never", {}))
      expect(error).toMatchObject({ reason: "failed", retryable: true })
      expect(error.message).toContain("in time")
      yield* until(Effect.sync(() => readFileSync(log, "utf8")), (text) => text.includes("notifications/cancelled"))
    }).pipe(withFiles))

  it.scopedLive("interruption tells the server that nobody waits", () =>
    Effect.gen(function*() {
      const log = join(yield* folder, "log")
      const client = yield* connect(program("s", strange, log))
      const waiting = yield* Effect.fork(call(client, "s__never", {}))
      yield* until(Effect.sync(() => readFileSync(log, "utf8")), (text) => text.includes("tools/call never"))
      yield* Fiber.interrupt(waiting)
      yield* until(Effect.sync(() => readFileSync(log, "utf8")), (text) => text.includes("notifications/cancelled"))
      expect(yield* call(client, "s__flood", {})).toBe("did flood")
    }).pipe(withFiles))

  it.live("the processes of servers end with the scope", () =>
    Effect.gen(function*() {
      const path = mkdtempSync(join(tmpdir(), "sennit-mcp-"))
      const pids = yield* Effect.scoped(
        Effect.gen(function*() {
          const client = yield* connect(program("s", strange, join(path, "log")))
          yield* Effect.fork(call(client, "s__never", {}))
          yield* Effect.yieldNow()
          return processesOf(path)
        }).pipe(withFiles)
      )
      expect(pids).toHaveLength(1)
      expect(pids.filter(isAlive)).toEqual([])
      rmSync(path, { recursive: true })
      expect(existsSync(path)).toBe(false)
    }))
})

describe("descriptions", () => {
  it.scopedLive("a tool that changes what it says is withheld until that is approved, and so is a new one", () =>
    Effect.gen(function*() {
      const client = yield* connect(program("s", strange, join(yield* folder, "log")))
      const before = yield* client.toolset
      yield* call(client, "s__change", {})
      yield* until(client.servers, ([state]) => state!.tools.some(({ name }) => name === "late"))
      expect(yield* names(client)).not.toContain("s__echo")
      expect(yield* names(client)).not.toContain("s__late")
      const old = yield* Effect.flip(callTool(before.tools.get("s__echo")!, { message: "x" }))
      expect(old.message).toContain("not what it was")
      const [state] = yield* client.servers
      const echo = state!.tools.find(({ name }) => name === "echo")!
      expect(echo).toMatchObject({ approved: false })
      expect(echo.description).toContain("every secret")
      expect(yield* Effect.flip(client.approve("s", "echo", "0".repeat(64)))).toMatchObject({ reason: "NotFound" })
      yield* client.approve("s", "echo", echo.digest)
      expect(yield* call(client, "s__echo", { message: "approved" })).toBe("approved")
    }).pipe(withFiles))

  it.scopedLive("pins of an earlier time hold: what differs from them is withheld from the start", () =>
    Effect.gen(function*() {
      const log = join(yield* folder, "log")
      const [first] = yield* (yield* connect(program("s", strange, log))).servers
      const pins = Object.fromEntries(first!.tools.map(({ digest, name }) => [name, digest]))
      const same = yield* connect({ ...program("s", strange, log), pins })
      expect(yield* names(same)).toContain("s__echo")
      const other = yield* connect({ ...program("s", strange, log, "Another description"), pins })
      const offered = yield* names(other)
      expect(offered).not.toContain("s__echo")
      expect(offered).toContain("s__never")
    }).pipe(withFiles))

  it.scopedLive("names are made such that models take them, and vast descriptions are not offered", () =>
    Effect.gen(function*() {
      const server = program("s", strange, join(yield* folder, "log"))
      const client = yield* connect({ ...server, allow: ["odd name!", "odd name?", "vast"] })
      const [first, second, ...others] = yield* names(client)
      expect(first).toBe("s__odd_name_")
      expect(second).toMatch(/^s__odd_name__[0-9a-f]{8}$/)
      expect(others).toEqual([])
      const [state] = yield* client.servers
      expect(state!.tools.map(({ name, unusable }) => [name, unusable !== undefined])).toEqual([
        ["odd name!", false],
        ["odd name?", false],
        ["vast", true]
      ])
      expect(yield* call(client, first!, {})).toBe("did odd name!")
      expect(yield* call(client, second!, {})).toBe("did odd name?")
    }).pipe(withFiles))

  it.scopedLive("patterns of a server are not tried here, and what it says is still checked", () =>
    Effect.gen(function*() {
      const client = yield* connect(program("s", strange, join(yield* folder, "log")))
      const message = `${"a".repeat(60)}!`
      expect(yield* call(client, "s__trap", { message, pattern: "x" })).toBe(message)
      expect(yield* Effect.flip(call(client, "s__trap", { message: 1 }))).toMatchObject({ reason: "invalid_arguments" })
      expect(yield* Effect.flip(call(client, "s__trap", { message, pattern: 1 }))).toMatchObject({
        reason: "invalid_arguments"
      })
    }).pipe(withFiles))
})

it("names that are not valid or not unique, and addresses that are none, are refused at once", () => {
  expect(() => McpClient.make([program("a b", "x")])).toThrow("a b")
  expect(() => McpClient.make([program("a", "x"), program("a", "y")])).toThrow("its own")
  expect(() => McpClient.make([{ name: "a", url: "/mcp" }])).toThrow("full address")
})

it.live("a client without servers has no tools", () =>
  Effect.gen(function*() {
    const client = yield* McpClient.McpClient
    expect(yield* names(client)).toEqual([])
  }).pipe(Effect.provide(McpClient.layer([]).pipe(Layer.provide(FetchHttpClient.layer)))))
