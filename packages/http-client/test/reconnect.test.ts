import { describe, expect, it } from "@effect/vitest"
import { WebSocket } from "@sennit/http-client"
import type { RawConnection } from "@sennit/http-client/testing"
import { rawServer } from "@sennit/http-client/testing"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { WebSocketServer } from "ws"
import { hex, opened } from "./speakWebSocket.ts"

const text = (message: string) => Buffer.concat([Uint8Array.of(0x81, Buffer.byteLength(message)), Buffer.from(message)])
const normalEnd = hex("88 02 03e8")
const refusal = (status: number) => `HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`

/** Runs one script for each connection, the last for all further ones. */
const serving = (...scripts: ReadonlyArray<(connection: RawConnection, head: string) => Effect.Effect<void>>) =>
  rawServer((connection) =>
    Effect.flatMap(
      connection.request,
      ({ head }) => scripts[Math.min(connection.index, scripts.length - 1)]?.(connection, head) ?? connection.end
    )
  )
const says = (...bytes: ReadonlyArray<Uint8Array>) => (connection: RawConnection, head: string) =>
  connection.write(Buffer.concat([Buffer.from(opened(head)), ...bytes]))
const saysAndBreaks = (...bytes: ReadonlyArray<Uint8Array>) => (connection: RawConnection, head: string) =>
  Effect.zipRight(says(...bytes)(connection, head), connection.end)
const breaks = (connection: RawConnection) => connection.reset
const answers = (status: number) => (connection: RawConnection) => connection.write(refusal(status))

const turn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})
/** Waits until something sleeps until this time. */
const asleepUntil = (millis: number): Effect.Effect<void> =>
  Effect.flatMap(
    TestClock.sleeps(),
    (times) => Chunk.contains(times, millis) ? Effect.void : Effect.zipRight(turn, asleepUntil(millis))
  )
const collected = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

