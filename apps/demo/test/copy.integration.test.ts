/** What people take along, and what they leave behind for later: copies and drafts. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import path from "node:path"
import type { Page } from "playwright-core"
import { missingBrowser, openContext, openTab } from "./servers/browser.ts"
import { startDemo, temporaryFolder } from "./servers/demo.ts"
import { end, modelServer, text } from "./servers/model.ts"
import { does, finished, live, send } from "./servers/reader.ts"

const sales = path.resolve(import.meta.dirname, "../../../examples/sales.csv")

const clipboard = (page: Page) => does(() => page.evaluate(() => navigator.clipboard.readText()))

const answer = "First **block** here.\n\nSecond block, with `code`.\n\n" +
  "| item | price |\n|---|---|\n| =1+1 | -5 |\n| rope | 7 |\n\n```sh\nrm -rf nothing\n```\n"

/** Selects from the beginning of one text to the end of another. */
const select = (page: Page, from: string, until: string) =>
  does(() =>
    page.evaluate(([first, last]) => {
      // Only what is in this function is known to the page.
      // oxlint-disable-next-line unicorn/consistent-function-scoping
      const find = (words: string) => {
        const walker = document.createTreeWalker(document.querySelector("#thread")!, NodeFilter.SHOW_TEXT)
        for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
          const at = node.textContent?.indexOf(words) ?? -1
          if (at >= 0) return [node, at] as const
        }
        throw new Error(`no text ${words}`)
      }
      const [start, startsAt] = find(first)
      const [stop, stopsAt] = find(last)
      getSelection()?.setBaseAndExtent(start, startsAt, stop, stopsAt + last.length)
    }, [from, until] as const)
  )

const selected = (page: Page) => does(() => page.evaluate(() => getSelection()?.toString()))

describe.skipIf(missingBrowser !== undefined)(`copies${missingBrowser ?? ""}`, () => {
  it.scopedLive("are the source: of an answer, of blocks, of a table without formulas, of code without a last line break", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const context = yield* openContext({ permissions: ["clipboard-read", "clipboard-write"] })
      const { complaints, page } = yield* openTab(context, address)
      yield* live(page)
      yield* send(page, "Tell me")
      yield* model.send(text(answer), text("\nAnd it"))
      yield* does(() => page.getByText("And it").waitFor())
      // A selection in what has come stays while more comes.
      yield* select(page, "First", "Second block")
      const before = yield* selected(page)
      assert.match(before ?? "", /^First block here\.\s+Second block$/)
      yield* model.send(...Array.from({ length: 20 }, (_, index) => text(` goes on ${index}\n\n`)))
      yield* does(() => page.getByText("goes on 19").waitFor({ state: "attached" }))
      assert.strictEqual(yield* selected(page), before)
      yield* model.finish(end("stop"))
      yield* finished(page, 1)
      assert.strictEqual(yield* selected(page), before)

      // Whole blocks of a selection are copied as they were written, and as they are shown.
      yield* select(page, "First", ".")
      yield* select(page, "First", "code")
      yield* does(() => page.keyboard.press("Control+c"))
      assert.include(yield* clipboard(page), "First **block** here.")
      const html = yield* does(() =>
        page.evaluate(async () => {
          const [item] = await navigator.clipboard.read()
          return (await item!.getType("text/html")).text()
        })
      )
      assert.match(html, /<strong[^>]*>block<\/strong>/)

      yield* does(() => page.getByRole("button", { name: "Copy the answer" }).click())
      assert.isTrue((yield* clipboard(page)).startsWith(answer))
      yield* does(() => page.getByRole("button", { name: "Copy as CSV" }).click())
      assert.strictEqual(yield* clipboard(page), "item,price\r\n'=1+1,-5\r\nrope,7")
      yield* does(() => page.getByText("1 cell starts with a formula sign").waitFor())
      yield* does(() => page.getByRole("button", { name: "Copy code" }).click())
      assert.strictEqual(yield* clipboard(page), "rm -rf nothing")
      assert.deepStrictEqual(complaints, [])
    }))
})

describe.skipIf(missingBrowser !== undefined)(`drafts${missingBrowser ?? ""}`, () => {
  it.scopedLive("stay with their conversation, come to the next tab, and go when a person signs out", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data, SENNIT_ACCOUNTS: "true" })
      const context = yield* openContext()
      const { page } = yield* openTab(context, address)
      const dialog = page.getByRole("dialog", { name: "Sign in" })
      const enter = (button: string) =>
        does(async () => {
          await dialog.getByLabel("Name").fill("ada")
          await dialog.getByLabel("Password").fill("correct horse")
          await dialog.getByRole("button", { name: button }).click()
          await dialog.waitFor({ state: "detached" })
        })
      yield* enter("Make an account")
      yield* live(page)
      const field = page.getByLabel("Your message")
      yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
      yield* does(() => page.waitForURL(/\/c\//))
      yield* does(() => field.fill("half a thought"))
      const conversation = page.url()
      // Another conversation has a draft of its own, and the way back leads to the first.
      yield* does(() => page.getByRole("link", { name: "New conversation" }).first().click())
      assert.strictEqual(yield* does(() => field.inputValue()), "")
      yield* does(() => field.fill("something else"))
      yield* does(() => page.goBack())
      assert.strictEqual(yield* does(() => field.inputValue()), "half a thought")

      // The next tab has it, and what is written there comes here.
      const { page: other } = yield* openTab(context, conversation)
      yield* live(other)
      assert.strictEqual(yield* does(() => other.getByLabel("Your message").inputValue()), "half a thought")
      yield* does(() => page.getByRole("log").focus())
      yield* does(() => other.getByLabel("Your message").fill("a whole thought"))
      yield* does(() =>
        page.waitForFunction(() => document.querySelector<HTMLTextAreaElement>("#message")?.value === "a whole thought")
      )

      yield* does(() => page.getByRole("button", { name: "Settings" }).click())
      yield* does(() => page.getByRole("button", { name: "Sign out" }).click())
      yield* does(() => dialog.waitFor())
      const kept = yield* does(() => page.evaluate(() => JSON.stringify({ ...localStorage })))
      assert.notInclude(kept, "thought")
      assert.notInclude(kept, "something else")
      yield* enter("Sign in")
      yield* live(page)
      assert.strictEqual(yield* does(() => field.inputValue()), "")
    }))
})
