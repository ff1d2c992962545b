import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import type { AgentError } from "@sennit/agent"
import { Agent, ChatModel, Message, OpenAiChat } from "@sennit/agent"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

const encoder = new TextEncoder()
const question = { messages: [Message.user("Hi")], tools: [] }

interface Reply {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body: ReadonlyArray<Uint8Array | string>
  readonly open?: boolean
}

/** A client whose n-th answer arrives in exactly these chunks. */
const clientOf = (...replies: ReadonlyArray<Reply>) => {
  const bodies: Array<string> = []
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      const reply = replies[Math.min(bodies.length, replies.length - 1)]!
      bodies.push(request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : "")
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => {
          for (const part of reply.body) controller.enqueue(typeof part === "string" ? encoder.encode(part) : part)
          if (reply.open !== true) controller.close()
        }
      })
      const headers = { "content-type": "text/event-stream", ...reply.headers }
      return HttpClientResponse.fromWeb(request, new Response(stream, { status: reply.status ?? 200, headers }))
    })
  )
  return { client, bodies }
}

const options = { baseUrl: "http://model.test/v1/", model: "m" }

const ask = (
  client: HttpClient.HttpClient,
  more: Partial<OpenAiChat.Options> = {},
  request: ChatModel.ModelRequest = question
) =>
  OpenAiChat.make({ ...options, ...more }).pipe(
    Effect.provideService(HttpClient.HttpClient, client),
    Effect.flatMap((model) =>
      Effect.provideService(Stream.runCollect(ChatModel.stream(request)), ChatModel.ChatModel, model)
    ),
    Effect.map(Chunk.toReadonlyArray)
  )

const askReply = (reply: Reply, more: Partial<OpenAiChat.Options> = {}) =>
  ask(clientOf(reply).client, { retries: 0, ...more })

const reasonOf = <A>(effect: Effect.Effect<A, AgentError.ModelError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

const delta = (content: object, finish: string | null = null) =>
  JSON.stringify({ choices: [{ index: 0, delta: content, finish_reason: finish }] })

const sse = (...payloads: ReadonlyArray<string>) => payloads.map((payload) => `data: ${payload}\n\n`).join("")

const text = (value: string): ChatModel.ModelEvent => ({ _tag: "TextDelta", text: value })
const finish = (reason: ChatModel.FinishReason): ChatModel.ModelEvent => ({ _tag: "Finish", reason })
const toolCall = (
  index: number | undefined,
  id: string | undefined,
  name: string | undefined,
  args: string
): ChatModel.ModelEvent => ({
  _tag: "ToolCallDelta",
  index,
  id,
  name,
  arguments: args
})

describe("any split of the bytes gives the same events", () => {
  const payloads = [
    delta({ role: "assistant", content: "" }),
    delta({ content: "Grüße 👩‍🚀" }),
    delta({ tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "f", arguments: "{\"x\":" } }] }),
    delta({ tool_calls: [{ index: 0, function: { arguments: "\"é\"}" } }] }),
    delta({}, "tool_calls"),
    JSON.stringify({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } })
  ]
  const expected = [
    text("Grüße 👩‍🚀"),
    toolCall(0, "a", "f", "{\"x\":"),
    toolCall(0, undefined, undefined, "\"é\"}"),
    finish("tool_calls"),
    { _tag: "Usage", inputTokens: 3, outputTokens: 4 }
  ]
  const framings = {
    LF: sse(...payloads, "[DONE]"),
    CRLF: sse(...payloads, "[DONE]").replaceAll("\n", "\r\n"),
    CR: sse(...payloads, "[DONE]").replaceAll("\n", "\r"),
    "comments, other fields and no space": payloads.concat("[DONE]")
      .map((payload) => `: keep-alive\n\nevent: message\nid: 1\ndata:${payload}\n\n`).join("")
  }

  it.effect.each(Object.entries(framings))("at every single byte: %s", ([, body]) =>
    Effect.gen(function*() {
      const bytes = encoder.encode(body)
      for (let at = 0; at <= bytes.length; at++) {
        expect(yield* askReply({ body: [bytes.slice(0, at), bytes.slice(at)] })).toEqual(expected)
      }
    }))

  it.effect.prop("at random places", [FC.array(FC.nat(1000), { maxLength: 60 })], ([cuts]) =>
    Effect.gen(function*() {
      const bytes = encoder.encode(framings.CRLF)
      const places = [0, ...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length]
      const parts = places.slice(1).map((end, i) => bytes.slice(places[i], end))
      expect(yield* askReply({ body: parts })).toEqual(expected)
    }))
})

