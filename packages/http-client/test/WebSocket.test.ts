// @effect-diagnostics nodeBuiltinImport:off -- node:crypto is the server's side of the handshake
import { describe, expect, it } from "@effect/vitest"
import { SsrfGuard, WebSocket } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Crypto from "node:crypto"
import { accept, hex, opened, speaking } from "./speakWebSocket.ts"

// ------------------------------------------------------------------------------- the server of the ws package

interface Peer {
  readonly on: (event: string, listener: (data: Buffer, binary: boolean) => void) => void
  readonly send: (data: Uint8Array, options: { readonly binary: boolean }) => void
  readonly close: (code: number, reason: string) => void
  readonly protocol: string
}
interface PeerServer {
  readonly on: (event: string, listener: (peer: Peer) => void) => void
  readonly address: () => { readonly port: number }
  readonly clients: Iterable<{ readonly terminate: () => void }>
  readonly close: (done: () => void) => void
}
type MakeServer = new(options: object, ready: () => void) => PeerServer
const isModule = (u: unknown): u is { readonly WebSocketServer: MakeServer } =>
  typeof u === "object" && u !== null && "WebSocketServer" in u
const name: string = "ws"
const loaded: unknown = await import(name).catch(() => undefined)
const WebSocketServer = isModule(loaded) ? loaded.WebSocketServer : undefined

/** Echoes; "close" closes with 4001. */
const wsServer = (options: object = {}) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<PeerServer>((resume) => {
        if (WebSocketServer === undefined) return resume(Effect.dieMessage("ws is not installed"))
        const server: PeerServer = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options }, () =>
          resume(Effect.succeed(server)))
        server.on("connection", (peer) =>
          peer.on("message", (data, binary) =>
            data.toString() === "close" ? peer.close(4001, "bye") : peer.send(data, { binary })))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          for (const client of server.clients) {
            client.terminate()
          }
          server.close(() =>
            resume(Effect.void)
          )
        })
    ),
    (server) =>
      `ws://127.0.0.1:${server.address().port}/path?q=1`
  )

/** Deep comparison of large arrays takes seconds. */
const summary = (data: string | Uint8Array) =>
  `${typeof data} ${data.length} ${Crypto.createHash("sha1").update(data).digest("hex")}`

describe.skipIf(WebSocketServer === undefined)("beside the ws package", () => {
  const samples = [
    "",
    "\u20AC".repeat(100),
    "hello \u{1F642}",
    "x".repeat(200),
    "y".repeat(70_000),
    "z".repeat(300_000)
  ]
  it.scoped.each([true, false])("messages come back, compressed: %s", (perMessageDeflate) =>
    Effect.gen(function*() {
      const url = yield* wsServer({ perMessageDeflate, maxPayload: 0 })
      const socket = yield* WebSocket.connect(url, { perMessageDeflate })
      const messages = samples.flatMap((text) => [text, new TextEncoder().encode(text)])
      yield* Effect.fork(Effect.forEach(messages, socket.send, { discard: true }))
      const back = yield* Stream.runCollect(Stream.take(socket.messages, messages.length))
      expect(Chunk.toReadonlyArray(back).map(summary)).toEqual(messages.map(summary))
      expect(yield* socket.close(3000, "done")).toMatchObject({ code: 3000, reason: "done" })
      expect(yield* Effect.flip(socket.send("late"))).toMatchObject({ _tag: "WebSocketClosed", code: 3000 })
      expect(Chunk.size(yield* Stream.runCollect(socket.messages))).toBe(0)
    }))

  it.scoped("subprotocols; a close by the other side; a server that refuses", () =>
    Effect.gen(function*() {
      const url = yield* wsServer({ handleProtocols: () => "two" })
      const socket = yield* WebSocket.connect(url, { protocols: ["one", "two"] })
      expect(socket.protocol).toBe("two")
      yield* socket.send("close")
      expect(yield* Effect.flip(Stream.runDrain(socket.messages))).toMatchObject({ code: 4001, reason: "bye" })
      const refusing = yield* wsServer({ verifyClient: () => false })
      expect(yield* Effect.flip(WebSocket.connect(refusing))).toMatchObject({ reason: "Status", status: 401 })
    }))

  it.scoped("a heartbeat leaves a living server alone", () =>
    Effect.gen(function*() {
      const socket = yield* WebSocket.connect(yield* wsServer(), { heartbeat: "1 second" })
      for (let i = 0; i < 3; i++) {
        yield* socket.send("x")
        yield* Stream.runDrain(Stream.take(socket.messages, 1))
        yield* TestClock.adjust("1 second")
      }
      expect(yield* socket.close()).toMatchObject({ code: 1000 })
    }))
})

// -------------------------------------------------------------------------------------------- servers by hand

