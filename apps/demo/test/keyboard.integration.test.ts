/** Without a pointer, and without eyes: keys alone, and what a screen reader is told. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { startDemo, temporaryFolder } from "./servers/demo.ts"
import { call, end, modelServer, text } from "./servers/model.ts"
import { does, finished, isFocused, live, pause, press, send, tabTo } from "./servers/reader.ts"

/** Where the keys go; `body` is nowhere. */
const focus = (page: Page) => does(() => page.evaluate(() => document.activeElement?.tagName.toLowerCase()))

describe.skipIf(missingBrowser !== undefined)(`the keyboard${missingBrowser ?? ""}`, () => {
  it.scopedLive("is enough for a whole conversation: ask, open a tool, approve, forget, rotate, erase", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { complaints, page } = yield* openPage(address)
      const key = (name: string) => does(() => page.keyboard.press(name))
      yield* live(page)

      // Ask: the first Tab leads to a link that skips the list.
      yield* key("Tab")
      assert.isTrue(yield* isFocused(page.getByRole("link", { name: "Skip to the message field" })))
      yield* key("Enter")
      yield* does(() => page.keyboard.type("Remember the boiler, and work something out"))
      yield* key("Enter")
      yield* model.finish(
        call(0, "a", "remember", "{\"text\":\"the boiler was serviced in May\"}"),
        call(1, "b", "run_code", "{\"language\":\"javascript\",\"code\":\"6*7\"}"),
        end("tool_calls")
      )

      // Approve: what waits takes no focus, and one key leads there.
      yield* does(() => page.locator(".tool.waiting").waitFor())
      assert.isTrue(yield* isFocused(page.getByLabel("Your message")))
      yield* key("Alt+a")
      assert.isTrue(yield* isFocused(page.getByRole("button", { name: "Don't run it" })))
      yield* tabTo(page, page.getByRole("button", { name: "Run it", exact: true }))
      yield* pause(page)
      yield* key("Enter")
      yield* model.finish(text("It is **42**."), end("stop"))
      yield* finished(page, 1)
      assert.notStrictEqual(yield* focus(page), "body")

      // Open a tool: over the turns to the answer, then into it.
      yield* key("Alt+ArrowUp")
      yield* press(page, page.locator(".fold > summary"))
      yield* press(page, page.locator(".fold .tool > summary").last())
      assert.include(yield* does(() => page.locator(".fold .tool").last().innerText()), "6*7")

      // Forget: the keys stay in the panel when what they were at is gone.
      const inspector = page.locator("#inspector")
      yield* key("Control+.")
      yield* press(page, inspector.getByRole("link", { name: "Memory" }))
      yield* press(page, inspector.getByRole("button", { name: /^Forget: / }))
      yield* does(() => inspector.getByText("Nothing remembered.").waitFor())
      assert.isTrue(yield* does(() => inspector.evaluate((panel) => panel.contains(document.activeElement))))

      // Rotate.
      yield* press(page, inspector.getByRole("link", { name: "Sessions" }))
      const before = yield* does(() => inspector.locator(".keys code").first().innerText())
      const rotate = inspector.getByRole("button", { name: "Rotate now" })
      yield* press(page, rotate)
      yield* does(() => inspector.locator(".keys").getByText(before).waitFor({ state: "detached" }))
      assert.isTrue(yield* isFocused(rotate))

      // Erase; the browser's own question is answered by Enter.
      page.on("dialog", (question) => void question.accept())
      const erase = inspector.getByRole("button", { name: "Erase my data" })
      yield* press(page, erase)
      yield* does(() => inspector.getByText("Erased 1 conversations, 0 memories, 0 files; key destroyed.").waitFor())
      assert.isTrue(yield* isFocused(erase))
      yield* press(page, inspector.getByRole("button", { name: "Close the inspector" }))
      assert.notStrictEqual(yield* focus(page), "body")
      assert.deepStrictEqual(complaints, [])
    }))

  it.scopedLive("opens and leaves every dialog, and is back where it was", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { page } = yield* openPage(address, 390)
      yield* live(page)
      for (
        const [opener, dialog] of [
          ["Conversations", "Conversations"],
          ["Settings", "Keys and settings"],
          ["Inspect", "Inspector"]
        ] as const
      ) {
        const button = page.getByRole("button", { name: opener, exact: true })
        yield* press(page, button)
        const opened = page.getByRole("dialog", { name: dialog })
        yield* does(() => opened.waitFor())
        // Tab stays inside.
        for (let pressed = 0; pressed < 30; pressed++) yield* does(() => page.keyboard.press("Tab"))
        assert.isTrue(
          yield* does(() =>
            opened.evaluate((element) =>
              element.contains(document.activeElement) || document.activeElement === document.body
            )
          )
        )
        yield* does(() => page.keyboard.press("Escape"))
        yield* does(() => opened.waitFor({ state: "hidden" }))
        assert.isTrue(yield* isFocused(button), opener)
      }
    }))
})

