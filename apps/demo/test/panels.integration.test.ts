import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import type { Page } from "playwright-core"
import { audit } from "./servers/axe.ts"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { everyByte, startDemo, temporaryFolder } from "./servers/demo.ts"

const does = <A>(work: () => Promise<A>) => Effect.promise(work)

/** Asks on the page and waits for the end of the answer. */
const ask = (page: Page, question: string) =>
  does(async () => {
    const endings = await page.locator(".finish").count()
    await page.getByLabel("Your message").fill(question)
    await page.getByLabel("Your message").press("Enter")
    await page.locator(".finish").nth(endings).waitFor()
  })

const openPanel = (page: Page, panel: "Memory" | "Sessions") =>
  does(async () => {
    if (!await page.locator("#inspector").isVisible()) await page.getByRole("button", { name: "Inspect" }).click()
    await page.locator("#inspector").getByRole("link", { name: panel }).click()
  })

/** Clicks what begins a download, and gives the text of the file. */
const downloaded = (page: Page, click: () => Promise<void>) =>
  does(async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), click()])
    return readFile(await download.path(), "utf8")
  })

describe.skipIf(missingBrowser !== undefined)(`the panels${missingBrowser ?? ""}`, () => {
  it.scopedLive("show the bytes on the disk, change the key, export, and erase with a receipt", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { complaints, foreign, page } = yield* openPage(address)
      yield* ask(page, "Remember that the boiler was serviced in May")
      yield* openPanel(page, "Sessions")
      const dialog = page.getByRole("complementary", { name: "Inspector" })
      const cipher = dialog.locator(".cipher").first()
      const shown = (yield* does(() => cipher.innerText())).replaceAll(/\s/g, "")
      assert.isTrue((yield* everyByte(data)).includes(Buffer.from(shown, "hex")))
      assert.include(yield* does(() => dialog.locator(".clear").first().innerText()), "boiler")

      const keyId = () => does(() => dialog.locator(".keys code").first().innerText())
      const before = yield* keyId()
      yield* does(() => dialog.getByRole("button", { name: "Rotate now" }).click())
      yield* does(() => dialog.locator(".keys").getByText(before).waitFor({ state: "detached" }))
      assert.notStrictEqual(yield* keyId(), before)

      const exported = yield* downloaded(page, () => dialog.getByRole("link", { name: "Export my data" }).click())
      assert.include(exported, "the boiler was serviced in May")
      assert.match(exported, /"type":"end","records":\d+\}\n$/)

      page.on("dialog", (question) => void question.accept())
      yield* does(() => dialog.getByRole("button", { name: "Erase my data" }).click())
      const receipt = dialog.getByRole("region", { name: "Receipt" })
      yield* does(() => receipt.getByText("Erased 1 conversations, 1 memories, 0 files; key destroyed.").waitFor())
      const saved: { readonly digest: string } = JSON.parse(
        yield* downloaded(page, () => receipt.getByRole("button", { name: "Save the receipt" }).click())
      )
      assert.isTrue((yield* does(() => receipt.locator("code").innerText())).startsWith(saved.digest.slice(0, 8)))
      assert.isFalse((yield* everyByte(data)).toString("latin1").toLowerCase().includes("boiler"))

      // And it goes on: a new life, on a page without drafts.
      yield* openPanel(page, "Memory")
      yield* does(() => dialog.getByText("Nothing remembered.").waitFor())
      yield* does(() => page.getByText("No conversations yet.").first().waitFor())
      yield* ask(page, "What is 6*7?")
      yield* does(() => page.locator(".answer").getByText("42").first().waitFor())
      assert.deepStrictEqual(foreign, [])
      assert.deepStrictEqual(complaints, [])
    }))

  it.scopedLive("say why a memory is recalled, correct it, and keep what it said before", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { complaints, page } = yield* openPage(address)
      yield* ask(page, "Remember that the boiler was serviced in May")
      yield* ask(page, "Remember that the bicycle is in the cellar")
      yield* ask(page, "When was the boiler serviced?")
      yield* openPanel(page, "Memory")
      const memories = page.locator(".memories > li")
      yield* does(() => memories.nth(1).waitFor())
      yield* does(() => page.getByRole("button", { name: "For my last question" }).click())
      const why = memories.first().locator(".why")
      yield* does(() => why.locator("summary").click())
      assert.include(yield* does(() => memories.first().innerText()), "boiler")
      const score = Number(/Score ([\d.]+)/.exec(yield* does(() => why.innerText()))?.[1])
      const parts = yield* does(() => why.locator("li").allInnerTexts())
      const sum = parts.map((part) => Number(/([\d.]+)\s*$/.exec(part)?.[1])).reduce((a, b) => a + b, 0)
      assert.isAbove(score, 0)
      // Each number is rounded to three places.
      assert.closeTo(sum, score, 0.001 * (parts.length + 1))

      yield* does(() => page.getByRole("button", { name: "Correct: the boiler was serviced in May" }).click())
      yield* does(() => page.getByLabel("Corrected text").fill("the boiler was serviced in June"))
      yield* does(() => page.getByRole("button", { name: "Save" }).click())
      yield* does(() => page.getByRole("button", { name: "History: the boiler was serviced in June" }).click())
      const versions = page.getByRole("list", { name: "Versions" }).getByRole("listitem")
      yield* does(() => versions.nth(1).waitFor())
      assert.match((yield* does(() => versions.allInnerTexts())).join("\n"), /May.*\n.*June/)

      // Before anything was saved, nothing was so.
      yield* does(() => page.getByLabel("As of").fill("2020-01-01"))
      yield* does(() => page.getByText("Nothing remembered.").waitFor())
      assert.deepStrictEqual(complaints, [])
    }))

  it.scopedLive("replay a conversation step by step, by the address too, and run nothing", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { complaints, page } = yield* openPage(address)
      yield* ask(page, "What is 6*7?")
      yield* ask(page, "What is 6*8?")
      yield* does(() => page.getByRole("button", { name: "Inspect" }).click())
      const slider = page.getByRole("slider", { name: /^Step/ })
      assert.strictEqual(yield* does(() => slider.getAttribute("aria-valuetext")), "8 of 8: the end, completed")
      // Keys of the slider: to the first step, and one on.
      yield* does(() => slider.press("Home"))
      yield* does(() => page.locator("#thread .tool").first().waitFor({ state: "detached" }))
      assert.strictEqual(yield* does(() => page.locator("#thread .question").count()), 1)
      assert.strictEqual(yield* does(() => page.locator("#thread .answer").count()), 0)
      yield* does(() => slider.press("ArrowRight"))
      yield* does(() => page.locator("#thread .tool.done").waitFor())
      assert.strictEqual(yield* does(() => slider.getAttribute("aria-valuetext")), "2 of 8: calculate, done")
      assert.include(page.url(), "?at=2")
      assert.deepStrictEqual(yield* audit(page), [])
      yield* does(() => page.reload())
      yield* does(() => page.locator("#thread .tool.done").waitFor())
      assert.strictEqual(yield* does(() => page.locator("#thread .answer").count()), 0)
      yield* does(() => slider.press("End"))
      yield* does(() => page.locator("#thread .answer").nth(1).waitFor())
      assert.notInclude(page.url(), "?at")
      // A question leads back to now.
      yield* does(() => slider.press("Home"))
      yield* does(() => page.getByLabel("Your message").fill("What is 6*9?"))
      yield* does(() => page.getByLabel("Your message").press("Enter"))
      yield* does(() => page.locator("#thread .finish").nth(2).waitFor())
      assert.deepStrictEqual(complaints, [])
    }))

  it.scopedLive("list the latest conversations by their last answer, and more on demand", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const post = (where: string, body: object) =>
        does(async () => {
          const headers = { "content-type": "application/json" }
          const sent = { method: "POST", headers, body: JSON.stringify(body) }
          return (await fetch(`${address}/api/conversations${where}`, sent)).json()
        })
      const isRunning = (id: string) =>
        does(async () => (await (await fetch(`${address}/api/conversations/${id}`)).json()).summary.running)
      const askIn = (id: string, question: string) =>
        post(`/${id}/runs`, { question, attachments: [] }).pipe(
          Effect.zipRight(Effect.repeat(isRunning(id), { until: (running) => running === false })),
          Effect.as(id)
        )
      const [oldest = ""] = yield* Effect.forEach(
        Array.from({ length: 60 }, (_, index) => `What is ${index}+1?`),
        (question) => Effect.flatMap(post("", {}), ({ id }) => askIn(String(id), question))
      )
      const { complaints, page } = yield* openPage(address)
      const list = page.getByRole("navigation", { name: "Conversations" })
      const lines = list.getByRole("listitem")
      yield* does(() => lines.nth(49).waitFor())
      assert.strictEqual(yield* does(() => lines.count()), 50)
      yield* does(() => list.getByRole("button", { name: "Load more" }).click())
      yield* does(() => lines.nth(59).waitFor())
      assert.strictEqual(yield* does(() => lines.count()), 60)
      yield* does(() => list.getByRole("button", { name: "Load more" }).waitFor({ state: "detached" }))
      assert.isTrue(yield* does(() => lines.nth(49).evaluate((line) => line.contains(document.activeElement))))
      // An old one in which something is asked is the first of them, also for who comes later.
      yield* askIn(oldest, "What is 6*7?")
      const first = lines.first().getByRole("link", { name: "What is 0+1?" })
      yield* does(() => first.waitFor())
      yield* does(() => page.reload())
      yield* does(() => first.waitFor())
      assert.deepStrictEqual(complaints, [])
    }))

  it.scopedLive("find a conversation by what was said in it", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { complaints, page } = yield* openPage(address)
      yield* ask(page, "What is 6*7?")
      yield* does(() => page.getByRole("link", { name: "New conversation" }).click())
      yield* ask(page, "Remember that the bicycle is in the cellar")
      const list = page.getByRole("navigation", { name: "Conversations" })
      const search = list.getByLabel("Search conversations")
      // The answer says it, the question does not.
      yield* does(() => search.fill("42"))
      yield* does(() => list.getByText("Remember that").waitFor({ state: "detached" }))
      yield* does(() => list.getByRole("link", { name: /^What is 6\*7\?/ }).click())
      yield* does(() => page.locator(".answer").getByText("42").first().waitFor())
      yield* does(() => search.fill("nowhere at all"))
      yield* does(() => list.getByText("Nothing found.").waitFor())
      yield* does(() => search.fill(""))
      yield* does(() => list.getByText("Remember that").waitFor())
      assert.deepStrictEqual(complaints, [])
    }))
})
