/**
 * Envelope version 2, the bytes of one sealed record. Layout and vectors: `envelope-spec.md`.
 *
 * `5E 55 | 02 | suite | flags | key id 16 | nonce | ciphertext | tag 16`. The first 21 bytes are the header and are
 * authenticated whole. With AES-256-GCM an envelope is 49 bytes longer than its plaintext.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Suite } from "./Suite.ts"

/**
 * @category constants
 * @since 0.1.0
 */
export const version = 0x02

/**
 * Bytes before the nonce.
 *
 * @category constants
 * @since 0.1.0
 */
export const headerLength = 21

/**
 * @category constants
 * @since 0.1.0
 */
export const keyIdLength = 16

/**
 * @category constants
 * @since 0.1.0
 */
export const tagLength = 16

/**
 * The parts of an envelope: views of its bytes, not copies.
 *
 * @category models
 * @since 0.1.0
 */
export interface Envelope {
  readonly header: Uint8Array
  readonly suite: Suite
  readonly keyId: Uint8Array
  readonly nonce: Uint8Array
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

/**
 * Why bytes are not an envelope that can be opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refusal {
  readonly reason: "MalformedEnvelope" | "UnsupportedVersion" | "UnsupportedSuite" | "PlaintextRefused"
  readonly envelopeVersion?: number
  readonly suite?: number
}

/**
 * The header of an envelope. All flags are 0: compression and padding are not written by this version.
 *
 * @category encoding
 * @since 0.1.0
 */
export const header = (suite: number, keyId: Uint8Array): Uint8Array => {
  const out = Buffer.allocUnsafe(headerLength)
  out[0] = 0x5e
  out[1] = 0x55
  out[2] = version
  out[3] = suite
  out[4] = 0
  out.set(keyId, 5)
  return out
}

/**
 * Room for an envelope of a plaintext of this length, for `encode` to fill. Made before the cipher runs, it spares large
 * records some of the time that memory takes (benchmark `seal.1m`).
 *
 * @category encoding
 * @since 0.1.0
 */
export const room = (suite: Suite, plaintextLength: number): Uint8Array =>
  Buffer.allocUnsafe(headerLength + suite.nonceLength + plaintextLength + tagLength)

/**
 * Joins the parts. Throws a `RangeError` when they do not fill the room that was made for them.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (
  parts: Pick<Envelope, "header" | "nonce" | "ciphertext" | "tag">,
  out: Uint8Array = Buffer.allocUnsafe(headerLength + parts.nonce.length + parts.ciphertext.length + tagLength)
): Uint8Array => {
  const start = headerLength + parts.nonce.length
  const end = start + parts.ciphertext.length
  if (parts.header.length !== headerLength || parts.tag.length !== tagLength || end + tagLength !== out.length) {
    throw new RangeError("a part of an envelope has another length than its suite says")
  }
  out.set(parts.header)
  out.set(parts.nonce, headerLength)
  out.set(parts.ciphertext, start)
  out.set(parts.tag, end)
  return out
}

/**
 * The key id of what starts like an envelope of this version.
 *
 * @category encoding
 * @since 0.1.0
 */
export const keyIdOf = (bytes: Uint8Array): Uint8Array | undefined =>
  bytes.length >= headerLength && bytes[0] === 0x5e && bytes[1] === 0x55 && bytes[2] === version
    ? bytes.subarray(5, headerLength)
    : undefined

/**
 * Takes an envelope apart without opening it. Bytes that do not start with the magic number are plaintext or junk and
 * refused as such; an envelope is never guessed.
 *
 * @category encoding
 * @since 0.1.0
 */
export const decode = (bytes: Uint8Array, suites: ReadonlyMap<number, Suite>): Either.Either<Envelope, Refusal> => {
  if (bytes.length === 0) return Either.left({ reason: "MalformedEnvelope" })
  if (bytes[0] !== 0x5e || (bytes.length > 1 && bytes[1] !== 0x55)) return Either.left({ reason: "PlaintextRefused" })
  const envelopeVersion = bytes[2]
  const suiteId = bytes[3]
  const flags = bytes[4]
  if (envelopeVersion === undefined) return Either.left({ reason: "MalformedEnvelope" })
  if (envelopeVersion !== version) return Either.left({ reason: "UnsupportedVersion", envelopeVersion })
  if (suiteId === undefined) return Either.left({ reason: "MalformedEnvelope", envelopeVersion })
  const suite = suites.get(suiteId)
  if (suite === undefined) return Either.left({ reason: "UnsupportedSuite", envelopeVersion, suite: suiteId })
  const body = headerLength + suite.nonceLength
  if (flags !== 0 || bytes.length < body + tagLength) {
    return Either.left({ reason: "MalformedEnvelope", envelopeVersion, suite: suiteId })
  }
  const end = bytes.length - tagLength
  return Either.right({
    header: bytes.subarray(0, headerLength),
    suite,
    keyId: bytes.subarray(5, headerLength),
    nonce: bytes.subarray(headerLength, body),
    ciphertext: bytes.subarray(body, end),
    tag: bytes.subarray(end)
  })
}
