/**
 * Long-term memory for assistants: save what was said, recall what matters within a token budget, forget without a
 * trace. Everything lives in one SQLite database; nothing needs a network or a model.
 *
 * @since 0.1.0
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as EffectScope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Cipher from "./Cipher.ts"
import { Compressor } from "./Compressor.ts"
import type { CompressionJob, CompressOptions, JobId, Summary, SummaryId } from "./Compressor.ts"
import { Embedder } from "./Embedder.ts"
import { IndexCache } from "./internal/cacheIndexes.ts"
import { SummaryCache } from "./internal/cacheSummaries.ts"
import { registerEmbedder } from "./internal/embedMemories.ts"
import { guard } from "./internal/memoryRows.ts"
import { checkSchema, migrateSchema } from "./internal/migrateSchema.ts"
import { ChangeHub } from "./internal/publishChanges.ts"
import { makeJobRunner } from "./internal/runJobs.ts"
import { Scope } from "./internal/scopeKey.ts"
import { checkSealed, rewrapAll, ScopeKeys } from "./internal/scopeKeys.ts"
import { makeUserMemory } from "./internal/serveScope.ts"
import { verifyStore } from "./internal/verifyStore.ts"
import { truncateLog } from "./internal/writeMemories.ts"
import type {
  Disagreement,
  ErasureReceipt,
  ImportReport,
  Memory,
  MemoryChange,
  MemoryEvent,
  MemoryFilter,
  MemoryId,
  MemoryRevision,
  Procedure,
  RecallQuery,
  RecallResult,
  ReembedProgress,
  SaveInput,
  SaveResult,
  ScopeStats,
  SessionOptions,
  SessionStats,
  WorkingNote
} from "./Memory.ts"
import { MemoryClassifier } from "./MemoryClassifier.ts"
import { MemoryRedactor } from "./MemoryRedactor.ts"
import type { MemoryScope } from "./MemoryScope.ts"
import { defaults, sqlite } from "./MemoryVaultConfig.ts"
import type { SqliteOptions, VaultOptions } from "./MemoryVaultConfig.ts"
import { CipherError, ConfigurationError, StorageError } from "./MemoryVaultError.ts"
import type {
  BudgetExceeded,
  CompressionError,
  EmbedderMismatch,
  EmbeddingError,
  ImportError,
  IngestionError,
  InvalidQuery,
  JobNotFound,
  MemoryNotFound,
  QuotaExceeded,
  RerankingError,
  VersionConflict
} from "./MemoryVaultError.ts"
import { Reranker } from "./Reranker.ts"
import * as TokenCounter from "./TokenCounter.ts"

/**
 * How a save may fail; nothing is written then.
 *
 * @since 0.1.0
 * @category models
 */
export type SaveError = IngestionError | QuotaExceeded | EmbeddingError | EmbedderMismatch | StorageError | CipherError

/**
 * How a recall may fail.
 *
 * @since 0.1.0
 * @category models
 */
export type RecallError =
  | InvalidQuery
  | BudgetExceeded
  | EmbeddingError
  | EmbedderMismatch
  | RerankingError
  | StorageError
  | CipherError

/**
 * The memories of one scope.
 *
 * @since 0.1.0
 * @category models
 */
