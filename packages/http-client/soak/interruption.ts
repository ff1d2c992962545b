/** Mixed requests, 30 % of them interrupted at a random moment: nothing may be left of any. */
import * as HttpBody from "@effect/platform/HttpBody"
import { ConnectionPool, HttpClient } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { readdirSync } from "node:fs"
import { setTimeout as wait } from "node:timers/promises"
import type { Random } from "../test/fuzz/makeRandom.ts"
import { makeRandom } from "../test/fuzz/makeRandom.ts"
import type { SoakOptions, SoakResult } from "./main.ts"
import { startServer } from "./startServer.ts"

const paths = ["/small", "/small", "/small", "/large", "/chunked", "/slow", "/drop", "/cut"] as const
const piece = Buffer.alloc(10_000, "upload")

/** One request of some kind, read in some way; what the network does to it is no matter here. */
const request = (url: string, random: Random): Effect.Effect<void, never, HttpClient.HttpClient> => {
  const get = HttpClient.get(`${url}${random.pick(paths)}`)
  switch (random.below(6)) {
    case 0:
      return HttpClient.post(`${url}/upload`, { body: HttpBody.stream(Stream.make(piece, piece, piece)) }).pipe(
        Effect.flatMap((response) => response.text),
        Effect.ignore
      )
    case 1:
      return HttpClient.post(`${url}/upload`, { body: HttpBody.uint8Array(piece) }).pipe(Effect.ignore)
    case 2:
      return Effect.flatMap(get, (response) => Stream.runHead(response.stream)).pipe(Effect.ignore)
    case 3:
      return Effect.flatMap(get, (response) => Stream.runDrain(response.stream)).pipe(Effect.ignore)
    default:
      return Effect.flatMap(get, (response) => response.arrayBuffer).pipe(Effect.ignore)
  }
}

const nextTurn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** At once, after a few turns of the event loop, or after some milliseconds: queued, connecting, writing, waiting, reading. */
const moment = (random: Random): Effect.Effect<void> => {
  if (random.chance(0.1)) return Effect.void
  return random.chance(0.5) ? Effect.repeatN(nextTurn, random.below(6)) : Effect.sleep(random.below(12))
}

const requests = (url: string, random: Random, count: number) => {
  const done = { requests: 0, interrupted: 0 }
  const worker = Effect.gen(function*() {
    while (done.requests < count) {
      done.requests++
      if (random.chance(0.3)) {
        const fiber = yield* Effect.fork(request(url, random))
        yield* moment(random)
        done.interrupted++
        yield* Fiber.interrupt(fiber)
      } else yield* request(url, random)
    }
  })
  return Effect.as(Effect.all(Array.from({ length: 50 }, () => worker), { concurrency: 50, discard: true }), done)
}

const collect = async (): Promise<NodeJS.MemoryUsage> => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await wait(50)
  }
  return process.memoryUsage()
}

const resources = () => process.getActiveResourcesInfo().filter((name) => name !== "Immediate").toSorted().join(" ")
const descriptors = () => readdirSync("/proc/self/fd").length

const mebibytes = (bytes: number): number => Number((bytes / 1_048_576).toFixed(2))

const inUse = ({ arrayBuffers, heapUsed }: NodeJS.MemoryUsage): number => heapUsed + arrayBuffers

export const interruption = (newSeed: () => number) => async ({ quick }: SoakOptions): Promise<SoakResult> => {
  const seed = newSeed()
  const random = makeRandom(seed)
  const count = quick ? 20_000 : 100_000
  const server = await startServer(seed)
  const before = { resources: resources(), descriptors: descriptors() }
  const program = Effect.gen(function*() {
    const pool = yield* ConnectionPool.ConnectionPool
    yield* requests(server.url, random, 20_000)
    const start = yield* Effect.promise(collect)
    const { interrupted } = yield* requests(server.url, random, count)
    const end = yield* Effect.promise(collect)
    // what was interrupted on the last turn is gone with it
    const busy = yield* pool.stats
    yield* pool.drain
    return { start, end, interrupted, busy, drained: yield* pool.stats }
  })
  const layer = HttpClient.layerPooled({ connectionsPerOrigin: 20, timeouts: { total: "30 seconds" } })
  const { busy, drained, end, interrupted, start } = await Effect.runPromise(Effect.provide(program, layer))
  await wait(200)
  const after = { resources: resources(), descriptors: descriptors() }
  await server.stop()
  const grown = mebibytes(inUse(end) - inUse(start))
  const clean = after.resources === before.resources && after.descriptors === before.descriptors &&
    busy.busy === 0 && busy.waiting === 0 && drained.open === 0
  return {
    ok: clean && grown < 1,
    figures: [
      `seed ${seed}`,
      `${count} requests, ${interrupted} interrupted`,
      `${busy.created + busy.reused} carried over ${busy.created} connections`,
      `afterwards busy ${busy.busy}, waiting ${busy.waiting}, open after drain ${drained.open}`,
      `descriptors ${before.descriptors} -> ${after.descriptors}`,
      `active resources [${before.resources}] -> [${after.resources}]`,
      `memory in use ${grown} MiB more than ${count} requests before, resident ${mebibytes(end.rss - start.rss)} MiB`
    ]
  }
}
