import type { HttpClientError } from "@effect/platform/HttpClientError"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, HttpClient, HttpError, Proxy, SsrfGuard } from "@sennit/http-client"
import type { HttpConfig, Resolver } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import type { RawConnection, RawServer } from "@sennit/http-client/testing"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { inspect } from "node:util"

const secret = "pa:ss wörd"
const credentials = { username: "user", password: Redacted.make(secret) }
// RFC 7617 §2: base64 of user:password in UTF-8
const authorization = `Basic ${Buffer.from(`user:${secret}`).toString("base64")}`
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

const preciseOf = <A, R>(effect: Effect.Effect<A, HttpClientError, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    expect(inspect(error, { depth: 10 }) + JSON.stringify(error)).not.toContain(secret)
    return Option.getOrThrow(HttpError.fromClientError(error))
  })

const withPool = <A, E>(
  options: HttpConfig.PoolOptions,
  effect: Effect.Effect<A, E, HttpClient.HttpClient | ConnectionPool.ConnectionPool>
): Effect.Effect<A, E> => Effect.provide(effect, HttpClient.layerPooled(options))

const text = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)
const through = (server: RawServer, options?: Proxy.ProxyOptions): Proxy.Proxy => Proxy.http(server.url, options)

describe("the URL of a proxy", () => {
  it.each<[string, string | undefined]>([
    ["http://proxy.example:3128", "http://proxy.example:3128"],
    ["proxy.example:3128", "http://proxy.example:3128"],
    ["proxy.example", "http://proxy.example:80"],
    ["https://proxy.example", "https://proxy.example:443"],
    ["socks5://127.0.0.1", "socks5://127.0.0.1:1080"],
    ["SOCKS5H://[::1]:9050", "socks5://[::1]:9050"],
    ["http://user:secret@proxy.example:3128/", "http://proxy.example:3128"],
    ["socks4://proxy.example", undefined],
    ["ftp://proxy.example", undefined],
    ["http://", undefined],
    ["http://user:%ff@proxy.example", undefined],
    ["", undefined]
  ])("%s", (url, label) => {
    expect(Option.getOrUndefined(Option.map(Proxy.parse(url), Proxy.label))).toBe(label)
  })

  it("keeps user name and password apart, and shows the password to nobody", () => {
    const proxy = Proxy.http(`http://us%40er:${encodeURIComponent(secret)}@proxy.example`)
    expect(proxy.credentials?.username).toBe("us@er")
    expect(proxy.credentials && Redacted.value(proxy.credentials.password)).toBe(secret)
    expect(inspect(proxy, { depth: 10 }) + JSON.stringify(proxy)).not.toContain(secret)
  })

  it("is one of the schemes that the constructor makes", () => {
    expect(() => Proxy.http("socks5://user:secret@a.example")).toThrow(
      /^The URL of the proxy is not one of http, https\.$/
    )
    expect(() => Proxy.socks5("http://user:secret@a.example")).toThrow(/^The URL of the proxy is not one of socks5\.$/)
  })
})

const selectorOf = (variables: Record<string, string>) =>
  Effect.withConfigProvider(
    Proxy.fromEnvironment,
    ConfigProvider.fromMap(new Map(Object.entries(variables)))
  )
const chosen = (selector: Proxy.Selector, url: string) => {
  const { hostname, port, protocol } = new URL(url)
  const secure = protocol === "https:"
  const found = selector({
    secure,
    hostname: hostname.replaceAll(/[[\]]/g, ""),
    port: port === "" ? (secure ? 443 : 80) : Number(port)
  })
  return found === undefined ? "none" : found.hostname
}