describe("what servers do differently", () => {
  const call = (fields: object) => delta({ tool_calls: [fields] })

  it.effect.each<readonly [string, ReadonlyArray<string>, ReadonlyArray<ChatModel.ModelEvent>]>([
    ["no index", [call({ id: "a", function: { name: "f", arguments: "{}" } })], [toolCall(undefined, "a", "f", "{}")]],
    ["index as text", [call({ index: "1", id: "a", function: { name: "f", arguments: "{}" } })], [
      toolCall(1, "a", "f", "{}")
    ]],
    ["no id", [call({ index: 0, id: null, function: { name: "f", arguments: "{}" } })], [
      toolCall(0, undefined, "f", "{}")
    ]],
    ["empty id", [call({ index: 0, id: "", function: { name: "f", arguments: "{}" } })], [
      toolCall(0, undefined, "f", "{}")
    ]],
    ["null arguments", [call({ index: 0, id: "a", function: { name: "f", arguments: null } })], [
      toolCall(0, "a", "f", "")
    ]],
    ["arguments as an object", [call({ index: 0, id: "a", function: { name: "f", arguments: { x: 1 } } })], [
      toolCall(0, "a", "f", "{\"x\":1}")
    ]],
    ["null content", [delta({ content: null })], []],
    ["reasoning", [delta({ reasoning_content: "hm" })], [{ _tag: "ReasoningDelta", text: "hm" }]],
    ["a chunk without choices", ["{\"id\":\"x\"}"], []],
    ["null tool calls", [delta({ content: "a", tool_calls: null })], [text("a")]]
  ])("%s", ([, payloads, expected]) =>
    Effect.gen(function*() {
      const events = yield* askReply({ body: [sse(...payloads, delta({}, "stop"), "[DONE]")] })
      expect(events).toEqual([...expected, finish("stop")])
    }))

  it.effect("a finish reason nobody knows, [DONE] without one, and none after [DONE]", () =>
    Effect.gen(function*() {
      expect(yield* askReply({ body: [sse(delta({ content: "a" }, "eos"))] })).toEqual([text("a"), finish("unknown")])
      expect(yield* askReply({ body: [sse(delta({ content: "a" }), "[DONE]")] })).toEqual([
        text("a"),
        finish("unknown")
      ])
      const after = sse(delta({ content: "a" }, "stop"), "[DONE]", delta({ content: "b" }))
      expect(yield* askReply({ body: [after] })).toEqual([text("a"), finish("stop")])
    }))

  it.effect("a connection that is kept open after [DONE]", () =>
    Effect.gen(function*() {
      const answer = askReply({ body: [sse(delta({ content: "a" }, "stop"), "[DONE]")], open: true })
      const fiber = yield* Effect.fork(answer)
      yield* Effect.repeatN(Effect.yieldNow(), 200)
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toHaveLength(2)
    }))

  it.effect("one JSON document in place of a stream", () =>
    Effect.gen(function*() {
      const document = JSON.stringify({ choices: [{ message: { content: "a" }, finish_reason: "stop" }] }, null, 2)
      const events = yield* askReply({ headers: { "content-type": "application/json" }, body: [document] })
      expect(events).toEqual([text("a"), finish("stop")])
    }))
})

