/** axe-core's rules over a page, in both themes and on a desk and a phone; and that nothing is wider than 320 px. */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import type { Page } from "playwright-core"

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

interface Found {
  readonly violations: ReadonlyArray<{
    readonly id: string
    readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary?: string }>
  }>
}

/** Only evaluated code may run: the page's own policy refuses scripts that are added to it. */
const run = async (page: Page): Promise<ReadonlyArray<string>> => {
  if (!await page.evaluate("'axe' in globalThis")) await page.evaluate(source)
  const { violations } = await page.evaluate<Found>(`axe.run(document, { runOnly: ${JSON.stringify(tags)} })`)
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ failureSummary = "", html }) => `${id}: ${html}\n${failureSummary}`)
  )
}

const looks = [1280, 390].flatMap((width) =>
  (["light", "dark"] as const).map((colorScheme) => ({ width, colorScheme }))
)

const auditAs =
  (page: Page) => async ({ colorScheme, width }: typeof looks[number]): Promise<ReadonlyArray<string>> => {
    await page.setViewportSize({ width, height: 800 })
    await page.emulateMedia({ colorScheme })
    const found = await run(page)
    const isWider = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)
    return [...found, ...isWider ? ["scrolls sideways"] : []].map((problem) => `${colorScheme}, ${width}: ${problem}`)
  }

/** What scrolls sideways where a phone is small, or letters are four times as large. */
const sideways = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.setViewportSize({ width: 320, height: 800 })
  return page.evaluate(() =>
    [document.documentElement, ...document.querySelectorAll("main, #thread, dialog[open], #inspector")]
      .filter((place) => place.scrollWidth > place.clientWidth + 1)
      .map(({ id, scrollWidth, tagName }) => `320: ${tagName} ${id} is ${scrollWidth} wide`)
  )
}

/** What is wrong with the page as it is now; it is left as wide and as bright as it was. */
export const audit = (page: Page): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const before = page.viewportSize()
    const found = yield* Effect.forEach(looks, (look) => Effect.promise(() => auditAs(page)(look)))
    const wide = yield* Effect.promise(() => sideways(page))
    yield* Effect.promise(async () => {
      if (before !== null) await page.setViewportSize(before)
      await page.emulateMedia({ colorScheme: "light" })
    })
    return [...found.flat(), ...wide]
  })
