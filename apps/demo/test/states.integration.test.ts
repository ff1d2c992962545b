/** The states that pass: what loads, waits, runs, is cut off or comes back is audited like what stays. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { createRequire } from "node:module"
import path from "node:path"
import type { Page } from "playwright-core"
import { audit } from "./servers/axe.ts"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { startDemo, temporaryFolder } from "./servers/demo.ts"
import { call, end, modelServer, text } from "./servers/model.ts"
import { does, finished, live, pause, send } from "./servers/reader.ts"
import { wire } from "./servers/wire.ts"

const sales = path.resolve(import.meta.dirname, "../../../examples/sales.csv")

const everything = path.join(
  createRequire(import.meta.url).resolve("@modelcontextprotocol/server-everything/package.json"),
  "../dist/index.js"
)

const passes = (page: Page, state: string) =>
  Effect.map(audit(page), (found) => assert.deepStrictEqual(found, [], state))

/** Holds requests until it is let go of; gives how. */
const hold = (page: Page, address: string, method: string) =>
  Effect.gen(function*() {
    const held = yield* Deferred.make<void>()
    yield* does(() =>
      page.route(address, async (route) => {
        if (route.request().method() === method) await Effect.runPromise(Deferred.await(held))
        await route.continue()
      })
    )
    // The route stays: to take it away while it is in use would answer a request twice.
    return Deferred.succeed(held, undefined)
  })

const code = (expression: string) => JSON.stringify({ language: "javascript", code: expression })

