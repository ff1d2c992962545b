/**
 * The operations of a scope as the facades without Effect have them: plain arguments, plain answers.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { CompressionJob, CompressOptions, JobId, Summary, SummaryId } from "../Compressor.ts"
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
} from "../Memory.ts"
import type { UserMemory } from "../MemoryVault.ts"
import type { MemoryVaultError } from "../MemoryVaultError.ts"

interface Call<Args extends ReadonlyArray<unknown>, Value> {
  readonly args: Args
  readonly value: Value
}

/**
 * What each call takes and gives.
 *
 * @since 0.1.0
 */
export interface Calls {
  readonly save: Call<readonly [input: SaveInput | string], SaveResult>
  readonly saveMany: Call<readonly [inputs: ReadonlyArray<SaveInput | string>], ReadonlyArray<SaveResult>>
  readonly recall: Call<readonly [query: RecallQuery | string], RecallResult>
  readonly get: Call<readonly [id: MemoryId], Memory | undefined>
  readonly update: Call<readonly [id: MemoryId, change: MemoryChange], Memory>
  readonly history: Call<readonly [id: MemoryId], ReadonlyArray<MemoryRevision>>
  readonly forget: Call<readonly [id: MemoryId], boolean>
  readonly forgetAll: Call<readonly [options: { readonly confirm: true }], ErasureReceipt>
  readonly importLines: Call<readonly [lines: ReadonlyArray<string>], ImportReport>
  readonly stats: Call<readonly [], ScopeStats>
  readonly upsertProcedure: Call<readonly [procedure: { readonly key: string; readonly text: string }], Procedure>
  readonly deleteProcedure: Call<readonly [key: string], boolean>
  readonly setNote: Call<
    readonly [session: string, note: Parameters<ReturnType<UserMemory["working"]>["set"]>[0]],
    WorkingNote
  >
  readonly getNote: Call<readonly [session: string, key: string], WorkingNote | undefined>
  readonly clearNotes: Call<readonly [session: string], number>
  readonly endSession: Call<readonly [session: string, options: Pick<SessionOptions, "compress">], SessionStats>
  readonly compress: Call<readonly [options: CompressOptions | undefined], CompressionJob>
  readonly jobStatus: Call<readonly [id: JobId], CompressionJob | undefined>
  readonly awaitJob: Call<readonly [id: JobId], CompressionJob>
  readonly cancelJob: Call<readonly [id: JobId], boolean>
  readonly sourcesOf: Call<readonly [id: SummaryId], ReadonlyArray<Memory>>
}

/**
 * @since 0.1.0
 */
export const plainCalls: {
  readonly [Op in keyof Calls]: (
    memory: UserMemory,
    ...args: Calls[Op]["args"]
  ) => Effect.Effect<Calls[Op]["value"], MemoryVaultError>
} = {
  save: (memory, input) => memory.save(input),
  saveMany: (memory, inputs) =>
    Effect.map(Stream.runCollect(memory.saveAll(Stream.fromIterable(inputs))), Chunk.toReadonlyArray),
  recall: (memory, query) => memory.recall(query),
  get: (memory, id) => Effect.map(memory.get(id), Option.getOrUndefined),
  update: (memory, id, change) => memory.update(id, change),
  history: (memory, id) => memory.history(id),
  forget: (memory, id) => memory.forget(id),
  forgetAll: (memory, options) => memory.forgetAll(options),
  importLines: (memory, lines) => memory.import(Stream.fromIterable(lines)),
  stats: (memory) => memory.stats,
  upsertProcedure: (memory, procedure) => memory.procedural.upsert(procedure),
  deleteProcedure: (memory, key) => memory.procedural.delete(key),
  setNote: (memory, session, note) => memory.working(session).set(note),
  getNote: (memory, session, key) => Effect.map(memory.working(session).get(key), Option.getOrUndefined),
  clearNotes: (memory, session) => memory.working(session).clear,
  endSession: (memory, sessionId, options) =>
    Effect.scoped(Effect.flatMap(memory.session({ ...options, sessionId }), ({ end }) => end)),
  compress: (memory, options) => memory.compress(options),
  jobStatus: (memory, id) => Effect.map(memory.jobs.status(id), Option.getOrUndefined),
  awaitJob: (memory, id) => memory.jobs.await(id),
  cancelJob: (memory, id) => memory.jobs.cancel(id),
  sourcesOf: (memory, id) => memory.summaries.sources(id)
}

/**
 * What can be read piece by piece.
 *
 * @since 0.1.0
 */
export interface Streams {
  readonly list: Call<readonly [filter: MemoryFilter | undefined], Memory>
  readonly export: Call<readonly [], string>
  readonly reembed: Call<readonly [], ReembedProgress>
  readonly procedures: Call<readonly [], Procedure>
  readonly notes: Call<readonly [session: string], WorkingNote>
  readonly summaries: Call<readonly [session: string | undefined], Summary>
}

/**
 * @since 0.1.0
 */
export const plainStreams: {
  readonly [Op in keyof Streams]: (
    memory: UserMemory,
    ...args: Streams[Op]["args"]
  ) => Stream.Stream<Streams[Op]["value"], MemoryVaultError>
} = {
  list: (memory, filter) => memory.list(filter),
  export: (memory) => memory.export,
  reembed: (memory) => memory.reembed(),
  procedures: (memory) => memory.procedural.list(),
  notes: (memory, session) => memory.working(session).list(),
  summaries: (memory, session) => memory.summaries.list(session)
}
