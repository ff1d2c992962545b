/**
 * The indexes of summaries. They are apart from those of memories, so that compressing a session changes no bit of how
 * its memories rank.
 *
 * @since 0.1.0
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { CipherError, StorageError } from "../MemoryVaultError.ts"
import { fromBlob } from "./embedTexts.ts"
import { ScopeIndex } from "./indexScope.ts"
import { guard, only } from "./memoryRows.ts"
import type { Store } from "./scopeKeys.ts"
import { opening } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"
import { openTerms } from "./storedTerms.ts"
import { summaryPlaces } from "./summaryRows.ts"

interface Row {
  readonly id: string
  readonly doc: number
  readonly session: string
  readonly terms: string
  readonly at: number
  /** Absent where it is of another embedder. */
  readonly vector: Uint8Array | null
}

interface Cached {
  readonly marker: string
  readonly index: ScopeIndex
}

const maxScopes = 64

const indexRows = (rows: ReadonlyArray<Row>, sealer: Sealer): Either.Either<ScopeIndex, SqlError> =>
  Either.gen(function*() {
    const index = new ScopeIndex(0)
    for (const { at, doc, id, session, terms, vector } of rows) {
      const places = summaryPlaces(id)
      const opened = yield* openTerms(sealer, places.terms, terms)
      const direction = yield* opening(() =>
        vector === null ? undefined : fromBlob(sealer.openBytes(places.vector, vector))
      )
      index.add(
        {
          doc,
          type: "semantic",
          speaker: undefined,
          sessionId: session,
          group: session,
          at,
          importance: 0,
          asks: 0,
          validFrom: at,
          validTo: Infinity
        },
        opened,
        direction
      )
    }
    return index
  })

/**
 * @since 0.1.0
 */
export class SummaryCache {
  private readonly indexes = new Map<number, Cached>()
  private readonly store: Store

  constructor(store: Store) {
    this.store = store
  }

  get(scope: number, embedder: number): Effect.Effect<ScopeIndex, StorageError | CipherError> {
    return Effect.gen(this, function*() {
      // A new summary raises the change, a dropped one lowers the count.
      const { marker } = yield* guard("recall")(only(this.store.sql<{ readonly marker: string }>`
        SELECT count(*) || ' ' || coalesce(max(change), 0) AS marker FROM vault_summaries WHERE scope = ${scope}`))
      const cached = this.indexes.get(scope)
      this.indexes.delete(scope)
      const current = cached?.marker === marker ? cached : { marker, index: yield* this.load(scope, embedder) }
      this.indexes.set(scope, current)
      for (const oldest of this.indexes.keys()) {
        if (this.indexes.size <= maxScopes) break
        this.indexes.delete(oldest)
      }
      return current.index
    })
  }

  private load(scope: number, embedder: number): Effect.Effect<ScopeIndex, StorageError | CipherError> {
    const { keys, sql } = this.store
    return guard("recall")(keys.reading(scope, (sealer) =>
      Effect.flatMap(
        sql<Row>`
        SELECT doc, id, session, terms, at, CASE WHEN embedder = ${embedder} THEN vector END AS vector
        FROM vault_summaries WHERE scope = ${scope} ORDER BY doc`,
        (rows) => indexRows(rows, sealer)
      )))
  }
}
