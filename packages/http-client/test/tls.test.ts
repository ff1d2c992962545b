// @effect-diagnostics nodeBuiltinImport:off -- node's TLS servers are the other side
import type { HttpClientError } from "@effect/platform/HttpClientError"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError, WebSocket } from "@sennit/http-client"
import type { HttpConfig } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Crypto from "node:crypto"
import * as Https from "node:https"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { haveOpenssl, makeAuthority } from "./servers/makeCertificates.ts"
import { isRequired, listening } from "./servers/startProgram.ts"

const answering = (names: string, days?: number) =>
  Effect.flatMap(makeAuthority, ({ ca, issue }) => {
    const { cert, key, pin } = issue(names, days)
    return Effect.map(
      rawServer((connection) =>
        Effect.forever(
          Effect.zipRight(connection.request, connection.writeEach("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 7))
        ), {
        tls: { key, cert }
      }),
      (server) => ({ ca, cert, pin, server })
    )
  })

const outcome = (error: HttpClientError | HttpError.HttpError): string => {
  const precise = HttpError.isHttpError(error) ? error : Option.getOrUndefined(HttpError.fromClientError(error))
  if (precise === undefined) return "?"
  return precise._tag === "TlsError" ? `${precise._tag} ${precise.reason} ${precise.code}` : precise._tag
}

const get = (url: string, tls: HttpConfig.TlsOptions) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const first = yield* Effect.flatMap(client.get(url), (response) => response.text)
    yield* Effect.flatMap(client.get(url), (response) => response.text)
    const { created } = yield* Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)
    return `${first} ${created}`
  }).pipe(
    Effect.catchAll((error) => Effect.succeed(outcome(error))),
    Effect.provide(HttpClient.layerPooled({ tls }))
  )

