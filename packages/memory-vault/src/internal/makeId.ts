/**
 * Identifiers that sort by time: 48 bits of milliseconds and 80 random bits in Crockford's base 32, as a ULID.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { MemoryId } from "../Memory.ts"

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

const digits = (value: number, length: number): string => {
  let text = ""
  let rest = value
  for (let i = 0; i < length; i++) {
    text = alphabet[rest % 32] + text
    rest = Math.floor(rest / 32)
  }
  return text
}

/**
 * @since 0.1.0
 */
export const makeId = (millis: number): Effect.Effect<MemoryId> =>
  Effect.map(
    Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 20), 4),
    (random) => MemoryId.make(`mem_${digits(millis, 10)}${random.map((bits) => digits(bits, 4)).join("")}`)
  )