export interface UserMemory {
  /**
   * Stores a text, in chunks where it is long. A memory that says nothing but one fact, such as where someone lives, holds
   * until a later memory of the same speaker states another one of the same person; it stays findable by `asOf`. Durable against a crash
   * of the process when it returns.
   */
  readonly save: (input: SaveInput | string) => Effect.Effect<SaveResult, SaveError>
  /**
   * Saves as the stream flows, up to 64 inputs to a transaction, one result for each input. An input that cannot be
   * saved fails the stream and takes the inputs of its own batch with it; earlier batches stay.
   */
  readonly saveAll: <E, R>(
    inputs: Stream.Stream<SaveInput | string, E, R>
  ) => Stream.Stream<SaveResult, E | SaveError, R>
  /** The memories that hold now, or held `asOf` a time, and matter to a query, best first, and a prompt block that holds exactly these within the budget. */
  readonly recall: (
    query: RecallQuery | string
  ) => Effect.Effect<RecallResult, RecallError>
  readonly get: (id: MemoryId) => Effect.Effect<Option.Option<Memory>, StorageError | CipherError>
  /**
   * Changes a memory that still has the version which the caller saw. Validity is worked out anew from the new text;
   * `history` keeps the old one.
   */
  readonly update: (
    id: MemoryId,
    change: MemoryChange
  ) => Effect.Effect<Memory, MemoryNotFound | VersionConflict | Exclude<SaveError, QuotaExceeded>>
  /** Every version of a memory, oldest first, the present one included; empty when there is no such memory. */
  readonly history: (id: MemoryId) => Effect.Effect<ReadonlyArray<MemoryRevision>, StorageError | CipherError>
  /** Newest first, read in pages as the stream is pulled. */
  readonly list: (filter?: MemoryFilter) => Stream.Stream<Memory, InvalidQuery | StorageError | CipherError>
  /** Whether there was such a memory. */
  readonly forget: (id: MemoryId) => Effect.Effect<boolean, StorageError | CipherError>
  /** Erases the scope; no byte of it stays in the database's files. */
  readonly forgetAll: (options: { readonly confirm: true }) => Effect.Effect<ErasureReceipt, StorageError | CipherError>
  /** The scope as JSON lines, each with its line feed; see `Portable`. Working notes stay here. */
  readonly export: Stream.Stream<string, StorageError | CipherError>
  /**
   * Takes an export in, in any pieces, 64 records to a transaction. What the scope holds already stays as it is, so an
   * import may be repeated; validity is worked out over both.
   */
  readonly import: <E, R>(
    lines: Stream.Stream<string, E, R>
  ) => Effect.Effect<ImportReport, E | ImportError | Exclude<SaveError, IngestionError>, R>
  /**
   * Gives every memory a vector of the vault's embedder where it has none, as after a change of embedder. May be ended
   * and begun again at any time; recall works meanwhile, by words alone where a vector is still missing.
   */
  readonly reembed: () => Stream.Stream<ReembedProgress, EmbeddingError | StorageError | CipherError>
  /** What changes from its first event, `Subscribed`, on; at most 256 events behind. */
  readonly changes: Stream.Stream<MemoryEvent>
  readonly stats: Effect.Effect<ScopeStats, StorageError | CipherError>
  /** Standing instructions by key: at the head of every prompt block, within their share of the budget. At most 256. */
  readonly procedural: {
    readonly upsert: (
      procedure: { readonly key: string; readonly text: string }
    ) => Effect.Effect<Procedure, IngestionError | QuotaExceeded | StorageError | CipherError>
    /** Latest change first. */
    readonly list: () => Stream.Stream<Procedure, StorageError | CipherError>
    /** Whether there was one. */
    readonly delete: (key: string) => Effect.Effect<boolean, StorageError | CipherError>
  }
  /** Notes of one session, gone when their time is over and never part of `recall`. At most 1,024 in a scope. */
  readonly working: (sessionId: string) => {
    /** `ttl` is an hour where absent. */
    readonly set: (
      note: { readonly key: string; readonly text: string; readonly ttl?: Duration.DurationInput | undefined }
    ) => Effect.Effect<WorkingNote, IngestionError | QuotaExceeded | StorageError | CipherError>
    readonly get: (key: string) => Effect.Effect<Option.Option<WorkingNote>, StorageError | CipherError>
    readonly list: () => Stream.Stream<WorkingNote, StorageError | CipherError>
    /** How many were still there. */
    readonly clear: Effect.Effect<number, StorageError | CipherError>
  }
  /** Opens a session, a new one or one to go on with; it ends with the scope, or before by `end`. */
  readonly session: (
    options?: SessionOptions
  ) => Effect.Effect<MemorySession, IngestionError, EffectScope.Scope>
  /**
   * Asks for summaries of sessions and answers at once with the job, which a fiber of this vault, or of another process
   * on the same file, does. Nothing that was saved is touched: every memory is found as before. Asking again for what
   * waits already gives the job that waits.
   */
  readonly compress: (
    options?: CompressOptions
  ) => Effect.Effect<CompressionJob, CompressionError | QuotaExceeded | StorageError | CipherError>
  readonly jobs: {
    readonly status: (id: JobId) => Effect.Effect<Option.Option<CompressionJob>, StorageError | CipherError>
    /** The job when it has ended, in whatever way. */
    readonly await: (id: JobId) => Effect.Effect<CompressionJob, JobNotFound | StorageError | CipherError>
    /** Whether it had not ended. Sessions that are compressed by then stay so. */
    readonly cancel: (id: JobId) => Effect.Effect<boolean, StorageError | CipherError>
  }
  /** What compression wrote. `forget`, `update` and a fact that ends another drop what was made from it, and a job writes it anew. */
  readonly summaries: {
    /** In the order of writing, read in pages as the stream is pulled. */
    readonly list: (sessionId?: string) => Stream.Stream<Summary, StorageError | CipherError>
    /** The memories behind a summary, in order; none where there is no such summary. */
    readonly sources: (id: SummaryId) => Effect.Effect<ReadonlyArray<Memory>, StorageError | CipherError>
  }
}