describe("faults are typed", () => {
  it.effect.each<readonly [string, Reply, AgentError.ModelError["reason"]]>([
    ["no JSON", { body: [sse("<html>")] }, "Malformed"],
    ["JSON that is no object", { body: [sse("[1]")] }, "Malformed"],
    ["choices that are no list", { body: [sse("{\"choices\":{}}")] }, "Malformed"],
    ["content that is no text", { body: [sse(delta({ content: 1 }))] }, "Malformed"],
    ["an end before the finish", { body: [sse(delta({ content: "a" }))] }, "Truncated"],
    ["an end within a line", { body: ["data: {\"choices\":[{\"delta\":{\"cont"] }, "Truncated"],
    ["nothing at all", { body: [] }, "Truncated"],
    ["an error in the stream", { body: [sse("{\"error\":{\"message\":\"overloaded\"}}")] }, "ServerError"],
    [
      "an error in the stream with a status",
      { body: [sse("{\"error\":{\"message\":\"slow\",\"code\":429}}")] },
      "RateLimited"
    ],
    ["401", { status: 401, body: ["{}"] }, "Unauthorized"],
    ["403", { status: 403, body: ["{}"] }, "Unauthorized"],
    ["404", { status: 404, body: ["{}"] }, "Rejected"],
    ["408", { status: 408, body: [""] }, "Timeout"],
    ["429", { status: 429, body: [""] }, "RateLimited"],
    ["503", { status: 503, body: [""] }, "ServerError"]
  ])("%s", ([, reply, reason]) => Effect.map(reasonOf(askReply(reply)), (found) => expect(found).toBe(reason)))

  it.effect("an error says what the server said, and never the key", () =>
    Effect.gen(function*() {
      const body = ["{\"error\":{\"message\":\"Incorrect key sk-secret-1 given\",\"type\":\"x\"}}"]
      const error = yield* Effect.flip(askReply({ status: 401, body }, { apiKey: Redacted.make("sk-secret-1") }))
      expect(error.message).toContain("Incorrect key <redacted> given")
      expect(JSON.stringify(error) + String(error.stack) + error.message).not.toContain("sk-secret-1")
    }))

  it.effect("an answer beyond the limit is cut off", () =>
    Effect.map(
      reasonOf(askReply({ body: [sse(delta({ content: "a".repeat(2000) }))] }, { maxResponseBytes: 1000 })),
      (reason) => expect(reason).toBe("TooLarge")
    ))

  it.effect("silence before and between chunks ends after the idle timeout", () =>
    Effect.gen(function*() {
      for (const body of [[], [sse(delta({ content: "a" }))]]) {
        const fiber = yield* Effect.fork(reasonOf(askReply({ body, open: true }, { idleTimeout: "5 seconds" })))
        yield* Effect.repeatN(Effect.yieldNow(), 200)
        yield* TestClock.adjust("5 seconds")
        expect(yield* Fiber.join(fiber)).toBe("Timeout")
      }
    }))

  it.effect("silence within a run ends after the idle timeout as well, counted from the last word", () =>
    Effect.gen(function*() {
      const { client } = clientOf({ body: [sse(delta({ content: "a" }))], open: true })
      const model = yield* Effect.provideService(
        OpenAiChat.make({ ...options, retries: 0, idleTimeout: "45 seconds" }),
        HttpClient.HttpClient,
        client
      )
      const agent = Agent.make({ name: "a", instructions: "" })
      const run = Effect.provideService(Agent.run(agent, { message: "x" }), ChatModel.ChatModel, model)
      const fiber = yield* Effect.fork(reasonOf(run))
      yield* Effect.repeatN(Effect.yieldNow(), 200)
      yield* TestClock.adjust("44 seconds")
      expect(fiber.unsafePoll()).toBe(null)
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toBe("Timeout")
    }))
})

