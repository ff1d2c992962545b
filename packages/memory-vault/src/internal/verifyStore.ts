/**
 * Looks for what cannot be in a vault's tables: everything that one transaction writes must be there together.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Disagreement } from "../Memory.ts"
import { indexTerms } from "./analyzeText.ts"
import { memoryPlaces, openOrNull } from "./memoryRows.ts"
import type { Store } from "./scopeKeys.ts"
import { isRefusal, opening } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"
import { openTerms, sumOf } from "./storedTerms.ts"

const pageSize = 256

/** Each gives a row for every disagreement. */
const checks = (
  sql: SqlClient
): ReadonlyArray<readonly [Disagreement["check"], Effect.Effect<ReadonlyArray<object>, SqlError>]> => [
  ["integrity", sql`SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'`],
  [
    "scopes",
    sql`SELECT id FROM vault_scopes s
      WHERE s.memories <> (SELECT count(*) FROM vault_memories m WHERE m.scope = s.id)
        OR s.version > (SELECT value FROM vault_meta WHERE key = 'change') OR s.removed > s.version
      UNION ALL SELECT scope FROM (SELECT scope FROM vault_memories
        UNION SELECT scope FROM vault_procedures UNION SELECT scope FROM vault_working UNION SELECT scope FROM vault_jobs
        UNION SELECT scope FROM vault_summaries UNION SELECT scope FROM vault_save_keys
        UNION SELECT scope FROM vault_keys WHERE scope <> 0) WHERE scope NOT IN
          (SELECT id FROM vault_scopes)`
  ],
  [
    "facts",
    sql`SELECT doc FROM vault_facts f WHERE NOT EXISTS
        (SELECT 1 FROM vault_memories m WHERE m.doc = f.doc AND m.scope = f.scope)
      UNION ALL SELECT doc FROM vault_memories WHERE superseded_by IS NOT NULL
        AND (valid_to IS NULL OR superseded_by NOT IN (SELECT id FROM vault_memories))`
  ],
  [
    "revisions",
    sql`SELECT doc FROM vault_revisions r WHERE NOT EXISTS
        (SELECT 1 FROM vault_memories m WHERE m.doc = r.doc AND m.scope = r.scope AND r.version < m.version)`
  ],
  [
    "summaries",
    sql`SELECT doc FROM vault_summaries t WHERE NOT EXISTS (SELECT 1 FROM vault_compressed c
          WHERE c.scope = t.scope AND c.session = t.session AND c.stale = 0)
        OR NOT EXISTS (SELECT 1 FROM vault_summary_sources s WHERE s.summary = t.doc)
      UNION ALL SELECT s.summary FROM vault_summary_sources s
        LEFT JOIN vault_summaries t ON t.doc = s.summary
        LEFT JOIN vault_memories m ON m.doc = s.source AND m.scope = t.scope AND m.session = t.session
        WHERE m.doc IS NULL OR m.valid_to IS NOT NULL`
  ],
  ["keys", sql`SELECT key FROM vault_save_keys WHERE doc IS NOT NULL AND doc NOT IN (SELECT doc FROM vault_memories)`],
  [
    "jobs",
    sql`SELECT id FROM vault_jobs WHERE (state = 'running') <> (owner IS NOT NULL) OR (owner IS NULL) <> (lease_until IS NULL)
      OR done > coalesce(total, 0) OR state NOT IN ('queued', 'running', 'done', 'failed', 'cancelled')`
  ]
]

interface IndexedRow {
  readonly doc: number
  readonly scope: number
  readonly id: string
  readonly text: string
  readonly speaker: string | null
  readonly role: string | null
  readonly metadata: string | null
  readonly vector: Uint8Array | null
  readonly terms: string
}

interface Tally {
  /** Memories whose index terms are not what the analysis of their text gives. */
  wrong: number
  /** Memories of which something does not open. */
  closed: number
  /** By scope: how many terms its memories have, as stored. */
  readonly terms: Map<number, number>
}

