/**
 * New vectors for a scope whose embedder changed, or whose memories came before there was one. Every batch is written by
 * itself and what is done is told from the rows, so an end at any point loses nothing and the next run goes on from there.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ReembedProgress } from "../Memory.ts"
import type { CipherError, EmbeddingError, StorageError } from "../MemoryVaultError.ts"
import type { VaultEmbedder } from "./embedMemories.ts"
import { embedTexts, toBlob } from "./embedTexts.ts"
import { guard, memoryPlaces, only } from "./memoryRows.ts"
import { readScope } from "./readMemories.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import { opening } from "./sealFields.ts"
import { takeLock } from "./writeMemories.ts"

const batchSize = 64

interface Text {
  readonly doc: number
  readonly id: string
  readonly text: string
  readonly version: number
}

/** From here on only the new embedder's vectors count. */
const takeOver = (sql: SqlClient, key: ScopeKey, embedder: number) =>
  sql.withTransaction(Effect.gen(function*() {
    const after = yield* takeLock(sql)
    const scope = yield* readScope(sql, key)
    if (scope === undefined) return undefined
    if (scope.embedder !== embedder) {
      yield* sql`DELETE FROM vault_query_vectors WHERE scope = ${scope.id}`
      yield* sql`UPDATE vault_scopes SET embedder = ${embedder}, version = ${after}, removed = ${after}
        WHERE id = ${scope.id}`
    }
    return scope.id
  }))

const countOf = (sql: SqlClient, scope: number, embedder: number): Effect.Effect<ReembedProgress, SqlError> =>
  only(sql<ReembedProgress>`
    SELECT coalesce(sum(embedder IS ${embedder}), 0) AS done, count(*) AS total FROM vault_memories WHERE scope = ${scope}`)

const readWaiting = ({ keys, sql }: Store, scope: number, embedder: number, after: number) =>
  keys.reading(scope, (sealer) =>
    Effect.flatMap(
      sql<Text>`SELECT doc, id, text, version FROM vault_memories
    WHERE scope = ${scope} AND doc > ${after} AND embedder IS NOT ${embedder} ORDER BY doc LIMIT ${batchSize}`,
      (rows) =>
        opening(() => rows.map((row) => ({ ...row, text: sealer.openText(memoryPlaces(row.id).text, row.text) })))
    ))

/** A memory that was changed meanwhile got its vector with the change; one that is gone needs none. */
const writeVectors = (
  { keys, sql }: Store,
  scope: number,
  embedder: number,
  texts: ReadonlyArray<Text>,
  vectors: ReadonlyArray<Int8Array>
) =>
  sql.withTransaction(Effect.gen(function*() {
    const after = yield* takeLock(sql)
    const sealer = yield* keys.of(scope)
    yield* Effect.forEach(texts, ({ doc, id, version }, i) =>
      sql`UPDATE vault_memories SET vector = ${
        sealer.sealBytes(memoryPlaces(id).vector, toBlob(vectors[i]!))
      }, embedder = ${embedder}
        WHERE doc = ${doc} AND scope = ${scope} AND version = ${version}`, { discard: true })
    yield* sql`UPDATE vault_scopes SET version = ${after}, removed = ${after}
      WHERE id = ${scope} AND embedder = ${embedder}`
  }))

const convert = (
  store: Store,
  scope: number,
  { id, service }: VaultEmbedder
): Stream.Stream<ReembedProgress, EmbeddingError | StorageError | CipherError> =>
  Stream.paginateEffect(0, (after) =>
    Effect.gen(function*() {
      const waiting = yield* guard("reembed")(readWaiting(store, scope, id, after))
      const last = waiting.at(-1)
      if (last !== undefined) {
        const vectors = yield* embedTexts(service, waiting.map(({ text }) => text))
        yield* guard("reembed")(writeVectors(store, scope, id, waiting, vectors))
      }
      const progress = yield* guard("reembed")(countOf(store.sql, scope, id))
      return [progress, waiting.length < batchSize ? Option.none() : Option.some(last?.doc ?? after)] as const
    }))

/**
 * @since 0.1.0
 */
export const reembedScope = (
  store: Store,
  key: ScopeKey,
  embedder: VaultEmbedder
): Stream.Stream<ReembedProgress, EmbeddingError | StorageError | CipherError> =>
  Stream.unwrap(
    Effect.map(guard("reembed")(takeOver(store.sql, key, embedder.id)), (scope) =>
      scope === undefined ? Stream.make({ done: 0, total: 0 }) : convert(store, scope, embedder))
  )
