/** Headless Chromium from npm: nothing to install on the machine, and no download at run time. */
import chromiumPackage from "@sparticuz/chromium"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { afterAll } from "vitest"

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

/** One browser for all tests of a file; each page is in a context of its own, as if in a browser of its own. */
const launched = await launch().then(
  (browser) => ({ browser, missing: undefined }),
  (cause: unknown) => {
    if (process.env["SENNIT_REQUIRE_SERVERS"] === "1") throw cause
    const missing =
      " (Chromium does not start here: `apt-get install chromium` and set SENNIT_CHROMIUM=/usr/bin/chromium)"
    return { browser: undefined, missing }
  }
)

afterAll(() => launched.browser?.close())

/** Why there is no browser here, or undefined when there is one; behind a suite's name it says why that is skipped; under SENNIT_REQUIRE_SERVERS=1 that is a failure. */
export const missingBrowser = launched.missing

export interface BrowserPage {
  readonly page: Page
  /** Everything the page complained about: console errors, policy violations, uncaught errors. */
  readonly complaints: ReadonlyArray<string>
  /** Requests to anything but the page's own origin. */
  readonly foreign: ReadonlyArray<string>
}

const newContext = (options: BrowserContextOptions) => {
  if (launched.browser === undefined) throw new Error("there is no browser")
  return launched.browser.newContext({ locale: "en-US", ...options })
}

/** The cookies and the storage of one browser, in which several pages can be open. */
export const openContext = (options: BrowserContextOptions = {}): Effect.Effect<BrowserContext, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => newContext({ viewport: { width: 1280, height: 800 }, ...options })),
    (context) => Effect.promise(() => context.close())
  )

/** A page of this browser; `address` may lead to a part of the site. */
export const openTab = (context: BrowserContext, address: string): Effect.Effect<BrowserPage> =>
  Effect.promise(async () => {
    const page = await context.newPage()
    const { origin } = new URL(address)
    const complaints: Array<string> = []
    const foreign: Array<string> = []
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
    page.on("pageerror", (error) => complaints.push(String(error)))
    page.on("request", (request) => new URL(request.url()).origin === origin || foreign.push(request.url()))
    await page.goto(address)
    return { page, complaints, foreign }
  })

/** A page in a browser of its own, `width` pixels wide. */
export const openPage = (address: string, width = 1280) =>
  Effect.flatMap(openContext({ viewport: { width, height: 800 } }), (context) => openTab(context, address))
