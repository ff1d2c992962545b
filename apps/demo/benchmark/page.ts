/** Rows of the page, in headless Chromium. */
import chromiumPackage from "@sparticuz/chromium"
import { readdir, readFile } from "node:fs/promises"
import path from "node:path"
import { gzipSync } from "node:zlib"
import { chromium, type Page } from "playwright-core"
import type { Row } from "./main.ts"
import { call, end, quantile, repeated, root, token, withDemo, withModel } from "./running.ts"

const withPage = async <A>(address: string, use: (page: Page) => Promise<A>): Promise<A> => {
  const executablePath = process.env["SENNIT_CHROMIUM"] ?? await chromiumPackage.executablePath()
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"], headless: true })
  try {
    const context = await browser.newContext({ locale: "en-US", viewport: { width: 1280, height: 800 } })
    const page = await context.newPage()
    await page.goto(address)
    // The compiler names functions by a helper that pages do not have.
    await page.evaluate("globalThis.__name = (named) => named")
    return await use(page)
  } finally {
    await browser.close()
  }
}

/** From the navigation until something can be typed and the server is heard. */
const pageReady = () =>
  withDemo(({ address }) =>
    repeated(5, () =>
      withPage(address, async (page) => {
        await page.getByText("Live", { exact: true }).waitFor()
        await page.getByLabel("Your message").fill("usable")
        return page.evaluate(() => performance.now())
      }))
  )

const pageScript = async () => {
  const folder = path.join(root, "apps/demo/dist/web/assets")
  const names = (await readdir(folder)).filter((name) => name.endsWith(".js"))
  const files = await Promise.all(names.map((name) => readFile(path.join(folder, name))))
  return files.reduce((sum, file) => sum + gzipSync(file).length, 0) / 1024
}

const ask = async (page: Page, question: string) => {
  await page.getByLabel("Your message").fill(question)
  await page.getByLabel("Your message").press("Enter")
}

/** Each token says when the model wrote it; the page says when it was painted. */
const watchPaint = () => {
  const delays: Array<number> = []
  let seen = 0
  const look = () => {
    const tokens = document.querySelector("#thread")?.textContent.match(/t\d{13}/g) ?? []
    const fresh = tokens.slice(seen)
    seen = tokens.length
    if (fresh.length === 0) return
    // After the next frame's work the text is on the screen.
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel()
      port1.addEventListener("message", () => delays.push(...fresh.map((text) => Date.now() - Number(text.slice(1)))))
      port1.start()
      port2.postMessage(undefined)
    })
  }
  new MutationObserver(look).observe(document.querySelector("#thread")!, {
    subtree: true,
    childList: true,
    characterData: true
  })
  Object.assign(globalThis, { delays })
}

const EVERY_MS = 5
const STREAMED = 1000

const pageStream = () =>
  withModel(
    async (_, response) => {
      for (let i = 0; i < STREAMED; i++) {
        response.write(token(`t${Date.now()}${i % 20 === 19 ? "\n\n" : " "}`))
        // oxlint-disable-next-line no-await-in-loop
        await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
      }
      response.end(end("stop"))
    },
    (model) =>
      withDemo(({ address }) =>
        withPage(address, async (page) => {
          await page.getByText("Live", { exact: true }).waitFor()
          await page.evaluate(watchPaint)
          await ask(page, "Count")
          await page.locator(".finish").waitFor({ timeout: 60_000 })
          const delays: ReadonlyArray<number> = await page.evaluate("globalThis.delays")
          if (delays.length < STREAMED * 0.9) throw new Error(`${delays.length} of ${STREAMED} tokens were seen`)
          return quantile(delays, 0.95)
        }), { OPENAI_BASE_URL: model })
  )

/** Real blocks: questions, calls with arguments and results, Markdown with a table and code. */
const CALLS = 30
const report = "# Result\n\n| month | sum |\n|---|---|\n| March | 12 |\n\n```js\nconst sum = 12\n```\n\n- one\n- two\n"

const answerLong = ({ messages }: { readonly messages: ReadonlyArray<{ readonly role: string }> }) =>
  messages.at(-1)?.role === "tool"
    ? `${token(report)}${end("stop")}`
    : Array.from({ length: CALLS }, (_, index) => call(index, "calculate", `{"expression":"${index}*7"}`)).join("") +
      end("tool_calls")

/** A question, its steps, three events a call, the text and the end. */
const EVENTS_PER_QUESTION = 3 * CALLS + 8

const scroll = async () => {
  const thread = document.querySelector("#thread")!
  const long: Array<number> = []
  new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration)))
    .observe({ type: "longtask" })
  for (const direction of [-1, 1]) {
    for (let frame = 0; frame < 300; frame++) {
      thread.scrollTop += direction * thread.scrollHeight / 300
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => requestAnimationFrame(resolve))
    }
  }
  return long.length
}

const page10k = () =>
  withModel(
    (question, response) => void response.end(answerLong(question)),
    (model) =>
      withDemo(async ({ address }) => {
        const json = { "content-type": "application/json" }
        const created = await fetch(`${address}/api/conversations`, { method: "POST", headers: json })
        const { id }: { readonly id: string } = await created.json()
        for (let asked = 0; asked * EVENTS_PER_QUESTION < 10_000;) {
          // oxlint-disable-next-line no-await-in-loop
          const { status } = await fetch(`${address}/api/conversations/${id}/runs`, {
            method: "POST",
            headers: json,
            body: JSON.stringify({ question: `Question ${asked}`, attachments: [] })
          })
          if (status === 200) asked++
          // oxlint-disable-next-line no-await-in-loop
          else await new Promise((resolve) => setTimeout(resolve, 20))
        }
        return withPage(`${address}/c/${id}`, async (page) => {
          await page.locator("#thread").getByText("Question 0", { exact: true }).waitFor({
            state: "attached",
            timeout: 60_000
          })
          return page.evaluate(scroll)
        })
      }, { OPENAI_BASE_URL: model })
  )

export const pageRows: ReadonlyArray<Row> = [
  { id: "page.ready", unit: "ms", target: 800, measure: pageReady },
  { id: "page.script", unit: "KB gz", target: 250, measure: pageScript },
  { id: "page.stream", unit: "ms p95", target: 50, measure: pageStream },
  { id: "page.10k", unit: "long tasks", target: 0, measure: page10k }
]
