// @effect-diagnostics nodeBuiltinImport:off tests look at the disk behind the store's back
import { beforeAll, describe, expect, it, vi } from "@effect/vitest"
import { Local } from "@sennit/store"
import { conformanceFor } from "@sennit/store/testing"
import { Effect } from "effect"
import * as Fs from "node:fs"
import { openBelow } from "./support/disk.ts"
import { tempFolder } from "./support/tempFolder.ts"

vi.setConfig({ testTimeout: 0 })

/** The way that systems without /proc/self/fd take, on whatever system this is. */
describe("Local where folders cannot be opened relative to one another", () => {
  beforeAll(() => {
    const { platform } = process
    Object.defineProperty(process, "platform", { value: "elsewhere" })
    return () => Object.defineProperty(process, "platform", { value: platform })
  })

  const open = Effect.flatMap(tempFolder, (root) => Local.make({ root }))

  it.scopedLive("keeps the contract", () =>
    Effect.flatMap(
      open,
      (store) =>
        Effect.forEach(conformanceFor(store.capabilities), ({ name, run }) => Effect.as(run(store), name)).pipe(
          Effect.map((names) => expect(names.length).toBeGreaterThan(20))
        )
    ))

  it.scopedLive("refuses links", () =>
    Effect.gen(function*() {
      const root = yield* tempFolder
      const outside = yield* tempFolder
      const store = yield* Local.make({ root })
      Fs.writeFileSync(`${outside}/x`, "secret")
      Fs.symlinkSync(outside, `${root}/d`)
      Fs.symlinkSync(`${outside}/x`, `${root}/f`)
      for (const key of ["d/x", "f"]) {
        expect(yield* Effect.flip(store.readText(key))).toMatchObject({ reason: "SymbolicLink" })
        expect(yield* Effect.flip(store.write(key, "y", { mode: "overwrite" }))).toMatchObject({
          reason: "SymbolicLink"
        })
      }
      expect(Fs.readdirSync(outside)).toEqual(["x"])
      expect(openBelow(root)).toBe(1)
    }))
})
