/**
 * A session as a thing with an end.
 *
 * @since 0.1.0
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { SaveInput, SaveResult, SessionOptions, SessionStats } from "../Memory.ts"
import type { MemorySession, UserMemory } from "../MemoryVault.ts"
import * as Telemetry from "../Telemetry.ts"
import { makeSessionId } from "./makeId.ts"
import { guard, only } from "./memoryRows.ts"
import { checkLabels } from "./prepareMemory.ts"
import type { ScopeKey } from "./scopeKey.ts"

const readSession = (
  sql: SqlClient,
  key: ScopeKey,
  session: string
): Effect.Effect<{ readonly memories: number; readonly tokens: number }, SqlError> =>
  only(
    sql<{ readonly memories: number; readonly tokens: number }>`
      SELECT count(*) AS memories, coalesce(sum(tokens), 0) AS tokens FROM vault_memories
      WHERE scope = (SELECT id FROM vault_scopes
          WHERE user = ${key.user} AND tenant = ${key.tenant} AND agent = ${key.agent}) AND session = ${session}`
  )

type Memory = Pick<UserMemory, "compress" | "save" | "saveAll" | "working">

const openSession = (sql: SqlClient, key: ScopeKey, memory: Memory, options: SessionOptions) =>
  Effect.gen(function*() {
    const openedAt = yield* DateTime.now
    const id = options.sessionId ?? (yield* makeSessionId(DateTime.toEpochMillis(openedAt)))
    yield* checkLabels({ text: "", sessionId: id })
    const working = memory.working(id)
    const counts = { created: 0, merged: 0 }
    const tally = ({ created, merged }: SaveResult) =>
      Effect.sync(() => {
        counts.created += created
        counts.merged += merged
      })
    const inSession = (input: Omit<SaveInput, "sessionId"> | string): SaveInput =>
      typeof input === "string" ? { text: input, sessionId: id } : { ...input, sessionId: id }
    const stats: MemorySession["stats"] = Effect.map(
      guard("session")(readSession(sql, key, id)),
      (held): SessionStats => ({ ...held, ...counts, openedAt, notes: 0 })
    )
    const compression = options.compress === true ? {} : options.compress
    let ended: SessionStats | undefined
    const end = Effect.gen(function*() {
      if (ended !== undefined) return ended
      const notes = yield* working.clear
      const job = compression === undefined || compression === false
        ? undefined
        : yield* memory.compress({ ...compression, sessions: [id] })
      const endedAt = yield* DateTime.now
      return ended = { ...(yield* stats), notes, endedAt, ...(job === undefined ? {} : { job: job.id }) }
    })
    const session: MemorySession = {
      id,
      save: (input) => Effect.tap(memory.save(inSession(input)), tally),
      saveAll: (inputs) => Stream.tap(memory.saveAll(Stream.map(inputs, inSession)), tally),
      working,
      stats,
      end: Effect.withSpan(end, Telemetry.spans.endSession)
    }
    return session
  })

/**
 * @since 0.1.0
 */
export const makeSession = (sql: SqlClient, key: ScopeKey, memory: Memory): UserMemory["session"] => (options = {}) =>
  Effect.acquireRelease(
    openSession(sql, key, memory, options),
    // A scope that closes has no one to tell; notes then end by their time, and compression may be asked for later.
    ({ end }) => Effect.ignoreLogged(end)
  )
