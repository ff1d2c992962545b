/**
 * The one fiber of a vault that compresses. It sleeps until it is woken: by a new job, by a write that made summaries
 * stale, or by the end of a lease that another process holds and may have died with.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { JobId } from "../Compressor.ts"
import { CipherError, CompressionError, EmbeddingError, StorageError } from "../MemoryVaultError.ts"
import { compressSession, minTokens, yieldToOthers } from "./compressSession.ts"
import type { Tools } from "./compressSession.ts"
import { advanceJob, claimJob, endJob, hasOpenJobs, leaseMillis, nextLease } from "./jobRows.ts"
import type { JobRow, Progress } from "./jobRows.ts"
import { makeJobId } from "./makeId.ts"
import { guard } from "./memoryRows.ts"
import type { Store } from "./scopeKeys.ts"
import { areUnchanged, deleteSummaries, nextStale, readPending, readSources, replaceSummaries } from "./summaryRows.ts"
import type { Method, NewSummary, Source } from "./summaryRows.ts"
import { takeLock } from "./writeMemories.ts"

/**
 * @since 0.1.0
 */
export interface JobRunner {
  /** There may be something to do. */
  readonly wake: Effect.Effect<void>
  /** Stops a job that this vault works on. */
  readonly stop: (id: JobId) => Effect.Effect<void>
  /** Waits for the next end of a job of this vault, or a while: others may end jobs, too. */
  readonly nextEnd: Effect.Effect<void>
}

interface Parts extends Tools, Store {}

interface Work {
  readonly id: string
  readonly owner: string
}

/** The job is no longer this vault's: cancelled, erased, or taken over. */
class LostJob extends Data.TaggedClass("LostJob") {}

const pollInterval = "250 millis"
/** A session whose memories change faster than they are compressed is left to the next compression. */
const maxAttempts = 8

const decodeSessions = Schema.decodeUnknownOption(Schema.parseJson(Schema.Array(Schema.String)))

/** Nothing of what the compressor was given may come out by way of its own error. */
const reasonOf = (error: unknown): string => isOurs(error) ? error.message : "the compressor died"

const isOurs = Schema.is(Schema.Union(CipherError, CompressionError, EmbeddingError, StorageError))

const methodOf = ({ compressor, embedder }: Parts, ratio: number): Method => ({
  ratio,
  compressor: compressor.name,
  embedder: embedder.id
})

const noProgress: Progress = { done: 0, summaries: 0, tokensBefore: 0, tokensAfter: 0 }

const measure = (sources: ReadonlyArray<Source>, summaries: ReadonlyArray<NewSummary>): Progress => ({
  done: 1,
  summaries: summaries.length,
  tokensBefore: sources.reduce((sum, { memory }) => sum + memory.tokens, 0),
  tokensAfter: summaries.reduce((sum, { tokens }) => sum + tokens, 0)
})

const checkOwner = ({ sql }: Parts, work: Work | undefined, progress: Progress) =>
  Effect.gen(function*() {
    if (work === undefined) return
    if (!(yield* advanceJob(sql, work, progress, yield* Clock.currentTimeMillis))) {
      return yield* Effect.fail(new LostJob())
    }
  })

/** Writes the summaries if nothing has changed what they say; `false` when something has. */
const writeSummaries = (
  parts: Parts,
  target: { readonly scope: number; readonly session: string; readonly method: Method },
  made: { readonly sources: ReadonlyArray<Source>; readonly summaries: ReadonlyArray<NewSummary> },
  work: Work | undefined
) =>
  guard("compress")(parts.sql.withTransaction(Effect.gen(function*() {
    const { method, scope, session } = target
    const change = yield* takeLock(parts.sql)
    if (!(yield* areUnchanged(parts.sql, scope, session, made.sources))) return false
    yield* checkOwner(parts, work, measure(made.sources, made.summaries))
    // Nothing is left of the session, perhaps not even its scope.
    if (made.sources.length === 0) return yield* Effect.as(deleteSummaries(parts.sql, scope, session), true)
    yield* replaceSummaries(parts, scope, session, made.summaries, {
      ...method,
      memories: made.sources.length,
      change
    })
    return true
  })))

/** Compresses one session and writes it down, once more where its memories changed meanwhile. */
const compressOne = (
  parts: Parts,
  target: { readonly scope: number; readonly session: string; readonly method: Method },
  work: Work | undefined
): Effect.Effect<void, CompressionError | EmbeddingError | CipherError | StorageError | LostJob> =>
  Effect.gen(function*() {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const sources = yield* guard("compress")(readSources(parts, target.scope, target.session))
      const summaries = yield* compressSession(sources, target.method.ratio, parts)
      if (yield* writeSummaries(parts, target, { sources, summaries }, work)) return
    }
  })

const rehearse = (parts: Parts, job: JobRow, sessions: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    let total: Progress = { ...noProgress, pending: sessions.length }
    for (const session of sessions) {
      const sources = yield* guard("compress")(readSources(parts, job.scope, session))
      const one = measure(sources, yield* compressSession(sources, job.ratio, parts))
      total = {
        pending: sessions.length,
        done: total.done + one.done,
        summaries: total.summaries + one.summaries,
        tokensBefore: total.tokensBefore + one.tokensBefore,
        tokensAfter: total.tokensAfter + one.tokensAfter
      }
    }
    return total
  })

