/**
 * The models: what is saved, what comes back.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import type { CompressOptions, JobId, RecalledSummary } from "./Compressor.ts"
import type { SignalName } from "./internal/rankerWeights.ts"
import type { PromptFormat } from "./PromptBlock.ts"

/**
 * The identifier of a memory: `mem_` and 26 characters that sort by time of saving.
 *
 * @since 0.1.0
 * @category models
 */
export const MemoryId = Schema.String.pipe(
  Schema.pattern(/^mem_[0-9a-hjkmnp-tv-z]{26}$/),
  Schema.brand("@sennit/memory-vault/MemoryId")
)

/**
 * @since 0.1.0
 * @category models
 */
export type MemoryId = typeof MemoryId.Type

/**
 * `episodic`: what happened; `semantic`: what is so; `working`: what matters just now; `procedural`: how the user
 * wants things done.
 *
 * @since 0.1.0
 * @category models
 */
export const MemoryType = Schema.Literal("episodic", "semantic", "working", "procedural")

/**
 * @since 0.1.0
 * @category models
 */
export type MemoryType = typeof MemoryType.Type

/**
 * A flat record of JSON scalars that travels with a memory; it is neither searched nor put into prompts. At most 8,192
 * characters of JSON; a key `__proto__` is refused.
 *
 * @since 0.1.0
 * @category models
 */
export const Metadata = Schema.Record({
  key: Schema.String,
  value: Schema.Union(Schema.String, Schema.JsonNumber, Schema.Boolean, Schema.Null)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Metadata = typeof Metadata.Type

/**
 * One remembered chunk of text.
 *
 * @since 0.1.0
 * @category models
 */
export interface Memory {
  readonly id: MemoryId
  readonly type: MemoryType
  readonly text: string
  /** By the vault's token counter at the time of saving. */
  readonly tokens: number
  /** 0 to 1, by salience; it weighs a little in ranking and never decides whether a text is kept. */
  readonly importance: number
  /** How often this very text was saved. */
  readonly occurrences: number
  readonly sessionId?: string
  readonly speaker?: string
  readonly role?: string
  readonly eventTime?: DateTime.Utc
  readonly metadata?: Metadata
  readonly createdAt: DateTime.Utc
  /** 1 when saved; one more with every `update`. */
  readonly version: number
  readonly updatedAt: DateTime.Utc
  /** Since when what it says is so. */
  readonly validFrom: DateTime.Utc
  /** Until when, exclusive; absent while it holds. */
  readonly validTo?: DateTime.Utc
  /** The memory whose fact ended this one's. */
  readonly supersededBy?: MemoryId
}

/**
 * What a memory said from one version on.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryRevision {
  readonly version: number
  readonly recordedAt: DateTime.Utc
  readonly text: string
  readonly type: MemoryType
  readonly validFrom: DateTime.Utc
  readonly eventTime?: DateTime.Utc
  readonly metadata?: Metadata
}

/**
 * What to change of a memory; what is absent stays. The new text stays one memory: it must fit one chunk.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryChange {
  /** The version that the caller saw; the update fails when the memory has another one by now. */
  readonly version: number
  readonly text?: string | undefined
  readonly type?: MemoryType | undefined
  readonly eventTime?: DateTime.DateTime.Input | undefined
  readonly metadata?: Metadata | undefined
  /** Follows `eventTime` where only that is given. */
  readonly validFrom?: DateTime.DateTime.Input | undefined
  /** `null` takes a stated end back. */
  readonly validTo?: DateTime.DateTime.Input | null | undefined
}

/**
 * What to save. A long text becomes several memories; a text that the scope already holds from the same speaker becomes
 * none, its count goes up instead.
 *
 * @since 0.1.0
 * @category models
 */
export interface SaveInput {
  readonly text: string
  /** Overrides the classifiers. */
  readonly type?: MemoryType | undefined
  /** Memories of one session, in order of saving, give each other context in ranking. */
  readonly sessionId?: string | undefined
  /** Who said it; recall favours turns of a speaker whom the query names. */
  readonly speaker?: string | undefined
  readonly role?: string | undefined
  /** When it happened; the time of saving where absent. */
  readonly eventTime?: DateTime.DateTime.Input | undefined
  readonly metadata?: Metadata | undefined
  /** Since when it is so; `eventTime`, else the time of saving, where absent. */
  readonly validFrom?: DateTime.DateTime.Input | undefined
  /** Until when it is so; open where absent. After that time `recall` leaves it out. */
  readonly validTo?: DateTime.DateTime.Input | undefined
  /**
   * A save that is repeated with its key, after a failure that left its fate open, has no further effect and answers
   * with the memories of the first one; another text under the key is refused. What was forgotten since does not come
   * back. Keys stay until `forgetAll`.
   */
  readonly idempotencyKey?: string | undefined
}

/**
 * The memories that now hold the text, in its order, and how many of them are new or were there already.
 *
 * @since 0.1.0
 * @category models
 */
export interface SaveResult {
  readonly memories: ReadonlyArray<Memory>
  readonly created: number
  readonly merged: number
  /** Its idempotency key was known, so nothing happened; `memories` are those of the first save that are still there. */
  readonly repeated: boolean
  /** Memories that hold no longer because of what was saved; for `saveAll` told with the last input of its batch. */
  readonly superseded: ReadonlyArray<MemoryId>
  /** Prompt blocks of a vault that stood in the text and were left out; nothing else may have been in it. */
  readonly blocks: number
}

/**
 * Which memories are meant at all; applied before any ranking. Times are event times, or times of saving where a memory
 * has none.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryFilter {
  readonly types?: ReadonlyArray<MemoryType> | undefined
  readonly sessionId?: string | undefined
  /** Inclusive. */
  readonly from?: DateTime.DateTime.Input | undefined
  /** Exclusive. */
  readonly until?: DateTime.DateTime.Input | undefined
}

