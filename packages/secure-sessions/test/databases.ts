/** One suite on every database that sessions are stored in. */
import type * as SqlClient from "@effect/sql/SqlClient"
import { afterAll, beforeAll, describe } from "@effect/vitest"
import { type KeyProvider, SecureSessions } from "@sennit/secure-sessions"
import { Effect, Exit, Layer, Scope } from "effect"
import * as Postgres from "./postgres.ts"
import { keyring, openFile, temporaryFile } from "./support.ts"

type Keys = Layer.Layer<KeyProvider.KeyProvider>
type Opened = Layer.Layer<SecureSessions.Services | SqlClient.SqlClient, SecureSessions.BuildError>

export interface Database {
  readonly name: "SQLite" | "PostgreSQL"
  /** A database of the scope's own, and how to open it any number of times. */
  readonly make: Effect.Effect<(keys?: Keys) => Opened, never, Scope.Scope>
  /** Sessions in a database of their own. */
  readonly layer: Opened
  /** A statement that is written in the words of SQLite. */
  readonly inDialect: (statement: string) => string
}

const define = (database: Omit<Database, "layer">): Database => ({
  ...database,
  layer: Layer.unwrapScoped(Effect.map(database.make, (open) => open()))
})

const sqlite = define({
  name: "SQLite",
  make: Effect.map(Effect.orDie(temporaryFile), (filename) => (keys?: Keys) => openFile(filename, keys)),
  inDialect: (statement) => statement
})

const inPostgres = (statement: string) =>
  statement
    .replaceAll(/zeroblob\((\d+)\)/g, (_, length: string) => `x'${"00".repeat(Number(length))}'`)
    .replaceAll(/\bx'([0-9a-f]*)'/g, "decode('$1', 'hex')")
    .replaceAll(/ AS BLOB\)/g, " AS BYTEA)")

/** A server of the suite that asks for it. */
const startPostgres = (): Effect.Effect<Postgres.Postgres> => {
  let server: Effect.Effect<Postgres.Postgres> = Effect.dieMessage("the server is not started yet")
  const scope = Effect.runSync(Scope.make())
  beforeAll(() =>
    Effect.runPromise(
      Effect.map(Scope.extend(Postgres.start, scope), (started) => {
        server = Effect.succeed(started)
      })
    )
  )
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.suspend(() => server)
}

export const postgres = (server: Effect.Effect<Postgres.Postgres>) =>
  define({
    name: "PostgreSQL",
    make: Effect.map(
      Effect.flatMap(server, ({ createDatabase }) => createDatabase),
      (url) => (keys: Keys = keyring()) => Layer.provide(SecureSessions.layerPg({ url }), keys)
    ),
    inDialect: inPostgres
  })

/** Runs the tests on PostgreSQL, or skips them, counted, where there is none. */
export const describePostgres = (name: string, tests: (server: Effect.Effect<Postgres.Postgres>) => void) =>
  describe.skipIf(Postgres.missing !== undefined)(`${name} on PostgreSQL${Postgres.missing ?? ""}`, () => {
    tests(startPostgres())
  })

/** Runs the tests on SQLite and on PostgreSQL. */
export const describeDatabases = (name: string, tests: (database: Database) => void) => {
  describe(`${name} on SQLite`, () => {
    tests(sqlite)
  })
  describePostgres(name, (server) => tests(postgres(server)))
}