/**
 * A session under way: what is saved through it belongs to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemorySession {
  readonly id: string
  readonly save: (
    input: Omit<SaveInput, "sessionId"> | string
  ) => Effect.Effect<SaveResult, SaveError>
  readonly saveAll: <E, R>(
    inputs: Stream.Stream<Omit<SaveInput, "sessionId"> | string, E, R>
  ) => Stream.Stream<SaveResult, E | SaveError, R>
  /** Notes of this session; they end with it. */
  readonly working: ReturnType<UserMemory["working"]>
  readonly stats: Effect.Effect<SessionStats, StorageError | CipherError>
  /** Removes the session's notes and asks for its compression where it was opened so; once, whatever happens after. */
  readonly end: Effect.Effect<SessionStats, CompressionError | QuotaExceeded | StorageError | CipherError>
}

/**
 * The vault: the way to data leads through a scope, and through nothing else.
 *
 * @example
 * ```ts
 * import { MemoryScope, MemoryVault } from "@sennit/memory-vault"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const vault = yield* MemoryVault.MemoryVault
 *   const alice = vault.scoped(yield* MemoryScope.user("alice"))
 *   yield* alice.save("I moved to Lisbon in May.")
 *   return (yield* alice.recall("Where do I live?")).promptBlock
 * })
 *
 * export const block = Effect.provide(program, MemoryVault.layerMemory)
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class MemoryVault extends Context.Tag("@sennit/memory-vault/MemoryVault")<MemoryVault, {
  readonly scoped: (scope: MemoryScope) => UserMemory
}>() {}

/** What is deleted is overwritten; a commit survives the process; SQLite's own blocking wait stays short. */
const preparePragmas = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`PRAGMA busy_timeout = 20`
  yield* sql`PRAGMA secure_delete = ON`
  yield* sql`PRAGMA synchronous = NORMAL`
  yield* sql`PRAGMA temp_store = MEMORY`
})

