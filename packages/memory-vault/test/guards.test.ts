import { describe, expect, it } from "@effect/vitest"
import { MemoryRedactor, MemoryVault, PromptBlock } from "@sennit/memory-vault"
import type { PromptItem } from "@sennit/memory-vault/PromptBlock"
import { DateTime, Effect, FastCheck, Layer, Stream } from "effect"
import { layerFile, makeFile, userMemory, within } from "./support/vaultFile.ts"

const formats = ["xml", "markdown", "json"] as const

const listed = (user: string) =>
  Effect.flatMap(
    userMemory(user),
    (memory) => Effect.map(Stream.runCollect(memory.list()), (all) => Array.from(all, ({ text }) => text).toSorted())
  )

describe("feedback loop", () => {
  it.scoped("a hundred recalled blocks, saved again, add nothing", () =>
    Effect.gen(function*() {
      const memory = yield* userMemory("alice")
      yield* memory.procedural.upsert({ key: "language", text: "Answer in Portuguese." })
      for (let i = 0; i < 12; i++) {
        yield* memory.save({ text: `Harbour note ${i}: "quoted" <b>\n- and a list`, speaker: "Ann" })
      }
      const before = yield* listed("alice")
      for (let i = 0; i < 100; i++) {
        const format = formats[i % 3] ?? "xml"
        const { promptBlock } = yield* memory.recall({ query: "harbour", topK: 1 + i % 12, format })
        expect(yield* memory.save(promptBlock)).toMatchObject({ memories: [], created: 0, merged: 0, blocks: 1 })
      }
      expect(yield* listed("alice")).toEqual(before)
    }).pipe(within(layerFile)))

  it.scoped("what stands around a block is saved without it", () =>
    Effect.gen(function*() {
      const memory = yield* userMemory("alice")
      yield* memory.save("The ferry leaves at noon.")
      for (const [i, format] of formats.entries()) {
        const { promptBlock } = yield* memory.recall({ query: "ferry", format })
        const { blocks, memories } = yield* memory.save(
          `Context:\r\n${promptBlock.replaceAll("\n", "\r\n")}\r\nThe boat is blue ${i}.`
        )
        expect(blocks).toBe(1)
        expect(memories.map(({ text }) => text).join("\n")).toMatch(/^Context:\s+The boat is blue \d\.$/)
      }
    }).pipe(within(MemoryVault.layerMemory)))

  const item = FastCheck.record({
    type: FastCheck.constantFrom("episodic" as const, "semantic" as const, "working" as const, "procedural" as const),
    time: FastCheck.nat(4_000_000_000).map((seconds) => DateTime.formatIso(DateTime.unsafeMake(seconds * 1000))),
    text: FastCheck.string({ unit: "binary", minLength: 1, maxLength: 40 })
  }).map((one): PromptItem => one)

  it.effect.prop(
    "whatever a block holds, nothing of it is saved",
    [FastCheck.array(item, { minLength: 1, maxLength: 4 }), FastCheck.constantFrom(...formats)],
    ([items, format]) =>
      Effect.gen(function*() {
        const memory = yield* userMemory("alice")
        const { blocks, created } = yield* memory.save(PromptBlock.render(items, format))
        expect([created, blocks]).toEqual([0, 1])
      }).pipe(within(MemoryVault.layerMemory)),
    { fastCheck: { numRuns: 60 } }
  )

  it.scoped("what only looks like a block is kept", () =>
    Effect.gen(function*() {
      const memory = yield* userMemory("alice")
      const texts = [
        "<memory>\nis a tag</memory>",
        "# Memory\nis a fine title.",
        "{\"memory\":[1,2]}",
        "<item type=\"episodic\">without a time</item>",
        "- [ ] buy milk\n  > quoted"
      ]
      for (const text of texts) expect((yield* memory.save(text)).created).toBe(1)
      expect(yield* listed("alice")).toEqual(texts.toSorted())
    }).pipe(within(MemoryVault.layerMemory)))
})

describe("quota", () => {
  it.scoped("refuses what is beyond it, whole, and counts what is merged or forgotten as nothing", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      yield* Effect.gen(function*() {
        const [alice, bob] = [yield* userMemory("alice"), yield* userMemory("bob")]
        yield* alice.save("One.")
        const { memories: [two] } = yield* alice.save("Two.")
        const batch = Stream.runDrain(alice.saveAll(Stream.make("Three.", "Four.")))
        expect(yield* Effect.flip(batch)).toMatchObject({ _tag: "QuotaExceeded", resource: "memories", limit: 3 })
        expect(yield* listed("alice")).toEqual(["One.", "Two."])
        yield* alice.save("Three.")
        expect(yield* Effect.flip(alice.save("Four."))).toMatchObject({ _tag: "QuotaExceeded" })
        expect((yield* alice.save("One.")).merged).toBe(1)
        if (two !== undefined) yield* alice.forget(two.id)
        expect((yield* alice.save("Four.")).created).toBe(1)
        expect((yield* bob.save("One.")).created).toBe(1)
      }).pipe(within(MemoryVault.layerSqlite({ filename, maxMemories: 3 })))
    }))
})

describe("redaction", () => {
  const redacted = MemoryVault.layerMemory.pipe(Layer.provide(MemoryRedactor.layerSecrets))

  it.scoped("no secret of a known shape reaches the store", () =>
    Effect.gen(function*() {
      const memory = yield* userMemory("alice")
      // The examples of AWS's and GitHub's documentation, of RFC 7519 and RFC 6750, and made-up ones.
      const secrets = [
        ["the key AKIAIOSFODNN7EXAMPLE works", "the key [redacted] works"],
        ["password: hunter2-hunter2", "password: [redacted]"],
        ["api_key=\"abcd1234efgh\" is set", "api_key=\"[redacted]\" is set"],
        ["Authorization: Bearer mF_9.B5f-4.1JqM-long", "Authorization: Bearer [redacted]"],
        [`token ghp_${"a1B2".repeat(9)} leaks`, "token [redacted] leaks"],
        ["jwt eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UifQ.dBjftJeZ4CVP end", "jwt [redacted] end"],
        ["-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----", "[redacted]"]
      ] as const
      for (const [text, expected] of secrets) {
        expect((yield* memory.save(text)).memories.map((saved) => saved.text)).toEqual([expected])
      }
      for (const text of ["I forgot my password again.", "The token economy is odd.", "My secret garden blooms."]) {
        expect((yield* memory.save(text)).memories.map((saved) => saved.text)).toEqual([text])
      }
      const procedure = yield* memory.procedural.upsert({ key: "k", text: "Use password=swordfish" })
      expect(procedure.text).toBe("Use password=[redacted]")
      const note = yield* memory.working("s").set({ key: "k", text: "secret: swordfish" })
      expect(note.text).toBe("secret: [redacted]")
      const { memories: [saved] } = yield* memory.save("Plain.")
      if (saved === undefined) return yield* Effect.dieMessage("nothing was saved")
      expect((yield* memory.update(saved.id, { version: 1, text: "token=swordfish" })).text).toBe("token=[redacted]")
      expect((yield* memory.recall("swordfish hunter2")).memories).toEqual([])
    }).pipe(within(redacted)))

  it.scoped("takes a redaction of one's own", () =>
    Effect.gen(function*() {
      const memory = yield* userMemory("alice")
      expect((yield* memory.save("Call Ada at once.")).memories[0]?.text).toBe("Call A. at once.")
    }).pipe(within(MemoryVault.layerMemory.pipe(
      Layer.provide(MemoryRedactor.layer((text) => text.replaceAll("Ada", "A.")))
    ))))
})
