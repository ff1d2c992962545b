/**
 * Writes the summaries of a session, and what the vault keeps of them. Compression takes nothing away: the memories of
 * a compressed session are found as before, bit for bit.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { extractSummary } from "./internal/extractSummary.ts"
import type { Memory } from "./Memory.ts"
import type { CompressionError } from "./MemoryVaultError.ts"

/**
 * The identifier of a summary: `sum_` and 26 characters that sort by time of writing.
 *
 * @since 0.1.0
 * @category models
 */
export const SummaryId = Schema.String.pipe(
  Schema.pattern(/^sum_[0-9a-hjkmnp-tv-z]{26}$/),
  Schema.brand("@sennit/memory-vault/SummaryId")
)

/**
 * @since 0.1.0
 * @category models
 */
export type SummaryId = typeof SummaryId.Type

/**
 * The identifier of a job: `job_` and 26 characters that sort by time of asking.
 *
 * @since 0.1.0
 * @category models
 */
export const JobId = Schema.String.pipe(
  Schema.pattern(/^job_[0-9a-hjkmnp-tv-z]{26}$/),
  Schema.brand("@sennit/memory-vault/JobId")
)

/**
 * @since 0.1.0
 * @category models
 */
export type JobId = typeof JobId.Type

/**
 * What a stretch of a session says in fewer words: at most 300 tokens. A session has one for each stretch of about
 * `300 / ratio` tokens.
 *
 * @since 0.1.0
 * @category models
 */
export interface Summary {
  readonly id: SummaryId
  readonly sessionId: string
  readonly text: string
  readonly tokens: number
  /** Tokens of the memories that it is made from. */
  readonly sourceTokens: number
  /** When the first of them happened. */
  readonly eventTime: DateTime.Utc
  readonly createdAt: DateTime.Utc
}

/**
 * A summary in a prompt block.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecalledSummary {
  readonly summary: Summary
  /** Of the recalled memories: those whose words are in the summary, so that it stands in the block in their place. */
  readonly memories: ReadonlyArray<Memory["id"]>
}

/**
 * What to compress, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface CompressOptions {
  /** Every session where absent. One whose summaries are up to date is left alone. */
  readonly sessions?: ReadonlyArray<string> | undefined
  /** Tokens of the summaries in proportion to those of the memories, from 0.05 to 0.9. Default 0.25. */
  readonly ratio?: number | undefined
  /** Tells what would come of it and writes no summary. */
  readonly dryRun?: boolean | undefined
}

/**
 * A job as it stands. It is written down, so it goes on in the next process if this one dies.
 *
 * @since 0.1.0
 * @category models
 */
export interface CompressionJob {
  readonly id: JobId
  readonly state: "queued" | "running" | "done" | "failed" | "cancelled"
  readonly dryRun: boolean
  /** Sessions to compress; absent until the job has begun. */
  readonly total?: number
  /** Sessions compressed so far. */
  readonly done: number
  readonly summaries: number
  readonly tokensBefore: number
  readonly tokensAfter: number
  /** Why it failed; no text of a memory is in it. */
  readonly error?: string
  readonly createdAt: DateTime.Utc
  readonly updatedAt: DateTime.Utc
}

/**
 * A stretch of one session, in order, and the room for its summary by the vault's token counter.
 *
 * @since 0.1.0
 * @category models
 */
export interface CompressInput {
  readonly memories: ReadonlyArray<Memory>
  readonly maxTokens: number
  readonly count: (text: string) => number
}

/**
 * The compressor in force; `name` is written down with what it wrote, and another name compresses anew. An empty
 * summary is left out, and one that is too long is cut after a sentence. By default extractive: the turns that together
 * say the most, in their own words, deterministic and offline.
 *
 * @since 0.1.0
 * @category references
 */
export class Compressor extends Context.Reference<Compressor>()("@sennit/memory-vault/Compressor", {
  defaultValue: (): {
    readonly name: string
    readonly compress: (input: CompressInput) => Effect.Effect<string, CompressionError>
  } => extractive
}) {}

const extractive = {
  name: "extractive 1",
  compress: (input: CompressInput): Effect.Effect<string, CompressionError> =>
    Effect.sync(() => extractSummary(input.memories, input))
}

/**
 * The default, said explicitly.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerExtractive: Layer.Layer<never> = Layer.succeed(Compressor, extractive)

/**
 * Your own compressor; `adapters/LanguageModelCompressor` has one over a language model.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (compressor: typeof Compressor.Service): Layer.Layer<never> =>
  Layer.succeed(Compressor, compressor)
