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
  /** Records sealed or opened and bytes of them, since the key was unwrapped. */
  uses = 0
  volume = 0
  readonly name: string
  readonly #derived: Map<string, Buffer>
  readonly keyId: Uint8Array
  readonly #bytes: Uint8Array

  /** Keys for single purposes that were carried over from an earlier data key are taken as they are. */
  constructor(keyId: Uint8Array, bytes: Uint8Array, carried: ReadonlyMap<string, Buffer> = new Map()) {
    this.keyId = keyId
    this.#bytes = bytes
    this.#derived = new Map(carried)
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

/** @internal */
export interface CacheLimits {
  readonly capacity: number
  /** In milliseconds. */
  readonly timeToLive: number
  readonly maxUses: number
  readonly maxBytes: number
}

interface Entry {
  readonly key: DataKey
  readonly owner: string
  readonly expires: number
}

/**
 * Data keys by name: bounded, least recently used first out, each for a time, a number of uses and of bytes. Whatever
 * leaves is wiped.
 *
 * @internal
 */
export class KeyCache {
  readonly #entries = new Map<string, Entry>()
  /** A key of these owners may still be on its way from the provider when it is shredded. */
  readonly #shredded = new Set<string>()
  readonly #limits: CacheLimits
  /** The entry that was used last needs no new place in the order. */
  #latest: Entry | undefined

  constructor(limits: CacheLimits) {
    this.#limits = limits
  }

  #isSpent({ expires, key }: Entry, now: number): boolean {
    return expires <= now || key.uses >= this.#limits.maxUses || key.volume >= this.#limits.maxBytes
  }

  get(name: string, now: number): DataKey | undefined {
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    if (this.#isSpent(entry, now)) {
      this.drop(name)
      return undefined
    }
    if (entry !== this.#latest) {
      this.#entries.delete(name)
      this.#entries.set(name, entry)
      this.#latest = entry
    }
    return entry.key
  }

  /** Keeps the key, unless one is kept already: then that one, and the new one is wiped. */
  put(name: string, owner: string, key: DataKey, now: number): DataKey {
    if (this.#shredded.has(owner)) {
      key.wipe()
      return key
    }
    const kept = this.get(name, now)
    if (kept !== undefined) {
      key.wipe()
      return kept
    }
    for (const [other, entry] of this.#entries) {
      if (!this.#isSpent(entry, now) && this.#entries.size < this.#limits.capacity) break
      this.drop(other)
    }
    key.kept = true
    this.#latest = { key, owner, expires: now + this.#limits.timeToLive }
    this.#entries.set(name, this.#latest)
    return key
  }

  /** Wipes the key of this name. */
  drop(name: string): void {
    this.#entries.get(name)?.key.wipe()
    this.#entries.delete(name)
  }

  /** Wipes all keys of the owner and keeps none of them again. */
  shred(owner: string): void {
    this.#shredded.add(owner)
    for (const [name, entry] of this.#entries) if (entry.owner === owner) this.drop(name)
  }

  clear(): void {
    this.#entries.forEach(({ key }) => key.wipe())
    this.#entries.clear()
  }
}
