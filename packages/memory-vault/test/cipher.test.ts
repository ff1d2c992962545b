import { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { Cipher, Embedder, MemoryVault, StaticEmbedder } from "@sennit/memory-vault"
import type { MemoryVaultError } from "@sennit/memory-vault"
import { createMemoryVault } from "@sennit/memory-vault/Promise"
import { MemoryVaultSync } from "@sennit/memory-vault/Sync"
import { laws } from "@sennit/memory-vault/testing"
import { ConfigProvider, Effect, Layer, Logger, LogLevel, Redacted, Stream, TestClock } from "effect"
import { killWriter, startWriter } from "./support/processes.ts"
import { layerRaw, makeFile, userMemory, within } from "./support/vaultFile.ts"

const caught = (call: () => unknown): unknown => {
  try {
    return call()
  } catch (error) {
    return error
  }
}
const keyOf = (byte: number) => Redacted.make<Uint8Array>(new Uint8Array(32).fill(byte))
const key = keyOf(7)
const cipher = Cipher.layerAesGcm({ key })

/** Keeps vectors of queries as well, which the default one does not. */
const costly = Embedder.layer({ ...StaticEmbedder.make(), costly: true })

const sealedIn = (filename: string, how: Layer.Layer<never, MemoryVaultError.CipherError> = cipher) =>
  MemoryVault.layerSqlite({ filename }).pipe(Layer.provide([Layer.orDie(how), costly]))

const clearIn = (filename: string) => MemoryVault.layerSqlite({ filename }).pipe(Layer.provide(costly))

const layerSealed = Layer.unwrapScoped(Effect.map(makeFile, (filename) => sealedIn(filename)))

describe("contract of an encrypted vault", () => {
  for (const law of laws) {
    it.effect(law.name, () => within(layerSealed)(law.check))
  }
})

/** Everything that a vault keeps, with a word of its own in each field. */
const fill = (user: string) =>
  Effect.gen(function*() {
    const memory = yield* userMemory(user)
    yield* Stream.runDrain(memory.saveAll(Stream.map(Stream.range(1, 60), (i) => ({
      text: `Turn ${i} tells that zqxtext${i} waits at pier ${i % 9} for the ferry. Was it late?`,
      speaker: i % 2 === 0 ? "Zqxspeaker Ann" : "Zqxspeaker Bob",
      role: "zqxrole",
      sessionId: `s${i % 3}`,
      idempotencyKey: `zqxsave ${i}`,
      eventTime: 1_700_000_000_000 + i * 60_000,
      metadata: { zqxmeta: `value ${i}` }
    }))))
    const { memories: [home] } = yield* memory.save({ text: "I live in Zqxporto.", eventTime: "2026-01-01T00:00:00Z" })
    yield* memory.save({ text: "I live in Zqxlisbon.", eventTime: "2026-02-01T00:00:00Z" })
    if (home !== undefined) yield* memory.update(home.id, { version: 1, metadata: { zqxmeta: "new" } })
    yield* memory.save({ text: "Turn 5 tells 𐍈 and  too.", speaker: "Zqxspeaker Ann", eventTime: 1.8e12 })
    yield* memory.procedural.upsert({ key: "zqxprocedure", text: "Always answer zqxbriefly." })
    yield* memory.procedural.upsert({ key: "another", text: "Never zqxshout." })
    yield* memory.working("s1").set({ key: "zqxnote", text: "Remember zqxworking." })
    const job = yield* memory.compress()
    expect((yield* memory.jobs.await(job.id)).state).toBe("done")
    yield* memory.recall("Who waits for zqxquery?")
    return memory
  })

const questions = [
  "Who waits at pier 4?",
  "Where do I live?",
  "zqxtext17",
  "What did Ann say about the ferry?",
  "late 𐍈"
]

const ask = (user: string) =>
  Effect.gen(function*() {
    const memory = yield* userMemory(user)
    const answers = yield* Effect.forEach(questions, (query) =>
      Effect.all([
        memory.recall({ query, topK: 30, explain: true, summaries: 2 }),
        memory.recall({ query, asOf: "2026-01-15T00:00:00Z", includeSuperseded: true, explain: true })
      ]))
    return {
      // Identifiers are random.
      ranked: answers.flat().map(({ memories }) =>
        memories.map(({ memory: { text }, score, signals }) => ({ text, score, signals }))
      ),
      blocks: answers.flat().map(({ promptBlock }) => promptBlock),
      procedures: Array.from(yield* Stream.runCollect(memory.procedural.list()), (one) => one.key),
      notes: Array.from(yield* Stream.runCollect(memory.working("s1").list()), ({ text }) => text),
      summaries: Array.from(yield* Stream.runCollect(memory.summaries.list()), ({ text }) => text),
      stats: yield* memory.stats
    }
  })

const raw = (filename: string, statement: string) =>
  within(layerRaw(filename))(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`${sql.literal(statement)}`))

