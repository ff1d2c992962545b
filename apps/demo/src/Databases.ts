/** The two databases: what was said, in a file or in PostgreSQL, and what is remembered, in a file. */
import * as Path from "@effect/platform/Path"
import { MemoryVault, type MemoryVaultError } from "@sennit/memory-vault"
import { SecureSessions, type SecureSessionsError } from "@sennit/secure-sessions"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { DemoConfig } from "./DemoConfig.ts"
import { DatabaseError } from "./DemoError.ts"

type Refusal = SecureSessionsError.StorageError | MemoryVaultError.StorageError

/** A database that refuses is named; anything else, such as a wrong key, has words of its own. */
const naming = (toError: (error: Refusal) => DatabaseError) => <E extends { readonly _tag: string }>(error: E) =>
  isRefusal(error) ? toError(error) : error

const isRefusal = (error: { readonly _tag: string }): error is Refusal => error._tag === "StorageError"

const sealedOtherwise = (file: string) => ({ message }: MemoryVaultError.CipherError) =>
  new DatabaseError({
    database: file,
    detail: message,
    advice: "Its key is in memory.key beside it: put both of one backup in their places."
  })

const isOfCipher = (error: { readonly _tag: string }): error is MemoryVaultError.CipherError =>
  error._tag === "CipherError"

export const make = ({ databaseUrl }: DemoConfig, folder: string) =>
  Effect.map(Path.Path, (path) => {
    const sessionsFile = path.join(folder, "sessions.db")
    const memoryFile = path.join(folder, "memory.db")
    const sessions = Option.match(databaseUrl, {
      onNone: () =>
        Layer.mapError(
          SecureSessions.layerSqlite({ filename: sessionsFile }),
          naming(DatabaseError.ofFile(sessionsFile))
        ),
      onSome: (url) => Layer.mapError(SecureSessions.layerPg({ url }), naming(DatabaseError.ofServer))
    })
    const memory = Layer.mapError(
      MemoryVault.layerSqlite({ filename: memoryFile }),
      (error) =>
        isOfCipher(error) ? sealedOtherwise(memoryFile)(error) : naming(DatabaseError.ofFile(memoryFile))(error)
    )
    return [sessions, memory] as const
  })
