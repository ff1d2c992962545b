/**
 * The default embedder: a table of 30,000 English words, distilled from the Universal Sentence Encoder lite (Cer et al.
 * 2018, Apache-2.0; `table/NOTICE`). A text is the mean of its words, rare ones counting more (smooth inverse frequency,
 * Arora et al. 2017). No model, no network, no native code; the same text gives the same vector everywhere.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { EmbedderService } from "./Embedder.ts"
import { contentWords } from "./internal/analyzeText.ts"
import { addUnknown } from "./internal/hashWords.ts"
import { readTable } from "./internal/readTable.ts"
import type { WordTable } from "./internal/readTable.ts"

/** A word of the table counts a/(a + its share of all words); the shares follow Zipf's law by rank. */
const a = 1e-3
const zipf = (rank: number): number => 1 / (12.9 * (rank + 3.7))
/** What a word outside of the table counts: alike spellings meet, and nothing is known of what it means. */
const unknownWeight = 0.3

const addKnown = (sum: Float32Array, { dimension, norms, rows }: WordTable, row: number) => {
  const weight = a / (a + zipf(row)) / norms[row]!
  const start = row * dimension
  for (let i = 0; i < dimension; i++) sum[i]! += weight * rows[start + i]!
}

const toUnit = (vector: Float32Array): Float32Array => {
  let squares = 0
  for (const value of vector) squares += value * value
  const length = Math.sqrt(squares)
  return length === 0 ? vector : vector.map((value) => value / length)
}

const embedText = (table: WordTable, text: string): Float32Array => {
  const sum = new Float32Array(table.dimension)
  const words = contentWords(text)
  for (const { stem, word } of words) {
    const row = table.words.get(word) ?? table.words.get(stem)
    if (row === undefined) addUnknown(sum, word, unknownWeight)
    else addKnown(sum, table, row)
  }
  // Emoji and punctuation alone are a word of their own.
  if (words.length === 0) addUnknown(sum, text, 1)
  return toUnit(sum)
}

/**
 * An embedder over the table that comes with the package: 256 dimensions, about 8 MB, read when it is first asked.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): EmbedderService => {
  let table: WordTable | undefined
  return {
    fingerprint: "sennit-static-english-1",
    dimension: 256,
    costly: false,
    embed: (texts) =>
      Effect.map(
        Effect.suspend(() => table === undefined ? readTable : Effect.succeed(table)),
        (read) => {
          table = read
          return texts.map((text) => embedText(read, text))
        }
      )
  }
}
