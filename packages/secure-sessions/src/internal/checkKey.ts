/**
 * Stored data keys: opening one, and asking at start whether the provider opens the data at all.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { KeyProvider } from "../KeyProvider.ts"
import type { KeyProviderError } from "../SecureSessionsError.ts"
import { ConfigurationError, DecryptionError } from "../SecureSessionsError.ts"
import { derive, hex, isEqual } from "./deriveKey.ts"
import { hasTables } from "./migrateSchema.ts"
import { run } from "./runSql.ts"

/** A row of `session_keys`. @internal */
export interface KeyRow {
  readonly app: string
  readonly user_id: string
  readonly kid: unknown
  readonly kek_id: string
  readonly wrapped: unknown
  readonly commitment: unknown
}

/** @internal */
export const keyShredded = (app: string, user: string, keyId: unknown): DecryptionError =>
  new DecryptionError({
    reason: "KeyShredded",
    location: {
      app,
      user,
      session: "",
      table: "session_keys",
      column: "wrapped",
      id: keyId instanceof Uint8Array ? hex(keyId) : "",
      sequence: 0
    }
  })

/** @internal */
export const refuseKey = (
  row: KeyRow,
  reason: DecryptionError["reason"],
  column: "wrapped" | "carried" = "wrapped"
): DecryptionError =>
  new DecryptionError({
    reason,
    location: {
      app: row.app,
      user: row.user_id,
      session: "",
      table: "session_keys",
      column,
      id: row.kid instanceof Uint8Array ? hex(row.kid) : "",
      sequence: 0
    }
  })

/** A key that the provider lacks or may not use is a fact about the record; all else is about the provider. */
const withoutKey = (row: KeyRow, error: KeyProviderError): KeyProviderError | DecryptionError =>
  error.reason === "KeyNotFound" || error.reason === "KeyDisabled" ? refuseKey(row, error.reason) : error

/**
 * Unwraps a stored data key and holds it to its commitment, once for all records that it opens.
 *
 * @internal
 */
export const unwrapRow = Effect.fnUntraced(function*(provider: typeof KeyProvider.Service, row: KeyRow) {
  const { commitment, kid, wrapped } = row
  if (!(kid instanceof Uint8Array) || !(commitment instanceof Uint8Array) || !(wrapped instanceof Uint8Array)) {
    return yield* refuseKey(row, "MalformedEnvelope")
  }
  const plaintext = yield* provider.unwrap(
    { kekId: row.kek_id, bytes: wrapped },
    { app: row.app, user: row.user_id, keyId: kid, commitment }
  ).pipe(Effect.catchAll((error) => Effect.fail(withoutKey(row, error))))
  const bytes = Redacted.value(plaintext)
  if (!isEqual(derive(bytes, "kid", 16), kid) || !isEqual(derive(bytes, "commitment", 32), commitment)) {
    bytes.fill(0)
    return yield* refuseKey(row, "CommitmentMismatch")
  }
  return { keyId: kid, bytes }
})

const wrongKey = new ConfigurationError({
  reason: "WrongKey",
  detail: "this key does not open this data folder; nothing was changed. Give the key or passphrase that it was " +
    "made with, or another folder."
})

/**
 * Answers whether a data key is stored, and fails with `WrongKey` when the provider does not open it. The owner `""`
 * of the canary sorts before every other. Writes nothing.
 *
 * @internal
 */
export const checkKey = Effect.fn("DataKeys.checkKey")(function*(
  sql: SqlClient.SqlClient,
  provider: typeof KeyProvider.Service
) {
  if (!(yield* hasTables(sql))) return false
  const [row] = yield* run(
    "DataKeys.checkKey",
    sql<KeyRow>`SELECT app, user_id, kid, kek_id, wrapped, commitment FROM session_keys ORDER BY app, user_id LIMIT 1`
  )
  if (row === undefined) return false
  const { bytes } = yield* unwrapRow(provider, row).pipe(
    Effect.catchTags({
      KeyProviderError: (error) => error.reason === "Unavailable" ? Effect.fail(error) : Effect.fail(wrongKey),
      DecryptionError: () => Effect.fail(wrongKey)
    })
  )
  bytes.fill(0)
  return true
})
