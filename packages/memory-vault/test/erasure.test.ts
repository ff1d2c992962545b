import { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { describe, expect, it } from "@effect/vitest"
import { MemoryVault } from "@sennit/memory-vault"
import { Context, Effect, Layer, Stream } from "effect"
import { layerRaw, makeFile, userMemory, within } from "./support/vaultFile.ts"

const markers = ["zqxmarker", "ZQXmarker", "zqxspeaker", "zqxsession", "zqxmeta", "zqxuser", "zqxkey"]

/** Which markers occur in the bytes of any file beside the database. */
const findMarkers = (filename: string) =>
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = path.dirname(filename)
    const found: Array<string> = []
    for (const name of yield* fileSystem.readDirectory(folder)) {
      const bytes = Buffer.from(yield* fileSystem.readFile(path.join(folder, name)))
      for (const marker of markers) if (bytes.includes(marker)) found.push(`${marker} in ${name}`)
    }
    return found
  }).pipe(within(NodeContext.layer))

const entries = (user: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    text: `Entry ${i} ${"tells of a storm and a ferry ".repeat(i % 40)} zqxmarker${i} ZQXmarker ${user}`,
    speaker: "zqxspeaker",
    sessionId: `zqxsession ${i % 7}`,
    idempotencyKey: `zqxkey ${i}`,
    metadata: { key: `zqxmeta ${i}` }
  }))

/** A transaction that began to read and stays open until the scope ends. */
const holdSnapshot = (filename: string) =>
  Effect.gen(function*() {
    const sql = Context.get(yield* Layer.build(layerRaw(filename)), SqliteClient.SqliteClient)
    const connection = yield* sql.reserve
    yield* connection.executeUnprepared("BEGIN", [], undefined)
    yield* connection.executeUnprepared("SELECT count(*) FROM vault_memories", [], undefined)
  })

describe("forgetAll", () => {
  it.scopedLive("leaves no byte of a user in any file and no other user touched", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      yield* Effect.gen(function*() {
        const [erased, kept] = [yield* userMemory("zqxuser"), yield* userMemory("kept")]
        const foreign = Array.from({ length: 300 }, (_, i) => `Foreign note ${i} on ${"the harbour ".repeat(i % 30)}`)
        // Interleaved, so that both users' rows share pages.
        const own = entries("zqxuser", 600)
        for (let i = 0; i < 6; i++) {
          yield* Stream.runDrain(erased.saveAll(Stream.fromIterable(own.slice(i * 100, i * 100 + 100))))
          yield* Stream.runDrain(kept.saveAll(Stream.fromIterable(foreign.slice(i * 50, i * 50 + 50))))
        }
        const listed = yield* Stream.runCollect(erased.list())
        // Single removals move rows between pages before everything goes.
        yield* Effect.forEach(Array.from(listed).filter((_, i) => i % 3 === 0), ({ id }) => erased.forget(id))
        const [first, second] = Array.from(yield* Stream.runCollect(Stream.take(erased.list(), 2)))
        if (first !== undefined && second !== undefined) {
          yield* erased.update(first.id, { version: 1, text: "My zqxuser Zqxuser lives in ZQXmarker." })
          yield* erased.update(second.id, { version: 1, text: "My zqxuser Zqxuser moved to ZQXmarkerton." })
        }
        yield* erased.procedural.upsert({ key: "zqxmarker key", text: "Obey zqxmarker." })
        yield* erased.working("zqxsession").set({ key: "zqxmarker", text: "zqxmarker" })
        const compression = yield* erased.compress({ sessions: Array.from({ length: 7 }, (_, i) => `zqxsession ${i}`) })
        yield* erased.jobs.await(compression.id)
        // Drops the summaries of its session and has them written anew while everything is erased.
        if (second !== undefined) yield* erased.forget(second.id)
        const { summaries } = yield* erased.stats
        yield* erased.recall({ query: "zqxmarker7 storm", summaries: 3 })
        expect((yield* findMarkers(filename)).length).toBeGreaterThan(0)
        const remaining = Array.from(yield* Stream.runCollect(erased.list())).length

        const receipt = yield* erased.forgetAll({ confirm: true })
        expect([receipt.memories, receipt.notes]).toEqual([remaining, 2])
        expect(summaries).toBeGreaterThan(6)
        expect(receipt.summaries).toBeGreaterThanOrEqual(summaries)
        expect(receipt.logTruncated).toBe(true)
        expect(yield* findMarkers(filename)).toEqual([])
        expect(yield* erased.forgetAll({ confirm: true })).toMatchObject({ memories: 0, notes: 0 })

        const others = Array.from(yield* Stream.runCollect(kept.list()), ({ text }) => text)
        expect(others).toEqual(foreign.map((text) => text.trim()).toReversed())
        expect((yield* kept.recall("harbour")).memories).toHaveLength(5)
      }).pipe(within(MemoryVault.layerSqlite({ filename })))
      expect(yield* findMarkers(filename)).toEqual([])
      expect(yield* MemoryVault.verify({ filename })).toEqual([])
    }), { timeout: 60_000 })

  it.scopedLive("says so when another reader keeps the log", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      yield* Effect.gen(function*() {
        const alice = yield* userMemory("alice")
        yield* alice.save("A note.")
        const receipt = yield* Effect.scoped(
          Effect.zipRight(holdSnapshot(filename), alice.forgetAll({ confirm: true }))
        )
        expect(receipt).toMatchObject({ memories: 1, logTruncated: false })
        expect(yield* alice.forgetAll({ confirm: true })).toMatchObject({ memories: 0, logTruncated: true })
      }).pipe(within(MemoryVault.layerSqlite({ filename })))
    }), { timeout: 30_000 })
})
