/**
 * Rows of the database and what they mean.
 *
 * @since 0.1.0
 */
import { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { MemoryId, Metadata } from "../Memory.ts"
import type { Memory, MemoryRevision, MemoryType } from "../Memory.ts"
import { StorageError } from "../MemoryVaultError.ts"
import type { CipherError } from "../MemoryVaultError.ts"
import type { IndexedMemory } from "./indexScope.ts"
import { isRefusal, opening, placeOf } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"

/**
 * @since 0.1.0
 */
export interface MemoryRow {
  readonly doc: number
  readonly id: string
  readonly type: MemoryType
  readonly text: string
  readonly tokens: number
  readonly importance: number
  readonly occurrences: number
  readonly session: string | null
  readonly speaker: string | null
  readonly role: string | null
  readonly event_time: number | null
  readonly metadata: string | null
  readonly created_at: number
  readonly version: number
  readonly updated_at: number
  readonly valid_from: number
  readonly valid_to: number | null
  readonly superseded_by: string | null
}

/**
 * The columns of a `MemoryRow`.
 *
 * @since 0.1.0
 */
export const memoryColumns =
  "doc, id, type, text, tokens, importance, occurrences, session, speaker, role, event_time, metadata, created_at, " +
  "version, updated_at, valid_from, valid_to, superseded_by"

const decodeMetadata = Schema.decodeEither(Schema.parseJson(Metadata))

const readMetadata = (json: string | null): Either.Either<Metadata | undefined, SqlError> =>
  json === null
    ? Either.right(undefined)
    : Either.mapLeft(
      decodeMetadata(json),
      (cause) => new SqlError({ cause, message: "stored metadata is not what this package writes" })
    )

/**
 * What of a memory is sealed, each field in the place of its memory.
 *
 * @since 0.1.0
 */
export const memoryPlaces = (id: string) => ({
  text: placeOf("memory.text", id),
  speaker: placeOf("memory.speaker", id),
  role: placeOf("memory.role", id),
  metadata: placeOf("memory.metadata", id),
  terms: placeOf("memory.terms", id),
  vector: placeOf("memory.vector", id)
})

/**
 * @since 0.1.0
 */
export const revisionPlaces = (id: string, version: number) => ({
  text: placeOf("revision.text", id, version),
  metadata: placeOf("revision.metadata", id, version)
})

/**
 * A field that may be absent.
 *
 * @since 0.1.0
 */
export const openOrNull = (sealer: Sealer, place: string, stored: string | null): string | null =>
  stored === null ? null : sealer.openText(place, stored)

/**
 * @since 0.1.0
 */
export const sealOrNull = (sealer: Sealer, place: string, text: string | null | undefined): string | null =>
  text === null || text === undefined ? null : sealer.sealText(place, text)

const openRow = (row: MemoryRow, sealer: Sealer): Either.Either<MemoryRow, SqlError> => {
  if (!sealer.sealed) return Either.right(row)
  const places = memoryPlaces(row.id)
  return opening(() => ({
    ...row,
    text: sealer.openText(places.text, row.text),
    speaker: openOrNull(sealer, places.speaker, row.speaker),
    role: openOrNull(sealer, places.role, row.role),
    metadata: openOrNull(sealer, places.metadata, row.metadata)
  }))
}

/**
 * @since 0.1.0
 */
export const toMemory = (sealer: Sealer) => (stored: MemoryRow): Either.Either<Memory, SqlError> =>
  Either.flatMap(
    openRow(stored, sealer),
    (row) => Either.map(readMetadata(row.metadata), (metadata) => withMetadata(row, metadata))
  )

const withMetadata = (row: MemoryRow, metadata: Metadata | undefined): Memory => {
  // Most memories were never changed and hold since they were saved: one object for equal times.
  const createdAt = DateTime.unsafeMake(row.created_at)
  const orCreated = (millis: number) => millis === row.created_at ? createdAt : DateTime.unsafeMake(millis)
  return {
    // This package wrote it, so it is not checked again for every row.
    id: MemoryId.make(row.id, { disableValidation: true }),
    type: row.type,
    text: row.text,
    tokens: row.tokens,
    importance: row.importance,
    occurrences: row.occurrences,
    ...(row.session === null ? {} : { sessionId: row.session }),
    ...(row.speaker === null ? {} : { speaker: row.speaker }),
    ...(row.role === null ? {} : { role: row.role }),
    ...(row.event_time === null ? {} : { eventTime: DateTime.unsafeMake(row.event_time) }),
    ...(metadata === undefined ? {} : { metadata }),
    createdAt,
    version: row.version,
    updatedAt: orCreated(row.updated_at),
    validFrom: orCreated(row.valid_from),
    ...(row.valid_to === null ? {} : { validTo: DateTime.unsafeMake(row.valid_to) }),
    ...(row.superseded_by === null
      ? {}
      : { supersededBy: MemoryId.make(row.superseded_by, { disableValidation: true }) })
  }
}

/**
 * @since 0.1.0
 */
export interface RevisionRow {
  readonly version: number
  readonly recorded_at: number
  readonly text: string
  readonly type: MemoryType
  readonly valid_from: number
  readonly event_time: number | null
  readonly metadata: string | null
  /** 1 for the version that the memory has now. */
  readonly current: number
}

/**
 * @since 0.1.0
 */
export const toRevision = (sealer: Sealer, id: string) => (row: RevisionRow): Either.Either<MemoryRevision, SqlError> =>
  Either.gen(function*() {
    const places = row.current === 1 ? memoryPlaces(id) : revisionPlaces(id, row.version)
    const text = yield* opening(() => sealer.openText(places.text, row.text))
    const json = yield* opening(() => openOrNull(sealer, places.metadata, row.metadata))
    const metadata = yield* readMetadata(json)
    return {
      version: row.version,
      recordedAt: DateTime.unsafeMake(row.recorded_at),
      text,
      type: row.type,
      validFrom: DateTime.unsafeMake(row.valid_from),
      ...(row.event_time === null ? {} : { eventTime: DateTime.unsafeMake(row.event_time) }),
      ...(metadata === undefined ? {} : { metadata })
    }
  })

/**
 * @since 0.1.0
 */
export interface IndexRow {
  readonly doc: number
  readonly type: MemoryType
  readonly source: string
  readonly session: string | null
  readonly speaker: string | null
  readonly at: number
  readonly importance: number
  readonly asks: number
  readonly valid_from: number
  readonly valid_to: number | null
}

/**
 * @since 0.1.0
 */
export const toIndexed = (row: IndexRow): IndexedMemory => ({
  doc: row.doc,
  type: row.type,
  speaker: row.speaker ?? undefined,
  sessionId: row.session ?? undefined,
  // Sessions and single saves are named apart, so that no session can pose as a save.
  group: row.session === null ? `save ${row.source}` : `session ${row.session}`,
  at: row.at,
  importance: row.importance,
  asks: row.asks,
  validFrom: row.valid_from,
  validTo: row.valid_to ?? Infinity
})

/**
 * A scope's own counters. `version` is the change counter at its last change, `removed` that of the last change of what
 * was there before.
 *
 * @since 0.1.0
 */
export interface ScopeRow {
  readonly id: number
  readonly version: number
  readonly removed: number
  readonly memories: number
  readonly terms: number
  /** Whose vectors count here; absent before the first. */
  readonly embedder: number | null
  /** 1 while it has any. */
  readonly procedures: number
  /** 1 while it has any. */
  readonly summaries: number
  /** Its key; none in clear. */
  readonly wrapped: Uint8Array | null
}

/** SQLite's own wait blocks the event loop, so it is kept short and the waiting happens here: about 30 seconds. */
const busySchedule = Schedule.exponential("2 millis", 1.5).pipe(
  Schedule.union(Schedule.spaced("60 millis")),
  Schedule.jittered,
  Schedule.intersect(Schedule.recurs(500))
)

const isBusy = (cause: unknown): boolean =>
  Predicate.hasProperty(cause, "code") && typeof cause.code === "string" && /^SQLITE_(?:BUSY|LOCKED)/.test(cause.code)

const retrySchedule = Schedule.whileInput(
  busySchedule,
  (error: unknown) => error instanceof SqlError && isBusy(error.cause)
)

const noTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/**
 * Statements have spans only where somebody follows them: a span of nobody's costs as much as a small statement, and
 * keeps the rows that it gave until the next full collection.
 */
const withoutIdleSpans = <A, E, R>(statements: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Effect.tracer,
    (tracer) => tracer === noTracer ? Effect.withTracerEnabled(statements, false) : statements
  )

/**
 * Waits, within bounds, while another process holds the database, and names the operation in the error. The refusal of a
 * cipher comes out as it is. Statements are not interrupted, only the waits between attempts: the client keeps prepared
 * statements in a cache, and one whose preparation is cut off at the wrong moment would never run again.
 *
 * @since 0.1.0
 */
export const guard = (operation: string) =>
<A, E, R>(
  effect: Effect.Effect<A, E | SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError> | StorageError | CipherError, R> =>
  withoutIdleSpans(Effect.uninterruptible(effect)).pipe(
    Effect.retry(retrySchedule),
    Effect.catchIf(
      (error): error is Extract<E | SqlError, SqlError> => error instanceof SqlError,
      (error): Effect.Effect<never, StorageError | CipherError> =>
        Effect.fail(
          isRefusal(error.cause)
            ? error.cause
            : new StorageError({ reason: isBusy(error.cause) ? "busy" : "failed", operation, cause: error })
        )
    )
  )

/**
 * The row of a statement that gives exactly one.
 *
 * @since 0.1.0
 */
export const only = <A>(effect: Effect.Effect<ReadonlyArray<A>, SqlError>): Effect.Effect<A, SqlError> =>
  Effect.flatMap(
    effect,
    ([row]) => row === undefined ? Effect.dieMessage("a statement gave no row") : Effect.succeed(row)
  )