describe("the environment", () => {
  it.effect.each<[Record<string, string>, http: string, https: string]>([
    [{}, "none", "none"],
    [{ http_proxy: "http://p1" }, "p1", "none"],
    [{ HTTP_PROXY: "p1" }, "p1", "none"],
    [{ http_proxy: "p1", HTTP_PROXY: "p2" }, "p1", "none"],
    [{ HTTPS_PROXY: "p1", https_proxy: "p2" }, "none", "p2"],
    [{ all_proxy: "socks5h://p1" }, "p1", "p1"],
    [{ ALL_PROXY: "p1", https_proxy: "p2" }, "p1", "p2"],
    [{ http_proxy: " ", HTTP_PROXY: "p1" }, "p1", "none"],
    // CVE-2016-5385
    [{ HTTP_PROXY: "p1", REQUEST_METHOD: "GET" }, "none", "none"],
    [{ HTTP_PROXY: "::bad::", REQUEST_METHOD: "GET" }, "none", "none"],
    [{ http_proxy: "p1", REQUEST_METHOD: "GET" }, "p1", "none"],
    [{ HTTPS_PROXY: "p1", REQUEST_METHOD: "GET" }, "none", "p1"]
  ])("%o", ([variables, http, https]) =>
    Effect.gen(function*() {
      const selector = yield* selectorOf(variables)
      expect([chosen(selector, "http://a.example"), chosen(selector, "https://a.example")]).toEqual([http, https])
    }))

  // curl's manual, --noproxy
  it.effect.each<[list: string, direct: ReadonlyArray<string>, proxied: ReadonlyArray<string>]>([
    ["*", ["http://a.example", "https://127.0.0.1"], []],
    [
      "local.com",
      ["http://local.com", "http://local.com:8080", "http://www.local.com", "http://LOCAL.com."],
      ["http://www.notlocal.com", "http://local.com.example"]
    ],
    [".local.com, b.example", ["http://local.com", "http://www.local.com", "http://b.example"], ["http://c.example"]],
    ["*.local.com", ["http://www.local.com"], ["http://notlocal.com"]],
    ["a.example b.example", ["http://a.example", "http://b.example"], ["http://c.example"]],
    ["a.example:8080", ["http://a.example:8080", "http://x.a.example:8080"], ["http://a.example", "https://a.example"]],
    ["192.168.0.0/16", ["http://192.168.255.1", "http://3232235521"], ["http://192.169.0.1", "http://192.168.example"]],
    ["10.0.0.0/9", ["http://10.127.255.255"], ["http://10.128.0.0"]],
    ["0.0.0.0/0", ["http://203.0.113.1"], ["http://[::1]", "http://a.example"]],
    ["127.0.0.1", ["http://127.0.0.1:99", "http://127.1"], ["http://127.0.0.2"]],
    ["127.0.0.1:99", ["http://127.0.0.1:99"], ["http://127.0.0.1"]],
    ["::1", ["http://[::1]", "http://[0:0::1]:99"], ["http://[::2]"]],
    ["[::1]:99", ["http://[::1]:99"], ["http://[::1]"]],
    ["2001:db8::/33", ["http://[2001:db8:7fff::1]"], ["http://[2001:db8:8000::1]"]],
    ["10.0.0.0/33,fd00::/x,,  ,.", [], ["http://10.0.0.0", "http://[fd00::]", "http://a.example"]],
    ["", [], ["http://a.example"]]
  ])("no_proxy=%s", ([list, direct, proxied]) =>
    Effect.gen(function*() {
      const selector = yield* selectorOf({ all_proxy: "p", NO_PROXY: list })
      expect(direct.filter((url) => chosen(selector, url) !== "none")).toEqual([])
      expect(proxied.filter((url) => chosen(selector, url) === "none")).toEqual([])
      const lower = yield* selectorOf({ all_proxy: "p", NO_PROXY: "*", no_proxy: list === "" ? "x" : list })
      expect(proxied.filter((url) => chosen(lower, url) === "none")).toEqual([])
    }))

  it.effect("a proxy that cannot be is an error with the name and without the value", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(selectorOf({ https_proxy: `socks4://u:${encodeURIComponent(secret)}@p` }))
      expect(String(error)).toContain("https_proxy is not the URL of an http, https or socks5 proxy")
      expect(String(error)).not.toContain(encodeURIComponent(secret))
    }))
})

