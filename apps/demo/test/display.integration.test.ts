/** The page as people set their screens: forced colours, less motion, large letters, 320 px. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import path from "node:path"
import type { Page } from "playwright-core"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { startDemo, temporaryFolder } from "./servers/demo.ts"
import { call, end, modelServer, text } from "./servers/model.ts"
import { does, finished, live, send } from "./servers/reader.ts"

const sales = path.resolve(import.meta.dirname, "../../../examples/sales.csv")

const wide =
  "| month | sum of everything that was sold there | and another long heading | 1 | 2 |\n|---|---|---|---|---|\n" +
  "| March | 12 | 13 | 14 | 15 |\n\n```js\nconst aVeryLongNameThatDoesNotBreak = aVeryLongNameThatDoesNotBreak2 + 123456789\n```\n\n" +
  `${"w".repeat(300)} https://example.com/${"path/".repeat(40)}`

/** A conversation in which everything has happened, with a call that waits. */
const everything = Effect.gen(function*() {
  const data = yield* temporaryFolder
  const model = yield* modelServer
  const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
  const { page } = yield* openPage(address, 320)
  yield* live(page)
  yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
  yield* send(page, `Two sums, please, ${"and".repeat(60)}`)
  yield* model.finish(
    call(0, "a", "calculate", "{\"expression\":\"2+3\"}"),
    call(1, "b", "calculate", "{\"expression\":\"7*\"}"),
    end("tool_calls")
  )
  yield* model.finish(text(wide), end("stop"))
  yield* finished(page, 1)
  yield* send(page, "And by code")
  yield* model.finish(
    call(0, "c", "run_code", `{"language":"javascript","code":"${"x".repeat(400)}"}`),
    end("tool_calls")
  )
  yield* does(() => page.locator(".tool.waiting").waitFor())
  return page
})

/** What is wider than its place: the page as a whole, the thread, a dialog. */
const sideways = (page: Page) =>
  does(() =>
    page.evaluate(() =>
      [document.documentElement, ...document.querySelectorAll("main, #thread, dialog[open], #inspector, .sidebar")]
        .filter((place) => place.scrollWidth > place.clientWidth + 1)
        .map((place) => `${place.tagName} ${place.id} ${place.scrollWidth} in ${place.clientWidth}`)
    )
  )

const fits = (page: Page, state: string) =>
  Effect.map(sideways(page), (found) => assert.deepStrictEqual(found, [], state))

describe.skipIf(missingBrowser !== undefined)(`on 320 px${missingBrowser ?? ""}`, () => {
  it.scopedLive("nothing scrolls sideways but tables and code in their own boxes, in any panel or dialog", () =>
    Effect.gen(function*() {
      const page = yield* everything
      for (const summary of yield* does(() => page.locator("#thread summary").all())) {
        yield* does(() => summary.evaluate((element) => (element.parentElement as HTMLDetailsElement).open = true))
      }
      yield* does(() => page.getByRole("group", { name: "Table" }).last().waitFor())
      yield* fits(page, "the thread, everything open")
      yield* does(() => page.getByRole("button", { name: "Conversations" }).click())
      yield* fits(page, "the drawer")
      yield* does(() => page.keyboard.press("Escape"))
      yield* does(() => page.getByRole("button", { name: "Settings" }).click())
      yield* fits(page, "settings")
      yield* does(() => page.keyboard.press("Escape"))
      yield* does(() => page.getByRole("button", { name: "Inspect" }).click())
      const panels = yield* does(() => page.locator("#inspector .tabs a").allInnerTexts())
      assert.isAtLeast(panels.length, 4)
      for (const panel of panels) {
        yield* does(() => page.locator("#inspector").getByRole("link", { name: panel }).click())
        yield* does(() => page.locator("#inspector h2").getByText(panel).waitFor())
        yield* does(() => page.locator("#inspector > [aria-busy=true]").waitFor({ state: "detached" }))
        yield* fits(page, panel)
      }
    }))

  it.scopedLive("and 256 px, a desk at 400 %, the thread can be read and the message can be written", () =>
    Effect.gen(function*() {
      const page = yield* everything
      yield* does(() => page.setViewportSize({ width: 320, height: 256 }))
      yield* fits(page, "400 %")
      const height = yield* does(() => page.locator("#thread").evaluate(({ clientHeight }) => clientHeight))
      // Five lines.
      assert.isAtLeast(height, 130)
      const field = page.getByLabel("Your message")
      yield* does(() => field.scrollIntoViewIfNeeded())
      yield* does(() => field.fill("written at 400 %"))
      const box = yield* does(() => field.boundingBox())
      assert.isTrue(box !== null && box.y >= 0 && box.y + box.height <= 256)
    }))
})

