/**
 * The operations on what is kept by key.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { UserMemory } from "../MemoryVault.ts"
import * as Telemetry from "../Telemetry.ts"
import {
  clearNotes,
  deleteProcedure,
  readNote,
  readNotes,
  readProcedures,
  setNote,
  upsertProcedure
} from "./keyedNotes.ts"
import { guard } from "./memoryRows.ts"
import { prepareNote } from "./prepareMemory.ts"
import type { ScopeKey } from "./scopeKey.ts"
import type { VaultParts } from "./serveScope.ts"

/**
 * @since 0.1.0
 */
export const makeProcedural = (key: ScopeKey, parts: VaultParts): UserMemory["procedural"] => ({
  upsert: Effect.fn(Telemetry.spans.upsertProcedure)(function*(procedure) {
    const checked = yield* prepareNote(procedure, parts)
    const now = yield* Clock.currentTimeMillis
    return yield* guard("procedural.upsert")(upsertProcedure(parts, key, checked, now))
  }),
  list: () => Stream.fromIterableEffect(guard("procedural.list")(readProcedures(parts, key))),
  delete: Effect.fn(Telemetry.spans.deleteProcedure)((name: string) =>
    guard("procedural.delete")(deleteProcedure(parts, key, name))
  )
})

const defaultTtl = Duration.hours(1)

/**
 * @since 0.1.0
 */
export const makeWorking = (key: ScopeKey, parts: VaultParts): UserMemory["working"] => (session) => ({
  set: Effect.fn(Telemetry.spans.setNote)(function*(note) {
    const checked = yield* prepareNote({ ...note, sessionId: session }, parts)
    const now = yield* Clock.currentTimeMillis
    const expiresAt = now + Math.min(Duration.toMillis(note.ttl ?? defaultTtl), Number.MAX_SAFE_INTEGER - now)
    return yield* guard("working.set")(
      setNote(parts, key, session, { ...checked, expiresAt: Math.floor(expiresAt) }, now)
    )
  }),
  get: Effect.fn(Telemetry.spans.getNote)(function*(name) {
    const now = yield* Clock.currentTimeMillis
    return yield* guard("working.get")(readNote(parts, key, session, name, now))
  }),
  list: () =>
    Stream.fromIterableEffect(Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => guard("working.list")(readNotes(parts, key, session, now))
    )),
  clear: Effect.flatMap(
    Clock.currentTimeMillis,
    (now) => guard("working.clear")(clearNotes(parts.sql, key, session, now))
  )
})
