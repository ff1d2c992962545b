/** Charts, and tools of other servers: what the configuration names, the page shows. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { mkdir, realpath, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import path from "node:path"
import { freePort } from "../../../packages/store/test/servers/startServer.ts"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { command, printed, startDemo, temporaryFolder } from "./servers/demo.ts"
import { call, end, modelServer, text } from "./servers/model.ts"
import { does, finished, live, pause, send } from "./servers/reader.ts"

const official = (name: string) =>
  path.join(
    createRequire(import.meta.url).resolve(`@modelcontextprotocol/server-${name}/package.json`),
    "../dist/index.js"
  )

const program = (name: string, ...args: ReadonlyArray<string>) => ({
  command: process.execPath,
  args: [official(name), ...args]
})

const servers = (all: object) => ({ SENNIT_MCP_SERVERS: JSON.stringify(all) })

/** The reference server over streamable HTTP. */
const everythingAt = (port: number) =>
  Effect.acquireRelease(
    does(() =>
      new Promise<ReturnType<typeof spawn>>((resolve) => {
        const child = spawn(process.execPath, [official("everything"), "streamableHttp"], {
          env: { PORT: String(port) },
          stdio: ["ignore", "ignore", "pipe"]
        })
        child.stderr.on("data", (bytes: Buffer) => bytes.includes("listening") && resolve(child))
      })
    ),
    (child) =>
      does(() =>
        new Promise<void>((resolve) => {
          child.on("exit", () => resolve())
          child.kill("SIGKILL")
        })
      )
  )