/** Keeps what the page's status says, and when. */
const listen = () => {
  const said: Array<{ readonly text: string; readonly at: number }> = []
  const status = document.querySelector("[role=status]")!
  new MutationObserver(() => said.push({ text: status.textContent, at: performance.now() }))
    .observe(status, { childList: true, characterData: true, subtree: true })
  Object.assign(globalThis, { said })
}

describe.skipIf(missingBrowser !== undefined)(`a screen reader${missingBrowser ?? ""}`, () => {
  it.scopedLive("is told in order what happens, at most once in four seconds, and never reads growing text", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { page } = yield* openPage(address)
      yield* live(page)
      yield* does(() => page.evaluate(listen))
      const hears = (words: string) => does(() => page.getByRole("status").getByText(words).waitFor())
      const log = page.getByRole("log", { name: "Conversation" })
      const busy = () => does(() => log.getAttribute("aria-busy"))
      yield* send(page, "A sum, please")
      yield* model.send(text("Let me "), text("see."))
      yield* hears("Answering.")
      yield* does(() => page.getByText("Let me see.").waitFor())
      assert.strictEqual(yield* busy(), "true")
      assert.strictEqual(yield* does(() => log.getAttribute("aria-live")), "off")
      // The tree that a screen reader gets while the text grows.
      const tree = yield* does(() => page.locator("main").ariaSnapshot())
      assert.match(tree, /heading "A sum, please" \[level=1\]/)
      assert.match(tree, /log "Conversation":[^]*article "You, \d\d:\d\d":[^]*article "Sennit, \d\d:\d\d":/)
      assert.match(tree, /button "Stop"/)
      assert.match(tree, /status: Answering\./)
      yield* model.finish(call(0, "a", "run_code", "{\"language\":\"javascript\",\"code\":\"6*7\"}"), end("tool_calls"))
      yield* hears("Waiting for your approval: run_code. Press Alt+A to go to it.")
      yield* does(() => page.getByRole("button", { name: "Run it", exact: true }).click())
      yield* model.finish(text("It is 42."), end("stop"))
      yield* hears("Answer finished")
      assert.strictEqual(yield* busy(), "false")
      const said = yield* does(() =>
        page.evaluate<ReadonlyArray<{ readonly text: string; readonly at: number }>>("globalThis.said")
      )
      assert.strictEqual(said[0]?.text, "Answering.")
      assert.match(said.at(-1)?.text ?? "", /^Answer finished/)
      for (const [index, { at }] of said.entries()) {
        if (index > 0) assert.isAtLeast(at - said[index - 1]!.at, 3900)
      }
      // Nothing else on the page speaks by itself.
      assert.strictEqual(yield* does(() => page.locator("[aria-live=polite], [aria-live=assertive]").count()), 0)
      assert.strictEqual(yield* does(() => page.getByRole("status").count()), 1)
    }))
})
