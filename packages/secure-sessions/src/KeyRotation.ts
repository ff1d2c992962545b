/**
 * Changing keys while everything goes on: wrapping all data keys by another key, and sealing all records again under
 * another suite or new data keys. What is left to do is read from the data, so a rotation that was stopped, also by
 * kill -9, goes on when it is started again, and one that is finished does nothing.
 *
 * The keys of chain and fingerprints go from one data key to the next, so histories verify throughout.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { KeyScope } from "./Aad.ts"
import { DataKeys } from "./DataKeys.ts"
import type { SealError } from "./Encryption.ts"
import { Encryption } from "./Encryption.ts"
import * as Envelope from "./Envelope.ts"
import { countRotation } from "./internal/countRotation.ts"
import { makeReencrypt, Pace } from "./internal/reencryptRows.ts"
import { makeRetired } from "./internal/retiredKeys.ts"
import { makeRewrap } from "./internal/rewrapKeys.ts"
import type { Batch } from "./internal/rewrapKeys.ts"
import { overwriteDeleted, truncateJournal } from "./internal/runSql.ts"
import { makeSealedTables, type SealedTable, type StoredRecord } from "./internal/sealedTables.ts"
import { KeyProvider } from "./KeyProvider.ts"
import type { DecryptionError, KeyProviderError, StorageError } from "./SecureSessionsError.ts"
import { RotationIncomplete } from "./SecureSessionsError.ts"
import { Suites } from "./Suite.ts"

/**
 * How far a rotation got since it was started. One of these comes after every batch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /** Data keys that were wrapped anew, or put in the place of an older one. */
  readonly keys: number
  /** Records that were sealed anew. */
  readonly records: number
  /** Data keys or records that had to be left as they are. */
  readonly failed: number
}

/**
 * What is under which key and suite.
 *
 * @category models
 * @since 0.1.0
 */
