// @effect-diagnostics nodeBuiltinImport:off - random bytes are node:crypto's
/**
 * The keys of scopes: stored wrapped, kept unwrapped in bounded number. What is kept is found by the wrapped bytes that
 * the database has at the moment, so a key that was erased, rewrapped or made anew by another process is noticed.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import type { CipherService, KeyOwner } from "../Cipher.ts"
import { CipherError } from "../MemoryVaultError.ts"
import type { ScopeKey } from "./scopeKey.ts"
import { carried, clearSealer, makeSealer } from "./sealFields.ts"
import type { Sealer } from "./sealFields.ts"

/** A service that does not answer must not hold the database for ever. */
const patience = "30 seconds"
const capacity = 1_024

/** The owner of the key by which a vault recognises its master key; no scope has an empty user. */
const nobody: KeyOwner = { tenant: "", user: "", agent: "" }
const canary = 0

/** The one wait among statements, which may be interrupted. */
const timely = <A>(answer: Effect.Effect<A, CipherError>): Effect.Effect<A, CipherError> =>
  Effect.timeoutFail(Effect.interruptible(answer), {
    duration: patience,
    onTimeout: () => new CipherError({ reason: "unavailable" })
  })

/** Gives the bytes away and overwrites them, whatever happens. */
const useBytes = <A, E>(
  make: Effect.Effect<Redacted.Redacted<Uint8Array>, CipherError>,
  use: (key: Redacted.Redacted<Uint8Array>) => Effect.Effect<A, E>
): Effect.Effect<A, E | CipherError> =>
  Effect.acquireUseRelease(make, use, (key) => Effect.sync(() => Redacted.value(key).fill(0)))

const randomKey = Effect.sync(() => Redacted.make<Uint8Array>(randomBytes(32)))

const strangerSealer = Effect.map(randomKey, (key) => makeSealer(Redacted.value(key)))

interface KeyRow extends KeyOwner {
  readonly wrapped: Uint8Array | null
}

/**
 * The rows, and the keys that open them.
 *
 * @since 0.1.0
 */
export interface Store {
  readonly sql: SqlClient
  readonly keys: ScopeKeys
}

/**
 * @since 0.1.0
 */
export class ScopeKeys {
  private readonly sql: SqlClient
  private readonly cipher: Option.Option<CipherService>
  private readonly kept = new Map<string, Sealer>()

  private constructor(sql: SqlClient, cipher: Option.Option<CipherService>) {
    this.sql = sql
    this.cipher = cipher
  }

  /** Lets go of every key with the scope. */
  static make(
    sql: SqlClient,
    cipher: Option.Option<CipherService>
  ): Effect.Effect<ScopeKeys, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => new ScopeKeys(sql, cipher)),
      ({ kept }) => Effect.sync(() => kept.clear())
    )
  }

  get sealed(): boolean {
    return Option.isSome(this.cipher)
  }

  /** The sealer of a scope; one that is gone has no fields. */
  of(scope: number): Effect.Effect<Sealer, SqlError> {
    return this.read((sql) =>
      sql<KeyRow>`SELECT s.tenant, s.user, s.agent, k.wrapped FROM vault_scopes s
        LEFT JOIN vault_keys k ON k.scope = s.id WHERE s.id = ${scope}`
    )
  }

  /** The sealer of a scope whose row was read in the same transaction. */
  ofRow({ agent, tenant, user }: ScopeKey, { wrapped }: { readonly wrapped: Uint8Array | null }) {
    return this.unwrap({ tenant, user, agent, wrapped })
  }

  /** Makes the key of a new scope, in the transaction that makes the scope; none without a cipher. */
  add(scope: number, { agent, tenant, user }: ScopeKey): Effect.Effect<Uint8Array | null, SqlError> {
    const { cipher, sql } = this
    return Option.isNone(cipher) ? Effect.succeed(null) : Effect.tap(
      Effect.mapError(newKey(cipher.value, { tenant, user, agent }), carried),
      (wrapped) => sql`INSERT INTO vault_keys (scope, wrapped) VALUES (${scope}, ${wrapped})`
    )
  }

  /** Reads rows of a scope and opens them by the key of the same moment. */
  reading<A, E>(key: ScopeKey | number, use: (sealer: Sealer) => Effect.Effect<A, E>): Effect.Effect<A, E | SqlError> {
    if (!this.sealed) return use(clearSealer)
    const sealer = typeof key === "number" ? this.of(key) : this.ofOwner(key)
    return this.sql.withTransaction(Effect.flatMap(sealer, use))
  }

  /** Reads the key of a scope before one statement that writes; a scope that goes away meanwhile has nothing to write to. */
  writing<A, E>(key: ScopeKey, use: (sealer: Sealer) => Effect.Effect<A, E>): Effect.Effect<A, E | SqlError> {
    return this.sealed ? Effect.flatMap(this.ofOwner(key), use) : use(clearSealer)
  }

  private ofOwner(key: ScopeKey): Effect.Effect<Sealer, SqlError> {
    return this.read((sql) =>
      sql<KeyRow>`SELECT s.tenant, s.user, s.agent, k.wrapped FROM vault_scopes s
        LEFT JOIN vault_keys k ON k.scope = s.id
        WHERE s.user = ${key.user} AND s.tenant = ${key.tenant} AND s.agent = ${key.agent}`
    )
  }

  private read(
    query: (sql: SqlClient) => Effect.Effect<ReadonlyArray<KeyRow>, SqlError>
  ): Effect.Effect<Sealer, SqlError> {
    if (!this.sealed) return Effect.succeed(clearSealer)
    // Of a key that nobody has: there is nothing to open, and nothing must get in that is in clear.
    return Effect.flatMap(query(this.sql), ([row]) => row === undefined ? strangerSealer : this.unwrap(row))
  }

  private unwrap({ agent, tenant, user, wrapped }: KeyRow): Effect.Effect<Sealer, SqlError> {
    return Effect.suspend((): Effect.Effect<Sealer, SqlError> => {
      if (Option.isNone(this.cipher)) return Effect.succeed(clearSealer)
      const { value: cipher } = this.cipher
      if (wrapped === null) return Effect.fail(carried(new CipherError({ reason: "key-missing" })))
      // The owner belongs to it: a wrapped key that was moved is not found under another's name.
      const name = `${tenant}\0${user}\0${agent}\0${Buffer.from(wrapped).toString("base64")}`
      const kept = this.kept.get(name)
      return kept !== undefined
        ? Effect.sync(() => this.keep(name, kept))
        : useBytes(
          timely(cipher.unwrap(wrapped, { tenant, user, agent })),
          (dataKey) => Effect.sync(() => this.keep(name, makeSealer(Redacted.value(dataKey))))
        ).pipe(Effect.mapError(carried))
    })
  }

  /**
   * One that leaves may be in use elsewhere, so it is let go and not overwritten: its keys are OpenSSL's, which clears
   * them when the last user is gone.
   */
  private keep(name: string, sealer: Sealer): Sealer {
    this.kept.delete(name)
    this.kept.set(name, sealer)
    const [oldest] = this.kept.keys()
    if (this.kept.size > capacity && oldest !== undefined) this.kept.delete(oldest)
    return sealer
  }
}

