// @effect-diagnostics nodeBuiltinImport:off -- node:crypto is the server's side of Digest
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { Auth, HttpClient, Redirect } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Crypto from "node:crypto"

const me = { username: "Aladdin", password: Redacted.make("open sesame") }
const reply = (status: number, body: string, headers = "") =>
  `HTTP/1.1 ${status} X\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`
const authorizationOf = (head: string) => /^authorization: (.*)$/m.exec(head)?.[1]?.trim()

/** Answers with the credentials that came; `/to/<url>` redirects. */
const echo = rawServer((connection) =>
  Effect.forever(Effect.gen(function*() {
    const { head } = yield* connection.request
    const location = /^GET \/to\/(\S+)/.exec(head)?.[1]
    yield* connection.write(
      location === undefined
        ? reply(200, authorizationOf(head) ?? "none")
        : reply(302, "", `Location: ${decodeURIComponent(location)}\r\n`)
    )
  }))
)
const text = <E, R>(client: HttpClient.HttpClient.With<E, R>, url: string) =>
  Effect.flatMap(client.get(url), (response) => Effect.map(response.text, (body) => `${response.status} ${body}`))

describe("withBasicAuth", () => {
  it.scoped("RFC 7617 §2, for one origin only, redirects included", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([echo, echo])
      const client = Auth.withBasicAuth(yield* HttpClient.HttpClient, one.url, me)
      expect(yield* text(client, one.url)).toBe("200 Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
      expect(yield* text(client, two.url)).toBe("200 none")
      expect(yield* text(client, one.url.replace("127.0.0.1", "localhost"))).toBe("200 none")
      const following = Redirect.withRedirects(client)
      expect(yield* text(following, `${one.url}/to/${encodeURIComponent(two.url)}`)).toBe("200 none")
      expect(yield* text(following, `${two.url}/to/${encodeURIComponent(one.url)}`)).toContain("Basic ")
      const own = yield* client.get(one.url, { headers: { authorization: "Own x" } })
      expect(yield* own.text).toBe("Own x")
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

describe("withBearer", () => {
  /** Accepts only the newest token; `issue` makes the next one. */
  const guarded = Effect.gen(function*() {
    let issued = 0
    const seen: Array<string> = []
    const server = yield* rawServer((connection) =>
      Effect.forever(Effect.gen(function*() {
        const { body, head } = yield* connection.request
        const given = authorizationOf(head) ?? "none"
        seen.push(given)
        yield* connection.write(given === `Bearer t${issued}` ? reply(200, `ok${body}`) : reply(401, "no"))
      }))
    )
    // it takes a while, as a token server does
    const issue = Effect.suspend(() => Effect.as(Effect.yieldNow(), Redacted.make(`t${++issued}`)))
    return { url: server.url, seen, issue, revoke: () => issued++, issued: () => issued }
  })

  it.scoped("gets one token for any number of requests, and one more when it is refused", () =>
    Effect.gen(function*() {
      const { issue, issued, revoke, url } = yield* guarded
      const client = yield* Auth.withBearer(yield* HttpClient.HttpClient, url, issue)
      const ten = Effect.all(Array.from({ length: 10 }, () => text(client, url)), { concurrency: 10 })
      expect(new Set(yield* ten)).toEqual(new Set(["200 ok"]))
      expect(issued()).toBe(1)
      revoke()
      expect(new Set(yield* ten)).toEqual(new Set(["200 ok"]))
      // the revocation counted one
      expect(issued()).toBe(3)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a second 401 is the answer, a body that is gone is not sent twice, a failing refresh fails", () =>
    Effect.gen(function*() {
      const { seen, url } = yield* guarded
      const plain = yield* HttpClient.HttpClient
      const wrong = yield* Auth.withBearer(plain, url, Effect.succeed(Redacted.make("wrong")))
      expect(yield* text(wrong, url)).toBe("401 no")
      expect(seen).toEqual(["Bearer wrong", "Bearer wrong"])
      const streamed = HttpClientRequest.post(url).pipe(HttpClientRequest.bodyStream(Stream.make(new Uint8Array(2))))
      expect((yield* wrong.execute(streamed)).status).toBe(401)
      expect(seen.length).toBe(3)
      const failing = yield* Auth.withBearer(plain, url, Effect.fail("no token" as const))
      expect(yield* Effect.flip(text(failing, url))).toBe("no token")
      const other = yield* echo
      expect(yield* text(failing, other.url)).toBe("200 none")
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})

const h = (value: string) => Crypto.createHash("sha256").update(value).digest("hex")

/** A server's side of RFC 7616: nonces are good for three uses, counts must grow. */
const digesting = (algorithm: string) =>
  Effect.gen(function*() {
    let nonce = 0
    let uses = 3
    const counts: Array<number> = []
    const server = yield* rawServer((connection) =>
      Effect.forever(Effect.gen(function*() {
        const { body, head } = yield* connection.request
        const [, method = "", target = ""] = /^(\S+) (\S+)/.exec(head) ?? []
        const given = authorizationOf(head) ?? ""
        const of = (name: string) => new RegExp(`[ ,]${name}="?([^",]*)`).exec(given)?.[1] ?? ""
        const secret = h(`Aladdin:r:open sesame`)
        const a1 = algorithm.endsWith("-sess") ? h(`${secret}:n${nonce}:${of("cnonce")}`) : secret
        const right = h(`${a1}:n${nonce}:${of("nc")}:${of("cnonce")}:auth:${h(`${method}:${target}`)}`)
        const fresh = of("nonce") === `n${nonce}` && uses < 3
        if (fresh && of("response") === right && of("uri") === target) {
          uses++
          counts.push(Number.parseInt(of("nc"), 16))
          return yield* connection.write(reply(200, `ok${body}`))
        }
        const stale = given !== "" && !fresh
        if (!fresh) {
          nonce++
          uses = 0
        }
        yield* connection.write(
          reply(
            401,
            "no",
            `WWW-Authenticate: Basic realm="r"\r\nWWW-Authenticate: Digest realm="r", qop="auth", algorithm=${algorithm}, nonce="n${nonce}", stale=${stale}\r\n`
          )
        )
      }))
    )
    return { server, url: server.url, counts }
  })

describe("withDigestAuth", () => {
  it.scoped.each(["SHA-256", "SHA-256-sess"])("%s: challenge, count, stale", (algorithm) =>
    Effect.gen(function*() {
      const { counts, server, url } = yield* digesting(algorithm)
      const client = yield* Auth.withDigestAuth(yield* HttpClient.HttpClient, url, me)
      for (let i = 0; i < 5; i++) expect(yield* text(client, `${url}/a?b=${i}`)).toBe("200 ok")
      expect(counts).toEqual([1, 2, 3, 1, 2])
      // one challenge at the start, one when the nonce was stale
      expect(yield* server.requests).toBe(7)
      const posted = yield* client.post(`${url}/p`)
      expect(posted.status).toBe(200)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("wrong credentials give the 401, after one try each time", () =>
    Effect.gen(function*() {
      const { server, url } = yield* digesting("SHA-256")
      const client = yield* Auth.withDigestAuth(yield* HttpClient.HttpClient, url, {
        username: "Aladdin",
        password: Redacted.make("wrong")
      })
      expect(yield* text(client, url)).toBe("401 no")
      expect(yield* server.requests).toBe(2)
      expect(yield* text(client, url)).toBe("401 no")
      expect(yield* server.requests).toBeLessThanOrEqual(4)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("another origin that asks gets nothing", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([digesting("SHA-256"), digesting("SHA-256")])
      const client = yield* Auth.withDigestAuth(yield* HttpClient.HttpClient, one.url, me)
      expect(yield* text(client, two.url)).toBe("401 no")
      expect(yield* two.server.requests).toBe(1)
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
