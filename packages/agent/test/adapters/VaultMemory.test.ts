import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Memory } from "@sennit/agent"
import * as VaultMemory from "@sennit/agent/adapters/VaultMemory"
import { MemoryScope, MemoryVault } from "@sennit/memory-vault"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const makeFile = Effect.gen(function*() {
  const fileSystem = yield* FileSystem.FileSystem
  return `${yield* fileSystem.makeTempDirectoryScoped()}/vault.db`
}).pipe(Effect.provide(NodeContext.layer), Effect.orDie)

/** Every use opens the file anew and closes it at its end. */
const memoryOf = (filename: string, user: string) =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const vault = yield* MemoryVault.MemoryVault
    return VaultMemory.layer(vault.scoped(yield* MemoryScope.user(user)))
  })).pipe(Layer.provide(MemoryVault.layerSqlite({ filename })))

const remember = (filename: string, user: string, text: string) =>
  Effect.flatMap(Memory.Memory, (memory) => memory.remember({ text })).pipe(Effect.provide(memoryOf(filename, user)))

const recall = (filename: string, user: string, query: string, tokenBudget?: number) =>
  Effect.flatMap(
    Memory.Memory,
    (memory) => memory.recall({ query, ...(tokenBudget === undefined ? {} : { tokenBudget }) })
  ).pipe(
    Effect.map(({ notes }) => notes),
    Effect.provide(memoryOf(filename, user))
  )

it.scoped("what was remembered is recalled by another vault over the same file, for the same person alone", () =>
  Effect.gen(function*() {
    const file = yield* makeFile
    const stored = yield* remember(file, "alice", "My sister Grace lives in Porto.")
    expect(stored.text).toBe("My sister Grace lives in Porto.")
    yield* remember(file, "alice", "The printer needs toner.")
    const [best] = yield* recall(file, "alice", "Where does Grace live?")
    expect(best).toMatchObject({ id: stored.id, text: "My sister Grace lives in Porto." })
    expect(yield* recall(file, "bob", "Where does Grace live?")).toEqual([])
  }))

it.scoped("a long text is found by what stands at its end, and the budget bounds what comes back", () =>
  Effect.gen(function*() {
    const file = yield* makeFile
    const filler = Array.from({ length: 60 }, (_, i) => `Paragraph ${i} is about weaving rope from flax and hemp.`)
    const text = [...filler, "The harbour master is called Ottilie Brandt."].join("\n\n")
    const stored = yield* remember(file, "alice", text)
    expect(stored.text).toBe(text)
    const notes = yield* recall(file, "alice", "Who is the harbour master?")
    expect(notes[0]!.text).toContain("Ottilie Brandt")
    expect(notes.length).toBeLessThanOrEqual(8)
    const few = yield* recall(file, "alice", "Who is the harbour master?", 400)
    // A token is at least one character, so this bound is far above any honest count.
    expect(few.length).toBeLessThan(notes.length + 1)
    expect(few.reduce((sum, note) => sum + note.text.split(/\s+/).length, 0)).toBeLessThanOrEqual(400)
  }))

it.scoped("what cannot be stored or asked is a typed error, and nothing is stored", () =>
  Effect.gen(function*() {
    const file = yield* makeFile
    for (const text of ["", "  \n ", "x".repeat(300_000)]) {
      const error = yield* Effect.flip(remember(file, "alice", text))
      expect(error).toMatchObject({ _tag: "MemoryError", reason: "Rejected" })
      expect(error.message).not.toBe("")
    }
    expect(yield* Effect.flip(recall(file, "alice", "x", 0))).toMatchObject({ _tag: "MemoryError", reason: "Rejected" })
    expect(yield* recall(file, "alice", "x")).toEqual([])
  }))
