// @effect-diagnostics nodeBuiltinImport:off -- looks for processes that should be gone
import { describe, expect, it, layer } from "@effect/vitest"
import { Agent, ChatModel, CodeSandbox, Files, RunCode, Toolset } from "@sennit/agent"
import { Scripted } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { readdirSync, readFileSync } from "node:fs"
import { callTool } from "./support/callTool.ts"

type Language = CodeSandbox.Request["language"]

const run = (language: Language, code: string, session = "s") =>
  Effect.flatMap(CodeSandbox.CodeSandbox, (sandbox) => sandbox.run(session, { language, code }))

const valueOf = (language: Language, code: string, session?: string) =>
  Effect.map(run(language, code, session), ({ error, result }) => error ?? result)

/** Processes that this one started. */
const children = () =>
  readdirSync("/proc").filter((id) => /^\d+$/.test(id)).filter((id) => {
    try {
      const [, state, parent] = /\) (\S) (\d+) /.exec(readFileSync(`/proc/${id}/stat`, "utf8")) ?? []
      return parent === String(process.pid) && state !== "Z"
    } catch {
      return false
    }
  })

const live = { excludeTestServices: true }

layer(CodeSandbox.layer(), live)("what code can do", (test) => {
  test.effect("gives what was printed and the value of the last expression", () =>
    Effect.gen(function*() {
      const python = "print('a', 1)\nprint('no end', end='')\n{'total': sum([1, 2, 3]), 'big': 10**30}"
      expect(yield* run("python", python)).toMatchObject({
        output: "a 1\nno end",
        result: "{\"total\":6,\"big\":\"1000000000000000000000000000000\"}",
        error: undefined
      })
      const js = "console.log('a', 1, { b: 2 }); [1, 2].map((n) => n * 2)"
      expect(yield* run("javascript", js)).toMatchObject({ output: "a 1 {\"b\":2}", result: "[2,4]", error: undefined })
    }))

  test.effect("variables stay in their session, and only there", () =>
    Effect.gen(function*() {
      yield* run("python", "rate = 3", "one")
      yield* run("javascript", "const rate = 4", "one")
      expect(yield* valueOf("python", "rate * 2", "one")).toBe("6")
      expect(yield* valueOf("javascript", "rate * 2", "one")).toBe("8")
      expect(yield* valueOf("python", "rate * 2", "two")).toContain("NameError")
    }))

  test.effect("what code throws is its result, and the session goes on", () =>
    Effect.gen(function*() {
      yield* run("python", "kept = 1", "errors")
      expect(yield* valueOf("python", "1 / 0", "errors")).toContain("ZeroDivisionError")
      expect(yield* valueOf("python", "kept", "errors")).toBe("1")
      expect(yield* valueOf("javascript", "null.x", "errors")).toContain("TypeError")
    }))

  test.scoped("a run leaves nothing that listens to the process of its session", () =>
    Effect.gen(function*() {
      const warnings: Array<string> = []
      const onWarning = ({ name }: Error) => warnings.push(name)
      yield* Effect.acquireRelease(
        Effect.sync(() => process.on("warning", onWarning)),
        () => Effect.sync(() => process.off("warning", onWarning))
      )
      for (let i = 0; i < 12; i++) yield* run("javascript", `${i}`, "many")
      expect(warnings).toEqual([])
    }))

  test.effect("files go in by name, and what is written comes out, never in place of a file", () =>
    Effect.gen(function*() {
      const files = { "sales.csv": "product,revenue\nTea,10.5\nCoffee,\n", "out.txt": "old" }
      const code = "rows = read_csv('sales.csv')\nwrite_file('out.txt', rows[0]['product'])\n" +
        "[sum(r['revenue'] or 0 for r in rows), len(read_file('sales.csv'))]"
      const program = Effect.gen(function*() {
        const result = yield* Effect.flatMap(
          callTool(RunCode.tool, { language: "python", code, files: ["sales.csv"] }),
          Schema.decode(Schema.parseJson(RunCode.Result))
        )
        expect(result).toMatchObject({ result: "[10.5,33]", files: [{ name: "out-2.txt", size: 3 }] })
        const js = "readCsv('sales.csv').length + ' ' + readFile('sales.csv').length"
        const other = yield* callTool(RunCode.tool, { language: "javascript", code: js, files: ["sales.csv"] })
        expect(other).toContain("2 33")
        const missing = yield* callTool(RunCode.tool, { language: "python", code: "read_file('other.csv')" })
        expect(missing).toContain("was not given to this code")
      })
      yield* Effect.provide(program, Files.layerMemory(files))
    }))
})

