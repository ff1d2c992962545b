import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { Connection, ConnectionPool, HttpClient, HttpConfig, HttpError, Telemetry } from "@sennit/http-client"
import type { RawConnection } from "@sennit/http-client/testing"
import { rawServer } from "@sennit/http-client/testing"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
const answer = (response = ok) => (connection: RawConnection) =>
  Effect.forever(Effect.zipRight(connection.request, connection.write(response)))
const text = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)
const stats = Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)
const preciseOf = <A, R>(effect: Effect.Effect<A, Parameters<typeof HttpError.fromClientError>[0], R>) =>
  Effect.map(Effect.flip(effect), (error) => Option.getOrThrow(HttpError.fromClientError(error)))

/** Answers `served` requests per connection, then closes when the next one has arrived, without an answer. */
const closesOnNext = (served: number) => (connection: RawConnection) =>
  Effect.repeatN(Effect.zipRight(connection.request, connection.write(ok)), served - 1).pipe(
    Effect.zipRight(connection.request),
    Effect.zipRight(connection.reset)
  )

describe("ConnectionPool", () => {
  it.scoped("1000 requests one after another share one connection", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(answer())
      yield* Effect.repeatN(text(server.url), 999)
      expect(yield* server.requests).toBe(1000)
      expect(yield* server.connections).toBe(1)
      expect(yield* stats).toEqual({ open: 1, idle: 1, busy: 0, waiting: 0, created: 1, reused: 999 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("50 at once use at most 10 connections, and the rest wait in order", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(answer())
      const all = yield* Effect.all(Array.from({ length: 50 }, () => text(server.url)), { concurrency: "unbounded" })
      expect(all).toEqual(Array.from({ length: 50 }, () => "ok"))
      expect(yield* server.connections).toBe(10)
      expect((yield* stats).idle).toBe(10)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("the bound on all connections holds across origins, and no origin starves", () =>
    Effect.gen(function*() {
      const servers = yield* Effect.all([rawServer(answer()), rawServer(answer()), rawServer(answer())])
      const all = yield* Effect.forEach(
        Array.from({ length: 60 }, (_, i) => servers[i % 3]?.url ?? ""),
        text,
        { concurrency: "unbounded" }
      )
      expect(all.length).toBe(60)
      const open = yield* Effect.forEach(servers, (server) => server.open)
      expect((yield* stats).open).toBeLessThanOrEqual(2)
      expect(open.filter((count) => count > 2)).toEqual([])
    }).pipe(Effect.provide(HttpClient.layerPooled({ connections: 2 }))))

  it.scoped("a full queue refuses, a long wait times out, and both say so", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        Effect.zipRight(connection.request, Deferred.succeed(arrived, undefined)).pipe(Effect.zipRight(Effect.never))
      )
      const busy = yield* Effect.fork(text(server.url))
      yield* Deferred.await(arrived)
      const waiting = yield* Effect.fork(preciseOf(text(server.url)))
      yield* Effect.yieldNow()
      expect((yield* stats).waiting).toBe(1)
      expect(yield* preciseOf(text(server.url))).toMatchObject({ _tag: "PoolTimeout", reason: "QueueFull" })
      yield* TestClock.adjust("30 seconds")
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "PoolTimeout", reason: "Acquire" })
      yield* Fiber.interrupt(busy)
      expect(yield* stats).toMatchObject({ open: 0, waiting: 0 })
      yield* server.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled({ connectionsPerOrigin: 1, waiting: 1 }))))

  it.scoped("an unused connection is closed after its time, sooner when the server says so", () =>
    Effect.gen(function*() {
      const plain = yield* rawServer(answer())
      const hinted = yield* rawServer(answer("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok"))
      yield* text(plain.url)
      yield* text(hinted.url)
      yield* TestClock.adjust("3900 millis")
      expect((yield* stats).open).toBe(2)
      yield* TestClock.adjust("200 millis")
      yield* hinted.quiet
      expect((yield* stats).open).toBe(1)
      yield* TestClock.adjust("11 seconds")
      yield* plain.quiet
      expect((yield* stats).open).toBe(0)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a connection is not used beyond its age", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(answer())
      yield* text(server.url)
      yield* TestClock.adjust("10 seconds")
      yield* text(server.url)
      yield* TestClock.adjust("10 seconds")
      yield* text(server.url)
      expect(yield* server.connections).toBe(2)
    }).pipe(Effect.provide(HttpClient.layerPooled({ maxAge: "15 seconds" }))))

  it.scoped("bytes on an idle connection close it, and reach no later request", () =>
    Effect.gen(function*() {
      const sendPoison = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        connection.index > 0
          ? answer()(connection)
          : connection.request.pipe(
            Effect.zipRight(connection.write(ok)),
            Effect.zipRight(Deferred.await(sendPoison)),
            Effect.zipRight(connection.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")),
            Effect.zipRight(connection.closed)
          )
      )
      expect(yield* text(server.url)).toBe("ok")
      yield* Deferred.succeed(sendPoison, undefined)
      yield* server.quiet
      expect((yield* stats).open).toBe(0)
      expect(yield* text(server.url)).toBe("ok")
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("bytes after the end of a response close the connection", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(answer(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`))
      expect(yield* text(server.url)).toBe("ok")
      expect(yield* text(server.url)).toBe("ok")
      expect(yield* server.connections).toBe(2)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a safe request that meets a stale connection is sent again once; 200 times over", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(closesOnNext(1))
      const all = yield* Effect.all(Array.from({ length: 200 }, () => text(server.url)))
      expect(all).toEqual(Array.from({ length: 200 }, () => "ok"))
      // each but the first was sent twice
      expect(yield* server.requests).toBe(399)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a POST that meets a stale connection fails and is never sent twice", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(closesOnNext(1))
      yield* text(server.url)
      const post = HttpClient.execute(HttpClientRequest.post(server.url).pipe(HttpClientRequest.bodyText("pay")))
      expect(yield* preciseOf(post)).toMatchObject({ _tag: "ConnectionClosed", sent: "complete" })
      expect(yield* server.requests).toBe(2)
      expect(yield* stats).toMatchObject({ open: 0, busy: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a first connection that closes without an answer is not tried again", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) => Effect.zipRight(connection.request, connection.end))
      expect(yield* preciseOf(text(server.url))).toMatchObject({ _tag: "ConnectionClosed" })
      expect(yield* server.requests).toBe(1)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("drain lets requests finish, refuses new ones and closes everything", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        connection.request.pipe(
          Effect.zipRight(Deferred.succeed(arrived, undefined)),
          Effect.zipRight(Deferred.await(go)),
          Effect.zipRight(connection.write(ok))
        )
      )
      const pool = yield* ConnectionPool.ConnectionPool
      const running = yield* Effect.fork(text(server.url))
      yield* Deferred.await(arrived)
      const draining = yield* Effect.fork(pool.drain)
      yield* Effect.yieldNow()
      expect(yield* preciseOf(text(server.url))).toMatchObject({ _tag: "PoolClosed", sent: "none" })
      yield* Deferred.succeed(go, undefined)
      expect(yield* Fiber.join(running)).toBe("ok")
      yield* Fiber.join(draining)
      yield* server.quiet
      expect(yield* stats).toMatchObject({ open: 0, waiting: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("the end of the scope closes connections and fails what is under way", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        Effect.zipRight(connection.request, Deferred.succeed(arrived, undefined)).pipe(Effect.zipRight(Effect.never))
      )
      const running = yield* Effect.scoped(Effect.gen(function*() {
        const client = HttpClient.make(yield* ConnectionPool.make())
        const fiber = yield* Effect.forkDaemon(preciseOf(client.get(server.url)))
        yield* Deferred.await(arrived)
        return fiber
      }))
      expect(yield* Fiber.join(running)).toMatchObject({ _tag: "PoolClosed", sent: "complete" })
      yield* server.quiet
    }))
})

describe("Connection", () => {
  it.scoped("sends everything over one connection", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(answer())
      const connection = yield* Connection.make()
      yield* Effect.all(Array.from({ length: 20 }, () => connection.client.get(server.url)), {
        concurrency: "unbounded"
      })
      expect(yield* server.connections).toBe(1)
      expect(yield* connection.stats).toMatchObject({ open: 1, created: 1, reused: 19 })
    }))
})

describe("HttpConfig", () => {
  it.effect("reads the environment", () =>
    Effect.gen(function*() {
      const options = yield* HttpConfig.poolOptions
      expect(options).toMatchObject({ connectionsPerOrigin: 3, limits: { bodyBytes: 1000 }, connections: undefined })
      expect(options.timeouts?.total).toEqual(Duration.seconds(5))
    }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(
      new Map([
        ["HTTP_CLIENT_CONNECTIONS_PER_ORIGIN", "3"],
        ["HTTP_CLIENT_TOTAL_TIMEOUT", "5 seconds"],
        ["HTTP_CLIENT_BODY_BYTES", "1000"]
      ]),
      { pathDelim: "_", seqDelim: "," }
    ))))

  it.scoped("changes follow what the pool does, and gauges follow them", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(answer())
      const pool = yield* ConnectionPool.ConnectionPool
      const seen = yield* Queue.unbounded<ConnectionPool.PoolStats>()
      yield* Effect.forkScoped(Stream.runForEach(pool.changes, (one) => Queue.offer(seen, one)))
      const until = (wanted: (one: ConnectionPool.PoolStats) => boolean) =>
        Effect.repeat(Queue.take(seen), { until: wanted })
      expect(yield* Queue.take(seen)).toMatchObject({ open: 0 })
      yield* text(server.url)
      expect(yield* until(({ idle }) => idle === 1)).toMatchObject({ open: 1, busy: 0, created: 1 })
      const gauge = Effect.map(Metric.value(Telemetry.metrics.idleConnections), ({ value }) => value)
      yield* Effect.scoped(Effect.zipRight(
        Layer.build(ConnectionPool.layerMetrics),
        Effect.repeat(Effect.zipRight(Effect.yieldNow(), gauge), { until: (idle) => idle === 1 })
      ))
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("unsafeDispatch tells head, body and end, refuses what it cannot write, and is cancelled", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.forever(Effect.flatMap(connection.request, ({ head }) =>
          head.startsWith("GET /slow")
            ? Effect.never
            : connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: 1\r\n\r\n")))
      )
      const pool = yield* ConnectionPool.ConnectionPool
      const origin = server.url
      const dispatch = (path: string, headers: Record<string, string> = {}) =>
        Effect.async<ReadonlyArray<unknown>>((resume) => {
          const told: Array<unknown> = []
          const dispatched = pool.unsafeDispatch({ origin, path, headers }, {
            onHead: ({ status }) => told.push(status),
            onBody: (view) => told.push(Buffer.from(view).toString()),
            onEnd: (trailers) => resume(Effect.succeed([...told, trailers])),
            onError: ({ _tag }) => resume(Effect.succeed([...told, _tag]))
          })
          return Effect.sync(() => dispatched.cancel())
        })
      expect(yield* dispatch("/")).toEqual([200, "ok", [["t", "1"]]])
      expect(yield* dispatch("/", { evil: "1\r\nEvil: 1" })).toEqual(["InvalidRequest"])
      expect(yield* dispatch("no path")).toEqual(["InvalidRequest"])
      const slow = yield* Effect.fork(dispatch("/slow"))
      yield* Effect.repeat(Effect.zipRight(Effect.yieldNow(), stats), { until: ({ busy }) => busy === 1 })
      yield* Fiber.interrupt(slow)
      expect(yield* stats).toMatchObject({ open: 0, busy: 0, waiting: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
