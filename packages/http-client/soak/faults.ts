/** 50 fibers through the fault proxy: every request ends, at the latest with its deadline. */
import type { HttpClientError } from "@effect/platform/HttpClientError"
import { ConnectionPool, HttpClient, HttpError } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { makeRandom } from "../test/fuzz/makeRandom.ts"
import type { SoakOptions, SoakResult } from "./main.ts"
import { startServer } from "./startServer.ts"

const deadline = 1000
const allowed = 100
const bodies: Readonly<Record<string, number>> = { "/small": 5, "/large": 262_144, "/chunked": 12, "/slow": 4 }
const paths = ["/small", "/large", "/chunked", "/slow"] as const

/**
 * Watches how long the machine keeps this process from running: `heldUp(since)` gives by how much timers of 10 ms have
 * been late since then, all together, so that nobody else's work is taken for ours.
 */
const watchMachine = () => {
  const gaps: Array<{ readonly at: number; readonly late: number }> = []
  let last = performance.now()
  const lateness = (now: number): number => Math.max(0, now - last - 10)
  const timer = setInterval(() => {
    const now = performance.now()
    gaps.push({ at: now, late: lateness(now) })
    while ((gaps[0]?.at ?? now) < now - 5 * deadline) gaps.shift()
    last = now
  }, 10)
  return {
    heldUp: (since: number): number =>
      gaps.reduce((sum, { at, late }) => at >= since ? sum + late : sum, lateness(performance.now())),
    stop: () => clearInterval(timer)
  }
}

const nameOf = (error: HttpClientError): string =>
  Option.match(HttpError.fromClientError(error), { onNone: () => error._tag, onSome: ({ _tag }) => _tag })

export const faults = (newSeed: () => number) => async ({ minutes, quick }: SoakOptions): Promise<SoakResult> => {
  const seed = newSeed()
  const random = makeRandom(seed)
  const server = await startServer(seed)
  const until = performance.now() + (quick ? 30_000 : minutes * 60_000)
  const outcomes = new Map<string, number>()
  const seen = { wrong: 0, late: 0, slowest: 0, heldUp: 0, worst: 0 }
  const machine = watchMachine()

  const once = Effect.gen(function*() {
    const path = random.pick(paths)
    const start = performance.now()
    const outcome = yield* HttpClient.get(`${server.proxyUrl}${path}`).pipe(
      Effect.flatMap((response) => response.arrayBuffer),
      Effect.match({
        onSuccess: (body) => {
          if (body.byteLength !== bodies[path]) seen.wrong++
          return "value"
        },
        onFailure: nameOf
      })
    )
    const took = performance.now() - start
    seen.slowest = Math.max(seen.slowest, took)
    if (took > deadline) {
      const heldUp = machine.heldUp(start + deadline)
      seen.heldUp = Math.max(seen.heldUp, heldUp)
      seen.worst = Math.max(seen.worst, took - deadline - heldUp)
      if (took > deadline + allowed) seen.late++
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  })
  const worker = Effect.iterate(0, {
    while: () => performance.now() < until,
    body: (n) => Effect.as(once, n + 1)
  })
  const program = Effect.gen(function*() {
    // nothing may outlive the last deadline: a request that hangs ends the check instead of holding it up
    const ended = yield* Effect.all(Array.from({ length: 50 }, () => worker), { concurrency: 50 }).pipe(
      Effect.timeoutOption(until - performance.now() + 10 * deadline)
    )
    const pool = yield* ConnectionPool.ConnectionPool
    return { hung: Option.isNone(ended), stats: yield* pool.stats }
  })
  const layer = HttpClient.layerPooled({ connectionsPerOrigin: 50, timeouts: { total: deadline } })
  const { hung, stats } = await Effect.runPromise(Effect.provide(program, layer))
  machine.stop()
  await server.stop()
  return {
    ok: !hung && seen.worst <= allowed && seen.wrong === 0 && stats.busy === 0 && stats.waiting === 0,
    figures: [
      `seed ${seed}`,
      hung ? "some request never ended" : "every request ended",
      [...outcomes].map(([name, count]) => `${count} ${name}`).join(", "),
      `${seen.wrong} wrong bodies`,
      `deadline ${deadline} ms, slowest ${seen.slowest.toFixed(0)} ms, ${seen.late} over it by more than ${allowed} ms`,
      `${seen.worst.toFixed(0)} ms over it at most, without the time (${
        seen.heldUp.toFixed(0)
      } ms at most) that the machine held the process up`,
      `afterwards busy ${stats.busy}, waiting ${stats.waiting}`
    ]
  }
}
