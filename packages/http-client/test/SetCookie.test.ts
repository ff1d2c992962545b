import { describe, expect, it } from "@effect/vitest"
import { SetCookie } from "@sennit/http-client"
import * as DateTime from "effect/DateTime"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"

const parsed = (header: string) => Option.getOrThrow(SetCookie.parse(header))

describe("parseDate", () => {
  // RFC 9110 §5.6.7 gives one moment in three forms; the others are RFC 6265bis §5.1.1 and the forms servers send
  it.each([
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "06 november 1994 8:49:37",
    "1994 08:49:37.123 Nov 6th",
    "06;08:49:37;NOV;94"
  ])("%s", (text) => expect(SetCookie.parseDate(text)).toEqual(Option.some(784_111_777_000)))

  it.each([
    "",
    "06 Nov 1994",
    "06 Nov 1994 24:00:00",
    "06 Nov 1994 00:60:00",
    "06 Nov 1994 00:00:60",
    "31 Feb 2024 00:00:00",
    "29 Feb 2023 00:00:00",
    "00 Jan 2024 00:00:00",
    "01 Jan 1600 00:00:00",
    "01 Foo 2024 00:00:00"
  ])("no date: %s", (text) => expect(SetCookie.parseDate(text)).toEqual(Option.none()))

  it("leap days and two-digit years", () => {
    expect(SetCookie.parseDate("29 Feb 2024 00:00:00")).toEqual(Option.some(Date.UTC(2024, 1, 29)))
    expect(SetCookie.parseDate("29 Feb 2000 00:00:00")).toEqual(Option.some(Date.UTC(2000, 1, 29)))
    expect(SetCookie.parseDate("01 Jan 69 00:00:00")).toEqual(Option.some(Date.UTC(2069, 0, 1)))
    expect(SetCookie.parseDate("01 Jan 70 00:00:00")).toEqual(Option.some(0))
  })

  it("reads every moment that JavaScript writes as UTC", () => {
    FastCheck.assert(
      FastCheck.property(
        // 1601 to 9999, in seconds
        FastCheck.integer({ min: -11_644_473_600, max: 253_370_764_800 }),
        (seconds) => {
          const text = DateTime.toDateUtc(DateTime.unsafeMake(seconds * 1000)).toUTCString()
          expect(SetCookie.parseDate(text)).toEqual(Option.some(seconds * 1000))
        }
      )
    )
  })
})

describe("parse", () => {
  it("RFC 6265 §3.1", () => {
    expect(parsed("SID=31d4d96e407aad42; Path=/; Secure; HttpOnly")).toEqual({
      name: "SID",
      value: "31d4d96e407aad42",
      path: "/",
      secure: true,
      httpOnly: true,
      domain: undefined,
      expires: undefined,
      maxAge: undefined,
      sameSite: "default"
    })
    expect(parsed("lang=en-US; Expires=Wed, 09 Jun 2021 10:18:14 GMT")).toMatchObject({
      name: "lang",
      expires: Date.UTC(2021, 5, 9, 10, 18, 14)
    })
  })

  it("attributes: the last one wins, unknown ones and bad values do not count", () => {
    const cookie = parsed(
      " a = b=c ; PATH=/x; path=relative; Max-Age=5; max-age=x; Max-Age=-1; Domain=.Example.COM; SameSite=STRICT; samesite=?; X"
    )
    expect(cookie).toMatchObject({
      name: "a",
      value: "b=c",
      path: undefined,
      maxAge: -1,
      domain: "example.com",
      sameSite: "default"
    })
    expect(parsed("a=b; domain=bücher.example").domain).toBe("xn--bcher-kva.example")
    expect(parsed("a=b; domain=; path=").domain).toBeUndefined()
    expect(parsed(`a=b; path=/${"x".repeat(1024)}`).path).toBeUndefined()
  })

  it("a name or a value may be empty, both may not", () => {
    expect(parsed("a=")).toMatchObject({ name: "a", value: "" })
    expect(parsed("=b")).toMatchObject({ name: "", value: "b" })
    expect(parsed("b")).toMatchObject({ name: "", value: "b" })
    expect(parsed("\"quoted\"=\"v\"")).toMatchObject({ name: "\"quoted\"", value: "\"v\"" })
    expect(parsed(`a=${"x".repeat(4095)}`).value.length).toBe(4095)
  })

  it.each([
    "",
    "=",
    " ; Path=/",
    "a=b\u0000",
    "a=b\r\nSet-Cookie: c=d",
    "a=\u007f",
    `a=${"x".repeat(4096)}`,
    "a=b; domain=a/b"
  ])(
    "ignores %j",
    (header) => expect(SetCookie.parse(header)).toEqual(Option.none())
  )

  it.prop(
    "never throws, and never lets a line end or a semicolon through",
    [FastCheck.string({ unit: "binary" })],
    ([text]) => {
      const cookie = Option.map(SetCookie.parse(text), ({ name, value }) => name + value)
      expect(Option.getOrElse(cookie, () => "")).not.toMatch(/[\r\n;]/)
    }
  )
})
