/**
 * What a vault knows of its embedder, and the vectors of queries that it keeps where asking again costs.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { EmbedderService } from "../Embedder.ts"
import { EmbedderMismatch } from "../MemoryVaultError.ts"
import type { CipherError, EmbeddingError, StorageError } from "../MemoryVaultError.ts"
import { embedTexts, fromBlob, toBlob } from "./embedTexts.ts"
import { guard, only } from "./memoryRows.ts"
import type { Store } from "./scopeKeys.ts"
import { opening, placeOf } from "./sealFields.ts"

/** Vectors of queries kept for one scope; the one that was used longest ago leaves first. */
const keptQueries = 512

/**
 * @since 0.1.0
 */
export interface VaultEmbedder {
  readonly service: EmbedderService
  /** Of its row. */
  readonly id: number
}

/** The dimension belongs to what must not be mixed. */
const identityOf = ({ dimension, fingerprint }: EmbedderService): string => `${fingerprint}/${dimension}`

/**
 * @since 0.1.0
 */
export const registerEmbedder = (
  sql: SqlClient,
  service: EmbedderService
): Effect.Effect<VaultEmbedder, StorageError | CipherError> =>
  Effect.map(
    guard("open")(only(sql<{ readonly id: number }>`INSERT INTO vault_embedders (fingerprint)
      VALUES (${identityOf(service)}) ON CONFLICT (fingerprint) DO UPDATE SET fingerprint = excluded.fingerprint
      RETURNING id`)),
    ({ id }) => ({ service, id })
  )

/**
 * Fails where the scope holds vectors of another embedder.
 *
 * @since 0.1.0
 */
export const checkEmbedder = (sql: SqlClient, stored: number | null, embedder: VaultEmbedder) =>
  stored === null || stored === embedder.id ? Effect.void : Effect.flatMap(
    only(sql<{ readonly fingerprint: string }>`SELECT fingerprint FROM vault_embedders WHERE id = ${stored}`),
    ({ fingerprint }) =>
      Effect.fail(new EmbedderMismatch({ stored: fingerprint, configured: identityOf(embedder.service) }))
  )

/**
 * The vector of a query in a scope that exists.
 *
 * @since 0.1.0
 */
export const embedQuery = (
  { keys, sql }: Store,
  scope: number,
  { id, service }: VaultEmbedder,
  query: string
): Effect.Effect<Int8Array, EmbeddingError | CipherError | StorageError> =>
  Effect.gen(function*() {
    const ask = Effect.map(embedTexts(service, [query]), ([vector]) => vector!)
    if (!service.costly) return yield* ask
    const now = yield* Clock.currentTimeMillis
    const sealer = yield* guard("recall")(keys.of(scope))
    const name = sealer.sealText(placeOf("query"), query)
    const place = placeOf("query.vector", query)
    const [kept] = yield* guard("recall")(sql<{ readonly vector: Uint8Array }>`
      UPDATE vault_query_vectors SET used = ${now} WHERE scope = ${scope} AND embedder = ${id} AND query = ${name}
      RETURNING vector`)
    if (kept !== undefined) {
      return fromBlob(yield* guard("recall")(opening(() => sealer.openBytes(place, kept.vector))))
    }
    const vector = yield* ask
    yield* guard("recall")(sql.withTransaction(Effect.zipRight(
      sql`INSERT INTO vault_query_vectors (scope, embedder, query, vector, used)
        SELECT id, ${id}, ${name}, ${
        sealer.sealBytes(place, toBlob(vector))
      }, ${now} FROM vault_scopes WHERE id = ${scope}
        ON CONFLICT DO UPDATE SET used = excluded.used`,
      sql`DELETE FROM vault_query_vectors WHERE scope = ${scope} AND (embedder, query) IN
        (SELECT embedder, query FROM vault_query_vectors WHERE scope = ${scope}
         ORDER BY used DESC LIMIT -1 OFFSET ${keptQueries})`
    )))
    return vector
  })
