import { LLMock } from "@copilotkit/aimock"
import type { HttpClient } from "@effect/platform/HttpClient"
import { expect, it } from "@effect/vitest"
import { Agent, AgentTool, ChatModel, Message, OpenAiChat, Toolset } from "@sennit/agent"
import { ChatModelContract } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { rawServer } from "../servers/rawServer.ts"

const mock = Effect.acquireRelease(
  Effect.promise(() => LLMock.create({ port: 0, chunkSize: 3, logLevel: "silent" })),
  (server) => Effect.promise(() => server.stop())
)

const chunk = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`

const population = AgentTool.make("population", {
  description: "Inhabitants of a city",
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.Number,
  handler: ({ city }) => Effect.succeed(city.length)
})
const agent = Agent.make({ name: "a", instructions: "i", tools: Toolset.make(population) })

/** What `OpenAiChat` does over a real connection, whatever makes the connection. */
export const chatCases = (transport: Layer.Layer<HttpClient>): void => {
  const modelAt = (url: string, more: Partial<OpenAiChat.Options> = {}) =>
    OpenAiChat.layer({ baseUrl: url, model: "m", ...more }).pipe(Layer.provide(transport))

  it.scopedLive("streams parallel tool calls in fragments from a mock of the real API, and answers", () =>
    Effect.gen(function*() {
      const server = yield* mock
      server.on({ userMessage: /compare/, turnIndex: 0 }, {
        toolCalls: [
          { id: "c1", name: "population", arguments: "{\"city\":\"Porto\"}" },
          { id: "c2", name: "population", arguments: "{\"city\":\"Évora\"}" }
        ]
      })
      server.on({ userMessage: /compare/, turnIndex: 1 }, { content: "Both have 5 – näher betrachtet." })
      const result = yield* Agent.run(agent, { message: "compare" }).pipe(Effect.provide(modelAt(`${server.url}/v1`)))
      expect(result.text).toBe("Both have 5 – näher betrachtet.")
      expect(result.messages.flatMap((m) => m.role === "tool" ? [[m.callId, m.content]] : [])).toEqual([["c1", "5"], [
        "c2",
        "5"
      ]])
      expect(server.getRequests()).toHaveLength(2)
    }))

  it.scopedLive("a server that drops, garbles or hangs up gives a typed error", () =>
    Effect.gen(function*() {
      const server = yield* mock
      server.onMessage(/.*/, { content: "hello" })
      const reasons = []
      for (const chaos of [{ dropRate: 1 }, { malformedRate: 1 }, { disconnectRate: 1 }, { rateLimitRate: 1 }]) {
        server.setChaos(chaos)
        const run = Agent.run(agent, { message: "x" }).pipe(Effect.provide(modelAt(`${server.url}/v1`, { retries: 0 })))
        reasons.push((yield* Effect.flip(run)).reason)
      }
      expect(reasons[0]).toBe("ServerError")
      expect(["Malformed", "Truncated"]).toContain(reasons[1])
      expect(["Unavailable", "Truncated"]).toContain(reasons[2])
      expect(reasons[3]).toBe("RateLimited")
    }))

  it.scopedLive("keeps the promises of every model", () =>
    Effect.gen(function*() {
      const server = yield* mock
      server.onMessage(/.*/, { content: "hello there" })
      yield* Effect.forEach(ChatModelContract.cases, ({ check }) => check("Hi"), { discard: true }).pipe(
        Effect.provide(modelAt(`${server.url}/v1`))
      )
    }))

  it.scopedLive("bytes split within a character arrive whole over a real connection", () =>
    Effect.gen(function*() {
      const bytes = new TextEncoder().encode(`${chunk("Grüße")}data: [DONE]\n\n`)
      const cut = bytes.findIndex((byte) => byte > 0x7f) + 1
      const server = yield* rawServer((response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(bytes.subarray(0, cut), () => response.end(bytes.subarray(cut)))
      })
      const result = yield* Agent.run(agent, { message: "x" }).pipe(Effect.provide(modelAt(server.url)))
      expect(result.text).toBe("Grüße")
    }))

  it.scopedLive("a failing request is repeated, with the key, until it succeeds", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((response, attempt) => {
        if (attempt < 2) response.writeHead(429, { "retry-after-ms": "1" }).end()
        else response.writeHead(200, { "content-type": "text/event-stream" }).end(`${chunk("ok")}data: [DONE]\n\n`)
      })
      const model = modelAt(server.url, { apiKey: Redacted.make("k-1") })
      const result = yield* Agent.run(agent, { message: "x" }).pipe(Effect.provide(model))
      expect(result.text).toBe("ok")
      expect(server.requests.map(({ headers, path }) => [path, headers.authorization])).toEqual(
        Array.from({ length: 3 }, () => ["/chat/completions", "Bearer k-1"])
      )
    }))

  it.scopedLive("a server that is not there is named", () =>
    Effect.gen(function*() {
      // Its port is free again once the server is closed.
      const url = yield* Effect.scoped(Effect.map(rawServer(() => undefined), (server) => server.url))
      const error = yield* Agent.run(agent, { message: "x" }).pipe(
        Effect.provide(modelAt(url, { retries: 0 })),
        Effect.flip
      )
      expect(error.reason).toBe("Unavailable")
      expect(error.message).toContain(url)
    }))

  it.scopedLive("interrupting an answer closes its connection", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(chunk("first"))
      })
      const answer = ChatModel.stream({ messages: [Message.user("x")], tools: [] })
      yield* answer.pipe(Stream.take(1), Stream.runDrain, Effect.provide(modelAt(server.url)))
      yield* server.hungUp
      const fiber = yield* Effect.fork(Agent.run(agent, { message: "x" }).pipe(Effect.provide(modelAt(server.url))))
      yield* Fiber.interrupt(fiber)
    }))
}
