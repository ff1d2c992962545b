/**
 * Looks for what cannot be in a vault's tables: everything that one transaction writes must be there together.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Disagreement } from "../Memory.ts"
import { indexTerms } from "./analyzeText.ts"
import { decodeTerms, encodeTerms, sumOf } from "./storedTerms.ts"

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
      UNION ALL SELECT scope FROM (SELECT scope FROM vault_memories UNION SELECT scope FROM vault_procedures UNION SELECT scope FROM vault_working UNION SELECT scope FROM vault_jobs
        UNION SELECT scope FROM vault_summaries UNION SELECT scope FROM vault_save_keys) WHERE scope NOT IN
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
  readonly text: string
  readonly speaker: string | null
  readonly terms: string
}

const readPage = (sql: SqlClient, after: number) =>
  Effect.map(
    sql<IndexedRow>`SELECT doc, scope, text, speaker, terms FROM vault_memories
      WHERE doc > ${after} ORDER BY doc LIMIT ${pageSize}`,
    (rows) => {
      const next = rows.length < pageSize ? Option.none<number>() : Option.fromNullable(rows.at(-1)?.doc)
      return [Chunk.unsafeFromArray(rows), next] as const
    }
  )

/** A file of an older schema has them in another order. */
const sortTerms = (stored: string) => Either.map(decodeTerms(stored), (pairs) => pairs.map(String).toSorted().join(" "))

const isAsAnalysed = ({ speaker, terms, text }: IndexedRow): boolean =>
  Equal.equals(sortTerms(terms), sortTerms(encodeTerms(indexTerms(text, speaker ?? undefined))))

/** How many memories have terms that the analysis of their text does not give, and how many scopes another sum of them. */
const checkTerms = (sql: SqlClient) =>
  Effect.gen(function*() {
    const sums = new Map<number, number>()
    const wrong = yield* Stream.paginateChunkEffect(-Infinity, (after: number) => readPage(sql, after)).pipe(
      Stream.tap((row) =>
        Effect.sync(() => {
          const sum = Either.match(decodeTerms(row.terms), { onLeft: () => Number.NaN, onRight: sumOf })
          sums.set(row.scope, (sums.get(row.scope) ?? 0) + sum)
        })
      ),
      Stream.filter((row) => !isAsAnalysed(row)),
      Stream.runCount
    )
    const scopes = yield* sql<{ readonly id: number; readonly terms: number }>`SELECT id, terms FROM vault_scopes`
    return { wrong, scopes: scopes.filter(({ id, terms }) => terms !== (sums.get(id) ?? 0)).length }
  })

/**
 * What disagrees, by kind; nothing where all is well.
 *
 * @since 0.1.0
 */
export const verifyStore = (sql: SqlClient): Effect.Effect<ReadonlyArray<Disagreement>, SqlError> =>
  Effect.gen(function*() {
    const found = yield* Effect.forEach(
      checks(sql),
      ([check, query]) => Effect.map(query, (rows) => ({ check, count: rows.length }))
    )
    const terms = yield* checkTerms(sql)
    return [
      ...found.map(({ check, count }) => ({ check, count: check === "scopes" ? count + terms.scopes : count })),
      { check: "terms" as const, count: terms.wrong }
    ].filter(({ count }) => count > 0)
  })
