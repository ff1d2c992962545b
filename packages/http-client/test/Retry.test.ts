import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError, Retry } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

/** Answers the n-th request with the n-th response, the last one again and again; "" closes the connection. */
const scripted = (...responses: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const heads: Array<string> = []
    const server = yield* rawServer((connection) =>
      Effect.forever(Effect.gen(function*() {
        heads.push((yield* connection.request).head)
        const response = responses[Math.min(heads.length, responses.length) - 1] ?? ""
        yield* response === "" ? connection.end : connection.write(response)
      }))
    )
    return { url: server.url, heads }
  })
const reply = (status: number, headers = "") =>
  `HTTP/1.1 ${status} X\r\n${headers}Content-Length: 1\r\n\r\n${status % 10}`
const ok = reply(200)
const atOnce = Schedule.recurs(5)

const run = (options: Retry.RetryOptions, request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(HttpClient.HttpClient, (client) => Retry.withRetry(client, options).execute(request)).pipe(
    Effect.map((response) => `${response.status}`),
    Effect.catchAll((error) =>
      Effect.succeed(Option.match(HttpError.fromClientError(error), { onNone: () => "?", onSome: (it_) => it_._tag }))
    )
  )

const nextTurn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** One turn of the event loop after another until something has happened over a socket. */
const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => condition() ? Effect.void : Effect.zipRight(nextTurn, until(condition)))

/** Somebody sleeps until this time of the test clock. */
const asleepUntil = (wake: number): Effect.Effect<void> =>
  Effect.flatMap(
    TestClock.sleeps(),
    (times) => Chunk.contains(times, wake) ? Effect.void : Effect.zipRight(nextTurn, asleepUntil(wake))
  )

/** Some turns of the event loop, in which a request would arrive. */
const settled = Effect.replicateEffect(nextTurn, 20, { discard: true })

