import * as Duration from "effect/Duration"
import { PCGRandom } from "effect/Utils"

/**
 * What a fault proxy does to one connection. Without any field the bytes pass unchanged.
 *
 * - `delay`: how long each piece waits, in both directions
 * - `split`: the largest piece in bytes; each is of a random size up to it, in both directions
 * - `throttle`: bytes per second that the server's bytes pass at
 * - `end`: what happens after `after` bytes of the server: `truncate` closes in order, `reset` with RST, and `stall` passes
 *   nothing more and keeps the connection open
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultPlan {
  readonly delay?: Duration.DurationInput | undefined
  readonly split?: number | undefined
  readonly throttle?: number | undefined
  readonly end?: { readonly kind: "truncate" | "reset" | "stall"; readonly after: number } | undefined
}

/**
 * Chances, from 0 to 1, that a connection has a fault.
 *
 * - `longestDelay`: bound of a delay (20 milliseconds)
 * - `within`: bound of the server's bytes after which a connection ends (16384)
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultChances {
  readonly delay?: number | undefined
  readonly split?: number | undefined
  readonly throttle?: number | undefined
  readonly truncate?: number | undefined
  readonly reset?: number | undefined
  readonly stall?: number | undefined
  readonly longestDelay?: Duration.DurationInput | undefined
  readonly within?: number | undefined
}

/**
 * Plans by chance: the same seed gives the nth connection the same plan.
 *
 * @example
 * ```ts
 * import { faultProxy, randomFaults } from "@sennit/http-client/testing"
 *
 * const proxy = faultProxy({ port: 8080, plan: randomFaults({ split: 0.5, reset: 0.1, stall: 0.05 }, 42) })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const randomFaults = (chances: FaultChances, seed: number): (connection: number) => FaultPlan => {
  const longest = Duration.toMillis(chances.longestDelay ?? "20 millis")
  const within = chances.within ?? 16_384
  return (connection) => {
    const random = new PCGRandom(seed, connection)
    const happens = (chance = 0) => random.number() < chance
    const after = random.integer(within)
    const kinds = ["truncate", "reset", "stall"] as const
    const kind = kinds.find((one) => happens(chances[one]))
    return {
      delay: happens(chances.delay) ? random.number() * longest : undefined,
      split: happens(chances.split) ? 1 + random.integer(64) : undefined,
      throttle: happens(chances.throttle) ? 1024 + random.integer(65_536) : undefined,
      end: kind === undefined ? undefined : { kind, after }
    }
  }
}
