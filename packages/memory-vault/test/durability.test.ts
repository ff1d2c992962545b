import { Command } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import type { PlatformError } from "@effect/platform/Error"
import { describe, expect, it } from "@effect/vitest"
import { MemoryVault } from "@sennit/memory-vault"
import { Chunk, Effect, Fiber, Stream } from "effect"
import { agreement, findDisagreements } from "./support/checkFile.ts"
import { layerRaw, makeFile, userMemory, within } from "./support/vaultFile.ts"

const script = new URL("support/writer.ts", import.meta.url).pathname
const startWriter = (...args: ReadonlyArray<string>) =>
  Command.make(process.execPath, "--import", "tsx", "-C", "@sennit/source", script, ...args).pipe(
    Command.stderr("inherit"),
    Command.start
  )

const storedTexts = Effect.flatMap(
  userMemory("shared"),
  (memory) => Effect.map(Stream.runCollect(memory.list()), (all) => new Set(Array.from(all, ({ text }) => text)))
)

const linesOf = (stdout: Stream.Stream<Uint8Array, PlatformError>) =>
  stdout.pipe(Stream.decodeText(), Stream.splitLines)

describe("durability", () => {
  it.scopedLive(
    "a killed writer loses nothing it confirmed and leaves rows, postings and counters in agreement",
    () =>
      Effect.gen(function*() {
        const filename = yield* makeFile
        const confirmed: Array<string> = []
        for (const [round, lines] of [3, 41, 88].entries()) {
          const writer = yield* startWriter(filename, `k${round}`, "100000", "forget")
          const seen = yield* linesOf(writer.stdout).pipe(Stream.take(lines), Stream.runCollect)
          yield* writer.kill("SIGKILL").pipe(Effect.ignore)
          confirmed.push(...Chunk.toReadonlyArray(seen))
          expect(yield* within(layerRaw(filename))(findDisagreements)).toEqual(agreement)
        }
        expect(confirmed).toHaveLength(3 + 41 + 88)
        const stored = yield* within(MemoryVault.layerSqlite({ filename }))(storedTexts)
        expect(confirmed.filter((text) => !stored.has(text))).toEqual([])
        const { memories } = yield* Effect.flatMap(userMemory("shared"), (memory) => memory.recall("lighthousek2"))
          .pipe(
            within(MemoryVault.layerSqlite({ filename }))
          )
        expect(memories).toHaveLength(5)
      }).pipe(within(NodeContext.layer)),
    { timeout: 120_000 }
  )

  it.scopedLive("four processes that save 250 memories each into one file lose none", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const writers = yield* Effect.forEach(["a", "b", "c", "d"], (name) =>
        Effect.gen(function*() {
          const writer = yield* startWriter(filename, name, "250")
          const output = yield* Effect.fork(Stream.runCollect(linesOf(writer.stdout)))
          const code = yield* writer.exitCode
          return [code, Chunk.toReadonlyArray(yield* Fiber.join(output))] as const
        }), { concurrency: 4 })
      expect(writers.map(([code, lines]) => [code, lines.length])).toEqual(["a", "b", "c", "d"].map(() => [0, 250]))
      const stored = yield* within(MemoryVault.layerSqlite({ filename }))(storedTexts)
      expect(stored).toEqual(new Set(writers.flatMap(([, lines]) => lines)))
      expect(stored.size).toBe(1_000)
      expect(yield* within(layerRaw(filename))(findDisagreements)).toEqual(agreement)
    }).pipe(within(NodeContext.layer)), { timeout: 120_000 })
})
