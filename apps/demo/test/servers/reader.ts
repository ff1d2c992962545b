/** What a person does at the page. */
import * as Effect from "effect/Effect"
import type { Locator, Page } from "playwright-core"

export const does = <A>(work: () => Promise<A>): Effect.Effect<A> => Effect.promise(work)

/** The page hears the server. */
export const live = (page: Page) => does(() => page.getByText("Live", { exact: true }).waitFor())

export const send = (page: Page, question: string) =>
  does(async () => {
    await page.getByLabel("Your message").fill(question)
    await page.getByLabel("Your message").press("Enter")
  })

/** Waits until so many answers have ended. */
export const finished = (page: Page, count: number) => does(() => page.locator(".finish").nth(count - 1).waitFor())

/** What is pressed the moment that a question appears decides nothing: waits until it does. */
export const pause = (page: Page) =>
  does(async () => {
    const shown = await page.evaluate(() => performance.now())
    await page.waitForFunction((begun) => performance.now() - begun > 600, shown)
  })

export const isFocused = (place: Locator) => does(() => place.evaluate((element) => element === document.activeElement))

const FURTHEST = 150

/** Presses Tab until the place has the focus; fails where no number of presses leads there. */
export const tabTo = (page: Page, place: Locator, key: "Tab" | "Shift+Tab" = "Tab") =>
  does(async () => {
    await place.waitFor()
    for (let pressed = 0; pressed < FURTHEST; pressed++) {
      // oxlint-disable-next-line no-await-in-loop
      await page.keyboard.press(key)
      // oxlint-disable-next-line no-await-in-loop
      if (await place.evaluate((element) => element === document.activeElement)) return
    }
    throw new Error(`no ${key} leads to ${String(place)}`)
  })

/** Goes there with Tab alone, and presses it. */
export const press = (page: Page, place: Locator) =>
  Effect.zipRight(tabTo(page, place), does(() => page.keyboard.press("Enter")))
