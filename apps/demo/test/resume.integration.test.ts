/** Kill it and go on: an answer that is cut off is completed, and no tool is run twice. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { audit } from "./servers/axe.ts"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { command, printed, startCommand, startDemo, temporaryFolder } from "./servers/demo.ts"
import { call, end, modelServer, text } from "./servers/model.ts"

const does = <A>(work: () => Promise<A>) => Effect.promise(work)

interface Request {
  readonly messages: ReadonlyArray<{ readonly role: string; readonly content: string }>
}

const resultsIn = (body: string | undefined) => {
  const { messages }: Request = JSON.parse(body ?? "{\"messages\":[]}")
  return messages.filter(({ role }) => role === "tool").map(({ content }) => content)
}

/** A site with a page that comes at once, and one that waits for `answer`; it says what it was asked for. */
const pages = Effect.acquireRelease(
  does(async () => {
    const asked: Array<string> = []
    const waiting: Array<() => void> = []
    const held: Array<ServerResponse> = []
    const server = createServer((request, response) => {
      asked.push(request.url ?? "")
      waiting.splice(0).forEach((wake) => wake())
      response.setHeader("content-type", "text/plain")
      if (request.url === "/slow") held.push(response)
      else response.end("quick words")
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const isAskedFor = async (url: string, times = 1): Promise<void> => {
      if (asked.filter((one) => one === url).length >= times) return
      await new Promise<void>((resolve) => waiting.push(resolve))
      return isAskedFor(url, times)
    }
    const answer = () => held.forEach((response) => response.end("slow words"))
    return { asked, answer, isAskedFor, port: (server.address() as AddressInfo).port, server }
  }),
  ({ server }) =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    })
)

interface Answer {
  readonly answer: string
  readonly outcome: string
  readonly tools: ReadonlyArray<{ readonly name: string; readonly status: string }>
}

describe("an answer that kill -9 has cut off", () => {
  it.scopedLive.skipIf(missingBrowser !== undefined)(
    `goes on when the server starts again, after its finished tools; the page says so${missingBrowser ?? ""}`,
    () =>
      Effect.gen(function*() {
        const data = yield* temporaryFolder
        const model = yield* modelServer
        const env = { SENNIT_DATA: data, OPENAI_BASE_URL: model.address }
        const first = yield* startDemo(env)
        const { page } = yield* openPage(first.address)
        yield* does(() => page.getByText("Live", { exact: true }).waitFor())
        yield* does(() => page.getByLabel("Your message").fill("A sum, please"))
        yield* does(() => page.getByLabel("Your message").press("Enter"))
        yield* model.finish(call(0, "a", "calculate", "{\"expression\":\"2+3\"}"), end("tool_calls"))
        yield* model.send(text("It is half"))
        yield* does(() => page.getByText("It is half").waitFor())
        yield* first.kill("SIGKILL")
        yield* model.abandoned
        yield* does(() => page.getByText("No connection to the server.").waitFor())
        yield* startDemo({ ...env, SENNIT_PORT: new URL(first.address).port })
        yield* model.finish(text("It is **5**."), end("stop"))
        yield* does(() => page.getByText("It is 5.").waitFor())
        yield* does(() => page.getByText(/^The server restarted\. This answer went on after step 1/).waitFor())
        yield* does(() => page.locator(".finish.completed").waitFor())
        assert.strictEqual(yield* does(() => page.locator(".tool").count()), 1)
        assert.strictEqual(yield* does(() => page.getByText("It is half").count()), 0)
        // Asked for the call, for the answer, and for the answer again, with the same result.
        assert.strictEqual(model.requests.length, 3)
        assert.deepStrictEqual(resultsIn(model.requests[2]), resultsIn(model.requests[1]))
        assert.strictEqual(resultsIn(model.requests[2]).length, 1)
      })
  )

  it.scopedLive("goes on by `run --resume`, once", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const env = { SENNIT_DATA: data, OPENAI_BASE_URL: model.address }
      const kill = yield* startCommand(["ask", "A sum, please"], env)
      yield* model.finish(call(0, "a", "calculate", "{\"expression\":\"2+3\"}"), end("tool_calls"))
      yield* model.send(text("It is half"))
      yield* kill("SIGKILL")
      yield* model.abandoned
      const [session] = yield* printed<ReadonlyArray<{ readonly id: string }>>(env, "sessions")
      const going = yield* Effect.fork(printed<Answer>(env, "run", "--resume", session?.id ?? ""))
      yield* model.finish(text("It is **5**."), end("stop"))
      const { answer, outcome, tools } = yield* going
      assert.strictEqual(answer.trim(), "It is **5**.")
      assert.strictEqual(outcome, "completed")
      assert.deepStrictEqual(tools.map(({ name, status }) => `${name} ${status}`), ["calculate done"])
      const again = yield* command(["run", "--resume", session?.id ?? ""], env)
      assert.strictEqual(again.code, 1)
      assert.include(again.stderr, "has come to its end")
    }))
  it.scopedLive("in the middle of a tool goes on: what had finished is not asked for again, what was cut off is", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const site = yield* pages
      const env = {
        SENNIT_DATA: data,
        OPENAI_BASE_URL: model.address,
        SENNIT_ALLOW_HOSTS: `127.0.0.1:${site.port}`
      }
      const first = yield* startDemo(env)
      const created = yield* does(() => fetch(`${first.address}/api/conversations`, { method: "POST" }))
      const { id }: { readonly id: string } = yield* does(() => created.json())
      const url = (name: string) => JSON.stringify({ urls: [`http://127.0.0.1:${site.port}/${name}`] })
      const question = JSON.stringify({ question: "Read both", attachments: [] })
      yield* does(() =>
        fetch(`${first.address}/api/conversations/${id}/runs`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: question
        })
      )
      yield* model.finish(call(0, "a", "fetch_url", url("quick")), end("tool_calls"))
      yield* model.finish(
        call(0, "b", "fetch_url", url("slow")),
        call(1, "c", "run_code", "{\"language\":\"javascript\",\"code\":\"6*7\"}"),
        end("tool_calls")
      )
      yield* does(() => site.isAskedFor("/slow"))
      // What the page shows is in the log.
      const { blocks } = yield* Effect.repeat(
        does(async (): Promise<{ readonly blocks: ReadonlyArray<{ readonly status?: string }> }> =>
          (await fetch(`${first.address}/api/conversations/${id}`)).json()
        ),
        { until: (found) => found.blocks.some(({ status }) => status === "waiting") }
      )
      assert.deepStrictEqual(blocks.flatMap(({ status = [] }) => status), ["done", "running", "waiting"])
      yield* first.kill("SIGKILL")
      yield* startDemo(env)
      yield* does(() => site.isAskedFor("/slow", 2))
      assert.deepStrictEqual(site.asked, ["/quick", "/slow", "/slow"])
      yield* does(async () => site.answer())
      // The code waits for its person, as before; the model has not been asked again.
      assert.strictEqual(model.requests.length, 2)
    }))
})

