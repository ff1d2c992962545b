/**
 * The indexes of recently used scopes. An index is only a copy: before each use its version is compared with the row
 * of the scope, so what other processes wrote is seen.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { StorageError } from "../MemoryVaultError.ts"
import type { CipherError } from "../MemoryVaultError.ts"
import { indexLoads } from "../Telemetry.ts"
import { ScopeIndex } from "./indexScope.ts"
import { guard } from "./memoryRows.ts"
import type { ScopeRow } from "./memoryRows.ts"
import { readIndex, readScope } from "./readMemories.ts"
import type { IndexRows } from "./readMemories.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import type { Written } from "./writeMemories.ts"

/**
 * An index that is up to date, and the number of its scope.
 *
 * @since 0.1.0
 */
export interface CurrentIndex {
  readonly scope: number
  /** Whose vectors the index holds. */
  readonly embedder: number | null
  readonly index: ScopeIndex
  /** Read with the scope, so that one without procedures costs no second query. */
  readonly hasProcedures: boolean
  readonly hasSummaries: boolean
}

const currentOf = (scope: ScopeRow, index: ScopeIndex): CurrentIndex => ({
  scope: scope.id,
  embedder: scope.embedder,
  index,
  hasProcedures: scope.procedures === 1,
  hasSummaries: scope.summaries === 1
})

// No identifier contains a NUL.
const nameOf = ({ agent, tenant, user }: ScopeKey): string => `${tenant}\0${user}\0${agent}`

const extend = (index: ScopeIndex, { memories, scope }: IndexRows): ScopeIndex => {
  for (const { memory, terms, vector } of memories) {
    // Another fiber may have read the same rows.
    if (memory.doc > index.lastDoc) index.add(memory, terms, vector)
  }
  index.version = Math.max(index.version, scope?.version ?? 0)
  return index
}

/**
 * Holds at most `capacity` bytes of indexes; the least recently used scope leaves first. A scope that is larger
 * by itself is read for each use.
 *
 * @since 0.1.0
 */
export class IndexCache {
  private readonly indexes = new Map<string, ScopeIndex>()
  private readonly store: Store
  private readonly capacity: number

  constructor(store: Store, capacity: number) {
    this.store = store
    this.capacity = capacity
  }

  /** Absent when the scope holds nothing. */
  get(key: ScopeKey): Effect.Effect<CurrentIndex | undefined, StorageError | CipherError> {
    return Effect.flatMap(guard("recall")(readScope(this.store.sql, key)), (scope) => {
      const name = nameOf(key)
      if (scope === undefined) {
        this.indexes.delete(name)
        return Effect.succeed(undefined)
      }
      const cached = this.indexes.get(name)
      if (cached?.version === scope.version) {
        this.keep(name, cached)
        return Effect.succeed(currentOf(scope, cached))
      }
      return cached !== undefined && scope.removed <= cached.version
        ? this.catchUp(key, cached)
        : this.load(key)
    })
  }

  /** Takes over a write of this process without reading it back, if nothing came between. */
  apply(key: ScopeKey, written: Written): void {
    const index = this.indexes.get(nameOf(key))
    if (index === undefined || index.version !== written.before) return
    for (const { entry } of written.stored) {
      if (entry !== undefined && entry.memory.doc > index.lastDoc) index.add(entry.memory, entry.terms, entry.vector)
    }
    for (const { doc, validTo } of written.settled) index.close(doc, validTo ?? Infinity)
    index.version = written.after
  }

  drop(key: ScopeKey): void {
    this.indexes.delete(nameOf(key))
  }

  private catchUp(
    key: ScopeKey,
    cached: ScopeIndex
  ): Effect.Effect<CurrentIndex | undefined, StorageError | CipherError> {
    return guard("recall")(readIndex(this.store, key, cached.lastDoc)).pipe(
      Effect.tap(Metric.increment(Metric.tagged(indexLoads, "extent", "part"))),
      Effect.flatMap((rows) => {
        if (rows.scope === undefined || rows.scope.removed > cached.version) return this.load(key)
        this.keep(nameOf(key), extend(cached, rows))
        return Effect.succeed(currentOf(rows.scope, cached))
      })
    )
  }

  private load(key: ScopeKey): Effect.Effect<CurrentIndex | undefined, StorageError | CipherError> {
    return guard("recall")(readIndex(this.store, key, 0)).pipe(
      Effect.tap(Metric.increment(Metric.tagged(indexLoads, "extent", "whole"))),
      Effect.flatMap((rows): Effect.Effect<CurrentIndex | undefined, StorageError | CipherError> => {
        if (rows.scope === undefined) return Effect.succeed(undefined)
        const index = extend(new ScopeIndex(rows.scope.version), rows)
        if (index.memories.length !== rows.scope.memories || index.totalLength !== rows.scope.terms) {
          return Effect.fail(new StorageError({ reason: "corrupt", operation: "recall" }))
        }
        this.keep(nameOf(key), index)
        return Effect.succeed(currentOf(rows.scope, index))
      })
    )
  }

  private keep(name: string, index: ScopeIndex): void {
    this.indexes.delete(name)
    this.indexes.set(name, index)
    let held = 0
    for (const { bytes } of this.indexes.values()) held += bytes
    for (const [oldest, { bytes }] of this.indexes) {
      if (held <= this.capacity) break
      this.indexes.delete(oldest)
      held -= bytes
    }
  }
}
