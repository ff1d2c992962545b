/**
 * Sealing stored records again, a few at a time. A record is done when it starts with the header of the active data
 * key and the primary suite; nothing else remembers how far a rotation got.
 *
 * @internal
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { KeyScope } from "../Aad.ts"
import type { Encryption } from "../Encryption.ts"
import type { Batch } from "./rewrapKeys.ts"
import { runAlone } from "./runSql.ts"
import type { SealedTable, StoredRecord } from "./sealedTables.ts"

const operation = "KeyRotation.reencrypt"
const maxBatch = 100

/** How long, in nanoseconds, others may be kept from the thread and the connection. */
const patience = 1_500_000

/** A pause in which others get the thread, whatever clock the program runs by. */
const breathe = Effect.withClock(Effect.sleep("1 millis"), Clock.make())

/** Finds how many records a batch may have, and keeps the rate of all batches. @internal */
export class Pace {
  size = 8
  /** Nanoseconds of work since the last pause. */
  #worked = 0
  #next = 0
  readonly #perSecond: number | undefined

  constructor(perSecond: number | undefined) {
    this.#perSecond = perSecond
  }

  /** Towards the size that takes as long as it may, in small steps: a batch may have waited for somebody else. */
  adapt(nanos: number): void {
    this.#worked += nanos
    const fitting = nanos === 0 ? maxBatch : (this.size * patience) / nanos
    this.size = Math.round(Math.min(maxBatch, Math.max(1, this.size * 0.8, Math.min(this.size * 1.3 + 1, fitting))))
  }

  /** Lets others work, and waits until so many records more may have been sealed. */
  rest(records: number): Effect.Effect<void> {
    const pause = this.#worked < patience / 2 ? Effect.yieldNow() : breathe
    if (this.#worked >= patience / 2) this.#worked = 0
    const perSecond = this.#perSecond
    if (perSecond === undefined) return pause
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      this.#next = Math.max(now, this.#next) + (records * 1000) / perSecond
      return Effect.zipRight(pause, Effect.sleep(this.#next - now))
    })
  }
}

/** A page of a table and where the next begins. */
interface Page {
  readonly batch: Batch
  readonly next: Option.Option<StoredRecord["key"]>
}

interface Opened {
  readonly record: StoredRecord
  readonly plaintext: Uint8Array
}

/** @internal */
export const makeReencrypt = (cipher: typeof Encryption.Service) => {
  const openOne = (scope: KeyScope, record: StoredRecord) =>
    Effect.map(cipher.openAll(scope, [record]), ([plaintext]): Opened => ({ record, plaintext: plaintext! }))

  /** All at once, and one by one when one of them does not open. */
  const open = (scope: KeyScope, records: ReadonlyArray<StoredRecord>) =>
    cipher.openAll(scope, records).pipe(
      Effect.map((opened) => opened.map((plaintext, at) => Either.right({ record: records[at]!, plaintext }))),
      Effect.catchTag("DecryptionError", () =>
        Effect.forEach(records, (record) =>
          openOne(scope, record).pipe(
            Effect.map((opened) => Either.right(opened)),
            Effect.catchTag("DecryptionError", (error) => Effect.succeed(Either.left(error)))
          )))
    )

  const reseal = Effect.fnUntraced(
    function*(scope: KeyScope, table: SealedTable, records: ReadonlyArray<StoredRecord>) {
      const [refused, opened] = Arr.separate(yield* open(scope, records))
      const sealed = yield* cipher.sealAll(
        scope,
        opened.map(({ plaintext, record }) => ({ place: record.place, plaintext }))
      )
      const replacements = opened.flatMap(({ record }, at) =>
        record.envelope instanceof Uint8Array ? [{ key: record.key, old: record.envelope, next: sealed[at]! }] : []
      )
      const replaced = replacements.length === 0
        ? []
        : yield* runAlone(operation, table.replace(scope, replacements))
      const batch: Batch = { done: replaced.length, refused }
      return batch
    }
  )

  return Effect.fnUntraced(function*(
    scope: KeyScope,
    table: SealedTable,
    header: Uint8Array,
    after: StoredRecord["key"] | undefined,
    pace: Pace
  ) {
    const start = yield* Clock.currentTimeNanos
    const limit = pace.size
    const records = yield* runAlone(operation, table.select(scope, header, after, limit))
    const stale = records.filter(({ envelope }) => envelope !== null)
    const batch = stale.length === 0 ? { done: 0, refused: [] } : yield* reseal(scope, table, stale)
    pace.adapt(Number((yield* Clock.currentTimeNanos) - start))
    yield* pace.rest(stale.length)
    const last = records.length === limit ? records.at(-1) : undefined
    const page: Page = { batch, next: Option.map(Option.fromNullable(last), ({ key }) => key) }
    return page
  })
}
