// @effect-diagnostics nodeBuiltinImport:off - ids are random UUIDs of node:crypto
/**
 * Creating a session, once among any number of callers.
 *
 * @internal
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import type { Encryption } from "../Encryption.ts"
import { SessionAlreadyExists } from "../SecureSessionsError.ts"
import type { Session, SessionRef } from "../Session.ts"
import { SessionId } from "../Session.ts"
import type { CreateSession, WriteError } from "../SessionService.ts"
import type { Chain, ChainHead } from "./chainEvents.ts"
import { encodeJson } from "./encodeJson.ts"
import type { SessionReader } from "./readSession.ts"
import { run, transact } from "./runSql.ts"
import { metadataPlace, readDelta, sealState, temporaryOf } from "./sealSession.ts"
import type { SessionRows, StateChange } from "./sessionRows.ts"

/** @internal */
export const makeCreate = (
  sql: SqlClient.SqlClient,
  rows: SessionRows,
  cipher: typeof Encryption.Service,
  chain: Chain,
  { openSession, readSession, refuseShredded, selectSession }: SessionReader
) => {
  const insert = Effect.fnUntraced(
    function*(ref: SessionRef, now: number, metadata: Uint8Array, head: ChainHead, state: ReadonlyArray<StateChange>) {
      yield* run("Session.create", rows.holdUser(ref.app, ref.user))
      const [row] = yield* run("Session.create", rows.insertSession(ref, now, metadata, head))
      if (row === undefined) return yield* Effect.as(refuseShredded(ref), Option.none())
      yield* Effect.forEach(state, (entry) => run("Session.create", rows.writeState(entry)), { discard: true })
      return yield* selectSession(ref, { last: 0 }, true)
    }
  )

  const create = Effect.fn("Session.create")(function*(input: CreateSession) {
    const ref = { app: input.app, user: input.user, id: input.id ?? SessionId.make(randomUUID()) }
    const { entries, visible } = yield* readDelta(ref, input.state ?? {})
    const content = yield* encodeJson(input.metadata ?? null)
    const now = yield* Clock.currentTimeMillis
    const metadata = yield* cipher.seal(ref, metadataPlace(ref, now, true), content)
    const head = yield* chain.begin(ref, now)
    const state = yield* sealState(cipher, entries)
    const stored = yield* transact(sql, "Session.create", insert(ref, now, metadata, head, state))
    if (Option.isNone(stored)) return yield* new SessionAlreadyExists({ ref })
    const session = yield* openSession(ref, stored.value)
    return { ...session, state: { ...session.state, ...temporaryOf(visible) } }
  })

  const getOrCreate = Effect.fn("Session.getOrCreate")(function*(input: CreateSession) {
    const named = { ...input, id: input.id ?? SessionId.make(randomUUID()) }
    const ref = { app: named.app, user: named.user, id: named.id }
    // When another caller makes it between the look and the insert, look again; only deletions can repeat this.
    const attempt: Effect.Effect<Session, WriteError> = Effect.flatMap(
      readSession(ref, {}),
      Option.match({
        onNone: () => Effect.catchTag(create(named), "SessionAlreadyExists", () => attempt),
        onSome: Effect.succeed
      })
    )
    return yield* attempt
  })

  return { create, getOrCreate }
}
