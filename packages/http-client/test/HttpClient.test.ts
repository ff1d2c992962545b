// @effect-diagnostics nodeBuiltinImport:off -- compares with node's own server
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError } from "@sennit/http-client"
import type { RawConnection } from "@sennit/http-client/testing"
import { contractCases, rawServer } from "@sennit/http-client/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Http from "node:http"

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
const answer = (response = ok) => (connection: RawConnection) =>
  Effect.forever(Effect.zipRight(connection.request, connection.write(response)))
const text = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)
const stats = Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)
const preciseOf = <A, R>(effect: Effect.Effect<A, Parameters<typeof HttpError.fromClientError>[0], R>) =>
  Effect.map(Effect.flip(effect), (error) => Option.getOrThrow(HttpError.fromClientError(error)))
const idle = { busy: 0, waiting: 0 }

/** One turn of the event loop: sockets move. */
const nextTurn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** node's own server: it parses what we write and says what it saw. */
const nodeServer = Effect.acquireRelease(
  Effect.async<Http.Server>((resume) => {
    const server = Http.createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        response.setHeader("content-type", "application/json")
        response.setHeader("set-cookie", ["a=1; Path=/", "b=2"])
        const { headers, method, url } = request
        response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString("latin1") }))
      })
    })
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    })
).pipe(Effect.map((server) => {
  const address = server.address()
  return `http://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`
}))

const Echo = Schema.Struct({
  method: Schema.String,
  url: Schema.String,
  headers: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
  body: Schema.String
})
const echo = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(HttpClient.execute(request), HttpClientResponse.schemaBodyJson(Echo))

