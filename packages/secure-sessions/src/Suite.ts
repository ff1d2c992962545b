// @effect-diagnostics nodeBuiltinImport:off - AES is node:crypto's (OpenSSL); no cipher is written here
/**
 * Cipher suites: which authenticated cipher an envelope uses.
 *
 * A suite is a value. Built in are AES-256-GCM, XAES-256-GCM and ChaCha20-Poly1305; others are given to `layer`. The
 * envelope names its suite, so all registered suites can be opened at once and the primary one seals.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CipherChaCha20Poly1305, CipherGCM, DecipherChaCha20Poly1305, DecipherGCM } from "node:crypto"
import { createCipheriv, createDecipheriv } from "node:crypto"
import { ConfigurationError } from "./SecureSessionsError.ts"

/**
 * An authenticated cipher with a tag of 16 bytes and a nonce that may be drawn at random for each record.
 *
 * @category models
 * @since 0.1.0
 */
export interface Suite {
  /** Its byte in the envelope. 1 to 15 belong to this package, 16 to 255 to everybody. */
  readonly id: number
  readonly name: string
  /** Bytes of the key, which is derived from the data key for this suite alone. */
  readonly keyLength: number
  readonly nonceLength: number
  /** Encrypts and authenticates. May throw; the failure becomes an `EncryptionError`. */
  readonly seal: (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array) => Sealed
  /** The plaintext, or `undefined` when the tag does not authenticate. What is given may change after the call. */
  readonly open: (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array
  ) => Uint8Array | undefined
}

/**
 * A ciphertext, as long as its plaintext, and a tag of 16 bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sealed {
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

/** Always with the full tag: without `authTagLength` a tag of 4 bytes would do. */
const fullTag = { authTagLength: 16 }

interface Cipher {
  readonly id: number
  readonly name: string
  readonly encrypt: (key: Uint8Array, nonce: Uint8Array) => CipherGCM | CipherChaCha20Poly1305
  readonly decrypt: (key: Uint8Array, nonce: Uint8Array) => DecipherGCM | DecipherChaCha20Poly1305
}

const makeSuite = ({ decrypt, encrypt, id, name }: Cipher): Suite => ({
  id,
  name,
  keyLength: 32,
  nonceLength: 12,
  seal: (key, nonce, aad, plaintext) => {
    const cipher = encrypt(key, nonce)
    cipher.setAAD(aad, { plaintextLength: plaintext.length })
    const ciphertext = cipher.update(plaintext)
    cipher.final()
    return { ciphertext, tag: cipher.getAuthTag() }
  },
  open: (key, nonce, aad, ciphertext, tag) => {
    if (tag.length !== 16) return undefined
    const decipher = decrypt(key, nonce)
    decipher.setAAD(aad, { plaintextLength: ciphertext.length })
    decipher.setAuthTag(tag)
    const plaintext = decipher.update(ciphertext)
    try {
      decipher.final()
      return plaintext
    } catch {
      // The only failure of final() in these modes: the tag does not match.
      plaintext.fill(0)
      return undefined
    }
  }
})

/**
 * AES-256-GCM (NIST SP 800-38D). A data key seals at most 2^31 records with its random nonces of 96 bits.
 *
 * @category suites
 * @since 0.1.0
 */
export const aes256Gcm: Suite = makeSuite({
  id: 0x02,
  name: "AES-256-GCM",
  encrypt: (key, nonce) => createCipheriv("aes-256-gcm", key, nonce, fullTag),
  decrypt: (key, nonce) => createDecipheriv("aes-256-gcm", key, nonce, fullTag)
})

const blocks = (key: Uint8Array, plaintext: Uint8Array): Buffer =>
  createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(plaintext)

/** The subkey of CMAC (NIST SP 800-38B, 6.1): the encrypted zero block, doubled in GF(2^128). */
const cmacSubkey = (key: Uint8Array): Uint8Array => {
  const block = blocks(key, new Uint8Array(16))
  const doubled = block.map((byte, at) => (byte << 1) | ((block[at + 1] ?? 0) >> 7))
  if (block[0]! >= 0x80) doubled[15]! ^= 0x87
  return doubled
}

