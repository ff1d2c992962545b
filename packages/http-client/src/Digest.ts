/**
 * HTTP Digest authentication (RFC 7616), the arithmetic alone: challenges in, `Authorization` out. No I/O, no clock, no
 * randomness of its own.
 *
 * @since 0.1.0
 */
// @effect-diagnostics nodeBuiltinImport:off -- node:crypto has the hash functions
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"

/**
 * @since 0.1.0
 * @category models
 */
export type Algorithm = "MD5" | "MD5-sess" | "SHA-256" | "SHA-256-sess" | "SHA-512-256" | "SHA-512-256-sess"

/**
 * What a server asks for.
 *
 * @since 0.1.0
 * @category models
 */
export interface DigestChallenge {
  readonly realm: string
  readonly nonce: string
  readonly opaque: string | undefined
  readonly algorithm: Algorithm
  /** False for servers that follow RFC 2069 and know no qop. */
  readonly qopAuth: boolean
  /** The nonce was too old, the password was not wrong. */
  readonly stale: boolean
  readonly userhash: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DigestCredentials {
  readonly username: string
  readonly password: Redacted.Redacted
}

/**
 * One authentication scheme of a `WWW-Authenticate` header, its name and its parameters in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export interface Challenge {
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

const tokenAt = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y
const quotedAt = /"((?:[^"\\]|\\.)*)"/y
const gapAt = /[ \t]*/y
const separatorAt = /[ \t,]*/y
const token68At = /[A-Za-z0-9\-._~+/]+=*[ \t]*(?=,|$)/y

const matchAt = (pattern: RegExp, text: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at
  return pattern.exec(text)
}

const skip = (pattern: RegExp, text: string, at: number): number => at + (matchAt(pattern, text, at)?.[0].length ?? 0)

/**
 * The challenges in a `WWW-Authenticate` value, or in several joined by commas (RFC 9110 §11.6.1). What cannot be read
 * ends the list.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseChallenges = (value: string): ReadonlyArray<Challenge> => {
  const found: Array<{ readonly scheme: string; readonly parameters: Map<string, string> }> = []
  let at = 0
  while ((at = skip(separatorAt, value, at)) < value.length) {
    const token = matchAt(tokenAt, value, at)?.[0]
    if (token === undefined) break
    at += token.length
    const afterGap = skip(gapAt, value, at)
    const last = found.at(-1)
    if (value[afterGap] !== "=" || last === undefined) {
      found.push({ scheme: token.toLowerCase(), parameters: new Map() })
      // a single value instead of parameters, as Negotiate has
      at = skip(token68At, value, afterGap)
      continue
    }
    at = skip(gapAt, value, afterGap + 1)
    const quoted = matchAt(quotedAt, value, at)
    const plain = quoted ?? matchAt(tokenAt, value, at)
    if (plain === null) break
    at += plain[0].length
    const name = token.toLowerCase()
    // of a parameter that comes twice the first counts, so nobody can add a weaker one
    if (!last.parameters.has(name)) last.parameters.set(name, quoted?.[1]?.replace(/\\(.)/g, "$1") ?? plain[0])
  }
  return found
}

/** The strongest first, with the name that node:crypto has for their hash. */
const hashes: ReadonlyMap<Algorithm, string> = new Map([
  ["SHA-512-256", "sha512-256"],
  ["SHA-512-256-sess", "sha512-256"],
  ["SHA-256", "sha256"],
  ["SHA-256-sess", "sha256"],
  ["MD5", "md5"],
  ["MD5-sess", "md5"]
])
const algorithms: ReadonlyArray<Algorithm> = [...hashes.keys()]

const digestChallenge = ({ parameters, scheme }: Challenge): DigestChallenge | undefined => {
  const realm = parameters.get("realm")
  const nonce = parameters.get("nonce")
  const name = (parameters.get("algorithm") ?? "MD5").toLowerCase()
  const algorithm = algorithms.find((known) => known.toLowerCase() === name)
  const qop = parameters.get("qop")?.toLowerCase().split(",").map((one) => one.trim())
  if (scheme !== "digest" || realm === undefined || nonce === undefined || algorithm === undefined) return undefined
  if (qop !== undefined && !qop.includes("auth")) return undefined
  return {
    realm,
    nonce,
    opaque: parameters.get("opaque"),
    algorithm,
    qopAuth: qop !== undefined,
    stale: parameters.get("stale")?.toLowerCase() === "true",
    userhash: parameters.get("userhash")?.toLowerCase() === "true"
  }
}

/**
 * The strongest Digest challenge of a `WWW-Authenticate` value that can be answered: SHA-512-256 before SHA-256 before MD5, `qop=auth` or
 * none. Undefined when there is none (`auth-int` alone, an unknown algorithm).
 *
 * @since 0.1.0
 * @category decoding
 */
export const chooseChallenge = (wwwAuthenticate: string): DigestChallenge | undefined => {
  const offered = parseChallenges(wwwAuthenticate).flatMap((challenge) => digestChallenge(challenge) ?? [])
  return algorithms.flatMap((algorithm) => offered.find((challenge) => challenge.algorithm === algorithm) ?? [])[0]
}

/**
 * What one answer is computed from. `count` says how often the nonce was used, this time included; `cnonce` is the
 * client's own nonce.
 *
 * @since 0.1.0
 * @category models
 */
export interface DigestRequest {
  readonly method: string
  /** The request target as it is sent: path and query. */
  readonly target: string
  readonly count: number
  readonly cnonce: string
}

const quote = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`

// oxlint-disable-next-line no-control-regex -- what is not ASCII is looked for
const notAscii = /[^\x20-\x7e]/

/** RFC 7616 §3.4: a name that is not ASCII is written as RFC 8187 says. */
const userParameter = (challenge: DigestChallenge, username: string, hash: (text: string) => string): string => {
  if (challenge.userhash) return `username=${quote(hash(`${username}:${challenge.realm}`))}`
  if (!notAscii.test(username)) return `username=${quote(username)}`
  return `username*=UTF-8''${
    encodeURIComponent(username).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
  }`
}

/**
 * The value of `Authorization` that answers a challenge.
 *
 * @since 0.1.0
 * @category encoding
 */
export const authorize = (
  challenge: DigestChallenge,
  credentials: DigestCredentials,
  request: DigestRequest
): Redacted.Redacted => {
  const { algorithm, nonce, opaque, qopAuth, realm, userhash } = challenge
  const { cnonce, count, method, target } = request
  const hash = (text: string) => Crypto.createHash(hashes.get(algorithm) ?? "sha256").update(text, "utf8").digest("hex")
  const secret = hash(`${credentials.username}:${realm}:${Redacted.value(credentials.password)}`)
  const a1 = algorithm.endsWith("-sess") ? hash(`${secret}:${nonce}:${cnonce}`) : secret
  const a2 = hash(`${method}:${target}`)
  const nc = count.toString(16).padStart(8, "0")
  const response = hash(qopAuth ? `${a1}:${nonce}:${nc}:${cnonce}:auth:${a2}` : `${a1}:${nonce}:${a2}`)
  const parts = [
    userParameter(challenge, credentials.username, hash),
    `realm=${quote(realm)}`,
    `uri=${quote(target)}`,
    `algorithm=${algorithm}`,
    `nonce=${quote(nonce)}`,
    ...(qopAuth ? [`nc=${nc}`, `cnonce=${quote(cnonce)}`, "qop=auth"] : []),
    ...(!qopAuth && algorithm.endsWith("-sess") ? [`cnonce=${quote(cnonce)}`] : []),
    `response=${quote(response)}`,
    ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
    ...(userhash ? ["userhash=true"] : [])
  ]
  return Redacted.make(`Digest ${parts.join(", ")}`)
}