/** The code in a masked close frame. */
const closeCode = (bytes: Buffer) => ((bytes[6] ?? 0) ^ (bytes[2] ?? 0)) << 8 | ((bytes[7] ?? 0) ^ (bytes[3] ?? 0))

const failure = (url: string, options?: WebSocket.WebSocketOptions) => Effect.flip(WebSocket.connect(url, options))

describe("the opening handshake", () => {
  it.scoped("asks as §4.1 says", () =>
    Effect.gen(function*() {
      const seen = yield* Deferred.make<string>()
      const server = yield* rawServer((connection) =>
        Effect.flatMap(connection.request, ({ head }) =>
          Effect.zipRight(Deferred.succeed(seen, head), connection.write(opened(head))))
      )
      yield* WebSocket.connect(`${server.url}/a?b`, { headers: { origin: "http://x" }, protocols: ["p"] })
      const head = yield* Deferred.await(seen)
      expect(head.startsWith("GET /a?b HTTP/1.1\r\n")).toBe(true)
      for (
        const line of [
          /^connection: Upgrade\r$/m,
          /^upgrade: websocket\r$/m,
          /^sec-websocket-version: 13\r$/m,
          /^sec-websocket-key: [A-Za-z0-9+/]{22}==\r$/m,
          /^sec-websocket-protocol: p\r$/m,
          /^origin: http:\/\/x\r$/m
        ]
      ) {
        expect(head).toMatch(line)
      }
    }))

  it.scoped.each(
    [
      ["Status", () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
      ["Upgrade", (head: string) => opened(head).replace("WebSocket\r\nConn", "h2c\r\nConn")],
      ["Upgrade", (head: string) => opened(head).replace("keep-alive, Upgrade", "close")],
      ["Accept", (head: string) => opened(head).replace(accept(head), accept("other"))],
      ["Accept", (head: string) => opened(head).replace("-Accept", "-Other")],
      ["Protocol", (head: string) => opened(head, "Sec-WebSocket-Protocol: unasked\r\n")],
      ["Extension", (head: string) => opened(head, "Sec-WebSocket-Extensions: x-other\r\n")],
      [
        "Extension",
        (head: string) =>
          opened(
            head,
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; server_max_window_bits=7\r\n"
          )
      ]
    ] as const
  )("is refused for %s", ([reason, answer]) =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.flatMap(connection.request, ({ head }) => connection.write(answer(head)))
      )
      expect(yield* Effect.flip(WebSocket.connect(server.url))).toMatchObject({
        _tag: "WebSocketHandshakeError",
        reason
      })
      yield* server.quiet
    }))

  it.scoped("other failures are those of any connection, and nothing can be injected", () =>
    Effect.gen(function*() {
      const closed = yield* Effect.scoped(rawServer(() => Effect.void))
      expect(yield* failure(closed.url)).toMatchObject({ _tag: "ConnectError", reason: "Refused" })
      expect(yield* failure("ftp://x/")).toMatchObject({ _tag: "InvalidRequest", reason: "Url" })
      expect(yield* failure(closed.url, { headers: { a: "1\r\nb: 2" } })).toMatchObject({ reason: "HeaderValue" })
      expect(yield* failure(closed.url, { protocols: ["a\r\nb"] })).toMatchObject({ reason: "HeaderValue" })
      expect(yield* failure(closed.url, { headers: { "Sec-WebSocket-Key": "x" } })).toMatchObject({ reason: "Framing" })
      expect(yield* failure(closed.url, { ssrfGuard: SsrfGuard.publicOnly })).toMatchObject({
        _tag: "AddressForbidden"
      })
      const silent = yield* rawServer((connection) => Effect.zipRight(connection.request, connection.end))
      expect(yield* failure(silent.url)).toMatchObject({ _tag: "ConnectionClosed", sent: "complete" })
      const odd = yield* rawServer((connection) => connection.write("nonsense\r\n\r\n"))
      expect(yield* failure(odd.url)).toMatchObject({ _tag: "ProtocolError", reason: "StatusLine" })
    }))

  it.scoped("has a time limit, and interruption ends it", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        Effect.zipRight(connection.request, Deferred.succeed(asked, undefined))
      )
      const fiber = yield* Effect.fork(
        Effect.flip(WebSocket.connect(server.url, { timeouts: { headers: "3 seconds" } }))
      )
      yield* Deferred.await(asked)
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "HeadersTimeout", millis: 3000 })
      yield* server.quiet
      const second = yield* Effect.fork(WebSocket.connect(server.url))
      while ((yield* server.requests) < 2) {
        yield* Effect.async<void>((resume) => {
          setImmediate(() => resume(Effect.void))
        })
      }
      yield* Fiber.interrupt(second)
      yield* server.quiet
    }))
})

