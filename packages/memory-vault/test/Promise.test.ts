// @effect-diagnostics asyncFunction:off the facade is for programs that are written so
import { describe, expect, it } from "@effect/vitest"
import { createMemoryVault } from "@sennit/memory-vault/Promise"
import { Effect } from "effect"
import { makeFile } from "./support/vaultFile.ts"

async function* pieces() {
  yield "One."
  yield { text: "Two." }
}

async function* broken() {
  yield "Four."
  throw new Error("the source broke")
}

describe("createMemoryVault", () => {
  it.scoped("serves programs without Effect and rejects with the typed error", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const vault = yield* Effect.acquireRelease(
        Effect.sync(() => createMemoryVault({ filename })),
        (open) => Effect.promise(() => open[Symbol.asyncDispose]())
      )
      const alice = vault.scoped({ user: "alice" })
      const listed: Array<string> = []
      yield* Effect.promise(async () => {
        const { memories: [saved] } = await alice.save("The kettle is red.")
        await alice.save("The stove is black.")
        for await (const memory of alice.list()) listed.push(memory.text)
        expect((await alice.recall("kettle")).memories.map(({ memory }) => memory.id)).toEqual([saved?.id])
        if (saved === undefined) throw new Error("nothing was saved")
        expect(await alice.get(saved.id)).toEqual(saved)
        expect(await alice.update(saved.id, { version: 1, type: "semantic" })).toMatchObject({ version: 2 })
        await expect(alice.update(saved.id, { version: 1 })).rejects.toMatchObject({ _tag: "VersionConflict" })
        expect(await alice.history(saved.id)).toHaveLength(2)
        expect(await alice.forget(saved.id)).toBe(true)
        expect(await alice.get(saved.id)).toBeUndefined()
        await expect(alice.save("")).rejects.toMatchObject({ _tag: "IngestionError", reason: "empty" })
        await expect(vault.scoped({ user: "" }).save("x")).rejects.toMatchObject({ _tag: "InvalidScope" })
        expect(await alice.forgetAll({ confirm: true })).toMatchObject({ memories: 1 })
      })
      expect(listed).toEqual(["The stove is black.", "The kettle is red."])
    }))

  it.scoped("has everything that the vault has: streams, sessions, compression, changes", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      yield* Effect.promise(async () => {
        await using vault = createMemoryVault({ filename })
        const [alice, bob] = [vault.scoped({ user: "alice" }), vault.scoped({ user: "bob" })]
        const changes = alice.changes()[Symbol.asyncIterator]()
        expect((await changes.next()).value).toEqual({ _tag: "Subscribed" })
        let id = ""
        {
          await using session = await alice.session({ compress: { ratio: 0.5 } })
          id = session.id
          const turns = Array.from({ length: 20 }, (_, i) => `Turn ${i} tells of pier ${i} and of the ferry.`)
          await Promise.all(turns.map(session.save))
          expect(await session.stats()).toMatchObject({ memories: 20, created: 20 })
        }
        expect((await changes.next()).value).toMatchObject({ _tag: "Saved" })
        await changes.return?.()
        const job = await alice.jobs.await((await alice.compress({ sessions: [id], ratio: 0.5 })).id)
        expect(job).toMatchObject({ state: "done" })
        expect(await alice.jobs.status(job.id)).toEqual(job)
        expect(await alice.jobs.cancel(job.id)).toBe(false)
        const summaries = []
        for await (const summary of alice.summaries.list(id)) summaries.push(summary)
        expect(summaries).toHaveLength(1)
        const sources = await Promise.all(summaries.map((summary) => alice.summaries.sources(summary.id)))
        expect(sources.flat()).toHaveLength(20)
        expect(await bob.import(alice.export())).toMatchObject({ memories: 20 })
        const created = []
        for await (const result of bob.saveAll(pieces())) created.push(result.created)
        for await (const result of bob.saveAll(["Three."])) created.push(result.created)
        expect(created).toEqual([1, 1, 1])
        expect(await bob.stats()).toMatchObject({ memories: 23 })
        const progress = bob.reembed()[Symbol.asyncIterator]()
        expect((await progress.next()).value).toMatchObject({ total: 23 })
        const failing = bob.saveAll(broken())[Symbol.asyncIterator]()
        await expect(failing.next()).rejects.toThrow("the source broke")
      })
    }))
})
