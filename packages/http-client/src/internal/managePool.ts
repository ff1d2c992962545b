import type { Settings } from "../HttpConfig.ts"
import { PoolClosed, PoolTimeout, TotalTimeout } from "../HttpError.ts"
import type { Owner } from "./driveConnection.ts"
import { Driver } from "./driveConnection.ts"
import type { Origin } from "./openSocket.ts"
import type { Exchange } from "./runExchange.ts"

/** A first-in first-out queue that an exchange can leave from any place. */
class WaitQueue {
  first: Exchange | undefined = undefined
  #last: Exchange | undefined = undefined

  push(exchange: Exchange): void {
    exchange.queued = true
    exchange.previous = this.#last
    if (this.#last === undefined) this.first = exchange
    else this.#last.next = exchange
    this.#last = exchange
  }

  remove(exchange: Exchange): void {
    const { next, previous } = exchange
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    exchange.previous = undefined
    exchange.next = undefined
    exchange.queued = false
  }
}

/** The connections to one origin. */
class OriginPool {
  readonly origin: Origin
  readonly idle: Array<Driver> = []
  readonly waiting = new WaitQueue()
  open = 0

  constructor(origin: Origin) {
    this.origin = origin
  }
}

/**
 * Shares connections between exchanges. Taking an idle connection is an array pop; everything else happens only when
 * there is none.
 *
 * @internal
 */
export class PoolManager implements Owner {
  readonly settings: Settings
  readonly now: () => number
  coarseNow: number
  waiting = 0
  created = 0
  reused = 0
  readonly drivers = new Set<Driver>()
  readonly #origins = new Map<string, OriginPool>()
  /** Origins that wait because the pool as a whole is full, the longest waiting first. */
  readonly #starved = new Set<OriginPool>()
  readonly #onActive: () => void
  #sequence = 0
  #state: "open" | "draining" | "closed" = "open"
  #onQuiet: Array<() => void> = []

  /** `onActive` is called whenever there may be something to sweep. */
  constructor(settings: Settings, now: () => number, onActive: () => void) {
    this.settings = settings
    this.now = now
    this.coarseNow = now()
    this.#onActive = onActive
  }

  get idle(): number {
    let idle = 0
    for (const driver of this.drivers) if (driver.idle) idle++
    return idle
  }

  get #isFull(): boolean {
    return this.drivers.size >= this.settings.connections
  }

  dispatch(exchange: Exchange): void {
    if (this.#state !== "open") {
      return exchange.fail(new PoolClosed({ origin: exchange.origin.key, sent: exchange.sent }))
    }
    const now = this.now()
    this.coarseNow = now
    exchange.totalDeadline = now + this.settings.timeouts.total
    exchange.sequence = this.#sequence++
    const pool = this.#poolOf(exchange.origin)
    for (let driver = pool.idle.pop(); driver !== undefined; driver = pool.idle.pop()) {
      if (driver.isUsable(now)) {
        this.reused++
        return driver.send(exchange)
      }
      driver.close()
    }
    if (!this.#tryOpen(pool, exchange)) this.#enqueue(pool, exchange, now)
  }

  #poolOf(origin: Origin): OriginPool {
    const found = this.#origins.get(origin.key)
    if (found !== undefined) return found
    const made = new OriginPool(origin)
    this.#origins.set(origin.key, made)
    return made
  }