describe.skipIf(!haveOpenssl && !isRequired)("TLS (needs the openssl program: apt-get install openssl)", () => {
  it.scoped("verifies authority and name, and keeps the connection", () =>
    Effect.gen(function*() {
      const { ca, server } = yield* answering("IP:127.0.0.1,DNS:localhost")
      expect(yield* get(server.url, { ca })).toBe("ok 1")
      expect(yield* get(server.url.replace("127.0.0.1", "localhost"), { ca: [ca] })).toBe("ok 1")
      expect(yield* get(server.url, { ca, minVersion: "TLSv1.3" })).toBe("ok 1")
    }))

  it.scoped("refuses an unknown authority unless told not to verify", () =>
    Effect.gen(function*() {
      const { server } = yield* answering("IP:127.0.0.1")
      const { ca } = yield* makeAuthority
      expect(yield* get(server.url, {})).toMatch(/^TlsError Certificate /)
      expect(yield* get(server.url, { ca })).toMatch(/^TlsError Certificate /)
      expect(yield* get(server.url, { rejectUnauthorized: false })).toBe("ok 1")
    }))

  it.scoped("refuses a certificate for another name", () =>
    Effect.gen(function*() {
      const { ca, server } = yield* answering("DNS:other.example")
      const refused = "TlsError HostName ERR_TLS_CERT_ALTNAME_INVALID"
      expect(yield* get(server.url, { ca })).toBe(refused)
      expect(yield* get(server.url.replace("127.0.0.1", "localhost"), { ca })).toBe(refused)
      expect(yield* get(server.url, { ca, servername: "other.example" })).toBe("ok 1")
    }))

  it.scoped("refuses an expired certificate, and one that signed itself", () =>
    Effect.gen(function*() {
      const expired = yield* answering("IP:127.0.0.1", -1)
      expect(yield* get(expired.server.url, { ca: expired.ca })).toBe("TlsError Certificate CERT_HAS_EXPIRED")
      const { ca, caKey } = yield* makeAuthority
      const port = yield* listening(Https.createServer({ key: caKey, cert: ca }))
      expect(yield* get(`https://127.0.0.1:${port}/`, {})).toBe("TlsError Certificate DEPTH_ZERO_SELF_SIGNED_CERT")
    }))

  it.scoped("a server that speaks no TLS is a failed handshake", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) => connection.write("HTTP/1.1 400 Bad Request\r\n\r\n"))
      expect(yield* get(server.url.replace("http:", "https:"), {})).toMatch(/^TlsError Handshake /)
    }))

  it.scoped("refuses TLS 1.0, which others would speak", () =>
    Effect.gen(function*() {
      const { ca, issue } = yield* makeAuthority
      const { cert, key } = issue("IP:127.0.0.1")
      const old = { minVersion: "TLSv1", maxVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" } as const
      const port = yield* listening(Https.createServer({ key, cert, ...old }, (_, response) => response.end("ok")))
      const willing = yield* Effect.async<string | null>((resume) => {
        const socket = Tls.connect({ host: "127.0.0.1", port, ca, ...old }, () => {
          resume(Effect.succeed(socket.getProtocol()))
          socket.destroy()
        })
      })
      expect(willing).toBe("TLSv1")
      expect(yield* get(`https://127.0.0.1:${port}/`, { ca })).toMatch(/^TlsError Handshake ERR_SSL_/)
    }))

  it.scoped("asks for the name of the URL, or the one it is told to ask for", () =>
    Effect.gen(function*() {
      const { ca, issue } = yield* makeAuthority
      const asked: Array<string> = []
      const { cert, key } = issue("DNS:localhost,DNS:other.example")
      const options: Https.ServerOptions = {
        key,
        cert,
        SNICallback: (name, done) => {
          asked.push(name)
          done(null)
        }
      }
      const port = yield* listening(Https.createServer(options, (_, response) => response.end("ok")))
      yield* get(`https://localhost:${port}/`, { ca })
      yield* get(`https://localhost:${port}/`, { ca, servername: "other.example" })
      expect(asked).toEqual(["localhost", "other.example"])
    }))

  it.scoped("a pinned key is required, and nothing is sent to another", () =>
    Effect.gen(function*() {
      const { ca, pin, server } = yield* answering("IP:127.0.0.1")
      const other = Crypto.randomBytes(32).toString("base64")
      expect(yield* get(server.url, { ca, pins: [other, pin] })).toBe("ok 1")
      const before = yield* server.requests
      expect(yield* get(server.url, { ca, pins: [other] })).toBe("TlsError Pin ERR_TLS_PIN")
      expect(yield* get(server.url, { pins: [other], rejectUnauthorized: false })).toBe("TlsError Pin ERR_TLS_PIN")
      expect(yield* get(server.url, { pins: [], rejectUnauthorized: false })).toBe("TlsError Pin ERR_TLS_PIN")
      expect(yield* server.requests).toBe(before)
    }))

  it.scoped.each(["TLSv1.2", "TLSv1.3"] as const)(
    "shows a client certificate where one is asked for (%s)",
    (version) =>
      Effect.gen(function*() {
        const { ca, issue } = yield* makeAuthority
        const own = issue("IP:127.0.0.1")
        const client = issue("DNS:client")
        const passphrase = "correct horse"
        const sealed = Crypto.createPrivateKey(client.key)
          .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }).toString()
        const options = {
          key: own.key,
          cert: own.cert,
          ca,
          requestCert: true,
          rejectUnauthorized: true,
          maxVersion: version
        }
        const port = yield* listening(Https.createServer(options, (_, response) => response.end("ok")))
        const url = `https://127.0.0.1:${port}/`
        const certificate = client.cert
        expect(yield* get(url, { ca, certificate, key: Redacted.make(client.key) })).toBe("ok 1")
        const key = Redacted.make(sealed)
        expect(yield* get(url, { ca, certificate, key, passphrase: Redacted.make(passphrase) })).toBe("ok 1")
        const wrong = Redacted.make("wrong")
        expect(yield* get(url, { ca, certificate, key, passphrase: wrong })).toBe(
          "TlsError Certificate ERR_TLS_OPTIONS"
        )
        expect(yield* get(url, { ca })).toMatch(/^TlsError Handshake ERR_SSL_/)
      })
  )

  it.scoped.each(["TLSv1.2", "TLSv1.3"] as const)(
    "resumes the session with the same origin only (%s)",
    (version) =>
      Effect.gen(function*() {
        const { ca, issue } = yield* makeAuthority
        const { cert, key, pin } = issue("IP:127.0.0.1,DNS:localhost")
        const resumed: Array<boolean> = []
        const server = Https.createServer({ key, cert, minVersion: version, maxVersion: version }, (_, response) => {
          response.end("ok")
        })
        server.on("secureConnection", (socket) => resumed.push(socket.isSessionReused()))
        const port = yield* listening(server)
        const closing = { headers: { connection: "close" } }
        const ask = (host: string) =>
          Effect.flatMap(HttpClient.get(`https://${host}:${port}/`, closing), (response) => response.text)
        const program = Effect.all([ask("127.0.0.1"), ask("127.0.0.1"), ask("localhost"), ask("127.0.0.1")])
        yield* Effect.provide(program, HttpClient.layerPooled({ tls: { ca, pins: [pin] } }))
        expect(resumed).toEqual([false, true, false, true])
        yield* Effect.provide(ask("127.0.0.1"), HttpClient.layerPooled({ tls: { ca } }))
        expect(resumed.at(-1)).toBe(false)
      })
  )

  it.scoped("a server that never answers the handshake ends in a timeout, and interruption closes the socket", () =>
    Effect.gen(function*() {
      const heard = yield* Queue.unbounded<"hello" | "close">()
      const port = yield* listening(Net.createServer((socket) => {
        socket.once("data", () => heard.unsafeOffer("hello"))
        socket.once("close", () => heard.unsafeOffer("close"))
      }))
      const ask = HttpClient.get(`https://127.0.0.1:${port}/`)
      const late = yield* Effect.fork(Effect.flip(ask))
      expect(yield* Queue.take(heard)).toBe("hello")
      yield* TestClock.adjust("3 seconds")
      const error = Option.getOrThrow(HttpError.fromClientError(yield* Fiber.join(late)))
      expect(error).toMatchObject({ _tag: "TlsTimeout", millis: 3000 })
      expect(yield* Queue.take(heard)).toBe("close")
      const socket = yield* Effect.fork(
        Effect.flip(WebSocket.connect(`wss://127.0.0.1:${port}/`, { timeouts: { tls: "4 seconds" } }))
      )
      expect(yield* Queue.take(heard)).toBe("hello")
      yield* TestClock.adjust("4 seconds")
      expect(yield* Fiber.join(socket)).toMatchObject({ _tag: "TlsTimeout", millis: 4000 })
      expect(yield* Queue.take(heard)).toBe("close")
      const left = yield* Effect.fork(ask)
      expect(yield* Queue.take(heard)).toBe("hello")
      yield* Fiber.interrupt(left)
      expect(yield* Queue.take(heard)).toBe("close")
    }).pipe(Effect.provide(HttpClient.layerPooled({ timeouts: { tls: "3 seconds" } }))))
})
