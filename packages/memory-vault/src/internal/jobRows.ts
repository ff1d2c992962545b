/**
 * Jobs in the database: who works on one holds a lease on it, and every write of its work checks that it still does.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CompressionJob } from "../Compressor.ts"
import { JobId } from "../Compressor.ts"
import { QuotaExceeded } from "../MemoryVaultError.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { Store } from "./scopeKeys.ts"
import { openScope, takeLock } from "./writeMemories.ts"

/**
 * A lease lasts this long without renewal; it is renewed after a third of it.
 *
 * @since 0.1.0
 */
export const leaseMillis = 12_000

const limits = { unfinished: 16, finished: 100 } as const

/**
 * @since 0.1.0
 */
export interface JobRow {
  readonly id: string
  readonly scope: number
  readonly state: CompressionJob["state"]
  readonly sessions: string | null
  readonly ratio: number
  readonly dry: number
  readonly owner: string | null
  readonly lease_until: number | null
  readonly total: number | null
  readonly done: number
  readonly summaries: number
  readonly tokens_before: number
  readonly tokens_after: number
  readonly error: string | null
  readonly created_at: number
  readonly updated_at: number
}

const toJob = (row: JobRow): CompressionJob => ({
  id: JobId.make(row.id, { disableValidation: true }),
  state: row.state,
  dryRun: row.dry === 1,
  ...(row.total === null ? {} : { total: row.total }),
  done: row.done,
  summaries: row.summaries,
  tokensBefore: row.tokens_before,
  tokensAfter: row.tokens_after,
  ...(row.error === null ? {} : { error: row.error }),
  createdAt: DateTime.unsafeMake(row.created_at),
  updatedAt: DateTime.unsafeMake(row.updated_at)
})

const ownScope = (sql: SqlClient, key: ScopeKey) =>
  sql`(SELECT id FROM vault_scopes WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent})`

/**
 * Writes the job down, or gives the unfinished one that does the same.
 *
 * @since 0.1.0
 */
export const enqueueJob = (
  store: Store,
  key: ScopeKey,
  job: {
    readonly id: JobId
    readonly sessions: ReadonlyArray<string> | undefined
    readonly ratio: number
    readonly dryRun: boolean
  },
  now: number
): Effect.Effect<CompressionJob, SqlError | QuotaExceeded> =>
  store.sql.withTransaction(Effect.gen(function*() {
    const { sql } = store
    yield* takeLock(sql)
    const { id: scope } = yield* openScope(store, key)
    const sessions = job.sessions === undefined ? null : JSON.stringify(job.sessions)
    const [same] = yield* sql<JobRow>`SELECT * FROM vault_jobs WHERE scope = ${scope} AND state = 'queued'
      AND sessions IS ${sessions} AND ratio = ${job.ratio} AND dry = ${Number(job.dryRun)}`
    if (same !== undefined) return toJob(same)
    const open = yield* sql`SELECT id FROM vault_jobs WHERE scope = ${scope} AND state IN ('queued', 'running')`
    if (open.length >= limits.unfinished) {
      return yield* new QuotaExceeded({ resource: "unfinished jobs", limit: limits.unfinished })
    }
    yield* sql`DELETE FROM vault_jobs WHERE id IN (SELECT id FROM vault_jobs
      WHERE scope = ${scope} AND state NOT IN ('queued', 'running')
      ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ${limits.finished - 1})`
    const rows = yield* sql<JobRow>`INSERT INTO vault_jobs
        (id, scope, state, sessions, ratio, dry, done, summaries, tokens_before, tokens_after, created_at, updated_at)
      VALUES (${job.id}, ${scope}, 'queued', ${sessions}, ${job.ratio}, ${
      Number(job.dryRun)
    }, 0, 0, 0, 0, ${now}, ${now})
      RETURNING *`
    return yield* Effect.map(Effect.orDie(Effect.fromNullable(rows[0])), toJob)
  }))

/**
 * @since 0.1.0
 */
