import { describe, it, vi } from "@effect/vitest"
import { Local, Memory } from "@sennit/store"
import { conformanceFor } from "@sennit/store/testing"
import { Effect } from "effect"
import { tempFolder } from "./support/tempFolder.ts"

vi.setConfig({ testTimeout: 0 })

describe("the contract on Memory", () => {
  const { capabilities } = Effect.runSync(Memory.make())
  for (const { name, run } of conformanceFor(capabilities)) {
    it.effect(name, () => Effect.flatMap(Memory.make(), run))
  }
})

const localCapabilities = await Effect.runPromise(
  tempFolder.pipe(
    Effect.flatMap((root) => Local.make({ root })),
    Effect.map((store) => store.capabilities),
    Effect.scoped
  )
)

for (const durability of ["none", "fsync"] as const) {
  describe(`the contract on Local, durability ${durability}`, () => {
    const open = Effect.flatMap(tempFolder, (root) => Local.make({ root, durability }))
    for (const { name, run } of conformanceFor(localCapabilities)) {
      it.scopedLive(name, () => Effect.flatMap(open, run))
    }
  })
}
