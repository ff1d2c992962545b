/** Several tabs of one browser, connections that break, and reading while an answer grows. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { randomInt } from "node:crypto"
import type { BrowserContext, Page } from "playwright-core"
import { missingBrowser, openContext, openPage, openTab } from "./servers/browser.ts"
import { startDemo, temporaryFolder } from "./servers/demo.ts"
import { call, end, modelServer, text } from "./servers/model.ts"
import { does, live, pause, send } from "./servers/reader.ts"
import { wire } from "./servers/wire.ts"

const openTabs = (context: BrowserContext, address: string, count: number) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.map(openTab(context, address), ({ page }) => page))

describe.skipIf(missingBrowser !== undefined)(`tabs${missingBrowser ?? ""}`, () => {
  it.scopedLive("share one event stream, show the same, and the next one goes on when the listening one is closed", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const demo = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { address, streams } = yield* wire(Number(new URL(demo.address).port))
      const context = yield* openContext()
      const [first] = yield* openTabs(context, address, 1)
      yield* live(first!)
      yield* send(first!, "Tell me a story")
      yield* model.send(text("Once upon a time"))
      yield* does(() => first!.getByText("Once upon a time").waitFor())
      // A browser has six connections to a server: with a stream in each of seven tabs nothing else would get through.
      const others = yield* openTabs(context, first!.url(), 6)
      for (const page of others) yield* does(() => page.getByText("Once upon a time").waitFor())
      yield* Effect.forEach(others, live)
      assert.strictEqual(streams(), 1)
      yield* model.send(text(" there was a rope"))
      for (const page of [first!, ...others]) yield* does(() => page.getByText("there was a rope").waitFor())
      yield* does(() => first!.close())
      yield* model.send(text(" of many strands"))
      for (const page of others) yield* does(() => page.getByText("of many strands").waitFor())
      assert.strictEqual(streams(), 2)
      // Stop works in any of them.
      yield* does(() => others[3]!.getByRole("button", { name: "Stop" }).click())
      yield* model.abandoned
      for (const page of others) yield* does(() => page.getByText("You stopped this after").waitFor())
      const shown = yield* Effect.forEach(others, (page) => does(() => page.getByRole("log").innerText()))
      assert.strictEqual(new Set(shown).size, 1)
    }))

  it.scopedLive("go on after the last event when the connection breaks at any moment, and say its number", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const demo = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { address, cut } = yield* wire(Number(new URL(demo.address).port))
      const { page } = yield* openPage(address)
      yield* live(page)
      yield* send(page, "Count")
      yield* model.send(text("Counting: "))
      yield* does(() => page.getByText("Counting:").waitFor())
      const id = new URL(page.url()).pathname.split("/").at(-1)!
      const { page: uncut } = yield* openPage(`${demo.address}/c/${id}`)
      const lastEvent = () =>
        does(async () => {
          const { at } = await (await fetch(`${demo.address}/api/conversations/${id}`)).json()
          return Number(String(at).split(".")[1])
        })
      let count = 0
      const word = () => text(`word${++count}${randomInt(5) === 0 ? "\n\n" : " "}`)
      const some = () => Array.from({ length: 1 + randomInt(12) }, word)
      const arrived = (at: Page) => does(() => at.locator(".answer").getByText(`word${count}`).last().waitFor())
      for (let round = 0; round < 10; round++) {
        yield* model.send(...some())
        yield* arrived(page)
        const number = yield* lastEvent()
        cut()
        yield* model.send(...some())
        yield* does(() => page.getByText(`Resumed at event ${number}. Nothing was lost.`).first().waitFor())
        yield* arrived(page)
      }
      yield* model.finish(call(0, "a", "calculate", "{\"expression\":\"2+3\"}"), end("tool_calls"))
      yield* model.finish(text("Done."), end("stop"))
      yield* Effect.forEach([page, uncut], (at) => does(() => at.locator(".finish").waitFor()))
      // Every word of it, in the same elements.
      const shown = yield* Effect.forEach([page, uncut], (at) => does(() => at.getByRole("log").innerHTML()))
      assert.strictEqual(shown[0], shown[1])
      const words = (yield* does(() => page.locator(".answer").allInnerTexts())).join(" ").match(/word\d+/g)
      assert.deepStrictEqual(words, Array.from({ length: count }, (_, index) => `word${index + 1}`))
    }))

  it.scopedLive("ask for one decision between them, and it is carried out once", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const context = yield* openContext()
      const [first] = yield* openTabs(context, address, 1)
      yield* live(first!)
      yield* send(first!, "By code, please")
      yield* model.finish(
        call(0, "a", "run_code", "{\"language\":\"javascript\",\"code\":\"6*7\"}"),
        end("tool_calls")
      )
      yield* does(() => first!.locator(".tool.waiting").waitFor())
      const [second] = yield* openTabs(context, first!.url(), 1)
      const tabs = [first!, second!]
      yield* Effect.forEach(tabs, (page) => does(() => page.locator(".tool.waiting").waitFor()))
      yield* Effect.forEach(tabs, pause)
      // Both hands at once; the one that comes second may find the button gone.
      yield* does(() =>
        Promise.allSettled(
          tabs.map((page) => page.getByRole("button", { name: "Run it", exact: true }).click({ timeout: 2000 }))
        )
      )
      yield* model.finish(text("It is 42."), end("stop"))
      yield* Effect.forEach(tabs, (page) => does(() => page.getByText("It is 42.").waitFor()))
      assert.strictEqual(model.requests.length, 2)
      assert.strictEqual(yield* does(() => first!.locator(".tool").count()), 1)
      const shown = yield* Effect.forEach(tabs, (page) => does(() => page.getByRole("log").innerText()))
      assert.strictEqual(shown[0], shown[1])
    }))

  it.scopedLive("lose nothing that happens while the conversation they read is on its way", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { page } = yield* openPage(address)
      yield* live(page)
      yield* send(page, "What is 1+1?")
      yield* does(() => page.locator(".answer").getByText("1+1 = 2").waitFor())
      const id = new URL(page.url()).pathname.split("/").at(-1)!
      const held = yield* Deferred.make<void>()
      // The server answers at once, the answer arrives after the next question has been answered.
      yield* does(() =>
        page.route(`**/api/conversations/${id}`, async (route) => {
          const response = await route.fetch()
          await Effect.runPromise(Deferred.await(held))
          await route.fulfill({ response })
        })
      )
      const read = page.waitForRequest(`**/api/conversations/${id}`)
      yield* does(() => page.reload())
      yield* does(() => read)
      yield* live(page)
      yield* send(page, "What is 6*7?")
      const isAnswered = async () => {
        const { blocks } = await (await fetch(`${address}/api/conversations/${id}`)).json()
        return blocks.filter(({ type }: { readonly type: string }) => type === "finish").length === 2
      }
      yield* Effect.repeat(does(isAnswered), { until: (answered) => answered })
      yield* Deferred.succeed(held, undefined)
      yield* does(() => page.locator(".answer").getByText("6*7 = 42").waitFor())
      assert.strictEqual(yield* does(() => page.locator(".question").count()), 2)
    }))

  it.scopedLive("keep a complaint when what was begun before it succeeds", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { page } = yield* openPage(address)
      yield* live(page)
      yield* send(page, "What is 1+1?")
      yield* does(() => page.locator(".answer").getByText("1+1 = 2").waitFor())
      const conversation = page.url()
      const held = yield* Deferred.make<void>()
      yield* does(() =>
        page.route(`**/api/conversations/${new URL(conversation).pathname.split("/").at(-1)}`, async (route) => {
          await Effect.runPromise(Deferred.await(held))
          await route.continue()
        })
      )
      yield* does(() => page.getByRole("link", { name: "New conversation" }).click())
      yield* does(() => page.goBack())
      yield* does(() =>
        page.locator("input[type=file]").setInputFiles({
          name: "empty.csv",
          mimeType: "text/csv",
          buffer: Buffer.alloc(0)
        })
      )
      const complaint = page.getByRole("alert").getByText("empty.csv")
      yield* does(() => complaint.waitFor())
      yield* Deferred.succeed(held, undefined)
      yield* does(() => page.locator(".answer").getByText("1+1 = 2").waitFor())
      assert.isTrue(yield* does(() => complaint.isVisible()))
    }))
})

const paragraphs = (from: number) =>
  Array.from({ length: 30 }, (_, index) => text(`Paragraph ${from + index} of a long answer.\n\n`))

/** Drags with a finger that rests before it is lifted. */
const drag = (page: Page, down: number) =>
  does(async () => {
    const client = await page.context().newCDPSession(page)
    const touch = (type: "touchStart" | "touchMove" | "touchEnd", y: number) =>
      client.send("Input.dispatchTouchEvent", { type, touchPoints: type === "touchEnd" ? [] : [{ x: 700, y }] })
    await touch("touchStart", 300)
    // oxlint-disable-next-line no-await-in-loop
    for (let moved = 10; moved <= down; moved += 10) await touch("touchMove", 300 + moved)
    for (let rest = 0; rest < 3; rest++) {
      // oxlint-disable-next-line no-await-in-loop
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)))
      // oxlint-disable-next-line no-await-in-loop
      await touch("touchMove", 300 + down)
    }
    await touch("touchEnd", 300 + down)
  })

/** Every way to go up that a browser knows. */
const ways: Readonly<Record<string, (page: Page) => Effect.Effect<unknown>>> = {
  "the wheel": (page) => does(() => page.mouse.wheel(0, -120)),
  "PageUp": (page) => does(() => page.keyboard.press("PageUp")),
  "a finger": (page) => drag(page, 150),
  // Headless browsers draw no scrollbar; one that is dragged sets the offset in the same way.
  "the scrollbar": (page) => does(() => page.getByRole("log").evaluate((log) => log.scrollBy(0, -150)))
}

describe.skipIf(missingBrowser !== undefined)(`the reader${missingBrowser ?? ""}`, () => {
  it.scopedLive("is not moved while reading, however the end was left, and follows again by End or one button", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { page } = yield* Effect.flatMap(openContext({ hasTouch: true }), (context) => openTab(context, address))
      yield* live(page)
      const log = page.getByRole("log")
      const top = () => does(() => log.evaluate((element) => Math.round(element.scrollTop)))
      yield* send(page, "Tell me much")
      yield* model.send(...paragraphs(0))
      yield* does(() => page.getByText("Paragraph 29 of").waitFor({ state: "attached" }))
      // The question stays in sight: the answer has grown past the end of the view.
      assert.isTrue(yield* does(() => page.locator(".question").isVisible()))
      yield* does(() => page.locator(".question p").hover())
      // Browsers move there in steps.
      const isAtEnd = does(() =>
        page.waitForFunction(() => {
          const { clientHeight, scrollHeight, scrollTop } = document.querySelector("#thread")!
          return scrollHeight - clientHeight - scrollTop <= 2
        })
      )
      const isStill = does(() =>
        page.waitForFunction(() => {
          const { scrollTop } = document.querySelector("#thread")!
          const { dataset } = document.documentElement
          const isSame = dataset["before"] === String(scrollTop)
          dataset["before"] = String(scrollTop)
          dataset["frames"] = String(isSame ? Number(dataset["frames"] ?? 0) + 1 : 0)
          return Number(dataset["frames"]) > 10
        })
      )
      let sent = 30
      for (const [way, goUp] of Object.entries(ways)) {
        yield* does(() => log.focus())
        yield* does(() => page.keyboard.press("End"))
        yield* isAtEnd
        // Whoever is at the end stays there.
        yield* model.send(...paragraphs(sent))
        sent += 30
        yield* does(() => page.getByText(`Paragraph ${sent - 1} of`).waitFor({ state: "attached" }))
        yield* isAtEnd
        yield* goUp(page)
        yield* does(() => page.getByRole("button", { name: /Latest|new below/ }).waitFor())
        yield* isStill
        const before = yield* top()
        yield* model.send(...paragraphs(sent))
        sent += 30
        yield* does(() => page.getByText(`Paragraph ${sent - 1} of`).waitFor({ state: "attached" }))
        assert.strictEqual(yield* top(), before, way)
      }
      yield* does(() => page.getByRole("button", { name: /Latest|new below/ }).click())
      yield* model.finish(text("The end."), end("stop"))
      yield* does(() => page.locator(".finish").waitFor())
      yield* isAtEnd
    }))

  it.scopedLive("writes with an input method: the Enter that ends a composition sends nothing", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { page } = yield* openPage(address)
      const field = page.getByLabel("Your message")
      const client = yield* does(() => page.context().newCDPSession(page))
      yield* does(() => field.focus())
      yield* does(() => client.send("Input.imeSetComposition", { text: "かん", selectionStart: 2, selectionEnd: 2 }))
      // What a browser sends for a key that its input method has taken.
      yield* does(() =>
        client.send("Input.dispatchKeyEvent", {
          type: "rawKeyDown",
          key: "Enter",
          code: "Enter",
          windowsVirtualKeyCode: 229
        })
      )
      yield* does(() => client.send("Input.insertText", { text: "漢" }))
      assert.include(yield* does(() => field.inputValue()), "漢")
      assert.strictEqual(yield* does(() => page.locator(".question").count()), 0)
      yield* does(() => field.press("Shift+Enter"))
      yield* does(() => page.keyboard.type("and a line"))
      yield* does(() => page.waitForFunction(() => performance.now() > 1000))
      yield* does(() => field.press("Enter"))
      yield* does(() => page.locator(".question").getByText("and a line").waitFor())
    }))
})