describe("an open WebSocket", () => {
  it.scoped("answers pings, and a message that comes with the handshake is not lost", () =>
    Effect.gen(function*() {
      const { received, url } = yield* rawServer((connection) =>
        Effect.flatMap(connection.request, ({ head }) =>
          connection.write(Buffer.concat([Buffer.from(opened(head)), hex("81 02 6869 89 01 70 88 02 03e8")])))
      ).pipe(Effect.map((server) => ({ ...server, received: server.quiet })))
      const socket = yield* WebSocket.connect(url)
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(socket.messages))).toEqual(["hi"])
      yield* received
      const pinging = yield* speaking((connection) =>
        connection.write(hex("89 01 70 88 02 03e8"))
      )
      const other = yield* WebSocket.connect(pinging.url)
      yield* Stream.runDrain(other.messages)
      const frames = yield* pinging.received
      expect(frames.subarray(0, 2)).toEqual(hex("8a 81"))
      expect(frames.subarray(7, 9)).toEqual(hex("88 82"))
      expect(closeCode(frames.subarray(7))).toBe(1000)
    }))

  it.scoped.each(
    [
      ["83 00", "Opcode", 1002],
      ["81 85 00000000 48656c6c6f", "Masked", 1002],
      ["81 01 ff", "Utf8", 1007],
      ["82 7f 7fffffffffffffff", "FrameTooLarge", 1009]
    ] as const
  )(
    "a violation (%s, %s) closes with %i, after the messages before it",
    ([bytes, reason, code]) =>
      Effect.gen(function*() {
        const server = yield* speaking((connection) => connection.write(hex(`81 02 6869 ${bytes}`)))
        const socket = yield* WebSocket.connect(server.url)
        const before: Array<unknown> = []
        const error = yield* Effect.flip(
          Stream.runForEach(socket.messages, (message) => Effect.sync(() => before.push(message)))
        )
        expect([before, error]).toMatchObject([["hi"], { _tag: "WebSocketProtocolError", reason, code }])
        const frames = yield* server.received
        expect(closeCode(frames)).toBe(code)
        yield* server.quiet
      })
  )

  it.scoped("a connection that breaks is 1006, for readers, senders and closers", () =>
    Effect.gen(function*() {
      const server = yield* speaking((connection) => connection.reset)
      const socket = yield* WebSocket.connect(server.url)
      expect(yield* Effect.flip(Stream.runDrain(socket.messages))).toMatchObject({
        _tag: "WebSocketClosed",
        code: 1006
      })
      expect(yield* Effect.flip(socket.send("x"))).toMatchObject({ code: 1006 })
      expect(yield* socket.close()).toMatchObject({ code: 1006 })
    }))

  it.scoped("the scope's end says 1001 and closes; codes that a client may not use are refused", () =>
    Effect.gen(function*() {
      const server = yield* speaking(() => Effect.void)
      yield* Effect.scoped(Effect.gen(function*() {
        const socket = yield* WebSocket.connect(server.url)
        expect(yield* Effect.flip(socket.close(1001))).toMatchObject({ _tag: "InvalidRequest" })
        expect(yield* Effect.flip(socket.close(1000, "x".repeat(124)))).toMatchObject({ _tag: "InvalidRequest" })
      }))
      yield* server.quiet
      expect(closeCode(yield* server.received)).toBe(1001)
    }))

  it.scoped("a server that does not answer the close, or the heartbeat, is given up", () =>
    Effect.gen(function*() {
      const server = yield* speaking(() => Effect.void)
      const socket = yield* WebSocket.connect(server.url, { closeTimeout: "2 seconds" })
      const fiber = yield* Effect.fork(socket.close())
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(fiber)).toMatchObject({ code: 1006 })
      const beating = yield* WebSocket.connect(server.url, { heartbeat: "1 second" })
      const reading = yield* Effect.fork(Effect.flip(Stream.runDrain(beating.messages)))
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(reading)).toMatchObject({ code: 1006 })
      yield* server.quiet
    }))

  it.scoped("a reader who stops stops the server", () =>
    Effect.gen(function*() {
      const pending = yield* Deferred.make<number>()
      const message = Buffer.concat([hex("82 7e ffff"), Buffer.alloc(65_535)])
      const server = yield* speaking((connection) =>
        connection.write(Buffer.concat(Array.from({ length: 400 }, () => message))).pipe(
          Effect.raceFirst(
            Effect.repeat(
              Effect.tap(connection.pending, () =>
                Effect.async<void>((resume) => {
                  setImmediate(() => resume(Effect.void))
                })),
              Schedule.recurs(300)
            )
          ),
          Effect.zipRight(Effect.flatMap(connection.pending, (bytes) => Deferred.succeed(pending, bytes))),
          Effect.asVoid
        )
      )
      const socket = yield* WebSocket.connect(server.url)
      expect(yield* Deferred.await(pending)).toBeGreaterThan(1_000_000)
      const all = yield* Stream.runFold(Stream.take(socket.messages, 400), 0, (sum, one) => sum + one.length)
      expect(all).toBe(400 * 65_535)
    }))
})
