import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { EventSource, HttpClient, HttpError } from "@sennit/http-client"
import type { RawConnection } from "@sennit/http-client/testing"
import { rawServer } from "@sennit/http-client/testing"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
const serving = (...answers: ReadonlyArray<(connection: RawConnection) => Effect.Effect<void>>) =>
  Effect.gen(function*() {
    const heads: Array<string> = []
    const server = yield* rawServer((connection) =>
      Effect.gen(function*() {
        heads.push((yield* connection.request).head)
        yield* answers[Math.min(heads.length, answers.length) - 1]?.(connection) ?? connection.end
      })
    )
    return { ...server, heads }
  })
const sends = (text: string) => (connection: RawConnection) => Effect.zipRight(connection.write(text), connection.end)
const data = (events: Chunk.Chunk<{ readonly data: string }>) =>
  Chunk.toReadonlyArray(events).map((event) => event.data)
const atOnce = Schedule.recurs(3)
const ids = (heads: ReadonlyArray<string>) => heads.map((one) => /^last-event-id: (.*)$/m.exec(one)?.[1]?.trim())

describe("stream", () => {
  it.scoped("goes on from the last event after the stream ended, was cut, or the server was away", () =>
    Effect.gen(function*() {
      const { heads, url } = yield* serving(
        sends(`${head}id: 1\ndata: one\n\nid: 2\ndata: not whole`),
        sends("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"),
        sends("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\nid: 2\ndata: two\n\n"),
        (connection) => connection.reset,
        sends(`${head}data: three\n\n`),
        sends("HTTP/1.1 204 No Content\r\n\r\n")
      )
      const events = yield* Stream.runCollect(EventSource.stream(url, { reconnect: atOnce, lastEventId: "0" }))
      expect(data(events)).toEqual(["one", "two", "three"])
      expect(ids(heads)).toEqual(["0", "1", "1", "2", "2", "2"])
      expect(heads[0]).toContain("accept: text/event-stream")
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("gives an id back in the UTF-8 that it came in", () =>
    Effect.gen(function*() {
      const { heads, url } = yield* serving(
        (connection) =>
          Effect.zipRight(connection.write(Buffer.from(`${head}id: \u20AC1\ndata: x\n\n`)), connection.end),
        sends("HTTP/1.1 204 No Content\r\n\r\n")
      )
      const events = yield* Stream.runCollect(EventSource.stream(url, { reconnect: atOnce }))
      expect(Chunk.toReadonlyArray(events).map(({ lastEventId }) => lastEventId)).toEqual(["\u20AC1"])
      expect(ids(heads)).toEqual([undefined, "\u00E2\u0082\u00AC1"])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("ends, or fails with what was lost, when the schedule ends; each event starts it anew", () =>
    Effect.gen(function*() {
      const ending = yield* serving(sends(`${head}data: x\n\n`), sends(`${head}data: x\n\n`), sends(head))
      const events = yield* Stream.runCollect(EventSource.stream(ending.url, { reconnect: Schedule.recurs(1) }))
      expect(data(events)).toEqual(["x", "x"])
      // the third connection brought no event, so nothing follows it
      expect(ending.heads.length).toBe(3)
      const closing = yield* serving((connection) => connection.reset)
      const request = HttpClientRequest.post(closing.url)
      const lost = yield* Effect.flip(Stream.runDrain(EventSource.stream(request, { reconnect: Schedule.recurs(1) })))
      expect(Option.getOrThrow(HttpError.fromClientError(lost))._tag).toBe("ConnectionClosed")
      expect(closing.heads.length).toBe(2)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped.each(
    [
      ["HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", { reason: "Status", status: 404 }],
      ["HTTP/1.1 200 OK\r\nContent-Type: text/event-streams\r\nContent-Length: 0\r\n\r\n", { reason: "ContentType" }],
      ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", { reason: "ContentType" }],
      [`${head}data: ${"x".repeat(200)}`, { reason: "Line", maximum: 100 }]
    ] as const
  )("%j fails at once", ([answer, expected]) =>
    Effect.gen(function*() {
      const { heads, url } = yield* serving(sends(answer))
      const error = yield* Effect.flip(Stream.runDrain(EventSource.stream(url, { limits: { line: 100 } })))
      expect(Option.getOrThrow(HttpError.fromClientError(error))).toMatchObject({
        _tag: "EventStreamError",
        ...expected
      })
      expect(heads.length).toBe(1)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("waits as long as the server asks", () =>
    Effect.gen(function*() {
      const { heads, url } = yield* serving(sends(`${head}retry: 7000\ndata: x\n\n`), sends("HTTP/1.1 204 X\r\n\r\n"))
      const fiber = yield* Effect.fork(Stream.runDrain(EventSource.stream(url, { reconnect: Schedule.forever })))
      const asleep: Effect.Effect<void> = Effect.flatMap(TestClock.sleeps(), (times) =>
        Chunk.contains(times, 7000) ? Effect.void : Effect.zipRight(
          Effect.async<void>((resume) => {
            setImmediate(() =>
              resume(Effect.void)
            )
          }),
          asleep
        ))
      yield* asleep
      expect(heads.length).toBe(1)
      yield* TestClock.setTime(7000)
      yield* Fiber.join(fiber)
      expect(heads.length).toBe(2)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("who stops listening closes the connection", () =>
    Effect.gen(function*() {
      const server = yield* serving((connection) => connection.write(`${head}data: 1\n\ndata: 2\n\n`))
      expect(data(yield* Stream.runCollect(Stream.take(EventSource.stream(server.url), 2)))).toEqual(["1", "2"])
      yield* server.quiet
      expect(yield* server.connections).toBe(1)
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
