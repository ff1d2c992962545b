// @effect-diagnostics asyncFunction:off -- the harness and the peers speak promises
import * as HttpBody from "@effect/platform/HttpBody"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import { HttpClient } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { check, compare } from "./harness.ts"
import type { Side, Workload } from "./harness.ts"
import * as Peers from "./peers.ts"

const pieces = 1024
const piece = new Uint8Array(65_536).fill(120)
const size = pieces * piece.length
const headers = { "content-length": String(size) }

const checkSize = (received: number): void => {
  if (received !== size) throw new Error("the body is not complete")
}

const ours = (work: Effect.Effect<void, HttpClientError, HttpClient.HttpClient>): Side => {
  const runtime = ManagedRuntime.make(HttpClient.layerPooled())
  return {
    run: (count) => runtime.runPromise(Effect.repeatN(Effect.orDie(work), count - 1)),
    close: () => runtime.dispose()
  }
}

const undici = async (url: string, work: (get: Get) => Promise<void>): Promise<Side> => {
  const { Agent, request } = await Peers.undici()
  const dispatcher = new Agent({ connections: 1 })
  const get: Get = async (path, body) => {
    const response = await request(url + path, {
      dispatcher,
      ...(body === undefined ? {} : { method: "POST", body, headers })
    })
    return response.body
  }
  return {
    run: async (count) => {
      for (let i = 0; i < count; i++) await work(get)
    },
    close: () => dispatcher.close()
  }
}

type Body = Awaited<ReturnType<Awaited<ReturnType<typeof Peers.undici>>["request"]>>["body"]
type Get = (path: string, body?: AsyncIterable<Uint8Array>) => Promise<Body>

async function* source() {
  for (let i = 0; i < pieces; i++) yield piece
}

const ourSource = Stream.unfold(0, (i) => i < pieces ? Option.some([piece, i + 1] as const) : Option.none())

const download = compare(
  { id: "dl.64m", unit: "downloads/s", peerName: "undici.request, for await", target: 1.2, batch: 4, rounds: 11 },
  async ({ url }) => [
    ours(
      Effect.flatMap(
        HttpClient.get(`${url}/large`),
        ({ stream }) => Effect.map(Stream.runFold(stream, 0, (sum, part) => sum + part.length), checkSize)
      )
    ),
    await undici(url, async (get) => {
      let sum = 0
      for await (const part of await get("/large")) sum += part.length
      checkSize(sum)
    })
  ]
)

const upload = compare(
  { id: "ul.64m", unit: "uploads/s", peerName: "undici.request, from an iterable", target: 1, batch: 4, rounds: 11 },
  async ({ url }) => [
    ours(
      Effect.flatMap(
        HttpClient.post(`${url}/upload`, { body: HttpBody.stream(ourSource, "application/octet-stream", size) }),
        ({ text }) => Effect.map(text, check)
      )
    ),
    await undici(url, async (get) => check(await (await get("/upload", source())).text()))
  ]
)

export const workloads: ReadonlyArray<Workload> = [download, upload]
