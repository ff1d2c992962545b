// @effect-diagnostics nodeBuiltinImport:off -- node:net decides what an IP address is
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { LookupAddress } from "node:dns"
import { isIP } from "node:net"
import { DnsError } from "../HttpError.ts"
import type { Resolver } from "../Resolver.ts"

/** Runs an effect beside the callers; it ends with them at the latest. @internal */
export type Fork = (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>

type Found = ReadonlyArray<LookupAddress> | DnsError
type Waiter = (found: Found) => void

/** A lookup under way, and all who wait for it. */
interface Flight {
  readonly waiters: Set<Waiter>
  fiber: Fiber.RuntimeFiber<void> | undefined
}

const maxNames = 256
const nothingToCancel = () => undefined

const checked = (host: string, addresses: ReadonlyArray<string>): Found => {
  const found = addresses.map((address) => ({ address, family: isIP(address) }))
  if (found.length === 0) return new DnsError({ host, code: "EMPTY", cause: undefined })
  return found.every(({ family }) => family !== 0)
    ? found
    : new DnsError({ host, code: "EBADRESP", cause: undefined })
}

/**
 * The addresses of names, remembered for a while and for a bounded number of names, the least recently used forgotten
 * first. One lookup serves all who ask meanwhile; it is interrupted when the last of them goes. Failures are not kept.
 *
 * @internal
 */
export class NameCache {
  readonly #resolver: Resolver
  readonly #ttl: number
  readonly #now: () => number
  readonly #fork: Fork
  readonly #known = new Map<string, { readonly found: ReadonlyArray<LookupAddress>; readonly until: number }>()
  readonly #flights = new Map<string, Flight>()

  constructor(resolver: Resolver, ttl: number, now: () => number, fork: Fork) {
    this.#resolver = resolver
    this.#ttl = ttl
    this.#now = now
    this.#fork = fork
  }

  /** Call `done` once, now if the name is known. Gives what cancels the wait. */
  lookup(host: string, done: Waiter): () => void {
    const known = this.#known.get(host)
    if (known !== undefined) {
      this.#known.delete(host)
      if (this.#now() < known.until) {
        this.#known.set(host, known)
        done(known.found)
        return nothingToCancel
      }
    }
    const flight = this.#flights.get(host)
    if (flight !== undefined) {
      flight.waiters.add(done)
      return () => this.#leave(host, flight, done)
    }
    const started: Flight = { waiters: new Set([done]), fiber: undefined }
    this.#flights.set(host, started)
    started.fiber = this.#fork(Effect.matchCause(Effect.suspend(() => this.#resolver.resolve(host)), {
      onFailure: (cause) =>
        this.#land(
          host,
          started,
          Option.getOrElse(
            Cause.failureOption(cause),
            () => new DnsError({ host, code: "RESOLVER", cause: Cause.squash(cause) })
          )
        ),
      onSuccess: (addresses) => this.#land(host, started, checked(host, addresses))
    }))
    return () => this.#leave(host, started, done)
  }

  #leave(host: string, flight: Flight, waiter: Waiter): void {
    flight.waiters.delete(waiter)
    if (flight.waiters.size > 0 || this.#flights.get(host) !== flight) return
    this.#flights.delete(host)
    flight.fiber?.unsafeInterruptAsFork(flight.fiber.id())
  }

  #land(host: string, flight: Flight, found: Found): void {
    if (this.#flights.get(host) !== flight) return
    this.#flights.delete(host)
    if (!("_tag" in found) && this.#ttl > 0) {
      const [oldest] = this.#known.size >= maxNames ? this.#known.keys() : []
      if (oldest !== undefined) this.#known.delete(oldest)
      this.#known.set(host, { found, until: this.#now() + this.#ttl })
    }
    for (const waiter of flight.waiters) waiter(found)
  }

  /** No address of the host answered: ask again next time. */
  forget(host: string): void {
    this.#known.delete(host)
  }
}