/**
 * A vault over the SQLite client in the context; creates or migrates its tables, whose names begin with `vault_`. The
 * `Cipher` in force when they are created decides for good whether they are encrypted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fn("MemoryVault.make")(function*(
  options: VaultOptions = {}
): Effect.fn.Return<
  Context.Tag.Service<MemoryVault>,
  StorageError | ConfigurationError | CipherError,
  SqlClient.SqlClient | TokenCounter.TokenCounter | EffectScope.Scope
> {
  const sql = yield* SqlClient.SqlClient
  if (!sql.onDialectOrElse({ sqlite: () => true, orElse: () => false })) {
    return yield* new ConfigurationError({ reason: "dialect" })
  }
  yield* guard("open")(preparePragmas)
  const cipher = yield* Cipher.Cipher
  yield* migrateSchema(cipher)
  const keys = yield* ScopeKeys.make(sql, cipher)
  const { count } = yield* TokenCounter.TokenCounter
  const rules = yield* MemoryClassifier
  const { redact } = yield* MemoryRedactor
  const embedder = yield* registerEmbedder(sql, yield* Embedder)
  const reranker = yield* Reranker
  const cache = new IndexCache({ sql, keys }, options.cachedBytes ?? defaults.cachedBytes)
  const summaries = new SummaryCache({ sql, keys })
  const maxTextLength = options.maxTextLength ?? defaults.maxTextLength
  const changes = new ChangeHub()
  const maxMemories = options.maxMemories ?? defaults.maxMemories
  const jobs = yield* makeJobRunner({ sql, keys, count, embedder, compressor: yield* Compressor })
  const parts = {
    sql,
    keys,
    cache,
    count,
    rules,
    redact,
    maxTextLength,
    maxMemories,
    changes,
    jobs,
    summaries,
    embedder,
    reranker
  }
  return MemoryVault.of({ scoped: (scope) => makeUserMemory(Scope.keyOf(scope), parts) })
})

/**
 * A vault over your own SQLite client and token counter.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: VaultOptions = {}
): Layer.Layer<
  MemoryVault,
  StorageError | ConfigurationError | CipherError,
  SqlClient.SqlClient | TokenCounter.TokenCounter
> => Layer.scoped(MemoryVault, make(options))

// The client's constructor throws when the file cannot be opened: that can happen, so it is a failure.
const layerClient = (filename: string): Layer.Layer<SqlClient.SqlClient, StorageError> =>
  Layer.scoped(
    SqlClient.SqlClient,
    Effect.catchAllDefect(
      SqliteClient.make({ filename }),
      (cause) => Effect.fail(new StorageError({ reason: "open", operation: "open", cause }))
    )
  ).pipe(Layer.provide(Reactivity.layer))

/**
 * A vault in a SQLite file, counting tokens by cl100k_base. Several processes may use one file.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSqlite = (
  options: SqliteOptions
): Layer.Layer<MemoryVault, StorageError | ConfigurationError | CipherError> =>
  layer(options).pipe(
    Layer.provide([layerClient(options.filename), TokenCounter.layerCl100k]),
    Layer.provide(
      options.masterKey === undefined ? Layer.empty : Cipher.layerAesGcm({ key: options.masterKey })
    )
  )

/**
 * A vault that ends with its layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<MemoryVault, StorageError | ConfigurationError | CipherError> = layerSqlite({
  filename: ":memory:"
})

/**
 * A vault in a SQLite file as the environment says; see `MemoryVaultConfig`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<SqliteOptions> = sqlite
): Layer.Layer<MemoryVault, StorageError | ConfigurationError | CipherError | ConfigError> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(config), layerSqlite))

/**
 * Looks a vault's file through, from SQLite's own check to the index of every memory, and tells what disagrees; nothing
 * where all is well. It changes nothing, reads everything, and may run while the vault is in use. An encrypted one is
 * opened by the `Cipher` in force.
 *
 * @since 0.1.0
 * @category operations
 */
export const verify = Effect.fn("MemoryVault.verify")(function*(
  options: { readonly filename: string }
): Effect.fn.Return<ReadonlyArray<Disagreement>, StorageError | ConfigurationError | CipherError> {
  return yield* Effect.scoped(Effect.gen(function*() {
    const sql = Context.get(yield* Layer.build(layerClient(options.filename)), SqlClient.SqlClient)
    yield* checkSchema(sql)
    const cipher = yield* Cipher.Cipher
    yield* guard("verify")(checkSealed(sql, cipher))
    const keys = yield* ScopeKeys.make(sql, cipher)
    // One snapshot, whatever is written meanwhile. It is long, and the connection is its own: it may be interrupted.
    return yield* guard("verify")(sql.withTransaction(Effect.interruptible(verifyStore({ sql, keys }))))
  }))
})

/**
 * Changes the master key of an encrypted vault's file: the key of every scope is wrapped anew where another master key
 * than today's wrapped it; how many were. Nothing that was saved is touched, so it is quick, may run while the vault is in
 * use, may end at any point and be repeated.
 *
 * First open every vault with `{ key: newKey, previous: [oldKey] }`, then call this with the same cipher; once it gives 0
 * nothing needs the old key any more.
 *
 * @since 0.1.0
 * @category operations
 */
export const rewrapKeys = Effect.fn("MemoryVault.rewrapKeys")(function*(
  options: { readonly filename: string }
): Effect.fn.Return<number, StorageError | ConfigurationError | CipherError> {
  return yield* Effect.scoped(Effect.gen(function*() {
    const sql = Context.get(yield* Layer.build(layerClient(options.filename)), SqlClient.SqlClient)
    yield* guard("rewrapKeys")(Effect.provideService(preparePragmas, SqlClient.SqlClient, sql))
    yield* checkSchema(sql)
    const cipher = yield* Cipher.Cipher
    yield* guard("rewrapKeys")(checkSealed(sql, cipher))
    if (Option.isNone(cipher)) return yield* new CipherError({ reason: "clear" })
    const count = yield* guard("rewrapKeys")(rewrapAll(sql, cipher.value))
    // What the old key wrapped stays in the log no longer than readers of other processes do.
    yield* truncateLog(sql, "rewrapKeys")
    return count
  }))
})