describe("reconnect", () => {
  it.scoped("messages go on with those of the next connection, and the status says where", () =>
    Effect.gen(function*() {
      const server = yield* serving(
        saysAndBreaks(text("a"), text("b")),
        answers(503),
        breaks,
        saysAndBreaks(text("c")),
        says(text("d"), normalEnd)
      )
      const socket = yield* WebSocket.connect(server.url, { reconnect: Schedule.recurs(5) })
      const statuses = yield* Effect.fork(collected(socket.status))
      expect(yield* collected(socket.messages)).toEqual(["a", "b", "c", "d"])
      const seen = yield* Fiber.join(statuses)
      expect(seen).toMatchObject([
        { _tag: "Open", connection: 1, messagesBefore: 0 },
        { _tag: "Lost", connection: 1, cause: { _tag: "WebSocketClosed", code: 1006, lost: "Connection" } },
        { _tag: "Open", connection: 2, messagesBefore: 2 },
        { _tag: "Lost", connection: 2 },
        { _tag: "Open", connection: 3, messagesBefore: 3 },
        { _tag: "Lost", connection: 3, cause: { code: 1000 } },
        { _tag: "Closed", cause: { code: 1000 } }
      ])
      expect(yield* server.connections).toBe(5)
    }))

  it.scoped("messages that nobody has read yet survive the connection", () =>
    Effect.gen(function*() {
      const server = yield* serving(saysAndBreaks(text("a"), text("b")), says(text("c")))
      const socket = yield* WebSocket.connect(server.url, { reconnect: Schedule.recurs(1) })
      yield* Stream.runDrain(
        Stream.takeUntil(socket.status, (status) => status._tag === "Open" && status.connection === 2)
      )
      expect(yield* Effect.replicateEffect(socket.receive, 3)).toEqual(["a", "b", "c"])
    }))

  it.scoped("says how many messages may be lost: those that no answered ping has followed", () =>
    Effect.gen(function*() {
      // a server of the ws package, which answers pings by itself; it tells of them, and breaks when it is asked to
      const server = yield* Effect.acquireRelease(
        Effect.async<WebSocketServer>((resume) => {
          const made: WebSocketServer = new WebSocketServer(
            { host: "127.0.0.1", port: 0 },
            () => resume(Effect.succeed(made))
          )
        }),
        (made) => Effect.async<void>((resume) => made.close(() => resume(Effect.void)))
      )
      server.on("connection", (peer) => {
        peer.on("ping", (data) => peer.send(`ping ${String(data)}`))
        peer.on("message", (data) => data.toString() === "break" ? peer.terminate() : undefined)
      })
      const address = server.address()
      const port = typeof address === "object" ? address?.port : undefined
      const socket = yield* WebSocket.connect(`ws://127.0.0.1:${port}`, {
        heartbeat: "1 minute",
        reconnect: Schedule.recurs(0)
      })
      expect(yield* socket.receive).toBe("ping 1")
      yield* Effect.forEach(["a", "b", "c"], socket.send)
      yield* TestClock.adjust("1 minute")
      expect(yield* socket.receive).toBe("ping 2")
      yield* socket.send("break")
      const lost = yield* Stream.runHead(Stream.filter(socket.status, (status) => status._tag === "Lost"))
      expect(lost).toMatchObject({ value: { _tag: "Lost", cause: { code: 1006 }, unconfirmed: 1 } })
    }))

  it.scoped("waits as the schedule says; messages start it anew; at its end the last error is given", () =>
    Effect.gen(function*() {
      const server = yield* serving(saysAndBreaks(text("a")), saysAndBreaks(text("b")), breaks)
      const schedule = Schedule.intersect(Schedule.exponential("1 second"), Schedule.recurs(2))
      const socket = yield* WebSocket.connect(server.url, { reconnect: schedule })
      const seen: Array<unknown> = []
      const reading = yield* Effect.fork(
        Effect.flip(Stream.runForEach(socket.messages, (message) => Effect.sync(() => seen.push(message))))
      )
      yield* asleepUntil(1000)
      expect(yield* server.connections).toBe(1)
      yield* TestClock.setTime(1000)
      // the second connection has brought a message, so the wait is a second again
      yield* asleepUntil(2000)
      expect(seen).toEqual(["a", "b"])
      yield* TestClock.setTime(2000)
      yield* asleepUntil(4000)
      yield* TestClock.setTime(4000)
      expect(yield* Fiber.join(reading)).toMatchObject({ _tag: "ConnectionClosed" })
      expect(yield* Effect.flip(socket.send("x"))).toMatchObject({ _tag: "ConnectionClosed" })
      expect(yield* Effect.flip(socket.receive)).toMatchObject({ _tag: "ConnectionClosed" })
      expect(yield* server.connections).toBe(4)
    }))

  it.scoped("the schedule may look at what was lost, and may be jittered", () =>
    Effect.gen(function*() {
      const server = yield* serving(saysAndBreaks(hex("88 02 0fa1")))
      const retryable = Schedule.forever.pipe(
        Schedule.jittered,
        Schedule.whileInput((cause: { readonly _tag: string }) => !("code" in cause && cause.code === 4001))
      )
      const socket = yield* WebSocket.connect(server.url, { reconnect: retryable })
      expect(yield* Effect.flip(Stream.runDrain(socket.messages))).toMatchObject({ code: 4001 })
      expect(yield* server.connections).toBe(1)
    }))

  it.scoped.each(
    [
      ["another protocol violation", says(hex("83 00")), { _tag: "WebSocketProtocolError", reason: "Opcode" }],
      ["a code that blames us", says(hex("88 02 03f0")), { _tag: "WebSocketClosed", code: 1008 }]
    ] as const
  )("not after %s", ([, script, expected]) =>
    Effect.gen(function*() {
      const server = yield* serving(script)
      const socket = yield* WebSocket.connect(server.url, { reconnect: Schedule.forever })
      expect(yield* Effect.flip(Stream.runDrain(socket.messages))).toMatchObject(expected)
      expect(yield* server.connections).toBe(1)
    }))

  it.scoped("not when the server refuses for good", () =>
    Effect.gen(function*() {
      const server = yield* serving(saysAndBreaks(), answers(403))
      const socket = yield* WebSocket.connect(server.url, { reconnect: Schedule.forever })
      expect(yield* Effect.flip(Stream.runDrain(socket.messages))).toMatchObject({
        _tag: "WebSocketHandshakeError",
        status: 403
      })
      expect(yield* server.connections).toBe(2)
    }))

  it.scoped("the first connection is not made again", () =>
    Effect.gen(function*() {
      const server = yield* serving(breaks)
      expect(yield* Effect.flip(WebSocket.connect(server.url, { reconnect: Schedule.forever }))).toMatchObject({
        _tag: "ConnectionClosed"
      })
      expect(yield* server.connections).toBe(1)
    }))

  it.scoped("not after we have closed, between connections too; who waits to send is told", () =>
    Effect.gen(function*() {
      const server = yield* serving(saysAndBreaks(), says(text("late")))
      const socket = yield* WebSocket.connect(server.url, { reconnect: Schedule.spaced("7 seconds") })
      const reading = yield* Effect.fork(Effect.flip(Stream.runDrain(socket.messages)))
      yield* asleepUntil(7000)
      const sending = yield* Effect.fork(Effect.flip(socket.send("x")))
      yield* turn
      expect(yield* socket.close()).toMatchObject({ code: 1006 })
      expect(yield* Fiber.join(sending)).toMatchObject({ _tag: "WebSocketClosed" })
      expect(yield* Fiber.join(reading)).toMatchObject({ code: 1006 })
      yield* TestClock.adjust("1 minute")
      expect(yield* server.connections).toBe(1)
    }))

  it.scoped("send waits for the next connection", () =>
    Effect.gen(function*() {
      const server = yield* serving(saysAndBreaks(), says())
      const socket = yield* WebSocket.connect(server.url, { reconnect: Schedule.spaced("1 second") })
      yield* asleepUntil(1000)
      const sending = yield* Effect.fork(socket.send("x"))
      yield* turn
      expect(sending.unsafePoll()).toBeNull()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(sending)
      expect(yield* server.connections).toBe(2)
    }))

  it.scoped("the end of the scope ends it at any time, and nothing stays open", () =>
    Effect.gen(function*() {
      const server = yield* serving(saysAndBreaks(), () => Effect.void)
      const socket = yield* Effect.scoped(Effect.gen(function*() {
        const made = yield* WebSocket.connect(server.url, { reconnect: Schedule.spaced("1 second") })
        yield* asleepUntil(1000)
        yield* TestClock.adjust("1 second")
        // the second connection is being opened, and gets no answer
        while ((yield* server.requests) < 2) yield* turn
        return made
      }))
      yield* server.quiet
      expect(yield* Effect.flip(socket.send("x"))).toMatchObject({ _tag: "WebSocketClosed", code: 1006 })
      expect((yield* collected(socket.status)).map(({ _tag }) => _tag)).toEqual(["Closed"])
    }))
})

describe("the heartbeat", () => {
  it.scoped("gives a connection up by its own deadline, and the next one beats again", () =>
    Effect.gen(function*() {
      const server = yield* serving(says())
      const socket = yield* WebSocket.connect(server.url, {
        heartbeat: "10 seconds",
        heartbeatTimeout: "3 seconds",
        reconnect: Schedule.recurs(1)
      })
      const statuses = yield* Effect.fork(collected(Stream.take(socket.status, 3)))
      yield* asleepUntil(3000)
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(statuses)).toMatchObject([
        { _tag: "Open" },
        { _tag: "Lost", cause: { _tag: "WebSocketClosed", code: 1006, lost: "Heartbeat" } },
        { _tag: "Open", connection: 2 }
      ])
    }))
})