describe.skipIf(missingBrowser !== undefined)(`code of a model${missingBrowser ?? ""}`, () => {
  it.scopedLive("is run when the person has allowed it, also after a restart, and not when it is refused", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const env = { SENNIT_DATA: data, OPENAI_BASE_URL: model.address }
      const first = yield* startDemo(env)
      const { page } = yield* openPage(first.address)
      const code = "{\"language\":\"javascript\",\"code\":\"6*7\"}"
      const ask = (question: string, id: string) =>
        Effect.gen(function*() {
          yield* does(() => page.getByText("Live", { exact: true }).waitFor())
          yield* does(() => page.getByLabel("Your message").fill(question))
          yield* does(() => page.getByLabel("Your message").press("Enter"))
          yield* model.finish(call(0, id, "run_code", code), end("tool_calls"))
          yield* does(() => page.locator(".tool.waiting").waitFor())
        })
      const decide = (button: string) =>
        does(async () => {
          // What is pressed the moment that the question appears decides nothing.
          await page.waitForFunction(
            (shown) => performance.now() - shown > 600,
            await page.evaluate(() => performance.now())
          )
          await page.getByRole("button", { name: button, exact: true }).click()
        })
      yield* ask("Work it out by code", "a")
      assert.include(yield* does(() => page.locator(".tool.waiting pre").first().innerText()), "6*7")
      assert.deepStrictEqual(yield* audit(page), [])
      yield* first.kill("SIGKILL")
      yield* startDemo({ ...env, SENNIT_PORT: new URL(first.address).port })
      yield* does(() => page.getByText("Live", { exact: true }).waitFor())
      yield* does(() => page.reload())
      yield* does(() => page.locator(".tool.waiting").waitFor())
      assert.strictEqual(model.requests.length, 1)
      yield* decide("Run it")
      yield* model.finish(text("It is 42."), end("stop"))
      yield* does(() => page.getByText("It is 42.").waitFor())
      assert.match(resultsIn(model.requests[1]).join(), /42/)

      yield* ask("And again", "b")
      yield* decide("Don't run it")
      yield* model.finish(text("Then not."), end("stop"))
      yield* does(() => page.locator(".tool.refused").getByText("refused", { exact: false }).first().waitFor())
      yield* does(() => page.getByText("Then not.").waitFor())
      assert.notMatch(resultsIn(model.requests[3]).at(-1) ?? "", /42/)
    }))
})
