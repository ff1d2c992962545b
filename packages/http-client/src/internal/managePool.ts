import type { Settings } from "../HttpConfig.ts"
import { PoolClosed, PoolTimeout, TotalTimeout } from "../HttpError.ts"
import type { Owner } from "./driveConnection.ts"
import { Driver } from "./driveConnection.ts"
import type { Connector, Origin } from "./openSocket.ts"
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
  readonly drivers = new Set<Driver>()

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
  readonly connector: Connector
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
  /** Connections that have something to write at the end of this turn. */
  #unwritten: Array<Driver> = []
  #sequence = 0
  #state: "open" | "draining" | "closed" = "open"
  #onQuiet: Array<() => void> = []
  /** Who follows what the pool does. */
  readonly watchers = new Set<() => void>()

  /** `onActive` is called whenever there may be something to sweep. */
  constructor(connector: Connector, now: () => number, onActive: () => void) {
    this.settings = connector.settings
    this.connector = connector
    this.now = now
    this.coarseNow = now()
    this.#onActive = onActive
  }

  get idle(): number {
    let idle = 0
    for (const driver of this.drivers) if (driver.idle) idle++
    return idle
  }

  #changed(): void {
    for (const watcher of this.watchers) watcher()
  }

  get #isFull(): boolean {
    return this.drivers.size >= this.settings.connections
  }

  dispatch(exchange: Exchange): void {
    this.#start(exchange)
    this.#changed()
  }

  #start(exchange: Exchange): void {
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
    if (this.#tryOpen(pool, exchange)) return
    const busy = this.settings.pipelining > 1 ? this.#leastLoaded(pool, exchange) : undefined
    if (busy === undefined) return this.#enqueue(pool, exchange, now)
    this.reused++
    busy.send(exchange)
  }

  /** The connection with the fewest requests under way that may take another. */
  #leastLoaded(pool: OriginPool, exchange: Exchange): Driver | undefined {
    let best: Driver | undefined
    for (const driver of pool.drivers) {
      if (driver.accepts(exchange) && (best === undefined || driver.load < best.load)) best = driver
    }
    return best
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
    if (pool.drivers.size >= this.settings.connectionsPerOrigin) return false
    if (this.#isFull && (!this.#closeOneIdle() || this.#isFull)) {
      this.#starved.add(pool)
      return false
    }
    // closing an idle connection may have dropped the entry of an origin
    this.#origins.set(pool.origin.key, pool)
    const driver = new Driver(this, pool.origin)
    pool.drivers.add(driver)
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
      driver.send(waiting)
      return this.relieved(driver)
    }
    if (this.#state === "draining") return driver.close()
    pool.idle.push(driver)
    this.#changed()
  }

  flushSoon(driver: Driver): void {
    // nobody else can have something to write
    if (this.drivers.size === 1 && this.settings.pipelining === 1) return driver.flush()
    if (this.#unwritten.push(driver) > 1) return
    // the phase after the one in which Node polls sockets
    setImmediate(() => {
      const drivers = this.#unwritten
      this.#unwritten = []
      for (const one of drivers) one.flush()
    })
  }

  relieved(driver: Driver): void {
    if (this.settings.pipelining === 1 || this.#state === "closed") return
    const pool = this.#poolOf(driver.origin)
    for (let first = pool.waiting.first; first !== undefined && driver.accepts(first); first = pool.waiting.first) {
      this.#unqueue(pool, first)
      this.reused++
      driver.send(first)
    }
  }

  closed(driver: Driver, retry: Exchange | undefined): void {
    this.drivers.delete(driver)
    const pool = this.#poolOf(driver.origin)
    pool.drivers.delete(driver)
    const place = pool.idle.indexOf(driver)
    if (place !== -1) pool.idle.splice(place, 1)
    for (let repeat = retry; repeat !== undefined;) {
      const following: Exchange | undefined = repeat.next
      repeat.next = undefined
      if (this.#state === "closed") repeat.fail(new PoolClosed({ origin: pool.origin.key, sent: repeat.sent }))
      else if (!this.#tryOpen(pool, repeat)) this.#enqueue(pool, repeat, this.now())
      repeat = following
    }
    if (this.#state !== "closed") this.#serve(pool)
    this.#forget(pool)
    this.#settleQuiet()
    this.#changed()
  }

  /** A place is free: whoever has waited longest, of those who may, opens a connection. */
  #serve(pool: OriginPool): void {
    if (this.#isFull) return
    let oldest: Exchange | undefined
    let place = pool
    for (const candidate of [pool, ...this.#starved]) {
      const first = candidate.waiting.first
      if (first === undefined || candidate.drivers.size >= this.settings.connectionsPerOrigin) continue
      if (oldest !== undefined && oldest.sequence < first.sequence) continue
      oldest = first
      place = candidate
    }
    if (oldest === undefined) return
    this.#unqueue(place, oldest)
    this.#tryOpen(place, oldest)
  }

  #forget(pool: OriginPool): void {
    if (pool.drivers.size === 0 && pool.waiting.first === undefined) this.#origins.delete(pool.origin.key)
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
