/**
 * Identifiers that sort by time: 48 bits of milliseconds and 80 random bits in Crockford's base 32, as a ULID.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { JobId, SummaryId } from "../Compressor.ts"
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
 * The 26 characters, which differ even within one millisecond and when the clock goes back. A time that they cannot
 * hold, before 1970, sorts first.
 */
const makeTail = (millis: number): Effect.Effect<string> =>
  Effect.map(
    Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 20), 4),
    (random) => `${digits(Math.max(0, Math.floor(millis)), 10)}${random.map((bits) => digits(bits, 4)).join("")}`
  )

/**
 * @since 0.1.0
 */
export const makeId = (millis: number): Effect.Effect<MemoryId> =>
  Effect.map(makeTail(millis), (tail) => MemoryId.make(`mem_${tail}`))

/**
 * @since 0.1.0
 */
export const makeSummaryId = (millis: number): Effect.Effect<SummaryId> =>
  Effect.map(makeTail(millis), (tail) => SummaryId.make(`sum_${tail}`))

/**
 * @since 0.1.0
 */
export const makeJobId = (millis: number): Effect.Effect<JobId> =>
  Effect.map(makeTail(millis), (tail) => JobId.make(`job_${tail}`))

/**
 * The identifier of a session that its opener gave none.
 *
 * @since 0.1.0
 */
export const makeSessionId = (millis: number): Effect.Effect<string> =>
  Effect.map(makeTail(millis), (tail) => `ses_${tail}`)
