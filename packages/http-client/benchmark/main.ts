// @effect-diagnostics nodeBuiltinImport:off -- starts the server in a process of its own
// @effect-diagnostics asyncFunction:off -- the harness and the peers speak promises
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { HttpClient } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

interface Sample {
  readonly value: number
  readonly cpuMs: number
}

interface Workload {
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

// ------------------------------------------------------------------------------------------------------------- peers

interface UndiciBody extends AsyncIterable<Uint8Array> {
  readonly text: () => Promise<string>
}

interface Undici {
  readonly Agent: new(options: { readonly connections: number }) => { readonly close: () => Promise<void> }
  readonly request: (url: string, options: { readonly dispatcher: unknown }) => Promise<{ readonly body: UndiciBody }>
}

const isObject = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null

const isUndici = (u: unknown): u is Undici =>
  isObject(u) && typeof u["Agent"] === "function" && typeof u["request"] === "function"

const loadUndici = async (): Promise<Undici> => {
  const name: string = "undici"
  const peer: unknown = await import(name)
  if (!isUndici(peer)) throw new Error("undici has not the functions that are measured")
  return peer
}

type ClientLayer = Layer.Layer<HttpClient.HttpClient>

const isLayerModule = (u: unknown): u is { readonly layerUndici: ClientLayer } => isObject(u) && "layerUndici" in u

const loadNodeClient = async (): Promise<ClientLayer> => {
  const name: string = "@effect/platform-node/NodeHttpClient"
  const peer: unknown = await import(name)
  if (!isLayerModule(peer)) throw new Error("@effect/platform-node has not the layer that is measured")
  return peer.layerUndici
}

// ------------------------------------------------------------------------------------------------------------ server

const startServer = async () => {
  const path = fileURLToPath(new URL("./server.mjs", import.meta.url))
  const child = spawn(process.execPath, [path], { stdio: ["pipe", "pipe", "inherit"] })
  const [line]: Array<unknown> = await once(child.stdout, "data")
  return {
    url: `http://127.0.0.1:${Number(String(line))}`,
    stop: async () => {
      const ended = once(child, "exit")
      child.stdin.end()
      await ended
    }
  }
}

// --------------------------------------------------------------------------------------------------------- measuring

/** The rate of `count` pieces of work in `run`, with the CPU time of this process. */
const rate = async (count: number, run: () => Promise<void>): Promise<Sample> => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await run()
  const seconds = (performance.now() - start) / 1000
  const { system, user } = process.cpuUsage(cpu)
  return { value: count / seconds, cpuMs: (user + system) / 1000 }
}

/** CPU time per piece of work instead of the rate. */
const cpuPer = (count: number) => async (sample: Promise<Sample>): Promise<Sample> => {
  const { cpuMs } = await sample
  return { value: cpuMs * 1000 / count, cpuMs }
}

const asRate = (sample: Promise<Sample>): Promise<Sample> => sample

const check = (text: string): void => {
  if (text !== "Hello, World!") throw new Error("the response is not what the server sent")
}

const effectLoop = (url: string, count: number, concurrency: number) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    let left = count
    const worker = Effect.gen(function*() {
      while (left-- > 0) {
        const response = yield* client.execute(HttpClientRequest.get(url))
        check(yield* response.text)
      }
    })
    yield* Effect.all(Array.from({ length: concurrency }, () => worker), { concurrency: "unbounded", discard: true })
  })

const undiciLoop = async (undici: Undici, dispatcher: unknown, url: string, count: number, concurrency: number) => {
  let left = count
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (left-- > 0) {
      const { body } = await undici.request(url, { dispatcher })
      check(await body.text())
    }
  }))
}

const ourRuntime = () => ManagedRuntime.make(HttpClient.layerPooled({ connectionsPerOrigin: 50 }))

// --------------------------------------------------------------------------------------------------------- workloads

const againstUndici = (
  id: string,
  concurrency: number,
  unit: "requests/s" | "µs CPU/request",
  target: number
): Workload => ({
  id,
  unit,
  peerName: "undici.request",
  better: unit === "requests/s" ? "higher" : "lower",
  target,
  open: async () => {
    const count = concurrency === 1 ? 8000 : 30_000
    const shape = unit === "requests/s" ? asRate : cpuPer(count)
    const [server, undici, runtime] = [await startServer(), await loadUndici(), ourRuntime()]
    const agent = new undici.Agent({ connections: 50 })
    const ours = () => shape(rate(count, () => runtime.runPromise(effectLoop(`${server.url}/`, count, concurrency))))
    const peer = () => shape(rate(count, () => undiciLoop(undici, agent, `${server.url}/`, count, concurrency)))
    await ours()
    await peer()
    return {
      ours,
      peer,
      close: async () => {
        await runtime.dispose()
        await agent.close()
        await server.stop()
      }
    }
  }
})

const againstLayer = (id: string, concurrency: number, target: number): Workload => ({
  id,
  unit: "requests/s",
  peerName: "NodeHttpClient.layerUndici",
  better: "higher",
  target,
  open: async () => {
    const [ourCount, peerCount] = [30_000, 6000]
    const [server, runtime] = [await startServer(), ourRuntime()]
    const peerRuntime = ManagedRuntime.make(await loadNodeClient())
    const ours = () => rate(ourCount, () => runtime.runPromise(effectLoop(`${server.url}/`, ourCount, concurrency)))
    const peer = () =>
      rate(peerCount, () => peerRuntime.runPromise(effectLoop(`${server.url}/`, peerCount, concurrency)))
    await ours()
    await peer()
    return {
      ours,
      peer,
      close: async () => {
        await runtime.dispose()
        await peerRuntime.dispose()
        await server.stop()
      }
    }
  }
})

const mebibytes = 64

const checkSize = (size: number): void => {
  if (size !== mebibytes * 1_048_576) throw new Error("the download is not complete")
}

const download: Workload = {
  id: "download.64mib",
  unit: "MiB/s",
  peerName: "undici.request, for await",
  better: "higher",
  target: 1.2,
  open: async () => {
    const [server, undici, runtime] = [await startServer(), await loadUndici(), ourRuntime()]
    const agent = new undici.Agent({ connections: 50 })
    const url = `${server.url}/large`
    const ours = () =>
      rate(mebibytes, () =>
        runtime.runPromise(
          HttpClient.get(url).pipe(
            Effect.flatMap((response) => Stream.runFold(response.stream, 0, (size, piece) => size + piece.length)),
            Effect.map(checkSize)
          )
        ))
    const peer = () =>
      rate(mebibytes, async () => {
        const { body } = await undici.request(url, { dispatcher: agent })
        let size = 0
        for await (const piece of body) size += piece.length
        checkSize(size)
      })
    await ours()
    await peer()
    return {
      ours,
      peer,
      close: async () => {
        await runtime.dispose()
        await agent.close()
        await server.stop()
      }
    }
  }
}

const workloads: ReadonlyArray<Workload> = [
  againstUndici("get.13b.c50", 50, "requests/s", 1.15),
  againstUndici("get.13b.c1", 1, "requests/s", 1.15),
  againstUndici("get.13b.c50.cpu", 50, "µs CPU/request", 1),
  againstUndici("get.13b.c1.cpu", 1, "µs CPU/request", 1),
  againstLayer("get.13b.c50.layer", 50, 5),
  download
]

export default workloads
