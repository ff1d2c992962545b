import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { MemoryVault } from "@sennit/memory-vault"
import { Effect, Stream } from "effect"
import { layerRaw, makeFile, userMemory, within } from "./support/vaultFile.ts"

const fill = Effect.gen(function*() {
  const memory = yield* userMemory("alice")
  yield* Stream.runDrain(memory.saveAll(Stream.map(Stream.range(1, 30), (i) => ({
    text: `Turn ${i} tells of pier ${i} and of the ferry.`,
    sessionId: "s",
    idempotencyKey: `k${i}`
  }))))
  const { memories: [home] } = yield* memory.save({ text: "I live in Porto." })
  yield* memory.save({ text: "I live in Lisbon." })
  if (home !== undefined) yield* memory.update(home.id, { version: 1, metadata: { checked: true } })
  yield* memory.procedural.upsert({ key: "k", text: "Be brief." })
  const { id } = yield* memory.compress()
  return yield* memory.jobs.await(id)
})

const damages: ReadonlyArray<readonly [check: string, statement: string]> = [
  ["scopes", "UPDATE vault_scopes SET memories = memories + 1"],
  ["scopes", "INSERT INTO vault_procedures VALUES (77, 'k', 'x', 1, 0, 0)"],
  ["scopes", "UPDATE vault_scopes SET terms = terms + 1"],
  ["terms", "UPDATE vault_memories SET speaker = 'Zed' WHERE doc = 3"],
  ["terms", "UPDATE vault_memories SET terms = replace(terms, 'ferri', 'other') WHERE doc = 2"],
  ["facts", "INSERT INTO vault_facts VALUES (1, 'slot', 7777, 'x', 1, 1, 1)"],
  ["facts", "UPDATE vault_memories SET superseded_by = 'mem_gone' WHERE doc = 4"],
  ["revisions", "UPDATE vault_revisions SET version = 9"],
  ["summaries", "UPDATE vault_compressed SET stale = 1"],
  ["summaries", "DELETE FROM vault_summary_sources"],
  ["summaries", "INSERT INTO vault_summary_sources VALUES (7777, 1, 1)"],
  ["keys", "UPDATE vault_save_keys SET doc = 7777 WHERE key = 'k1'"],
  ["jobs", "UPDATE vault_jobs SET state = 'running'"]
]

describe("verify", () => {
  it.scopedLive("finds nothing in a vault that is in use, and every kind of damage", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      yield* Effect.gen(function*() {
        expect(yield* fill).toMatchObject({ state: "done", done: 1 })
        expect(yield* MemoryVault.verify({ filename })).toEqual([])
      }).pipe(within(MemoryVault.layerSqlite({ filename })))
      for (const [check, statement] of damages) {
        const damaged = yield* makeFile
        yield* within(layerRaw(filename))(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql`VACUUM INTO ${damaged}`)
        )
        yield* within(layerRaw(damaged))(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql`${sql.literal(statement)}`)
        )
        const found = yield* MemoryVault.verify({ filename: damaged })
        expect([statement, found.some((one) => one.check === check)]).toEqual([statement, true])
      }
    }))

  it.scopedLive("refuses a file that is no vault of this version", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      expect(yield* Effect.flip(MemoryVault.verify({ filename }))).toMatchObject({
        _tag: "ConfigurationError",
        reason: "schema-too-old",
        found: 0
      })
    }))
})
