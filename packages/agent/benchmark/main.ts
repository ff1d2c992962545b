// @effect-diagnostics nodeBuiltinImport:off globalFetch:off asyncFunction:off newPromise:off strictEffectProvide:off -- measures our client beside others
import type * as HttpClient from "@effect/platform/HttpClient"
import { Agent, AgentTool, OpenAiChat, Toolset } from "@sennit/agent"
import * as NetBodyReader from "@sennit/agent/adapters/NetBodyReader"
import { Effect, Layer, ManagedRuntime, Schema, Stream } from "effect"
import { fork } from "node:child_process"
import { absolute, opened } from "./absolute.ts"
import type { Run } from "./peers.ts"
import {
  aiSdk,
  description,
  expected,
  instructions,
  langGraph,
  load,
  openAiAgents,
  question,
  rawLoop,
  report
} from "./peers.ts"
import { extract, memory } from "./processes.ts"

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

interface Transport {
  readonly HttpClient: {
    readonly layerPooled: (
      options: { readonly connectionsPerOrigin: number; readonly connections: number }
    ) => Layer.Layer<HttpClient.HttpClient>
  }
}
const isTransport = (module: Record<string, unknown>): module is Record<string, unknown> & Transport =>
  typeof module["HttpClient"] === "object"

const concurrentRuns = 1000

/** This workspace's own transport, which the demo uses as well; it is an optional peer of the agent. */
const { HttpClient: { layerPooled } } = await load("@sennit/http-client", isTransport)
const transport = Layer.merge(
  layerPooled({ connectionsPerOrigin: concurrentRuns, connections: concurrentRuns }),
  NetBodyReader.layer
)

const ours = (url: string) => {
  const weather = AgentTool.make("weather", {
    description,
    parameters: Schema.Struct({ city: Schema.String }),
    success: Schema.String,
    handler: ({ city }) => Effect.sync(() => report(city))
  })
  const agent = Agent.make({ name: "bench", instructions, tools: Toolset.make(weather) })
  const runtime = ManagedRuntime.make(
    OpenAiChat.layer({ baseUrl: url, model: "m" }).pipe(Layer.provide(transport))
  )
  const watched = (onFirst: () => void) =>
    Effect.suspend(() => {
      let text = ""
      const read = Stream.runForEachChunk(Agent.stream(agent, { message: question }), (events) =>
        Effect.sync(() => {
          for (const event of events) {
            if (event._tag !== "TextDelta") continue
            onFirst()
            text += event.text
          }
        }))
      return Effect.map(read, () => text)
    })
  const run: Run = async (onFirst) => {
    if (onFirst !== undefined) return runtime.runPromise(watched(onFirst))
    const { messages, text } = await runtime.runPromise(Agent.run(agent, { message: question }))
    const results = messages.filter((message) => message.role === "tool" && message.content === report("Porto"))
    if (results.length !== 2) throw new Error(`${results.length} tools were called`)
    return text
  }
  return { run, close: () => runtime.dispose() }
}

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
    const mine = ours(url)
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

const timeFirst = async (run: Run) => {
  const startedAt = performance.now()
  let first: number | undefined
  const text = await run(() => first ??= performance.now() - startedAt)
  if (text !== expected || first === undefined) throw new Error(`A wrong answer: ${text}`)
  return { first }
}

const median = (numbers: ReadonlyArray<number>) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!

/** A row of our own runs over a server. */
const overServer = (
  fields: { readonly id: string; readonly unit: string; readonly target: number },
  path: string,
  valueOf: (run: Run, url: string) => () => Promise<number>
): Workload =>
  opened({ ...fields, better: "lower" }, async () => {
    const server = await startServer()
    const url = `${server.url}${path}`
    const mine = ours(url)
    return { value: valueOf(mine.run, url), close: () => mine.close().finally(server.stop) }
  })

/** Milliseconds that we need longer than another to the first piece of the answer, taking turns with it. */
const addedToFirst = (mine: Run, other: Run) => async () => {
  const waits: { readonly mine: Array<number>; readonly other: Array<number> } = { mine: [], other: [] }
  for (let i = 0; i < 200; i++) {
    waits.mine.push((await timeFirst(mine)).first)
    waits.other.push((await timeFirst(other)).first)
  }
  return median(waits.mine) - median(waits.other)
}

/** KB of resident memory that each of 1,000 conversations adds while they stream, at their highest. */
export const measureMemory = async (url: string): Promise<number> => {
  const { run } = ours(url)
  await Promise.all(Array.from({ length: 10 }, () => run()))
  globalThis.gc?.()
  const before = process.memoryUsage.rss()
  let most = before
  const sampling = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
  }, 10)
  await Promise.all(Array.from({ length: concurrentRuns }, () => run()))
  clearInterval(sampling)
  return (most - before) / 1024 / concurrentRuns
}

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
const graph = { peerName: "langgraph 1.7.3" } as const
const agents = { peerName: "@openai/agents 0.14.3" } as const
const milliseconds = { unit: "ms to the first piece", better: "lower", ...raw } as const

const workloads: ReadonlyArray<Workload> = [
  alone("run.c1.cpu", raw.peerName, 1.4, rawLoop),
  alone("run.c1.ai", ai.peerName, 0.4, aiSdk),
  overServer(
    { id: "ttft.c1", unit: "ms to the first piece, more than fetch by hand", target: 0.5 },
    "/v1",
    (mine, url) => addedToFirst(mine, rawLoop(url))
  ),
  against({ id: "conc1000.raw", ...higher, ...raw, target: 0.7 }, "/slow/v1", rawLoop, measureTogether),
  against({ id: "conc1000.langgraph", ...higher, ...graph, target: 2 }, "/slow/v1", langGraph, measureTogether),
  against({ id: "conc1000.agents", ...higher, ...agents, target: 2 }, "/slow/v1", openAiAgents, measureTogether),
  against({ id: "conc1000.ai", ...higher, ...ai, target: 4 }, "/slow/v1", aiSdk, measureTogether),
  against({ id: "conc1000.ttft", ...milliseconds, target: 1.3 }, "/slow/v1", rawLoop, measureFirstTogether),
  overServer({ id: "conc1000.rss", unit: "KB a conversation", target: 130 }, "/slow/v1", (_, url) => memory(url)),
  overServer(
    { id: "extract.loop", unit: "ms of delay of the event loop, p99", target: 20 },
    "/slow/v1",
    (mine) => extract(mine)
  ),
  ...absolute
]

export default workloads
