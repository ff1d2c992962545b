// @effect-diagnostics nodeBuiltinImport:off -- starts tinyproxy and microsocks; node's servers are the origins
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError, Proxy, WebSocket } from "@sennit/http-client"
import type { HttpConfig } from "@sennit/http-client"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Tls from "node:tls"
import { haveOpenssl, makeAuthority } from "./servers/makeCertificates.ts"
import { freePort, isInstalled, isRequired, listening, running, temporaryFolder } from "./servers/startProgram.ts"

const have = haveOpenssl && isInstalled("tinyproxy") && isInstalled("microsocks")

const credentials = { username: "user", password: Redacted.make("s3cret") }
const wrong = { username: "user", password: Redacted.make("wrong") }
const large = Crypto.randomBytes(4 * 1024 * 1024)
const digestOf = (bytes: Uint8Array) => Crypto.createHash("sha256").update(bytes).digest("hex")

const nextTurn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** Opens a WebSocket, says one thing and closes it. */
const accept = (request: Http.IncomingMessage, socket: Duplex) => {
  // §1.3 and §5.2 of RFC 6455: accept, then one text frame, "hi", and close with 1000
  const proof = Crypto.createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
  const head = `HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${proof}\r\n\r\n`
  socket.on("end", () => socket.end()).resume()
  socket.write(Buffer.concat([Buffer.from(head), Buffer.from([0x81, 2, 0x68, 0x69, 0x88, 2, 0x03, 0xe8])]))
}

/** Answers with what it was sent, or with a large body; keeps the header names that it saw. */
const makeOrigins = Effect.gen(function*() {
  const { ca, issue } = yield* makeAuthority
  const { cert, key } = issue("IP:127.0.0.1,DNS:localhost")
  const seen = new Set<string>()
  const answer: Http.RequestListener = (request, response) => {
    for (const name of Object.keys(request.headers)) seen.add(name)
    if (request.url === "/large") return response.end(large)
    if (request.url !== "/digest") return response.end(`${request.method} ${request.url} ${request.headers.host}`)
    const hash = Crypto.createHash("sha256")
    request.on("data", (piece: Buffer) => hash.update(piece))
    request.on("end", () => response.end(hash.digest("hex")))
  }
  const plain = Http.createServer(answer).on("upgrade", accept)
  const secure = Https.createServer({ key, cert }, answer).on("upgrade", accept)
  const [httpPort, httpsPort] = yield* Effect.all([listening(plain), listening(secure)])
  /** Waits until every connection is closed. */
  const quiet = Effect.forEach([plain, secure], (server) =>
    Effect.repeat(
      Effect.zipRight(
        nextTurn,
        Effect.async<number>((resume) => {
          server.getConnections((_, count) => resume(Effect.succeed(count)))
        })
      ),
      { until: (count) => count === 0 }
    ), { discard: true })
  return { ca, seen, quiet, http: `127.0.0.1:${httpPort}`, https: `127.0.0.1:${httpsPort}` }
})

/** tinyproxy that wants credentials and tunnels to any port. */
const tinyproxy = Effect.gen(function*() {
  const folder = yield* temporaryFolder
  const port = yield* freePort
  Fs.writeFileSync(
    `${folder}/tinyproxy.conf`,
    `Port ${port}\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nMaxClients 100\nBasicAuth user s3cret\n`
  )
  yield* running("tinyproxy", ["-d", "-c", `${folder}/tinyproxy.conf`], port)
  return port
})

const microsocks = Effect.gen(function*() {
  const port = yield* freePort
  yield* running("microsocks", ["-i", "127.0.0.1", "-p", String(port), "-u", "user", "-P", "s3cret"], port)
  return port
})

/** TLS in front of another port. */
const tlsBefore = (port: number, identity: { readonly key: string; readonly cert: string }) =>
  listening(Tls.createServer({ key: identity.key, cert: identity.cert }, (socket) => {
    const inner = Net.connect(port, "127.0.0.1")
    socket.on("close", () => inner.destroy())
    inner.on("error", () => socket.destroy())
    socket.pipe(inner)
    inner.pipe(socket)
  }))

const text = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(HttpClient.get(url, { headers }), (response) => response.text)

const withPool = <A, E>(
  options: HttpConfig.PoolOptions,
  effect: Effect.Effect<A, E, HttpClient.HttpClient | ConnectionPool.ConnectionPool>
): Effect.Effect<A, E> => Effect.provide(effect, HttpClient.layerPooled(options))

const preciseOf = <A, R>(effect: Effect.Effect<A, HttpClientError, R>) =>
  Effect.map(Effect.flip(effect), (error) => Option.getOrThrow(HttpError.fromClientError(error)))

