import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { describe, expect, it } from "@effect/vitest"
import { CookieJar, HttpClient, Redirect } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"

type Jar = Effect.Effect.Success<ReturnType<typeof CookieJar.make>>

const set = (jar: Jar, url: string, ...cookies: ReadonlyArray<string>) =>
  Effect.forEach(cookies, (cookie) => jar.set(cookie, new URL(url)), { discard: true })
const header = (jar: Jar, url: string) =>
  Effect.map(jar.header(new URL(url)), Option.match({ onNone: () => "", onSome: Redacted.value }))
const refused = (jar: Jar, url: string, cookie: string) =>
  Effect.map(Effect.flip(jar.set(cookie, new URL(url))), (error) => error.reason)

describe("where a cookie goes", () => {
  it.effect("RFC 6265 §3.1: paths, domains, Secure, removal", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      yield* set(jar, "https://www.example.com/", "SID=31d4; Path=/; Domain=example.com", "lang=en-US; Path=/; Secure")
      expect(yield* header(jar, "https://www.example.com/x")).toBe("SID=31d4; lang=en-US")
      expect(yield* header(jar, "http://www.example.com/")).toBe("SID=31d4")
      expect(yield* header(jar, "https://other.example.com/")).toBe("SID=31d4")
      expect(yield* header(jar, "https://example.com/")).toBe("SID=31d4")
      expect(yield* header(jar, "https://notexample.com/")).toBe("")
      expect(yield* header(jar, "https://example.com.evil.net/")).toBe("")
      yield* set(jar, "https://www.example.com/", "lang=; Expires=Sun, 06 Nov 1994 08:49:37 GMT")
      // 1994 is after the test clock's 1970
      expect(yield* header(jar, "https://www.example.com/")).toContain("lang=")
      yield* set(jar, "https://www.example.com/", "lang=; Max-Age=0; Path=/")
      expect(yield* header(jar, "https://www.example.com/")).toBe("SID=31d4")
    }))

  it.effect("a cookie without a domain is for its host only", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      yield* set(jar, "http://example.com/", "a=1")
      expect(yield* header(jar, "http://www.example.com/")).toBe("")
      expect(yield* header(jar, "http://example.com:8080/")).toBe("a=1")
    }))

  it.effect.each(
    [
      ["/a/b", "", "/a", true],
      ["/a/b", "", "/a/x", true],
      ["/a/b", "", "/", false],
      ["/a/b", "", "/ab", false],
      ["/a/", "", "/a/b/c", true],
      ["/a", "", "/anything", true],
      ["/", "; Path=/docs", "/docs", true],
      ["/", "; Path=/docs", "/docs/Web/", true],
      ["/", "; Path=/docs", "/docsets", false],
      ["/", "; Path=/docs/", "/docs", false]
    ] as const
  )("set at %s with '%s', asked at %s", ([from, attribute, to, sent]) =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      yield* set(jar, `http://example.com${from}`, `a=1${attribute}`)
      expect(yield* header(jar, `http://example.com${to}`)).toBe(sent ? "a=1" : "")
    }))

  it.effect("longer paths first, then older cookies; a replaced cookie keeps its age", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      yield* set(jar, "http://example.com/", "old=1; Path=/")
      yield* TestClock.adjust("1 second")
      yield* set(jar, "http://example.com/", "new=1; Path=/", "deep=1; Path=/a")
      yield* TestClock.adjust("1 second")
      yield* set(jar, "http://example.com/", "old=2; Path=/", "bare")
      expect(yield* header(jar, "http://example.com/a")).toBe("deep=1; old=2; new=1; bare")
    }))

  it.effect("an address is no domain", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      yield* set(jar, "http://127.0.0.1/", "a=1; Domain=127.0.0.1")
      yield* set(jar, "http://[::1]/", "b=1")
      expect(yield* header(jar, "http://127.0.0.1/")).toBe("a=1")
      expect(yield* header(jar, "http://[::1]/")).toBe("b=1")
      expect(yield* header(jar, "http://1.127.0.0.1.example/")).toBe("")
      expect(yield* refused(jar, "http://127.0.0.1/", "a=1; Domain=0.0.1")).toBe("Domain")
    }))
})

