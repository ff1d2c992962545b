// @effect-diagnostics nodeBuiltinImport:off SHA-256 and HMAC over bytes, synchronously
/**
 * AWS Signature Version 4 for S3, as pure functions: "Authenticating Requests: Using the Authorization Header" in the
 * Amazon S3 API Reference. For requests that a store does not make: tagging, policies and the like.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"

/**
 * A request as its signature sees it; header names are in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export interface Signable {
  readonly method: string
  /** Percent-encoded once, as it is sent. */
  readonly path: string
  /** As `canonicalQuery` makes it. */
  readonly query: string
  readonly headers: { readonly [name: string]: string }
  /** SHA-256 of the body in hex, or `unsignedPayload`. */
  readonly payloadHash: string
}

/**
 * Where and when a signature holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface SigningScope {
  /** `20130524T000000Z` */
  readonly timestamp: string
  readonly region: string
  readonly service: string
}

/**
 * The body is protected by TLS, or is not known before it is sent.
 *
 * @since 0.1.0
 * @category constants
 */
export const unsignedPayload = "UNSIGNED-PAYLOAD"

/**
 * SHA-256 in hex.
 *
 * @since 0.1.0
 * @category hashing
 */
export const sha256 = (data: string | Uint8Array): string => Crypto.createHash("sha256").update(data).digest("hex")

const hmac = (key: string | Uint8Array, data: string): Buffer => Crypto.createHmac("sha256", key).update(data).digest()

/** Leaves only the unreserved characters of RFC 3986. */
const encodeSegment = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  )

/**
 * A path, with its slashes kept.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodePath = (path: string): string =>
  /^[\w\-./~]*$/.test(path) ? path : path.split("/").map(encodeSegment).join("/")

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * Encoded and in order; an address with this query is signed as it is sent.
 *
 * @since 0.1.0
 * @category encoding
 */
export const canonicalQuery = (query: ReadonlyArray<readonly [name: string, value: string]>): string =>
  query
    .map(([name, value]) => [encodeSegment(name), encodeSegment(value)] as const)
    .toSorted((a, b) => byText(a[0], b[0]) || byText(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join("&")

const signedNames = (request: Signable): ReadonlyArray<string> => Object.keys(request.headers).toSorted(byText)

/**
 * The request as one text.
 *
 * @since 0.1.0
 * @category signing
 */
export const canonicalRequest = (request: Signable): string => {
  const names = signedNames(request)
  const headers = names.map((name) => `${name}:${(request.headers[name] ?? "").trim().replaceAll(/ +/g, " ")}\n`)
  return [request.method, request.path, request.query, headers.join(""), names.join(";"), request.payloadHash]
    .join("\n")
}

const credentialScope = (scope: SigningScope): string =>
  `${scope.timestamp.slice(0, 8)}/${scope.region}/${scope.service}/aws4_request`

/**
 * What is signed.
 *
 * @since 0.1.0
 * @category signing
 */
export const stringToSign = (request: Signable, scope: SigningScope): string =>
  ["AWS4-HMAC-SHA256", scope.timestamp, credentialScope(scope), sha256(canonicalRequest(request))].join("\n")

/**
 * The key of one day, region and service.
 *
 * @since 0.1.0
 * @category signing
 */
export const signingKey = (secret: string, scope: SigningScope): Uint8Array =>
  hmac(hmac(hmac(hmac(`AWS4${secret}`, scope.timestamp.slice(0, 8)), scope.region), scope.service), "aws4_request")

/**
 * The signature in hex.
 *
 * @since 0.1.0
 * @category signing
 */
export const signature = (key: Uint8Array, request: Signable, scope: SigningScope): string =>
  hmac(key, stringToSign(request, scope)).toString("hex")

/**
 * The value of the `Authorization` header; every header given is signed.
 *
 * @since 0.1.0
 * @category signing
 */
export const authorization = (
  accessKeyId: string,
  key: Uint8Array,
  request: Signable,
  scope: SigningScope
): string =>
  `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${credentialScope(scope)},` +
  `SignedHeaders=${signedNames(request).join(";")},Signature=${signature(key, request, scope)}`