describe("http through an HTTP proxy", () => {
  const recording = Effect.gen(function*() {
    const heads: Array<string> = []
    const server = yield* rawServer((connection) =>
      Effect.forever(
        Effect.flatMap(connection.request, ({ head }) => {
          heads.push(head)
          return connection.write(ok)
        })
      )
    )
    return { heads, server }
  })

  it.scoped("asks by the whole URL, with the credentials, over connections that are kept", () =>
    Effect.gen(function*() {
      const { heads, server } = yield* recording
      yield* withPool(
        { proxy: through(server, { credentials }) },
        Effect.gen(function*() {
          expect(yield* text("http://a.example/one?two=%20")).toBe("ok")
          expect(yield* text("http://a.example")).toBe("ok")
          expect(yield* text("http://[2001:db8::1]:8080/")).toBe("ok")
          yield* Effect.flatMap(ConnectionPool.ConnectionPool, (pool) =>
            Effect.async<void>((resume) => {
              pool.unsafeDispatch({ origin: "http://a.example", path: "*", method: "OPTIONS" }, {
                onHead: () => {},
                onBody: () => {},
                onEnd: () => resume(Effect.void),
                onError: (error) => resume(Effect.die(error))
              })
            }))
        })
      )
      expect(heads.map((head) => head.slice(0, head.indexOf("\r\n")))).toEqual([
        "GET http://a.example/one?two=%20 HTTP/1.1",
        "GET http://a.example/ HTTP/1.1",
        "GET http://[2001:db8::1]:8080/ HTTP/1.1",
        "OPTIONS http://a.example HTTP/1.1"
      ])
      expect(heads[0]).toContain("\r\nhost: a.example\r\n")
      for (const head of heads) expect(head.split(`\r\nproxy-authorization: ${authorization}\r\n`)).toHaveLength(2)
      expect(yield* server.connections).toBe(2)
    }))

  it.scoped("asks the resolver for the proxy only, and no proxy where the selector gives none", () =>
    Effect.gen(function*() {
      const proxied = yield* recording
      const direct = yield* recording
      const asked: Array<string> = []
      const resolver: Resolver.Resolver = {
        resolve: (host) =>
          Effect.sync(() => {
            asked.push(host)
            return ["127.0.0.1"]
          })
      }
      const proxy = Proxy.http(`http://proxy.example:${proxied.server.port}`, { credentials })
      const selector: Proxy.Selector = ({ hostname }) => hostname === "direct.example" ? undefined : proxy
      yield* withPool(
        { proxy: selector, resolver },
        Effect.all([
          text("http://a.example/"),
          text(`http://direct.example:${direct.server.port}/`)
        ])
      )
      expect(asked).toEqual(["proxy.example", "direct.example"])
      expect(proxied.heads).toHaveLength(1)
      expect(direct.heads).toHaveLength(1)
      expect(direct.heads[0]).toMatch(/^GET \/ HTTP/)
      expect(direct.heads[0]).not.toMatch(/proxy/i)
    }))

  it.scoped("407 means that the proxy wants other credentials", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.zipRight(
          connection.request,
          connection.write("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 4\r\n\r\nbody")
        )
      )
      yield* withPool(
        { proxy: through(server, { credentials }) },
        Effect.gen(function*() {
          expect(yield* preciseOf(text("http://a.example/"))).toMatchObject({
            _tag: "ProxyError",
            reason: "Authentication",
            proxy: server.url,
            origin: "http://a.example",
            status: 407
          })
          yield* server.quiet
        })
      )
      // from an origin it is a status like any other
      expect((yield* withPool({}, HttpClient.get(server.url))).status).toBe(407)
    }))
})

const answering = (answer: string) =>
  rawServer((connection) => Effect.zipRight(connection.request, connection.write(answer)))