describe("retries", () => {
  const good: Reply = { body: [sse(delta({ content: "ok" }, "stop"), "[DONE]")] }

  /** How many requests were sent this many seconds after the first failed. */
  const requestsAfter = (headers: Record<string, string>, seconds: number, status = 429) =>
    Effect.gen(function*() {
      const { bodies, client } = clientOf({ status, headers, body: [""] }, good)
      const fiber = yield* Effect.fork(Effect.either(ask(client)))
      yield* Effect.repeatN(Effect.yieldNow(), 300)
      yield* TestClock.adjust(`${seconds} seconds`)
      yield* Effect.repeatN(Effect.yieldNow(), 300)
      yield* Fiber.interrupt(fiber)
      return bodies.length
    })

  it.effect("wait as long as the server asks, in seconds, milliseconds or as a date", () =>
    Effect.gen(function*() {
      expect(yield* requestsAfter({ "retry-after": "7" }, 6.9)).toBe(1)
      expect(yield* requestsAfter({ "retry-after": "7" }, 9)).toBe(2)
      expect(yield* requestsAfter({ "retry-after-ms": "3000" }, 2.9)).toBe(1)
      expect(yield* requestsAfter({ "retry-after-ms": "3000" }, 4)).toBe(2)
      const date = DateTime.toDateUtc(DateTime.add(yield* DateTime.now, { seconds: 20 })).toUTCString()
      expect(yield* requestsAfter({ "retry-after": date }, 18)).toBe(1)
    }))

  it.effect("do not wait for more than a minute, and not for what cannot help", () =>
    Effect.gen(function*() {
      expect(yield* requestsAfter({ "retry-after": "3600" }, 7200)).toBe(1)
      expect(yield* requestsAfter({}, 3600, 400)).toBe(1)
      expect(yield* requestsAfter({}, 3600, 401)).toBe(1)
      expect(yield* requestsAfter({}, 3600, 500)).toBe(2)
    }))

  it.effect("end", () =>
    Effect.gen(function*() {
      const { bodies, client } = clientOf({ status: 500, body: [""] })
      const fiber = yield* Effect.fork(reasonOf(ask(client, { retries: 3 })))
      yield* Effect.repeatN(Effect.zipRight(TestClock.adjust("1 minute"), Effect.repeatN(Effect.yieldNow(), 100)), 6)
      expect(yield* Fiber.join(fiber)).toBe("ServerError")
      expect(bodies).toHaveLength(4)
    }))

  it.effect("happen when the connection ends before anything was seen, and never after", () =>
    Effect.gen(function*() {
      const unseen = clientOf({ body: [": hello\n\n"] }, good)
      const fiber = yield* Effect.fork(ask(unseen.client))
      yield* Effect.repeatN(Effect.yieldNow(), 300)
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(fiber)).toEqual([text("ok"), finish("stop")])
      const seen = clientOf({ body: [sse(delta({ content: "a" }))] }, good)
      expect(Either.isLeft(yield* Effect.either(ask(seen.client)))).toBe(true)
      expect(seen.bodies).toHaveLength(1)
    }))
})

it.effect("the request is what the protocol asks for", () =>
  Effect.gen(function*() {
    const { bodies, client } = clientOf({ body: [sse(delta({ content: "ok" }, "stop"))] })
    const parameters: ChatModel.ModelTool["parameters"] = { type: "object", properties: {}, required: [] }
    yield* ask(client, {}, {
      messages: [
        Message.system("S"),
        Message.user("look", [{ name: "a.csv", size: 3, type: "text/csv" }]),
        Message.assistant("", [{ id: "c1", name: "f", arguments: "{\"a\":" }]),
        { role: "tool", callId: "c1", name: "f", content: "bad", failed: true, untrusted: false }
      ],
      tools: [{ name: "f", description: "d", parameters }],
      toolChoice: "none"
    })
    expect(JSON.parse(bodies[0]!)).toEqual({
      model: "m",
      stream: true,
      stream_options: { include_usage: true },
      tool_choice: "none",
      tools: [{ type: "function", function: { name: "f", description: "d", parameters } }],
      messages: [
        { role: "system", content: "S" },
        { role: "user", content: "look\n\nAttached files:\n- a.csv (text/csv, 3 bytes)" },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }]
        },
        { role: "tool", tool_call_id: "c1", content: "bad" }
      ]
    })
  }))
