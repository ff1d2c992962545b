// @effect-diagnostics nodeBuiltinImport:off - AES, HMAC and HKDF are node:crypto's
/**
 * Seals and opens single fields under the key of a scope, or leaves them as they are.
 *
 * AES-256-GCM with a synthetic nonce: the first 12 bytes of an HMAC-SHA-256 over place and plaintext (the idea of RFC
 * 5297). Equal plaintexts are equal ciphertexts in one place of one scope, and nowhere else, so a key or a slot is still
 * found by `=`. The place is authenticated as well: a field opens only where it was sealed.
 *
 * @since 0.1.0
 */
import { SqlError } from "@effect/sql/SqlError"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync } from "node:crypto"
import type { KeyObject } from "node:crypto"
import { CipherError } from "../MemoryVaultError.ts"

/**
 * The fields of one scope. What opens throws `CipherError`; `opening` makes it a failure.
 *
 * @since 0.1.0
 */
export interface Sealer {
  /** `false` where everything is in clear and both directions change nothing. */
  readonly sealed: boolean
  readonly sealText: (place: string, text: string) => string
  readonly openText: (place: string, stored: string) => string
  readonly sealBytes: (place: string, bytes: Uint8Array) => Uint8Array
  readonly openBytes: (place: string, stored: Uint8Array) => Uint8Array
  /** A whole number that narrows the search for an equal text. */
  readonly digest: (text: string) => number
}

/**
 * The place of a field: its name, and what of its row is not stored in it. No part contains a NUL.
 *
 * @since 0.1.0
 */
export const placeOf = (field: string, ...row: ReadonlyArray<string | number>): string =>
  row.length === 0 ? field : `${field}\0${row.join("\0")}`

/** FNV-1a over UTF-16 units. */
const hashText = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/**
 * @since 0.1.0
 */
export const clearSealer: Sealer = {
  sealed: false,
  sealText: (_, text) => text,
  openText: (_, stored) => stored,
  sealBytes: (_, bytes) => bytes,
  openBytes: (_, stored) => stored,
  digest: hashText
}

const algorithm = "aes-256-gcm"
const nonceLength = 12
const tagLength = 16
const textPrefix = "s1:"
const bytesFormat = 1

class KeyedSealer implements Sealer {
  readonly sealed = true
  readonly #content: KeyObject
  readonly #nonce: KeyObject
  readonly #digest: KeyObject

  constructor(dataKey: Uint8Array) {
    const derive = (info: string) => {
      const bytes = Buffer.from(hkdfSync("sha256", dataKey, "", `sennit memory ${info}`, 32))
      const key = createSecretKey(bytes)
      bytes.fill(0)
      return key
    }
    this.#content = derive("content")
    this.#nonce = derive("nonce")
    this.#digest = derive("digest")
  }

  readonly sealText = (place: string, text: string): string =>
    textPrefix + Buffer.concat(this.#seal(place, Buffer.from(text))).toString("base64")

  readonly openText = (place: string, stored: string): string => {
    if (!stored.startsWith(textPrefix)) throw new CipherError({ reason: "malformed" })
    return this.#open(place, Buffer.from(stored.slice(textPrefix.length), "base64")).toString()
  }

  readonly sealBytes = (place: string, bytes: Uint8Array): Uint8Array =>
    Buffer.concat([Uint8Array.of(bytesFormat), ...this.#seal(place, bytes)])

  readonly openBytes = (place: string, stored: Uint8Array): Uint8Array => {
    if (stored[0] !== bytesFormat) throw new CipherError({ reason: "malformed" })
    return this.#open(place, stored.subarray(1))
  }

  readonly digest = (text: string): number => createHmac("sha256", this.#digest).update(text).digest().readUIntBE(0, 6)

  #seal(place: string, bytes: Uint8Array): ReadonlyArray<Uint8Array> {
    // The length keeps place and plaintext apart.
    const nonce = createHmac("sha256", this.#nonce).update(`${place.length}\0${place}`).update(bytes).digest()
      .subarray(0, nonceLength)
    const cipher = createCipheriv(algorithm, this.#content, nonce)
    cipher.setAAD(Buffer.from(place))
    return [nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]
  }

  #open(place: string, sealed: Uint8Array): Buffer {
    const end = sealed.length - tagLength
    if (end < nonceLength) throw new CipherError({ reason: "malformed" })
    const decipher = createDecipheriv(algorithm, this.#content, sealed.subarray(0, nonceLength), {
      authTagLength: tagLength
    })
    decipher.setAAD(Buffer.from(place))
    decipher.setAuthTag(sealed.subarray(end))
    const plain = decipher.update(sealed.subarray(nonceLength, end))
    try {
      decipher.final()
    } catch {
      // OpenSSL says only that it does not authenticate.
      throw new CipherError({ reason: "tampered" })
    }
    return plain
  }
}

/**
 * The sealer of a scope's key, whose bytes the caller overwrites afterwards.
 *
 * @since 0.1.0
 */
export const makeSealer = (dataKey: Uint8Array): Sealer => new KeyedSealer(dataKey)

/**
 * @since 0.1.0
 */
export const isRefusal = Schema.is(CipherError)

/**
 * How the cipher's refusal travels through a statement's failures; `guard` takes it out again.
 *
 * @since 0.1.0
 */
export const carried = (cause: CipherError): SqlError => new SqlError({ cause, message: "a field does not open" })

/**
 * What was opened, or the cipher's refusal.
 *
 * @since 0.1.0
 */
export const opening = <A>(open: () => A): Either.Either<A, SqlError> =>
  Either.try({
    try: open,
    catch: (error) => {
      if (isRefusal(error)) return carried(error)
      throw error
    }
  })
