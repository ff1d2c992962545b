import { SqlClient } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { describe, expect, it } from "@effect/vitest"
import { MemoryVault, TokenCounter } from "@sennit/memory-vault"
import { laws } from "@sennit/memory-vault/testing"
import { ConfigProvider, Context, Effect, Layer, Stream, Tracer } from "effect"
import { layerFile, layerRaw, makeFile, scopeOf, userMemory, within } from "./support/vaultFile.ts"

for (const [name, layer] of [["a SQLite file", layerFile], ["memory", MemoryVault.layerMemory]] as const) {
  describe(`contract of a vault in ${name}`, () => {
    for (const law of laws) {
      it.effect(law.name, () => within(layer)(law.check))
    }
  })
}

const textsOf = (user: string) =>
  Effect.flatMap(
    userMemory(user),
    (memory) => Effect.map(Stream.runCollect(memory.list()), (all) => Array.from(all, ({ text }) => text))
  )

describe("MemoryVault", () => {
  it.scoped("reaches data through a scope only", () =>
    Effect.gen(function*() {
      const vault = yield* MemoryVault.MemoryVault
      expect(Object.keys(vault)).toEqual(["scoped"])
      // @ts-expect-error -- there is no memory without a scope
      const missing = () => vault.scoped()
      // @ts-expect-error -- identifiers are no scope
      const plain = () => vault.scoped({ tenant: "", user: "alice", agent: "" })
      expect(missing).toThrow(TypeError)
      expect(plain).toThrow(TypeError)
    }).pipe(within(MemoryVault.layerMemory)))

  it.scoped("keeps memories over a restart", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const open = <A, E>(effect: Effect.Effect<A, E, MemoryVault.MemoryVault>) =>
        within(MemoryVault.layerSqlite({ filename }))(effect)
      yield* open(Effect.flatMap(userMemory("alice"), (alice) => alice.save("The cat is called Miso.")))
      const { memories } = yield* open(Effect.flatMap(userMemory("alice"), (alice) => alice.recall("the cat's name")))
      expect(memories.map(({ memory }) => memory.text)).toEqual(["The cat is called Miso."])
    }))

  it.scoped("sees what another vault on the same file wrote, removed and erased", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const open = Effect.map(Layer.build(MemoryVault.layerSqlite({ filename })), (context) =>
        Context.get(context, MemoryVault.MemoryVault).scoped(scopeOf("alice")))
      const [first, second] = [yield* open, yield* open]
      const recalled = Effect.map(first.recall("harbour"), ({ memories }) =>
        memories.map(({ memory }) => memory.text))
      yield* first.save("One harbour.")
      expect(yield* recalled).toEqual(["One harbour."])
      const { memories: [saved] } = yield* second.save("Two harbours.")
      expect(new Set(yield* recalled)).toEqual(new Set(["One harbour.", "Two harbours."]))
      if (saved !== undefined) yield* second.forget(saved.id)
      expect(yield* recalled).toEqual(["One harbour."])
      yield* second.forgetAll({ confirm: true })
      expect(yield* recalled).toEqual([])
      yield* second.save("Three harbours.")
      expect(yield* recalled).toEqual(["Three harbours."])
    }))

  it.scoped("answers alike with and without room for indexes", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const ask = (cachedBytes: number) =>
        Effect.gen(function*() {
          const alice = yield* userMemory("alice")
          yield* alice.save("The ferry leaves at noon.")
          yield* alice.save("The ferry is blue.")
          const first = yield* alice.recall({ query: "ferry", explain: true })
          return [first, yield* alice.recall({ query: "ferry", explain: true })]
        }).pipe(within(MemoryVault.layerSqlite({ filename, cachedBytes })))
      const [large] = yield* ask(1_000_000)
      const small = yield* ask(1)
      for (const result of small) {
        expect(result.memories.map(({ score }) => score)).toEqual(large?.memories.map(({ score }) => score))
      }
    }))

  it.scoped("refuses a database of a newer schema and leaves it alone", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      yield* within(MemoryVault.layerSqlite({ filename }))(textsOf("alice"))
      const version = Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        return yield* sql`SELECT value FROM vault_meta WHERE key = 'schema'`
      })
      yield* within(layerRaw(filename))(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`UPDATE vault_meta SET value = 999 WHERE key = 'schema'`)
      )
      const error = yield* Effect.flip(within(MemoryVault.layerSqlite({ filename }))(textsOf("alice")))
      expect(error).toMatchObject({ _tag: "ConfigurationError", reason: "schema-too-new", found: 999 })
      expect(yield* within(layerRaw(filename))(version)).toEqual([{ value: 999 }])
    }))

  it.effect("fails with a typed error where no file can be made", () =>
    Effect.gen(function*() {
      const layer = MemoryVault.layerSqlite({ filename: "/nowhere/at/all/vault.db" })
      const error = yield* Effect.flip(within(layer)(textsOf("alice")))
      expect(error).toMatchObject({ _tag: "StorageError", reason: "open", retryable: false })
    }))

  it.scoped("reads its settings from MEMORY_VAULT_*", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const provider = ConfigProvider.fromMap(
        new Map([["MEMORY_VAULT_FILENAME", filename], ["MEMORY_VAULT_MAX_TEXT_LENGTH", "10"]]),
        { pathDelim: "_" }
      )
      const error = yield* Effect.flatMap(userMemory("alice"), (alice) => alice.save("Longer than ten characters."))
        .pipe(
          within(MemoryVault.layerConfig()),
          Effect.withConfigProvider(provider),
          Effect.flip
        )
      expect(error).toMatchObject({ _tag: "IngestionError", reason: "too-long", limit: 10 })
    }))

  it.scoped("works over a client and a counter of one's own", () =>
    Effect.gen(function*() {
      const words = TokenCounter.layer({ name: "words", count: (text) => text.split(/\s+/).length })
      const layer = MemoryVault.layer().pipe(Layer.provide([SqliteClient.layer({ filename: ":memory:" }), words]))
      const { totalTokens, promptBlock } = yield* Effect.gen(function*() {
        const alice = yield* userMemory("alice")
        yield* alice.save("one two three")
        return yield* alice.recall("two")
      }).pipe(within(layer))
      expect(totalTokens).toBe(promptBlock.split(/\s+/).length)
    }))

  it.effect("carries no identifier of a person in spans", () =>
    Effect.gen(function*() {
      const alice = (yield* MemoryVault.MemoryVault).scoped(scopeOf("alice-the-marker", "tenant-marker"))
      const save = alice.save({ text: "text-marker", speaker: "speaker-marker" })
      const native = yield* Effect.tracer
      const spans: Array<Tracer.Span> = []
      const recording = Tracer.make({
        context: native.context,
        span: (...args) => {
          const span = native.span(...args)
          spans.push(span)
          return span
        }
      })
      yield* Effect.withTracer(save, recording)
      expect(spans.map(({ name }) => name)).toContain("MemoryVault.save")
      const seen = spans.map(({ attributes, name }) => [name, ...Array.from(attributes, String)].join(" "))
      expect(seen.filter((entry) => entry.includes("marker"))).toEqual([])
    }).pipe(within(MemoryVault.layerMemory)))
})
