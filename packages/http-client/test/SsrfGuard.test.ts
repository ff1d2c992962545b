import { describe, expect, it } from "@effect/vitest"
import { HttpClient, HttpError, SsrfGuard } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

// IANA special-purpose registries (RFC 6890 and successors), RFC 6052, RFC 8215, RFC 3056, RFC 5214, cloud documentation
const ranges: ReadonlyArray<readonly [address: string, range: SsrfGuard.AddressRange]> = [
  ["8.8.8.8", "public"],
  ["1.1.1.1", "public"],
  ["172.32.0.1", "public"],
  ["100.128.0.1", "public"],
  ["2606:4700:4700::1111", "public"],
  ["2001:4860:4860::8888", "public"],
  ["127.0.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["::1", "loopback"],
  ["10.0.0.1", "private"],
  ["172.16.0.1", "private"],
  ["172.31.255.255", "private"],
  ["192.168.1.1", "private"],
  ["fc00::1", "private"],
  ["fdff::1", "private"],
  ["169.254.1.1", "linkLocal"],
  ["fe80::1", "linkLocal"],
  ["fe80::1%eth0", "linkLocal"],
  ["febf::1", "linkLocal"],
  ["100.64.0.1", "carrierGradeNat"],
  ["100.127.255.255", "carrierGradeNat"],
  ["224.0.0.1", "multicast"],
  ["239.255.255.255", "multicast"],
  ["ff02::1", "multicast"],
  ["0.0.0.0", "unspecified"],
  ["::", "unspecified"],
  ["0.1.2.3", "reserved"],
  ["192.0.2.1", "reserved"],
  ["198.18.0.1", "reserved"],
  ["198.51.100.1", "reserved"],
  ["203.0.113.1", "reserved"],
  ["240.0.0.1", "reserved"],
  ["255.255.255.255", "reserved"],
  ["2001:db8::1", "reserved"],
  ["4000::1", "reserved"],
  ["::ffff:127.0.0.1", "translated"],
  ["::ffff:8.8.8.8", "translated"],
  ["::ffff:7f00:1", "translated"],
  ["::127.0.0.1", "translated"],
  ["64:ff9b::7f00:1", "translated"],
  ["64:ff9b:1::a00:1", "translated"],
  ["2002:7f00:1::", "translated"],
  ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "translated"],
  ["2606:4700::5efe:127.0.0.1", "translated"],
  ["fe80::200:5efe:7f00:1", "translated"],
  ["169.254.169.254", "metadata"],
  ["169.254.170.2", "metadata"],
  ["100.100.100.200", "metadata"],
  ["168.63.129.16", "metadata"],
  ["fd00:ec2::254", "metadata"],
  ["localhost", "invalid"],
  ["1.2.3", "invalid"]
]

describe("SsrfGuard", () => {
  it.each(ranges)("%s is %s", (address, range) => {
    expect(SsrfGuard.rangeOf(address)).toBe(range)
    expect(SsrfGuard.publicOnly.forbids({ host: "a.example", port: 80, address }))
      .toBe(range === "public" ? undefined : range)
  })

  it("allows what is named and nothing beside it", () => {
    const policy = SsrfGuard.publicOr({ hosts: ["127.0.0.1:8080", "DB.internal", "[::1]:80"], ranges: ["private"] })
    const forbids = (host: string, port: number, address: string) => policy.forbids({ host, port, address })
    expect(forbids("127.0.0.1", 8080, "127.0.0.1")).toBeUndefined()
    expect(forbids("127.0.0.1", 8081, "127.0.0.1")).toBe("loopback")
    expect(forbids("db.internal", 5432, "127.0.0.1")).toBeUndefined()
    expect(forbids("::1", 80, "::1")).toBeUndefined()
    expect(forbids("a.example", 80, "10.0.0.1")).toBeUndefined()
    expect(forbids("a.example", 80, "169.254.169.254")).toBe("metadata")
    expect(forbids("a.example", 80, "fd00:ec2::254")).toBe("metadata")
    expect(SsrfGuard.allowAll.forbids({ host: "a.example", port: 80, address: "127.0.0.1" })).toBeUndefined()
  })

  // every spelling that the WHATWG URL parser makes an address of, and a name that resolves to loopback
  const spellings = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "localhost"
  ]
  it.scoped.each(spellings)("refuses http://%s before it connects", (host) =>
    Effect.gen(function*() {
      const server = yield* rawServer(() => Effect.void)
      const error = yield* Effect.flip(HttpClient.get(`http://${host}:${server.port}/`))
      expect(Option.getOrThrow(HttpError.fromClientError(error))).toMatchObject({ _tag: "AddressForbidden" })
      expect(yield* server.connections).toBe(0)
    }).pipe(Effect.provide(HttpClient.layerPooled({ ssrfGuard: SsrfGuard.publicOnly }))))

  it.scoped("connects to a named host", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.zipRight(connection.request, connection.write("HTTP/1.1 204 No Content\r\n\r\n"))
      )
      const layer = HttpClient.layerPooled({
        ssrfGuard: SsrfGuard.publicOr({ hosts: [`localhost:${server.port}`] })
      })
      const response = yield* Effect.provide(HttpClient.get(`http://localhost:${server.port}/`), layer)
      expect(response.status).toBe(204)
    }))
})
