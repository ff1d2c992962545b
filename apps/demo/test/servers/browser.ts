/** Headless Chromium from npm: nothing to install on the machine, and no download at run time. */
import chromiumPackage from "@sparticuz/chromium"
import * as Effect from "effect/Effect"
import { chromium, type Page } from "playwright-core"

/** Chromium's flags that keep it from talking to anybody but the page's own server. */
const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

const executable = process.env["SENNIT_CHROMIUM"]

const launch = async () => {
  const executablePath = executable ?? await chromiumPackage.executablePath()
  return chromium.launch({ executablePath, args: quiet, headless: true })
}

/** Why there is no browser here, or undefined when there is one; behind a suite's name it says why that is skipped; under SENNIT_REQUIRE_SERVERS=1 that is a failure. */
export const missingBrowser = await launch().then(
  async (browser) => {
    await browser.close()
    return undefined
  },
  (cause: unknown) => {
    if (process.env["SENNIT_REQUIRE_SERVERS"] === "1") throw cause
    return " (Chromium does not start here: `apt-get install chromium` and set SENNIT_CHROMIUM=/usr/bin/chromium)"
  }
)

export interface BrowserPage {
  readonly page: Page
  /** Everything the page complained about: console errors, policy violations, uncaught errors. */
  readonly complaints: ReadonlyArray<string>
  /** Requests to anything but the page's own origin. */
  readonly foreign: ReadonlyArray<string>
}

/** A page in a browser of its own, `width` pixels wide. */
export const openPage = (origin: string, width = 1280) =>
  Effect.acquireRelease(Effect.promise(launch), (browser) => Effect.promise(() => browser.close())).pipe(
    Effect.flatMap((browser) =>
      Effect.promise(async (): Promise<BrowserPage> => {
        const context = await browser.newContext({ locale: "en-US", viewport: { width, height: 800 } })
        const page = await context.newPage()
        const complaints: Array<string> = []
        const foreign: Array<string> = []
        page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
        page.on("pageerror", (error) => complaints.push(String(error)))
        page.on("request", (request) => request.url().startsWith(origin) || foreign.push(request.url()))
        await page.goto(origin)
        return { page, complaints, foreign }
      })
    )
  )
