import { describe, expect, it } from "@effect/vitest"
import { CookieJar, HttpClient, Redirect } from "@sennit/http-client"
import { MockHttpClient, rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

type Jar = Effect.Effect.Success<ReturnType<typeof CookieJar.make>>

const header = (jar: Jar, url: string) =>
  Effect.map(jar.header(new URL(url)), Option.match({ onNone: () => "", onSome: Redacted.value }))

describe("cookie attacks", () => {
  it.effect.each(
    [
      ["a supercookie", "https://shop.com/", "a=1; Domain=com", "PublicSuffix"],
      ["a supercookie with a dot at the end", "https://shop.com./", "a=1; Domain=com.", "PublicSuffix"],
      [
        "a supercookie of a registry with a dot at the end",
        "https://shop.co.uk./",
        "a=1; Domain=co.uk.",
        "PublicSuffix"
      ],
      ["a supercookie with a dot before", "https://shop.co.uk/", "a=1; Domain=.co.uk", "PublicSuffix"],
      ["a cookie for another host", "https://shop.com/", "a=1; Domain=bank.com", "Domain"],
      ["a cookie for a host that only ends alike", "https://evilbank.com/", "a=1; Domain=bank.com", "Domain"],
      ["a cookie for a name that only begins alike", "https://bank.com.evil.net/", "a=1; Domain=bank.com", "Domain"],
      ["a cookie for the tail of an address", "http://10.0.0.1/", "a=1; Domain=0.0.1", "Domain"],
      ["a cookie for an address from a name", "http://a.127.0.0.1.example/", "a=1; Domain=127.0.0.1", "Domain"],
      ["__Host- in other letters", "https://shop.com/", "__hOsT-a=1; Secure; Path=/; Domain=shop.com", "Prefix"],
      ["__Host- behind a no-break space", "https://shop.com/", "\u00a0__Host-a=1; Path=/; Domain=shop.com", "Prefix"],
      ["__Host- behind bytes of another space", "https://shop.com/", "\u00e2\u0080\u0080__Host-a=1; Path=/", "Prefix"],
      ["__Host- as a value without a name", "https://shop.com/", "__Host-a; Path=/; Domain=shop.com", "Prefix"],
      ["__Secure- over http", "http://shop.com/", "__Secure-a=1; Secure", "Secure"],
      ["Secure from http", "http://shop.com/", "a=1; Secure", "Secure"],
      ["a line end", "https://shop.com/", "a=1\r\nSet-Cookie: b=2", "Syntax"],
      ["NUL", "https://shop.com/", "a=1\u0000; Secure", "Syntax"],
      ["a name and value of more than 4096 bytes", "https://shop.com/", `a=${"x".repeat(4096)}`, "Syntax"]
    ] as const
  )("%s is refused", ([, url, cookie, reason]) =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      expect(yield* Effect.flip(jar.set(cookie, new URL(url)))).toMatchObject({ _tag: "CookieRefused", reason })
      expect(yield* jar.snapshot).toEqual([])
    }))

  it.scoped("a value is sent as it came: nothing is decoded, so nothing decoded ends a line", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const server = yield* rawServer((connection) =>
        Effect.forever(Effect.gen(function*() {
          const { head } = yield* connection.request
          seen.push(head)
          yield* connection.write(
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=%0d%0aEvil:%201%3B%20b=2; Path=/\r\nContent-Length: 0\r\n\r\n"
          )
        }))
      )
      const client = CookieJar.withCookieJar(yield* HttpClient.HttpClient, yield* CookieJar.make())
      yield* client.get(server.url)
      yield* client.get(server.url)
      expect(seen[1]).toContain("\r\ncookie: a=%0d%0aEvil:%201%3B%20b=2\r\n")
      expect(seen[1]).not.toContain("\r\nEvil")
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.effect("10 000 cookies of one host stay within the bounds, and leave other hosts' alone", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.make()
      yield* jar.set("mine=1", new URL("https://bank.com/"))
      for (let n = 0; n < 10_000; n++) yield* jar.set(`c${n}=1`, new URL("https://evil.com/"))
      expect((yield* jar.snapshot).length).toBe(51)
      expect(yield* header(jar, "https://bank.com/")).toBe("mine=1")
    }))

  it.effect("a Secure cookie does not follow a redirect from https down to http", () =>
    Effect.gen(function*() {
      const mock = yield* MockHttpClient.make([
        MockHttpClient.route("GET", "https://shop.com/", {
          status: 302,
          headers: [["set-cookie", "s=1; Secure; Path=/"], ["set-cookie", "p=1; Path=/"], [
            "location",
            "http://shop.com/"
          ]]
        }),
        MockHttpClient.route("GET", "http://shop.com/", { body: "end" })
      ])
      const client = mock.client.pipe(CookieJar.withCookieJar(yield* CookieJar.make()), Redirect.withRedirects())
      yield* client.get("https://shop.com/")
      expect((yield* mock.requests).map(({ headers }) => headers["cookie"])).toEqual([undefined, "p=1"])
    }))
})
