/** Several tabs of one browser, connections that break, and reading while an answer grows. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { connect, createServer, type Socket } from "node:net"
import type { AddressInfo } from "node:net"
import type { BrowserContext, Page } from "playwright-core"
import { missingBrowser, openContext, openPage, openTab } from "./servers/browser.ts"
import { startDemo, temporaryFolder } from "./servers/demo.ts"
import { end, modelServer, text } from "./servers/model.ts"

const does = <A>(work: () => Promise<A>) => Effect.promise(work)

const send = (page: Page, question: string) =>
  does(async () => {
    await page.getByLabel("Your message").fill(question)
    await page.getByLabel("Your message").press("Enter")
  })

/** Passes connections on to a port, counts what is asked for, and can cut all of them. */
const wire = (port: number) =>
  Effect.acquireRelease(
    does(async () => {
      const sockets = new Set<Socket>()
      let asked = ""
      const server = createServer((from) => {
        const to = connect(port, "127.0.0.1")
        for (const [one, other] of [[from, to], [to, from]] as const) {
          sockets.add(one)
          one.on("close", () => {
            sockets.delete(one)
            other.destroy()
          })
          one.on("error", () => other.destroy())
        }
        from.on("data", (bytes) => asked += bytes.toString("latin1"))
        // The server answers to its own name alone.
        from.on("data", (bytes) => to.write(bytes.toString("latin1").replaceAll(String(own()), String(port)), "latin1"))
        to.pipe(from)
      })
      const own = () => (server.address() as AddressInfo).port
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return {
        address: `http://127.0.0.1:${own()}`,
        cut: () => sockets.forEach((socket) => socket.destroy()),
        streams: () => asked.split("GET /api/events").length - 1,
        close: () => {
          server.close()
          sockets.forEach((socket) => socket.destroy())
        }
      }
    }),
    ({ close }) => Effect.sync(close)
  )

const live = (page: Page) => does(() => page.getByText("Live", { exact: true }).waitFor())

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

  it.scopedLive("go on after the last event when the connection breaks, and say so", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const demo = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { address, cut } = yield* wire(Number(new URL(demo.address).port))
      const { page } = yield* openPage(address)
      yield* live(page)
      yield* send(page, "Count")
      let expected = ""
      for (const round of [1, 2, 3]) {
        const words = Array.from({ length: 20 }, (_, index) => `${round}.${index} `)
        yield* model.send(...words.slice(0, 10).map((word) => text(word)))
        yield* does(() => page.locator(".answer").getByText(`${round}.9`).waitFor())
        cut()
        yield* model.send(...words.slice(10).map((word) => text(word)))
        yield* does(() => page.locator(".answer").getByText(`${round}.19`).waitFor())
        yield* does(() => page.getByText(/^Resumed at event \d+\. Nothing was lost\.$/).first().waitFor())
        expected += words.join("")
      }
      assert.strictEqual((yield* does(() => page.locator(".answer").innerText())).trim(), expected.trim())
      yield* model.finish(end("stop"))
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

describe.skipIf(missingBrowser !== undefined)(`the reader${missingBrowser ?? ""}`, () => {
  it.scopedLive("is not moved while reading, and follows again by one button", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { page } = yield* openPage(address)
      const log = page.getByRole("log")
      const top = () => does(() => log.evaluate((element) => Math.round(element.scrollTop)))
      yield* send(page, "Tell me much")
      yield* model.send(...paragraphs(0))
      yield* does(() => page.getByText("Paragraph 29 of").waitFor({ state: "attached" }))
      // The question stays in sight: the answer has grown past the end of the view.
      assert.isTrue(yield* does(() => page.locator(".question").isVisible()))
      yield* does(() => page.locator(".question p").hover())
      yield* does(() => log.focus())
      yield* does(() => page.keyboard.press("End"))
      // Browsers move there in steps.
      const isAbove = (pixels: number) =>
        does(() =>
          page.waitForFunction((above) => {
            const { clientHeight, scrollHeight, scrollTop } = document.querySelector("#thread")!
            return Math.abs(scrollHeight - clientHeight - scrollTop - above) <= 2
          }, pixels)
        )
      yield* isAbove(0)
      yield* does(() => page.mouse.wheel(0, -120))
      yield* isAbove(120)
      yield* does(() => page.getByRole("button", { name: /Latest|new below/ }).waitFor())
      const before = yield* top()
      yield* model.send(...paragraphs(30))
      yield* does(() => page.getByText("Paragraph 59 of").waitFor({ state: "attached" }))
      assert.strictEqual(yield* top(), before)
      yield* does(() => page.getByRole("button", { name: /Latest|new below/ }).click())
      yield* model.finish(text("The end."), end("stop"))
      yield* does(() => page.locator(".finish").waitFor())
      assert.isTrue(
        yield* does(() =>
          log.evaluate(({ clientHeight, scrollHeight, scrollTop }) => scrollTop + clientHeight >= scrollHeight - 2)
        )
      )
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
