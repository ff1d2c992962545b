import * as HttpBody from "@effect/platform/HttpBody"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError } from "@sennit/http-client"
import type { RawConnection } from "@sennit/http-client/testing"
import { rawServer } from "@sennit/http-client/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
const stats = Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)
const text = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)
const preciseOf = <A, R>(effect: Effect.Effect<A, Parameters<typeof HttpError.fromClientError>[0], R>) =>
  Effect.map(Effect.flip(effect), (error) => Option.getOrThrow(HttpError.fromClientError(error)))

/** Runs out the event loop for a while: what is on the way between sockets arrives. */
const turns = Effect.repeatN(
  Effect.async<void>((resume) => {
    setImmediate(() => resume(Effect.void))
  }),
  20
)

/**
 * Each connection answers once, and then ends as servers do: in order at once, in order when the next request has
 * arrived, or with a reset then. Whatever arrives is an effect.
 */
const racing = (effects: Array<string>) => (connection: RawConnection) =>
  Effect.gen(function*() {
    effects.push((yield* connection.request).body)
    yield* connection.write(ok)
    if (connection.index % 3 === 0) return yield* connection.end
    effects.push((yield* connection.request).body)
    yield* connection.index % 3 === 1 ? connection.end : connection.reset
  })

describe("the keep-alive race", () => {
  it.scoped("1000 GET requests meet closing connections, and each has its answer", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(racing([]))
      for (let n = 0; n < 1000; n++) expect(yield* text(server.url)).toBe("ok")
      expect(yield* stats).toMatchObject({ busy: 0, waiting: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("1000 POST requests meet closing connections, and none has its effect twice", () =>
    Effect.gen(function*() {
      const effects: Array<string> = []
      const server = yield* rawServer(racing(effects))
      const outcomes = yield* Effect.forEach(Array.from({ length: 1000 }, (_, n) => `pay ${n}`), (body) =>
        HttpClient.post(server.url, { body: HttpBody.text(body) }).pipe(
          Effect.flatMap((response) =>
            response.text
          ),
          Effect.match({
            onSuccess: () => ({ body, failure: undefined }),
            onFailure: (error) => ({ body, failure: Option.getOrThrow(HttpError.fromClientError(error)) })
          })
        ))
      expect(new Set(effects).size).toBe(effects.length)
      const succeeded = outcomes.filter(({ failure }) => failure === undefined).map(({ body }) => body)
      expect(succeeded.filter((body) => !effects.includes(body))).toEqual([])
      const failures = outcomes.flatMap(({ failure }) => failure === undefined ? [] : [failure])
      expect(new Set(failures.map(({ _tag }) => _tag))).toEqual(new Set(["ConnectionClosed"]))
      expect(failures.length).toBeGreaterThan(100)
      expect(succeeded.length).toBeGreaterThan(100)
      expect(yield* stats).toMatchObject({ busy: 0, waiting: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

describe("truncation and stalls", () => {
  it.scoped.each(
    [
      ["the end before the head is complete", "HTTP/1.1 200 OK\r\nA: b\r\n", "TruncatedHead"],
      ["the end before the length is reached", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "TruncatedBody"],
      [
        "the end before the last chunk",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "TruncatedBody"
      ],
      [
        "the end inside the trailers",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nA: b\r\n",
        "TruncatedBody"
      ]
    ] as const
  )("%s is a failure", ([, response, reason]) =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        connection.request.pipe(Effect.zipRight(connection.write(response)), Effect.zipRight(connection.end))
      )
      expect(yield* preciseOf(text(server.url))).toMatchObject({ _tag: "ProtocolError", reason })
      expect(yield* stats).toMatchObject({ open: 0 })
      yield* server.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped.each(
    [
      ["in the head", "HTTP/1.1 200 OK\r\nX-Slow: ", "HeadersTimeout", { headers: "10 seconds" }],
      ["in the body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "TotalTimeout", { total: "10 seconds" }]
    ] as const
  )("a byte every second %s does not hold a request for ever", ([, start, tag, timeouts]) =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        connection.request.pipe(
          Effect.zipRight(connection.write(start)),
          Effect.zipRight(Deferred.succeed(begun, undefined)),
          Effect.zipRight(Effect.forever(Effect.zipRight(Effect.sleep("1 second"), connection.write("a")))),
          Effect.raceFirst(connection.closed)
        )
      )
      const request = yield* Effect.fork(preciseOf(text(server.url)))
      yield* Deferred.await(begun)
      for (let second = 0; second < 11; second++) {
        yield* TestClock.adjust("1 second")
        yield* turns
      }
      expect(yield* Fiber.join(request)).toMatchObject({ _tag: tag, millis: 10_000 })
      yield* server.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled({ timeouts }))))

  it.scoped("a server that closes its side after a response has its connection closed, and the next request is answered", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        connection.request.pipe(
          Effect.zipRight(connection.write(ok)),
          Effect.zipRight(connection.end),
          Effect.zipRight(connection.closed)
        )
      )
      expect(yield* text(server.url)).toBe("ok")
      yield* server.quiet
      expect(yield* stats).toMatchObject({ open: 0 })
      expect(yield* text(server.url)).toBe("ok")
      expect(yield* server.connections).toBe(2)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a server that closes its side before it answers fails the request, which had no answer", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) => Effect.zipRight(connection.request, connection.end))
      expect(yield* preciseOf(text(server.url))).toMatchObject({ _tag: "ConnectionClosed", sent: "complete" })
      yield* server.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a server that breaks one response breaks no other that is under way", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        Effect.gen(function*() {
          const { head } = yield* connection.request
          if (head.startsWith("GET /bad ")) {
            yield* connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            return yield* connection.reset
          }
          yield* connection.write("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
          yield* Deferred.await(go)
          yield* connection.write("half")
        })
      )
      const good = yield* Effect.fork(Effect.all([text(server.url), text(server.url)], { concurrency: 2 }))
      const bad = yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => preciseOf(text(`${server.url}/bad`)),
        { concurrency: 5 }
      )
      // the reset may overtake the bytes, or come after them
      for (const { _tag } of bad) expect(["ConnectionClosed", "ProtocolError"]).toContain(_tag)
      yield* Deferred.succeed(go, undefined)
      expect(yield* Fiber.join(good)).toEqual(["halfhalf", "halfhalf"])
      expect(yield* stats).toMatchObject({ open: 2, busy: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