const newKey = (cipher: CipherService, owner: KeyOwner): Effect.Effect<Uint8Array, CipherError> =>
  useBytes(randomKey, (dataKey) => timely(cipher.wrap(dataKey, owner)))

/**
 * Makes a new database an encrypted one, if there is a cipher.
 *
 * @since 0.1.0
 */
export const markSealed = (
  sql: SqlClient,
  cipher: Option.Option<CipherService>
): Effect.Effect<void, SqlError | CipherError> =>
  Option.match(cipher, {
    onNone: () => Effect.void,
    onSome: (service) =>
      Effect.flatMap(
        newKey(service, nobody),
        (wrapped) => sql`INSERT INTO vault_keys (scope, wrapped) VALUES (${canary}, ${wrapped})`
      )
  })

/**
 * Fails unless the database is encrypted under a master key of this cipher, or in clear where there is no cipher.
 *
 * @since 0.1.0
 */
export const checkSealed = (
  sql: SqlClient,
  cipher: Option.Option<CipherService>
): Effect.Effect<void, SqlError | CipherError> =>
  Effect.gen(function*() {
    // Tables from before there were keys are in clear.
    const tables = yield* sql`SELECT 1 FROM sqlite_schema WHERE name = 'vault_keys'`
    const [row] = tables.length === 0
      ? []
      : yield* sql<{ readonly wrapped: Uint8Array }>`SELECT wrapped FROM vault_keys ORDER BY scope LIMIT 1`
    if (Option.isNone(cipher)) return row === undefined ? undefined : yield* new CipherError({ reason: "encrypted" })
    if (row === undefined) return yield* new CipherError({ reason: "clear" })
    const [own] = yield* sql<{ readonly wrapped: Uint8Array }>`SELECT wrapped FROM vault_keys WHERE scope = ${canary}`
    if (own === undefined) return yield* new CipherError({ reason: "key-missing" })
    yield* useBytes(timely(cipher.value.unwrap(own.wrapped, nobody)), () => Effect.void)
  })

interface StoredKey extends KeyOwner {
  readonly scope: number
  readonly wrapped: Uint8Array
}

const readKeys = (sql: SqlClient) =>
  sql<StoredKey>`SELECT k.scope, k.wrapped, coalesce(s.tenant, '') AS tenant, coalesce(s.user, '') AS user,
      coalesce(s.agent, '') AS agent
    FROM vault_keys k LEFT JOIN vault_scopes s ON s.id = k.scope
    WHERE k.scope = ${canary} OR s.id IS NOT NULL ORDER BY k.scope`

/**
 * Keys wrapped by another master key than today's, wrapped anew one by one; how many.
 *
 * @since 0.1.0
 */
export const rewrapAll = (
  sql: SqlClient,
  cipher: CipherService
): Effect.Effect<number, SqlError | CipherError> =>
  Effect.gen(function*() {
    let count = 0
    for (const { agent, scope, tenant, user, wrapped } of yield* readKeys(sql)) {
      if (yield* timely(cipher.isCurrent(wrapped))) continue
      const owner = { tenant, user, agent }
      const again = yield* useBytes(
        timely(cipher.unwrap(wrapped, owner)),
        (dataKey) => timely(cipher.wrap(dataKey, owner))
      )
      // Whoever erased or rewrapped it meanwhile was first.
      const rows = yield* sql`UPDATE vault_keys SET wrapped = ${again} WHERE scope = ${scope} AND wrapped = ${wrapped}
        RETURNING scope`
      count += rows.length
    }
    return count
  })