/** NIST SP 800-108 in counter mode with CMAC, label `X` and the first half of the nonce as context. */
const xaesKey = (key: Uint8Array, nonce: Uint8Array): Uint8Array => {
  const context = nonce.subarray(0, 12)
  const subkey = cmacSubkey(key)
  const input = Buffer.concat([Uint8Array.of(0, 1, 0x58, 0), context, Uint8Array.of(0, 2, 0x58, 0), context])
  return blocks(key, input.map((byte, at) => byte ^ subkey[at % 16]!))
}

/**
 * XAES-256-GCM (C2SP): AES-256-GCM under a key derived for each record, so that its random nonces of 192 bits do not
 * repeat however many records there are. About 10 µs dearer for a record.
 *
 * @category suites
 * @since 0.1.0
 */
export const xaes256Gcm: Suite = {
  id: 0x03,
  name: "XAES-256-GCM",
  keyLength: 32,
  nonceLength: 24,
  seal: (key, nonce, aad, plaintext) => {
    const derived = xaesKey(key, nonce)
    const sealed = aes256Gcm.seal(derived, nonce.subarray(12), aad, plaintext)
    derived.fill(0)
    return sealed
  },
  open: (key, nonce, aad, ciphertext, tag) => {
    const derived = xaesKey(key, nonce)
    const plaintext = aes256Gcm.open(derived, nonce.subarray(12), aad, ciphertext, tag)
    derived.fill(0)
    return plaintext
  }
}

/**
 * ChaCha20-Poly1305 (RFC 8439), for machines without AES instructions.
 *
 * @category suites
 * @since 0.1.0
 */
export const chaCha20Poly1305: Suite = makeSuite({
  id: 0x04,
  name: "ChaCha20-Poly1305",
  encrypt: (key, nonce) => createCipheriv("chacha20-poly1305", key, nonce, fullTag),
  decrypt: (key, nonce) => createDecipheriv("chacha20-poly1305", key, nonce, fullTag)
})

/**
 * Every suite of this package. Without `layer` all of them open and AES-256-GCM seals.
 *
 * @category suites
 * @since 0.1.0
 */
export const builtIn: readonly [Suite, ...Array<Suite>] = [aes256Gcm, xaes256Gcm, chaCha20Poly1305]

/**
 * The suites that can be opened and the one that seals.
 *
 * @category services
 * @since 0.1.0
 */
export class Suites extends Context.Reference<Suites>()("@sennit/secure-sessions/Suites", {
  defaultValue: (): { readonly primary: Suite; readonly byId: ReadonlyMap<number, Suite> } => ({
    primary: aes256Gcm,
    byId: new Map(builtIn.map((suite) => [suite.id, suite]))
  })
}) {}

const isByte = (value: number) => Number.isInteger(value) && value >= 1 && value <= 255

const collect = Effect.fn("Suite.collect")(function*(suites: ReadonlyArray<Suite>, primary: Suite) {
  const byId = new Map<number, Suite>()
  for (const suite of suites) {
    if (!isByte(suite.id) || !isByte(suite.keyLength) || !isByte(suite.nonceLength)) {
      return yield* new ConfigurationError({
        reason: "InvalidSuite",
        detail: `suite "${suite.name}": id and lengths are whole numbers from 1 to 255`
      })
    }
    if (byId.has(suite.id)) {
      return yield* new ConfigurationError({
        reason: "DuplicateSuite",
        detail: `suite id ${suite.id} is claimed twice; every suite needs its own`
      })
    }
    byId.set(suite.id, suite)
  }
  if (byId.get(primary.id) !== primary) {
    return yield* new ConfigurationError({
      reason: "InvalidSuite",
      detail: "the primary suite is not among the suites"
    })
  }
  return { primary, byId }
})

/**
 * Registers suites: all of them open records, `primary` (the first without it) seals. Provide it to the layers of
 * this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  suites: readonly [Suite, ...Array<Suite>],
  options?: { readonly primary?: Suite | undefined }
): Layer.Layer<Suites, ConfigurationError> => Layer.effect(Suites, collect(suites, options?.primary ?? suites[0]))
