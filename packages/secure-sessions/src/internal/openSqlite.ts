/**
 * The SQLite client of `SessionService.layerSqlite`.
 *
 * @internal
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { KeyProvider } from "../KeyProvider.ts"
import type { Synchronous } from "../SecureSessionsConfig.ts"
import { checkKey } from "./checkKey.ts"
import { run, toStorageError } from "./runSql.ts"

/** The driver throws when it cannot open the file. */
const open = (config: SqliteClient.SqliteClientConfig) =>
  SqliteClient.make(config).pipe(
    Effect.catchAllDefect((defect) => Effect.fail(toStorageError("open", defect, "CannotOpen"))),
    Effect.provide(Reactivity.layer)
  )

/**
 * Asks the key before anything can write: a connection that may write checkpoints a journal that a crash left behind,
 * and with a wrong key the files have to stay as they are. A file that is not there yet is made afterwards.
 */
const checkFile = Effect.fnUntraced(function*(filename: string) {
  const provider = yield* KeyProvider
  yield* open({ filename, readonly: true, disableWAL: true }).pipe(
    Effect.flatMap((sql) => checkKey(sql, provider)),
    Effect.catchIf(
      (error) => error._tag === "StorageError" && error.reason === "CannotOpen",
      () => Effect.void
    ),
    Effect.scoped
  )
})

const makeSqlite = Effect.fnUntraced(function*(filename: string, synchronous: Synchronous) {
  if (filename !== ":memory:") yield* checkFile(filename)
  const sql = yield* open({ filename })
  // Deleted keys and records are overwritten in the file. Waiting for a lock blocks the thread, so it is short here;
  // the retry of a transaction waits without blocking.
  for (const pragma of ["secure_delete = ON", `synchronous = ${synchronous}`, "busy_timeout = 20"]) {
    yield* run("open", sql.unsafe(`PRAGMA ${pragma}`))
  }
  return sql
})

/** @internal */
export const layer = (filename: string, synchronous: Synchronous) =>
  Layer.scoped(SqlClient.SqlClient, makeSqlite(filename, synchronous))
