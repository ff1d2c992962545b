/**
 * Turns texts into vectors, so that a memory is found by what it means as well as by its words.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { EmbeddingError } from "./MemoryVaultError.ts"
import * as StaticEmbedder from "./StaticEmbedder.ts"

/**
 * A source of vectors.
 *
 * @since 0.1.0
 * @category models
 */
export interface EmbedderService {
  /**
   * Names the model and everything else that its vectors depend on. Vectors of one fingerprint are never compared with
   * those of another: the vault stores it and refuses to mix.
   */
  readonly fingerprint: string
  /** Numbers in a vector. */
  readonly dimension: number
  /** Whether asking again costs time or money: vectors of queries are then kept in the database. */
  readonly costly: boolean
  /**
   * A vector for each text, in order; at most 64 texts at a time. Lengths of vectors do not matter, directions do. The
   * vault checks what comes back: count, dimension, finite numbers, not all zero, within a minute.
   */
  readonly embed: (texts: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Float32Array>, EmbeddingError>
}

/**
 * The embedder in force; `StaticEmbedder` by default.
 *
 * @since 0.1.0
 * @category references
 */
export class Embedder extends Context.Reference<Embedder>()("@sennit/memory-vault/Embedder", {
  defaultValue: (): EmbedderService => StaticEmbedder.make()
}) {}

/**
 * Your own embedder; provide it to a vault's layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (embedder: EmbedderService): Layer.Layer<never> => Layer.succeed(Embedder, embedder)