describe("how long", () => {
  it.effect("Max-Age goes before Expires, and nothing lives longer than 400 days", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      yield* set(
        jar,
        "http://example.com/",
        "short=1; Max-Age=10; Expires=Wed, 09 Jun 2100 10:18:14 GMT",
        "date=1; Expires=Thu, 01 Jan 1970 00:00:20 GMT",
        "long=1; Max-Age=99999999999",
        "session=1"
      )
      yield* TestClock.adjust("9999 millis")
      expect(yield* header(jar, "http://example.com/")).toBe("short=1; date=1; long=1; session=1")
      yield* TestClock.adjust("1 millis")
      expect(yield* header(jar, "http://example.com/")).toBe("date=1; long=1; session=1")
      yield* TestClock.adjust("10 seconds")
      expect(yield* header(jar, "http://example.com/")).toBe("long=1; session=1")
      yield* TestClock.adjust("400 days")
      expect(yield* header(jar, "http://example.com/")).toBe("session=1")
    }))
})

describe("what is refused", () => {
  const cases = [
    ["http://example.com/", "a=1; Domain=other.com", "Domain"],
    ["http://example.com/", "a=1; Domain=www.example.com", "Domain"],
    ["http://example.com/", "a=1; Domain=ample.com", "Domain"],
    ["http://example.com/", "a=1; Domain=com", "PublicSuffix"],
    ["http://example.co.uk/", "a=1; Domain=co.uk", "PublicSuffix"],
    ["http://example.com.au/", "a=1; Domain=.com.au", "PublicSuffix"],
    ["http://example.com/", "a=1; Secure", "Secure"],
    ["https://example.com/", "a=1; SameSite=None", "SameSite"],
    ["https://example.com/", "__Secure-a=1", "Prefix"],
    ["https://example.com/", "__secure-a=1", "Prefix"],
    ["https://example.com/", "__Host-a=1; Secure", "Prefix"],
    ["https://example.com/", "__Host-a=1; Secure; Path=/x", "Prefix"],
    ["https://example.com/", "__Host-a=1; Secure; Path=/; Domain=example.com", "Prefix"],
    ["https://example.com/", "=__Host-a=1; Secure; Path=/", "Prefix"],
    ["https://example.com/", "a=\u0001", "Syntax"]
  ] as const
  it.effect.each(cases)("%s %s", ([url, cookie, reason]) =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      expect(yield* refused(jar, url, cookie)).toBe(reason)
      expect(yield* jar.snapshot).toEqual([])
    }))

  it.effect("and what is just allowed", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      yield* set(
        jar,
        "https://example.com/",
        "__Host-a=1; Secure; Path=/",
        "__Secure-b=1; Secure; Domain=example.com",
        "c=1; SameSite=None; Secure",
        "__Hostile=1"
      )
      expect((yield* jar.snapshot).length).toBe(4)
      yield* set(jar, "http://localhost/", "a=1; Domain=localhost")
      expect(yield* header(jar, "http://localhost/")).toBe("a=1")
    }))

  it.effect("a list of public suffixes can be given", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make({ publicSuffix: (domain) => domain === "github.io" })
      expect(yield* refused(jar, "https://me.github.io/", "a=1; Domain=github.io")).toBe("PublicSuffix")
      yield* set(jar, "https://github.io/", "a=1; Domain=github.io")
      expect(yield* header(jar, "https://me.github.io/")).toBe("")
    }))

  it.effect("http cannot put a cookie over one that https set", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      yield* set(jar, "https://example.com/login/x", "s=real; Secure; Path=/login")
      expect(yield* refused(jar, "http://example.com/login/", "s=evil; Path=/login/en")).toBe("Secure")
      expect(yield* refused(jar, "http://www.example.com/", "s=evil; Domain=example.com; Path=/login")).toBe("Secure")
      yield* set(jar, "http://example.com/", "s=other; Path=/")
      expect(yield* header(jar, "https://example.com/login")).toBe("s=real; s=other")
    }))
})

