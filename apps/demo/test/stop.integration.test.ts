/** Stop means stop: whatever goes on ends, what was done is kept, and nothing of the run stays open. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer, type ServerResponse } from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import path from "node:path"
import type { Page } from "playwright-core"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { startDemo, temporaryFolder } from "./servers/demo.ts"
import { call, end, modelServer, text } from "./servers/model.ts"
import { does, live, send } from "./servers/reader.ts"

/** Counts of the server: every kind of work that is open. */
const open = (address: string) =>
  does(async () => {
    const metrics = await (await fetch(`${address}/metrics`)).text()
    return [...metrics.matchAll(/^sennit_agent_open\{kind="(\w+)"\} (\d+)$/gm)].map(([, kind, count]) =>
      `${kind} ${count}`
    ).toSorted()
  })

/** Kinds that never were have no count. */
const nothing = (kinds: ReadonlyArray<string>) => kinds.map((kind) => `${kind} 0`)

const stop = (page: Page) =>
  does(async () => {
    await page.getByRole("button", { name: "Stop", exact: true }).click()
    await page.getByText("You stopped this after").waitFor()
    await page.getByRole("button", { name: "Send" }).waitFor()
  })

/** A page of the web that is never sent; says when it is asked for, and when who asked has gone. */
const endless = Effect.acquireRelease(
  does(async () => {
    const server = createServer()
    const asked = new Promise<ServerResponse>((resolve) => server.on("request", (_, response) => resolve(response)))
    const left = asked.then((response) => new Promise<void>((resolve) => response.on("close", resolve)))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return { server, port: (server.address() as AddressInfo).port, asked, left }
  }),
  ({ server }) =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    })
)

const everything = path.join(
  createRequire(import.meta.url).resolve("@modelcontextprotocol/server-everything/package.json"),
  "../dist/index.js"
)

describe.skipIf(missingBrowser !== undefined)(`stop${missingBrowser ?? ""}`, () => {
  it.scopedLive("before the first word, and in the middle of a tool: the connections are closed, nothing stays open", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const site = yield* endless
      const { address } = yield* startDemo({
        SENNIT_DATA: data,
        OPENAI_BASE_URL: model.address,
        SENNIT_ALLOW_HOSTS: `127.0.0.1:${site.port}`
      })
      const { page } = yield* openPage(address)
      yield* live(page)
      yield* send(page, "Tell me a story")
      // The model has been asked, and says nothing.
      yield* model.send("")
      yield* stop(page)
      yield* model.abandoned
      assert.deepStrictEqual(yield* open(address), nothing(["model_call", "run"]))

      yield* does(() => page.getByRole("link", { name: "New conversation" }).first().click())
      yield* send(page, "Read that page")
      yield* model.finish(
        text("I look."),
        call(0, "a", "fetch_url", `{"urls":["http://127.0.0.1:${site.port}/"]}`),
        end("tool_calls")
      )
      yield* does(() => site.asked)
      yield* does(() => page.locator(".tool.running").waitFor())
      yield* stop(page)
      yield* does(() => site.left)
      yield* does(() => page.locator(".tool.stopped").waitFor())
      assert.isTrue(yield* does(() => page.getByText("I look.").isVisible()))
      assert.deepStrictEqual(yield* open(address), nothing(["model_call", "run", "tool_call"]))
    }))

  it.scopedLive("while a tool of an MCP server works: the server is told, and is there for the next question", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({
        SENNIT_DATA: data,
        OPENAI_BASE_URL: model.address,
        SENNIT_MCP_SERVERS: JSON.stringify({ every: { command: process.execPath, args: [everything] } })
      })
      const { page } = yield* openPage(address)
      yield* live(page)
      yield* send(page, "Take your time")
      yield* model.finish(
        call(0, "a", "every__trigger-long-running-operation", "{\"duration\":60,\"steps\":60}"),
        end("tool_calls")
      )
      // What it says while it works is seen without opening it.
      yield* does(() => page.locator(".tool.running .progress").getByText("1 of 60").waitFor())
      yield* stop(page)
      assert.deepStrictEqual(yield* open(address), nothing(["model_call", "run", "tool_call"]))
      yield* send(page, "Say something")
      yield* model.finish(call(0, "b", "every__echo", "{\"message\":\"still here\"}"), end("tool_calls"))
      yield* model.finish(text("It spoke."), end("stop"))
      yield* does(() => page.getByText("It spoke.").waitFor())
      assert.include(model.requests.at(-1), "still here")
    }))
})
