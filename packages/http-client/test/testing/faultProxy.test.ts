import { describe, expect, it } from "@effect/vitest"
import { HttpClient, HttpError } from "@sennit/http-client"
import type { FaultPlan } from "@sennit/http-client/testing"
import { faultProxy, randomFaults, rawServer } from "@sennit/http-client/testing"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"

const body = "0123456789".repeat(500)
const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`
const server = rawServer((connection) =>
  Effect.forever(Effect.zipRight(connection.request, connection.write(head + body)))
)
const text = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)
const failure = (url: string) =>
  Effect.map(Effect.flip(text(url)), (error) => Option.getOrThrow(HttpError.fromClientError(error)))

const behind = (plan: FaultPlan | ((connection: number) => FaultPlan)) =>
  Effect.gen(function*() {
    const real = yield* server
    return { real, proxy: yield* faultProxy({ port: real.port, plan }) }
  })

describe("faultProxy", () => {
  it.scoped("passes everything unchanged where the plan is empty, and ends with its scope", () =>
    Effect.gen(function*() {
      const real = yield* server
      const stats = yield* Effect.scoped(Effect.gen(function*() {
        const proxy = yield* faultProxy({ port: real.port, plan: {} })
        expect(yield* Effect.all([text(proxy.url), text(proxy.url)], { concurrency: 2 })).toEqual([body, body])
        return yield* proxy.stats
      }))
      expect(stats).toMatchObject({ connections: 2, bytesToClient: 2 * (head.length + body.length) })
      yield* real.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("pieces of any size carry the same body", () =>
    Effect.gen(function*() {
      const { proxy } = yield* behind({ split: 7 })
      expect(yield* text(proxy.url)).toBe(body)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("truncates and resets after just as many bytes, and the client says so", () =>
    Effect.gen(function*() {
      const kinds = ["truncate", "reset"] as const
      const { proxy, real } = yield* behind((connection) => ({
        end: { kind: kinds[connection] ?? "reset", after: connection === 0 ? head.length + 10 : 0 }
      }))
      expect(yield* failure(proxy.url)).toMatchObject({ _tag: "ProtocolError", reason: "TruncatedBody" })
      expect(yield* proxy.stats).toMatchObject({ truncated: 1, bytesToClient: head.length + 10 })
      expect(yield* failure(proxy.url)).toMatchObject({ _tag: "ConnectionClosed", sent: "complete" })
      expect(yield* proxy.stats).toMatchObject({ connections: 2, truncated: 1, reset: 1, stalled: 0 })
      yield* real.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a stall ends in the client's own time limit, and frees the server", () =>
    Effect.gen(function*() {
      const requested = yield* Deferred.make<void>()
      const real = yield* rawServer((connection) =>
        connection.request.pipe(
          Effect.zipRight(connection.write(head + body)),
          Effect.zipRight(Deferred.succeed(requested, undefined))
        )
      )
      const proxy = yield* faultProxy({ port: real.port, plan: { end: { kind: "stall", after: 5 } } })
      const request = yield* Effect.fork(failure(proxy.url))
      yield* Deferred.await(requested)
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(request)).toMatchObject({ _tag: "HeadersTimeout" })
      expect((yield* proxy.stats).bytesToClient).toBeLessThanOrEqual(5)
      yield* real.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled({ timeouts: { headers: "3 seconds" } }))))

  it.scopedLive("delays and narrows by the clock", () =>
    Effect.gen(function*() {
      const { proxy } = yield* behind((connection) => connection === 0 ? { delay: "100 millis" } : { throttle: 20_000 })
      const timed = Effect.timed(text(proxy.url))
      const [delayed, first] = yield* timed
      // a piece up and a piece down
      expect([first, Duration.toMillis(delayed) >= 199]).toEqual([body, true])
      const [narrowed, second] = yield* Effect.provide(timed, HttpClient.layerPooled())
      expect([second, Duration.toMillis(narrowed) >= (head.length + body.length) / 20 - 5]).toEqual([body, true])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a server that is not there is a reset", () =>
    Effect.gen(function*() {
      const gone = yield* Effect.scoped(server)
      const proxy = yield* faultProxy({ port: gone.port, plan: {} })
      expect(["ConnectionClosed", "ConnectError"]).toContain((yield* failure(proxy.url))._tag)
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

describe("randomFaults", () => {
  it("the same seed gives the same plans, another seed others", () => {
    const chances = { delay: 0.5, split: 0.5, throttle: 0.5, truncate: 0.2, reset: 0.2, stall: 0.2 }
    const plans = (seed: number) =>
      Array.from({ length: 100 }, (_, connection) => randomFaults(chances, seed)(connection))
    expect(plans(7)).toEqual(plans(7))
    expect(plans(7)).not.toEqual(plans(8))
    const kinds = plans(7).map(({ end }) => end?.kind)
    for (const kind of ["truncate", "reset", "stall", undefined] as const) expect(kinds).toContain(kind)
  })

  it("without chances nothing happens", () => {
    expect(randomFaults({}, 1)(0)).toEqual({})
  })
})
