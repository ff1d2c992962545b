import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError } from "@sennit/http-client"
import type { RawConnection } from "@sennit/http-client/testing"
import { rawServer } from "@sennit/http-client/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"

const reply = (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`
const pathOf = (head: string): string => head.slice(head.indexOf("/"), head.indexOf(" HTTP"))
const text = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)
const stats = Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)
const preciseOf = <A, R>(effect: Effect.Effect<A, Parameters<typeof HttpError.fromClientError>[0], R>) =>
  Effect.map(Effect.flip(effect), (error) => Option.getOrThrow(HttpError.fromClientError(error)))

/** Answers the first request at once, then reads `count` before it answers all of them in one write. */
const answersTogether = (count: number, order: Ref.Ref<ReadonlyArray<string>>) => (connection: RawConnection) =>
  Effect.gen(function*() {
    const first = yield* connection.request
    yield* connection.write(reply(pathOf(first.head)))
    const requests = yield* Effect.replicateEffect(connection.request, count)
    const paths = requests.map(({ head }) => pathOf(head))
    yield* Ref.set(order, paths)
    yield* connection.write(paths.map(reply).join(""))
    yield* Effect.forever(Effect.flatMap(connection.request, ({ head }) => connection.write(reply(pathOf(head)))))
  })

describe("pipelining", () => {
  it.scoped("ten requests are written before the first is answered, and each gets its own answer", () =>
    Effect.gen(function*() {
      const order = yield* Ref.make<ReadonlyArray<string>>([])
      const server = yield* rawServer(answersTogether(10, order))
      expect(yield* text(`${server.url}/first`)).toBe("/first")
      const paths = Array.from({ length: 10 }, (_, i) => `/${i}`)
      const answers = yield* Effect.forEach(paths, (path) => text(server.url + path), { concurrency: "unbounded" })
      expect(answers).toEqual(paths)
      expect(yield* order).toEqual(paths)
      expect(yield* server.connections).toBe(1)
      expect(yield* stats).toMatchObject({ open: 1, idle: 1, waiting: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled({ connectionsPerOrigin: 1, pipelining: 10 }))))

  it.scoped("a POST waits for its turn, and nothing is written behind it", () =>
    Effect.gen(function*() {
      const released = yield* Deferred.make<void>()
      const pending = yield* Ref.make<ReadonlyArray<number>>([])
      const server = yield* rawServer((connection) =>
        Effect.gen(function*() {
          yield* connection.request
          yield* connection.write(reply("warm"))
          const slow = yield* connection.request
          yield* Deferred.await(released)
          // whatever was written behind it would be here by now: the others were made before this was released
          yield* Ref.set(pending, [yield* connection.pending])
          yield* connection.write(reply(slow.head.slice(0, 4)))
          yield* Effect.forever(
            Effect.flatMap(connection.request, ({ head }) => connection.write(reply(head.slice(0, 4))))
          )
        })
      )
      yield* text(server.url)
      const post = yield* Effect.fork(Effect.flatMap(HttpClient.post(server.url), (response) => response.text))
      yield* Effect.yieldNow()
      const get = yield* Effect.fork(text(server.url))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(released, undefined)
      expect(yield* Fiber.join(post)).toBe("POST")
      expect(yield* Fiber.join(get)).toBe("GET ")
      expect(yield* pending).toEqual([0])
    }).pipe(Effect.provide(HttpClient.layerPooled({ connectionsPerOrigin: 1, pipelining: 10 }))))

  it.scoped("when the connection is lost, the unanswered are repeated once and the answered are not", () =>
    Effect.gen(function*() {
      const seen = yield* Ref.make<ReadonlyArray<string>>([])
      const note = ({ head }: { readonly head: string }) => Ref.update(seen, (all) => [...all, pathOf(head)])
      const server = yield* rawServer((connection) =>
        connection.index > 0
          ? Effect.forever(Effect.flatMap(connection.request, (request) =>
            Effect.zipRight(note(request), connection.write(reply(pathOf(request.head))))))
          : Effect.gen(function*() {
            yield* note(yield* connection.request)
            yield* connection.write(reply("/first"))
            const requests = yield* Effect.replicateEffect(Effect.tap(connection.request, note), 4)
            yield* connection.write(reply(pathOf(requests[0]?.head ?? "")))
            yield* connection.reset
          })
      )
      yield* text(`${server.url}/first`)
      const paths = ["/a", "/b", "/c", "/d"]
      const answers = yield* Effect.forEach(paths, (path) => text(server.url + path), { concurrency: "unbounded" })
      expect(answers).toEqual(paths)
      const times = (path: string) => Effect.map(seen, (all) => all.filter((one) => one === path).length)
      expect(yield* times("/a")).toBe(1)
      expect(yield* Effect.forEach(["/b", "/c", "/d"], times)).toEqual([2, 2, 2])
      expect(yield* stats).toMatchObject({ busy: 0, waiting: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled({ connectionsPerOrigin: 1, pipelining: 10 }))))

  it.scoped("interrupting one in the middle takes nothing from the others", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const released = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        Effect.gen(function*() {
          yield* connection.request
          yield* connection.write(reply("warm"))
          const requests = yield* Effect.replicateEffect(connection.request, 3)
          yield* Deferred.succeed(arrived, undefined)
          yield* Deferred.await(released)
          yield* connection.write(requests.map(({ head }) => reply(pathOf(head))).join(""))
          yield* Effect.never
        })
      )
      yield* text(server.url)
      const fibers = yield* Effect.forEach(["/a", "/b", "/c"], (path) => Effect.fork(text(server.url + path)))
      const [a, b, c] = fibers
      if (a === undefined || b === undefined || c === undefined) throw new Error("three were forked")
      yield* Deferred.await(arrived)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(b))).toBe(true)
      yield* Deferred.succeed(released, undefined)
      expect([yield* Fiber.join(a), yield* Fiber.join(c)]).toEqual(["/a", "/c"])
      expect(yield* server.connections).toBe(1)
      expect(yield* stats).toMatchObject({ open: 1, idle: 1 })
    }).pipe(Effect.provide(HttpClient.layerPooled({ connectionsPerOrigin: 1, pipelining: 10 }))))

  it.scoped("an answer more than was asked for poisons the connection, not the next request", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.flatMap(connection.request, () => connection.write(reply("yours") + reply("poison"))).pipe(
          Effect.zipRight(connection.closed)
        )
      )
      expect(yield* text(server.url)).toBe("yours")
      expect(yield* text(server.url)).toBe("yours")
      expect(yield* server.connections).toBe(2)
    }).pipe(Effect.provide(HttpClient.layerPooled({ connectionsPerOrigin: 1, pipelining: 10 }))))

  it.scoped("a response that is no HTTP fails its own request; those behind it are repeated", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        connection.index > 0
          ? Effect.forever(Effect.flatMap(connection.request, ({ head }) => connection.write(reply(pathOf(head)))))
          : Effect.gen(function*() {
            yield* connection.request
            yield* connection.write(reply("warm"))
            yield* Effect.replicateEffect(connection.request, 2)
            yield* connection.write("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n")
            yield* connection.closed
          })
      )
      yield* text(server.url)
      const [bad, good] = yield* Effect.all([preciseOf(text(`${server.url}/bad`)), text(`${server.url}/good`)], {
        concurrency: "unbounded"
      })
      expect(bad).toMatchObject({ _tag: "ProtocolError", reason: "LineEnding" })
      expect(good).toBe("/good")
    }).pipe(Effect.provide(HttpClient.layerPooled({ connectionsPerOrigin: 1, pipelining: 10 }))))
})
