import { describe, expect, it } from "@effect/vitest"
import { CookieJar } from "@sennit/http-client"
import * as PublicSuffixList from "@sennit/http-client/adapters/PublicSuffixList"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

describe("isPublicSuffix", () => {
  // the pairs of checkPublicSuffix in the list's own test_psl.txt: a name, and its registrable domain or none
  const registrable: ReadonlyArray<readonly [string, string | undefined]> = [
    ["com", undefined],
    ["example.com", "example.com"],
    ["b.example.com", "example.com"],
    ["biz", undefined],
    ["domain.biz", "domain.biz"],
    ["uk.com", undefined],
    ["example.uk.com", "example.uk.com"],
    ["jp", undefined],
    ["test.jp", "test.jp"],
    ["ac.jp", undefined],
    ["test.ac.jp", "test.ac.jp"],
    ["kyoto.jp", undefined],
    ["ide.kyoto.jp", undefined],
    ["b.ide.kyoto.jp", "b.ide.kyoto.jp"],
    ["c.kobe.jp", undefined],
    ["b.c.kobe.jp", "b.c.kobe.jp"],
    ["city.kobe.jp", "city.kobe.jp"],
    ["www.city.kobe.jp", "city.kobe.jp"],
    ["ck", undefined],
    ["test.ck", undefined],
    ["b.test.ck", "b.test.ck"],
    ["www.ck", "www.ck"],
    ["www.www.ck", "www.ck"],
    ["ak.us", undefined],
    ["k12.ak.us", undefined],
    ["test.k12.ak.us", "test.k12.ak.us"],
    ["xn--85x722f.com.cn", "xn--85x722f.com.cn"],
    ["xn--55qx5d.cn", undefined]
  ]
  it.each(registrable)("%s", (name, domain) => {
    const labels = name.split(".")
    const above = labels.map((_, at) => labels.slice(at).join("."))
    // the registrable domain is the longest name above, or the name itself, whose own parent is the suffix
    const found = above.findLast((one) => !PublicSuffixList.isPublicSuffix(one))
    expect(found).toBe(domain)
  })
})

describe("layer", () => {
  it.effect("a jar refuses cookies for hosts that give names to the public", () =>
    Effect.gen(function*() {
      const jar = yield* CookieJar.CookieJar
      const url = new URL("https://mine.github.io/")
      expect(yield* Effect.flip(jar.set("a=1; Domain=github.io", url))).toMatchObject({ reason: "PublicSuffix" })
      expect(yield* Effect.flip(jar.set("a=1; Domain=github.io.", new URL("https://mine.github.io./"))))
        .toMatchObject({ reason: "PublicSuffix" })
      yield* jar.set("a=1; Domain=mine.github.io", url)
      const header = yield* jar.header(new URL("https://below.mine.github.io/"))
      expect(Option.map(header, Redacted.value)).toEqual(Option.some("a=1"))
      expect(yield* jar.header(new URL("https://other.github.io/"))).toEqual(Option.none())
    }).pipe(Effect.provide(PublicSuffixList.layer())))
})
