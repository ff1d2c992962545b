/**
 * Gives the best memories a second look, with their texts, by whatever model one has.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { RecalledMemory } from "./Memory.ts"
import type { RerankingError } from "./MemoryVaultError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface RerankerService {
  readonly name: string
  /** How many of the best are looked at, 1 to 1000; what is beyond keeps its place behind them. */
  readonly depth: number
  /** A score for each memory, in the order given, higher is better. A minute at most. */
  readonly rerank: (
    query: string,
    memories: ReadonlyArray<RecalledMemory>
  ) => Effect.Effect<ReadonlyArray<number>, RerankingError>
}

/**
 * The reranker in force; none by default. `RecallQuery.rerank: false` leaves it out of one recall.
 *
 * @since 0.1.0
 * @category references
 */
export class Reranker extends Context.Reference<Reranker>()("@sennit/memory-vault/Reranker", {
  defaultValue: (): Option.Option<RerankerService> => Option.none()
}) {}

/**
 * Your own reranker; provide it to a vault's layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (reranker: RerankerService): Layer.Layer<never> => Layer.succeed(Reranker, Option.some(reranker))
