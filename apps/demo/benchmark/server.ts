/** Rows of the server alone. */
import { readFile } from "node:fs/promises"
import path from "node:path"
import type { Row } from "./main.ts"
import { end, quantile, repeated, root, token, withDemo, withModel } from "./running.ts"

const settle = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis))

const startWarm = () =>
  repeated(3, () => {
    const begun = performance.now()
    return withDemo(
      async ({ address }) => {
        const page = await fetch(address)
        if (!(await page.text()).includes("<title>Sennit")) throw new Error("no page")
        return (performance.now() - begun) / 1000
      },
      {},
      path.join(root, "tools/start.mjs")
    )
  })

const idleRss = () =>
  withDemo(async ({ pid }) => {
    await settle(3000)
    const status = await readFile(`/proc/${pid}/status`, "utf8")
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
  })

/** A person who has signed up, and follows what happens. */
const join = async (address: string, name: string) => {
  const json = { "content-type": "application/json" }
  const body = JSON.stringify({ name, password: "correct horse" })
  const made = await fetch(`${address}/api/account`, { method: "POST", headers: json, body })
  const headers = { ...json, cookie: (made.headers.get("set-cookie") ?? "").split(";")[0] ?? "" }
  const created = await fetch(`${address}/api/conversations`, { method: "POST", headers })
  const { id }: { readonly id: string } = await created.json()
  const leave = new AbortController()
  const stream = await fetch(`${address}/api/events`, { headers, signal: leave.signal })
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader()
  /** Milliseconds from the question to the first token. */
  const ask = async (): Promise<number> => {
    const begun = performance.now()
    const question = JSON.stringify({ question: "Hello", attachments: [] })
    const asked = await fetch(`${address}/api/conversations/${id}/runs`, { method: "POST", headers, body: question })
    if (asked.status !== 200) throw new Error(`a question was answered with ${asked.status}`)
    let first: number | undefined
    let heard = ""
    while (!heard.includes("\"finish\"")) {
      // oxlint-disable-next-line no-await-in-loop
      const { done = true, value = "" } = await reader?.read() ?? {}
      if (done) throw new Error("the stream ended")
      heard += value
      if (first === undefined && heard.includes("token")) first = performance.now() - begun
    }
    return first ?? Number.NaN
  }
  return { ask, leave: () => leave.abort() }
}

const USERS = 200
const TOKENS = 50

const users200 = () =>
  withModel(
    async (_, response) => {
      for (let i = 0; i < TOKENS; i++) {
        response.write(token(`token ${i} `))
        // oxlint-disable-next-line no-await-in-loop
        await settle(20)
      }
      response.end(end("stop"))
    },
    (model) =>
      withDemo(async ({ address }) => {
        const people = []
        for (let i = 0; i < USERS; i += 10) {
          const names = Array.from({ length: 10 }, (_, index) => `user-${i + index}`)
          // oxlint-disable-next-line no-await-in-loop
          people.push(...await Promise.all(names.map((name) => join(address, name))))
        }
        const alone: Array<number> = []
        // oxlint-disable-next-line no-await-in-loop
        for (let i = 0; i < 10; i++) alone.push(await people[0]!.ask())
        const together = await Promise.all(people.map(({ ask }) => ask()))
        people.forEach(({ leave }) => leave())
        console.log(
          `  alone p95 ${quantile(alone, 0.95).toFixed(0)} ms, together p95 ${quantile(together, 0.95).toFixed(0)} ms`
        )
        return quantile(together, 0.95) / quantile(alone, 0.95)
      }, { OPENAI_BASE_URL: model, SENNIT_ACCOUNTS: "true" })
  )

export const serverRows: ReadonlyArray<Row> = [
  { id: "start.warm", unit: "s", target: 5, measure: startWarm },
  { id: "idle.rss", unit: "MB", target: 200, measure: idleRss },
  { id: "users.200", unit: "first token, times one user", target: 2, measure: users200 }
]
