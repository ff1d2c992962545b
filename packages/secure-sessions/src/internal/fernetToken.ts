// @effect-diagnostics nodeBuiltinImport:off - AES and HMAC are node:crypto's (OpenSSL); no cipher is written here
/**
 * Tokens of the Fernet specification: `80 | time u64 BE | iv 16 | AES-128-CBC, PKCS #7 | HMAC-SHA256 32`, as base64url
 * with padding. A key is 16 bytes for signing and 16 for encryption.
 *
 * @internal
 */
import { createCipheriv, createDecipheriv } from "node:crypto"
import { hmac, isEqual } from "./deriveKey.ts"

const headLength = 9
const ivLength = 16
const macLength = 32
const blockLength = 16

/** Bytes of base64url with padding, or `undefined` for anything else, a second form of the same bytes included. @internal */
export const fromBase64Url = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64url")
  return toBase64Url(bytes) === text ? bytes : undefined
}

/** @internal */
export const toBase64Url = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_")

/** @internal */
export const sealToken = (key: Uint8Array, seconds: number, iv: Uint8Array, plaintext: Uint8Array): string => {
  const head = Buffer.alloc(headLength)
  head[0] = 0x80
  head.writeBigUInt64BE(BigInt(seconds), 1)
  const cipher = createCipheriv("aes-128-cbc", key.subarray(16), iv)
  const signed = Buffer.concat([head, iv, cipher.update(plaintext), cipher.final()])
  return toBase64Url(Buffer.concat([signed, hmac(key.subarray(0, 16), signed)]))
}

/** A token whose shape is right; nothing of it is authentic yet. @internal */
export interface Token {
  readonly seconds: number
  readonly iv: Uint8Array
  readonly ciphertext: Uint8Array
  readonly signed: Uint8Array
  readonly mac: Uint8Array
}

/** @internal */
export const parseToken = (text: string): Token | undefined => {
  const bytes = fromBase64Url(text)
  const end = (bytes?.length ?? 0) - macLength
  const length = end - headLength - ivLength
  if (bytes === undefined || bytes[0] !== 0x80 || length < blockLength || length % blockLength !== 0) return undefined
  const seconds = bytes.readBigUInt64BE(1)
  if (seconds > 8_640_000_000_000n) return undefined
  return {
    seconds: Number(seconds),
    iv: bytes.subarray(headLength, headLength + ivLength),
    ciphertext: bytes.subarray(headLength + ivLength, end),
    signed: bytes.subarray(0, end),
    mac: bytes.subarray(end)
  }
}

/** The MAC is asked first, so padding tells nothing. `undefined` when the token is not of this key. @internal */
export const openToken = (key: Uint8Array, { ciphertext, iv, mac, signed }: Token): Buffer | undefined => {
  if (!isEqual(mac, hmac(key.subarray(0, 16), signed))) return undefined
  const decipher = createDecipheriv("aes-128-cbc", key.subarray(16), iv)
  const start = decipher.update(ciphertext)
  try {
    return Buffer.concat([start, decipher.final()])
  } catch {
    // Whoever signed it did not pad it.
    return undefined
  }
}
