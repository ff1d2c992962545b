/** The agent's protocol of runs, for programs: over the same conversations as the page, and each person's own. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import path from "node:path"
import { missingBrowser, openPage } from "./servers/browser.ts"
import { startDemo, temporaryFolder } from "./servers/demo.ts"
import { call, end, modelServer, text } from "./servers/model.ts"
import { does, live, pause } from "./servers/reader.ts"

const sales = path.resolve(import.meta.dirname, "../../../examples/sales.csv")

interface Run {
  readonly id: string
  readonly conversation: string
  readonly outcome: string | null
  readonly running: boolean
}

/** A program with a key of its own. */
const program = (address: string, key = "") => {
  const ask = (method: string, where: string, body?: object, headers: Record<string, string> = {}) =>
    does(() =>
      fetch(`${address}${where}`, {
        method,
        headers: {
          ...key === "" ? {} : { authorization: `Bearer ${key}` },
          ...body === undefined ? {} : { "content-type": "application/json" },
          ...headers
        },
        ...body === undefined ? {} : { body: JSON.stringify(body) }
      })
    )
  const json = <A>(method: string, where: string, body?: object) =>
    Effect.flatMap(ask(method, where, body), (response) => does(async (): Promise<A> => response.json()))
  const read = (method: string, where: string, body?: object, headers?: Record<string, string>) =>
    Effect.flatMap(
      ask(method, where, body, headers),
      (response) => does(async () => ({ status: response.status, text: await response.text() }))
    )
  return { ask, json, read }
}

const signUp = (address: string, name: string) =>
  Effect.map(
    program(address).ask("POST", "/api/account", { name, password: "correct horse" }),
    (response) => program(address, /sennit=([^;]+)/.exec(response.headers.get("set-cookie") ?? "")?.[1] ?? "")
  )

const numbers = (events: string) => [...events.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))

/** Reads the events of a run until a text has come, then leaves. */
const readUntil = (address: string, where: string, words: string) =>
  does(async () => {
    const left = new AbortController()
    const response = await fetch(`${address}${where}`, { signal: left.signal })
    let read = ""
    const decoder = new TextDecoder()
    for await (const bytes of response.body!) {
      read += decoder.decode(bytes, { stream: true })
      if (read.includes(words)) break
    }
    left.abort()
    return read
  })

const code = (id: string) => call(0, id, "run_code", "{\"language\":\"javascript\",\"code\":\"6*7\"}")

const start = (message: string, conversation?: string) => ({
  agent: "sennit",
  message,
  ...conversation === undefined ? {} : { conversation }
})

