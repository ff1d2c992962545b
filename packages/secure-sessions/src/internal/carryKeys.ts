/**
 * What a new data key takes over from the one before it: the keys of the chain and of the fingerprints. Links and key
 * indexes that are stored stay right, and the old data key is not needed for them.
 *
 * `nonce 12 | ciphertext 64 | tag 16`, sealed with AES-256-GCM under `HKDF(new data key, "carry")`.
 *
 * @internal
 */
import * as Aad from "../Aad.ts"
import type { KeyScope } from "../Aad.ts"
import { aes256Gcm } from "../Suite.ts"
import { derive, random } from "./deriveKey.ts"

const purposes = ["chain", "index"] as const
const keyLength = 32
const nonceLength = aes256Gcm.nonceLength
const end = nonceLength + purposes.length * keyLength

const additionalData = (scope: KeyScope, keyId: Uint8Array) =>
  Aad.encode(["carried keys", scope.app, scope.user, keyId])

/** @internal */
export const carryKeys = (
  old: { readonly derive: (purpose: string, length: number) => Uint8Array },
  scope: KeyScope,
  next: { readonly keyId: Uint8Array; readonly bytes: Uint8Array }
): Uint8Array => {
  const keys = Buffer.concat(purposes.map((purpose) => old.derive(purpose, keyLength)))
  const nonce = random(nonceLength)
  const key = derive(next.bytes, "carry", keyLength)
  const { ciphertext, tag } = aes256Gcm.seal(key, nonce, additionalData(scope, next.keyId), keys)
  keys.fill(0)
  key.fill(0)
  return Buffer.concat([nonce, ciphertext, tag])
}

/** The keys by purpose, or `undefined` when they do not authenticate. @internal */
export const openCarried = (
  scope: KeyScope,
  { bytes, keyId }: { readonly keyId: Uint8Array; readonly bytes: Uint8Array },
  carried: Uint8Array
): ReadonlyMap<string, Buffer> | undefined => {
  const key = derive(bytes, "carry", keyLength)
  const nonce = carried.subarray(0, nonceLength)
  const ciphertext = carried.subarray(nonceLength, end)
  const keys = carried.length === end + 16
    ? aes256Gcm.open(key, nonce, additionalData(scope, keyId), ciphertext, carried.subarray(end))
    : undefined
  key.fill(0)
  if (keys === undefined) return undefined
  const found = new Map(
    purposes.map((purpose, at) => [purpose, Buffer.from(keys.subarray(at * keyLength, (at + 1) * keyLength))] as const)
  )
  keys.fill(0)
  return found
}
