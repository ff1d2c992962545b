// @effect-diagnostics nodeBuiltinImport:off -- makes certificates with the openssl program
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { isInstalled, temporaryFolder } from "./startProgram.ts"

export const haveOpenssl = isInstalled("openssl")

/** All in PEM; `pin` is what `openssl` says of the public key: SHA-256 of its SubjectPublicKeyInfo in base64. */
interface Identity {
  readonly key: string
  readonly cert: string
  readonly pin: string
}

export interface Authority {
  readonly ca: string
  readonly caKey: string
  /** A certificate for names as in "DNS:localhost,IP:127.0.0.1", valid for `days` from now. */
  readonly issue: (names: string, days?: number) => Identity
}

const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

/** An authority of its own, and what it signs. */
export const makeAuthority: Effect.Effect<Authority, never, Scope.Scope> = Effect.gen(function*() {
  if (!haveOpenssl) return yield* Effect.dieMessage("the openssl program is required: apt-get install openssl")
  const folder = yield* temporaryFolder
  const openssl = (args: ReadonlyArray<string>, input?: Uint8Array): Buffer => {
    const { status, stderr, stdout } = ChildProcess.spawnSync("openssl", [...args], { cwd: folder, input })
    if (status !== 0) throw new Error(stderr.toString())
    return stdout
  }
  const read = (name: string) => Fs.readFileSync(Path.join(folder, name), "utf8")
  openssl(["req", "-x509", ...ec, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2"])
  const issue = (names: string, days = 2): Identity => {
    openssl(["req", ...ec, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=test"])
    Fs.writeFileSync(Path.join(folder, "names"), `subjectAltName=${names}\n`)
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "cert.pem", "-extfile", "names"]
    openssl(["x509", "-req", "-in", "request.pem", "-days", String(days), ...signed])
    const publicKey = openssl(["x509", "-in", "cert.pem", "-noout", "-pubkey"])
    const info = openssl(["pkey", "-pubin", "-outform", "der"], publicKey)
    const pin = openssl(["dgst", "-sha256", "-binary"], info).toString("base64")
    return { key: read("key.pem"), cert: read("cert.pem"), pin }
  }
  return { ca: read("ca.pem"), caKey: read("ca.key"), issue }
})
