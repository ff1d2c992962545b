/**
 * Wrapping of data keys under a local key.
 *
 * `01 | kdf | kdf parameters | nonce 12 | ciphertext 32 | tag 16`, sealed with AES-256-GCM. The additional data binds
 * the bytes before the nonce, the id of the wrapping key and the encryption context.
 *
 * @internal
 */
import * as Aad from "../Aad.ts"
import type { EncryptionContext } from "../KeyProvider.ts"
import { aes256Gcm } from "../Suite.ts"
import { random } from "./deriveKey.ts"

const nonceLength = aes256Gcm.nonceLength
const sealedLength = nonceLength + 32 + 16

const additionalData = (prefix: Uint8Array, kekId: string, context: EncryptionContext) =>
  Aad.encode(["wrapped data key", prefix, kekId, context.app, context.user, context.keyId, context.commitment])

/** @internal */
export const wrap = (
  key: Uint8Array,
  prefix: Uint8Array,
  kekId: string,
  context: EncryptionContext,
  dataKey: Uint8Array
): Uint8Array => {
  const nonce = random(nonceLength)
  const { ciphertext, tag } = aes256Gcm.seal(key, nonce, additionalData(prefix, kekId, context), dataKey)
  return Buffer.concat([prefix, nonce, ciphertext, tag])
}

/** The bytes before the nonce, or `undefined` when the length cannot be right. @internal */
export const prefixOf = (wrapped: Uint8Array): Uint8Array | undefined =>
  wrapped.length > sealedLength ? wrapped.subarray(0, wrapped.length - sealedLength) : undefined

/** The data key, or `undefined` when it does not authenticate. @internal */
export const unwrap = (
  key: Uint8Array,
  kekId: string,
  context: EncryptionContext,
  wrapped: Uint8Array
): Uint8Array | undefined => {
  const at = wrapped.length - sealedLength
  return aes256Gcm.open(
    key,
    wrapped.subarray(at, at + nonceLength),
    additionalData(wrapped.subarray(0, at), kekId, context),
    wrapped.subarray(at + nonceLength, at + nonceLength + 32),
    wrapped.subarray(at + nonceLength + 32)
  )
}