describe("what is repeated", () => {
  it.scoped.each([408, 425, 429, 500, 502, 503, 504])("%i", (status) =>
    Effect.gen(function*() {
      const { heads, url } = yield* scripted(reply(status), reply(status), ok)
      expect(yield* run({ schedule: atOnce }, HttpClientRequest.get(url))).toBe("200")
      expect(heads.length).toBe(3)
      const pool = yield* ConnectionPool.ConnectionPool
      // the bodies that nobody read gave their connection back
      expect(yield* pool.stats).toMatchObject({ created: 1 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped.each([200, 304, 400, 401, 404, 501])("%i is not", (status) =>
    Effect.gen(function*() {
      const { heads, url } = yield* scripted(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`)
      expect(yield* run({ schedule: atOnce }, HttpClientRequest.get(url))).toBe(String(status))
      expect(heads.length).toBe(1)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("an idempotent request after a lost connection; POST only where nothing was sent", () =>
    Effect.gen(function*() {
      const lost = yield* scripted("", "", ok)
      expect(yield* run({ schedule: atOnce }, HttpClientRequest.put(lost.url))).toBe("200")
      const once = yield* scripted("", ok)
      expect(yield* run({ schedule: atOnce }, HttpClientRequest.post(once.url))).toBe("ConnectionClosed")
      expect(once.heads.length).toBe(1)
      const busy = yield* scripted(reply(503), ok)
      expect(yield* run({ schedule: atOnce }, HttpClientRequest.post(busy.url))).toBe("503")
      const tries: Array<string> = []
      const counting = Schedule.tapInput(Schedule.recurs(2), () => Effect.sync(() => tries.push("again")))
      const closed = yield* Effect.scoped(scripted(ok))
      expect(yield* run({ schedule: counting }, HttpClientRequest.post(closed.url))).toBe("ConnectError")
      expect(tries.length).toBe(3)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("POST with an idempotency key, the same in every try, another in every request", () =>
    Effect.gen(function*() {
      const { heads, url } = yield* scripted("", reply(503), ok)
      const options = { schedule: atOnce, idempotencyKey: "Idempotency-Key" }
      expect(yield* run(options, HttpClientRequest.post(url))).toBe("200")
      expect(yield* run(options, HttpClientRequest.post(url))).toBe("200")
      expect(yield* run(options, HttpClientRequest.post(url, { headers: { "idempotency-key": "own" } }))).toBe("200")
      const keys = heads.map((head) => /^idempotency-key: (\S+)/im.exec(head)?.[1])
      expect(new Set(keys.slice(0, 3)).size).toBe(1)
      expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
      expect(keys[3]).not.toBe(keys[0])
      expect(keys[4]).toBe("own")
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("not a body that is gone, not a request that is refused", () =>
    Effect.gen(function*() {
      const { heads, url } = yield* scripted(reply(503), ok)
      const streamed = HttpClientRequest.put(url).pipe(HttpClientRequest.bodyStream(Stream.make(new Uint8Array(2))))
      expect(yield* run({ schedule: atOnce }, streamed)).toBe("503")
      expect(heads.length).toBe(1)
      expect(yield* run({ schedule: Schedule.forever }, HttpClientRequest.get(url, { headers: { a: "\n" } }))).toBe(
        "InvalidRequest"
      )
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

const at = (value: string) => Option.getOrUndefined(Retry.parseRetryAfter(value, 784_111_777_000))

describe("when", () => {
  it.scoped("the last response is the result when the schedule ends", () =>
    Effect.gen(function*() {
      const { heads, url } = yield* scripted(reply(503))
      const client = Retry.withRetry(yield* HttpClient.HttpClient, { schedule: Schedule.recurs(2) })
      const response = yield* client.get(url)
      expect([response.status, yield* response.text, heads.length]).toEqual([503, "3", 3])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("Retry-After in seconds, as a date, and too far away", () =>
    Effect.gen(function*() {
      const { heads, url } = yield* scripted(
        reply(503, "Retry-After: 5\r\n"),
        // the test clock begins in 1970
        reply(429, "Retry-After: Thu, 01 Jan 1970 00:00:20 GMT\r\n"),
        reply(503, "Retry-After: 3600\r\n"),
        ok
      )
      const fiber = yield* Effect.fork(run({ schedule: atOnce }, HttpClientRequest.get(url)))
      for (const [wake, requests] of [[5000, 2], [20_000, 3]] as const) {
        yield* asleepUntil(wake)
        yield* TestClock.setTime(wake - 1)
        yield* settled
        expect(heads.length).toBe(requests - 1)
        yield* TestClock.setTime(wake)
        yield* until(() => heads.length === requests)
      }
      expect(yield* Fiber.join(fiber)).toBe("503")
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it("reads Retry-After strictly", () => {
    expect(at(" 120 ")).toBe(120_000)
    // RFC 9110 §5.6.7's date, 60 seconds before and after
    expect(at("Sun, 06 Nov 1994 08:50:37 GMT")).toBe(60_000)
    expect(at("Sun, 06 Nov 1994 08:48:37 GMT")).toBe(0)
    for (const value of ["", "-1", "1.5", "0x10", "1e3", "soon", "99999999999"]) expect(at(value)).toBeUndefined()
  })

  it.scoped("a shared budget ends the repetitions of all, and first tries fill it again", () =>
    Effect.gen(function*() {
      const { heads, url } = yield* scripted(reply(503))
      const budget = yield* Retry.makeBudget({ reserve: 3, ratio: 0.5 })
      const request = HttpClientRequest.get(url)
      // 3 saved; the first request spends them
      expect(yield* run({ schedule: atOnce, budget }, request)).toBe("503")
      expect(heads.length).toBe(4)
      // 0.5, then 1 and spent, then 0.5
      for (const tries of [5, 7, 8, 10]) {
        yield* run({ schedule: atOnce, budget }, request)
        expect(heads.length).toBe(tries)
      }
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("interruption while it waits ends it", () =>
    Effect.gen(function*() {
      const { heads, url } = yield* scripted(reply(503))
      const fiber = yield* Effect.fork(run({ schedule: Schedule.spaced("1 hour") }, HttpClientRequest.get(url)))
      yield* until(() => heads.length === 1)
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("2 hours")
      expect(heads.length).toBe(1)
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