/** Every file of the database, while it is open as well. */
const readFiles = (filename: string) =>
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = path.dirname(filename)
    const names = yield* fileSystem.readDirectory(folder)
    return yield* Effect.forEach(names, (name) =>
      Effect.map(fileSystem.readFile(path.join(folder, name)), (bytes) => [name, Buffer.from(bytes)] as const))
  }).pipe(within(NodeContext.layer))

const bytesOf = (filename: string) =>
  Effect.map(readFiles(filename), (files) => files.map(([name, bytes]) => `${name} ${bytes.toString("hex")}`))

describe("an encrypted file", () => {
  it.scopedLive("answers as one in clear does, to the last bit", () =>
    Effect.gen(function*() {
      const [clear, sealed] = [yield* makeFile, yield* makeFile]
      for (const layer of [clearIn(clear), sealedIn(sealed)]) yield* within(layer)(fill("alice"))
      // Read anew, so that the index comes from the file.
      const expected = yield* within(clearIn(clear))(ask("alice"))
      expect(yield* within(sealedIn(sealed))(ask("alice"))).toEqual(expected)
      expect(expected.ranked.every((memories) => memories.length > 0)).toBe(true)
      expect(expected.summaries.length).toBeGreaterThan(0)
    }), { timeout: 60_000 })

  it.scopedLive("holds no word, vector, metadata or key, neither does its log", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      // Long enough not to come up in a ciphertext by chance.
      const words = [
        "zqxtext1",
        "for the ferry",
        "Zqxspeaker",
        "zqxspeak",
        "zqxrole",
        "zqxsave",
        "zqxmeta",
        "Zqxporto",
        "zqxporto",
        "zqxprocedure",
        "zqxbriefly",
        "zqxnote",
        "zqxworking",
        "zqxquery"
      ]
      const { dimension, embed } = StaticEmbedder.make()
      const [vector] = yield* embed(["I live in Zqxporto."])
      const largest = Math.max(...(vector ?? []).map(Math.abs))
      const bytes = Buffer.from(Int8Array.from(vector ?? [], (value) => Math.round(127 * value / largest)).buffer)
      expect(bytes).toHaveLength(dimension)
      const found = (files: ReadonlyArray<readonly [string, Buffer]>) =>
        files.flatMap(([name, file]) => [
          ...words.filter((word) => file.includes(word)).map((word) => `${word} ${name}`),
          ...(file.includes(bytes) ? [`vector ${name}`] : [])
        ])
      yield* Effect.gen(function*() {
        yield* fill("alice")
        const files = yield* readFiles(filename)
        expect(files.map(([name]) => name).toSorted()).toEqual(["vault.db", "vault.db-shm", "vault.db-wal"])
        expect(found(files)).toEqual([])
      }).pipe(within(sealedIn(filename)))
      expect(found(yield* readFiles(filename))).toEqual([])
      // The same search finds all of it in a file that is in clear.
      const clear = yield* makeFile
      yield* within(clearIn(clear))(fill("alice"))
      const seen = (yield* readFiles(clear)).flatMap((file) => found([file]))
      expect(new Set(seen.map((one) => one.split(" vault")[0]))).toEqual(new Set([...words, "vector"]))
    }), { timeout: 60_000 })

  it.scopedLive("is looked through by verify, and works for several processes", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const count = 60
      const exits = yield* Effect.forEach(["a", "b", "c"], (name) =>
        Effect.gen(function*() {
          const writer = yield* startWriter(filename, name, String(count), "mixed", Buffer.alloc(32, 7).toString("hex"))
          yield* Effect.fork(Stream.runDrain(writer.stdout))
          return yield* writer.exitCode
        }), { concurrency: 3 })
      expect(exits).toEqual([0, 0, 0])
      const texts = yield* within(sealedIn(filename))(Effect.flatMap(userMemory("shared"), (memory) =>
        Effect.map(Stream.runCollect(memory.list()), (all) =>
          Array.from(all, ({ text }) => text))))
      expect(texts.filter((text) =>
        text.startsWith("Entry")
      )).toHaveLength(3 * count)
      expect(yield* Effect.provide(MemoryVault.verify({ filename }), cipher)).toEqual([])
    }).pipe(within(NodeContext.layer)), { timeout: 120_000 })
})