/** Throws `CipherError`. */
const openText = (sealer: Sealer, row: IndexedRow) => {
  const places = memoryPlaces(row.id)
  openOrNull(sealer, places.role, row.role)
  openOrNull(sealer, places.metadata, row.metadata)
  if (row.vector !== null) sealer.openBytes(places.vector, row.vector)
  return {
    text: sealer.openText(places.text, row.text),
    speaker: openOrNull(sealer, places.speaker, row.speaker),
    terms: Either.getOrUndefined(openTerms(sealer, places.terms, row.terms))
  }
}

/** A file of an older schema has them in another order. */
const sortTerms = (terms: Iterable<readonly [string, number]>): string => Array.from(terms, String).toSorted().join(" ")

const countRow = (tally: Tally, sealer: Sealer, row: IndexedRow): Effect.Effect<void> =>
  Effect.sync(() => {
    const opened = opening(() => openText(sealer, row))
    if (Either.isLeft(opened)) {
      tally.closed++
      return
    }
    const { speaker, terms = [], text } = opened.right
    if (sortTerms(terms) !== sortTerms(indexTerms(text, speaker ?? undefined))) tally.wrong++
    tally.terms.set(row.scope, (tally.terms.get(row.scope) ?? 0) + sumOf(terms))
  })

const readPage = (sql: SqlClient, after: number) =>
  Effect.map(
    sql<IndexedRow>`SELECT doc, scope, id, text, speaker, role, metadata, vector, terms
      FROM vault_memories WHERE doc > ${after} ORDER BY doc LIMIT ${pageSize}`,
    (rows) => [rows, rows.length < pageSize ? Option.none<number>() : Option.fromNullable(rows.at(-1)?.doc)] as const
  )

/** Every memory, opened and analysed anew. */
const tallyMemories = ({ keys, sql }: Store) =>
  Effect.gen(function*() {
    const tally: Tally = { wrong: 0, closed: 0, terms: new Map() }
    const sealerOf = yield* Effect.cachedFunction((scope: number) => keys.of(scope))
    const rows = Stream.paginateEffect(-Infinity, (after: number) => readPage(sql, after)).pipe(
      Stream.flattenIterables
    )
    yield* Stream.runForEach(rows, (row) =>
      Effect.matchEffect(sealerOf(row.scope), {
        // A key that is gone, or does not unwrap, closes all that it sealed.
        onFailure: (error) => isRefusal(error.cause) ? Effect.sync(() => void tally.closed++) : Effect.fail(error),
        onSuccess: (sealer) => countRow(tally, sealer, row)
      }))
    return tally
  })

/** Scopes that count other terms than their memories have. */
const countScopes = (sql: SqlClient, { terms }: Tally) =>
  Effect.map(
    sql<{ readonly id: number; readonly terms: number }>`SELECT id, terms FROM vault_scopes`,
    (rows) => rows.filter((row) => row.terms !== (terms.get(row.id) ?? 0)).length
  )

/**
 * What disagrees, by kind; nothing where all is well.
 *
 * @since 0.1.0
 */
export const verifyStore = (store: Store): Effect.Effect<ReadonlyArray<Disagreement>, SqlError> =>
  Effect.gen(function*() {
    const { sql } = store
    const tally = yield* tallyMemories(store)
    // What does not open is told as such; its terms are missing only for that reason.
    const scopes = tally.closed === 0 ? yield* countScopes(sql, tally) : 0
    const found = yield* Effect.forEach(
      checks(sql),
      ([check, query]) =>
        Effect.map(query, (rows) => ({ check, count: rows.length + (check === "scopes" ? scopes : 0) }))
    )
    return [
      ...found,
      { check: "terms" as const, count: tally.wrong },
      { check: "sealed" as const, count: tally.closed }
    ].filter(({ count }) => count > 0)
  })