describe.skipIf(missingBrowser !== undefined)(`charts${missingBrowser ?? ""}`, () => {
  it.scopedLive("are drawn by the offline planner, shown with their numbers, and files of the conversation", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { complaints, foreign, page } = yield* openPage(address)
      yield* live(page)
      yield* does(() =>
        page.locator("input[type=file]").setInputFiles({
          name: "sums.csv",
          mimeType: "text/csv",
          buffer: Buffer.from("month,revenue\n2025-01,10\n2025-01,5\n2025-02,20\n")
        })
      )
      yield* send(page, "Chart the total revenue by month")
      yield* finished(page, 1)
      const picture = page.locator("figure.made img")
      yield* does(() => picture.waitFor())
      const [width, height] = yield* does(() =>
        picture.evaluate((image: HTMLImageElement) =>
          image.decode().then(() => [image.naturalWidth, image.naturalHeight])
        )
      )
      assert.isAbove(width ?? 0, 300)
      assert.isAbove(height ?? 0, 200)
      yield* does(() => page.getByText("Show as table").click())
      const cells = yield* does(() => page.locator("figure.made td").allInnerTexts())
      assert.deepStrictEqual(cells.filter((cell) => /^\d+(?:\.\d+)?$/.test(cell)).map(Number), [15, 20])
      // Reopened, and as a file.
      yield* does(() => page.reload())
      yield* does(() => picture.waitFor())
      yield* does(() => page.getByRole("button", { name: "Inspect" }).click())
      yield* does(() => page.locator("#inspector").getByRole("link", { name: "Files" }).click())
      yield* does(() => page.locator("#inspector").getByText("chart.svg").waitFor())
      const address2 = yield* does(() => picture.getAttribute("src"))
      const svg = yield* does(async () => (await fetch(`${address}${address2}`)).text())
      assert.notMatch(svg, /<script|href=|url\((?!#)/)
      assert.deepStrictEqual(foreign, [])
      assert.deepStrictEqual(complaints, [])
    }))
})

describe("MCP servers of the configuration", () => {
  it.scopedLive.skipIf(missingBrowser !== undefined)(
    `give their tools to the model: what only reads is run, anything else asks first${missingBrowser ?? ""}`,
    () =>
      Effect.gen(function*() {
        const data = yield* temporaryFolder
        const shared = path.join(yield* does(() => realpath(data)), "shared")
        yield* does(() => mkdir(shared))
        yield* does(() => writeFile(path.join(shared, "note.txt"), "the tide is at six"))
        const port = yield* freePort
        yield* everythingAt(port)
        const model = yield* modelServer
        const { address } = yield* startDemo({
          SENNIT_DATA: path.join(data, "data"),
          OPENAI_BASE_URL: model.address,
          ...servers({
            disk: program("filesystem", shared),
            every: { url: `http://127.0.0.1:${port}/mcp` },
            gone: { command: "/nonexistent/program" }
          })
        })
        const { complaints, page } = yield* openPage(address)
        yield* live(page)
        yield* send(page, "What does the note say?")
        yield* model.finish(
          call(0, "a", "disk__read_text_file", JSON.stringify({ path: path.join(shared, "note.txt") })),
          call(1, "b", "every__get-tiny-image", "{}"),
          end("tool_calls")
        )
        yield* model.finish(text("At six."), end("stop"))
        yield* finished(page, 1)
        assert.include(model.requests[1], "the tide is at six")
        // What comes from a server may hold what others wrote, and a picture is shown.
        assert.include(yield* does(() => page.locator("#thread").innerText()), "may hold what others wrote")
        yield* does(() => page.locator("figure.made img").waitFor())

        // So is what code writes.
        yield* send(page, "A file, please")
        const code = { language: "javascript", code: "writeFile('made.csv', 'a,b\\n1,2\\n')" }
        yield* model.finish(call(0, "d", "run_code", JSON.stringify(code)), end("tool_calls"))
        yield* does(() => page.locator(".tool.waiting").waitFor())
        yield* pause(page)
        yield* does(() => page.getByRole("button", { name: "Run it", exact: true }).click())
        yield* model.finish(text("It is made."), end("stop"))
        yield* finished(page, 2)
        yield* does(() => page.locator("#thread details.file").getByText("made.csv").click())
        yield* does(() => page.locator("#thread details.file td").first().waitFor())

        yield* send(page, "Write it down")
        const file = path.join(shared, "new.txt")
        yield* model.finish(
          call(0, "c", "disk__write_file", JSON.stringify({ path: file, content: "at six" })),
          end("tool_calls")
        )
        yield* does(() => page.locator(".tool.waiting").waitFor())
        assert.include(yield* does(() => page.locator(".tool.waiting").innerText()), "at six")
        yield* pause(page)
        yield* does(() => page.getByRole("button", { name: "Don't run it" }).click())
        yield* model.finish(text("Then not."), end("stop"))
        yield* finished(page, 3)

        yield* does(() => page.getByRole("button", { name: "Inspect" }).click())
        const inspector = page.locator("#inspector")
        yield* does(() => inspector.getByRole("link", { name: "Tools" }).click())
        yield* does(() => inspector.getByText("disk__read_text_file").waitFor())
        const panel = yield* does(() => inspector.innerText())
        assert.match(panel, /disk__write_file\s+asks you first/)
        assert.notMatch(panel, /disk__read_text_file\s+asks you first/)
        assert.match(panel, /disk ✓ connected/)
        assert.match(panel, /every ✓ connected/)
        assert.match(panel, /gone ✗ not connected/)
        assert.deepStrictEqual(complaints, [])
      })
  )

  it.scopedLive("are listed by `tools`, looked at by `doctor`, and gone when the command ends", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const shared = yield* does(() => realpath(data))
      const env = { SENNIT_DATA: path.join(data, "data"), ...servers({ disk: program("filesystem", shared) }) }
      const tools = yield* printed<ReadonlyArray<{ readonly name: string; readonly asks: boolean }>>(env, "tools")
      assert.deepInclude(tools.map(({ asks, name }) => ({ asks, name })), { name: "disk__write_file", asks: true })
      assert.deepInclude(tools.map(({ asks, name }) => ({ asks, name })), { name: "calculate", asks: false })
      const fine = yield* command(["doctor"], env)
      assert.match(fine.stdout, /ok +mcp disk +connected, \d+ tools/)
      const broken = yield* command(["doctor"], { ...env, ...servers({ gone: { command: "/nonexistent/program" } }) })
      assert.strictEqual(broken.code, 1)
      assert.match(broken.stdout, /BROKEN +mcp gone/)
      assert.include(broken.stdout, "SENNIT_MCP_SERVERS")
    }))

  it.scopedLive("that are written wrongly are refused with how to write them, and without what was written", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      for (
        const wrong of [
          "{",
          "[]",
          "{\"a b\":{\"command\":\"x\",\"env\":{\"KEY\":\"hush-hush\"}}}",
          "{\"a\":{\"url\":\"hush-hush\"}}",
          "{\"a\":{\"headers\":{\"authorization\":\"hush-hush\"}}}"
        ]
      ) {
        const { code, stderr } = yield* command(["serve"], { SENNIT_DATA: data, SENNIT_MCP_SERVERS: wrong })
        assert.strictEqual(code, 1, wrong)
        assert.include(stderr, "SENNIT_MCP_SERVERS")
        assert.include(stderr, "it is JSON such as")
        assert.notInclude(stderr, "hush-hush")
      }
    }))
})
