import { LLMock } from "@copilotkit/aimock"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import path from "node:path"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { startDemo, temporaryFolder } from "./servers/demo.ts"
import { argumentsOf, call, end, modelServer, text } from "./servers/model.ts"

const examples = path.resolve(import.meta.dirname, "../../../examples")
const sales = path.join(examples, "sales.csv")

const salesIn = (month: string) =>
  Effect.promise(async () => {
    const lines = (await readFile(sales, "utf8")).trim().split("\n").filter((line) => line.startsWith(`2025-${month}-`))
    return (lines.reduce((sum, line) => sum + Math.round(Number(line.split(",")[5]) * 100), 0) / 100).toFixed(2)
  })

const does = <A>(work: () => Promise<A>) => Effect.promise(work)

describe.skipIf(missingBrowser !== undefined)(`the page${missingBrowser ?? ""}`, () => {
  it.scopedLive("takes a file, answers from it, and finds the conversation again after a reload and a restart", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address, kill } = yield* startDemo({ SENNIT_DATA: data })
      const { complaints, foreign, page } = yield* openPage(address)
      yield* does(() => page.getByText("Offline planner, not a language model").first().waitFor())
      yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
      // Enter may come before the upload has ended.
      yield* does(() => page.getByLabel("Your message").fill("What is the total revenue in March?"))
      yield* does(() => page.getByLabel("Your message").press("Enter"))
      const total = yield* salesIn("03")
      yield* does(() => page.locator(".answer").getByText(total).waitFor())
      assert.strictEqual(yield* does(() => page.getByLabel("Your message").inputValue()), "")
      const thread = () => does(() => page.getByRole("log").innerText())
      yield* does(() => page.locator(".finish").waitFor())
      const live = yield* thread()
      assert.include(live, "query_table")

      yield* does(() => page.reload())
      yield* does(() => page.locator(".answer").getByText(total).waitFor())
      assert.strictEqual(yield* thread(), live)

      yield* kill("SIGKILL")
      yield* does(() => page.getByText("No connection to the server.").first().waitFor())
      const { port } = new URL(address)
      yield* startDemo({ SENNIT_DATA: data, SENNIT_PORT: port })
      yield* does(() => page.getByText("Live", { exact: true }).waitFor())
      yield* does(() => page.getByRole("link", { name: "New conversation" }).click())
      yield* does(() => page.getByRole("link", { name: "What is the total revenue in March?" }).click())
      yield* does(() => page.locator(".answer").getByText(total).waitFor())
      assert.strictEqual(yield* thread(), live)
      assert.deepStrictEqual(foreign, [])
      assert.deepStrictEqual(complaints.filter((complaint) => !/ERR_(CONNECTION|INCOMPLETE|EMPTY)/.test(complaint)), [])
    }))

  it.scopedLive("shows text before the answer is complete, and tools between the texts, in true order", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({
        SENNIT_DATA: data,
        OPENAI_BASE_URL: model.address,
        SENNIT_MODEL: "test-model"
      })
      const { complaints, page } = yield* openPage(address)
      yield* does(() => page.getByLabel("Your message").fill("Two sums, please"))
      yield* does(() => page.getByLabel("Your message").press("Enter"))
      yield* model.send(text("Let me "), text("work that out."))
      yield* does(() => page.getByText("Let me work that out.").waitFor())
      // The next question can be written while this one is answered.
      assert.isTrue(
        yield* does(() => page.getByLabel("Your message").evaluate((field) => field === document.activeElement))
      )
      yield* does(() => page.keyboard.type("and then"))
      yield* does(() => page.getByRole("button", { name: "Stop" }).waitFor())
      // Two calls at once, their arguments in pieces that alternate.
      yield* model.send(call(0, "call_a", "calculate", "{\"expres"), call(1, "call_b", "calculate", ""))
      yield* model.send(
        argumentsOf(1, "{\"expression\":"),
        argumentsOf(0, "sion\":\"2+3\"}"),
        argumentsOf(1, "\"7*8\"}")
      )
      yield* model.finish(end("tool_calls"))
      yield* does(() => page.locator(".tool.done").nth(1).waitFor({ state: "attached" }))
      yield* model.send(text("They are **5** and"))
      yield* does(() => page.getByText("They are 5 and").waitFor())
      yield* model.finish(text(" 56."), end("stop"))
      yield* does(() => page.getByText("They are 5 and 56.").waitFor())
      assert.strictEqual(yield* does(() => page.getByLabel("Your message").inputValue()), "and then")
      yield* does(() => page.locator(".finish").waitFor())
      const order = yield* does(() =>
        page.getByRole("log").locator(".question > p, .answer, .tool").evaluateAll((blocks) =>
          blocks.map((block) => block.classList.contains("tool") ? "tool" : (block.textContent ?? "").trim())
        )
      )
      assert.deepStrictEqual(order, ["Two sums, please", "Let me work that out.", "tool", "tool", "They are 5 and 56."])
      // What the model was given: the results of both calls, in their order.
      const second: {
        readonly messages: ReadonlyArray<
          { readonly role: string; readonly tool_call_id?: string; readonly content: string }
        >
      } = JSON.parse(model.requests[1] ?? "")
      const results = second.messages.filter(({ role }) => role === "tool")
      assert.deepStrictEqual(results.map(({ tool_call_id }) => tool_call_id), ["call_a", "call_b"])
      assert.include(results[0]?.content, "5")
      assert.include(results[1]?.content, "56")
      assert.deepStrictEqual(complaints, [])
    }))

  it.scopedLive("offers a newcomer real questions over real files", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { complaints, page } = yield* openPage(address)
      yield* does(() => page.getByRole("button", { name: "What was the best month?" }).click())
      const totals = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, index) => `${index + 1}`.padStart(2, "0")),
        salesIn
      )
      const best = Math.max(...totals.map(Number)).toFixed(2)
      yield* does(() => page.locator(".answer").getByText(best).first().waitFor())
      assert.deepStrictEqual(complaints, [])
    }))

  it.scopedLive("talks to a stand-alone OpenAI-compatible server, and shows text before the reply is complete", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      // Every fragment has three characters, and a pause after it.
      const mock = yield* Effect.acquireRelease(
        Effect.promise(() => LLMock.create({ port: 0, chunkSize: 3, latency: 20, logLevel: "silent" })),
        (server) => Effect.promise(() => server.stop())
      )
      const reply = `Both are known. ${"The first is five and the second is fifty-six. ".repeat(6)}That is all.`
      mock.on({ userMessage: /two sums/i, turnIndex: 0 }, {
        toolCalls: [
          { id: "one", name: "calculate", arguments: "{\"expression\":\"2+3\"}" },
          { id: "two", name: "calculate", arguments: "{\"expression\":\"7*8\"}" }
        ]
      })
      mock.on({ userMessage: /two sums/i, turnIndex: 1 }, { content: reply })
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: `${mock.url}/v1` })
      const { complaints, page } = yield* openPage(address)
      yield* does(() => page.getByLabel("Your message").fill("Two sums, please"))
      yield* does(() => page.getByLabel("Your message").press("Enter"))
      const answer = page.locator(".answer").last()
      yield* does(() => answer.getByText("Both are known.").waitFor())
      const early = yield* does(() => answer.innerText())
      yield* does(() => answer.getByText("That is all.").waitFor())
      assert.isBelow(early.length, reply.length)
      assert.isTrue(reply.startsWith(early.trim()))
      assert.strictEqual(yield* does(() => page.locator(".tool.done").count()), 2)
      assert.deepStrictEqual(complaints, [])
    }))

  it.scopedLive("stops an answer before its first word and in the middle, keeps the text, and leaves no model call behind", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { page } = yield* openPage(address)
      yield* does(() => page.getByLabel("Your message").fill("Tell me a long story"))
      yield* does(() => page.getByRole("button", { name: "Send" }).click())
      yield* model.send(text("Once upon a time"))
      yield* does(() => page.getByText("Once upon a time").waitFor())
      // Stop works after a reload too: the run belongs to the server.
      yield* does(() => page.reload())
      yield* does(() => page.getByText("Once upon a time").waitFor())
      yield* does(() => page.getByRole("button", { name: "Stop" }).click())
      yield* does(() => page.getByText("You stopped this after").waitFor())
      yield* model.abandoned
      assert.isTrue(yield* does(() => page.getByText("Once upon a time").isVisible()))
      yield* does(() => page.getByRole("button", { name: "Send" }).waitFor())
    }))

  it.scopedLive("keeps a draft over a reload and over a refused question", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address, kill } = yield* startDemo({ SENNIT_DATA: data })
      const { page } = yield* openPage(address)
      const field = page.getByLabel("Your message")
      yield* does(() => field.fill("half a thought"))
      yield* does(() => page.reload())
      assert.strictEqual(yield* does(() => field.inputValue()), "half a thought")
      // A first file gives the conversation its address; the text goes with it.
      yield* does(() => page.locator("input[type=file]").setInputFiles(sales))
      yield* does(() => page.waitForURL(/\/c\//))
      assert.strictEqual(yield* does(() => field.inputValue()), "half a thought")
      yield* does(() => page.reload())
      assert.strictEqual(yield* does(() => field.inputValue()), "half a thought")
      yield* kill("SIGKILL")
      yield* does(() => field.press("Enter"))
      yield* does(() => page.getByRole("alert").waitFor())
      assert.strictEqual(yield* does(() => field.inputValue()), "half a thought")
    }))

  it.scopedLive("says what went wrong with a file or a model, and goes on", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: "http://127.0.0.1:9/v1" })
      const { page } = yield* openPage(address)
      // The message field begins anew when the page knows whose it is.
      yield* does(() => page.getByText("Live", { exact: true }).waitFor())
      yield* does(() =>
        page.locator("input[type=file]").setInputFiles({
          name: "empty.csv",
          mimeType: "text/csv",
          buffer: Buffer.alloc(0)
        })
      )
      yield* does(() => page.getByRole("alert").getByText("empty.csv").waitFor())
      yield* does(() => page.getByLabel("Your message").fill("Hello"))
      yield* does(() => page.getByLabel("Your message").press("Enter"))
      yield* does(() => page.locator(".finish.failed").getByText("127.0.0.1:9").waitFor())
      yield* does(() => page.getByRole("button", { name: "Send" }).waitFor())
    }))

  it.scopedLive("shows hostile text as text, and loads nothing from elsewhere", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { complaints, foreign, page } = yield* openPage(address)
      const hostile = "<img src=x onerror=\"document.title='owned'\"> ![pixel](https://evil.example/p.png) " +
        "[link](javascript:alert(1)) <script>document.title='owned'</script>"
      yield* does(() => page.getByLabel("Your message").fill(hostile))
      yield* does(() => page.getByLabel("Your message").press("Enter"))
      yield* model.finish(text(hostile), text("\n\nEnd of it."), end("stop"))
      yield* does(() => page.getByText("End of it.").waitFor())
      assert.strictEqual(
        yield* does(() => page.locator(".answer img, .answer script, .answer a[href^=javascript]").count()),
        0
      )
      assert.notStrictEqual(yield* does(() => page.title()), "owned")
      assert.deepStrictEqual(foreign, [])
      assert.deepStrictEqual(complaints, [])
    }))

  it.scopedLive("fits a phone and a desk without scrolling sideways, and remembers and forgets", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { page } = yield* openPage(address, 390)
      const wider = () => does(() => page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth))
      assert.isFalse(yield* wider())
      yield* does(() => page.getByLabel("Your message").fill("Remember that the boiler was serviced in May"))
      yield* does(() => page.getByRole("button", { name: "Send" }).click())
      yield* does(() => page.locator(".finish").waitFor())
      assert.isFalse(yield* wider())
      yield* does(() => page.getByRole("button", { name: "Inspect" }).click())
      yield* does(() => page.getByRole("link", { name: "Memory" }).click())
      const note = page.locator(".memories").getByText("the boiler was serviced in May")
      yield* does(() => note.waitFor())
      yield* does(() => page.getByRole("button", { name: /^Forget: / }).click())
      yield* does(() => note.waitFor({ state: "detached" }))
      yield* does(() => page.getByRole("link", { name: "Sessions" }).click())
      yield* does(() => page.getByRole("dialog").getByText("stored unencrypted").waitFor())
      assert.isFalse(yield* wider())
    }))
})
