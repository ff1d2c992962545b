/**
 * Why a position of a history does not hold its event. Asked only after a violation; opens each event a few times.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Encryption } from "../Encryption.ts"
import type { IntegrityViolation } from "../SecureSessionsError.ts"
import type { SessionRef } from "../Session.ts"
import { isEqual } from "./deriveKey.ts"
import { runAlone } from "./runSql.ts"
import { openBodies } from "./sealSession.ts"
import type { EventRow, SessionRows } from "./sessionRows.ts"

const chunkSize = 256

const isCopy = (left: EventRow, right: EventRow) =>
  left.body instanceof Uint8Array && right.body instanceof Uint8Array && isEqual(left.body, right.body)

/** @internal */
export const makeDiagnose = (rows: SessionRows, cipher: typeof Encryption.Service) => {
  const opensAs = (ref: SessionRef, row: EventRow, eventId: string, sequence: number) =>
    openBodies(cipher, ref, [{ ...row, event_id: eventId, sequence }]).pipe(
      Effect.as(true),
      Effect.catchTag(
        "DecryptionError",
        (error) => error.location.table === "session_events" ? Effect.succeed(false) : Effect.fail(error)
      )
    )

  /** Whether the row, or the event id of the position with the row's content, was sealed for the position. */
  const belongs = Effect.fnUntraced(function*(
    ref: SessionRef,
    other: EventRow,
    position: number,
    row: EventRow | undefined
  ) {
    if (yield* opensAs(ref, other, other.event_id, position)) return true
    return row !== undefined && (yield* opensAs(ref, other, row.event_id, position))
  })

  /** Whether the row was sealed for a later position: events before it were taken out and the rest moved up. */
  const isMovedUp = Effect.fnUntraced(function*(ref: SessionRef, row: EventRow, from: number, to: number) {
    for (let sequence = from; sequence <= to; sequence++) {
      if (yield* opensAs(ref, row, row.event_id, sequence)) return true
    }
    return false
  })

  return Effect.fnUntraced(function*(ref: SessionRef, position: number, count: number, row: EventRow | undefined) {
    const found = (kind: IntegrityViolation["kind"]) => ({ sequence: position, kind })
    let isElsewhere = false
    let from = 1
    while (true) {
      const events = yield* runAlone(
        "Session.verify",
        rows.selectLinkedEvents(ref, { fromSequence: from, first: chunkSize })
      )
      for (const other of events) {
        if (other.sequence === row?.sequence) continue
        if (row !== undefined && isCopy(row, other)) return found("Duplicated")
        isElsewhere ||= yield* belongs(ref, other, position, row)
      }
      if (events.length < chunkSize) break
      from = events[chunkSize - 1]!.sequence + 1
    }
    if (isElsewhere) return found("Reordered")
    if (row === undefined) return found("Deleted")
    return found((yield* isMovedUp(ref, row, position + 1, count)) ? "Deleted" : "Altered")
  })
}