describe("the contract", () => {
  it.scoped.each([...contractCases])("$name", ({ expected, run, script }) =>
    Effect.gen(function*() {
      const server = yield* rawServer(script)
      const client = yield* HttpClient.HttpClient
      expect(yield* run(client, server.url)).toBe(expected)
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

describe("requests", () => {
  it.scoped("every kind of body arrives as it was given", () =>
    Effect.gen(function*() {
      const url = yield* nodeServer
      const post = HttpClientRequest.post(`${url}/a`)
      const large = new Uint8Array(300_000).fill(65)
      const form = new FormData()
      form.append("a", "1")
      form.append("f", new Blob(["file"]), "f.txt")
      const bodies: ReadonlyArray<readonly [HttpBody.HttpBody, string, string | undefined]> = [
        [HttpBody.empty, "", "0"],
        [HttpBody.text("hällo"), "h\xc3\xa4llo", "6"],
        [HttpBody.unsafeJson({ a: 1 }), "{\"a\":1}", "7"],
        [HttpBody.uint8Array(large), "A".repeat(300_000), "300000"],
        [HttpBody.raw("raw"), "raw", "3"],
        [HttpBody.raw(new Blob(["blob"])), "blob", "4"],
        [HttpBody.raw(new URLSearchParams({ a: "b c" })), "a=b+c", "5"],
        [HttpBody.raw(new Response("web").body), "web", undefined],
        [HttpBody.stream(Stream.make(large, new Uint8Array(0), large)), "A".repeat(600_000), undefined],
        [HttpBody.stream(Stream.make(large), "text/plain", large.length), "A".repeat(300_000), "300000"]
      ]
      for (const [body, expected, length] of bodies) {
        const seen = yield* echo(HttpClientRequest.setBody(post, body))
        expect(seen.body).toBe(expected)
        expect(seen.headers["content-length"]).toBe(length)
        expect(seen.headers["transfer-encoding"]).toBe(length === undefined ? "chunked" : undefined)
      }
      const sent = yield* echo(HttpClientRequest.setBody(post, HttpBody.formData(form)))
      const boundary = /boundary=(.*)$/.exec(String(sent.headers["content-type"]))?.[1] ?? ""
      expect(sent.body.split(`--${boundary}`).length).toBe(4)
      expect(sent.body).toContain("filename=\"f.txt\"")
      expect(yield* stats).toMatchObject({ ...idle, open: 1 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("method, path, query and headers arrive; the fragment does not", () =>
    Effect.gen(function*() {
      const url = yield* nodeServer
      const request = HttpClientRequest.get(`${url}/a b?q=1#f`).pipe(
        HttpClientRequest.setHeader("X-One", "1"),
        HttpClientRequest.appendUrlParam("r", "ä&")
      )
      const seen = yield* echo(request)
      expect(seen).toMatchObject({ method: "GET", url: "/a%20b?q=1&r=%C3%A4%26" })
      expect(seen.headers).toMatchObject({ "x-one": "1", host: url.slice(7) })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  const refused: ReadonlyArray<readonly [string, (url: string) => HttpClientRequest.HttpClientRequest, string]> = [
    ["another scheme", () => HttpClientRequest.get("ftp://127.0.0.1/"), "InvalidUrl"],
    ["no URL", () => HttpClientRequest.get("http://"), "InvalidUrl"],
    ["credentials in the URL", (url) => HttpClientRequest.get(url.replace("//", "//user:secret@")), "InvalidUrl"],
    ["a line end in a header", (url) => HttpClientRequest.get(url, { headers: { a: "1\r\nEvil: 1" } }), "Encode"],
    [
      "another length",
      (url) =>
        HttpClientRequest.post(url, { body: HttpBody.text("abc") }).pipe(
          HttpClientRequest.setHeader("content-length", "9")
        ),
      "Encode"
    ],
    ["a body that is none", (url) => HttpClientRequest.post(url, { body: HttpBody.raw(42) }), "Encode"]
  ]
  it.scoped.each(refused)("refuses %s before it connects", ([, make, reason]) =>
    Effect.gen(function*() {
      const server = yield* rawServer(answer())
      const error = yield* Effect.flip(HttpClient.execute(make(server.url)))
      expect(error).toMatchObject({ _tag: "RequestError", reason, cause: { _tag: "InvalidRequest" } })
      expect(error.message).not.toContain("Evil")
      expect(yield* server.connections).toBe(0)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a body stream that fails, or gives another length than it said, fails the request", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(answer())
      const post = (body: HttpBody.HttpBody) => preciseOf(HttpClient.post(server.url, { body }))
      const piece = new Uint8Array(10)
      expect(yield* post(HttpBody.stream(Stream.concat(Stream.make(piece), Stream.fail("broken")))))
        .toMatchObject({ _tag: "WriteError", reason: "Body", cause: "broken" })
      expect(yield* post(HttpBody.stream(Stream.make(piece), "text/plain", 11))).toMatchObject({ reason: "Length" })
      expect(yield* post(HttpBody.stream(Stream.make(piece), "text/plain", 9))).toMatchObject({ reason: "Length" })
      expect(yield* stats).toMatchObject({ ...idle, open: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("an upload waits for a server that does not read, and ends when it never does", () =>
    Effect.gen(function*() {
      const pulled: { pieces: number } = { pieces: 0 }
      const stopped = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        connection.stopReading.pipe(
          Effect.zipRight(Deferred.succeed(stopped, undefined)),
          Effect.zipRight(connection.closed)
        )
      )
      const piece = new Uint8Array(65_536)
      const body = Stream.repeatEffect(Effect.sync(() => {
        pulled.pieces++
        return piece
      }))
      const request = yield* Effect.fork(preciseOf(HttpClient.post(server.url, { body: HttpBody.stream(body) })))
      yield* Deferred.await(stopped)
      // the sockets' buffers fill, then nobody pulls any more
      yield* Effect.iterate(-1, {
        while: (before) => before !== pulled.pieces,
        body: () =>
          Effect.as(nextTurn, pulled.pieces).pipe(
            Effect.tap(() => TestClock.adjust("1 millis"))
          )
      })
      yield* TestClock.adjust("61 seconds")
      expect(yield* Fiber.join(request)).toMatchObject({ _tag: "WriteTimeout" })
      expect(pulled.pieces).toBeLessThan(1000)
      expect(yield* stats).toMatchObject({ ...idle, open: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

describe("responses", () => {
  it.scoped("give everything that platform's response has", () =>
    Effect.gen(function*() {
      const url = yield* nodeServer
      const response = yield* HttpClient.get(`${url}/x`)
      expect(response.status).toBe(200)
      expect(response.headers["content-type"]).toBe("application/json")
      expect(response.headers["set-cookie"]).toBe("a=1; Path=/, b=2")
      expect(Object.keys(response.cookies.cookies)).toEqual(["a", "b"])
      expect(response.remoteAddress).toEqual(Option.some("127.0.0.1"))
      expect(response.request.url).toBe(`${url}/x`)
      const body = yield* response.text
      expect(yield* response.text).toBe(body)
      expect(yield* response.json).toMatchObject({ method: "GET" })
      expect((yield* response.arrayBuffer).byteLength).toBe(body.length)
      expect(yield* Stream.runFold(response.stream, 0, (n, piece) => n + piece.length)).toBe(body.length)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("read forms and parameters", () =>
    Effect.gen(function*() {
      const body = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n"
      const form = yield* rawServer(
        answer(
          `HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${body.length}\r\n\r\n${body}`
        )
      )
      const parameters = yield* rawServer(answer("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na=1&b=2"))
      expect((yield* Effect.flatMap(HttpClient.get(form.url), (response) => response.formData)).get("a")).toBe("1")
      expect(yield* Effect.flatMap(HttpClient.get(parameters.url), (response) => response.urlParamsBody))
        .toEqual([["a", "1"], ["b", "2"]])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a stream that nobody pulls stops the server, and pulling goes on", () =>
    Effect.gen(function*() {
      const total = 64 * 1024 * 1024
      const written: { pieces: number } = { pieces: 0 }
      const piece = new Uint8Array(1024 * 1024)
      const server = yield* rawServer((connection) =>
        Effect.gen(function*() {
          yield* connection.request
          yield* connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
          yield* Effect.repeatN(Effect.tap(connection.write(piece), () => Effect.sync(() => written.pieces++)), 63)
        })
      )
      const response = yield* HttpClient.get(server.url)
      // nothing is pulled: the server's writes come to a halt far before the end
      yield* Effect.iterate({ before: -1, still: 0 }, {
        while: ({ still }) => still < 20,
        body: ({ before, still }) =>
          Effect.as(
            nextTurn,
            before === written.pieces ? { before, still: still + 1 } : { before: written.pieces, still: 0 }
          )
      })
      expect(written.pieces).toBeLessThan(32)
      expect(yield* Stream.runFold(response.stream, 0, (n, chunk) => n + chunk.length)).toBe(total)
      expect(yield* stats).toMatchObject({ ...idle, open: 1 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a stream left early closes the connection, a small unread body does not", () =>
    Effect.gen(function*() {
      const endless = yield* rawServer((connection) =>
        Effect.gen(function*() {
          yield* connection.request
          yield* connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
          yield* connection.closed
        })
      )
      const first = yield* HttpClient.get(endless.url).pipe(
        Effect.flatMap((response) => Stream.runHead(response.stream)),
        Effect.map(Option.map((piece) => Buffer.from(piece).toString()))
      )
      expect(first).toEqual(Option.some("hello"))
      yield* endless.quiet
      const small = yield* rawServer(answer())
      yield* Effect.repeatN(HttpClient.get(small.url), 9)
      expect(yield* small.connections).toBe(1)
      expect(yield* stats).toMatchObject({ ...idle, open: 1 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a body read as a stream cannot be read again", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.gen(function*() {
          yield* connection.request
          yield* connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
          yield* connection.closed
        })
      )
      const response = yield* HttpClient.get(server.url)
      yield* Stream.runHead(response.stream)
      expect(yield* preciseOf(response.text)).toMatchObject({ _tag: "BodyConsumed" })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a body is read piece by piece without a stream, to its end or not", () =>
    Effect.gen(function*() {
      const more = yield* Deferred.make<void>()
      const slow = yield* rawServer((connection) =>
        Effect.gen(function*() {
          yield* connection.request
          yield* connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
          yield* Deferred.await(more)
          yield* connection.write("2\r\nde\r\n0\r\n\r\n")
          yield* connection.request
          yield* connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
          yield* connection.closed
        })
      )
      const response = yield* HttpClient.get(slow.url)
      const body = Option.getOrThrow(HttpClient.bodyReader(response))
      let seen = ""
      const take = (pieces: ReadonlyArray<Uint8Array>) => {
        seen += Buffer.concat(pieces).toString()
        Deferred.unsafeDone(more, Effect.void)
        return seen !== "abc"
      }
      expect([yield* body.read(take), seen, body.isOver()]).toEqual([true, "abc", false])
      expect([yield* body.read(take), seen, body.isOver()]).toEqual([false, "abcde", true])
      expect(yield* body.read(take)).toBe(false)
      yield* body.leave
      expect(yield* preciseOf(response.text)).toMatchObject({ _tag: "BodyConsumed" })
      // The connection serves the next request, whose body is left in the middle.
      const endless = Option.getOrThrow(HttpClient.bodyReader(yield* HttpClient.get(slow.url)))
      // Who is interrupted is not called any more.
      yield* Effect.raceFirst(endless.read(() => true), nextTurn)
      yield* endless.leave
      yield* slow.quiet
      expect(yield* slow.connections).toBe(1)
      const known = yield* HttpClient.get((yield* rawServer(answer())).url)
      expect(yield* known.text).toBe("ok")
      const again = Option.getOrThrow(HttpClient.bodyReader(known))
      const pieces: Array<Uint8Array> = []
      expect(yield* again.read((all) => pieces.push(...all) > 0)).toBe(false)
      expect(Buffer.concat(pieces).toString()).toBe("ok")
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("what is thrown while a body is taken is a defect of who reads, and of nobody else", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        connection.request.pipe(
          Effect.zipRight(connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")),
          Effect.zipRight(Deferred.await(go)),
          Effect.zipRight(connection.write("cd"))
        )
      )
      const body = Option.getOrThrow(HttpClient.bodyReader(yield* HttpClient.get(server.url)))
      let times = 0
      const read = body.read(() => {
        Deferred.unsafeDone(go, Effect.void)
        if (++times === 2) throw new Error("broken")
        return true
      })
      expect(yield* Effect.exit(read)).toEqual(Exit.die(new Error("broken")))
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a body that breaks off, or is read already, fails its reader", () =>
    Effect.gen(function*() {
      const seen = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        Effect.zipRight(connection.request, connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")).pipe(
          Effect.zipRight(Deferred.await(seen)),
          Effect.zipRight(connection.reset)
        )
      )
      const response = yield* HttpClient.get(server.url)
      const body = Option.getOrThrow(HttpClient.bodyReader(response))
      expect(yield* body.read(() => false)).toBe(true)
      yield* Deferred.succeed(seen, undefined)
      expect(yield* preciseOf(body.read(() => true))).toMatchObject({ _tag: "ConnectionClosed" })
      const second = Option.getOrThrow(HttpClient.bodyReader(response))
      expect(yield* preciseOf(second.read(() => true))).toMatchObject({ _tag: "BodyConsumed" })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a body over the limit is refused while it arrives", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(
        answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n")
      )
      expect(yield* preciseOf(text(server.url))).toMatchObject({ _tag: "BodyTooLarge", maximum: 8 })
      expect(yield* stats).toMatchObject({ ...idle, open: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled({ limits: { bodyBytes: 8 } }))))
})

/** Runs until `reached` is done in the script, then hangs. */
const hang = (phase: "headers" | "body", reached: Deferred.Deferred<void>) => (connection: RawConnection) =>
  connection.request.pipe(
    Effect.zipRight(
      phase === "body" ? connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") : Effect.void
    ),
    Effect.zipRight(Deferred.succeed(reached, undefined)),
    Effect.zipRight(connection.closed)
  )

describe("phases", () => {
  it.scoped.each(["headers", "body"] as const)(
    "a server that stalls before its %s ends in a timeout of its own",
    (phase) =>
      Effect.gen(function*() {
        const reached = yield* Deferred.make<void>()
        const server = yield* rawServer(hang(phase, reached))
        const request = yield* Effect.fork(preciseOf(text(server.url)))
        yield* Deferred.await(reached)
        yield* TestClock.adjust("5 seconds")
        expect(yield* Fiber.join(request)).toMatchObject(
          phase === "headers" ? { _tag: "HeadersTimeout", millis: 3000 } : { _tag: "BodyTimeout", reason: "Server" }
        )
        yield* server.quiet
        expect(yield* stats).toMatchObject({ ...idle, open: 0 })
      }).pipe(Effect.provide(HttpClient.layerPooled({ timeouts: { headers: "3 seconds", bodyIdle: "3 seconds" } })))
  )

  it.scoped("the total deadline holds through head and body", () =>
    Effect.gen(function*() {
      const reached = yield* Deferred.make<void>()
      const server = yield* rawServer(hang("body", reached))
      const request = yield* Effect.fork(preciseOf(text(server.url)))
      yield* Deferred.await(reached)
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(request)).toMatchObject({ _tag: "TotalTimeout", sent: "complete" })
    }).pipe(Effect.provide(HttpClient.layerPooled({ timeouts: { total: "2 seconds" } }))))

  it.scoped("a large body that nobody reads gives its connection up", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.gen(function*() {
          yield* connection.request
          yield* connection.write("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
          yield* connection.write(new Uint8Array(99_999_999))
        })
      )
      const response = yield* HttpClient.get(server.url)
      yield* TestClock.adjust("61 seconds")
      yield* server.quiet
      expect(yield* preciseOf(response.text)).toMatchObject({ _tag: "BodyTimeout" })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped.each(["headers", "body"] as const)(
    "interruption while it waits for %s closes the connection",
    (phase) =>
      Effect.gen(function*() {
        const reached = yield* Deferred.make<void>()
        const server = yield* rawServer(hang(phase, reached))
        const request = yield* Effect.fork(text(server.url))
        yield* Deferred.await(reached)
        yield* Fiber.interrupt(request)
        expect(yield* stats).toMatchObject({ ...idle, open: 0 })
        yield* server.quiet
      }).pipe(Effect.provide(HttpClient.layerPooled()))
  )

  it.scoped("interruption while it connects leaves nothing behind", () =>
    Effect.gen(function*() {
      const server = yield* rawServer(answer())
      const request = yield* Effect.fork(text(server.url))
      yield* Effect.yieldNow()
      expect((yield* stats).open).toBe(1)
      yield* Fiber.interrupt(request)
      expect(yield* stats).toMatchObject({ ...idle, open: 0 })
      yield* server.quiet
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("interruption while it streams up stops the stream and closes the connection", () =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<void>()
      const first = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) => connection.closed)
      const body = Stream.repeatEffect(Effect.as(Deferred.succeed(first, undefined), new Uint8Array(1000))).pipe(
        Stream.ensuring(Deferred.succeed(ended, undefined))
      )
      const request = yield* Effect.fork(HttpClient.post(server.url, { body: HttpBody.stream(body) }))
      yield* Deferred.await(first)
      yield* Fiber.interrupt(request)
      yield* Deferred.await(ended)
      yield* server.quiet
      expect(yield* stats).toMatchObject({ ...idle, open: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a reset in the middle of a body is a failure", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const server = yield* rawServer((connection) =>
        connection.request.pipe(
          Effect.zipRight(connection.write("HTTP/1.1 200 OK\r\n\r\nhalf")),
          Effect.zipRight(Deferred.await(go)),
          Effect.zipRight(connection.reset)
        )
      )
      const response = yield* HttpClient.get(server.url)
      yield* Deferred.succeed(go, undefined)
      expect(yield* preciseOf(response.text)).toMatchObject({ _tag: "ConnectionClosed", sent: "complete" })
      expect(yield* stats).toMatchObject({ ...idle, open: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("no connection where nobody listens", () =>
    Effect.gen(function*() {
      const server = yield* Effect.scoped(rawServer(answer()))
      expect(yield* preciseOf(text(server.url))).toMatchObject({ _tag: "ConnectError", reason: "Refused" })
      expect(yield* stats).toMatchObject({ ...idle, open: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("no address for a name that there cannot be (RFC 6761 §6.4)", () =>
    Effect.gen(function*() {
      expect(yield* preciseOf(text("http://nothing.invalid/"))).toMatchObject({
        _tag: "DnsError",
        host: "nothing.invalid"
      })
      expect(yield* stats).toMatchObject({ ...idle, open: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

describe("with the rest of platform", () => {
  it.scoped("retry, filterStatusOk and mapRequest", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.gen(function*() {
          for (const status of ["503 Busy", "503 Busy", "200 OK"]) {
            const { head } = yield* connection.request
            expect(head).toContain("GET /base/x HTTP/1.1")
            yield* connection.write(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`)
          }
        })
      )
      const client = (yield* HttpClient.HttpClient).pipe(
        HttpClient.mapRequest(HttpClientRequest.prependUrl(`${server.url}/base`)),
        HttpClient.filterStatusOk,
        HttpClient.retry(Schedule.recurs(3))
      )
      expect(yield* Effect.flatMap(client.get("/x"), (response) => response.text)).toBe("ok")
      expect(yield* server.connections).toBe(1)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("HttpApiClient", () =>
    Effect.gen(function*() {
      const api = HttpApi.make("api").add(
        HttpApiGroup.make("group").add(
          HttpApiEndpoint.get("one", "/one/:id")
            .setPath(Schema.Struct({ id: Schema.NumberFromString }))
            .addSuccess(Schema.Struct({ url: Schema.String }))
        )
      )
      const client = yield* HttpApiClient.make(api, { baseUrl: yield* nodeServer })
      expect(yield* client.group.one({ path: { id: 7 } })).toEqual({ url: "/one/7" })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a span and its traceparent below a span, neither without", () =>
    Effect.gen(function*() {
      const url = yield* nodeServer
      const plain = yield* echo(HttpClientRequest.get(url))
      expect(plain.headers["traceparent"]).toBeUndefined()
      const traced = yield* Effect.withSpan(
        Effect.flatMap(Effect.currentSpan, (span) =>
          Effect.map(echo(HttpClientRequest.get(url)), (seen) => ({ seen, span }))),
        "outer"
      )
      expect(traced.seen.headers["traceparent"]).toContain(traced.span.traceId)
      const off = yield* Effect.withSpan(
        Effect.flatMap(HttpClient.HttpClient, (client) =>
          HttpClient.withTracerPropagation(client, false).execute(HttpClientRequest.get(url))),
        "outer"
      )
      expect(yield* off.text).not.toContain("traceparent")
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
