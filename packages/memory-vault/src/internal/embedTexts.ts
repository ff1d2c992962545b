/**
 * The embedder as the vault uses it: in bounded batches, with checked answers, rounded to bytes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { EmbedderService } from "../Embedder.ts"
import { EmbeddingError } from "../MemoryVaultError.ts"

/** A service that does not answer must not hold a save for ever. */
const patience = "1 minute"
const batchSize = 64

/** What of an answer can be used: a direction of the right dimension. */
const checkVector = (vector: Float32Array, dimension: number): EmbeddingError["reason"] | undefined => {
  if (vector.length !== dimension) return "dimension"
  let isZero = true
  for (const value of vector) {
    if (!Number.isFinite(value)) return "not-finite"
    if (value !== 0) isZero = false
  }
  return isZero ? "zero" : undefined
}

/** The direction in whole numbers from -127 to 127: a quarter of the bytes at no loss that ranking notices. */
const toBytes = (vector: Float32Array): Int8Array => {
  let largest = 0
  for (const value of vector) largest = Math.max(largest, Math.abs(value))
  const bytes = new Int8Array(vector.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.round(127 * (vector[i]! / largest))
  return bytes
}

/**
 * @since 0.1.0
 */
export const toBlob = (vector: Int8Array): Uint8Array =>
  new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)

/**
 * @since 0.1.0
 */
export const fromBlob = (bytes: Uint8Array): Int8Array =>
  new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const embedBatch = (
  embedder: EmbedderService,
  texts: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Int8Array>, EmbeddingError> =>
  embedder.embed(texts).pipe(
    Effect.timeoutFail({ duration: patience, onTimeout: () => new EmbeddingError({ reason: "timeout" }) }),
    Effect.flatMap((vectors) => {
      if (vectors.length !== texts.length) return Effect.fail(new EmbeddingError({ reason: "partial" }))
      for (const vector of vectors) {
        const reason = checkVector(vector, embedder.dimension)
        if (reason !== undefined) return Effect.fail(new EmbeddingError({ reason }))
      }
      return Effect.succeed(vectors.map(toBytes))
    })
  )

/**
 * A vector for each text, in order; equal texts are asked for once.
 *
 * @since 0.1.0
 */
export const embedTexts = (
  embedder: EmbedderService,
  texts: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Int8Array>, EmbeddingError> =>
  Effect.gen(function*() {
    const distinct = [...new Set(texts)]
    const vectors = new Map<string, Int8Array>()
    for (let start = 0; start < distinct.length; start += batchSize) {
      const batch = distinct.slice(start, start + batchSize)
      for (const [i, vector] of (yield* embedBatch(embedder, batch)).entries()) vectors.set(batch[i]!, vector)
    }
    return texts.map((text) => vectors.get(text)!)
  })
