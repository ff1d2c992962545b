// @effect-diagnostics nodeBuiltinImport:off globalFetch:off asyncFunction:off newPromise:off strictEffectProvide:off -- measures our client beside others
import type * as HttpClient from "@effect/platform/HttpClient"
import { Agent, AgentTool, OpenAiChat, Toolset } from "@sennit/agent"
import { Effect, Layer, ManagedRuntime, Schema, Stream } from "effect"
import { fork } from "node:child_process"
import { absolute } from "./absolute.ts"

export interface Workload {
  readonly id: string
  readonly unit: string
  readonly peerName: string
  readonly better: "lower" | "higher"
  readonly target: number
  readonly open: () => Promise<{
    readonly ours: () => Promise<Sample>
    readonly peer: () => Promise<Sample>
    readonly close: () => Promise<void>
  }>
}

export interface Sample {
  readonly value: number
  readonly cpuMs: number
}

const expected = Array.from({ length: 20 }, (_, i) => `word${i} `).join("")
const question = "How is the weather in Porto?"
const description = "The weather in a city"
const instructions = "You are helpful."
const report = (city: string) => `sunny in ${city}`

/** Answers a question; says when the first piece of the answer is there. */
type Run = (onFirst?: () => void) => Promise<string>

const startServer = () =>
  new Promise<{ readonly url: string; readonly stop: () => void }>((resolve, reject) => {
    const child = fork(new URL("server.ts", import.meta.url), [], { execArgv: ["--import", "tsx"] })
    child.once("error", reject)
    child.once(
      "message",
      (port) => resolve({ url: `http://127.0.0.1:${Number(port)}`, stop: () => child.disconnect() })
    )
  })

/** CPU time of this process per run, over one round of runs one after the other. */
const measure = async (run: Run, runs: number): Promise<Sample> => {
  const before = process.cpuUsage()
  for (let i = 0; i < runs; i++) {
    const text = await run()
    if (text !== expected) throw new Error(`A wrong answer: ${text}`)
  }
  const { system, user } = process.cpuUsage(before)
  const cpuMs = (system + user) / 1000
  return { value: cpuMs / runs, cpuMs }
}

const load = async <A>(
  name: string,
  has: (module: Record<string, unknown>) => module is Record<string, unknown> & A
) => {
  const module: Record<string, unknown> = await import(name)
  if (!has(module)) throw new Error(`${name} is not what it was`)
  return module
}

interface Transport {
  readonly HttpClient: {
    readonly layerPooled: (options: { readonly connectionsPerOrigin: number }) => Layer.Layer<HttpClient.HttpClient>
  }
}
const isTransport = (module: Record<string, unknown>): module is Record<string, unknown> & Transport =>
  typeof module["HttpClient"] === "object"

/** This workspace's own transport, which the demo uses as well; it is an optional peer of the agent. */
const transport = async () => {
  const { HttpClient } = await load("@sennit/http-client", isTransport)
  return HttpClient.layerPooled({ connectionsPerOrigin: concurrentRuns })
}

const ours = async (url: string) => {
  const weather = AgentTool.make("weather", {
    description,
    parameters: Schema.Struct({ city: Schema.String }),
    success: Schema.String,
    handler: ({ city }) => Effect.sync(() => report(city))
  })
  const agent = Agent.make({ name: "bench", instructions, tools: Toolset.make(weather) })
  const runtime = ManagedRuntime.make(
    OpenAiChat.layer({ baseUrl: url, model: "m" }).pipe(Layer.provide(await transport()))
  )
  const watched = (onFirst: () => void) =>
    Agent.stream(agent, { message: question }).pipe(
      Stream.tap((event) => {
        if (event._tag === "TextDelta") onFirst()
        return Effect.void
      }),
      Stream.runFold("", (text, event) => event._tag === "TextDelta" ? text + event.text : text)
    )
  const run: Run = async (onFirst) => {
    if (onFirst !== undefined) return runtime.runPromise(watched(onFirst))
    const { messages, text } = await runtime.runPromise(Agent.run(agent, { message: question }))
    const results = messages.filter((message) => message.role === "tool" && message.content === report("Porto"))
    if (results.length !== 2) throw new Error(`${results.length} tools were called`)
    return text
  }
  return { run, close: () => runtime.dispose() }
}

