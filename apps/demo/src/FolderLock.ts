/**
 * Who uses the data folder. Every process that does shares a lock; who changes the keys holds it alone. It is SQLite's
 * lock on an empty database, so the operating system lets go of it when a process ends, also by kill -9.
 */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { FolderInUse } from "./DemoError.ts"

export interface FolderLock {
  /** Runs while no other process uses the folder; one at a time. Afterwards the folder is shared again. */
  readonly alone: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | FolderInUse, R>
}

const isBusy = ({ cause }: SqlError) => Predicate.hasProperty(cause, "code") && cause.code === "SQLITE_BUSY"

/** A change of keys takes moments. */
const patience = Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(200))

/** Opens the lock and shares it until the scope closes. */
export const make = Effect.fn("FolderLock.make")(function*(
  file: string
): Effect.fn.Return<FolderLock, FolderInUse, Scope.Scope> {
  // The driver throws when it cannot open the file.
  const sql = yield* Layer.build(SqliteClient.layer({ filename: file, disableWAL: true })).pipe(
    Effect.map(Context.get(SqliteClient.SqliteClient)),
    Effect.catchAllDefect((cause) => Effect.fail(new FolderInUse({ file, reason: "CannotOpen", cause }))),
    Effect.mapError((cause) => new FolderInUse({ file, reason: "CannotOpen", cause }))
  )
  const inUse = (error: SqlError) =>
    new FolderInUse({ file, reason: isBusy(error) ? "InUse" : "CannotOpen", cause: error })
  const release = sql.unsafe("COMMIT")
  // A transaction that reads keeps its lock until it ends; one that could not get it is ended before the next attempt.
  const share = sql.unsafe("BEGIN").pipe(
    Effect.zipRight(Effect.tapError(sql.unsafe("SELECT count(*) FROM sqlite_master"), () => release)),
    Effect.retry({ schedule: patience, while: isBusy }),
    Effect.mapError(inUse)
  )
  yield* Effect.mapError(sql.unsafe("PRAGMA busy_timeout = 0"), inUse)
  yield* share
  const turn = yield* Effect.makeSemaphore(1)
  const own = Effect.tapErrorCause(
    Effect.mapError(Effect.zipRight(release, sql.unsafe("BEGIN EXCLUSIVE")), inUse),
    () => share
  )
  return {
    alone: (effect) =>
      turn.withPermits(1)(
        Effect.acquireUseRelease(own, () => effect, () => Effect.orDie(Effect.zipRight(release, share)))
      )
  }
})
