/**
 * Summaries in the database. They follow their sources: what removes or changes a memory drops the summaries of its
 * session by a trigger.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Summary } from "../Compressor.ts"
import { SummaryId } from "../Compressor.ts"
import type { Memory } from "../Memory.ts"
import { toBlob } from "./embedTexts.ts"
import { memoryColumns, toMemory } from "./memoryRows.ts"
import type { MemoryRow } from "./memoryRows.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import { opening, placeOf } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"
import { sealTerms } from "./storedTerms.ts"

interface SummaryRow {
  readonly doc: number
  readonly id: string
  readonly session: string
  readonly text: string
  readonly tokens: number
  readonly source_tokens: number
  readonly at: number
  readonly created_at: number
}

const summaryColumns = "doc, id, session, text, tokens, source_tokens, at, created_at"

/**
 * What of a summary is sealed, each field in the place of its summary.
 *
 * @since 0.1.0
 */
export const summaryPlaces = (id: string) => ({
  text: placeOf("summary.text", id),
  terms: placeOf("summary.terms", id),
  vector: placeOf("summary.vector", id)
})

/** Throws `CipherError`. */
const toSummary = (sealer: Sealer, row: SummaryRow): Summary => ({
  id: SummaryId.make(row.id, { disableValidation: true }),
  sessionId: row.session,
  text: sealer.openText(summaryPlaces(row.id).text, row.text),
  tokens: row.tokens,
  sourceTokens: row.source_tokens,
  eventTime: DateTime.unsafeMake(row.at),
  createdAt: DateTime.unsafeMake(row.created_at)
})

/**
 * A memory that a summary may be made from.
 *
 * @since 0.1.0
 */
export interface Source {
  readonly doc: number
  readonly memory: Memory
}

/**
 * A summary that is to be written.
 *
 * @since 0.1.0
 */
export interface NewSummary {
  readonly id: SummaryId
  readonly text: string
  readonly terms: ReadonlyMap<string, number>
  readonly vector: Int8Array
  readonly tokens: number
  readonly sourceTokens: number
  readonly at: number
  readonly createdAt: number
  readonly sources: ReadonlyArray<{ readonly doc: number; readonly quoted: boolean }>
}

/**
 * How a session was, or is to be, compressed.
 *
 * @since 0.1.0
 */
export interface Method {
  readonly ratio: number
  readonly compressor: string
  /** The row of the embedder of its vectors. */
  readonly embedder: number
}

/**
 * What a session says that nothing has ended, in order.
 *
 * @since 0.1.0
 */
export const readSources = (
  { keys, sql }: Store,
  scope: number,
  session: string
): Effect.Effect<ReadonlyArray<Source>, SqlError> =>
  keys.reading(scope, (sealer) =>
    Effect.flatMap(
      sql<MemoryRow>`SELECT ${sql.literal(memoryColumns)} FROM vault_memories
      WHERE scope = ${scope} AND session = ${session} AND valid_to IS NULL ORDER BY doc`,
      (rows) => Either.all(rows.map((row) => Either.map(toMemory(sealer)(row), (memory) => ({ doc: row.doc, memory }))))
    ))

/**
 * Sessions whose summaries are not what they would be by this method, first begun first. A session of less than
 * `minTokens` is not worth one.
 *
 * @since 0.1.0
 */
export const readPending = (
  sql: SqlClient,
  scope: number,
  method: Method,
  options: { readonly sessions: ReadonlyArray<string> | undefined; readonly minTokens: number }
): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  Effect.map(
    sql<{ readonly session: string }>`
      SELECT m.session FROM vault_memories m
      LEFT JOIN vault_compressed c ON c.scope = m.scope AND c.session = m.session
      WHERE m.scope = ${scope} AND m.session IS NOT NULL AND m.valid_to IS NULL
        ${
      options.sessions === undefined
        ? sql``
        : sql`AND m.session IN (SELECT value FROM json_each(${JSON.stringify(options.sessions)}))`
    }
      GROUP BY m.session
      HAVING sum(m.tokens) >= ${options.minTokens} AND (c.session IS NULL OR c.stale = 1 OR c.ratio <> ${method.ratio}
        OR c.compressor <> ${method.compressor} OR c.memories <> count(*)
        OR EXISTS (SELECT 1 FROM vault_summaries t WHERE t.scope = ${scope} AND t.session = m.session
          AND t.embedder IS NOT ${method.embedder}))
      ORDER BY min(m.doc)`,
    (rows) => rows.map(({ session }) => session)
  )

