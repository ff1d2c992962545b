/**
 * The index terms of a memory or a summary as they stand in its row, sealed where the vault is: each term and how often
 * it occurs, parted by spaces, which no term contains.
 *
 * @since 0.1.0
 */
import { SqlError } from "@effect/sql/SqlError"
import * as Either from "effect/Either"
import { opening } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"

const encodeTerms = (terms: ReadonlyMap<string, number>): string => {
  let out = ""
  for (const [term, frequency] of terms) out += out === "" ? `${term} ${frequency}` : ` ${term} ${frequency}`
  return out
}

const decodeTerms = (stored: string): Either.Either<ReadonlyArray<readonly [string, number]>, SqlError> => {
  const parts = stored === "" ? [] : stored.split(" ")
  const terms: Array<readonly [string, number]> = []
  for (let i = 0; i < parts.length; i += 2) {
    const frequency = Number(parts[i + 1])
    if (!(frequency >= 1)) {
      return Either.left(new SqlError({ cause: undefined, message: "stored terms are not what this package writes" }))
    }
    terms.push([parts[i]!, frequency])
  }
  return Either.right(terms)
}

/**
 * @since 0.1.0
 */
export const sealTerms = (sealer: Sealer, place: string, terms: ReadonlyMap<string, number>): string =>
  sealer.sealText(place, encodeTerms(terms))

/**
 * @since 0.1.0
 */
export const openTerms = (
  sealer: Sealer,
  place: string,
  stored: string
): Either.Either<ReadonlyArray<readonly [term: string, frequency: number]>, SqlError> =>
  Either.flatMap(opening(() => sealer.openText(place, stored)), decodeTerms)

/**
 * How many terms there are, repeats included.
 *
 * @since 0.1.0
 */
export const sumOf = (terms: Iterable<readonly [term: string, frequency: number]>): number => {
  let total = 0
  for (const [, frequency] of terms) total += frequency
  return total
}
