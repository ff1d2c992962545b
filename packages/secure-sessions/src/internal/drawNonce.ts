// @effect-diagnostics nodeBuiltinImport:off - nonces come from node:crypto's generator
import { randomFillSync } from "node:crypto"

/**
 * Random nonces out of a pool that is filled 12 KiB at a time, which saves a call into the generator per record.
 * Every drawn byte is used once. The pool belongs to one service in one process.
 *
 * @internal
 */
export const makeNonces = (): (size: number) => Uint8Array => {
  const pool = new Uint8Array(12_288)
  let at = pool.length
  return (size) => {
    if (at + size > pool.length) {
      randomFillSync(pool)
      at = 0
    }
    const nonce = pool.slice(at, at + size)
    at += size
    return nonce
  }
}
