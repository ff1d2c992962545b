/** The page for everybody: every state is audited in both themes and on a desk and a phone. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import path from "node:path"
import type { Page } from "playwright-core"
import { audit } from "./servers/axe.ts"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { startDemo, temporaryFolder } from "./servers/demo.ts"
import { call, end, modelServer, text } from "./servers/model.ts"

const sales = path.resolve(import.meta.dirname, "../../../examples/sales.csv")
const does = <A>(work: () => Promise<A>) => Effect.promise(work)

const send = (page: Page, question: string) =>
  does(async () => {
    await page.getByLabel("Your message").fill(question)
    await page.getByLabel("Your message").press("Enter")
  })

const finished = (page: Page, count: number) => does(() => page.locator(".finish").nth(count - 1).waitFor())

const passes = (page: Page, state: string) =>
  Effect.map(audit(page), (found) => assert.deepStrictEqual(found, [], state))

const report =
  "Here:\n\n| month | sum |\n|---|---|\n| March | 12 |\n\n```js\nconst a = 1\n```\n\n> said\n\n1. one\n\n[a link](https://example.com/page)"

describe.skipIf(missingBrowser !== undefined)(`the audit${missingBrowser ?? ""}`, () => {
  it.scopedLive("finds nothing in the thread, whatever state it is in", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address, kill } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { page } = yield* openPage(address)
      yield* does(() => page.getByLabel("Who answers").waitFor())
      yield* passes(page, "first run")
      yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
      yield* does(() => page.locator(".chosen").getByText("sales.csv").waitFor())
      yield* passes(page, "a chosen file")
      yield* send(page, "Two sums, please")
      yield* model.send(text(`${report}\n\nLet me`))
      yield* does(() => page.getByText("Let me").waitFor())
      yield* passes(page, "streaming")
      yield* model.send(call(0, "a", "calculate", "{\"expression\":"))
      yield* does(() => page.locator(".tool.arriving").waitFor())
      yield* passes(page, "arguments arriving")
      yield* does(() => page.getByRole("button", { name: "Stop" }).click())
      yield* model.abandoned
      yield* finished(page, 1)
      yield* passes(page, "stopped")
      yield* send(page, "Again")
      yield* model.finish(
        call(0, "a", "calculate", "{\"expression\":\"2+3\"}"),
        call(1, "b", "calculate", "{\"expression\":\"7*8\"}"),
        call(2, "c", "calculate", "{\"expression\":\"7*\"}"),
        end("tool_calls")
      )
      yield* model.finish(text(report), end("stop"))
      yield* finished(page, 2)
      yield* does(() => page.locator(".fold > summary").click())
      yield* does(() => page.locator(".fold .tool > summary").first().click())
      yield* does(() => page.locator("details.file > summary").first().click())
      yield* does(() => page.getByRole("group", { name: "Table" }).first().waitFor())
      yield* does(() => page.locator(".hljs-keyword").first().waitFor())
      yield* passes(page, "answered, everything open")
      yield* send(page, "And fail")
      yield* model.finish("data: nonsense\n\n")
      yield* finished(page, 3)
      yield* passes(page, "failed")
      yield* does(() =>
        page.locator("input[type=file]").setInputFiles({ name: "a.bin", mimeType: "", buffer: Buffer.from([0]) })
      )
      yield* does(() => page.getByRole("alert").waitFor())
      yield* passes(page, "a refused file")
      yield* does(() => page.goto(`${address}/c/nothing`))
      yield* does(() => page.getByText("No such conversation").first().waitFor())
      yield* passes(page, "no such conversation")
      yield* kill("SIGKILL")
      yield* does(() => page.getByText("No connection to the server.").waitFor())
      yield* passes(page, "no connection")
    }))

  it.scopedLive("finds nothing in the panels and dialogs", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { page } = yield* openPage(`${address}/#run`)
      const inspector = page.locator("#inspector")
      const open = (panel: string) => does(() => inspector.getByRole("link", { name: panel }).click())
      yield* does(() => inspector.getByText("Nothing was asked here yet.").waitFor())
      yield* passes(page, "run, empty")
      for (
        const [panel, empty] of [
          ["Memory", "Nothing remembered."],
          ["Sessions", "Open a conversation to see its bytes."],
          ["Files", "No files in this conversation."]
        ] as const
      ) {
        yield* open(panel)
        yield* does(() => inspector.getByText(empty).waitFor())
        yield* passes(page, `${panel}, empty`)
      }
      yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
      yield* send(page, "Remember that the boiler was serviced in May")
      yield* finished(page, 1)
      yield* does(() => inspector.getByText("sales.csv").waitFor())
      yield* passes(page, "files")
      yield* open("Run")
      yield* does(() => inspector.getByRole("list", { name: "Timeline" }).getByText("remember").waitFor())
      yield* passes(page, "run")
      yield* open("Memory")
      yield* does(() => inspector.getByRole("button", { name: "For my last question" }).click())
      yield* does(() => inspector.locator(".why summary").click())
      yield* does(() => inspector.getByRole("button", { name: /^Correct: / }).click())
      yield* passes(page, "memory, why and correct")
      yield* open("Sessions")
      yield* does(() => inspector.locator(".cipher").first().waitFor())
      yield* passes(page, "sessions")
      yield* does(() => page.getByLabel("Search conversations").first().fill("nowhere at all"))
      yield* does(() => page.getByText("Nothing found.").first().waitFor())
      page.on("dialog", (question) => void question.accept())
      yield* does(() => inspector.getByRole("button", { name: "Erase my data" }).click())
      yield* does(() => inspector.getByRole("region", { name: "Receipt" }).waitFor())
      yield* passes(page, "a receipt, and a search without a result")
      yield* does(() => inspector.getByRole("button", { name: "Close the inspector" }).click())
      yield* does(() => page.getByRole("button", { name: "Settings" }).click())
      yield* passes(page, "settings")
      yield* does(() => page.keyboard.press("Escape"))
      yield* does(() => page.setViewportSize({ width: 390, height: 800 }))
      yield* does(() => page.getByRole("button", { name: "Conversations" }).click())
      yield* passes(page, "the drawer")
    }))
})
