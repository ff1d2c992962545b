// @effect-diagnostics nodeBuiltinImport:off -- node:zlib compresses for the server
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, CookieJar, HttpClient, HttpError, Session } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Zlib from "node:zlib"

/**
 * `/busy` answers 503 the first time, `/to/<url>` redirects, `/secret` wants a token, `/hang` never answers; all others
 * give the head that came, compressed. Every response sets a cookie.
 */
const server = Effect.gen(function*() {
  let tries = 0
  const heads: Array<string> = []
  const made = yield* rawServer((connection) =>
    Effect.forever(Effect.gen(function*() {
      const { head } = yield* connection.request
      heads.push(head)
      const path = head.split(" ")[1] ?? ""
      const location = /^\/to\/(\S+)/.exec(path)?.[1]
      if (path === "/hang") return
      const [status, extra] = location !== undefined
        ? [302, `Location: ${decodeURIComponent(location)}\r\n`]
        : path === "/busy" && tries++ === 0
        ? [503, ""]
        : path === "/secret" && !head.includes("authorization: Bearer t2\r\n")
        ? [401, ""]
        : [200, "Content-Encoding: gzip\r\n"]
      const body = status === 200 ? Zlib.gzipSync(head) : Buffer.alloc(0)
      yield* connection.write(
        `HTTP/1.1 ${status} X\r\nSet-Cookie: seen=${status}; Path=/\r\n${extra}Content-Length: ${body.length}\r\n\r\n`
      )
      yield* connection.write(body)
    }))
  )
  return { url: made.url, heads }
})
const text = (client: HttpClient.HttpClient, url: string) =>
  Effect.flatMap(client.get(url), (response) => response.text)

describe("Session", () => {
  it.scoped("puts everything together: base URL, headers, cookies, token, retry, redirect, decompression, hooks", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([server, server])
      let tokens = 0
      const statuses: Array<number> = []
      const { client, jar } = yield* Session.make({
        baseUrl: one.url,
        headers: { "x-all": "1", "x-own": "0" },
        auth: { type: "bearer", origin: one.url, token: Effect.sync(() => Redacted.make(`t${++tokens}`)) },
        retry: { schedule: Schedule.recurs(3) },
        onRequest: (request) => Effect.succeed(HttpClientRequest.setHeader(request, "x-hook", request.url)),
        onResponse: (response) => Effect.sync(() => statuses.push(response.status))
      })
      expect(yield* text(client, "/secret")).toContain("authorization: Bearer t2")
      const own = yield* client.get("/busy", { headers: { "x-own": "1" } })
      const echoed = yield* own.text
      for (
        const line of ["x-all: 1", "x-own: 1", `x-hook: ${one.url}/busy`, "cookie: seen=503", "accept-encoding: gzip"]
      ) {
        expect(echoed).toContain(line)
      }
      // to another name of the same machine: neither cookie nor token goes along
      const elsewhere = two.url.replace("127.0.0.1", "localhost")
      const there = yield* text(client, `${one.url}/to/${encodeURIComponent(`${elsewhere}/x`)}`)
      expect(there).toContain("GET /x ")
      expect(there).not.toMatch(/cookie|authorization/)
      // one call, one response, whatever it took
      expect(statuses).toEqual([200, 200, 200])
      expect(tokens).toBe(2)
      const cookies = yield* Option.getOrThrow(jar).snapshot
      expect(cookies.map(({ domain, value }) => `${domain} ${Redacted.value(value)}`).toSorted()).toEqual([
        "127.0.0.1 302",
        "localhost 200"
      ])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("leaves out what it is told to leave out, and shares a jar that it is given", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const bare = yield* Session.make({ cookies: false, redirects: false, decompression: false })
      expect(Option.isNone(bare.jar)).toBe(true)
      expect((yield* bare.client.get(`${url}/to/x`)).status).toBe(302)
      expect((yield* bare.client.get(url)).headers["content-encoding"]).toBe("gzip")
      const jar = yield* CookieJar.make()
      const [a, b] = yield* Effect.all([Session.make({ cookies: jar }), Session.make({ cookies: jar })])
      yield* text(a.client, url)
      expect(yield* text(b.client, url)).toContain("cookie: seen=200")
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("bounds the time of all tries together, and closes the connection", () =>
    Effect.gen(function*() {
      const { heads, url } = yield* server
      const { client } = yield* Session.make({ baseUrl: url, timeout: "3 seconds", retry: {} })
      const fiber = yield* Effect.fork(Effect.flip(client.get("/hang")))
      const arrived: Effect.Effect<void> = Effect.suspend(() =>
        heads.length > 0 ? Effect.void : Effect.zipRight(
          Effect.async<void>((resume) => {
            setImmediate(() => resume(Effect.void))
          }),
          arrived
        )
      )
      yield* arrived
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(fiber)
      expect(Option.getOrThrow(HttpError.fromClientError(error))).toMatchObject({ _tag: "TotalTimeout", millis: 3000 })
      const pool = yield* ConnectionPool.ConnectionPool
      expect(yield* pool.stats).toMatchObject({ open: 0, busy: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("Basic and Digest are for their origin", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const password = Redacted.make("p")
      const basic = yield* Session.make({ auth: { type: "basic", origin: url, username: "u", password } })
      expect(yield* text(basic.client, url)).toContain("authorization: Basic dTpw")
      const digest = yield* Session.make({ auth: { type: "digest", origin: url, username: "u", password } })
      expect(yield* text(digest.client, url)).not.toContain("authorization")
    }).pipe(Effect.provide(Session.layer()), Effect.provide(HttpClient.layerPooled())))
})
