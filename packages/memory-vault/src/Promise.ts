/**
 * The vault for programs without Effect. Every method rejects with the typed error itself.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type {
  ErasureReceipt,
  Memory,
  MemoryChange,
  MemoryFilter,
  MemoryId,
  MemoryRevision,
  Procedure,
  RecallQuery,
  RecallResult,
  SaveInput,
  SaveResult,
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
      note: { readonly key: string; readonly text: string; readonly ttl?: Duration.DurationInput | undefined }
    ) => Promise<WorkingNote>
    readonly get: (key: string) => Promise<WorkingNote | undefined>
    readonly list: () => AsyncIterable<WorkingNote>
    readonly clear: () => Promise<number>
  }
  readonly forgetAll: (options: { readonly confirm: true }) => Promise<ErasureReceipt>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MemoryVaultPromise extends AsyncDisposable {
  /** Fails on invalid identifiers when it is used. */
  readonly scoped: (ids: MemoryScope.ScopeIds) => UserMemoryPromise
}

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
export const createMemoryVault = (options: SqliteOptions): MemoryVaultPromise => {
  const runtime = ManagedRuntime.make(layerSqlite(options))
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
  return {
    scoped: (ids) => {
      const user = Effect.gen(function*() {
        const vault = yield* MemoryVault
        return vault.scoped(yield* MemoryScope.make(ids))
      })
      const use = <A, E>(operation: (memory: UserMemory) => Effect.Effect<A, E>): Promise<A> =>
        run(Effect.flatMap(user, operation))
      const stream = <A, E>(operation: (memory: UserMemory) => Stream.Stream<A, E>): AsyncIterable<A> =>
        iterate(Stream.unwrap(Effect.map(user, operation)))
      return {
        save: (input) => use((memory) => memory.save(input)),
        recall: (query) => use((memory) => memory.recall(query)),
        get: (id) => use((memory) => Effect.map(memory.get(id), Option.getOrUndefined)),
        update: (id, change) => use((memory) => memory.update(id, change)),
        history: (id) => use((memory) => memory.history(id)),
        list: (filter) => stream((memory) => memory.list(filter)),
        procedural: {
          upsert: (procedure) => use((memory) => memory.procedural.upsert(procedure)),
          list: () => stream((memory) => memory.procedural.list()),
          delete: (key) => use((memory) => memory.procedural.delete(key))
        },
        working: (session) => ({
          set: (note) => use((memory) => memory.working(session).set(note)),
          get: (key) => use((memory) => Effect.map(memory.working(session).get(key), Option.getOrUndefined)),
          list: () => stream((memory) => memory.working(session).list()),
          clear: () => use((memory) => memory.working(session).clear)
        }),
        forget: (id) => use((memory) => memory.forget(id)),
        forgetAll: (confirmation) => use((memory) => memory.forgetAll(confirmation))
      }
    },
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}
