// @effect-diagnostics nodeBuiltinImport:off -- starts openssl s_server
import { describe, expect, it } from "@effect/vitest"
import { HttpClient, HttpError } from "@sennit/http-client"
import type { HttpConfig } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import { haveOpenssl, makeAuthority } from "./servers/makeCertificates.ts"
import { freePort, isRequired, running, temporaryFolder } from "./servers/startProgram.ts"

/** `openssl s_server -www` answers with a page about the session that it was asked over. */
const sServer = (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { ca, issue } = yield* makeAuthority
    const server = issue("IP:127.0.0.1")
    const client = issue("DNS:client")
    const folder = yield* temporaryFolder
    Fs.writeFileSync(`${folder}/both.pem`, server.key + server.cert)
    Fs.writeFileSync(`${folder}/ca.pem`, ca)
    const port = yield* freePort
    const files = ["-cert", `${folder}/both.pem`, "-CAfile", `${folder}/ca.pem`]
    yield* running("openssl", ["s_server", "-accept", `127.0.0.1:${port}`, "-www", "-quiet", ...files, ...args], port)
    return { ca, client, url: `https://127.0.0.1:${port}/`, pin: server.pin }
  })

const pages = (url: string, count: number, tls: HttpConfig.TlsOptions) =>
  Effect.provide(
    Effect.all(Array.from({ length: count }, () => Effect.flatMap(HttpClient.get(url), (response) => response.text))),
    HttpClient.layerPooled({ tls })
  )

describe.skipIf(!haveOpenssl && !isRequired)("openssl s_server (apt-get install openssl)", () => {
  it.scopedLive.each(["1_2", "1_3"])("says that TLS %s sessions are resumed", (version) =>
    Effect.gen(function*() {
      const { ca, pin, url } = yield* sServer(`-tls${version}`)
      const found = yield* pages(url, 3, { ca, pins: [pin] })
      const protocol = `TLSv${version.replace("_", ".")}`
      expect(found.map((page) => /^(New|Reused), (TLSv1\.\d)/m.exec(page)?.slice(1))).toEqual([
        ["New", protocol],
        ["Reused", protocol],
        ["Reused", protocol]
      ])
    }))

  it.scopedLive("sees the certificate of the client, and ends the handshake without it", () =>
    Effect.gen(function*() {
      const { ca, client, url } = yield* sServer("-Verify", "1", "-verify_return_error")
      const [page = ""] = yield* pages(url, 1, { ca, certificate: client.cert, key: Redacted.make(client.key) })
      expect(page).toContain("Client certificate")
      const error = yield* Effect.flip(pages(url, 1, { ca }))
      expect(Option.getOrThrow(HttpError.fromClientError(error))).toMatchObject({
        _tag: "TlsError",
        reason: "Handshake"
      })
    }))

  it.scopedLive("that speaks no more than TLS 1.1 is refused", () =>
    Effect.gen(function*() {
      const { ca, url } = yield* sServer("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
      const error = yield* Effect.flip(pages(url, 1, { ca }))
      expect(Option.getOrThrow(HttpError.fromClientError(error))).toMatchObject({
        _tag: "TlsError",
        reason: "Handshake"
      })
    }))
})