/** The same promises, whatever the proxy speaks. */
const carries = (origins: Effect.Effect.Success<typeof makeOrigins>, proxy: Proxy.Proxy) =>
  Effect.gen(function*() {
    const { ca, http, https, quiet, seen } = origins
    yield* withPool(
      { proxy, tls: { ca } },
      Effect.gen(function*() {
        for (
          const origin of [`http://${http}`, `https://${https}`, `https://${https.replace("127.0.0.1", "localhost")}`]
        ) {
          const host = origin.slice(origin.indexOf("/") + 2)
          // tinyproxy closes a connection after each request that it forwards, and does not say so; a tunnel is kept
          const isTunnel = origin.startsWith("https:") || proxy.scheme === "socks5"
          const headers = isTunnel ? {} : { connection: "close" }
          expect(yield* text(`${origin}/one`, headers)).toBe(`GET /one ${host}`)
          expect(yield* text(`${origin}/two`, headers)).toBe(`GET /two ${host}`)
          const { created } = yield* Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)
          const sent = HttpClientRequest.post(`${origin}/digest`).pipe(
            HttpClientRequest.bodyStream(Stream.rechunk(Stream.make(large, large), 1), {
              contentLength: large.length * 2
            })
          )
          const received = yield* Effect.flatMap(HttpClient.execute(sent), (response) => response.text)
          expect(received).toBe(digestOf(Buffer.concat([large, large])))
          // a reader that stops after each piece makes the socket pause and resume
          const slow = yield* Effect.flatMap(HttpClient.get(`${origin}/large`), (response) =>
            response.stream.pipe(Stream.rechunk(1), Stream.tap(() => nextTurn), Stream.runCollect))
          expect(digestOf(Buffer.concat(Chunk.toReadonlyArray(slow)))).toBe(digestOf(large))
          if (isTunnel) {
            expect(created).toBe(
              (yield* Effect.flatMap(ConnectionPool.ConnectionPool, (pool) =>
                pool.stats)).created
            )
          }
        }
      })
    )
    for (const url of [`ws://${http}/`, `wss://${https}/`]) {
      const messages = yield* WebSocket.connect(url, { proxy, tls: { ca }, perMessageDeflate: false }).pipe(
        Effect.flatMap((socket) => Stream.runCollect(socket.messages)),
        Effect.scoped
      )
      expect(Chunk.toReadonlyArray(messages)).toEqual(["hi"])
    }
    // TLS, the tunnel and the connection to the proxy end together
    yield* quiet
    expect([...seen].filter((name) => name.startsWith("proxy-"))).toEqual([])
  })

describe.skipIf(!have && !isRequired)("proxies (apt-get install tinyproxy microsocks openssl)", () => {
  it.scopedLive("an HTTP proxy carries http, https and WebSockets, and keeps its credentials to itself", () =>
    Effect.gen(function*() {
      const origins = yield* makeOrigins
      const url = `http://127.0.0.1:${yield* tinyproxy}`
      yield* carries(origins, Proxy.http(url, { credentials }))
      for (const origin of [`http://${origins.http}`, `https://${origins.https}`]) {
        const error = yield* withPool({ proxy: Proxy.http(url) }, preciseOf(text(origin)))
        expect(error).toMatchObject({ _tag: "ProxyError", reason: "Authentication", status: 407, proxy: url, origin })
      }
      // tinyproxy answers a wrong password with 401
      const refused = withPool(
        { proxy: Proxy.http(url, { credentials: wrong }) },
        preciseOf(text(`https://${origins.https}`))
      )
      expect(yield* refused).toMatchObject({ _tag: "ProxyError", reason: "Refused", status: 401 })
    }))

  it.scopedLive("an HTTP proxy over TLS does the same, and must prove its name", () =>
    Effect.gen(function*() {
      const origins = yield* makeOrigins
      const { ca, issue } = yield* makeAuthority
      const port = yield* tlsBefore(yield* tinyproxy, issue("DNS:localhost"))
      yield* carries(origins, Proxy.http(`https://localhost:${port}`, { credentials, ca }))
      for (const proxy of [Proxy.http(`https://localhost:${port}`), Proxy.http(`https://127.0.0.1:${port}`, { ca })]) {
        const error = yield* withPool({ proxy }, preciseOf(text(`https://${origins.https}`)))
        expect(error).toMatchObject({ _tag: "ProxyError", reason: "Unreachable" })
      }
    }))

  it.scopedLive("a SOCKS5 proxy carries http, https and WebSockets, and resolves the names itself", () =>
    Effect.gen(function*() {
      const origins = yield* makeOrigins
      const url = `socks5://127.0.0.1:${yield* microsocks}`
      yield* carries(origins, Proxy.socks5(url, { credentials }))
      const refusing = { resolve: (host: string) => Effect.dieMessage(`asked for ${host}`) }
      const remote = `http://${origins.http.replace("127.0.0.1", "localhost")}/`
      expect(yield* withPool({ proxy: Proxy.socks5(url, { credentials }), resolver: refusing }, text(remote)))
        .toMatch(/^GET \/ localhost:/)
      for (const proxy of [Proxy.socks5(url), Proxy.socks5(url, { credentials: wrong })]) {
        const error = yield* withPool({ proxy }, preciseOf(text(`http://${origins.http}/`)))
        expect(error).toMatchObject({ _tag: "ProxyError", reason: "Authentication", proxy: url })
      }
      const closed = yield* freePort
      const refused = yield* withPool(
        { proxy: Proxy.socks5(url, { credentials }) },
        preciseOf(text(`http://127.0.0.1:${closed}/`))
      )
      // RFC 1928 §6: connection refused
      expect(refused).toMatchObject({ _tag: "ProxyError", reason: "Refused", status: 5 })
    }))
})
