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
import type { EmbeddingError, StorageError } from "../MemoryVaultError.ts"
import type { VaultEmbedder } from "./embedMemories.ts"
import { embedTexts, toBlob } from "./embedTexts.ts"
import { guard, only } from "./memoryRows.ts"
import { readScope } from "./readMemories.ts"
import type { ScopeKey } from "./scopeKey.ts"
import { takeLock } from "./writeMemories.ts"

const batchSize = 64

interface Text {
  readonly doc: number
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

const readWaiting = (sql: SqlClient, scope: number, embedder: number, after: number) =>
  sql<Text>`SELECT doc, text, version FROM vault_memories
    WHERE scope = ${scope} AND doc > ${after} AND embedder IS NOT ${embedder} ORDER BY doc LIMIT ${batchSize}`

/** A memory that was changed meanwhile got its vector with the change; one that is gone needs none. */
const writeVectors = (
  sql: SqlClient,
  scope: number,
  embedder: number,
  texts: ReadonlyArray<Text>,
  vectors: ReadonlyArray<Int8Array>
) =>
  sql.withTransaction(Effect.gen(function*() {
    const after = yield* takeLock(sql)
    yield* Effect.forEach(texts, ({ doc, version }, i) =>
      sql`UPDATE vault_memories SET vector = ${toBlob(vectors[i]!)}, embedder = ${embedder}
        WHERE doc = ${doc} AND scope = ${scope} AND version = ${version}`, { discard: true })
    yield* sql`UPDATE vault_scopes SET version = ${after}, removed = ${after}
      WHERE id = ${scope} AND embedder = ${embedder}`
  }))

const convert = (
  sql: SqlClient,
  scope: number,
  { id, service }: VaultEmbedder
): Stream.Stream<ReembedProgress, EmbeddingError | StorageError> =>
  Stream.paginateEffect(0, (after) =>
    Effect.gen(function*() {
      const waiting = yield* guard("reembed")(readWaiting(sql, scope, id, after))
      const last = waiting.at(-1)
      if (last !== undefined) {
        const vectors = yield* embedTexts(service, waiting.map(({ text }) => text))
        yield* guard("reembed")(writeVectors(sql, scope, id, waiting, vectors))
      }
      const progress = yield* guard("reembed")(countOf(sql, scope, id))
      return [progress, waiting.length < batchSize ? Option.none() : Option.some(last?.doc ?? after)] as const
    }))

/**
 * @since 0.1.0
 */
export const reembedScope = (
  sql: SqlClient,
  key: ScopeKey,
  embedder: VaultEmbedder
): Stream.Stream<ReembedProgress, EmbeddingError | StorageError> =>
  Stream.unwrap(
    Effect.map(guard("reembed")(takeOver(sql, key, embedder.id)), (scope) =>
      scope === undefined ? Stream.make({ done: 0, total: 0 }) : convert(sql, scope, embedder))
  )