const runJob = (parts: Parts, job: JobRow, work: Work) =>
  Effect.gen(function*() {
    const { sql } = parts
    const method = methodOf(parts, job.ratio)
    const sessions = Option.getOrUndefined(decodeSessions(job.sessions))
    const pending = yield* guard("compress")(readPending(sql, job.scope, method, { sessions, minTokens }))
    const progress = job.dry === 1 ? yield* rehearse(parts, job, pending) : { ...noProgress, pending: pending.length }
    yield* guard("compress")(checkOwner(parts, work, progress))
    if (job.dry === 1) return
    yield* Effect.forEach(pending, (session) => compressOne(parts, { scope: job.scope, session, method }, work), {
      discard: true
    })
  })

const keepLease = (parts: Parts, work: Work) =>
  guard("compress")(checkOwner(parts, work, noProgress)).pipe(
    Effect.delay(leaseMillis / 3),
    Effect.forever
  )

/** Fails for no reason of the job's own: how it went is written into it. */
const superviseJob = (parts: Parts, job: JobRow, work: Work, stopped: Effect.Effect<void>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const running = runJob(parts, job, work).pipe(
        Effect.raceFirst(keepLease(parts, work)),
        Effect.raceFirst(stopped)
      )
      const exit = yield* Effect.exit(restore(running))
      const now = yield* Clock.currentTimeMillis
      const error = Exit.isSuccess(exit) ? undefined : Cause.squash(exit.cause)
      if (error instanceof LostJob) return
      if (Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)) {
        // Tried once only: a vault that closes does not wait, and a lease that stays ends by itself.
        return yield* Effect.ignoreLogged(endJob(parts.sql, work, { state: "queued" }, now))
      }
      if (error !== undefined) yield* Effect.logWarning(`a compression failed: ${reasonOf(error)}`)
      const end = error === undefined
        ? { state: "done" as const }
        : { state: "failed" as const, error: reasonOf(error) }
      yield* restore(guard("compress")(endJob(parts.sql, work, end, now)))
    })
  )

/** Sessions that lost their summaries get new ones, or none where too little is left of them. */
const rewriteStale = (
  parts: Parts
): Effect.Effect<void, CompressionError | EmbeddingError | CipherError | StorageError | LostJob> =>
  Effect.gen(function*() {
    const { sql } = parts
    while (true) {
      const stale = yield* guard("compress")(nextStale(sql))
      if (stale === undefined) return
      const { ratio, scope, session } = stale
      const method = methodOf(parts, ratio)
      const worth = yield* guard("compress")(
        readPending(sql, scope, method, { sessions: [session], minTokens })
      )
      if (worth.length > 0) yield* compressOne(parts, { scope, session, method }, undefined)
      else yield* guard("compress")(deleteSummaries(sql, scope, session))
      yield* yieldToOthers
    }
  })

/**
 * Starts the fiber, which ends with the scope.
 *
 * @since 0.1.0
 */
export const makeJobRunner = (parts: Parts): Effect.Effect<JobRunner, never, Scope.Scope> =>
  Effect.gen(function*() {
    const owner: string = yield* Effect.flatMap(Clock.currentTimeMillis, makeJobId)
    const called = yield* Effect.makeLatch(false)
    const ended = yield* Effect.makeLatch(false)
    let current: { readonly id: string; readonly stop: Deferred.Deferred<void> } | undefined

    const takeJobs = Effect.gen(function*() {
      while (yield* guard("compress")(hasOpenJobs(parts.sql))) {
        const job = yield* Effect.flatMap(Clock.currentTimeMillis, (now) =>
          guard("compress")(claimJob(parts.sql, owner, now)))
        if (job === undefined) {
          return
        }
        const stop = yield* Deferred.make<void>()
        current = { id: job.id, stop }
        yield* superviseJob(parts, job, { id: job.id, owner }, Deferred.await(stop))
        current = undefined
        yield* ended.release
      }
    })
    const nextCall = Effect.gen(function*() {
      const until = yield* guard("compress")(nextLease(parts.sql))
      const now = yield* Clock.currentTimeMillis
      yield* until === undefined
        ? called.await
        : Effect.race(called.await, Effect.sleep(Math.min(Math.max(until - now, 0), leaseMillis) + 1))
    })
    const round = Effect.zipRight(called.close, Effect.zipRight(takeJobs, rewriteStale(parts))).pipe(
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause)
          ? Effect.failCause(cause)
          : Effect.logWarning(`compression was put off: ${reasonOf(Cause.squash(cause))}`)
      )
    )
    yield* round.pipe(
      Effect.zipRight(Effect.catchAll(nextCall, () =>
        called.await)),
      Effect.forever,
      Effect.forkScoped
    )
    return {
      wake: Effect.asVoid(called.open),
      stop: (id) => Effect.suspend(() => current?.id === id ? Deferred.succeed(current.stop, undefined) : Effect.void),
      nextEnd: Effect.race(ended.await, Effect.sleep(pollInterval))
    }
  })
