/**
 * Every error of the package. None carries a memory's text, a query, an identifier of a person or an SQL parameter.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A tenant, user or agent identifier that cannot name a scope. Nothing was read or written.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidScope extends Schema.TaggedError<InvalidScope>()("InvalidScope", {
  field: Schema.Literal("tenant", "user", "agent"),
  reason: Schema.Literal("empty", "too-long", "nul", "ill-formed")
}) {
  override get message(): string {
    const why = {
      "empty": "is empty",
      "too-long": "is longer than 512 bytes of UTF-8",
      "nul": "contains a NUL character",
      "ill-formed": "contains half of a surrogate pair"
    }[this.reason]
    return `The ${this.field} identifier ${why}, so it names no scope. Nothing was read or written; ` +
      `use the stable identifier of your own user table.`
  }
}

/**
 * A text that cannot be saved as it is. Nothing was written.
 *
 * @since 0.1.0
 * @category errors
 */
export class IngestionError extends Schema.TaggedError<IngestionError>()("IngestionError", {
  reason: Schema.Literal("empty", "too-long", "several", "label", "event-time", "validity", "metadata", "key-reused"),
  /** The bound that was passed, where there is one. */
  limit: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    const why = {
      "empty": "nothing is left of the text after cleaning",
      "too-long": `the text is longer than ${this.limit} characters; save it in parts`,
      "several": "the new text takes more than one memory; forget the memory and save the text",
      "label": `sessionId, speaker, role and keys must have 1 to ${this.limit} characters and no NUL`,
      "event-time": "eventTime is not a valid time",
      "validity": "validFrom and validTo must be valid times, the end after the beginning",
      "key-reused": "the idempotency key stands for another text already; use a new key for each save",
      "metadata":
        `metadata must be a flat record of JSON scalars, at most ${this.limit} characters of JSON, without a key __proto__`
    }[this.reason]
    return `The memory was not saved: ${why}.`
  }
}

/**
 * A recall query with an impossible bound. Nothing was read.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidQuery extends Schema.TaggedError<InvalidQuery>()("InvalidQuery", {
  reason: Schema.Literal("top-k", "token-budget", "procedural-share", "summaries", "time")
}) {
  override get message(): string {
    const why = {
      "procedural-share": "proceduralShare must be a number from 0 to 1",
      "summaries": "summaries must be a whole number from 0 to 20",
      "top-k": "topK must be a whole number from 1 to 1000",
      "token-budget": "tokenBudget must be a whole number of at least 0",
      "time": "from, until and asOf must be valid times"
    }[this.reason]
    return `The query was not run: ${why}.`
  }
}

/**
 * The scope has no memory of this identifier; it may have been forgotten. Nothing was written.
 *
 * @since 0.1.0
 * @category errors
 */
export class MemoryNotFound extends Schema.TaggedError<MemoryNotFound>()("MemoryNotFound", {
  id: Schema.String
}) {
  override get message(): string {
    return `The scope has no memory ${this.id}. Nothing was written; list or recall to find the memory again.`
  }
}

/**
 * Someone else changed the memory first. Nothing was written.
 *
 * @since 0.1.0
 * @category errors
 */
export class VersionConflict extends Schema.TaggedError<VersionConflict>()("VersionConflict", {
  id: Schema.String,
  expected: Schema.Number,
  actual: Schema.Number
}) {
  override get message(): string {
    return `Memory ${this.id} has version ${this.actual}, not ${this.expected}. Nothing was written; ` +
      `get the memory, decide again and update with its version.`
  }
}

/**
 * The scope is full. Nothing of this call was written.
 *
 * @since 0.1.0
 * @category errors
 */
export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>()("QuotaExceeded", {
  resource: Schema.Literal("memories", "procedures", "working notes", "unfinished jobs"),
  limit: Schema.Number
}) {
  override get message(): string {
    return `The scope may hold ${this.limit} ${this.resource} and has no room for more. Nothing was written; ` +
      (this.resource === "unfinished jobs"
        ? "await or cancel one of them."
        : `forget what is no longer needed${this.resource === "memories" ? " or raise maxMemories" : ""}.`)
  }
}

/**
 * A compression that cannot be done. The memories are as they were, and so are the summaries of sessions that were not
 * reached yet.
 *
 * @since 0.1.0
 * @category errors
 */
export class CompressionError extends Schema.TaggedError<CompressionError>()("CompressionError", {
  reason: Schema.Literal("ratio", "compressor"),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return this.reason === "ratio"
      ? "Nothing was compressed: ratio must be a number from 0.05 to 0.9."
      : "The compressor failed; see the cause. No memory was changed; compress again, sessions that are done are skipped."
  }
}

/**
 * The scope has no job of this identifier; finished ones are kept until 100 newer ones have come.
 *
 * @since 0.1.0
 * @category errors
 */
