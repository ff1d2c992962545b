/**
 * The vault for programs without Effect. Every method rejects with the typed error itself.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CompressionJob, CompressOptions, JobId, Summary, SummaryId } from "./Compressor.ts"
import { plainCalls, plainStreams } from "./internal/plainCalls.ts"
import type { Calls } from "./internal/plainCalls.ts"
import type {
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
import * as MemoryScope from "./MemoryScope.ts"
import { layerSqlite, MemoryVault } from "./MemoryVault.ts"
import type { UserMemory } from "./MemoryVault.ts"
import type { SqliteOptions } from "./MemoryVaultConfig.ts"

/**
 * The memories of one scope.
 *
 * @since 0.1.0
 * @category models
 */
export interface UserMemoryPromise {
  readonly save: (input: SaveInput | string) => Promise<SaveResult>
  /** One result for each input, up to 64 inputs to a transaction; reads on as the results are read. */
  readonly saveAll: (
    inputs: Iterable<SaveInput | string> | AsyncIterable<SaveInput | string>
  ) => AsyncIterable<SaveResult>
  readonly recall: (query: RecallQuery | string) => Promise<RecallResult>
  readonly get: (id: MemoryId) => Promise<Memory | undefined>
  readonly update: (id: MemoryId, change: MemoryChange) => Promise<Memory>
  readonly history: (id: MemoryId) => Promise<ReadonlyArray<MemoryRevision>>
  readonly list: (filter?: MemoryFilter) => AsyncIterable<Memory>
  readonly forget: (id: MemoryId) => Promise<boolean>
  readonly procedural: {
    readonly upsert: (procedure: { readonly key: string; readonly text: string }) => Promise<Procedure>
    readonly list: () => AsyncIterable<Procedure>
    readonly delete: (key: string) => Promise<boolean>
  }
  readonly working: (sessionId: string) => {
    readonly set: (
      note: Calls["setNote"]["args"][1]
    ) => Promise<WorkingNote>
    readonly get: (key: string) => Promise<WorkingNote | undefined>
    readonly list: () => AsyncIterable<WorkingNote>
    readonly clear: () => Promise<number>
  }
  readonly forgetAll: (options: { readonly confirm: true }) => Promise<ErasureReceipt>
  readonly export: () => AsyncIterable<string>
  readonly reembed: () => AsyncIterable<ReembedProgress>
  readonly import: (lines: Iterable<string> | AsyncIterable<string>) => Promise<ImportReport>
  readonly changes: () => AsyncIterable<MemoryEvent>
  readonly stats: () => Promise<ScopeStats>
  /** `await using` ends it. */
  readonly session: (options?: SessionOptions) => Promise<MemorySessionPromise>
  readonly compress: (options?: CompressOptions) => Promise<CompressionJob>
  readonly jobs: {
    readonly status: (id: JobId) => Promise<CompressionJob | undefined>
    readonly await: (id: JobId) => Promise<CompressionJob>
    readonly cancel: (id: JobId) => Promise<boolean>
  }
  readonly summaries: {
    readonly list: (sessionId?: string) => AsyncIterable<Summary>
    readonly sources: (id: SummaryId) => Promise<ReadonlyArray<Memory>>
  }
}

/**
 * A session under way: what is saved through it belongs to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemorySessionPromise extends AsyncDisposable {
  readonly id: string
  readonly save: (input: Omit<SaveInput, "sessionId"> | string) => Promise<SaveResult>
  readonly stats: () => Promise<SessionStats>
  readonly end: () => Promise<SessionStats>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MemoryVaultPromise extends AsyncDisposable {
  /** Fails on invalid identifiers when it is used. */
  readonly scoped: (ids: MemoryScope.ScopeIds) => UserMemoryPromise
}

/** What the caller's own iterable throws is no failure of the vault: it comes back to the caller as it is. */
const toStream = <A>(items: Iterable<A> | AsyncIterable<A>): Stream.Stream<A> =>
  Symbol.asyncIterator in items
    ? Stream.orDie(Stream.fromAsyncIterable(items, (cause) => cause))
    : Stream.fromIterable(items)

type Use = <A, E>(operation: (memory: UserMemory) => Effect.Effect<A, E>) => Promise<A>

