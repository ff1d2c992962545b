// @effect-diagnostics schemaSync:off asyncFunction:off globalFetch:off -- a client without Effect
import { expect, it } from "@effect/vitest"
import { Agent, AgentRuns, AgentTool, type ChatModel, RunStore, Toolset } from "@sennit/agent"
import * as Runs from "@sennit/agent/server/Runs"
import { Scripted } from "@sennit/agent/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { authenticate, serve, services } from "./serve.ts"

const pay = AgentTool.make("pay", {
  description: "x",
  parameters: Schema.Struct({}),
  success: Schema.String,
  needsApproval: true,
  handler: () => Effect.succeed("paid")
})
const agents = {
  plain: Agent.make({ name: "plain", instructions: "" }),
  payer: Agent.make({ name: "payer", instructions: "", tools: Toolset.make(pay) })
}

const open = (model: typeof ChatModel.ChatModel.Service) =>
  Effect.map(
    serve(
      Runs.layer({ agents, authenticate, services: services(model) }).pipe(
        Layer.provide(AgentRuns.layer()),
        Layer.provide(RunStore.layerMemory())
      )
    ),
    (url) => ({
      request: (method: string, path: string, body?: object, user = "ada", headers: Record<string, string> = {}) =>
        Effect.promise(async () => {
          const response = await fetch(`${url}${path}`, {
            method,
            headers: { "api-key": `key-of-${user}`, ...headers },
            ...(body === undefined ? {} : { body: JSON.stringify(body) })
          })
          const text = await response.text()
          return { status: response.status, text }
        }),
      url
    })
  )

const idOf = ({ text }: { readonly text: string }) =>
  Schema.decodeUnknownSync(Schema.parseJson(Schema.Struct({ id: Schema.String })))(text).id

const idsOf = (text: string) => Array.from(text.matchAll(/^id: (\d+)$/gm), ([, id]) => Number(id))

it.scopedLive("a run is followed, left, and followed again after the last event that was seen", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const answer = Stream.concat(
      Stream.fromIterable(Scripted.text("one ").slice(0, 1)),
      Stream.unwrap(Effect.as(Deferred.await(gate), Stream.fromIterable(Scripted.text("two"))))
    )
    const { request, url } = yield* open(Scripted.make([answer]))
    const started = yield* request("POST", "/runs", { agent: "plain", message: "go" })
    expect(started.status).toBe(201)
    const id = idOf(started)
    const seen = yield* Effect.promise(async () => {
      const left = new AbortController()
      const response = await fetch(`${url}/runs/${id}/events`, {
        headers: { "api-key": "key-of-ada" },
        signal: left.signal
      })
      let text = ""
      const decoder = new TextDecoder()
      for await (const bytes of response.body!) {
        text += decoder.decode(bytes)
        // The word is here although the answer is not finished: nothing buffers it.
        if (text.includes("one ")) break
      }
      left.abort()
      return text
    })
    const last = idsOf(seen).at(-1)!
    yield* Deferred.succeed(gate, undefined)
    const rest = yield* request("GET", `/runs/${id}/events`, undefined, "ada", { "last-event-id": String(last) })
    expect([...idsOf(seen), ...idsOf(rest.text)]).toEqual(
      Array.from({ length: last + idsOf(rest.text).length }, (_, index) => index + 1)
    )
    expect(rest.text).toContain("\"text\":\"one two\"")
    expect((yield* request("GET", `/runs/${id}/events?after=${last}`)).text).toBe(rest.text)
    expect((yield* request("GET", `/runs/${id}/events?after=x`)).status).toBe(400)
  }))

it.scopedLive("a run is stopped, and its model with it", () =>
  Effect.gen(function*() {
    const left = yield* Deferred.make<void>()
    const begun = yield* Deferred.make<void>()
    const endless = Stream.fromEffect(Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)).pipe(
      Stream.ensuring(Deferred.succeed(left, undefined))
    )
    const { request } = yield* open(Scripted.make([endless]))
    const id = idOf(yield* request("POST", "/runs", { agent: "plain", message: "go" }))
    yield* Deferred.await(begun)
    expect((yield* request("DELETE", `/runs/${id}`)).text).toContain("\"outcome\":\"stopped\"")
    yield* Deferred.await(left)
    expect((yield* request("POST", `/runs/${id}/resume`, {})).status).toBe(409)
  }))

it.scopedLive("a call is approved, by the one whose run it is", () =>
  Effect.gen(function*() {
    const { request } = yield* open(Scripted.make([Scripted.calls(["pay", {}]), Scripted.text("thanks")]))
    const id = idOf(yield* request("POST", "/runs", { agent: "payer", message: "go", conversation: "c" }))
    const waiting = yield* request("GET", `/runs/${id}/events`)
    expect(waiting.text).toContain("event: RunSuspended")
    expect((yield* request("POST", `/runs/${id}/approvals/call_1`, { approved: true }, "eve")).status).toBe(404)
    expect((yield* request("POST", `/runs/${id}/approvals/nothing`, { approved: true })).status).toBe(409)
    expect((yield* request("POST", `/runs/${id}/approvals/call_1`, { approved: true })).status).toBe(200)
    const rest = yield* request("GET", `/runs/${id}/events`)
    expect(rest.text).toContain("\"by\":\"ada\"")
    expect(rest.text).toContain("\"text\":\"thanks\"")
  }))

it.scopedLive("runs of somebody else look exactly like runs that do not exist", () =>
  Effect.gen(function*() {
    const { request } = yield* open(Scripted.make(() => Scripted.text("x")))
    const id = idOf(yield* request("POST", "/runs", { agent: "plain", message: "go" }))
    for (const [method, path] of [["GET", ""], ["GET", "/events"], ["DELETE", ""], ["POST", "/resume"]] as const) {
      const body = method === "POST" ? {} : undefined
      const theirs = yield* request(method, `/runs/${id}${path}`, body, "eve")
      expect(theirs).toEqual(yield* request(method, `/runs/${crypto.randomUUID()}${path}`, body, "eve"))
      expect(theirs.status).toBe(404)
    }
    expect((yield* request("GET", "/runs", undefined, "eve")).text).toBe("{\"runs\":[]}")
    expect((yield* request("GET", "/runs")).text).toContain(id)
    expect((yield* request("POST", "/runs", { agent: "no", message: "x" })).status).toBe(404)
  }))