describe("a writer of an encrypted file", () => {
  it.scopedLive("that is killed loses nothing it confirmed and leaves nothing half", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const confirmed: Array<string> = []
      for (const [round, lines] of [5, 60].entries()) {
        confirmed.push(...(yield* killWriter(filename, `k${round}`, lines, Buffer.alloc(32, 7).toString("hex"))))
        expect(yield* Effect.provide(MemoryVault.verify({ filename }), cipher)).toEqual([])
      }
      const stored = yield* within(sealedIn(filename))(Effect.flatMap(userMemory("shared"), (memory) =>
        Effect.map(Stream.runCollect(memory.list()), (all) =>
          new Set(Array.from(all, ({ text }) => text)))))
      expect(confirmed.filter((text) =>
        !stored.has(text)
      )).toEqual([])
    }).pipe(within(NodeContext.layer)), { timeout: 60_000 })
})

/** A copy of a filled file with one change from outside. */
const damage = (filename: string, statement: string) =>
  Effect.gen(function*() {
    const copy = yield* makeFile
    yield* raw(filename, `VACUUM INTO '${copy}'`)
    yield* raw(copy, statement)
    return copy
  })

type Memories = MemoryVault.UserMemory
type Reading = Effect.Effect<unknown, MemoryVaultError.MemoryVaultError>

const readAll = (memory: Memories) => Stream.runDrain(memory.list())
const recall = (memory: Memories) => memory.recall("Who waits at pier 4?")
const settle = (memory: Memories) => memory.save({ text: "I live in Faro.", eventTime: "2026-03-01T00:00:00Z" })
const again = (memory: Memories) =>
  Effect.flatMap(Stream.runHead(memory.list()), () => memory.recall("Who waits for zqxquery?"))
const histories = (memory: Memories) => Stream.runForEach(memory.list(), ({ id }) => memory.history(id))
const procedures = (memory: Memories) => Stream.runDrain(memory.procedural.list())
const notes = (memory: Memories) => Stream.runDrain(memory.working("s1").list())
const summaries = (memory: Memories) => Stream.runDrain(memory.summaries.list())
const recallSummaries = (memory: Memories) => memory.recall({ query: "Who waits at pier 4?", summaries: 3 })

/** Which call reads a field, and the rows that have it. */
const fields: ReadonlyArray<
  readonly [table: string, column: string, where: string, read: (memory: Memories) => Reading]
