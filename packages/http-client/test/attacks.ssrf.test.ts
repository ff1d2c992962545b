import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError, Redirect, SsrfGuard } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const preciseOf = <A, R>(effect: Effect.Effect<A, Parameters<typeof HttpError.fromClientError>[0], R>) =>
  Effect.map(Effect.flip(effect), (error) => Option.getOrThrow(HttpError.fromClientError(error)))

/** Redirects its one request to `location`. */
const redirecting = (location: string) =>
  rawServer((connection) =>
    Effect.zipRight(
      connection.request,
      connection.write(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`)
    )
  )

const victim = rawServer((connection) =>
  Effect.forever(Effect.zipRight(
    connection.request,
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
  ))
)

describe("attacks through a host that is allowed", () => {
  it.scoped.each([
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://0.0.0.0/"
  ])("a redirect to %s is not followed", (location) =>
    Effect.gen(function*() {
      const server = yield* redirecting(location)
      const ssrfGuard = SsrfGuard.publicOr({ hosts: [`127.0.0.1:${server.port}`] })
      const error = yield* Effect.gen(function*() {
        const client = Redirect.withRedirects(yield* HttpClient.HttpClient)
        return yield* preciseOf(client.get(server.url))
      }).pipe(Effect.provide(HttpClient.layerPooled({ ssrfGuard, timeouts: { connect: "3 seconds" } })))
      expect(error).toMatchObject({ _tag: "AddressForbidden" })
    }))

  it.scoped("a redirect to another port of an allowed host is not followed", () =>
    Effect.gen(function*() {
      const inside = yield* victim
      const server = yield* redirecting(`${inside.url}/`)
      const ssrfGuard = SsrfGuard.publicOr({ hosts: [`127.0.0.1:${server.port}`] })
      const error = yield* Effect.gen(function*() {
        const client = Redirect.withRedirects(yield* HttpClient.HttpClient)
        return yield* preciseOf(client.get(server.url))
      }).pipe(Effect.provide(HttpClient.layerPooled({ ssrfGuard })))
      expect(error).toMatchObject({ _tag: "AddressForbidden", address: "127.0.0.1", range: "loopback" })
      expect(yield* inside.connections).toBe(0)
    }))

  it.scoped("a name that turns to another address between two looks reaches only the address that was looked at", () =>
    Effect.gen(function*() {
      const inside = yield* victim
      // nobody listens on 127.0.0.2, which stands for an address outside
      const outside = "127.0.0.2"
      const answers = [[outside], ["127.0.0.1"], [outside, "127.0.0.1"], ["::ffff:127.0.0.1"]]
      let asked = 0
      const resolver = { resolve: () => Effect.sync(() => answers[asked++] ?? []) }
      const ssrfGuard: SsrfGuard.SsrfGuard = {
        forbids: (target) => target.address === outside ? undefined : SsrfGuard.publicOnly.forbids(target)
      }
      const tags = yield* Effect.gen(function*() {
        const seen = yield* Effect.forEach(
          answers,
          () => preciseOf(HttpClient.get(`http://turning.example:${inside.port}/`))
        )
        const pool = yield* ConnectionPool.ConnectionPool
        expect(yield* pool.stats).toMatchObject({ open: 0, busy: 0 })
        return seen.map(({ _tag }) => _tag)
      }).pipe(Effect.provide(HttpClient.layerPooled({ resolver, ssrfGuard, dnsTtl: 0 })))
      expect(tags).toEqual(["ConnectError", "AddressForbidden", "AddressForbidden", "AddressForbidden"])
      expect(yield* inside.connections).toBe(0)
    }))
})
