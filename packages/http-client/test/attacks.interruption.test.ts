import * as HttpBody from "@effect/platform/HttpBody"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient } from "@sennit/http-client"
import type { RawConnection } from "@sennit/http-client/testing"
import { rawServer } from "@sennit/http-client/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
const stats = Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)
const text = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)
const nothing = { open: 0, busy: 0, idle: 0, waiting: 0 }

/** Runs until `reached` is done in the script, then waits for the end of the connection. */
const reaching =
  (reached: Deferred.Deferred<void>, step: (connection: RawConnection) => Effect.Effect<unknown, Error>) =>
  (connection: RawConnection) =>
    Effect.orDie(step(connection)).pipe(
      Effect.zipRight(Deferred.succeed(reached, undefined)),
      Effect.zipRight(connection.closed)
    )

describe("interruption", () => {
  it.scoped("while queued: the place in the queue is free, the request before it goes on", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        Effect.forever(connection.request.pipe(
          Effect.zipRight(Deferred.succeed(arrived, undefined)),
          Effect.zipRight(Deferred.await(go)),
          Effect.zipRight(connection.write(ok))
        ))
      )
      const first = yield* Effect.fork(text(server.url))
      yield* Deferred.await(arrived)
      const queued = yield* Effect.forEach([1, 2, 3], () => Effect.fork(text(server.url)))
      yield* Effect.yieldNow()
      expect(yield* stats).toMatchObject({ busy: 1, waiting: 3 })
      const [, second] = queued
      if (second !== undefined) yield* Fiber.interrupt(second)
      expect(yield* stats).toMatchObject({ busy: 1, waiting: 2 })
      yield* Deferred.succeed(go, undefined)
      expect(yield* Fiber.join(first)).toBe("ok")
      for (const fiber of queued) yield* Fiber.await(fiber)
      expect(yield* stats).toMatchObject({ open: 1, idle: 1, busy: 0, waiting: 0 })
      expect(yield* server.requests).toBe(3)
    }).pipe(Effect.provide(HttpClient.layerPooled({ connectionsPerOrigin: 1 }))))

  it.scoped("while the name is resolved: nothing is left, and nothing connects afterwards", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const left = yield* Deferred.make<void>()
      const resolver = {
        resolve: () =>
          Deferred.succeed(asked, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(left, undefined))
          )
      }
      yield* Effect.gen(function*() {
        const request = yield* Effect.fork(text("http://slow.example/"))
        yield* Deferred.await(asked)
        yield* Fiber.interrupt(request)
        expect(yield* stats).toMatchObject(nothing)
        yield* Deferred.await(left)
      }).pipe(Effect.provide(HttpClient.layerPooled({ resolver })))
    }))

  it.scoped("while it connects: the server sees the close", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) => connection.closed)
      const request = yield* Effect.fork(text(server.url))
      yield* Effect.yieldNow()
      expect(yield* stats).toMatchObject({ open: 1, busy: 1 })
      yield* Fiber.interrupt(request)
      expect(yield* stats).toMatchObject(nothing)
      yield* server.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("in the TLS handshake: the server sees the close", () =>
    Effect.gen(function*() {
      const accepted = yield* Deferred.make<void>()
      const server = yield* rawServer(reaching(accepted, () => Effect.void))
      const request = yield* Effect.fork(text(server.url.replace("http:", "https:")))
      yield* Deferred.await(accepted)
      yield* Fiber.interrupt(request)
      expect(yield* stats).toMatchObject(nothing)
      yield* server.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("while it writes: the stream that is sent ends, the server sees the close", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const written = yield* Deferred.make<void>()
      const server = yield* rawServer(reaching(begun, (connection) => connection.stopReading))
      const piece = Effect.as(Deferred.succeed(written, undefined), new Uint8Array(65_536))
      const body = Stream.repeatEffect(piece).pipe(Stream.ensuring(Deferred.succeed(ended, undefined)))
      const request = yield* Effect.fork(HttpClient.post(server.url, { body: HttpBody.stream(body) }))
      yield* Deferred.await(begun)
      yield* Deferred.await(written)
      yield* Fiber.interrupt(request)
      yield* Deferred.await(ended)
      expect(yield* stats).toMatchObject(nothing)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  const phases = [
    ["while it waits for the head", ""],
    ["in the middle of the head", "HTTP/1.1 200 OK\r\nA: "],
    ["after an informational response", "HTTP/1.1 103 Early Hints\r\n\r\n"],
    ["in the middle of the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
    ["between two chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
  ] as const
  it.scoped.each(phases)("%s: the server sees the close", ([, sent]) =>
    Effect.gen(function*() {
      const reached = yield* Deferred.make<void>()
      const server = yield* rawServer(
        reaching(reached, (connection) => Effect.zipRight(connection.request, connection.write(sent)))
      )
      const request = yield* Effect.fork(text(server.url))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(request)
      expect(yield* stats).toMatchObject(nothing)
      yield* server.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("while a stream of the body is read: the server sees the close", () =>
    Effect.gen(function*() {
      const first = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        connection.request.pipe(
          Effect.zipRight(connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")),
          Effect.zipRight(connection.closed)
        )
      )
      const response = yield* HttpClient.get(server.url)
      const reading = yield* Effect.fork(Stream.runForEach(response.stream, () => Deferred.succeed(first, undefined)))
      yield* Deferred.await(first)
      yield* Fiber.interrupt(reading)
      expect(yield* stats).toMatchObject(nothing)
      yield* server.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("after the end: the connection stays, and carries the next request", () =>
    Effect.gen(function*() {
      const read = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        Effect.forever(Effect.zipRight(connection.request, connection.write(ok)))
      )
      const request = yield* Effect.fork(
        text(server.url).pipe(Effect.zipLeft(Deferred.succeed(read, undefined)), Effect.zipRight(Effect.never))
      )
      yield* Deferred.await(read)
      yield* Fiber.interrupt(request)
      expect(yield* stats).toMatchObject({ open: 1, idle: 1, busy: 0 })
      expect(yield* text(server.url)).toBe("ok")
      expect(yield* server.connections).toBe(1)
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