export const readJob = (
  sql: SqlClient,
  key: ScopeKey,
  id: JobId
): Effect.Effect<Option.Option<CompressionJob>, SqlError> =>
  Effect.map(
    sql<JobRow>`SELECT * FROM vault_jobs WHERE id = ${id} AND +scope = ${ownScope(sql, key)}`,
    ([row]) => Option.map(Option.fromNullable(row), toJob)
  )

/**
 * Whether there was an unfinished job to cancel.
 *
 * @since 0.1.0
 */
export const cancelJob = (sql: SqlClient, key: ScopeKey, id: JobId, now: number): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    sql`UPDATE vault_jobs SET state = 'cancelled', owner = NULL, lease_until = NULL, updated_at = ${now}
      WHERE id = ${id} AND +scope = ${ownScope(sql, key)} AND state IN ('queued', 'running') RETURNING id`,
    (rows) => rows.length > 0
  )

/**
 * A look that takes no lock.
 *
 * @since 0.1.0
 */
export const hasOpenJobs = (sql: SqlClient): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    sql`SELECT 1 FROM vault_jobs WHERE state IN ('queued', 'running') LIMIT 1`,
    (rows) => rows.length > 0
  )

/**
 * Takes the oldest job that no one works on. A lease that ends later than any lease can was given under another time of
 * day, so it binds no one.
 *
 * @since 0.1.0
 */
export const claimJob = (sql: SqlClient, owner: string, now: number): Effect.Effect<JobRow | undefined, SqlError> =>
  Effect.map(
    sql<JobRow>`UPDATE vault_jobs SET state = 'running', owner = ${owner}, lease_until = ${now + leaseMillis},
        updated_at = ${now}
      WHERE id = (SELECT id FROM vault_jobs WHERE state IN ('queued', 'running')
          AND (owner IS NULL OR lease_until <= ${now} OR lease_until > ${now + 2 * leaseMillis})
        ORDER BY created_at, id LIMIT 1)
      RETURNING *`,
    ([row]) => row
  )

/**
 * When the first lease of another owner ends, if there is one.
 *
 * @since 0.1.0
 */
export const nextLease = (sql: SqlClient): Effect.Effect<number | undefined, SqlError> =>
  Effect.map(
    sql<{ readonly until: number | null }>`SELECT min(lease_until) AS until FROM vault_jobs
      WHERE state IN ('queued', 'running')`,
    ([row]) => row?.until ?? undefined
  )

/**
 * What a job has done since the last time.
 *
 * @since 0.1.0
 */
export interface Progress {
  /** How many sessions are to be done from here on, where that was counted; it differs when a job is taken up again. */
  readonly pending?: number
  readonly done: number
  readonly summaries: number
  readonly tokensBefore: number
  readonly tokensAfter: number
}

/**
 * Adds to the record of a job and renews its lease; `false` when the job is no longer this owner's.
 *
 * @since 0.1.0
 */
export const advanceJob = (
  sql: SqlClient,
  job: { readonly id: string; readonly owner: string },
  progress: Progress,
  now: number
): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    sql`UPDATE vault_jobs SET lease_until = ${now + leaseMillis}, updated_at = ${now},
        total = coalesce(done + ${progress.pending ?? null}, total),
        done = done + ${progress.done}, summaries = summaries + ${progress.summaries},
        tokens_before = tokens_before + ${progress.tokensBefore}, tokens_after = tokens_after + ${progress.tokensAfter}
      WHERE id = ${job.id} AND owner = ${job.owner} AND state = 'running' RETURNING id`,
    (rows) => rows.length > 0
  )

/**
 * @since 0.1.0
 */
export const endJob = (
  sql: SqlClient,
  job: { readonly id: string; readonly owner: string },
  end: { readonly state: "done" | "failed"; readonly error?: string } | { readonly state: "queued" },
  now: number
): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    sql`UPDATE vault_jobs SET state = ${end.state}, error = ${"error" in end ? end.error ?? null : null}, owner = NULL,
        lease_until = NULL, updated_at = ${now}
      WHERE id = ${job.id} AND owner = ${job.owner} AND state = 'running'`
  )
