/**
 * A vector for a word that no table knows, from its letters alone: each run of three to five letters, or of one or two
 * characters of a script without spaces, adds a fixed sequence of signs, so words that share spelling share direction
 * (after Bojanowski et al. 2017, without training).
 *
 * @since 0.1.0
 */
import { isUnspaced } from "./analyzeText.ts"

/** FNV-1a, then the finalizer of MurmurHash3: never 0, which the generator below would stay at. */
const hash = (text: string): number => {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) || 1
}

/** Marsaglia's xorshift: 32 signs a step. */
const addSigns = (signs: Float32Array, seed: number) => {
  let state = seed
  for (let i = 0; i < signs.length; i += 32) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const end = Math.min(32, signs.length - i)
    for (let bit = 0; bit < end; bit++) signs[i + bit]! += (state >>> bit & 1) * 2 - 1
  }
}

/** Longer words are cut: what follows the 64th letter tells no more. */
const maxLetters = 64

const signsOf = (word: string, dimension: number): Float32Array => {
  const signs = new Float32Array(dimension)
  const [shortest, longest] = isUnspaced(word) ? [1, 2] : [3, 5]
  const letters = shortest === 1 ? Array.from(word) : Array.from(`<${word}>`)
  for (let size = Math.min(shortest, letters.length); size <= longest; size++) {
    for (let i = 0; i + size <= Math.min(letters.length, maxLetters); i++) {
      addSigns(signs, hash(letters.slice(i, i + size).join("")))
    }
  }
  return signs
}

/**
 * Adds the word's direction, at length `weight`.
 *
 * @since 0.1.0
 */
export const addUnknown = (sum: Float32Array, word: string, weight: number): void => {
  const signs = signsOf(word, sum.length)
  let squares = 0
  for (const value of signs) squares += value * value
  const factor = squares === 0 ? 0 : weight / Math.sqrt(squares)
  for (let i = 0; i < sum.length; i++) sum[i]! += factor * signs[i]!
}
