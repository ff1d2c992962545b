import { derive, hex } from "./deriveKey.ts"

/**
 * An unwrapped data key and what was derived from it. `wipe` overwrites all of it; a wiped key must not be used, which
 * `live` tells.
 *
 * @internal
 */
export class DataKey {
  live = true
  /** In a cache, which wipes it; otherwise whoever loaded it does. */
  kept = false
  /** Seals that were reserved in the database and not used yet. */
  reserved = 0
  readonly name: string
  readonly #derived = new Map<string, Buffer>()
  readonly keyId: Uint8Array
  readonly #bytes: Uint8Array

  constructor(keyId: Uint8Array, bytes: Uint8Array) {
    this.keyId = keyId
    this.#bytes = bytes
    this.name = hex(keyId)
  }

  /** The key for one purpose. */
  derive(purpose: string, length: number): Uint8Array {
    const known = this.#derived.get(purpose)
    if (known !== undefined) return known
    const key = derive(this.#bytes, purpose, length)
    this.#derived.set(purpose, key)
    return key
  }

  wipe(): void {
    this.live = false
    this.#bytes.fill(0)
    this.#derived.forEach((key) => key.fill(0))
    this.#derived.clear()
  }
}

/**
 * Data keys by name: bounded, least recently used first out, each for a time. Whatever leaves is wiped.
 *
 * @internal
 */
export class KeyCache {
  readonly #entries = new Map<string, { readonly key: DataKey; readonly expires: number }>()
  /** A key of these may still be on its way from the provider when it is shredded. */
  readonly #shredded = new Set<string>()
  readonly #capacity: number
  readonly #timeToLive: number

  constructor(capacity: number, timeToLive: number) {
    this.#capacity = capacity
    this.#timeToLive = timeToLive
  }

  get(name: string, now: number): DataKey | undefined {
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    this.#entries.delete(name)
    if (entry.expires <= now) {
      entry.key.wipe()
      return undefined
    }
    this.#entries.set(name, entry)
    return entry.key
  }

  /** Keeps the key, unless one is kept already: then that one, and the new one is wiped. */
  put(name: string, key: DataKey, now: number): DataKey {
    if (this.#shredded.has(name)) {
      key.wipe()
      return key
    }
    const kept = this.get(name, now)
    if (kept !== undefined) {
      key.wipe()
      return kept
    }
    for (const [other, entry] of this.#entries) {
      if (entry.expires > now && this.#entries.size < this.#capacity) break
      this.#entries.delete(other)
      entry.key.wipe()
    }
    key.kept = true
    this.#entries.set(name, { key, expires: now + this.#timeToLive })
    return key
  }

  /** Wipes the key and keeps none of this name again. */
  shred(name: string): void {
    this.#shredded.add(name)
    this.#entries.get(name)?.key.wipe()
    this.#entries.delete(name)
  }

  clear(): void {
    this.#entries.forEach(({ key }) => key.wipe())
    this.#entries.clear()
  }
}
