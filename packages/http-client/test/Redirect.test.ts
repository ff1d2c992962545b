import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError, Redirect } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** A server that answers `/<status>/<rest>` with that status and `Location: <rest>`, and everything else with what it saw. */
const redirecting = rawServer((connection) =>
  Effect.forever(Effect.gen(function*() {
    const { body, head } = yield* connection.request
    const [, status, location] = /^[A-Z]+ \/(\d{3})\/(\S+) /.exec(head) ?? []
    const echo = `${head}${body}`
    yield* connection.write(
      status === undefined
        ? `HTTP/1.1 200 OK\r\nContent-Length: ${head.startsWith("HEAD ") ? 0 : echo.length}\r\n\r\n${
          head.startsWith("HEAD ") ? "" : echo
        }`
        : `HTTP/1.1 ${status} Moved\r\nLocation: ${decodeURIComponent(location ?? "")}\r\nContent-Length: 0\r\n\r\n`
    )
  }))
)

const seen = (request: HttpClientRequest.HttpClientRequest, max?: number) =>
  Effect.gen(function*() {
    const client = Redirect.withRedirects(yield* HttpClient.HttpClient, { max })
    return yield* Effect.flatMap(client.execute(request), (response) => response.text)
  })
const failure = (request: HttpClientRequest.HttpClientRequest, max?: number) =>
  Effect.map(Effect.flip(seen(request, max)), (error) => Option.getOrThrow(HttpError.fromClientError(error)))

const to = (status: number, location: string) => `/${status}/${encodeURIComponent(location)}`
const secrets = {
  authorization: "Bearer secret",
  cookie: "a=secret",
  "proxy-authorization": "Basic secret",
  "x-kept": "1"
}

describe("withRedirects", () => {
  // RFC 9110 §15.4 and the Fetch standard's HTTP-redirect fetch
  const methods: ReadonlyArray<
    readonly [status: number, before: "GET" | "POST" | "PUT" | "HEAD", after: string, body: string]
  > = [
    [301, "GET", "GET", ""],
    [301, "POST", "GET", ""],
    [302, "POST", "GET", ""],
    [302, "PUT", "PUT", "body"],
    [303, "POST", "GET", ""],
    [303, "PUT", "GET", ""],
    [307, "POST", "POST", "body"],
    [308, "PUT", "PUT", "body"]
  ]
  it.scoped.each(methods)("%s", ([status, before, after, body]) =>
    Effect.gen(function*() {
      const server = yield* redirecting
      const request = HttpClientRequest.modify(HttpClientRequest.get(`${server.url}${to(status, "/end")}`), {
        method: before,
        body: before === "GET" ? HttpBody.empty : HttpBody.text("body")
      })
      const echo = yield* seen(request)
      expect(echo.startsWith(`${after} /end HTTP/1.1\r\n`)).toBe(true)
      expect(echo.endsWith(`\r\n\r\n${body}`)).toBe(true)
      expect(/content-type/.test(echo)).toBe(body !== "")
      expect(yield* server.connections).toBe(1)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("303 keeps HEAD", () =>
    Effect.gen(function*() {
      const server = yield* redirecting
      const client = Redirect.withRedirects(yield* HttpClient.HttpClient)
      const response = yield* client.head(`${server.url}${to(303, "/end")}`)
      expect([response.status, response.request.method]).toEqual([200, "HEAD"])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("credentials stay with the origin that they were meant for", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([redirecting, redirecting])
      const request = (location: string) =>
        HttpClientRequest.get(`${one.url}${to(302, location)}`, { headers: secrets })
      expect((yield* seen(request("/end"))).match(/secret/g)?.length).toBe(3)
      const elsewhere = yield* seen(request(`${two.url}/end`))
      expect(elsewhere).not.toContain("secret")
      expect(elsewhere).toContain("x-kept: 1")
      // they do not come back either
      expect(yield* seen(request(`${two.url}${to(302, `${one.url}/end`)}`))).not.toContain("secret")
      // another name of the same machine is another origin
      expect(yield* seen(request(`${one.url.replace("127.0.0.1", "localhost")}/end`))).not.toContain("secret")
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("what prepares a client applies once, so a token does not follow to another origin", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([redirecting, redirecting])
      const client = (yield* HttpClient.HttpClient).pipe(
        HttpClient.mapRequest(HttpClientRequest.bearerToken("secret")),
        HttpClient.mapRequest(HttpClientRequest.prependUrl(one.url)),
        Redirect.withRedirects()
      )
      const echo = yield* Effect.flatMap(client.get(to(302, `${two.url}/end`)), (response) => response.text)
      expect(echo.startsWith("GET /end HTTP/1.1")).toBe(true)
      expect(echo).not.toContain("secret")
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a redirect whose body does not end holds no connection", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.forever(Effect.gen(function*() {
          const { head } = yield* connection.request
          yield* connection.write(
            head.startsWith("GET /end ")
              ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
              : "HTTP/1.1 302 Found\r\nLocation: /end\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n"
          )
        }))
      )
      expect(yield* seen(HttpClientRequest.get(server.url))).toBe("ok")
      const pool = yield* ConnectionPool.ConnectionPool
      expect(yield* pool.stats).toMatchObject({ open: 1, idle: 1 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a loop, too many, and what cannot be followed are failures", () =>
    Effect.gen(function*() {
      const server = yield* redirecting
      const loop = yield* rawServer((connection) =>
        Effect.forever(Effect.zipRight(
          connection.request,
          connection.write("HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
        ))
      )
      const get = (location: string, status = 302) => HttpClientRequest.get(`${server.url}${to(status, location)}`)
      expect(yield* failure(HttpClientRequest.get(loop.url))).toMatchObject({ _tag: "RedirectLoop" })
      expect(yield* loop.requests).toBe(2)
      expect(yield* failure(get(to(302, to(302, "/end"))), 2)).toMatchObject({ _tag: "TooManyRedirects", maximum: 2 })
      expect(yield* seen(get(to(302, "/end")), 2)).toContain("GET /end")
      expect(yield* failure(get("ftp://127.0.0.1/"))).toMatchObject({ _tag: "RedirectRefused", reason: "Scheme" })
      expect(yield* failure(get("file:///etc/passwd"))).toMatchObject({ reason: "Scheme" })
      expect(yield* failure(get("http://user:pw@127.0.0.1/"))).toMatchObject({ reason: "Credentials" })
      expect(yield* failure(get("http://["))).toMatchObject({ reason: "Location" })
      const streamed = HttpClientRequest.post(`${server.url}${to(307, "/end")}`).pipe(
        HttpClientRequest.bodyStream(Stream.make(new Uint8Array(3)))
      )
      expect(yield* failure(streamed)).toMatchObject({ reason: "Body" })
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
