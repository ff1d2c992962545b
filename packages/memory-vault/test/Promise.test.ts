// @effect-diagnostics asyncFunction:off the facade is for programs that are written so
import { describe, expect, it } from "@effect/vitest"
import { createMemoryVault } from "@sennit/memory-vault/Promise"
import { Effect } from "effect"
import { makeFile } from "./support/vaultFile.ts"

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
})
