/**
 * Erasing a user: the data key and all rows in one transaction, then the journal.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DataKeys } from "../DataKeys.ts"
import type { ErasureReceipt } from "../Erasure.ts"
import type { AppName, UserId } from "../Session.ts"
import { hex } from "./deriveKey.ts"
import { run, truncateJournal } from "./runSql.ts"
import type { SessionRows } from "./sessionRows.ts"

const operation = "Session.eraseUser"

/** @internal */
export const makeErase = (sql: SqlClient.SqlClient, rows: SessionRows, keys: typeof DataKeys.Service) => {
  const eraseRows = Effect.fnUntraced(function*(app: AppName, user: UserId) {
    const [counts] = yield* run(operation, rows.countUser(app, user))
    yield* Effect.forEach(rows.deleteUser(app, user), (statement) => run(operation, statement), { discard: true })
    return counts ?? { sessions: 0, events: 0 }
  })

  return Effect.fn(operation)(function*(app: AppName, user: UserId) {
    const now = yield* Clock.currentTimeMillis
    const { also, shredded } = yield* keys.shred({ app, user }, eraseRows(app, user))
    yield* truncateJournal(sql, operation)
    const receipt: ErasureReceipt = {
      app,
      user,
      keyId: Option.map(shredded, ({ keyId }) => hex(keyId)),
      time: DateTime.unsafeMake(Option.match(shredded, { onNone: () => now, onSome: ({ time }) => time })),
      sessions: also.sessions,
      events: also.events
    }
    return receipt
  })
}
