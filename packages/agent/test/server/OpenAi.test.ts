// @effect-diagnostics asyncFunction:off globalFetch:off -- other people's clients, as they are used
import { expect, it } from "@effect/vitest"
import { Agent, AgentError, AgentTool, ChatModel, Toolset } from "@sennit/agent"
import * as OpenAiServer from "@sennit/agent/server/OpenAi"
import { Scripted } from "@sennit/agent/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import OpenAI, { APIError } from "openai"
import { authenticate, serve, services } from "./serve.ts"

const weather = AgentTool.make("weather", {
  description: "x",
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.String,
  handler: ({ city }) => Effect.succeed(`sunny in ${city}`)
})
const assistant = Agent.make({ name: "assistant", instructions: "Be brief.", tools: Toolset.make(weather) })

const open = (model: typeof ChatModel.ChatModel.Service, options: { readonly maxPerUser?: number } = {}) =>
  Effect.map(
    serve(OpenAiServer.layer({
      agents: { assistant },
      authenticate,
      services: services(model),
      maxBodyBytes: 10_000,
      ...options
    })),
    (url) => ({
      url,
      client: new OpenAI({ baseURL: `${url}/v1`, apiKey: "key-of-ada", maxRetries: 0 })
    })
  )

/** Looks up the weather once, then says what it was told. */
const weatherModel = Scripted.make(({ messages }) => {
  const last = messages.at(-1)
  return last?.role === "tool"
    ? [
      { _tag: "Usage", inputTokens: 7, outputTokens: 3 },
      ...Scripted.text("It is ", last.content)
    ]
    : Scripted.calls(["weather", { city: "Porto" }])
})

it.scopedLive("the OpenAI client holds a streamed conversation with tools, and sees nothing of them", () =>
  Effect.gen(function*() {
    const { client } = yield* open(weatherModel)
    const chunks = yield* Effect.promise(async () => {
      const stream = await client.chat.completions.create({
        model: "assistant",
        stream: true,
        stream_options: { include_usage: true },
        user: "somebody",
        messages: [
          { role: "developer", content: "Speak of the weather." },
          { role: "user", content: "Hello" },
          { role: "assistant", content: "Hi" },
          { role: "user", content: [{ type: "text", text: "And in Porto?" }] }
        ]
      })
      const all = []
      for await (const chunk of stream) all.push(chunk)
      return all
    })
    expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant")
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe("It is sunny in Porto")
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? [])).toEqual(["stop"])
    expect(chunks.at(-1)?.usage).toEqual({ prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 })
    expect(JSON.stringify(chunks)).not.toContain("tool")
    const [request] = weatherModel.requests.slice(-2)
    expect(request?.messages.map(({ content, role }) => [role, content])).toEqual([
      ["system", "Be brief.\n\nThe application that asks adds:\nSpeak of the weather."],
      ["user", "Hello"],
      ["assistant", "Hi"],
      ["user", "And in Porto?"]
    ])
  }))

it.scopedLive("the OpenAI client gets a whole answer, and the list of models", () =>
  Effect.gen(function*() {
    const { client } = yield* open(weatherModel)
    const answer = yield* Effect.promise(() =>
      client.chat.completions.create({ model: "assistant", messages: [{ role: "user", content: "Porto?" }] })
    )
    expect(answer.choices[0]).toMatchObject({
      message: { role: "assistant", content: "It is sunny in Porto" },
      finish_reason: "stop"
    })
    expect(answer.usage?.total_tokens).toBe(10)
    const models = yield* Effect.promise(() => client.models.list())
    expect(models.data.map(({ id }) => id)).toEqual(["assistant"])
  }))

it.scopedLive("what is wrong before the first word is a status, for streams as well", () =>
  Effect.gen(function*() {
    const busy = new AgentError.ModelError({ reason: "RateLimited", model: "m", detail: "d", retryAfterMillis: 2000 })
    const { client, url } = yield* open(Scripted.make(() => Stream.fail(busy)))
    const ask = (body: object) =>
      Effect.promise(async () => {
        const response = await fetch(`${url}/v1/chat/completions`, {
          method: "POST",
          headers: { authorization: "Bearer key-of-ada" },
          body: JSON.stringify({
            model: "assistant",
            stream: true,
            messages: [{ role: "user", content: "x" }],
            ...body
          })
        })
        return { status: response.status, retry: response.headers.get("retry-after"), body: await response.json() }
      })
    expect(yield* ask({})).toMatchObject({ status: 429, retry: "2", body: { error: { code: "model_error" } } })
    expect(yield* ask({ model: "no" })).toMatchObject({ status: 404, body: { error: { code: "model_not_found" } } })
    expect(yield* ask({ messages: [] })).toMatchObject({ status: 400 })
    expect(yield* ask({ messages: "x" })).toMatchObject({ status: 400 })
    expect(yield* ask({ tools: [{}] })).toMatchObject({ status: 400, body: { error: { param: "tools" } } })
    expect(yield* ask({ n: 2 })).toMatchObject({ status: 400, body: { error: { param: "n" } } })
    expect(yield* ask({ extra: "x".repeat(20_000) })).toMatchObject({ status: 413 })
    const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "other", maxRetries: 0 })
    const error = yield* Effect.promise(() => stranger.models.list().then(() => undefined, (cause: unknown) => cause))
    expect(error instanceof APIError ? error.status : error).toBe(401)
    expect(client.apiKey).toBe("key-of-ada")
  }))

