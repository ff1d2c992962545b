import { describe, expect, it } from "@effect/vitest"
import { Socks } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))

/** What a client says to these answers, each delivered in pieces of `size` bytes. */
const talk = (request: Socks.SocksRequest, answers: ReadonlyArray<string>, size = 1000) => {
  const socks = new Socks.Handshake(request)
  const said = [Buffer.from(socks.start()).toString("hex")]
  for (const answer of answers) {
    const bytes = hex(answer)
    for (let at = 0; at < bytes.length; at += size) {
      const next = socks.push(bytes.subarray(at, at + size))
      if (next.length > 0) said.push(Buffer.from(next).toString("hex"))
    }
  }
  const { connected, excess, failure } = socks
  return { said, connected, excess, failure }
}

const done = "05 00 00 01 00000000 0000"
const name = { host: "example.com", port: 443 }
// VER 5, CMD CONNECT, RSV, ATYP 3, 11 characters, port
const connectName = "050100030b" + Buffer.from("example.com").toString("hex") + "01bb"

// RFC 1928 §3 to §6, RFC 1929 §2
describe("Socks", () => {
  it("asks without authentication for a name that the proxy resolves", () => {
    expect(talk(name, ["05 00", done])).toEqual({
      said: ["050100", connectName],
      connected: true,
      excess: 0,
      failure: undefined
    })
  })

  it("gives user name and password when the server wants them, and not otherwise", () => {
    const request = { ...name, username: "user", password: "secret" }
    expect(talk(request, ["05 02", "01 00", done])).toMatchObject({
      said: [
        "05020002",
        "0104" + Buffer.from("user").toString("hex") + "06" + Buffer.from("secret").toString("hex"),
        connectName
      ],
      connected: true
    })
    expect(talk(request, ["05 00", done])).toMatchObject({ said: ["05020002", connectName], connected: true })
  })

  it("writes IPv4 and IPv6 addresses as bytes", () => {
    expect(talk({ host: "192.0.2.1", port: 80 }, ["05 00"]).said[1]).toBe("05010001c00002010050")
    expect(talk({ host: "2001:db8::1", port: 8080 }, ["05 00"]).said[1])
      .toBe("0501000420010db80000000000000000000000011f90")
    expect(talk({ host: "::ffff:192.0.2.1", port: 80 }, ["05 00"]).said[1])
      .toBe("0501000400000000000000000000ffffc00002010050")
  })

  it.each([
    ["05 00 00 01 c0000201 0050"],
    ["05 00 00 03 07 70726f78792e61 0050"],
    ["05 00 00 04 20010db8000000000000000000000001 0050"]
  ])("reads every kind of bound address (%s), and counts what follows", (reply) => {
    expect(talk(name, ["05 00", reply])).toMatchObject({ connected: true, excess: 0 })
    expect(talk(name, ["05 00", reply + " 4854"])).toMatchObject({ connected: true, excess: 2 })
    expect(talk(name, ["05 00", reply.slice(0, -2)])).toMatchObject({ connected: false, failure: undefined })
  })

  it.each<[string, ReadonlyArray<string>, Socks.SocksFailure]>([
    ["another version", ["04 00"], { reason: "Version" }],
    ["an HTTP answer", [Buffer.from("HTTP/1.1 400 Bad Request\r\n").toString("hex")], { reason: "Version" }],
    ["a method that was not offered", ["05 01"], { reason: "Method" }],
    ["a password that was not offered", ["05 02"], { reason: "Method" }],
    ["no method at all", ["05 ff"], { reason: "Authentication" }],
    ["a second answer to one question", ["05 00 00"], { reason: "Version" }],
    ["general failure", ["05 00", "05 01 00 01 00000000 0000"], { reason: "Refused", reply: 1 }],
    ["not allowed", ["05 00", "05 02 00 01 00000000 0000"], { reason: "Refused", reply: 2 }],
    ["connection refused", ["05 00", "05 05 00 01 00000000 0000"], { reason: "Refused", reply: 5 }],
    ["a reserved byte", ["05 00", "05 00 01"], { reason: "Malformed" }],
    ["an unknown kind of address", ["05 00", "05 00 00 02 00"], { reason: "Malformed" }],
    ["another version in the reply", ["05 00", "04 5a"], { reason: "Version" }]
  ])("refuses %s", (_, answers, failure) => {
    expect(talk(name, answers)).toMatchObject({ connected: false, failure })
    expect(talk(name, answers, 1)).toMatchObject({ connected: false, failure })
  })

  it("refuses a wrong password", () => {
    const request = { ...name, username: "user", password: "wrong" }
    expect(talk(request, ["05 02", "01 01"]).failure).toEqual({ reason: "Authentication" })
    expect(talk(request, ["05 02", "05 00"]).failure).toEqual({ reason: "Version" })
  })

  it.each<[string, Socks.SocksRequest]>([
    ["an empty name", { host: "", port: 80 }],
    ["a name of 256 bytes", { host: "a".repeat(256), port: 80 }],
    ["a name with a line end", { host: "a\r\nb", port: 80 }],
    ["port 0", { host: "a.example", port: 0 }],
    ["port 65536", { host: "a.example", port: 65_536 }],
    ["an empty user name", { ...name, username: "", password: "x" }],
    ["an empty password", { ...name, username: "x", password: "" }],
    ["a password of 256 bytes", { ...name, username: "x", password: "é".repeat(128) }]
  ])("does not begin with %s", (_, request) => {
    expect(talk(request, ["05 00", done])).toMatchObject({
      said: [""],
      connected: false,
      failure: { reason: "Request" }
    })
  })

  const port = FastCheck.integer({ min: 1, max: 65_535 })
  const label = FastCheck.stringMatching(/^[a-z][a-z0-9-]{0,60}$/)
  it.effect.prop("however the bytes are divided, it says the same", [
    label,
    port,
    FastCheck.integer({ min: 1, max: 9 })
  ], (
    [host, at, size]
  ) =>
    Effect.sync(() => {
      const request = { host, port: at, username: "user", password: "pass" }
      const answers = ["05 02", "01 00", "05 00 00 03 04 61626364 1234"]
      expect(talk(request, answers, size)).toEqual(talk(request, answers))
      expect(talk(request, answers, size)).toMatchObject({ connected: true, excess: 0 })
    }))
})