  #enqueue(pool: OriginPool, exchange: Exchange, now: number): void {
    if (this.waiting >= this.settings.waiting) {
      if (pool.waiting.first === undefined) this.#starved.delete(pool)
      return exchange.fail(new PoolTimeout({ reason: "QueueFull", origin: pool.origin.key }))
    }
    exchange.acquireDeadline = now + this.settings.timeouts.acquire
    exchange.unqueue = (leaving) => this.#unqueue(pool, leaving)
    pool.waiting.push(exchange)
    this.waiting++
    this.#onActive()
  }

  #unqueue(pool: OriginPool, exchange: Exchange): void {
    pool.waiting.remove(exchange)
    this.waiting--
    if (pool.waiting.first === undefined) this.#starved.delete(pool)
    this.#forget(pool)
  }

  /** Open a connection for the exchange unless a bound forbids it. */
  #tryOpen(pool: OriginPool, exchange: Exchange): boolean {
    if (pool.open >= this.settings.connectionsPerOrigin) return false
    if (this.#isFull && (!this.#closeOneIdle() || this.#isFull)) {
      this.#starved.add(pool)
      return false
    }
    // closing an idle connection may have dropped the entry of an origin
    this.#origins.set(pool.origin.key, pool)
    const driver = new Driver(this, pool.origin)
    pool.open++
    this.created++
    this.drivers.add(driver)
    this.#onActive()
    driver.open(exchange)
    return true
  }

  #closeOneIdle(): boolean {
    for (const pool of this.#origins.values()) {
      const oldest = pool.idle.shift()
      if (oldest !== undefined) {
        oldest.close()
        return true
      }
    }
    return false
  }

  /** A connection has done its work: the one who has waited longest gets it, or the place that it takes. */
  release(driver: Driver): void {
    const pool = this.#poolOf(driver.origin)
    const waiting = pool.waiting.first
    const [starved] = this.#starved
    const starvedFirst = starved?.waiting.first
    const yields = starvedFirst !== undefined && starved !== pool &&
      (waiting === undefined || starvedFirst.sequence < waiting.sequence)
    if (yields || this.#state === "closed" || driver.createdAt + this.settings.maxAge <= this.coarseNow) {
      return driver.close()
    }
    if (waiting !== undefined) {
      this.#unqueue(pool, waiting)
      this.reused++
      return driver.send(waiting)
    }
    if (this.#state === "draining") return driver.close()
    pool.idle.push(driver)
  }

  closed(driver: Driver, retry: Exchange | undefined): void {
    this.drivers.delete(driver)
    const pool = this.#poolOf(driver.origin)
    pool.open--
    const place = pool.idle.indexOf(driver)
    if (place !== -1) pool.idle.splice(place, 1)
    if (this.#state !== "closed") {
      if (retry !== undefined && !this.#tryOpen(pool, retry)) this.#enqueue(pool, retry, this.now())
      this.#serve(pool)
    } else {
      retry?.fail(new PoolClosed({ origin: pool.origin.key, sent: retry.sent }))
    }
    this.#forget(pool)
    this.#settleQuiet()
  }

  /** A place is free: whoever has waited longest, of those who may, opens a connection. */
  #serve(pool: OriginPool): void {
    if (this.#isFull) return
    let oldest: Exchange | undefined
    let place = pool
    for (const candidate of [pool, ...this.#starved]) {
      const first = candidate.waiting.first
      if (first === undefined || candidate.open >= this.settings.connectionsPerOrigin) continue
      if (oldest !== undefined && oldest.sequence < first.sequence) continue
      oldest = first
      place = candidate
    }
    if (oldest === undefined) return
    this.#unqueue(place, oldest)
    this.#tryOpen(place, oldest)
  }

  #forget(pool: OriginPool): void {
    if (pool.open === 0 && pool.waiting.first === undefined) this.#origins.delete(pool.origin.key)
  }

  // ------------------------------------------------------------------------------------------------------- the end

  /** Everything whose time is over ends. Gives the milliseconds until the next deadline, undefined when all is quiet. */
  sweep(): number | undefined {
    const now = this.now()
    this.coarseNow = now
    for (const driver of this.drivers) driver.sweep(now)
    let next = Number.POSITIVE_INFINITY
    for (const driver of this.drivers) next = Math.min(next, driver.deadline)
    if (this.waiting > 0) {
      for (const pool of this.#origins.values()) {
        this.#sweepWaiting(pool, now)
        const first = pool.waiting.first
        if (first !== undefined) next = Math.min(next, first.acquireDeadline, first.totalDeadline)
      }
    }
    return this.drivers.size > 0 || this.waiting > 0 ? next - now : undefined
  }

  #sweepWaiting(pool: OriginPool, now: number): void {
    let exchange = pool.waiting.first
    // all wait equally long, so the first that may still wait ends the search
    while (exchange !== undefined && (now >= exchange.acquireDeadline || now >= exchange.totalDeadline)) {
      this.#unqueue(pool, exchange)
      exchange.fail(
        now >= exchange.totalDeadline
          ? new TotalTimeout({ origin: pool.origin.key, millis: this.settings.timeouts.total, sent: "none" })
          : new PoolTimeout({ reason: "Acquire", origin: pool.origin.key })
      )
      exchange = pool.waiting.first
    }
  }

  #settleQuiet(): void {
    if (this.drivers.size > 0 || this.waiting > 0) return
    const settle = this.#onQuiet
    this.#onQuiet = []
    for (const done of settle) done()
  }

  /** Take no more requests, let the present ones finish, close every connection; then call `done`. */
  drain(done: () => void): void {
    if (this.#state === "open") this.#state = "draining"
    for (const pool of this.#origins.values()) {
      while (pool.idle.length > 0) pool.idle.pop()?.close()
    }
    this.#onQuiet.push(done)
    this.#settleQuiet()
  }

  /** Close everything now; what is under way fails with `PoolClosed`. */
  close(): void {
    this.#state = "closed"
    for (const pool of this.#origins.values()) {
      for (let first = pool.waiting.first; first !== undefined; first = pool.waiting.first) {
        this.#unqueue(pool, first)
        first.fail(new PoolClosed({ origin: pool.origin.key, sent: "none" }))
      }
    }
    for (const driver of this.drivers) driver.close()
  }
}
