/**
 * The one place where the driver's failures become errors of this package. What the driver says may quote parameters,
 * so only its code is kept.
 *
 * @internal
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import { StorageError } from "../SecureSessionsError.ts"

const codeOf = (error: unknown): string | undefined =>
  Predicate.hasProperty(error, "code") && Predicate.isString(error.code) ? error.code : undefined

const reasons: ReadonlyArray<readonly [prefix: string, reason: StorageError["reason"]]> = [
  ["SQLITE_BUSY", "Busy"],
  ["SQLITE_LOCKED", "Busy"],
  ["SQLITE_FULL", "Full"],
  ["SQLITE_READONLY", "ReadOnly"],
  ["SQLITE_CORRUPT", "Corrupt"],
  ["SQLITE_NOTADB", "Corrupt"],
  ["SQLITE_CANTOPEN", "CannotOpen"]
]

/** @internal */
export const toStorageError = (
  operation: string,
  cause: unknown,
  otherwise: StorageError["reason"] = "Failed"
): StorageError => {
  const code = codeOf(cause)
  const reason = reasons.find(([prefix]) => code?.startsWith(prefix))?.[1] ?? otherwise
  return new StorageError({ operation, reason, code, retryable: reason === "Busy" || reason === "Full" })
}

/** Another process holds the write lock: wait 2 ms and longer, 100 ms at most, 15 seconds in all. */
const whileBusy = Schedule.exponential("2 millis", 1.5).pipe(
  Schedule.either(Schedule.spaced("100 millis")),
  Schedule.jittered,
  Schedule.upTo("15 seconds")
)

const isBusy = (error: unknown) => Predicate.isTagged(error, "StorageError") && codeOf(error)?.startsWith("SQLITE_BUSY")

const retryBusy = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(
    Effect.serviceOption(SqlClient.TransactionConnection),
    // Inside somebody's transaction only its owner can begin again.
    (outer) =>
      Option.isSome(outer)
        ? effect
        : Effect.retry(effect, { schedule: whileBusy, while: (error) => isBusy(error) === true })
  )

/** One statement. @internal */
export const run = <A>(operation: string, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, StorageError> =>
  Effect.mapError(statement, (error) => toStorageError(operation, error.cause))

/** One statement outside of a transaction, again while the database is busy. @internal */
export const runAlone = <A>(operation: string, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, StorageError> =>
  retryBusy(run(operation, statement))

/**
 * Empties the journal, so that nothing of what was overwritten stays in it. Waits for readers of other processes.
 *
 * @internal
 */
export const truncateJournal = (sql: SqlClient.SqlClient, operation: string): Effect.Effect<void, StorageError> =>
  run(operation, sql.unsafe<{ readonly busy: number }>("PRAGMA wal_checkpoint(TRUNCATE)")).pipe(
    Effect.flatMap(([row]) =>
      row?.busy === 0 ? Effect.void : Effect.fail(toStorageError(operation, { code: "SQLITE_BUSY" }))
    ),
    retryBusy
  )

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