describe("https through an HTTP proxy", () => {
  it.scoped.each<[name: string, answer: string, expected: object]>([
    ["wants credentials", "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", { reason: "Authentication", status: 407 }],
    ["says no", "HTTP/1.1 403 Filtered\r\nContent-Length: 100\r\n\r\n", { reason: "Refused", status: 403 }],
    ["says no after an informational answer", "HTTP/1.1 100 Go\r\n\r\nHTTP/1.0 502 No\r\n\r\n", {
      reason: "Refused",
      status: 502
    }],
    ["redirects", "HTTP/1.1 302 Found\r\nLocation: http://b.example\r\n\r\n", { reason: "Refused", status: 302 }],
    ["speaks SOCKS", "\x05\x00", { reason: "Protocol" }],
    ["ends its lines badly", "HTTP/1.1 200 OK\nx: y\n\n", { reason: "Protocol" }],
    ["says more than it was asked", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", {
      reason: "Protocol",
      status: 200
    }],
    ["sends a body", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", { reason: "Protocol", status: 200 }],
    ["upgrades", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", { reason: "Protocol" }]
  ])("a proxy that %s", ([, answer, expected]) =>
    Effect.gen(function*() {
      const server = yield* answering(answer)
      yield* withPool(
        { proxy: through(server, { credentials }) },
        Effect.gen(function*() {
          expect(yield* preciseOf(text("https://a.example/"))).toMatchObject({
            _tag: "ProxyError",
            proxy: server.url,
            origin: "https://a.example",
            ...expected
          })
          yield* server.quiet
        })
      )
    }))

  it.scoped("a proxy that closes, does not answer, or is not there", () =>
    Effect.gen(function*() {
      const closing = yield* rawServer((connection) => Effect.zipRight(connection.request, connection.end))
      expect(yield* withPool({ proxy: through(closing) }, preciseOf(text("https://a.example/")))).toMatchObject({
        _tag: "ProxyError",
        reason: "Protocol"
      })
      const absent = yield* Effect.scoped(answering(""))
      expect(yield* withPool({ proxy: through(absent) }, preciseOf(text("https://a.example/")))).toMatchObject({
        _tag: "ProxyError",
        reason: "Unreachable"
      })
      const unknown = Proxy.socks5("socks5://nothing.invalid")
      expect(yield* withPool({ proxy: unknown }, preciseOf(text("http://a.example/")))).toMatchObject({
        _tag: "ProxyError",
        reason: "Unreachable",
        cause: { _tag: "DnsError", host: "nothing.invalid" }
      })
      const asked = yield* Deferred.make<void>()
      const silent = yield* rawServer((connection) =>
        Effect.zipRight(connection.request, Deferred.succeed(asked, undefined))
      )
      const late = yield* Effect.fork(
        withPool({ proxy: through(silent), timeouts: { connect: "3 seconds" } }, preciseOf(text("https://a.example/")))
      )
      yield* Deferred.await(asked)
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(late)).toMatchObject({ _tag: "ConnectTimeout", millis: 3000 })
      yield* silent.quiet
    }))

  it.scoped("gives host, port and credentials, and frees the socket when interrupted", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<string>()
      const server = yield* rawServer((connection: RawConnection) =>
        Effect.flatMap(connection.request, ({ head }) => Deferred.succeed(asked, head))
      )
      yield* withPool(
        { proxy: through(server, { credentials }) },
        Effect.gen(function*() {
          const left = yield* Effect.fork(text("https://[2001:db8::1]/path"))
          expect(yield* Deferred.await(asked)).toBe(
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nhost: [2001:db8::1]:443\r\n" +
              `proxy-authorization: ${authorization}\r\n\r\n`
          )
          yield* Fiber.interrupt(left)
          yield* server.quiet
        })
      )
    }))
})

describe("the SSRF guard and a proxy", () => {
  it.scoped("what cannot be checked is refused, unless it is named", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.forever(Effect.zipRight(connection.request, connection.write(ok)))
      )
      const guarded = (ssrfGuard: SsrfGuard.SsrfGuard, url: string) =>
        withPool(
          { proxy: through(server), ssrfGuard },
          Effect.match(text(url), {
            onSuccess: (body) => body,
            onFailure: (error) => {
              const precise = Option.getOrThrow(HttpError.fromClientError(error))
              return precise._tag === "AddressForbidden" ? `${precise.host} ${precise.range}` : precise._tag
            }
          })
        )
      const { publicOnly } = SsrfGuard
      const named = SsrfGuard.publicOr({ hosts: ["a.example", "10.0.0.1:8080"] })
      expect(yield* guarded(publicOnly, "http://a.example/")).toBe("a.example unresolved")
      expect(yield* guarded(publicOnly, "https://localhost/")).toBe("localhost unresolved")
      expect(yield* guarded(publicOnly, "http://169.254.169.254/")).toBe("169.254.169.254 metadata")
      expect(yield* guarded(publicOnly, "http://[::1]/")).toBe("::1 loopback")
      expect(yield* guarded(named, "http://b.example/")).toBe("b.example unresolved")
      expect(yield* guarded(named, "http://10.0.0.1/")).toBe("10.0.0.1 private")
      expect(yield* server.connections).toBe(0)
      expect(yield* guarded(publicOnly, "http://203.0.114.1/")).toBe("ok")
      expect(yield* guarded(named, "http://a.example/")).toBe("ok")
      expect(yield* guarded(named, "http://10.0.0.1:8080/")).toBe("ok")
      expect(yield* guarded(SsrfGuard.allowAll, "http://b.example/")).toBe("ok")
    }))
})