/**
 * Whether the sources are still what they were when they were read; to be asked inside the transaction that writes.
 *
 * @since 0.1.0
 */
export const areUnchanged = (
  sql: SqlClient,
  scope: number,
  session: string,
  sources: ReadonlyArray<Source>
): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    sql<{ readonly id: string; readonly version: number }>`SELECT id, version FROM vault_memories
      WHERE scope = ${scope} AND session = ${session} AND valid_to IS NULL ORDER BY doc`,
    (rows) =>
      rows.length === sources.length &&
      rows.every(({ id, version }, i) => id === sources[i]?.memory.id && version === sources[i]?.memory.version)
  )

const insertSummary = (
  sql: SqlClient,
  sealer: Sealer,
  scope: number,
  session: string,
  one: NewSummary,
  { change, embedder }: { readonly change: number; readonly embedder: number }
) =>
  Effect.gen(function*() {
    const places = summaryPlaces(one.id)
    const [row] = yield* sql<{ readonly doc: number }>`INSERT INTO vault_summaries
        (scope, id, session, text, terms, tokens, source_tokens, at, created_at, change, embedder, vector)
      VALUES (${scope}, ${one.id}, ${session}, ${sealer.sealText(places.text, one.text)},
        ${sealTerms(sealer, places.terms, one.terms)}, ${one.tokens},
        ${one.sourceTokens}, ${one.at}, ${one.createdAt}, ${change}, ${embedder}, ${
      sealer.sealBytes(places.vector, toBlob(one.vector))
    }) RETURNING doc`
    const sources = JSON.stringify(one.sources.map(({ doc, quoted }) => [doc, Number(quoted)]))
    yield* sql`INSERT INTO vault_summary_sources (summary, source, quoted)
      SELECT ${row?.doc ?? null}, value ->> 0, value ->> 1 FROM json_each(${sources})`
  })

/**
 * Removes the summaries of a session, or of every session of the scope; how many there were.
 *
 * @since 0.1.0
 */
export const deleteSummaries = (sql: SqlClient, scope: number, session?: string): Effect.Effect<number, SqlError> => {
  const own = session === undefined ? sql`` : sql`AND session = ${session}`
  return Effect.gen(function*() {
    yield* sql`DELETE FROM vault_summary_sources WHERE summary IN
      (SELECT doc FROM vault_summaries WHERE scope = ${scope} ${own})`
    yield* sql`DELETE FROM vault_compressed WHERE scope = ${scope} ${own}`
    const rows = yield* sql`DELETE FROM vault_summaries WHERE scope = ${scope} ${own} RETURNING doc`
    return rows.length
  })
}

/**
 * Puts these summaries in the place of the session's former ones; part of a transaction that holds the lock and has
 * the number `change`.
 *
 * @since 0.1.0
 */
export const replaceSummaries = (
  { keys, sql }: Store,
  scope: number,
  session: string,
  summaries: ReadonlyArray<NewSummary>,
  made: Method & { readonly memories: number; readonly change: number }
): Effect.Effect<void, SqlError> =>
  Effect.gen(function*() {
    yield* deleteSummaries(sql, scope, session)
    const sealer = yield* keys.of(scope)
    yield* Effect.forEach(summaries, (one) => insertSummary(sql, sealer, scope, session, one, made), { discard: true })
    yield* sql`INSERT INTO vault_compressed (scope, session, ratio, compressor, memories, stale)
      VALUES (${scope}, ${session}, ${made.ratio}, ${made.compressor}, ${made.memories}, 0)`
  })

/**
 * A session that lost its summaries with a memory they were made from.
 *
 * @since 0.1.0
 */
export interface Stale {
  readonly scope: number
  readonly session: string
  readonly ratio: number
}

/**
 * @since 0.1.0
 */
export const nextStale = (sql: SqlClient): Effect.Effect<Stale | undefined, SqlError> =>
  Effect.map(
    sql<Stale>`SELECT scope, session, ratio FROM vault_compressed WHERE stale = 1 LIMIT 1`,
    ([row]) => row
  )

const ownScope = (sql: SqlClient, key: ScopeKey) =>
  sql`(SELECT id FROM vault_scopes WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent})`

/**
 * A page of summaries after a place, in the order of writing.
 *
 * @since 0.1.0
 */