/**
 * Opens a vault in a SQLite file; `await using` closes it.
 *
 * @example
 * ```ts
 * import { createMemoryVault } from "@sennit/memory-vault/Promise"
 *
 * export const main = async () => {
 *   await using vault = createMemoryVault({ filename: ":memory:" })
 *   const alice = vault.scoped({ user: "alice" })
 *   await alice.save("My sister Ana lives in Porto.")
 *   return (await alice.recall("Where does Ana live?")).memories.length
 * }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const createMemoryVault = (settings: SqliteOptions): MemoryVaultPromise => {
  const runtime = ManagedRuntime.make(layerSqlite(settings))
  const run = <A, E>(effect: Effect.Effect<A, E, MemoryVault>): Promise<A> =>
    runtime.runPromiseExit(effect).then(Exit.match({
      onSuccess: (value) => value,
      onFailure: (cause) => {
        throw Cause.squash(cause)
      }
    }))
  const iterate = <A, E>(stream: Stream.Stream<A, E, MemoryVault>): AsyncIterable<A> => ({
    [Symbol.asyncIterator]: () => {
      const opened = run(Stream.toAsyncIterableEffect(stream)).then((items) => items[Symbol.asyncIterator]())
      return {
        next: () => opened.then((items) => items.next()),
        return: () => opened.then((items) => items.return?.() ?? { done: true, value: undefined })
      }
    }
  })
  const openSession = (use: Use, options: SessionOptions | undefined): Promise<MemorySessionPromise> =>
    use((memory) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { end, id, save, stats } = yield* Scope.extend(memory.session(options), scope)
        return {
          id,
          save: (input) => run(save(input)),
          stats: () => run(stats),
          end: () => run(end),
          [Symbol.asyncDispose]: () => run(Scope.close(scope, Exit.void))
        }
      })
    )
  const scoped = (ids: MemoryScope.ScopeIds): UserMemoryPromise => {
    const user = Effect.zipWith(MemoryVault, MemoryScope.make(ids), (vault, scope) => vault.scoped(scope))
    const use: Use = (operation) => run(Effect.flatMap(user, operation))
    const stream = <A, E>(operation: (memory: UserMemory) => Stream.Stream<A, E>): AsyncIterable<A> =>
      iterate(Stream.unwrap(Effect.map(user, operation)))
    return {
      save: (input) => use((memory) => plainCalls.save(memory, input)),
      saveAll: (inputs) => stream((memory) => memory.saveAll(toStream(inputs))),
      recall: (query) => use((memory) => plainCalls.recall(memory, query)),
      get: (id) => use((memory) => plainCalls.get(memory, id)),
      update: (id, change) => use((memory) => plainCalls.update(memory, id, change)),
      history: (id) => use((memory) => plainCalls.history(memory, id)),
      list: (filter) => stream((memory) => plainStreams.list(memory, filter)),
      procedural: {
        upsert: (procedure) => use((memory) => plainCalls.upsertProcedure(memory, procedure)),
        list: () => stream(plainStreams.procedures),
        delete: (key) => use((memory) => plainCalls.deleteProcedure(memory, key))
      },
      working: (session) => ({
        set: (note) => use((memory) => plainCalls.setNote(memory, session, note)),
        get: (key) => use((memory) => plainCalls.getNote(memory, session, key)),
        list: () => stream((memory) => plainStreams.notes(memory, session)),
        clear: () => use((memory) => plainCalls.clearNotes(memory, session))
      }),
      forget: (id) => use((memory) => plainCalls.forget(memory, id)),
      forgetAll: (options) => use((memory) => plainCalls.forgetAll(memory, options)),
      export: () => stream(plainStreams.export),
      reembed: () => stream(plainStreams.reembed),
      import: (lines) => use((memory) => memory.import(toStream(lines))),
      changes: () => stream((memory) => memory.changes),
      stats: () => use(plainCalls.stats),
      session: (options) => openSession(use, options),
      compress: (options) => use((memory) => plainCalls.compress(memory, options)),
      jobs: {
        status: (id) => use((memory) => plainCalls.jobStatus(memory, id)),
        await: (id) => use((memory) => plainCalls.awaitJob(memory, id)),
        cancel: (id) => use((memory) => plainCalls.cancelJob(memory, id))
      },
      summaries: {
        list: (session) => stream((memory) => plainStreams.summaries(memory, session)),
        sources: (id) => use((memory) => plainCalls.sourcesOf(memory, id))
      }
    }
  }
  return { scoped, [Symbol.asyncDispose]: () => runtime.dispose() }
}
