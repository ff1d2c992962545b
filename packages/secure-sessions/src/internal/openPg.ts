/**
 * The PostgreSQL client of `SecureSessions.layerPg`; the one module that loads `@effect/sql-pg`.
 *
 * @internal
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PgOptions } from "../SecureSessions.ts"
import { toStorageError } from "./runSql.ts"

/** @internal */
export const layer = ({ maxConnections, url }: PgOptions) =>
  Layer.scoped(
    SqlClient.SqlClient,
    PgClient.make({ url, maxConnections, applicationName: "sennit-secure-sessions" }).pipe(
      Effect.mapError((error) => toStorageError("open", error.cause, "Unavailable")),
      Effect.provide(Reactivity.layer)
    )
  )