> = [
  ["vault_memories", "text", "text IS NOT NULL", readAll],
  ["vault_memories", "speaker", "speaker IS NOT NULL", readAll],
  ["vault_memories", "role", "role IS NOT NULL", readAll],
  ["vault_memories", "metadata", "metadata IS NOT NULL", readAll],
  ["vault_memories", "speaker", "speaker IS NOT NULL", recall],
  ["vault_memories", "vector", "vector IS NOT NULL", recall],
  ["vault_memories", "terms", "scope > 0", recall],
  ["vault_facts", "value", "doc > 0", settle],
  ["vault_procedures", "text", "scope > 0", procedures],
  ["vault_procedures", "key", "scope > 0", procedures],
  ["vault_summaries", "text", "scope > 0", summaries],
  ["vault_summaries", "terms", "scope > 0", recallSummaries],
  ["vault_summaries", "vector", "scope > 0", recallSummaries]
]

/** One bit of a stored value, in the middle of its ciphertext. */
const flipped = (column: string, isText: boolean) =>
  isText
    ? `substr(${column}, 1, 30) || CASE substr(${column}, 31, 1) WHEN 'A' THEN 'B' ELSE 'A' END || substr(${column}, 32)`
    : `CAST(substr(${column}, 1, 20) || CASE substr(${column}, 21, 1) WHEN x'41' THEN x'42' ELSE x'41' END
      || substr(${column}, 22) AS BLOB)`

const refusals = (filename: string, user: string, read: (memory: Memories) => Reading) =>
  Effect.flip(Effect.asVoid(Effect.flatMap(userMemory(user), read))).pipe(
    within(sealedIn(filename)),
    // The fiber that compresses tells of the damage as well.
    Logger.withMinimumLogLevel(LogLevel.None)
  )