interface AiSdk {
  readonly streamText: (options: object) => { readonly textStream: AsyncIterable<string> }
  readonly tool: (options: object) => object
  readonly stepCountIs: (steps: number) => object
}
interface Provider {
  readonly createOpenAICompatible: (options: object) => (model: string) => object
}
interface Zod {
  readonly z: { readonly object: (shape: object) => object; readonly string: () => object }
}

const isAiSdk = (module: Record<string, unknown>): module is Record<string, unknown> & AiSdk =>
  ["streamText", "tool", "stepCountIs"].every((name) => typeof module[name] === "function")
const isProvider = (module: Record<string, unknown>): module is Record<string, unknown> & Provider =>
  typeof module["createOpenAICompatible"] === "function"
const isZod = (module: Record<string, unknown>): module is Record<string, unknown> & Zod =>
  typeof module["z"] === "object"

const aiSdk = async (url: string): Promise<Run> => {
  const { stepCountIs, streamText, tool } = await load("ai", isAiSdk)
  const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible", isProvider)
  const { z } = await load("zod", isZod)
  const model = createOpenAICompatible({ name: "mock", baseURL: url, includeUsage: true })("m")
  const weather = tool({
    description,
    inputSchema: z.object({ city: z.string() }),
    execute: ({ city }: { readonly city: string }) => Promise.resolve(report(city))
  })
  return async (onFirst) => {
    const result = streamText({
      model,
      system: instructions,
      prompt: question,
      tools: { weather },
      stopWhen: stepCountIs(16)
    })
    let text = ""
    for await (const delta of result.textStream) {
      onFirst?.()
      text += delta
    }
    return text
  }
}

interface RawCall {
  id: string
  name: string
  arguments: string
}
interface RawChunk {
  readonly choices: ReadonlyArray<{
    readonly delta: {
      readonly content?: string | null
      readonly tool_calls?: ReadonlyArray<{
        readonly index: number
        readonly id?: string
        readonly function: { readonly name?: string; readonly arguments?: string }
      }>
    }
  }>
}

