/**
 * Walking a history from its first event to what the session row says of it, and naming the first spot that is wrong.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { Encryption } from "../Encryption.ts"
import type { IntegrityReport, VerifyOptions } from "../Integrity.ts"
import type { DecryptionError } from "../SecureSessionsError.ts"
import { IntegrityViolation, SessionNotFound } from "../SecureSessionsError.ts"
import type { SessionRef } from "../Session.ts"
import type { Chain, ChainMac } from "./chainEvents.ts"
import { isUnchained, isVouched } from "./chainEvents.ts"
import { hex, isEqual } from "./deriveKey.ts"
import { makeDiagnose } from "./diagnoseEvent.ts"
import type { SessionReader } from "./readSession.ts"
import { run, snapshot } from "./runSql.ts"
import { openBodies, openMetadata } from "./sealSession.ts"
import type { ChainedHeadRow, LinkedEventRow, SessionRows } from "./sessionRows.ts"

/** Events read and opened at a time. */
const chunkSize = 256

type Kind = IntegrityViolation["kind"]

interface Finding {
  readonly sequence: number
  readonly kind: Kind
}

/** What is known after the events walked so far. */
class Walk {
  count = 0
  unchained = 0
  link: Uint8Array | undefined
  /** An event whose link does not follow: it was altered, or the event before it was replaced. */
  suspect: number | undefined
  /** The link at the position of the checkpoint. */
  marked: string | undefined
  readonly #createTime: number
  readonly #mark: number | undefined

  constructor(createTime: number, mark: number | undefined) {
    this.#createTime = createTime
    this.#mark = mark
  }