export class JobNotFound extends Schema.TaggedError<JobNotFound>()("JobNotFound", {
  id: Schema.String
}) {
  override get message(): string {
    return `The scope has no job ${this.id}. Start a new one with compress: sessions that are done are skipped.`
  }
}

/**
 * A line that no export of this version wrote. The batches of 64 records before it are in the scope; the same import may
 * be repeated.
 *
 * @since 0.1.0
 * @category errors
 */
export class ImportError extends Schema.TaggedError<ImportError>()("ImportError", {
  reason: Schema.Literal("header", "version", "record", "count", "truncated", "after-end"),
  /** From 1; blank lines do not count. */
  line: Schema.Number
}) {
  override get message(): string {
    const why = {
      "header": "must be the header of an export, and only the first may be",
      "version": "names a version of the format that this package does not read; upgrade the package",
      "record": "is no record of an export",
      "count": "tells another number of records than there were; the file is damaged",
      "truncated": "is missing; the file was cut before its end",
      "after-end": "comes after the end of the export"
    }[this.reason]
    return `Line ${this.line} ${why}. Whole batches before it were imported; repeating the import does not double them.`
  }
}

/**
 * Not even the empty prompt block fits the token budget.
 *
 * @since 0.1.0
 * @category errors
 */
export class BudgetExceeded extends Schema.TaggedError<BudgetExceeded>()("BudgetExceeded", {
  provided: Schema.Number,
  minimumRequired: Schema.Number
}) {
  override get message(): string {
    return `A budget of ${this.provided} tokens holds no prompt block: the empty one takes ${this.minimumRequired}. ` +
      `Raise tokenBudget to at least that.`
  }
}

/**
 * A text that is no prompt block of the given format.
 *
 * @since 0.1.0
 * @category errors
 */
export class MalformedBlock extends Schema.TaggedError<MalformedBlock>()("MalformedBlock", {
  format: Schema.Literal("xml", "markdown", "json")
}) {
  override get message(): string {
    return `The text is no ${this.format} prompt block as this package renders it. Parse the block unchanged.`
  }
}

/**
 * The embedder gave no vectors that can be used. Nothing was written.
 *
 * @since 0.1.0
 * @category errors
 */
export class EmbeddingError extends Schema.TaggedError<EmbeddingError>()("EmbeddingError", {
  reason: Schema.Literal(
    "unavailable",
    "rejected",
    "response",
    "timeout",
    "partial",
    "dimension",
    "not-finite",
    "zero"
  ),
  /** Of the answer, where there was one. */
  status: Schema.optional(Schema.Number),
  cause: Schema.optional(Schema.Defect)
}) {
  /** Whether the same call may succeed later without anyone's help. */
  get retryable(): boolean {
    return this.reason === "unavailable" || this.reason === "timeout" || this.status === 429 ||
      (this.status ?? 0) >= 500
  }
  override get message(): string {
    const what = {
      "unavailable": "it could not be reached; see the cause",
      "rejected": `it answered with status ${this.status}; check its address, key and model`,
      "response": "its answer is not what the protocol says",
      "timeout": "it did not answer in time; try again or use smaller batches",
      "partial": "it gave another number of vectors than of texts",
      "dimension": "a vector has another dimension than the embedder says",
      "not-finite": "a vector holds NaN or an infinite number",
      "zero": "a vector is zero and has no direction"
    }[this.reason]
    return `The embedder failed: ${what}. Nothing was written by this call.`
  }
}

/**
 * The scope's vectors come from another embedder than the vault is configured with. Vectors of two models say nothing of
 * each other, so they are not mixed. Nothing was read or written.
 *
 * @since 0.1.0
 * @category errors
 */
export class EmbedderMismatch extends Schema.TaggedError<EmbedderMismatch>()("EmbedderMismatch", {
  stored: Schema.String,
  configured: Schema.String
}) {
  override get message(): string {
    return `This scope was embedded by ${this.stored}, the vault uses ${this.configured}. ` +
      `Run reembed on the scope, or configure the embedder that it was written with.`
  }
}

/**
 * The reranker gave no usable order. Nothing was lost; recall without `rerank` still answers.
 *
 * @since 0.1.0
 * @category errors
 */
export class RerankingError extends Schema.TaggedError<RerankingError>()("RerankingError", {
  reason: Schema.Literal("failed", "partial", "not-finite", "timeout"),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const what = {
      "failed": "it failed; see the cause",
      "partial": "it gave another number of scores than there are memories",
      "not-finite": "a score is NaN or infinite",
      "timeout": "it did not answer in time"
    }[this.reason]
    return `The reranker cannot be used: ${what}. Recall with rerank: false answers without it.`
  }
}

/**
 * The database refused. A failed write left nothing behind: all of a write shares one transaction.
 *
 * @since 0.1.0
 * @category errors
 */