/**
 * What to recall.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecallQuery extends MemoryFilter {
  /** Any text; only its first 16,384 characters are looked at. */
  readonly query: string
  /** At most this many memories, 1 to 1000. Default 5. */
  readonly topK?: number | undefined
  /** Upper bound of the whole prompt block. Default 2000. */
  readonly tokenBudget?: number | undefined
  /** How much of the budget procedures may take, 0 to 1. Default 0.25; 0 leaves them out, as do `types` without theirs. */
  readonly proceduralShare?: number | undefined
  /** Default `xml`. */
  readonly format?: PromptFormat | undefined
  /**
   * At most this many summaries that match the query by themselves come before the memories, 0 to 20. Default 0: a
   * summary is then in the block only where it says, in fewer tokens, what recalled memories say.
   */
  readonly summaries?: number | undefined
  /** What was so at this time. Absent: what is so now, or will be. */
  readonly asOf?: DateTime.DateTime.Input | undefined
  /** Also what held once and does no longer. */
  readonly includeSuperseded?: boolean | undefined
  /** Whether the vault's reranker, where it has one, looks at the best. Default true. */
  readonly rerank?: boolean | undefined
  /** Adds each signal's share of the score. */
  readonly explain?: boolean | undefined
}

/**
 * A standing instruction: how the user wants things done, under a key that a later one takes over.
 *
 * @since 0.1.0
 * @category models
 */
export interface Procedure {
  readonly key: string
  readonly text: string
  /** 1 at first; one more with every `upsert` of the key. */
  readonly version: number
  readonly createdAt: DateTime.Utc
  readonly updatedAt: DateTime.Utc
}