it.scopedLive("a request that is too long is refused with 413 also when it did not announce its length", () =>
  Effect.gen(function*() {
    const { url } = yield* open(weatherModel)
    const ask = (pieces: number) =>
      Effect.promise(async () => {
        const piece = new TextEncoder().encode("x".repeat(50_000))
        let sent = 0
        const body = new ReadableStream({
          pull: (controller) => sent++ < pieces ? controller.enqueue(piece) : controller.close()
        })
        const request = { method: "POST", headers: { authorization: "Bearer key-of-ada" }, body, duplex: "half" }
        const response = await fetch(`${url}/v1/chat/completions`, request)
        return { status: response.status, body: await response.json() }
      })
    const refused = { status: 413, body: { error: { message: "The request is larger than 10000 bytes." } } }
    expect(yield* ask(1)).toMatchObject(refused)
    expect(yield* ask(200)).toMatchObject(refused)
  }))

it.scopedLive("what goes wrong after the first word is said within the stream", () =>
  Effect.gen(function*() {
    const cut = new AgentError.ModelError({ reason: "Truncated", model: "secret-host", detail: "secret detail" })
    const broken = Stream.concat(Stream.fromIterable(Scripted.text("So far").slice(0, 1)), Stream.fail(cut))
    const { client } = yield* open(Scripted.make(() => broken))
    const heard = yield* Effect.promise(async () => {
      const texts: Array<string> = []
      try {
        const stream = await client.chat.completions.create({
          model: "assistant",
          stream: true,
          messages: [{ role: "user", content: "x" }]
        })
        for await (const chunk of stream) texts.push(chunk.choices[0]?.delta.content ?? "")
        return { texts, error: undefined }
      } catch (error) {
        return { texts, error }
      }
    })
    expect(heard.texts.join("")).toBe("So far")
    expect(heard.error instanceof APIError).toBe(true)
    expect(String(heard.error)).not.toContain("secret")
  }))

it.scopedLive("a client that leaves stops the model and the tools, and frees its place", () =>
  Effect.gen(function*() {
    const left = yield* Deferred.make<void>()
    const first = yield* Ref.make(true)
    const endless = Stream.concat(Stream.fromIterable(Scripted.text("tick").slice(0, 1)), Stream.never).pipe(
      Stream.ensuring(Deferred.succeed(left, undefined))
    )
    const model = ChatModel.fromStream("m", () =>
      Stream.unwrap(Effect.map(Ref.getAndSet(first, false), (is) =>
        is ? endless : Stream.fromIterable(Scripted.text("ok")))))
    const { client } = yield* open(model, { maxPerUser: 1 })
    const body: OpenAI.ChatCompletionCreateParamsNonStreaming = {
      model: "assistant",
      messages: [{ role: "user", content: "x" }]
    }
    const aborted = new AbortController()
    const stream = yield* Effect.promise(() =>
      client.chat.completions.create({ ...body, stream: true }, { signal: aborted.signal })
    )
    yield* Effect.promise(async () => {
      // Leaving a loop over the stream would abort the request here already.
      const chunks = stream[Symbol.asyncIterator]()
      await chunks.next()
      expect((await chunks.next()).value?.choices[0]?.delta.content).toBe("tick")
    })
    const refused = yield* Effect.promise(() =>
      client.chat.completions.create(body).then(() =>
        undefined, (error: unknown) =>
        error)
    )
    expect(refused instanceof APIError ? refused.status : refused).toBe(429)
    aborted.abort()
    // This hangs when leaving does not reach the model.
    yield* Deferred.await(left)
    const again = yield* Effect.retry(
      Effect.tryPromise(() =>
        client.chat.completions.create(body)
      ),
      Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(100))
    )
    expect(again.choices[0]?.message.content).toBe("ok")
  }))