/** The least that does the same: no limits, no checks, no events. */
const rawLoop = (url: string): Run => {
  const tools = [{
    type: "function",
    function: { name: "weather", description, parameters: { type: "object", properties: { city: { type: "string" } } } }
  }]
  return async (onFirst) => {
    const messages: Array<object> = [{ role: "system", content: instructions }, { role: "user", content: question }]
    for (;;) {
      const response = await fetch(`${url}/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "m", messages, tools, stream: true, stream_options: { include_usage: true } })
      })
      const calls: Array<RawCall> = []
      let text = ""
      let rest = ""
      const decoder = new TextDecoder()
      for await (const bytes of response.body!) {
        const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n\n")
        rest = parts.pop() ?? ""
        for (const part of parts) {
          const payload = part.slice(6)
          if (payload === "[DONE]") continue
          const chunk: RawChunk = JSON.parse(payload)
          const delta = chunk.choices[0]?.delta
          if (delta?.content) {
            onFirst?.()
            text += delta.content
          }
          for (const piece of delta?.tool_calls ?? []) {
            const call = calls[piece.index] ??= { id: piece.id ?? "", name: piece.function.name ?? "", arguments: "" }
            call.arguments += piece.function.arguments ?? ""
          }
        }
      }
      if (calls.length === 0) return text
      messages.push({
        role: "assistant",
        content: null,
        tool_calls: calls.map(({ arguments: args, id, name }) => ({
          id,
          type: "function",
          function: { name, arguments: args }
        }))
      })
      const results = await Promise.all(calls.map(async (call) => {
        const { city }: { readonly city: string } = JSON.parse(call.arguments)
        return { role: "tool", tool_call_id: call.id, content: report(city) }
      }))
      messages.push(...results)
    }
  }
}

const concurrentRuns = 1000
const runsPerRound = 500
const warmUp = 500

/** Both sides against one server, and what a round of them gives. */
const against = (
  row: Omit<Workload, "open" | "unit"> & { readonly unit: string },
  path: string,
  peerOf: (url: string) => Run | Promise<Run>,
  round: (run: Run) => Promise<Sample>
): Workload => ({
  ...row,
  open: async () => {
    const server = await startServer()
    const url = `${server.url}${path}`
    const mine = await ours(url)
    const peer = await peerOf(url)
    return {
      ours: () => round(mine.run),
      peer: () => round(peer),
      close: () => mine.close().finally(server.stop)
    }
  }
})

const alone = (id: string, peerName: string, target: number, peerOf: (url: string) => Run | Promise<Run>): Workload => {
  const row = { id, unit: "ms CPU/run over @sennit/http-client", peerName, better: "lower", target } as const
  let warm = 0
  return against(row, "/v1", peerOf, (run) => measure(run, warm++ < 2 ? warmUp : runsPerRound))
}

/** Milliseconds until the first piece of the answer, one run after the other: the median of a round. */
const measureFirst = async (run: Run): Promise<Sample> => {
  const before = process.cpuUsage()
  const waits: Array<number> = []
  for (let i = 0; i < 200; i++) waits.push((await timeFirst(run)).first)
  const { system, user } = process.cpuUsage(before)
  return { value: median(waits), cpuMs: (system + user) / 1000 }
}

const timeFirst = async (run: Run) => {
  const startedAt = performance.now()
  let first: number | undefined
  const text = await run(() => first ??= performance.now() - startedAt)
  if (text !== expected || first === undefined) throw new Error(`A wrong answer: ${text}`)
  return { first }
}

const median = (numbers: ReadonlyArray<number>) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!

/**
 * Runs finished per second, 1,000 at a time, over a server that takes its time: 200 ms to the first piece and 5 ms to
 * each other one, so that a run is at least 560 ms long and nobody finishes more than 1,790 in a second.
 */
const measureTogether = async (run: Run): Promise<Sample> => {
  const startedAt = performance.now()
  const before = process.cpuUsage()
  const texts = await Promise.all(Array.from({ length: concurrentRuns }, () => run()))
  const { system, user } = process.cpuUsage(before)
  const seconds = (performance.now() - startedAt) / 1000
  if (texts.some((text) => text !== expected)) throw new Error("A wrong answer")
  return { value: texts.length / seconds, cpuMs: (system + user) / 1000 }
}

/** The median wait for the first piece with 1,000 runs at a time. */
const measureFirstTogether = async (run: Run): Promise<Sample> => {
  const before = process.cpuUsage()
  const waits = await Promise.all(Array.from({ length: concurrentRuns }, () => timeFirst(run)))
  const { system, user } = process.cpuUsage(before)
  return { value: median(waits.map(({ first }) => first)), cpuMs: (system + user) / 1000 }
}

const higher = { unit: "runs/s over @sennit/http-client", better: "higher" } as const
const raw = { peerName: "fetch, by hand" } as const
const ai = { peerName: "ai 6.0.326" } as const
const milliseconds = { unit: "ms to the first piece", better: "lower", ...raw } as const

const workloads: ReadonlyArray<Workload> = [
  alone("run.c1.cpu", raw.peerName, 1.4, rawLoop),
  alone("run.c1.ai", ai.peerName, 0.4, aiSdk),
  against({ id: "ttft.c1.ratio", ...milliseconds, target: 1.3 }, "/v1", rawLoop, measureFirst),
  against({ id: "conc1000.raw", ...higher, ...raw, target: 0.7 }, "/slow/v1", rawLoop, measureTogether),
  against({ id: "conc1000.ai", ...higher, ...ai, target: 4 }, "/slow/v1", aiSdk, measureTogether),
  against({ id: "conc1000.ttft", ...milliseconds, target: 1.3 }, "/slow/v1", rawLoop, measureFirstTogether),
  ...absolute
]

export default workloads
