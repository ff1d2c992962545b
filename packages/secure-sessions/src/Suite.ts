// @effect-diagnostics nodeBuiltinImport:off - AES is node:crypto's (OpenSSL); no cipher is written here
/**
 * Cipher suites: which authenticated cipher an envelope uses.
 *
 * AES-256-GCM is built in. Further suites are values given to `layer`; the envelope names its suite, so all
 * registered suites can be opened at once and the primary one seals.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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
  /** The plaintext, or `undefined` when the tag does not authenticate. */
  readonly open: (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array
  ) => Uint8Array | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Sealed {
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

/**
 * AES-256-GCM (NIST SP 800-38D) by node:crypto, always with a full tag of 16 bytes.
 *
 * @category suites
 * @since 0.1.0
 */
export const aes256Gcm: Suite = {
  id: 0x02,
  name: "AES-256-GCM",
  keyLength: 32,
  nonceLength: 12,
  seal: (key, nonce, aad, plaintext) => {
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 })
    cipher.setAAD(aad)
    const ciphertext = cipher.update(plaintext)
    cipher.final()
    return { ciphertext, tag: cipher.getAuthTag() }
  },
  open: (key, nonce, aad, ciphertext, tag) => {
    if (tag.length !== 16) return undefined
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 })
    decipher.setAAD(aad)
    decipher.setAuthTag(tag)
    const plaintext = decipher.update(ciphertext)
    try {
      decipher.final()
      return plaintext
    } catch {
      // The only failure of final() in this mode: the tag does not match.
      plaintext.fill(0)
      return undefined
    }
  }
}

/**
 * The suites that can be opened and the one that seals. Without a layer: AES-256-GCM alone.
 *
 * @category services
 * @since 0.1.0
 */
export class Suites extends Context.Reference<Suites>()("@sennit/secure-sessions/Suites", {
  defaultValue: (): { readonly primary: Suite; readonly byId: ReadonlyMap<number, Suite> } => ({
    primary: aes256Gcm,
    byId: new Map([[aes256Gcm.id, aes256Gcm]])
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
