/**
 * Compression as seen from one scope: jobs, and the summaries they wrote.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { CompressionJob, CompressOptions, JobId, SummaryId } from "../Compressor.ts"
import type { UserMemory } from "../MemoryVault.ts"
import { CompressionError, JobNotFound } from "../MemoryVaultError.ts"
import type { CipherError, StorageError } from "../MemoryVaultError.ts"
import * as Telemetry from "../Telemetry.ts"
import { cancelJob, enqueueJob, readJob } from "./jobRows.ts"
import { makeJobId } from "./makeId.ts"
import { guard } from "./memoryRows.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { VaultParts } from "./serveScope.ts"
import { readSourcesOf, readSummaryPage } from "./summaryRows.ts"

const defaultRatio = 0.25
const pageSize = 128

/**
 * @since 0.1.0
 */
export const makeCompress = (key: ScopeKey, parts: VaultParts): UserMemory["compress"] =>
  Effect.fn(Telemetry.spans.compress)(function*(options: CompressOptions = {}) {
    const ratio = options.ratio ?? defaultRatio
    if (!(ratio >= 0.05 && ratio <= 0.9)) return yield* new CompressionError({ reason: "ratio" })
    const now = yield* Clock.currentTimeMillis
    const id = yield* makeJobId(now)
    const job = { id, sessions: options.sessions, ratio, dryRun: options.dryRun ?? false }
    const queued = yield* guard("compress")(enqueueJob(parts, key, job, now))
    yield* parts.jobs.wake
    return queued
  })

const isOpen = ({ state }: CompressionJob): boolean => state === "queued" || state === "running"

/**
 * @since 0.1.0
 */
export const makeJobs = (key: ScopeKey, { jobs, sql }: VaultParts): UserMemory["jobs"] => {
  const status = (id: JobId) => guard("jobs.status")(readJob(sql, key, id))
  const awaitEnd = (id: JobId): Effect.Effect<CompressionJob, JobNotFound | StorageError | CipherError> =>
    Effect.gen(function*() {
      while (true) {
        const found = yield* status(id)
        if (Option.isNone(found)) return yield* new JobNotFound({ id })
        if (!isOpen(found.value)) return found.value
        yield* Effect.zipRight(jobs.wake, jobs.nextEnd)
      }
    })
  return {
    status: Effect.fn(Telemetry.spans.jobStatus)(status),
    await: Effect.fn(Telemetry.spans.awaitJob)(awaitEnd),
    cancel: Effect.fn(Telemetry.spans.cancelJob)(function*(id: JobId) {
      const now = yield* Clock.currentTimeMillis
      const cancelled = yield* guard("jobs.cancel")(cancelJob(sql, key, id, now))
      if (cancelled) yield* jobs.stop(id)
      return cancelled
    })
  }
}

/**
 * @since 0.1.0
 */
export const makeSummaries = (key: ScopeKey, parts: VaultParts): UserMemory["summaries"] => ({
  list: (sessionId) =>
    Stream.paginateChunkEffect(-Infinity, (after) =>
      Effect.map(
        guard("summaries.list")(readSummaryPage(parts, key, sessionId, { after, size: pageSize })),
        ([summaries, next]) => [Chunk.unsafeFromArray(summaries), next] as const
      )),
  sources: Effect.fn(Telemetry.spans.summarySources)((id: SummaryId) =>
    guard("summaries.sources")(readSourcesOf(parts, key, id))
  )
})
