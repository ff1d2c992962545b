// @effect-diagnostics nodeBuiltinImport:off -- node:crypto checks what the server would compute
import { describe, expect, it } from "@effect/vitest"
import { Digest } from "@sennit/http-client"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"

const parameter = (header: string, name: string) => new RegExp(`[ ,]${name}="?([^",]*)"?`).exec(header)?.[1]
const answer = (
  challenge: string,
  username: string,
  password: string,
  request: Digest.DigestRequest
) => {
  const chosen = Digest.chooseChallenge(challenge)
  return chosen === undefined
    ? ""
    : Redacted.value(Digest.authorize(chosen, { username, password: Redacted.make(password) }, request))
}

const h = (text: string) => Crypto.createHash("md5").update(text).digest("hex")

describe("the examples of the RFCs", () => {
  const nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
  const request = {
    method: "GET",
    target: "/dir/index.html",
    count: 1,
    cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
  }
  const challenge = (algorithm: string) =>
    `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="${nonce}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`

  it("RFC 7616 §3.9.1, SHA-256 and MD5", () => {
    const sha = answer(challenge("SHA-256"), "Mufasa", "Circle of Life", request)
    expect(parameter(sha, "response")).toBe("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")
    expect(parameter(sha, "opaque")).toBe("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS")
    expect([parameter(sha, "nc"), parameter(sha, "qop")]).toEqual(["00000001", "auth"])
    const md5 = answer(challenge("MD5"), "Mufasa", "Circle of Life", request)
    expect(parameter(md5, "response")).toBe("8ca523f5e9506fed4657c9700eebdbec")
    // both offered: the stronger one
    expect(answer(`${challenge("MD5")}, ${challenge("SHA-256")}`, "Mufasa", "Circle of Life", request)).toBe(sha)
  })

  it("RFC 7616 §3.9.2 as its erratum 4897 corrects it: SHA-512-256 with a hashed name", () => {
    const header = answer(
      "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8, userhash=true",
      "J\u00e4s\u00f8n Doe",
      "Secret, or not?",
      { method: "GET", target: "/doe.json", count: 1, cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v" }
    )
    expect(parameter(header, "username")).toBe("793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b")
    expect(parameter(header, "response")).toBe("3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5")
    expect(header).toContain("userhash=true")
  })

  it("RFC 2617 §3.5 with qop, RFC 2069 §2.4 as corrected without", () => {
    const old = "realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\""
    const at = { method: "GET", target: "/dir/index.html", count: 1, cnonce: "0a4f113b" }
    expect(parameter(answer(`Digest ${old}, qop="auth,auth-int"`, "Mufasa", "Circle Of Life", at), "response")).toBe(
      "6629fae49393a05397450978507c4ef1"
    )
    const without = answer(`Digest ${old}`, "Mufasa", "CircleOfLife", at)
    expect(parameter(without, "response")).toBe("1949323746fe6a43ef61f9606e7febea")
    expect(without).not.toMatch(/qop|nc=|cnonce/)
  })

  it("-sess hashes the nonces into the secret (§3.4.2)", () => {
    const header = answer("Digest realm=r, nonce=n, qop=auth, algorithm=MD5-sess", "u", "p", {
      method: "POST",
      target: "/x?y",
      count: 255,
      cnonce: "c"
    })
    expect(parameter(header, "response")).toBe(h(`${h(`${h("u:r:p")}:n:c`)}:n:000000ff:c:auth:${h("POST:/x?y")}`))
    expect(parameter(header, "uri")).toBe("/x?y")
  })
})

describe("challenges", () => {
  it("are read from lists with other schemes, quotes and commas between", () => {
    const value =
      "Negotiate abc==, Basic realm=\"a, \\\"b\\\"\", , DIGEST  Realm = \"r\" ,nonce=n,qop=auth,realm=\"other\", Bearer"
    expect(Digest.parseChallenges(value).map(({ scheme }) => scheme)).toEqual([
      "negotiate",
      "basic",
      "digest",
      "bearer"
    ])
    expect(Digest.parseChallenges(value)[1]?.parameters.get("realm")).toBe("a, \"b\"")
    expect(Digest.chooseChallenge(value)).toMatchObject({ realm: "r", nonce: "n", qopAuth: true, algorithm: "MD5" })
  })

  it.each([
    "Digest realm=r",
    "Digest nonce=n",
    "Digest realm=r, nonce=n, algorithm=SHA-1",
    "Digest realm=r, nonce=n, qop=auth-int",
    "Basic realm=r",
    "",
    "Digest realm=\"unterminated"
  ])("not answered: %s", (value) => expect(Digest.chooseChallenge(value)).toBeUndefined())

  it("stale and userhash are read", () => {
    expect(Digest.chooseChallenge("Digest realm=r, nonce=n, stale=TRUE, userhash=true")).toMatchObject({
      stale: true,
      userhash: true,
      qopAuth: false
    })
  })

  it.prop("any text ends, and what is quoted stays inside its quotes", [FastCheck.string()], ([text]) => {
    Digest.parseChallenges(text)
    const header = answer(`Digest realm="x", nonce="y"`, text, "p", {
      method: "GET",
      target: "/",
      count: 1,
      cnonce: "c"
    })
    expect(header.replace(/"(?:[^"\\]|\\.)*"/g, "").includes("\"")).toBe(false)
  })
})