/**
 * A note that matters to one session only.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkingNote {
  readonly key: string
  readonly text: string
  readonly expiresAt: DateTime.Utc
}

/**
 * A memory that answers a query. Scores compare within one result only.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecalledMemory {
  readonly memory: Memory
  readonly score: number
  readonly signals?: Readonly<Record<SignalName, number>>
}

/**
 * The procedures and then the memories, best first, are exactly what is in the prompt block; there a summary stands in
 * the place of the memories that it names.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecallResult {
  /** Latest change first, as many as fit their share of the budget. */
  readonly procedures: ReadonlyArray<Procedure>
  readonly memories: ReadonlyArray<RecalledMemory>
  /** In the order of the block. */
  readonly summaries: ReadonlyArray<RecalledSummary>
  /** Ranked among the best `topK`, but beyond the token budget. */
  readonly omitted: number
  /** Tokens of the prompt block, wrapper and labels included. */
  readonly totalTokens: number
  readonly promptBlock: string
}

/**
 * What `forgetAll` removed.
 *
 * @since 0.1.0
 * @category models
 */
export interface ErasureReceipt {
  readonly memories: number
  /** Procedures and working notes. */
  readonly notes: number
  /** Summaries that were made from them. */
  readonly summaries: number
  /**
   * Whether the write-ahead log was emptied. `false` means that another process was reading for longer than the retries
   * last: the memories are gone for every reader, but bytes of them remain in the log until the next checkpoint.
   */
  readonly logTruncated: boolean
}

/**
 * What an import did. `kept` counts records that the scope already held: the same identifier, the same text of the same
 * speaker with the same validity, or a procedure that is not newer.
 *
 * @since 0.1.0
 * @category models
 */
export interface ImportReport {
  readonly memories: number
  readonly procedures: number
  readonly kept: number
}

/**
 * How far `reembed` is, in memories.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReembedProgress {
  readonly done: number
  readonly total: number
}

/**
 * What a scope holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScopeStats {
  readonly memories: number
  /** Of these: ended by a later fact. */
  readonly superseded: number
  readonly sessions: number
  readonly procedures: number
  /** Working notes, those that expired and wait for removal included. */
  readonly notes: number
  readonly summaries: number
  /** Characters of all texts. */
  readonly characters: number
}

/**
 * How a session is opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionOptions {
  /** An identifier of one's own; a new one where absent. */
  readonly sessionId?: string | undefined
  /** Asks for the session's compression when it ends. */
  readonly compress?: Pick<CompressOptions, "ratio"> | boolean | undefined
}

/**
 * What a session holds, and what came of it since it was opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionStats {
  /** All memories of the session, earlier openings included, and their tokens. */
  readonly memories: number
  readonly tokens: number
  /** Since it was opened. */
  readonly created: number
  readonly merged: number
  readonly openedAt: DateTime.Utc
  readonly endedAt?: DateTime.Utc
  /** Notes that the end removed. */
  readonly notes: number
  /** The compression that the end asked for. */
  readonly job?: JobId
}

/**
 * A change of a scope through this vault, after `Subscribed`, from which on all are told; `Missed` where the subscriber did not keep up. Other processes' changes are not
 * told.
 *
 * @since 0.1.0
 * @category models
 */
export type MemoryEvent =
  | { readonly _tag: "Subscribed" }
  | { readonly _tag: "Saved"; readonly ids: ReadonlyArray<MemoryId>; readonly superseded: ReadonlyArray<MemoryId> }
  | { readonly _tag: "Updated"; readonly id: MemoryId; readonly version: number }
  | { readonly _tag: "Forgotten"; readonly id: MemoryId }
  | { readonly _tag: "Erased" }
  | { readonly _tag: "Imported"; readonly report: ImportReport }
  | { readonly _tag: "Missed"; readonly count: number }

/**
 * Rows of one kind that do not agree with each other: a vault that was damaged from outside. `terms` are memories whose
 * index is not what their text gives, `sealed` those of which something does not open.
 *
 * @since 0.1.0
 * @category models
 */
export interface Disagreement {
  readonly check:
    | "integrity"
    | "scopes"
    | "terms"
    | "facts"
    | "revisions"
    | "summaries"
    | "keys"
    | "jobs"
    | "sealed"
  readonly count: number
}
