import { describe, expect, it } from "@effect/vitest"
import { HttpClient, HttpConfig } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

/** As the environment is read by default. */
const environment = (variables: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(
    ConfigProvider.fromMap(new Map(Object.entries(variables)), { pathDelim: "_", seqDelim: "," })
  )

describe("the environment of a pool", () => {
  it.effect("needs nothing", () =>
    Effect.gen(function*() {
      const options = yield* HttpConfig.poolOptions
      const { key, ...tls } = options.tls ?? {}
      expect([key, ...Object.values(tls), options.unixSocket, options.dnsTtl]).toEqual(Array(8).fill(undefined))
      const { proxy } = options
      expect(typeof proxy === "function" && proxy({ secure: true, hostname: "a.example", port: 443 })).toBe(undefined)
    }).pipe(environment({})))

  it.effect("names TLS, the way to connect and the phases", () =>
    Effect.gen(function*() {
      const options = yield* HttpConfig.poolOptions
      expect(options).toMatchObject({
        dnsTtl: Duration.seconds(30),
        unixSocket: "/run/http.sock",
        tls: { ca: "CA", certificate: "CERTIFICATE", pins: ["one=", "two="], minVersion: "TLSv1.3" },
        timeouts: { dns: Duration.seconds(1), connect: Duration.seconds(2), tls: Duration.seconds(3) }
      })
      expect(options.tls?.key && Redacted.value(options.tls.key)).toBe("KEY")
      expect(options.tls?.passphrase && Redacted.value(options.tls.passphrase)).toBe("PASSPHRASE")
      expect(JSON.stringify(options)).not.toMatch(/KEY|PASSPHRASE/)
    }).pipe(environment({
      HTTP_CLIENT_DNS_TTL: "30 seconds",
      HTTP_CLIENT_UNIX_SOCKET: "/run/http.sock",
      HTTP_CLIENT_TLS_CA: "CA",
      HTTP_CLIENT_TLS_CERTIFICATE: "CERTIFICATE",
      HTTP_CLIENT_TLS_KEY: "KEY",
      HTTP_CLIENT_TLS_PASSPHRASE: "PASSPHRASE",
      HTTP_CLIENT_TLS_PINS: "one=,two=",
      HTTP_CLIENT_TLS_MIN_VERSION: "TLSv1.3",
      HTTP_CLIENT_DNS_TIMEOUT: "1 second",
      HTTP_CLIENT_CONNECT_TIMEOUT: "2 seconds",
      HTTP_CLIENT_TLS_TIMEOUT: "3 seconds"
    })))

  it.effect("refuses TLS versions that are too old", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(HttpConfig.poolOptions)
      expect(String(error)).toContain("TLSv1.2")
    }).pipe(environment({ HTTP_CLIENT_TLS_MIN_VERSION: "TLSv1" })))

  it.scoped("sends requests through the proxy that it names, except to the hosts that it excepts", () =>
    Effect.gen(function*() {
      const heads: Array<string> = []
      const server = yield* rawServer((connection) =>
        Effect.forever(
          Effect.flatMap(connection.request, ({ head }) => {
            heads.push(head.slice(0, head.indexOf("\r\n")))
            return connection.write("HTTP/1.1 204 No Content\r\n\r\n")
          })
        )
      )
      const both = Effect.all([HttpClient.get("http://a.example/"), HttpClient.get(server.url)])
      yield* both.pipe(
        Effect.provide(HttpClient.layerConfig),
        environment({ http_proxy: server.url, no_proxy: "127.0.0.0/8" })
      )
      expect(heads).toEqual(["GET http://a.example/ HTTP/1.1", "GET / HTTP/1.1"])
    }))
})
