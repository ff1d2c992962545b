/** What programs and who runs them get from the server. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { audit } from "./servers/axe.ts"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { runs, startDemo, temporaryFolder } from "./servers/demo.ts"

const does = <A>(work: () => Promise<A>) => Effect.promise(work)

/** Takes what is sent over OTLP; `received` waits for a body in which a text occurs. */
const collector = Effect.acquireRelease(
  does(async () => {
    const bodies: Array<string> = []
    const waiting: Array<() => void> = []
    const server = createServer((request, response) => {
      let body = ""
      request.on("data", (data) => body += data)
      request.on("end", () => {
        bodies.push(`${request.url} ${body}`)
        response.writeHead(200, { "content-type": "application/json" }).end("{}")
        waiting.splice(0).forEach((wake) => wake())
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const received = async (text: string): Promise<string> => {
      const found = bodies.find((body) => body.includes(text))
      if (found !== undefined) return found
      await new Promise<void>((resolve) => waiting.push(resolve))
      return received(text)
    }
    return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies, received, server }
  }),
  ({ server }) =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    })
)

describe("the server", () => {
  it.scopedLive("tells Prometheus what it does, and a collector what it did, without a word of what was said", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address: endpoint, bodies, received } = yield* collector
      const { address } = yield* startDemo({ SENNIT_DATA: data, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
      yield* runs(
        { SENNIT_DATA: data, SENNIT_PORT: new URL(address).port },
        "ask",
        "Remember that my boat is called Kestrel"
      )
      const response = yield* does(() => fetch(`${address}/metrics`))
      assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/)
      const text = yield* does(() => response.text())
      assert.match(text, /^# TYPE \w+ (?:counter|gauge|histogram)$/m)
      assert.match(text, /^memory_vault_saved(?:\{.*\})? 1$/m)
      const traces = yield* does(() => received("service.name"))
      assert.match(traces, /"service\.name"[^}]*"sennit"/)
      assert.notInclude(bodies.join(""), "Kestrel")
      assert.notInclude(text, "Kestrel")
    }))

  it.scopedLive("answers OpenAI's protocol, streamed and whole, and DIAL's, as whoever the key belongs to", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data, SENNIT_ACCOUNTS: "true" })
      const json = { "content-type": "application/json" }
      const post = (where: string, body: object, headers: Record<string, string> = {}) =>
        does(() =>
          fetch(`${address}${where}`, { method: "POST", headers: { ...json, ...headers }, body: JSON.stringify(body) })
        )
      const made = yield* post("/api/account", { name: "ada", password: "correct horse" })
      const token = /sennit=([^;]+)/.exec(made.headers.get("set-cookie") ?? "")?.[1] ?? ""
      const key = { authorization: `Bearer ${token}` }
      const question = { model: "sennit", messages: [{ role: "user", content: "What is 6*7?" }] }
      assert.strictEqual((yield* post("/v1/chat/completions", question)).status, 401)
      assert.strictEqual((yield* post("/v1/chat/completions", question, { authorization: "Bearer wrong" })).status, 401)
      const whole: { readonly choices: ReadonlyArray<{ readonly message: { readonly content: string } }> } =
        yield* Effect
          .flatMap(post("/v1/chat/completions", question, key), (response) => does(() => response.json()))
      assert.include(whole.choices[0]?.message.content, "42")
      const streamed = yield* Effect.flatMap(
        post("/v1/chat/completions", { ...question, stream: true }, key),
        (response) => does(() => response.text())
      )
      assert.include(streamed, "chat.completion.chunk")
      assert.include(streamed, "data: [DONE]")
      const dial = yield* post("/openai/deployments/sennit/chat/completions", question, { "api-key": token })
      assert.include(yield* does(() => dial.text()), "42")
    }))

  it.scopedLive.skipIf(missingBrowser !== undefined)(
    `has a reference page with a policy of its own${missingBrowser ?? ""}`,
    () =>
      Effect.gen(function*() {
        const data = yield* temporaryFolder
        const { address } = yield* startDemo({ SENNIT_DATA: data })
        const { complaints, foreign, page } = yield* openPage(`${address}/reference`)
        yield* does(() => page.getByText("GET /api/conversations", { exact: true }).first().click())
        const answer = yield* does(() => page.request.get(`${address}/reference`))
        assert.notInclude(answer.headers()["content-security-policy"], "script-src")
        const spec: { readonly paths: object } = yield* does(async () =>
          (await fetch(`${address}/openapi.json`)).json()
        )
        for (const path of Object.keys(spec.paths)) {
          assert.isAbove(yield* does(() => page.getByText(path).count()), 0, path)
        }
        assert.deepStrictEqual(yield* audit(page), [])
        assert.deepStrictEqual(foreign, [])
        assert.deepStrictEqual(complaints, [])
      })
  )
})