/** Each must not give what it looks for. */
const escapes: ReadonlyArray<readonly [language: Language, what: string, code: string]> = [
  ["python", "the environment", "import os\nos.environ['PATH']"],
  ["python", "one variable of the environment", "import os\nos.getenv('HOME')"],
  ["python", "a file", "open('/etc/passwd').read()"],
  ["python", "a file by a path", "from pathlib import Path\nPath('/etc/passwd').read_text()"],
  ["python", "a socket", "import socket\nsocket.create_connection(('127.0.0.1', 1))"],
  ["python", "a page", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1')"],
  ["python", "a process", "import subprocess\nsubprocess.run(['id'])"],
  ["python", "a fork", "import os\nos.fork()"],
  ["python", "native code", "import ctypes\nctypes.CDLL(None)"],
  ["python", "modules by name", "__import__('os').listdir('/')"],
  ["python", "code from text", "eval('1 + 1')"],
  ["python", "code from text, as statements", "exec('x = 1')"],
  ["python", "classes of all objects", "().__class__.__bases__[0].__subclasses__()"],
  ["python", "classes through getattr", "getattr((), '__class__')"],
  ["python", "globals of a function", "read_file.__globals__"],
  ["python", "builtins", "__builtins__"],
  ["javascript", "the process", "process.env.HOME ?? process.version"],
  ["javascript", "the process through a constructor", "[].constructor.constructor('return process')().version"],
  ["javascript", "the process through what the host gave", "__print.constructor('return process')().version"],
  ["javascript", "the process through console", "console.log.constructor('return process')().version"],
  ["javascript", "modules", "require('node:fs').readFileSync('/etc/passwd', 'utf8')"],
  ["javascript", "the built-in modules of QuickJS", "std.getenv('HOME') ?? os.getcwd()"],
  ["javascript", "the network", "fetch('http://127.0.0.1:1').constructor.name"],
  ["javascript", "a web socket", "new WebSocket('ws://127.0.0.1:1').url"],
  ["javascript", "timers of the host", "setTimeout(() => 1, 0).constructor.name"],
  ["javascript", "native code", "WebAssembly.Module.name"],
  ["javascript", "the stack of the host", "try { null.x } catch (e) { if (!/node:|worker/i.test(e.stack)) throw e }"]
]

layer(CodeSandbox.layer(), live)("what code cannot reach", (test) => {
  test.effect.each<readonly [Language, string, string]>([...escapes])(
    "%s: %s",
    ([language, , code]) =>
      Effect.gen(function*() {
        const { created, error, output } = yield* run(language, code)
        expect(error).toMatch(/Error/)
        expect([output, created]).toEqual(["", []])
      })
  )

  test.effect("a module that JavaScript imports never comes", () =>
    Effect.gen(function*() {
      yield* run("javascript", "let seen = 'nothing'; import('fs').then((m) => { seen = Object.keys(m) }, () => {})")
      expect(yield* valueOf("javascript", "seen")).toBe("\"nothing\"")
    }))

  test.effect("prototypes that one session changes are those of the session alone", () =>
    Effect.gen(function*() {
      yield* run(
        "javascript",
        "Object.prototype.leak = 1; Array.prototype.map = () => 'mine'; JSON.parse = () => 'mine'"
      )
      expect(yield* valueOf("javascript", "[typeof {}.leak, [1].map((n) => n)]", "other")).toBe("[\"undefined\",[1]]")
      expect({}).not.toHaveProperty("leak")
    }))
})

const endless: ReadonlyArray<readonly [language: Language, what: string, code: string]> = [
  ["python", "a loop", "while True:\n    pass"],
  ["javascript", "a loop", "for (;;) {}"],
  ["javascript", "a pattern", "/(a+)+$/.test('a'.repeat(50) + 'b')"],
  ["javascript", "jobs", "const f = () => Promise.resolve().then(f); f()"]
]

layer(CodeSandbox.layer({ timeout: "1 second" }), live)("code without end", (test) => {
  test.effect.each<readonly [Language, string, string]>([...endless])(
    "%s: %s",
    ([language, , code]) =>
      Effect.gen(function*() {
        yield* run(language, "1", language)
        expect((yield* Effect.flip(run(language, code, language))).reason).toBe("Timeout")
      })
  )

  test.effect("ends its session, which begins anew", () =>
    Effect.gen(function*() {
      yield* run("python", "kept = 1", "again")
      yield* Effect.flip(run("python", "while True:\n    pass", "again"))
      expect(yield* valueOf("python", "kept", "again")).toContain("NameError")
    }))
})

const small = { timeout: "1 minute", memoryBytes: 8 * 1024 * 1024, maxOutput: 10_000 } as const

layer(CodeSandbox.layer(small), live)("what code cannot use up", (test) => {
  test.effect.each<readonly [Language, string, string, RegExp]>([
    ["python", "memory at once", "'a' * 10**9", /MemoryError/],
    ["python", "memory bit by bit", "a = []\nwhile True:\n    a.append('x' * 100000)", /MemoryError/],
    ["python", "a number without end", "2 ** 10**9", /MemoryError/],
    ["python", "endless recursion", "def f():\n    return f()\nf()", /RecursionError/],
    ["python", "output without end", "while True:\n    print('x' * 1000)", /^Output$/],
    ["javascript", "memory at once", "new Array(1e9).fill(1)", /out of memory/],
    ["javascript", "endless recursion", "(function f() { return f() })()", /stack overflow/],
    ["javascript", "a program nested too deep", "eval('('.repeat(1e6))", /stack overflow|SyntaxError|^Crashed$/],
    ["javascript", "output without end", "for (;;) console.log('x'.repeat(1000))", /^Output$/]
  ])("%s: %s", ([language, , code, expected]) =>
    Effect.gen(function*() {
      const ended = yield* run(language, code, language).pipe(
        Effect.map(({ error }) => error ?? "nothing"),
        Effect.catchTag("SandboxError", ({ reason }) => Effect.succeed(reason))
      )
      expect(ended).toMatch(expected)
    }))
})

it.scopedLive("memory that JavaScript takes bit by bit ends at its bound, or with its time", () =>
  Effect.gen(function*() {
    const sandbox = yield* CodeSandbox.make({ timeout: "2 seconds", memoryBytes: 8 * 1024 * 1024 })
    const code = "const a = []; for (;;) a.push(new Array(1000).fill(1))"
    const ended = yield* sandbox.run("s", { language: "javascript", code }).pipe(
      Effect.map(({ error }) => error ?? "nothing"),
      Effect.catchTag("SandboxError", ({ reason }) => Effect.succeed(reason))
    )
    expect(ended).toMatch(/out of memory|^Timeout$/)
  }))

describe("bounds of the sandbox", () => {
  it.live("interruption kills the process, and the scope leaves none", () =>
    Effect.gen(function*() {
      const before = children()
      yield* Effect.scoped(Effect.gen(function*() {
        const sandbox = yield* CodeSandbox.make()
        yield* sandbox.run("a", { language: "python", code: "1" })
        expect(children().length).toBe(before.length + 1)
        const running = yield* Effect.fork(sandbox.run("a", { language: "python", code: "while True:\n    pass" }))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(running)
        expect(children()).toEqual(before)
        yield* sandbox.run("b", { language: "javascript", code: "1" })
      }))
      expect(children()).toEqual(before)
    }))

  it.scopedLive("the session that was not used for longest makes room; when all run, nothing is run", () =>
    Effect.gen(function*() {
      const sandbox = yield* CodeSandbox.make({ maxSessions: 2 })
      const js = (session: string, code: string) => sandbox.run(session, { language: "javascript", code })
      yield* js("a", "var x = 1")
      yield* js("b", "var x = 2")
      yield* js("c", "var x = 3")
      expect((yield* js("b", "x")).result).toBe("2")
      expect((yield* js("a", "typeof x")).result).toBe("\"undefined\"")
      const busy = yield* Effect.forEach(["p", "q"], (name) => Effect.fork(js(name, "for (;;) {}")))
      yield* Effect.yieldNow()
      expect(yield* Effect.flip(js("r", "1"))).toMatchObject({ reason: "Busy", retryable: true })
      yield* Fiber.interruptAll(busy)
    }))

  it.scopedLive("code and files that are too large are not run", () =>
    Effect.gen(function*() {
      const sandbox = yield* CodeSandbox.make({ maxFileChars: 1000 })
      const large = sandbox.run("a", { language: "python", code: "#".repeat(1001) })
      expect(yield* Effect.flip(large)).toMatchObject({ reason: "TooLarge" })
      const writes = sandbox.run("a", { language: "python", code: "write_file('a', 'x' * 1001)" })
      expect(yield* Effect.flip(writes)).toMatchObject({ reason: "TooLarge" })
    }))
})

it.scopedLive("a file that code writes in a run is an attachment of its answer", () =>
  Effect.gen(function*() {
    const code = "writeFile('made.csv', 'a,b\\n1,2\\n')"
    const model = Scripted.make([Scripted.calls(["run_code", { language: "javascript", code }]), Scripted.text("done")])
    const agent = Agent.make({ name: "a", instructions: "", tools: Toolset.make(RunCode.tool) })
    const { attachments } = yield* Agent.run(agent, { message: "go" }).pipe(
      Effect.provideService(ChatModel.ChatModel, model)
    )
    expect(attachments.map(({ name, size }) => [name, size])).toEqual([["made.csv", 8]])
  }).pipe(Effect.provide([CodeSandbox.layer(), Files.layerMemory({})])))