describe("the jar", () => {
  it.effect("is bounded, per domain and in all: expired cookies go first, then the one used longest ago", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make({ perDomain: 3, total: 5 })
      yield* set(jar, "http://a.com/", "a=1", "b=1; Max-Age=1", "c=1")
      yield* TestClock.adjust("1 second")
      yield* set(jar, "http://a.com/", "d=1")
      expect(yield* header(jar, "http://a.com/")).toBe("a=1; c=1; d=1")
      yield* set(jar, "http://a.com/x/", "e=1; Path=/x/")
      expect(yield* header(jar, "http://a.com/")).toBe("c=1; d=1")
      yield* set(jar, "http://b.com/", "f=1", "g=1", "h=1")
      expect((yield* jar.snapshot).map(({ name }) => name)).toEqual(["c", "d", "f", "g", "h"])
      yield* jar.clear
      expect(yield* jar.snapshot).toEqual([])
    }))

  it.effect("is kept and given back; its printed form shows no value", () =>
    Effect.gen(function*() {
      const Persisted = Schema.parseJson(CookieJar.StoredCookies)
      const jar = yield* CookieJar.make()
      yield* set(
        jar,
        "https://example.com/a/",
        "s=secret; Secure; Max-Age=60",
        "t=secret; Domain=example.com; HttpOnly"
      )
      const text = yield* Effect.flatMap(jar.snapshot, Schema.encode(Persisted))
      const again = yield* CookieJar.make({ cookies: yield* Schema.decode(Persisted)(text) })
      expect(yield* again.snapshot).toEqual(yield* jar.snapshot)
      expect(yield* header(again, "https://example.com/a/")).toBe("s=secret; t=secret")
      expect(JSON.stringify(yield* jar.snapshot)).not.toContain("secret")
      yield* TestClock.adjust("1 minute")
      expect((yield* (yield* CookieJar.make({ cookies: yield* Schema.decode(Persisted)(text) })).snapshot).length).toBe(
        1
      )
    }))
})

/** Answers with the Cookie header that came; `/set` sets cookies, `/to/<url>` redirects and sets one as well. */
const cookieServer = rawServer((connection) =>
  Effect.forever(Effect.gen(function*() {
    const { head } = yield* connection.request
    const seen = /^cookie: (.*)$/m.exec(head)?.[1]?.trim() ?? "none"
    const location = /^GET \/to\/(\S+)/.exec(head)?.[1]
    const cookies =
      "Set-Cookie: a=1, 2; Path=/\r\nSet-Cookie: b=2; Expires=Wed, 09 Jun 2100 10:18:14 GMT; Path=/\r\nSet-Cookie: c=3; Domain=example.org\r\n"
    yield* connection.write(
      location === undefined
        ? `HTTP/1.1 200 OK\r\n${
          head.startsWith("GET /set ") ? cookies : ""
        }Content-Length: ${seen.length}\r\n\r\n${seen}`
        : `HTTP/1.1 302 Found\r\nSet-Cookie: hop=1; Path=/\r\nLocation: ${
          decodeURIComponent(location)
        }\r\nContent-Length: 0\r\n\r\n`
    )
  }))
)
const text = (client: HttpClient.HttpClient, url: string, headers: Record<string, string> = {}) =>
  Effect.flatMap(client.get(url, { headers }), (response) => response.text)

describe("withCookieJar", () => {
  it.scoped("keeps what a server sets, commas and all, and sends it back", () =>
    Effect.gen(function*() {
      const server = yield* cookieServer
      const jar = yield* CookieJar.make()
      const client = CookieJar.withCookieJar(yield* HttpClient.HttpClient, jar)
      expect(yield* text(client, `${server.url}/set`)).toBe("none")
      expect(yield* text(client, `${server.url}/`)).toBe("a=1, 2; b=2")
      expect(yield* text(client, `${server.url}/`, { cookie: "own=1" })).toBe("own=1; a=1, 2; b=2")
      expect((yield* jar.snapshot).map(({ name }) => name)).toEqual(["a", "b"])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("below redirects every hop has the cookies of its own host, and sets its own", () =>
    Effect.gen(function*() {
      const server = yield* cookieServer
      const jar = yield* CookieJar.make()
      const client = (yield* HttpClient.HttpClient).pipe(CookieJar.withCookieJar(jar), Redirect.withRedirects())
      yield* text(client, `${server.url}/set`)
      const elsewhere = `${server.url.replace("127.0.0.1", "localhost")}/`
      expect(yield* text(client, `${server.url}/to/${encodeURIComponent(elsewhere)}`)).toBe("none")
      expect(yield* text(client, `${server.url}/`)).toBe("a=1, 2; b=2; hop=1")
      expect(yield* text(client, `${elsewhere}to/${encodeURIComponent(`${server.url}/`)}`)).toBe("a=1, 2; b=2; hop=1")
      expect(yield* text(client, elsewhere)).toBe("hop=1")
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("works over another client", () =>
    Effect.gen(function*() {
      const server = yield* cookieServer
      const jar = yield* CookieJar.make()
      const client = CookieJar.withCookieJar(yield* HttpClient.HttpClient, jar)
      yield* text(client, `${server.url}/set`)
      expect(yield* text(client, `${server.url}/`)).toContain("b=2")
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})
