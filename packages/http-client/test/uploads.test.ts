// @effect-diagnostics nodeBuiltinImport:off -- servers of node's own
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Net from "node:net"

const preciseOf = <A, R>(effect: Effect.Effect<A, Parameters<typeof HttpError.fromClientError>[0], R>) =>
  Effect.map(Effect.flip(effect), (error) => Option.getOrThrow(HttpError.fromClientError(error)))
const stats = Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)

const isAddress = (address: AddressInfo | string | null): address is AddressInfo =>
  typeof address === "object" && address !== null

const listening = <S extends Net.Server>(make: () => S) => {
  const sockets = new Set<Net.Socket>()
  return Effect.acquireRelease(
    Effect.async<readonly [url: string, server: S]>((resume) => {
      const server = make()
      server.on("connection", (socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        if (isAddress(address)) resume(Effect.succeed([`http://127.0.0.1:${address.port}`, server] as const))
      })
    }),
    ([, server]) =>
      Effect.async<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )
}

const endless = Stream.repeatEffect(Effect.sync(() => new Uint8Array(65_536)))
const post = (url: string, body: HttpBody.HttpBody, headers: Record<string, string> = {}) =>
  Effect.flatMap(
    HttpClient.post(url, { body, headers }),
    (response) => Effect.map(response.text, (text) => [response.status, text] as const)
  )

describe("a server that answers before it has read the body", () => {
  const refusal = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 9\r\n\r\ntoo large"

  it.scoped.each(
    [
      ["and closes", (socket: Net.Socket) => socket.end(refusal)],
      ["and resets what it has not read", (socket: Net.Socket) => socket.write(refusal, () => socket.destroy())],
      ["and leaves the connection open", (socket: Net.Socket) => socket.pause().write(refusal)]
    ] as const
  )("is heard: %s", ([, answer]) =>
    Effect.gen(function*() {
      const [url] = yield* listening(() =>
        Net.createServer((socket) => {
          socket.on("error", () => {})
          socket.once("data", () => answer(socket))
        })
      )
      for (let i = 0; i < 50; i++) {
        expect(yield* post(url, HttpBody.stream(endless))).toEqual([413, "too large"])
      }
      expect(yield* stats).toMatchObject({ open: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("may answer while it reads: both directions flow at once", () =>
    Effect.gen(function*() {
      const [url] = yield* listening(() => Http.createServer((request, response) => request.pipe(response)))
      const size = 4 * 1_048_576
      const body = HttpBody.stream(Stream.take(endless, size / 65_536))
      const response = yield* HttpClient.post(url, { body })
      const echoed = yield* Stream.runFold(response.stream, 0, (sum, piece) => sum + piece.length)
      expect(echoed).toBe(size)
      expect(yield* stats).toMatchObject({ open: 1, idle: 1 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

describe("Expect: 100-continue", () => {
  const expecting = { expect: "100-continue" }

  it.scoped("sends the body when the server asks for it", () =>
    Effect.gen(function*() {
      const [url] = yield* listening(() => {
        const server = Http.createServer()
        server.on("checkContinue", (request: Http.IncomingMessage, response: Http.ServerResponse) => {
          response.writeContinue()
          request.pipe(response)
        })
        return server
      })
      expect(yield* post(url, HttpBody.text("hello"), expecting)).toEqual([200, "hello"])
      expect(yield* post(url, HttpBody.stream(Stream.make(Buffer.from("streamed"))), expecting))
        .toEqual([200, "streamed"])
      expect(yield* stats).toMatchObject({ open: 1, idle: 1, created: 1 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("sends nothing of the body when the server refuses", () =>
    Effect.gen(function*() {
      const read = { bytes: 0 }
      const [url] = yield* listening(() => {
        const server = Http.createServer()
        server.on("checkContinue", (request: Http.IncomingMessage, response: Http.ServerResponse) => {
          request.on("data", (data: Buffer) => read.bytes += data.length)
          response.writeHead(417).end("no")
        })
        return server
      })
      const pulled = { pieces: 0 }
      const body = HttpBody.stream(Stream.tap(Stream.take(endless, 3), () => Effect.sync(() => pulled.pieces++)))
      expect(yield* post(url, body, expecting)).toEqual([417, "no"])
      expect([pulled.pieces, read.bytes]).toEqual([0, 0])
      // the server waits for a body that never comes, so the connection is not used again
      expect(yield* stats).toMatchObject({ open: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("does not wait for ever for a server that says nothing", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.flatMap(
          connection.request,
          ({ body }) => connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
        ).pipe(Effect.zipRight(Effect.never))
      )
      const request = yield* Effect.fork(post(server.url, HttpBody.text("after a second"), expecting))
      yield* Effect.iterate(0, {
        while: (open) => open === 0,
        body: () => Effect.zipRight(TestClock.adjust("10 millis"), server.open)
      })
      yield* Effect.iterate(undefined, {
        while: () => request.unsafePoll() === null,
        body: () => Effect.as(Effect.zipRight(TestClock.adjust("100 millis"), nextTurn), undefined)
      })
      expect(yield* request).toEqual([200, "after a second"])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("needs a body", () =>
    Effect.gen(function*() {
      const request = HttpClientRequest.get("http://127.0.0.1:1/", { headers: expecting })
      expect(yield* preciseOf(HttpClient.execute(request))).toMatchObject({ _tag: "InvalidRequest", reason: "Framing" })
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

describe("trailers", () => {
  it.scoped("are there when the body was read to its end", () =>
    Effect.gen(function*() {
      const [url] = yield* listening(() =>
        Http.createServer((_, response) => {
          response.writeHead(200, { trailer: "digest" })
          response.write("body")
          response.addTrailers({ Digest: "sha-256=abc" })
          response.end()
        })
      )
      const response = yield* HttpClient.get(url)
      expect(yield* response.text).toBe("body")
      expect(HttpClient.trailers(response)).toEqual(Option.some(expect.objectContaining({ digest: "sha-256=abc" })))
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("are none before the end", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.zipRight(connection.request, connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))
          .pipe(Effect.zipRight(connection.closed))
      )
      expect(HttpClient.trailers(yield* HttpClient.get(server.url))).toEqual(Option.none())
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

const nextTurn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})