describe("a run of a program", () => {
  it.scopedLive("is followed, left, and gone on with after the last event that was seen; stopped, and asked about again", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const model = yield* modelServer
      const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
      const { ask, json, read } = program(address)
      // Pages of other sites are no programs.
      const foreign = yield* read("POST", "/runs", start("Hello"), { origin: "http://evil.example" })
      assert.strictEqual(foreign.status, 403)
      const started = yield* ask("POST", "/runs", start("Tell me a story"))
      assert.strictEqual(started.status, 201)
      const { conversation, id }: Run = yield* does(() => started.json())
      assert.strictEqual(started.headers.get("location"), `/runs/${id}`)
      yield* model.send(text("Once upon"))
      const seen = yield* readUntil(address, `/runs/${id}/events`, "Once upon")
      const last = numbers(seen).at(-1)!
      // Nobody reads, and it goes on.
      yield* model.finish(text(" a time"), end("stop"))
      const rest = yield* read("GET", `/runs/${id}/events`, undefined, { "last-event-id": String(last) })
      assert.deepStrictEqual(
        [...numbers(seen), ...numbers(rest.text)],
        Array.from({ length: last + numbers(rest.text).length }, (_, index) => index + 1)
      )
      assert.include(rest.text, "\"text\":\"Once upon a time\"")
      // The log is that of the conversation, where the next run knows of it.
      const again = yield* json<Run>("POST", "/runs", start("And then?", conversation))
      assert.strictEqual(again.conversation, conversation)
      yield* model.send(text("Then"))
      yield* readUntil(address, `/runs/${again.id}/events`, "Then")
      assert.include(model.requests[1], "Once upon a time")
      const busy = yield* read("POST", "/runs", start("At the same time", conversation))
      assert.strictEqual(busy.status, 409)
      assert.include(busy.text, again.id)
      assert.include((yield* read("DELETE", `/runs/${again.id}`)).text, "\"outcome\":\"stopped\"")
      yield* model.abandoned
      const { runs } = yield* json<{ readonly runs: ReadonlyArray<Run> }>("GET", "/runs")
      assert.deepStrictEqual(
        runs.map((run) => [run.id, run.outcome]).toSorted(),
        [[id, "completed"], [again.id, "stopped"]].toSorted()
      )
      // Kept over a restart, with the conversation.
      const { outcome } = yield* json<Run>("GET", `/runs/${id}`)
      assert.strictEqual(outcome, "completed")
    }))

  it.scopedLive("is its person's alone: somebody else's looks like one that does not exist, and so does a conversation", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data, SENNIT_ACCOUNTS: "true" })
      assert.strictEqual((yield* program(address).ask("POST", "/runs", start("Hello"))).status, 401)
      const ada = yield* signUp(address, "ada")
      const bob = yield* signUp(address, "bob")
      const { conversation, id } = yield* ada.json<Run>(
        "POST",
        "/runs",
        start("Remember that my boat is called Kestrel")
      )
      yield* ada.read("GET", `/runs/${id}/events`)
      const unknown = Buffer.from(JSON.stringify(["ada", crypto.randomUUID(), "x"])).toString("base64url")
      for (
        const [method, rest, body] of [
          ["GET", "", undefined],
          ["GET", "/events", undefined],
          ["DELETE", "", undefined],
          ["POST", "/resume", {}],
          ["POST", "/approvals/a", { approved: true }]
        ] as const
      ) {
        const answers = yield* Effect.forEach(
          [id, unknown, "nonsense"],
          (one) => bob.read(method, `/runs/${one}${rest}`, body)
        )
        assert.strictEqual(answers[0]?.status, 404, `${method} ${rest}`)
        assert.deepStrictEqual(answers[0], answers[1])
        assert.deepStrictEqual(answers[0], answers[2])
      }
      assert.strictEqual((yield* bob.read("GET", "/runs")).text, "{\"runs\":[]}")
      const elsewhere = yield* Effect.forEach(
        [conversation, crypto.randomUUID()],
        (one) =>
          Effect.map(bob.read("POST", "/runs", start("And?", one)), ({ status, text: said }) => ({
            status,
            text: said.replaceAll(one, ":id")
          }))
      )
      assert.strictEqual(elsewhere[0]?.status, 404)
      assert.deepStrictEqual(elsewhere[0], elsewhere[1])
      assert.strictEqual((yield* ada.json<Run>("GET", `/runs/${id}`)).outcome, "completed")
      // What is remembered is the same person's.
      const memories = yield* ada.json<ReadonlyArray<{ readonly text: string }>>("GET", "/api/memories")
      assert.deepStrictEqual(memories.map((memory) => memory.text), ["my boat is called Kestrel"])
      assert.deepStrictEqual(yield* bob.json("GET", "/api/memories"), [])
      // An erasure takes it along.
      yield* ada.json("POST", "/api/erasure", { confirm: true })
      assert.strictEqual((yield* ada.read("GET", "/runs")).text, "{\"runs\":[]}")
      const anew = yield* ada.json<Run>("POST", "/runs", start("What is 6*7?"))
      assert.include((yield* ada.read("GET", `/runs/${anew.id}/events`)).text, "42")
    }))

  it.scopedLive("works with the files of its conversation", () =>
    Effect.gen(function*() {
      const data = yield* temporaryFolder
      const { address } = yield* startDemo({ SENNIT_DATA: data })
      const { json, read } = program(address)
      const { id: conversation } = yield* json<{ readonly id: string }>("POST", "/api/conversations")
      const bytes = yield* does(() => readFile(sales))
      yield* does(() =>
        fetch(`${address}/api/conversations/${conversation}/files/sales.csv`, { method: "PUT", body: bytes })
      )
      const attachments = [{ name: "sales.csv", size: bytes.length, type: "text/csv" }]
      const { id } = yield* json<Run>("POST", "/runs", {
        ...start("What is the total revenue in March?", conversation),
        attachments
      })
      const { text: events } = yield* read("GET", `/runs/${id}/events`)
      assert.include(events, "\"name\":\"query_table\"")
      assert.include(events, "\"outcome\":\"completed\"")
      assert.notInclude(events, "There is no file")
    }))

  it.scopedLive.skipIf(missingBrowser !== undefined)(
    `is seen on the page, and a call that waits can be decided about there or here${missingBrowser ?? ""}`,
    () =>
      Effect.gen(function*() {
        const data = yield* temporaryFolder
        const model = yield* modelServer
        const { address } = yield* startDemo({ SENNIT_DATA: data, OPENAI_BASE_URL: model.address })
        const { json, read } = program(address)
        const { page } = yield* openPage(address)
        yield* live(page)
        const { conversation, id } = yield* json<Run>("POST", "/runs", start("By code, please"))
        yield* model.finish(code("a"), end("tool_calls"))
        yield* does(() => page.getByRole("link", { name: /By code, please/ }).first().click())
        yield* does(() => page.locator(".tool.waiting").waitFor())
        assert.include((yield* read("GET", `/runs/${id}/events`)).text, "event: RunSuspended")
        assert.strictEqual((yield* read("POST", `/runs/${id}/approvals/none`, { approved: true })).status, 409)
        assert.strictEqual((yield* read("POST", `/runs/${id}/approvals/a`, { approved: true })).status, 200)
        yield* model.finish(text("It is 42."), end("stop"))
        yield* does(() => page.getByText("It is 42.").waitFor())
        // The other way around.
        const again = yield* json<Run>("POST", "/runs", start("And again", conversation))
        yield* model.finish(code("b"), end("tool_calls"))
        yield* does(() => page.locator(".tool.waiting").waitFor())
        yield* pause(page)
        yield* does(() => page.getByRole("button", { name: "Don't run it" }).click())
        yield* model.finish(text("Then not."), end("stop"))
        yield* does(() => page.getByText("Then not.").waitFor())
        const { text: events } = yield* read("GET", `/runs/${again.id}/events`)
        assert.match(events, /event: ApprovalResolved\ndata: .*"approved":false/)
      })
  )
})