describe.skipIf(missingBrowser !== undefined)(`the audit of what passes${missingBrowser ?? ""}`, () => {
  it.scopedLive("finds nothing while files and conversations are on their way", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { page } = yield* openPage(address)
      yield* live(page)
      const uploading = yield* hold(page, "**/files/**", "PUT")
      yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
      yield* does(() => page.getByRole("progressbar", { name: "Uploading sales.csv" }).waitFor())
      yield* passes(page, "uploading")
      yield* uploading
      yield* does(() => page.locator(".chosen progress").waitFor({ state: "detached" }))
      yield* does(() =>
        page.evaluate(() => {
          const dataTransfer = new DataTransfer()
          dataTransfer.items.add(new File(["a"], "a.csv"))
          document.body.dispatchEvent(new DragEvent("dragover", { dataTransfer, bubbles: true, cancelable: true }))
        })
      )
      yield* does(() => page.getByText("Drop the files here to attach them.").waitFor())
      yield* passes(page, "a file over the page")
      yield* does(() => page.evaluate(() => document.body.dispatchEvent(new DragEvent("dragleave", { bubbles: true }))))
      yield* send(page, "What is the total revenue in March?")
      yield* finished(page, 1)
      const conversation = new URL(page.url()).pathname
      const reading = yield* hold(page, `**/api${conversation.replace("/c/", "/conversations/")}`, "GET")
      const listing = yield* hold(page, "**/api/conversations", "GET")
      yield* does(() => page.reload())
      yield* does(() => page.locator(".skeleton").waitFor())
      yield* passes(page, "reading a conversation and the list")
      yield* listing
      yield* reading
      yield* finished(page, 1)
      yield* does(() => page.getByLabel("Search conversations").first().fill("revenue"))
      yield* does(() => page.locator(".hit").first().waitFor())
      yield* passes(page, "a search with a hit")
      yield* does(() => page.getByLabel("Search conversations").first().fill(""))
      yield* does(() => page.goto(`${address}${conversation}#sessions`))
      yield* does(() => page.locator(".cipher").first().waitFor())
      const rotating = yield* hold(page, "**/api/keys/rotation", "POST")
      yield* does(() => page.getByRole("button", { name: "Rotate now" }).click())
      yield* does(() => page.getByRole("button", { name: "Rotating…" }).waitFor())
      yield* passes(page, "rotating")
      yield* rotating
      yield* does(() => page.getByRole("button", { name: "Rotate now" }).waitFor())
      yield* does(() => fetch(`${address}/api${conversation.replace("/c/", "/conversations/")}`, { method: "DELETE" }))
      yield* does(() => page.getByText("This conversation was deleted.").waitFor())
      yield* passes(page, "deleted elsewhere")
    }))

  it.scopedLive("finds nothing while an answer waits, is refused, limited, cut off, or goes on after a restart", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const env = { SENNIT_DATA: data, OPENAI_BASE_URL: model.address }
      const demo = yield* startDemo(env)
      const { port } = new URL(demo.address)
      const { address, cut } = yield* wire(Number(port))
      const { page } = yield* openPage(address)
      yield* live(page)
      yield* send(page, "By code")
      yield* model.finish(text("I would run this."), call(0, "a", "run_code", code("6*7")), end("tool_calls"))
      yield* does(() => page.locator(".tool.waiting").waitFor())
      yield* does(() => page.locator(".badge").getByText("waiting for you").first().waitFor())
      yield* passes(page, "waiting for approval")
      yield* pause(page)
      yield* does(() => page.getByRole("button", { name: "Don't run it" }).click())
      yield* does(() => page.locator(".tool.refused").waitFor())
      yield* model.finish(text("Then not."), end("stop"))
      yield* finished(page, 1)
      yield* passes(page, "refused")

      const { limits } = yield* does(async (): Promise<{ readonly limits: { readonly steps: number } }> =>
        (await fetch(`${demo.address}/api/info`)).json()
      )
      yield* send(page, "Without end")
      for (let step = 1; step <= limits.steps; step++) {
        yield* model.finish(
          call(0, `s${step}`, "calculate", JSON.stringify({ expression: `${step}+1` })),
          end("tool_calls")
        )
        if (step === 1) {
          yield* does(() => page.locator(".badge").getByText("running").first().waitFor())
          yield* passes(page, "running in the list")
        }
      }
      yield* model.finish(text("That is what I have."), end("stop"))
      yield* does(() => page.locator(".finish.limited").waitFor())
      yield* passes(page, "limited")

      yield* send(page, "Tell me a story")
      yield* model.send(text("Once upon"))
      yield* does(() => page.getByText("Once upon").waitFor())
      cut()
      yield* does(() => page.getByText(/^Resumed at event/).first().waitFor())
      yield* passes(page, "resumed")
      yield* demo.kill("SIGKILL")
      yield* model.abandoned
      yield* does(() => page.getByText("Waiting for the server.").waitFor())
      yield* passes(page, "cut off, the server gone")
      yield* startDemo({ ...env, SENNIT_PORT: port })
      yield* does(() => page.getByText(/^The server restarted\./).waitFor())
      yield* model.finish(text("Once upon a time."), end("stop"))
      yield* finished(page, 3)
      yield* passes(page, "went on after a restart")
    }))

  it.scopedLive("finds nothing in charts, pictures and the tools of other servers", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({
        SENNIT_DATA: data,
        OPENAI_BASE_URL: model.address,
        SENNIT_MCP_SERVERS: JSON.stringify({
          every: { command: process.execPath, args: [everything] },
          gone: { url: "http://127.0.0.1:9/mcp" }
        })
      })
      const { page } = yield* openPage(address)
      yield* live(page)
      yield* send(page, "Draw it")
      const chart = {
        kind: "bar",
        title: "Revenue by month",
        columns: ["month", "revenue"],
        rows: [["2025-01", 10], ["2025-02", 20]],
        x: "month",
        y: "revenue"
      }
      yield* model.finish(call(0, "a", "draw_chart", JSON.stringify(chart)), end("tool_calls"))
      yield* model.finish(text("There it is."), end("stop"))
      yield* does(() => page.getByRole("img", { name: "Revenue by month" }).waitFor())
      yield* does(() => page.getByText("Show as table").click())
      yield* passes(page, "a chart and its table")
      yield* does(() => page.getByRole("button", { name: "Inspect" }).click())
      yield* does(() => page.locator("#inspector").getByRole("link", { name: "Tools" }).click())
      yield* does(() => page.locator("#inspector").getByText("every__echo").waitFor())
      yield* does(() => page.locator("#inspector").getByText("not connected").first().waitFor())
      yield* passes(page, "tools, a server that is there and one that is not")
    }))
})
