// @effect-diagnostics nodeBuiltinImport:off - HKDF, HMAC and random bytes are node:crypto's
/**
 * What is derived from a data key: its id, the commitment to it and the keys for single purposes.
 *
 * @internal
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto"

const noSalt = new Uint8Array(0)

/** HKDF-SHA256 (RFC 5869) without salt: a data key is uniformly random. @internal */
export const derive = (dataKey: Uint8Array, info: string, length: number): Buffer =>
  deriveWithSalt(dataKey, noSalt, info, length)

/** @internal */
export const deriveWithSalt = (key: Uint8Array, salt: Uint8Array, info: string, length: number): Buffer =>
  Buffer.from(hkdfSync("sha256", key, salt, info, length))

/** @internal */
export const hmac = (key: Uint8Array, data: Uint8Array): Buffer => createHmac("sha256", key).update(data).digest()

/** @internal */
export const isEqual = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && timingSafeEqual(left, right)

/** @internal */
export const random: (size: number) => Buffer = randomBytes

/** @internal */
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