export const readSummaryPage = (
  { keys, sql }: Store,
  key: ScopeKey,
  session: string | undefined,
  page: { readonly after: number; readonly size: number }
): Effect.Effect<readonly [ReadonlyArray<Summary>, Option.Option<number>], SqlError> =>
  keys.reading(key, (sealer) =>
    Effect.flatMap(
      sql<SummaryRow>`SELECT ${sql.literal(summaryColumns)} FROM vault_summaries
      WHERE scope = ${ownScope(sql, key)} AND doc > ${page.after}
        ${session === undefined ? sql`` : sql`AND session = ${session}`}
      ORDER BY doc LIMIT ${page.size}`,
      (rows) =>
        opening(() => [
          rows.map((row) => toSummary(sealer, row)),
          rows.length < page.size ? Option.none() : Option.fromNullable(rows.at(-1)?.doc)
        ])
    ))

/**
 * The memories that a summary was made from, in order; none where the scope has no such summary.
 *
 * @since 0.1.0
 */
export const readSourcesOf = (
  { keys, sql }: Store,
  key: ScopeKey,
  id: SummaryId
): Effect.Effect<ReadonlyArray<Memory>, SqlError> =>
  keys.reading(key, (sealer) =>
    Effect.flatMap(
      sql<MemoryRow>`SELECT ${sql.literal(memoryColumns)} FROM vault_memories
      WHERE doc IN (SELECT s.source FROM vault_summary_sources s JOIN vault_summaries t ON t.doc = s.summary
          WHERE t.id = ${id} AND t.scope = ${ownScope(sql, key)})
        AND +scope = ${ownScope(sql, key)}
      ORDER BY doc`,
      (rows) => Either.all(rows.map(toMemory(sealer)))
    ))

/**
 * A summary and the places of all memories that it was made from.
 *
 * @since 0.1.0
 */
export interface SummaryWithSources {
  readonly doc: number
  readonly summary: Summary
  readonly sources: ReadonlyArray<number>
  readonly quoted: ReadonlySet<number>
}

interface LinkRow extends SummaryRow {
  readonly source: number
  readonly quoted: number
}

const group = (sealer: Sealer) => (rows: ReadonlyArray<LinkRow>) =>
  opening((): ReadonlyArray<SummaryWithSources> => {
    const found = new Map<
      number,
      { readonly row: LinkRow; readonly sources: Array<number>; readonly quoted: Set<number> }
    >()
    for (const row of rows) {
      const one = found.get(row.doc) ?? { row, sources: [], quoted: new Set() }
      found.set(row.doc, one)
      one.sources.push(row.source)
      if (row.quoted === 1) one.quoted.add(row.source)
    }
    return Array.from(found.values(), ({ quoted, row, sources }) => ({
      doc: row.doc,
      summary: toSummary(sealer, row),
      sources,
      quoted
    }))
  })

const linkColumns = "t.doc, t.id, t.session, t.text, t.tokens, t.source_tokens, t.at, t.created_at, s.source, s.quoted"

/**
 * The summaries that quote any of these memories.
 *
 * @since 0.1.0
 */
export const readQuoting = (
  { keys, sql }: Store,
  scope: number,
  docs: ReadonlyArray<number>
): Effect.Effect<ReadonlyArray<SummaryWithSources>, SqlError> =>
  keys.reading(scope, (sealer) =>
    Effect.flatMap(
      sql<LinkRow>`SELECT ${sql.literal(linkColumns)}
      FROM vault_summaries t JOIN vault_summary_sources s ON s.summary = t.doc
      WHERE t.scope = ${scope} AND t.doc IN (SELECT summary FROM vault_summary_sources
        WHERE quoted = 1 AND source IN (SELECT value FROM json_each(${JSON.stringify(docs)})))
      ORDER BY t.doc, s.source`,
      group(sealer)
    ))

/**
 * The summaries in these places, in no order.
 *
 * @since 0.1.0
 */
export const readSummaries = (
  { keys, sql }: Store,
  scope: number,
  docs: ReadonlyArray<number>
): Effect.Effect<ReadonlyArray<SummaryWithSources>, SqlError> =>
  keys.reading(scope, (sealer) =>
    Effect.flatMap(
      sql<LinkRow>`SELECT ${sql.literal(linkColumns)}
      FROM vault_summaries t JOIN vault_summary_sources s ON s.summary = t.doc
      WHERE t.scope = ${scope} AND t.doc IN (SELECT value FROM json_each(${JSON.stringify(docs)}))
      ORDER BY t.doc, s.source`,
      group(sealer)
    ))