/** What could not be told apart: controls without an edge, and what is chosen without a mark. */
const unmarked = (page: Page) =>
  does(() =>
    page.evaluate(() => {
      // Only what is in this function is known to the page.
      // oxlint-disable-next-line unicorn/consistent-function-scoping
      const isSeen = (element: Element) => element.checkVisibility() && element.getBoundingClientRect().width > 0
      const edges = [...document.querySelectorAll("button, textarea, select, input:not([type=file]), .tool, .question")]
        .filter(isSeen)
        .filter((element) => {
          const { backgroundColor, borderTopColor, borderTopStyle, borderTopWidth } = getComputedStyle(element)
          const isControl = element instanceof HTMLInputElement && element.type === "checkbox"
          return !isControl &&
            (Number.parseFloat(borderTopWidth) === 0 || borderTopStyle === "none" || borderTopColor === backgroundColor)
        })
      const chosen = [...document.querySelectorAll("[aria-current]")].filter(isSeen)
        .filter((element) => Number.parseFloat(getComputedStyle(element).borderTopWidth) === 0)
      const bars = [...document.querySelectorAll(".bar")].filter(isSeen).filter((bar) => {
        const lane = bar.parentElement
        return lane === null || getComputedStyle(bar).backgroundColor === getComputedStyle(lane).backgroundColor
      })
      return [...edges, ...chosen, ...bars].map((element) => element.outerHTML.slice(0, 120))
    })
  )

/** The outline of what has the focus. */
const ring = (page: Page) =>
  does(() =>
    page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement!)
      return outlineStyle === "none" ? 0 : Number.parseFloat(outlineWidth)
    })
  )

describe.skipIf(missingBrowser !== undefined)(`people's settings${missingBrowser ?? ""}`, () => {
  it.scopedLive("forced colours keep edges, marks, bars and the focus", () =>
    Effect.gen(function*() {
      const page = yield* everything
      yield* does(() => page.setViewportSize({ width: 1280, height: 800 }))
      yield* does(() => page.emulateMedia({ forcedColors: "active" }))
      yield* does(() => page.getByRole("button", { name: "Inspect" }).click())
      yield* does(() => page.getByRole("list", { name: "Timeline" }).waitFor())
      assert.deepStrictEqual(yield* unmarked(page), [])
      for (let pressed = 0; pressed < 25; pressed++) {
        yield* does(() => page.keyboard.press("Tab"))
        assert.isAtLeast(yield* ring(page), 2)
      }
    }))

  it.scopedLive("less motion: nothing moves by itself, glides or scrolls smoothly", () =>
    Effect.gen(function*() {
      const page = yield* everything
      yield* does(() => page.emulateMedia({ reducedMotion: "reduce" }))
      yield* does(() => page.getByRole("button", { name: "Inspect" }).click())
      const moving = yield* does(() =>
        page.evaluate(() =>
          [...document.querySelectorAll("*")].filter((element) => {
            const { animationName, scrollBehavior, transitionDuration } = getComputedStyle(element)
            return animationName !== "none" || scrollBehavior === "smooth" ||
              transitionDuration.split(",").some((part) => Number.parseFloat(part) > 0)
          }).map((element) => element.outerHTML.slice(0, 120))
        )
      )
      assert.deepStrictEqual(moving, [])
      assert.strictEqual(yield* does(() => page.evaluate(() => document.getAnimations().length)), 0)
    }))
})
