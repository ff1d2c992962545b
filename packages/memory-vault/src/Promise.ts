/**
 * The vault for programs without Effect. Every method rejects with the typed error itself.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
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
  RecallQuery,
  RecallResult,
  SaveInput,
  SaveResult
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
      return {
        save: (input) => use((memory) => memory.save(input)),
        recall: (query) => use((memory) => memory.recall(query)),
        get: (id) => use((memory) => Effect.map(memory.get(id), Option.getOrUndefined)),
        update: (id, change) => use((memory) => memory.update(id, change)),
        history: (id) => use((memory) => memory.history(id)),
        list: (filter) => iterate(Stream.unwrap(Effect.map(user, (memory) => memory.list(filter)))),
        forget: (id) => use((memory) => memory.forget(id)),
        forgetAll: (confirmation) => use((memory) => memory.forgetAll(confirmation))
      }
    },
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}
