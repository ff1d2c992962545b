import type { StoredCookie } from "../CookieJar.ts"
import { domainMatches, domainsOf, pathMatches } from "./matchCookie.ts"

interface Entry {
  readonly cookie: StoredCookie
  /** Orders cookies that were made in the same millisecond. */
  readonly order: number
  used: number
}

const keyOf = (cookie: StoredCookie): string => `${cookie.name}\n${cookie.path}\n${cookie.hostOnly ? "h" : "d"}`

const isExpired = (cookie: StoredCookie, now: number): boolean => cookie.expires !== null && cookie.expires <= now

/**
 * Cookies by domain. What is over a bound pushes out expired cookies first, then those used longest ago (§5.7).
 *
 * @internal
 */
export class CookieStore {
  readonly #perDomain: number
  readonly #total: number
  readonly #domains = new Map<string, Map<string, Entry>>()
  #size = 0
  /** Counts everything that happens, because a millisecond is long. */
  #uses = 0

  constructor(perDomain: number, total: number) {
    this.#perDomain = perDomain
    this.#total = total
  }

  put(cookie: StoredCookie, now: number): void {
    const entries = this.#domains.get(cookie.domain) ?? new Map<string, Entry>()
    this.#domains.set(cookie.domain, entries)
    const key = keyOf(cookie)
    const before = entries.get(key)
    if (before === undefined) this.#size++
    // a cookie that is replaced keeps the time of its creation (§5.7 step 23)
    const created = before === undefined ? cookie.created : before.cookie.created
    const used = ++this.#uses
    entries.set(key, { cookie: { ...cookie, created }, order: before?.order ?? used, used })
    if (isExpired(cookie, now)) return this.#remove(cookie.domain, key)
    if (entries.size > this.#perDomain) this.#evict([[cookie.domain, entries]], now)
    if (this.#size > this.#total) this.#evict([...this.#domains], now)
  }

  #remove(domain: string, key: string): void {
    const entries = this.#domains.get(domain)
    if (entries?.delete(key) === true) this.#size--
    if (entries?.size === 0) this.#domains.delete(domain)
  }

  #evict(candidates: ReadonlyArray<readonly [string, Map<string, Entry>]>, now: number): void {
    let oldest: readonly [domain: string, key: string, used: number] | undefined
    let expired = 0
    for (const [domain, entries] of candidates) {
      for (const [key, { cookie, used }] of entries) {
        if (isExpired(cookie, now)) {
          this.#remove(domain, key)
          expired++
        } else if (oldest === undefined || used < oldest[2]) {
          oldest = [domain, key, used]
        }
      }
    }
    if (expired === 0 && oldest !== undefined) this.#remove(oldest[0], oldest[1])
  }

  /** Cookies for a request, longer paths first, then older ones (§5.8.3). */
  find(hostname: string, path: string, secure: boolean, now: number): ReadonlyArray<StoredCookie> {
    const found: Array<Entry> = []
    for (const domain of domainsOf(hostname)) {
      for (const [key, entry] of this.#domains.get(domain) ?? []) {
        const { cookie } = entry
        if (isExpired(cookie, now)) {
          this.#remove(domain, key)
        } else if (
          (!cookie.hostOnly || domain === hostname) && (!cookie.secure || secure) && pathMatches(path, cookie.path)
        ) {
          entry.used = ++this.#uses
          found.push(entry)
        }
      }
    }
    return found
      .toSorted((a, b) =>
        b.cookie.path.length - a.cookie.path.length || a.cookie.created - b.cookie.created || a.order - b.order
      )
      .map(({ cookie }) => cookie)
  }

  /** Whether a plain connection would put a cookie over a secure one (§5.7 step 15). */
  hidesSecure(name: string, domain: string, path: string, now: number): boolean {
    for (const [stored, entries] of this.#domains) {
      if (!domainMatches(stored, domain) && !domainMatches(domain, stored)) continue
      for (const { cookie } of entries.values()) {
        if (cookie.secure && cookie.name === name && !isExpired(cookie, now) && pathMatches(path, cookie.path)) {
          return true
        }
      }
    }
    return false
  }

  all(now: number): ReadonlyArray<StoredCookie> {
    return [...this.#domains.values()].flatMap((entries) =>
      [...entries.values()].flatMap(({ cookie }) => isExpired(cookie, now) ? [] : [cookie])
    )
  }

  clear(): void {
    this.#domains.clear()
    this.#size = 0
  }
}
