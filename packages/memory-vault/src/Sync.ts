/**
 * The vault for programs that wait: every call blocks its thread until it is done. A worker thread owns the vault; it
 * starts with the first call and ends with `close()` or `using`. While a call blocks, nothing else runs on its thread.
 *
 * @since 0.1.0
 */
import type { CompressionJob, CompressOptions, JobId, Summary, SummaryId } from "./Compressor.ts"
import { WorkerBridge } from "./internal/callWorker.ts"
import type { Calls } from "./internal/plainCalls.ts"
import type {
  ErasureReceipt,
  ImportReport,
  Memory,
  MemoryChange,
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
import type { ScopeIds } from "./MemoryScope.ts"
import type { SqliteOptions } from "./MemoryVaultConfig.ts"

/**
 * The memories of one scope; each call throws the typed error itself. What gives an iterable reads on as it is read.
 *
 * @since 0.1.0
 * @category models
 */
export interface UserMemorySync {
  readonly save: (input: SaveInput | string) => SaveResult
  /** One result for each input, 64 inputs to a transaction; nothing is saved that is not read. */
  readonly saveAll: (inputs: Iterable<SaveInput | string>) => Iterable<SaveResult>
  readonly recall: (query: RecallQuery | string) => RecallResult
  readonly get: (id: MemoryId) => Memory | undefined
  readonly update: (id: MemoryId, change: MemoryChange) => Memory
  readonly history: (id: MemoryId) => ReadonlyArray<MemoryRevision>
  readonly list: (filter?: MemoryFilter) => Iterable<Memory>
  readonly forget: (id: MemoryId) => boolean
  readonly forgetAll: (options: { readonly confirm: true }) => ErasureReceipt
  readonly export: () => Iterable<string>
  readonly reembed: () => Iterable<ReembedProgress>
  /** Takes the lines into memory first. */
  readonly import: (lines: Iterable<string>) => ImportReport
  readonly stats: () => ScopeStats
  readonly procedural: {
    readonly upsert: (procedure: { readonly key: string; readonly text: string }) => Procedure
    readonly list: () => Iterable<Procedure>
    readonly delete: (key: string) => boolean
  }
  readonly working: (sessionId: string) => {
    readonly set: (note: Calls["setNote"]["args"][1]) => WorkingNote
    readonly get: (key: string) => WorkingNote | undefined
    readonly list: () => Iterable<WorkingNote>
    readonly clear: () => number
  }
  /** Removes the session's notes, and asks for its compression where that is wanted. */
  readonly endSession: (sessionId: string, options?: Pick<SessionOptions, "compress">) => SessionStats
  readonly compress: (options?: CompressOptions) => CompressionJob
  readonly jobs: {
    readonly status: (id: JobId) => CompressionJob | undefined
    readonly await: (id: JobId) => CompressionJob
    readonly cancel: (id: JobId) => boolean
  }
  readonly summaries: {
    readonly list: (sessionId?: string) => Iterable<Summary>
    readonly sources: (id: SummaryId) => ReadonlyArray<Memory>
  }
}

const batchSize = 64

function* saveBatches(
  inputs: Iterable<SaveInput | string>,
  saveMany: (batch: ReadonlyArray<SaveInput | string>) => ReadonlyArray<SaveResult>
): Generator<SaveResult, void> {
  let batch: Array<SaveInput | string> = []
  for (const input of inputs) {
    batch.push(input)
    if (batch.length < batchSize) continue
    yield* saveMany(batch)
    batch = []
  }
  if (batch.length > 0) yield* saveMany(batch)
}

/**
 * A vault in a SQLite file.
 *
 * @example
 * ```ts
 * import { MemoryVaultSync } from "@sennit/memory-vault/Sync"
 *
 * using vault = new MemoryVaultSync({ filename: ":memory:" })
 * const alice = vault.scoped({ user: "alice" })
 * alice.save("My sister Ana lives in Porto.")
 * console.log(alice.recall("Where does Ana live?").memories.length) // => 1
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export class MemoryVaultSync implements Disposable {
  readonly #bridge: WorkerBridge

  constructor(options: SqliteOptions) {
    this.#bridge = new WorkerBridge(options)
  }

  /** Invalid identifiers are told when it is used. */
  scoped(ids: ScopeIds): UserMemorySync {
    const bridge = this.#bridge
    return {
      save: (input) => bridge.call("save", ids, input),
      saveAll: (inputs) => saveBatches(inputs, (batch) => bridge.call("saveMany", ids, batch)),
      recall: (query) => bridge.call("recall", ids, query),
      get: (id) => bridge.call("get", ids, id),
      update: (id, change) => bridge.call("update", ids, id, change),
      history: (id) => bridge.call("history", ids, id),
      list: (filter) => bridge.stream("list", ids, filter),
      forget: (id) => bridge.call("forget", ids, id),
      forgetAll: (options) => bridge.call("forgetAll", ids, options),
      export: () => bridge.stream("export", ids),
      reembed: () => bridge.stream("reembed", ids),
      import: (lines) => bridge.call("importLines", ids, [...lines]),
      stats: () => bridge.call("stats", ids),
      procedural: {
        upsert: (procedure) => bridge.call("upsertProcedure", ids, procedure),
        list: () => bridge.stream("procedures", ids),
        delete: (key) => bridge.call("deleteProcedure", ids, key)
      },
      working: (session) => ({
        set: (note) => bridge.call("setNote", ids, session, note),
        get: (key) => bridge.call("getNote", ids, session, key),
        list: () => bridge.stream("notes", ids, session),
        clear: () => bridge.call("clearNotes", ids, session)
      }),
      endSession: (session, options = {}) => bridge.call("endSession", ids, session, options),
      compress: (options) => bridge.call("compress", ids, options),
      jobs: {
        status: (id) => bridge.call("jobStatus", ids, id),
        await: (id) => bridge.call("awaitJob", ids, id),
        cancel: (id) => bridge.call("cancelJob", ids, id)
      },
      summaries: {
        list: (session) => bridge.stream("summaries", ids, session),
        sources: (id) => bridge.call("sourcesOf", ids, id)
      }
    }
  }

  /** Closes the vault and ends its worker; a job under way goes on where the file is opened next. */
  close(): void {
    this.#bridge.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
