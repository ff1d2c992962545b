// @effect-diagnostics nodeBuiltinImport:off -- makes certificates with the openssl program
import { describe, expect, it } from "@effect/vitest"
import type { HttpConfig } from "@sennit/http-client"
import { ConnectionPool, HttpClient, HttpError } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

const required = Effect.runSync(Config.withDefault(Config.boolean("SENNIT_REQUIRE_SERVERS"), false))
const haveOpenssl = ChildProcess.spawnSync("openssl", ["version"]).status === 0

/** An authority and a certificate that it signed for the given names. */
const certificates = (names: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "http-client-tls-"))),
      (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true }))
    ),
    (folder) => {
      const openssl = (...args: ReadonlyArray<string>) => {
        const { status, stderr } = ChildProcess.spawnSync("openssl", args, { cwd: folder, encoding: "utf8" })
        if (status !== 0) throw new Error(stderr)
      }
      const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
      openssl(
        "req",
        "-x509",
        ...key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=test authority",
        "-days",
        "2"
      )
      openssl("req", ...key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=test")
      Fs.writeFileSync(Path.join(folder, "names"), `subjectAltName=${names}\n`)
      openssl(
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-out",
        "cert.pem",
        "-days",
        "2",
        "-extfile",
        "names"
      )
      const read = (name: string) => Fs.readFileSync(Path.join(folder, name), "utf8")
      return { ca: read("ca.pem"), key: read("key.pem"), cert: read("cert.pem") }
    }
  )

const authority = (names: string) =>
  haveOpenssl
    ? certificates(names)
    : Effect.dieMessage("the openssl program is required: apt-get install openssl")

const answering = (names: string) =>
  Effect.flatMap(authority(names), ({ ca, cert, key }) =>
    Effect.map(
      rawServer((connection) =>
        Effect.forever(
          Effect.zipRight(connection.request, connection.writeEach("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 7))
        ), {
        tls: { key, cert }
      }),
      (server) => ({ ca, server })
    ))

const get = (url: string, tls: HttpConfig.TlsOptions) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const first = yield* Effect.flatMap(client.get(url), (response) => response.text)
    yield* Effect.flatMap(client.get(url), (response) => response.text)
    const { created } = yield* Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)
    return `${first} ${created}`
  }).pipe(
    Effect.catchAll((error) =>
      Effect.succeed(Option.match(HttpError.fromClientError(error), {
        onNone: () => "?",
        onSome: (precise) => precise._tag === "TlsError" ? `${precise._tag} ${precise.reason}` : precise._tag
      }))
    ),
    Effect.provide(HttpClient.layerPooled({ tls }))
  )

describe.skipIf(!haveOpenssl && !required)("TLS (needs the openssl program: apt-get install openssl)", () => {
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
      expect(yield* get(server.url, {})).toBe("TlsError Certificate")
      expect(yield* get(server.url, { rejectUnauthorized: false })).toBe("ok 1")
    }))

  it.scoped("refuses a certificate for another name", () =>
    Effect.gen(function*() {
      const { ca, server } = yield* answering("DNS:other.example")
      expect(yield* get(server.url, { ca })).toBe("TlsError HostName")
      expect(yield* get(server.url.replace("127.0.0.1", "localhost"), { ca })).toBe("TlsError HostName")
      expect(yield* get(server.url, { ca, servername: "other.example" })).toBe("ok 1")
    }))

  it.scoped("a server that speaks no TLS is a failed handshake", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) => connection.write("HTTP/1.1 400 Bad Request\r\n\r\n"))
      expect(yield* get(server.url.replace("http:", "https:"), {})).toBe("TlsError Handshake")
    }))
})