describe("what was changed from outside", () => {
  it.scopedLive("is refused, field by field, and never left out", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      yield* within(sealedIn(filename))(Effect.zipRight(fill("alice"), fill("bob")))
      for (const [table, column, where, read] of fields) {
        const isText = column !== "vector"
        const rows = `scope = 1 AND ${where}`
        const other = (scope: number) =>
          `(SELECT o.${column} FROM ${table} o WHERE o.scope = ${scope} AND o.${where} AND o.${column} <> ${table}.${column})`
        const changes = [
          `UPDATE ${table} SET ${column} = ${flipped(column, isText)} WHERE ${rows}`,
          `UPDATE OR IGNORE ${table} SET ${column} = ${other(2)} WHERE ${rows}`,
          `UPDATE ${table} SET ${column} = ${isText ? "'in clear'" : "x'00'"} WHERE rowid_or_one`
        ]
        for (const change of changes) {
          const statement = change.replace(
            "rowid_or_one",
            table === "vault_procedures"
              ? `${rows} AND key = (SELECT min(key) FROM vault_procedures WHERE scope = 1)`
              : rows
          )
          const copy = yield* damage(filename, statement)
          expect([statement, yield* refusals(copy, "alice", read)]).toMatchObject([statement, { _tag: "CipherError" }])
          // Nobody else is touched.
          yield* within(sealedIn(copy))(Effect.flatMap(userMemory("bob"), read)).pipe(
            Logger.withMinimumLogLevel(LogLevel.None)
          )
        }
        // Between two rows of one scope; a key or a slot by itself is equal in all its rows.
        if (table === "vault_procedures" && column === "key") continue
        const copy = yield* damage(
          filename,
          `UPDATE OR IGNORE ${table} SET ${column} = ${other(1)} WHERE ${rows}`
        )
        expect([table, column, yield* refusals(copy, "alice", read)]).toMatchObject([table, column, {
          _tag: "CipherError",
          reason: "tampered"
        }])
      }
    }), { timeout: 180_000 })

  it.scopedLive(
    "is refused in versions, notes, kept queries and the key itself, and verify counts it",
    () =>
      Effect.gen(function*() {
        const filename = yield* makeFile
        yield* within(sealedIn(filename))(Effect.zipRight(fill("alice"), fill("bob")))
        const cases: ReadonlyArray<
          readonly [statement: string, read: (memory: Memories) => Reading, reason: string]
        > = [
          [
            "UPDATE vault_revisions SET text = (SELECT text FROM vault_memories m WHERE m.doc = vault_revisions.doc) WHERE scope = 1",
            histories,
            "tampered"
          ],
          [
            "UPDATE vault_working SET text = (SELECT text FROM vault_working WHERE scope = 2) WHERE scope = 1",
            notes,
            "tampered"
          ],
          ["UPDATE vault_working SET session = 's1', key = 'zqxnote' WHERE scope = 1", notes, "malformed"],
          ["UPDATE vault_query_vectors SET vector = zeroblob(60) WHERE scope = 1", again, "malformed"],
          ["UPDATE vault_facts SET slot = 'in clear' WHERE scope = 1", (memory) =>
            Effect.flatMap(Stream.runCollect(memory.list()), (all) =>
              Effect.forEach(all, ({ id }) =>
                memory.forget(id))), "malformed"],
          ["DELETE FROM vault_keys WHERE scope = 1", readAll, "key-missing"],
          [
            "UPDATE vault_keys SET wrapped = (SELECT wrapped FROM vault_keys WHERE scope = 2) WHERE scope = 1",
            readAll,
            "tampered"
          ],
          ["UPDATE vault_keys SET wrapped = x'0102' WHERE scope = 1", readAll, "malformed"],
          ["UPDATE vault_memories SET scope = 3 - scope", readAll, "tampered"]
        ]
        for (const [statement, read, reason] of cases) {
          const copy = yield* damage(filename, statement)
          expect([statement, yield* refusals(copy, "alice", read)]).toMatchObject([statement, {
            _tag: "CipherError",
            reason
          }])
        }
        expect(yield* Effect.provide(MemoryVault.verify({ filename }), cipher)).toEqual([])
        const moved = yield* damage(
          filename,
          "UPDATE vault_memories SET metadata = NULL, text = 's1:AAAA' WHERE doc = 3"
        )
        expect(yield* Effect.provide(MemoryVault.verify({ filename: moved }), cipher)).toEqual([
          { check: "sealed", count: 1 }
        ])
        const counted = yield* damage(filename, "UPDATE vault_scopes SET terms = terms + 1 WHERE id = 2")
        expect(yield* Effect.provide(MemoryVault.verify({ filename: counted }), cipher)).toEqual([
          { check: "scopes", count: 1 }
        ])
      }),
    { timeout: 120_000 }
  )
})

const opened = <E>(layer: Layer.Layer<MemoryVault.MemoryVault, E>) => Effect.flip(within(layer)(userMemory("alice")))

