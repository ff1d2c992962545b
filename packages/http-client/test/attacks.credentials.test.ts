import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { Auth, HttpClient, HttpError, Redirect, Retry } from "@sennit/http-client"
import { MockHttpClient, rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"

const secret = "s3cr3t"

/** Redirects the first request to `location`, answers the second. */
const redirecting = (from: string, location: string) =>
  MockHttpClient.make([{
    name: "redirect",
    reply: (request) =>
      Effect.succeedSome(
        request.url.href === from ? { status: 307, headers: { location } } : { body: "end" }
      )
  }])

describe("credentials on redirects", () => {
  const from = "https://a.example/start"
  it.effect.each(
    [
      ["another host", "https://b.example/"],
      ["a host below", "https://x.a.example/"],
      ["a host above", "https://example/"],
      ["a host that only begins alike", "https://a.example.evil.net/"],
      ["another port", "https://a.example:8443/"],
      ["http instead of https", "http://a.example/"],
      ["http at the port of https", "http://a.example:443/"],
      ["another host in a relative form", "//b.example/"],
      ["another host behind backslashes", "\\\\b.example\\"],
      ["another host behind a tab", "/\t/b.example/"]
    ] as const
  )("do not go to %s", ([, location]) =>
    Effect.gen(function*() {
      const mock = yield* redirecting(from, location)
      for (
        const names of [
          ["authorization", "cookie", "proxy-authorization"],
          ["Authorization", "Cookie", "Proxy-Authorization"],
          ["AUTHORIZATION", "COOKIE", "PROXY-AUTHORIZATION"]
        ]
      ) {
        const headers = Object.fromEntries(names.map((name) => [name, secret]))
        yield* Redirect.withRedirects(mock.client).get(from, { headers })
      }
      const seen = yield* mock.requests
      expect(seen.length).toBe(6)
      expect(seen.filter(({ headers }) => JSON.stringify(headers).includes(secret)).length).toBe(3)
    }))

  it.effect.each(["/there", "https://a.example:443/there", "HTTPS://A.EXAMPLE/there", "there?x"])(
    "stay within the origin (%s)",
    (location) =>
      Effect.gen(function*() {
        const mock = yield* redirecting(from, location)
        yield* Redirect.withRedirects(mock.client).get(from, { headers: { Authorization: secret } })
        expect((yield* mock.requests).map(({ headers }) => headers["authorization"])).toEqual([secret, secret])
      })
  )

  it.effect.each([
    `https://user:${secret}@a.example/`,
    `https://${secret}@a.example/`,
    `//user:${secret}@b.example/`
  ])("user information in Location is refused, and not shown (%s)", (location) =>
    Effect.gen(function*() {
      const mock = yield* redirecting(from, location)
      const error = yield* Effect.flip(Redirect.withRedirects(mock.client).get(from))
      expect(Option.getOrThrow(HttpError.fromClientError(error))).toMatchObject({
        _tag: "RedirectRefused",
        reason: "Credentials"
      })
      expect(`${error.message} ${String(error)}`).not.toContain(secret)
      expect((yield* mock.requests).length).toBe(1)
    }))

  it.effect("middleware below redirects does not add them at another origin", () =>
    Effect.gen(function*() {
      const mock = yield* redirecting(from, "https://b.example/")
      const basic = mock.client.pipe(
        Auth.withBasicAuth("https://a.example", { username: "u", password: Redacted.make(secret) }),
        Redirect.withRedirects()
      )
      yield* basic.get(from)
      const token = Effect.succeed(Redacted.make(secret))
      const bearer = Redirect.withRedirects(yield* Auth.withBearer(mock.client, "https://a.example", token))
      yield* bearer.get(from)
      expect((yield* mock.requests).map(({ headers }) => headers["authorization"] !== undefined))
        .toEqual([true, false, true, false])
    }))
})

describe("credentials in what is shown", () => {
  it.scoped("no error of ours holds a header value, whatever went wrong", () =>
    Effect.gen(function*() {
      const responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        "",
        `HTTP/1.1 302 Found\r\nLocation: ftp://x/?${secret}\r\nContent-Length: 0\r\n\r\n`
      ]
      const server = yield* rawServer((connection) =>
        connection.request.pipe(
          Effect.zipRight(connection.write(responses[connection.index] ?? "")),
          Effect.zipRight(connection.end)
        )
      )
      const client = Redirect.withRedirects(yield* HttpClient.HttpClient)
      for (const _ of responses) {
        const request = HttpClientRequest.post(`${server.url}/?token=${secret}`, {
          headers: { authorization: secret, "x-any": secret }
        })
        const error = yield* Effect.flip(Effect.flatMap(client.execute(request), (response) => response.text))
        const precise = Option.getOrThrow(HttpError.fromClientError(error))
        expect(`${precise.message} ${JSON.stringify(precise)} ${String(precise)}`).not.toContain(secret)
      }
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.effect("a repeated request carries its credentials to its own origin only", () =>
    Effect.gen(function*() {
      const mock = yield* MockHttpClient.make([{
        name: "busy",
        reply: (request) => Effect.succeedSome({ status: request.url.host === "a.example" ? 503 : 200 })
      }])
      const client = mock.client.pipe(Retry.withRetry({ schedule: Schedule.recurs(2) }))
      yield* client.get("https://a.example/", { headers: { authorization: secret } })
      expect(new Set((yield* mock.requests).map(({ url }) => url.origin))).toEqual(new Set(["https://a.example"]))
    }))
})
