/**
 * The one place where the driver's failures become errors of this package. What the driver says may quote parameters,
 * so only its code is kept.
 *
 * @internal
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Tracer from "effect/Tracer"
import { StorageError } from "../SecureSessionsError.ts"

/** PostgreSQL's client gives no code when the connection breaks or no connection gets free. */
const isBroken = (error: unknown) =>
  error instanceof Error && /^(Connection terminated|timeout exceeded when trying to connect)/.test(error.message)

const codeOf = (error: unknown): string | undefined => {
  if (Predicate.hasProperty(error, "code") && Predicate.isString(error.code)) return error.code
  return isBroken(error) ? "ECONNRESET" : undefined
}

const reasons: ReadonlyArray<readonly [prefix: string, reason: StorageError["reason"]]> = [
  ["SQLITE_BUSY", "Busy"],
  ["SQLITE_LOCKED", "Busy"],
  ["SQLITE_FULL", "Full"],
  ["SQLITE_READONLY", "ReadOnly"],
  ["SQLITE_CORRUPT", "Corrupt"],
  ["SQLITE_NOTADB", "Corrupt"],
  ["SQLITE_CANTOPEN", "CannotOpen"],
  // PostgreSQL: serialization failure, deadlock, lock timeout, too many connections.
  ["40001", "Busy"],
  ["40P01", "Busy"],
  ["55P03", "Busy"],
  ["53300", "Busy"],
  ["53100", "Full"],
  ["25006", "ReadOnly"],
  ["XX001", "Corrupt"],
  ["XX002", "Corrupt"],
  // Not there, refused, shut down or starting, or the connection broke.
  ["08", "Unavailable"],
  ["57P", "Unavailable"],
  ["ECONN", "Unavailable"],
  ["ENOTFOUND", "Unavailable"],
  ["ENOENT", "Unavailable"],
  ["EPIPE", "Unavailable"],
  ["ETIMEDOUT", "Unavailable"],
  ["EHOSTUNREACH", "Unavailable"],
  ["28", "CannotOpen"],
  ["3D000", "CannotOpen"]
]

const retryable: ReadonlySet<StorageError["reason"]> = new Set(["Busy", "Full", "Unavailable"])

/** @internal */
export const toStorageError = (
  operation: string,
  cause: unknown,
  otherwise: StorageError["reason"] = "Failed"
): StorageError => {
  const code = codeOf(cause)
  const reason = reasons.find(([prefix]) => code?.startsWith(prefix))?.[1] ?? otherwise
  return new StorageError({ operation, reason, code, retryable: retryable.has(reason) })
}

/** Another process holds the write lock: wait 2 ms and longer, 100 ms at most, 15 seconds in all. */
const whileBusy = Schedule.exponential("2 millis", 1.5).pipe(
  Schedule.either(Schedule.spaced("100 millis")),
  Schedule.jittered,
  Schedule.upTo("15 seconds")
)

/** Codes of what ends by itself when others go on; a transaction that meets one was rolled back. */
const busyCode = /^(SQLITE_BUSY|40001$|40P01$|55P03$|53300$)/

const isBusy = (error: unknown) => Predicate.isTagged(error, "StorageError") && busyCode.test(codeOf(error) ?? "")

/** @internal */
export const isInTransaction: Effect.Effect<boolean> = Effect.map(
  Effect.serviceOption(SqlClient.TransactionConnection),
  Option.isSome
)

/** Inside somebody's transaction only its owner can begin again. */
const retryBusy = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(
    isInTransaction,
    (inside) => inside ? effect : Effect.retry(effect, { schedule: whileBusy, while: isBusy })
  )

/** One statement. @internal */
export const run = <A>(operation: string, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, StorageError> =>
  Effect.mapError(statement, (error) => toStorageError(operation, error.cause))

/** One statement outside of a transaction, again while the database is busy. @internal */
export const runAlone = <A>(operation: string, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, StorageError> =>
  retryBusy(run(operation, statement))

/**
 * From here on what is deleted or replaced is overwritten in the file of SQLite, whoever opened it. PostgreSQL has no
 * such switch: old rows stay in its files until they are reused.
 *
 * @internal
 */
export const overwriteDeleted = (sql: SqlClient.SqlClient, operation: string): Effect.Effect<void, StorageError> =>
  sql.onDialectOrElse({
    sqlite: () => Effect.asVoid(runAlone(operation, sql.unsafe("PRAGMA secure_delete = ON"))),
    orElse: () => Effect.void
  })

/**
 * Empties the journal of SQLite, so that nothing of what was overwritten stays in it. Waits for readers of other
 * processes.
 *
 * @internal
 */
export const truncateJournal = (sql: SqlClient.SqlClient, operation: string): Effect.Effect<void, StorageError> =>
  sql.onDialectOrElse({
    sqlite: () =>
      run(operation, sql.unsafe<{ readonly busy: number }>("PRAGMA wal_checkpoint(TRUNCATE)")).pipe(
        Effect.flatMap(([row]) =>
          row?.busy === 0 ? Effect.void : Effect.fail(toStorageError(operation, { code: "SQLITE_BUSY" }))
        ),
        retryBusy
      ),
    orElse: () => Effect.void
  })

/**
 * A transaction, again from its start while the database is busy. A transaction that writes does so in its first
 * statement: SQLite begins it deferred, and a lock that is asked for after a read may be refused at once.
 *
 * @internal
 */
export const transact = <A, E>(
  sql: SqlClient.SqlClient,
  operation: string,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E | StorageError> =>
  sql.withTransaction(effect).pipe(
    Effect.mapError((error) => error instanceof SqlError ? toStorageError(operation, error.cause) : error),
    // The client turns a failed COMMIT or ROLLBACK, such as on a full disk, into a defect.
    Effect.catchSomeDefect((defect) =>
      defect instanceof SqlError ? Option.some(Effect.fail(toStorageError(operation, defect.cause))) : Option.none()
    ),
    retryBusy
  )

const noTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/**
 * Reads without the spans of their statements, where nobody follows them. A span keeps what its effect gave, and V8
 * moves ended spans to the old generation: the rows of every history that was read would stay in memory until the next
 * full collection.
 *
 * @internal
 */
export const withoutIdleSpans = <A, E>(read: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(
    Effect.tracer,
    (tracer) => tracer === noTracer ? Effect.withTracerEnabled(read, false) : read
  )

/**
 * Reads that see one moment, as any transaction of SQLite does. Inside somebody's transaction of PostgreSQL the
 * isolation is theirs to choose.
 *
 * @internal
 */
export const snapshot = <A, E>(
  sql: SqlClient.SqlClient,
  operation: string,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E | StorageError> =>
  sql.onDialectOrElse({
    pg: () =>
      Effect.flatMap(isInTransaction, (inside) => {
        if (inside) return effect
        const freeze = run(operation, sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`)
        return transact(sql, operation, Effect.zipRight(freeze, effect))
      }),
    orElse: () => transact(sql, operation, effect)
  }).pipe(withoutIdleSpans)