export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  reason: Schema.Literal("open", "busy", "failed", "corrupt"),
  operation: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  /** Whether the same call may succeed later without anyone's help. */
  get retryable(): boolean {
    return this.reason === "busy"
  }
  override get message(): string {
    const what = {
      open: "the database could not be opened; check that its folder exists and is writable",
      busy: "other processes held the database for longer than the retries last; try again",
      failed: "the database refused; see the cause",
      corrupt: "stored rows do not agree with each other; restore a backup"
    }[this.reason]
    return `Memory storage failed in ${this.operation}: ${what}. Nothing was written by this call.`
  }
}

/**
 * What is stored does not open, or the vault and its database do not agree on encryption. An answer never leaves out what
 * did not open: the whole call fails, and nothing was written by it.
 *
 * @since 0.1.0
 * @category errors
 */
export class CipherError extends Schema.TaggedError<CipherError>()("CipherError", {
  reason: Schema.Literal(
    "invalid-key",
    "wrong-key",
    "key-missing",
    "tampered",
    "malformed",
    "encrypted",
    "clear",
    "unavailable"
  ),
  cause: Schema.optional(Schema.Defect)
}) {
  /** Whether the same call may succeed later without anyone's help. */
  get retryable(): boolean {
    return this.reason === "unavailable"
  }
  override get message(): string {
    return {
      "invalid-key": "A master key is exactly 32 random bytes. Nothing was opened; give one of that length.",
      "wrong-key": "The database is encrypted under a master key that was not given. It was left as it is; " +
        "give that key, as `key` or among `previous`.",
      "key-missing": "The key of a scope is not in the database, so what it sealed cannot be opened. " +
        "Restore a backup, or erase the scope with forgetAll.",
      "tampered": "Something stored was changed, moved to another place, or sealed by another key. " +
        "Nothing of it was used; restore a backup, and run verify to see how much is affected.",
      "malformed": "Something stored is not in the form that this package seals in: damaged, in clear, or newer. " +
        "Nothing of it was used; restore a backup.",
      "encrypted": "The database is encrypted and no cipher was given. It was left as it is; " +
        "provide Cipher.layerAesGcm or set masterKey.",
      "clear":
        "The database is in clear and a cipher was given. It was left as it is; to encrypt it, export its scopes, " +
        "open a new file with the cipher and import them there.",
      "unavailable": "The cipher did not answer; see the cause. Nothing was written; try again."
    }[this.reason]
  }
}

/**
 * The database cannot be used by this version of the package. It was left as it is.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  reason: Schema.Literal("schema-too-new", "schema-too-old", "dialect"),
  found: Schema.optional(Schema.Number),
  supported: Schema.optional(Schema.Number)
}) {
  override get message(): string {
    switch (this.reason) {
      case "dialect":
        return "The SqlClient is no SQLite client. Provide one from @effect/sql-sqlite-node."
      case "schema-too-old":
        return `The database has schema version ${this.found} of ${this.supported}. ` +
          `It was left as it is; open it as a vault once, which brings it up to date.`
      case "schema-too-new":
        return `The database has schema version ${this.found}, this package knows up to ${this.supported}. ` +
          `The database was left as it is; upgrade the package.`
    }
  }
}

/**
 * A blocking call that could not reach its worker. Whether it was carried out is unknown for `worker`; nothing was done
 * for the others.
 *
 * @since 0.1.0
 * @category errors
 */
export class SyncError extends Schema.TaggedError<SyncError>()("SyncError", {
  reason: Schema.Literal("closed", "nested", "arguments", "worker"),
  detail: Schema.optional(Schema.String),
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const why = {
      closed: "the vault was closed before; open another one",
      nested:
        "it was made in the worker that answers such calls, which cannot wait for itself; use the vault with Effect there",
      arguments: "an argument or option cannot be sent to the worker; pass plain values",
      worker: `${this.detail ?? "the call died in the worker"}; open the vault again, see the cause`
    }[this.reason]
    return `The blocking call failed: ${why}.`
  }
}

/**
 * Any error of a vault's operations.
 *
 * @since 0.1.0
 * @category errors
 */
export const MemoryVaultError = Schema.Union(
  InvalidScope,
  IngestionError,
  InvalidQuery,
  MemoryNotFound,
  VersionConflict,
  QuotaExceeded,
  CompressionError,
  JobNotFound,
  ImportError,
  BudgetExceeded,
  MalformedBlock,
  EmbeddingError,
  EmbedderMismatch,
  RerankingError,
  StorageError,
  CipherError,
  ConfigurationError,
  SyncError
)

/**
 * @since 0.1.0
 * @category errors
 */
export type MemoryVaultError = typeof MemoryVaultError.Type

/**
 * A vault that broke a law of the contract in `testing`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContractViolation extends Schema.TaggedError<ContractViolation>()("ContractViolation", {
  law: Schema.String,
  expected: Schema.Unknown,
  actual: Schema.Unknown
}) {
  override get message(): string {
    return `${this.law}: expected ${JSON.stringify(this.expected)}, got ${JSON.stringify(this.actual)}`
  }
}
