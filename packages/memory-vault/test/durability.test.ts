import { NodeContext } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { MemoryVault } from "@sennit/memory-vault"
import { Chunk, Effect, Fiber, Stream } from "effect"
import { killWriter, laterBy, linesOf, makeOldFile, startWriter } from "./support/processes.ts"
import { layerRaw, makeFile, userMemory, within } from "./support/vaultFile.ts"

const storedTexts = Effect.flatMap(
  userMemory("shared"),
  (memory) => Effect.map(Stream.runCollect(memory.list()), (all) => new Set(Array.from(all, ({ text }) => text)))
)

describe("durability", () => {
  it.scopedLive(
    "a writer killed while it saves, updates, forgets and compresses loses nothing it confirmed and leaves nothing half",
    () =>
      Effect.gen(function*() {
        const filename = yield* makeFile
        const confirmed: Array<string> = []
        for (const [round, lines] of [3, 41, 88].entries()) {
          confirmed.push(...(yield* killWriter(filename, `k${round}`, lines)))
          expect(yield* MemoryVault.verify({ filename })).toEqual([])
        }
        expect(confirmed).toHaveLength(3 + 41 + 88)
        const stored = yield* within(MemoryVault.layerSqlite({ filename }))(storedTexts)
        expect(confirmed.filter((text) => !stored.has(text))).toEqual([])
      }).pipe(within(NodeContext.layer)),
    { timeout: 120_000 }
  )

  it.scopedLive(
    "a job whose process was killed is finished by the next one when the lease is over",
    () =>
      Effect.gen(function*() {
        const filename = yield* makeFile
        yield* killWriter(filename, "k", 90)
        const left = yield* within(layerRaw(filename))(Effect.flatMap(
          SqlClient.SqlClient,
          (sql) =>
            // As if the process had died in the middle of a job, wherever it did.
            sql`UPDATE vault_jobs SET state = 'running', owner = 'dead', lease_until = updated_at + 12000 RETURNING id`
        ))
        expect(left.length).toBeGreaterThan(0)
        const summaries = yield* Effect.gen(function*() {
          const memory = yield* userMemory("shared")
          const job = yield* Effect.flatMap(memory.compress(), ({ id }) => memory.jobs.await(id))
          expect(job.state).toBe("done")
          return (yield* memory.stats).summaries
        }).pipe(within(MemoryVault.layerSqlite({ filename })), Effect.withClock(laterBy(13_000)))
        expect(summaries).toBeGreaterThan(0)
        const open = yield* within(layerRaw(filename))(Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`SELECT id FROM vault_jobs WHERE state <> 'done'`
        ))
        expect(open).toEqual([])
        expect(yield* MemoryVault.verify({ filename })).toEqual([])
      }).pipe(within(NodeContext.layer)),
    { timeout: 120_000 }
  )

  it.scopedLive(
    "a process killed while it migrates leaves the old file or the new one, and every memory",
    () =>
      Effect.gen(function*() {
        const filename = yield* makeFile
        yield* makeOldFile(filename, 4_000)
        for (const wait of [0, 60]) {
          const writer = yield* startWriter(filename, "m", "0", "open")
          yield* writer.stdout.pipe(Stream.take(1), Stream.runDrain)
          yield* Effect.sleep(wait)
          yield* Effect.ignore(writer.kill("SIGKILL"))
        }
        yield* within(MemoryVault.layerSqlite({ filename }))(storedTexts)
        expect(yield* MemoryVault.verify({ filename })).toEqual([])
        const rows = yield* within(layerRaw(filename))(
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`SELECT count(*) AS n FROM vault_memories WHERE source = 'old'`
          )
        )
        expect(rows).toEqual([{ n: 4_000 }])
      }).pipe(within(NodeContext.layer)),
    { timeout: 120_000 }
  )

  it.scopedLive("four processes that save 1,000 memories each into one file lose none", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const writers = yield* Effect.forEach(["a", "b", "c", "d"], (name) =>
        Effect.gen(function*() {
          const writer = yield* startWriter(filename, name, "1000")
          const output = yield* Effect.fork(Stream.runCollect(linesOf(writer.stdout)))
          const code = yield* writer.exitCode
          return [code, Chunk.toReadonlyArray(yield* Fiber.join(output))] as const
        }), { concurrency: 4 })
      expect(writers.map(([code, lines]) => [code, lines.length])).toEqual(["a", "b", "c", "d"].map(() => [0, 1_000]))
      const stored = yield* within(MemoryVault.layerSqlite({ filename }))(storedTexts)
      expect(stored).toEqual(new Set(writers.flatMap(([, lines]) => lines)))
      expect(stored.size).toBe(4_000)
      expect(yield* MemoryVault.verify({ filename })).toEqual([])
    }).pipe(within(NodeContext.layer)), { timeout: 180_000 })
})
