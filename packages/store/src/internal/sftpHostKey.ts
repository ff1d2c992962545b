// @effect-diagnostics nodeBuiltinImport:off hashes of host keys, and the known_hosts file
/** Whether a server's host key is one that is known; in the terms of OpenSSH's sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". */
import * as Effect from "effect/Effect"
import { createHash, createHmac } from "node:crypto"
import { readFile } from "node:fs/promises"
import type * as Driver from "../Driver.ts"
import { codeOf, explain } from "./explainFailure.ts"

/** @internal What is known of the server before it is called. */
export type HostKey =
  | { readonly fingerprints: ReadonlyArray<string> }
  | { readonly knownHostsFile: string }

/** @internal */
export interface Verifier {
  /** Kinds of keys that are known of this host: they are asked for first. */
  readonly kinds: ReadonlyArray<string>
  /** Why the key is refused; `undefined` when it is the right one. */
  readonly refusal: (key: Uint8Array) => string | undefined
}

/** As `ssh-keygen -l` prints it. */
const fingerprintOf = (key: Uint8Array): string =>
  `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`

/** @internal */
export const makeVerifier = (hostKey: HostKey, host: string, port: number): Effect.Effect<Verifier, Driver.Failure> => {
  const name = port === 22 ? host : `[${host}]:${port}`
  if ("knownHostsFile" in hostKey) {
    return Effect.map(readKnownHosts(hostKey.knownHostsFile), (text) => byKnownHosts(text, name))
  }
  const known = new Set(hostKey.fingerprints.map((fingerprint) => fingerprint.replace(/=+$/, "")))
  return Effect.succeed({
    kinds: [],
    refusal: (key) =>
      known.has(fingerprintOf(key)) ? undefined : explainRefusal(name, key, "is none of the fingerprints given")
  })
}

const explainRefusal = (name: string, key: Uint8Array, why: string): string =>
  `the host key of ${name}, ${fingerprintOf(key)}, ${why}; nothing was sent. Compare it with what the server's own ` +
  `"ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" prints: if they are equal, add it to hostKey, else someone may ` +
  `be listening in`

const readKnownHosts = (path: string): Effect.Effect<string, Driver.Failure> =>
  Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (error) =>
      explain(
        { _tag: "Unavailable", reason: "Misconfigured", retryable: false },
        `the file of known hosts cannot be read (${codeOf(error) ?? "unknown"})`
      )
  })

interface Line {
  readonly isRevoked: boolean
  readonly kind: string
  readonly key: Uint8Array
}

const isSame = (line: Line, key: Uint8Array): boolean => Buffer.compare(line.key, key) === 0

const byKnownHosts = (text: string, name: string): Verifier => {
  const lines = text.split("\n").flatMap((line) => parseLine(line, name))
  const known = lines.filter(({ isRevoked }) => !isRevoked)
  return {
    kinds: known.map(({ kind }) => kind),
    refusal: (key) => {
      if (lines.some((line) => line.isRevoked && isSame(line, key))) return explainRefusal(name, key, "is revoked")
      if (known.some((line) => isSame(line, key))) return undefined
      return explainRefusal(name, key, known.length > 0 ? "is not the one that is known" : "is unknown")
    }
  }
}

/** Certificates are not used, so lines for authorities say nothing here. */
const parseLine = (line: string, name: string): ReadonlyArray<Line> => {
  const fields = line.trim().split(/\s+/)
  const marker = fields[0]?.startsWith("@") === true ? fields.shift() : undefined
  const [hosts, kind, key] = fields
  if (hosts === undefined || kind === undefined || key === undefined || hosts.startsWith("#")) return []
  if ((marker !== undefined && marker !== "@revoked") || !isMeant(hosts, name)) return []
  return [{ isRevoked: marker === "@revoked", kind, key: Buffer.from(key, "base64") }]
}

const isMeant = (hosts: string, name: string): boolean => {
  const [, version, salt, hash] = hosts.split("|")
  if (version === "1" && salt !== undefined && hash !== undefined) {
    return createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64") === hash
  }
  const patterns = hosts.split(",")
  return !patterns.some((pattern) => pattern.startsWith("!") && matches(pattern.slice(1), name)) &&
    patterns.some((pattern) => matches(pattern, name))
}

const matches = (pattern: string, name: string): boolean =>
  new RegExp(
    `^${pattern.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`,
    "i"
  ).test(name)