  /** The last link; of a history without one, where the chain begins. */
  last(mac: ChainMac): Uint8Array {
    return this.link ?? mac.first(this.#createTime, this.count)
  }

  mark(mac: ChainMac): void {
    if (this.count === this.#mark) this.marked = hex(this.last(mac))
  }

  step(mac: ChainMac, row: LinkedEventRow, content: Uint8Array): Finding | undefined {
    const { chained, event_id: eventId, link, sequence } = row
    this.mark(mac)
    if (chained === 0) {
      // It opened as an event of before the chain, and such a one cannot come after a chained one.
      if (this.link !== undefined) return { sequence, kind: "RolledBack" }
      this.unchained = ++this.count
      return undefined
    }
    const follows = link instanceof Uint8Array &&
      isEqual(link, mac.next(this.last(mac), { sequence, eventId, digest: mac.digest(content) }))
    if (this.suspect !== undefined) return this.resolve(follows)
    if (!follows) {
      if (this.link === undefined) return { sequence, kind: "Altered" }
      this.suspect = sequence
    }
    this.link = link
    this.count++
    return undefined
  }

  /** When what follows the suspect knows its link, the suspect is authentic and the event before it is not. */
  resolve(follows: boolean): Finding | undefined {
    if (this.suspect === undefined) return undefined
    return follows ? { sequence: this.suspect - 1, kind: "RolledBack" } : { sequence: this.suspect, kind: "Altered" }
  }

  /** Compares the whole walk with the session row. */
  finish(mac: ChainMac, row: ChainedHeadRow): Finding | undefined {
    this.mark(mac)
    const after = { sequence: this.count + 1 }
    if (isUnchained(row)) {
      if (this.link !== undefined) return { sequence: this.unchained + 1, kind: "RolledBack" }
      return row.event_count === this.count ? undefined : this.miscounted(row)
    }
    const vouched = isVouched(mac, row)
    const suspected = this.resolve(vouched && isEqual(row.link, this.last(mac)))
    if (suspected !== undefined) return suspected
    if (!vouched) return { ...after, kind: "HeadAltered" }
    if (row.event_count !== this.count) return this.miscounted(row)
    return isEqual(row.link, this.last(mac)) ? undefined : { sequence: this.count, kind: "RolledBack" }
  }

  /** Fewer events than the row vouches for were cut off; of more, the row is an old one. */
  miscounted(row: ChainedHeadRow): Finding {
    return row.event_count > this.count
      ? { sequence: this.count + 1, kind: "Truncated" }
      : { sequence: row.event_count + 1, kind: "RolledBack" }
  }
}

const compare = (walk: Walk, row: ChainedHeadRow, since: IntegrityReport): Finding | undefined => {
  if (row.revision < since.revision || row.event_count < since.eventCount) {
    return { sequence: row.event_count + 1, kind: "RolledBack" }
  }
  // What was not chained at the time of the checkpoint has no link to compare.
  const same = since.link === "" || since.link === walk.marked
  return same ? undefined : { sequence: since.eventCount, kind: "RolledBack" }
}

/** @internal */
export const makeVerify = (
  sql: SqlClient.SqlClient,
  rows: SessionRows,
  cipher: typeof Encryption.Service,
  chain: Chain,
  { refuseShredded }: SessionReader
) => {
  const diagnose = makeDiagnose(rows, cipher)

  /** Some events with the session row of the same moment. */
  const readChunk = Effect.fnUntraced(function*(ref: SessionRef, fromSequence: number) {
    const [head] = yield* run("Session.verify", rows.selectSession(ref))
    if (head === undefined) return yield* Effect.zipRight(refuseShredded(ref), new SessionNotFound({ ref }))
    const events = yield* run("Session.verify", rows.selectLinkedEvents(ref, { fromSequence, first: chunkSize }))
    return { head, events }
  })

  /** The events that stand where they should, and what is wrong with the one after them, if there is one. */
  const openRows = Effect.fnUntraced(function*(ref: SessionRef, events: ReadonlyArray<LinkedEventRow>, from: number) {
    const misplaced = events.findIndex(({ sequence }, index) => sequence !== from + index)
    const placed = misplaced < 0 ? events : events.slice(0, misplaced)
    return yield* openBodies(cipher, ref, placed).pipe(
      Effect.map((contents) => ({ contents, broken: misplaced < 0 ? undefined : from + misplaced })),
      Effect.catchTag("DecryptionError", (error) =>
        error.location.table === "session_events"
          ? Effect.map(
            openBodies(cipher, ref, placed.slice(0, error.location.sequence - from)),
            (contents) => ({ contents, broken: error.location.sequence })
          )
          : Effect.fail(error))
    )
  })

  const walkChunk = Effect.fnUntraced(function*(
    ref: SessionRef,
    walk: Walk,
    { events, head }: { readonly events: ReadonlyArray<LinkedEventRow>; readonly head: ChainedHeadRow }
  ) {
    const from = walk.count + 1
    const { broken, contents } = yield* openRows(ref, events, from)
    const found = yield* chain.read(ref, (mac) => {
      for (const [index, content] of contents.entries()) {
        const finding = walk.step(mac, events[index]!, content)
        if (finding !== undefined) return finding
      }
      return broken === undefined ? undefined : walk.resolve(false)
    })
    if (found !== undefined || broken === undefined) return found
    const row = events[broken - from]
    const count = Math.max(head.event_count, broken)
    return yield* diagnose(ref, broken, count, row !== undefined && row.sequence <= broken ? row : undefined)
  })

  return Effect.fn("Session.verify")(function*(ref: SessionRef, options?: VerifyOptions) {
    const refuse = (finding: Finding) => new IntegrityViolation({ ref, ...finding })
    const since = options?.since
    let chunk = yield* snapshot(sql, "Session.verify", readChunk(ref, 1))
    yield* Effect.catchTag(
      openMetadata(cipher, ref, chunk.head),
      "DecryptionError",
      (error): Effect.Effect<never, DecryptionError | IntegrityViolation> =>
        error.location.table === "sessions" ? refuse({ sequence: 0, kind: "Altered" }) : Effect.fail(error)
    )
    const walk = new Walk(chunk.head.create_time, since?.eventCount)
    while (true) {
      const found = yield* walkChunk(ref, walk, chunk)
      if (found !== undefined) return yield* refuse(found)
      if (chunk.events.length < chunkSize) break
      chunk = yield* snapshot(sql, "Session.verify", readChunk(ref, walk.count + 1))
    }
    const { head } = chunk
    const ending = yield* chain.read(
      ref,
      (mac) => walk.finish(mac, head) ?? (since === undefined ? undefined : compare(walk, head, since))
    )
    if (ending !== undefined) return yield* refuse(ending)
    const link = isUnchained(head) ? "" : hex(head.link)
    const report: IntegrityReport = { revision: head.revision, eventCount: walk.count, unchained: walk.unchained, link }
    return report
  })
}