describe("the master key", () => {
  it.scopedLive(
    "that is wrong, missing or not needed refuses to open, and leaves every byte",
    () =>
      Effect.gen(function*() {
        const [sealed, clear] = [yield* makeFile, yield* makeFile]
        yield* within(sealedIn(sealed))(fill("alice"))
        yield* within(clearIn(clear))(fill("alice"))
        const before = [yield* bytesOf(sealed), yield* bytesOf(clear)]
        const wrong = Cipher.layerAesGcm({ key: keyOf(8), previous: [keyOf(9)] })
        expect(yield* opened(sealedIn(sealed, wrong))).toMatchObject({ _tag: "CipherError", reason: "wrong-key" })
        expect(yield* opened(clearIn(sealed))).toMatchObject({ _tag: "CipherError", reason: "encrypted" })
        expect(yield* opened(sealedIn(clear))).toMatchObject({ _tag: "CipherError", reason: "clear" })
        for (const layer of [Layer.empty, wrong]) {
          const error = yield* Effect.flip(Effect.provide(MemoryVault.verify({ filename: sealed }), layer))
          expect(error).toMatchObject({ _tag: "CipherError" })
        }
        expect([yield* bytesOf(sealed), yield* bytesOf(clear)]).toEqual(before)
        const short = Cipher.layerAesGcm({ key: Redacted.make(new Uint8Array(16)) })
        expect(yield* Effect.flip(within(short)(Effect.void))).toMatchObject({
          reason: "invalid-key",
          retryable: false
        })
        yield* within(sealedIn(sealed))(Effect.flatMap(userMemory("alice"), readAll))
      }),
    { timeout: 60_000 }
  )

  it.scopedLive("refuses a clear file of the first schema before it is brought up to date", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const fixture = new URL("fixtures/schema-1.db", import.meta.url).pathname
      yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.copyFile(fixture, filename)).pipe(
        within(NodeContext.layer)
      )
      const schema = raw(filename, "SELECT value FROM vault_meta WHERE key = 'schema'")
      const error = yield* Effect.flip(within(sealedIn(filename))(userMemory("alice")))
      expect(error).toMatchObject({ _tag: "CipherError", reason: "clear" })
      expect(yield* schema).toEqual([{ value: 1 }])
    }))

  it.scopedLive(
    "is changed while the vault is in use, and the old one opens nothing afterwards",
    () =>
      Effect.gen(function*() {
        const filename = yield* makeFile
        yield* within(sealedIn(filename))(Effect.zipRight(fill("alice"), fill("bob")))
        const expected = yield* within(sealedIn(filename))(ask("alice"))
        const both = Cipher.layerAesGcm({ key: keyOf(8), previous: [key] })
        yield* Effect.gen(function*() {
          const carol = yield* userMemory("carol")
          yield* carol.save("Carol came between.")
          expect(yield* Effect.provide(MemoryVault.rewrapKeys({ filename }), both)).toBe(3)
          expect(yield* Effect.provide(MemoryVault.rewrapKeys({ filename }), both)).toBe(0)
          expect((yield* carol.recall("Who came?")).memories).toHaveLength(1)
        }).pipe(within(sealedIn(filename, both)))
        const onlyNew = sealedIn(filename, Cipher.layerAesGcm({ key: keyOf(8) }))
        expect(yield* within(onlyNew)(ask("alice"))).toEqual(expected)
        const error = yield* Effect.flip(within(sealedIn(filename))(userMemory("alice")))
        expect(error).toMatchObject({ _tag: "CipherError", reason: "wrong-key" })
        const clear = yield* makeFile
        yield* within(clearIn(clear))(userMemory("alice"))
        expect(yield* Effect.flip(MemoryVault.rewrapKeys({ filename: clear }))).toMatchObject({ reason: "clear" })
      }),
    { timeout: 60_000 }
  )

  it.scopedLive("of a scope goes with the scope, and others stay readable", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      yield* Effect.gen(function*() {
        const [alice, bob] = [yield* fill("alice"), yield* fill("bob")]
        const [stored] = yield* raw(filename, "SELECT hex(wrapped) AS hex FROM vault_keys WHERE scope = 1")
        const { memories } = yield* alice.stats
        const receipt = yield* alice.forgetAll({ confirm: true })
        expect(receipt).toMatchObject({ memories, notes: 3, logTruncated: true })
        const wrapped = Buffer.from(String(stored?.["hex"]), "hex")
        expect((yield* readFiles(filename)).filter(([, bytes]) => bytes.includes(wrapped))).toEqual([])
        expect(yield* raw(filename, "SELECT scope FROM vault_keys")).toEqual([{ scope: 0 }, { scope: 2 }])
        expect((yield* bob.recall("Who waits at pier 4?")).memories.length).toBeGreaterThan(0)
        // A new one, with a new key.
        yield* alice.save("I am back.")
        expect((yield* alice.recall("back")).memories).toHaveLength(1)
      }).pipe(within(sealedIn(filename)))
      expect(yield* Effect.provide(MemoryVault.verify({ filename }), cipher)).toEqual([])
    }), { timeout: 60_000 })

  it.scoped("of a service that does not answer fails in time, and nothing is written", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const service = yield* Cipher.makeAesGcm({ key })
      let answers = true
      const slow = Cipher.layer({
        ...service,
        wrap: (dataKey, owner) => answers ? service.wrap(dataKey, owner) : Effect.never
      })
      yield* Effect.gen(function*() {
        const alice = yield* userMemory("alice")
        answers = false
        const save = yield* Effect.fork(Effect.flip(alice.save("A note.")))
        yield* TestClock.adjust("31 seconds")
        expect(yield* save).toMatchObject({ _tag: "CipherError", reason: "unavailable", retryable: true })
        answers = true
        expect(yield* alice.stats).toMatchObject({ memories: 0 })
        expect((yield* alice.save("A note.")).created).toBe(1)
      }).pipe(within(sealedIn(filename, slow)))
    }))

  it.scoped("reaches a file through the environment, and the facades", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const hex = Buffer.alloc(32, 7).toString("hex")
      const open = (text: string) =>
        Effect.flatMap(userMemory("alice"), (alice) => alice.save("The kettle is red.")).pipe(
          within(MemoryVault.layerConfig()),
          Effect.withConfigProvider(ConfigProvider.fromMap(
            new Map([["MEMORY_VAULT_FILENAME", filename], ["MEMORY_VAULT_MASTER_KEY", text]]),
            { pathDelim: "_" }
          ))
        )
      expect(String(yield* Effect.flip(open("abc")))).toContain("MASTER_KEY")
      expect((yield* open(hex)).created).toBe(1)
      expect((yield* open(Buffer.alloc(32, 7).toString("base64"))).merged).toBe(1)

      yield* Effect.acquireUseRelease(
        Effect.sync(() => createMemoryVault({ filename, masterKey: key })),
        (vault) =>
          Effect.promise(() => vault.scoped({ user: "alice" }).recall("kettle")).pipe(
            Effect.map(({ memories }) => expect(memories).toHaveLength(1))
          ),
        (vault) => Effect.promise(() => vault[Symbol.asyncDispose]())
      )
      const sync = (masterKey: Redacted.Redacted<Uint8Array> | undefined) =>
        Effect.acquireUseRelease(
          Effect.sync(() => new MemoryVaultSync({ filename, masterKey })),
          (vault) => Effect.sync(() => caught(() => vault.scoped({ user: "alice" }).recall("kettle").memories.length)),
          (vault) => Effect.sync(() => vault.close())
        )
      expect(yield* sync(key)).toBe(1)
      expect(yield* sync(undefined)).toMatchObject({ _tag: "CipherError", reason: "encrypted" })
      expect(yield* sync(keyOf(8))).toMatchObject({ _tag: "CipherError", reason: "wrong-key" })
    }), { timeout: 60_000 })
})

describe("export and import", () => {
  it.scopedLive("carry a scope from a clear file into an encrypted one", () =>
    Effect.gen(function*() {
      const [clear, sealed] = [yield* makeFile, yield* makeFile]
      const lines = yield* within(clearIn(clear))(
        Effect.flatMap(fill("alice"), (memory) => Stream.runCollect(memory.export))
      )
      const expected = Array.from(lines)
      yield* Effect.gen(function*() {
        const alice = yield* userMemory("alice")
        const report = yield* alice.import(Stream.fromIterable(expected))
        expect(report.memories).toBe(63)
        expect(Array.from(yield* Stream.runCollect(alice.export))).toEqual(expected)
        expect((yield* alice.import(Stream.fromIterable(expected))).memories).toBe(0)
      }).pipe(within(sealedIn(sealed)))
      const stored = (yield* readFiles(sealed)).filter(([, bytes]) => bytes.includes("zqxtext"))
      expect(stored).toEqual([])
    }), { timeout: 60_000 })
})