export interface RotationStatus {
  /** Data keys by the key that wraps them. */
  readonly keys: ReadonlyArray<{
    readonly kekId: string
    readonly isPrimary: boolean
    readonly active: number
    readonly retired: number
    readonly shredded: number
  }>
  /** Records by suite, and by what became of their data key; `missing` can only be opened from a backup. */
  readonly records: ReadonlyArray<{
    readonly table: string
    readonly suite: number
    readonly key: "active" | "retired" | "missing"
    readonly records: number
  }>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ReencryptOptions {
  /** Data keys made before this time are replaced by new ones first. Default: none is. */
  readonly renewBefore?: DateTime.Utc | undefined
  /** Records sealed in a second at most. Default: as many as leave time for others. */
  readonly perSecond?: number | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface RemoveOptions {
  /**
   * How long ago a key has to be retired: longer than any process keeps a data key unwrapped, since it may seal with it
   * as long. Default ten minutes, twice the default time to live.
   */
  readonly retiredFor?: Duration.DurationInput | undefined
  /** Whether records outside of the session tables, sealed by `Encryption`, still name the key. */
  readonly isUsedElsewhere: (scope: KeyScope, keyId: Uint8Array) => Effect.Effect<boolean, StorageError>
}

/**
 * Why a rotation stops.
 *
 * @category errors
 * @since 0.1.0
 */
export type RotationError = SealError | RotationIncomplete

/**
 * @category services
 * @since 0.1.0
 */
export class KeyRotation extends Context.Tag("@sennit/secure-sessions/KeyRotation")<KeyRotation, {
  /**
   * Wraps all data keys by the provider's primary key, the one that is asked at start last; records stay as they are.
   * Afterwards no older wrapping is left in an SQLite file, and the other keys of the provider can go.
   */
  readonly rewrapAll: Stream.Stream<Progress, RotationError>
  /** Seals all records again that are not under the active data key of their owner and the primary suite. */
  readonly reencrypt: (options?: ReencryptOptions) => Stream.Stream<Progress, RotationError>
  /** Counts data keys and records. Reads every record, without opening any. */
  readonly status: Effect.Effect<RotationStatus, StorageError | KeyProviderError>
  /** Removes retired data keys that no record names any more; answers how many. */
  readonly removeRetired: (options: RemoveOptions) => Effect.Effect<number, StorageError>
}>() {}

/** What a rotation did so far. */
class Tally {
  keys = 0
  records = 0
  failed = 0
  first: KeyProviderError | DecryptionError | undefined

  add({ done, refused }: Batch, what: "keys" | "records"): void {
    this[what] += done
    this.failed += refused.length
    this.first ??= refused[0]
  }

  get progress(): Progress {
    return { keys: this.keys, records: this.records, failed: this.failed }
  }

  /** Fails when something was left. */
  end(operation: RotationIncomplete["operation"]): Stream.Stream<never, RotationIncomplete> {
    return Stream.suspend(() =>
      this.first === undefined
        ? Stream.empty
        : Stream.fail(new RotationIncomplete({ operation, failed: this.failed, first: this.first }))
    )
  }
}

/** A stream that counts for itself from its start. */
const tallied = <E>(
  operation: RotationIncomplete["operation"],
  body: (tally: Tally) => Stream.Stream<unknown, E>
): Stream.Stream<Progress, E | RotationIncomplete> =>
  Stream.suspend(() => {
    const tally = new Tally()
    return Stream.concat(Stream.map(body(tally), () => tally.progress), tally.end(operation))
  }).pipe(Stream.withSpan(`KeyRotation.${operation}`))

const makeRewrapAll = (sql: SqlClient.SqlClient, provider: typeof KeyProvider.Service) => {
  const { rewrapAfter, rewrapCanary } = makeRewrap(sql, provider)
  return tallied("rewrapAll", (tally) =>
    Stream.unwrap(Effect.gen(function*() {
      const primary = (yield* provider.primary).id
      yield* overwriteDeleted(sql, "KeyRotation.rewrapAll")
      const others = Stream.paginateEffect(new Uint8Array(0), (after: Uint8Array) =>
        Effect.map(rewrapAfter(primary, after), ({ batch, next }) =>
          [tally.add(batch, "keys"), next] as const))
      const canary = Effect.map(rewrapCanary(primary), (batch) =>
        tally.add(batch, "keys"))
      const clean = Effect.zipLeft(canary, truncateJournal(sql, "KeyRotation.rewrapAll"))
      return Stream.concat(others, Stream.fromEffect(clean))
    })))
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<
  typeof KeyRotation.Service,
  never,
  SqlClient.SqlClient | KeyProvider | DataKeys | Encryption
> = Effect.gen(function*() {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const provider = yield* KeyProvider
  const keys = yield* DataKeys
  const { primary: suite } = yield* Suites
  const reencryptPage = makeReencrypt(yield* Encryption)
  const tables = makeSealedTables(sql)
  const { activeKey, remove, scopesAfter } = makeRetired(sql, tables)

  const reencryptTable = (scope: KeyScope, keyId: Uint8Array, table: SealedTable, pace: Pace) => {
    const header = Envelope.header(suite.id, keyId)
    return Stream.paginateEffect(
      undefined,
      (after: StoredRecord["key"] | undefined) =>
        Effect.map(reencryptPage(scope, table, header, after, pace), ({ batch, next }) => [batch, next] as const)
    )
  }

  /** Of a user who is erased meanwhile, nothing is left to do. */
  const reencryptScope = (scope: KeyScope, renewBefore: number, pace: Pace, tally: Tally) =>
    Stream.unwrap(Effect.gen(function*() {
      const found = yield* activeKey(scope)
      if (Option.isNone(found)) return Stream.empty
      const renewed = found.value.createTime < renewBefore && (yield* keys.renew(scope, found.value.keyId))
      if (renewed) tally.keys++
      const active = renewed ? yield* activeKey(scope) : found
      return Option.match(active, {
        onNone: () => Stream.empty,
        onSome: ({ keyId }) =>
          Stream.flatMap(Stream.fromIterable(tables), (table) => reencryptTable(scope, keyId, table, pace))
      })
    })).pipe(
      Stream.map((batch) => tally.add(batch, "records")),
      Stream.catchTag("DecryptionError", (error) =>
        error.reason === "KeyShredded"
          ? Stream.empty
          : Stream.sync(() => tally.add({ done: 0, refused: [error] }, "records")))
    )

  const reencrypt = (options?: ReencryptOptions) =>
    tallied("reencrypt", (tally) => {
      const pace = new Pace(options?.perSecond)
      const renewBefore = options?.renewBefore?.epochMillis ?? Number.NEGATIVE_INFINITY
      return Stream.flatMap(scopesAfter, (scope) => reencryptScope(scope, renewBefore, pace, tally))
    })

  return KeyRotation.of({
    rewrapAll: makeRewrapAll(sql, provider),
    reencrypt,
    status: Effect.flatMap(provider.primary, ({ id }) => countRotation(sql, tables, id)).pipe(
      Effect.withSpan("KeyRotation.status")
    ),
    removeRetired: Effect.fn("KeyRotation.removeRetired")((options: RemoveOptions) =>
      remove(Duration.toMillis(options.retiredFor ?? "10 minutes"), options.isUsedElsewhere)
    )
  })
})

/**
 * Rotation for the database and the keys of the given services.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  KeyRotation,
  never,
  SqlClient.SqlClient | KeyProvider | DataKeys | Encryption
> = Layer.effect(KeyRotation, make)
