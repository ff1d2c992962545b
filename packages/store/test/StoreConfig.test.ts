// @effect-diagnostics strictEffectProvide:off each test is an entry point
import { describe, expect, it } from "@effect/vitest"
import { Local, Store, StoreConfig } from "@sennit/store"
import { ConfigProvider, Effect } from "effect"
import { tempFolder } from "./support/tempFolder.ts"

const read = (entries: ReadonlyArray<readonly [string, string]>) =>
  Effect.withConfigProvider(
    StoreConfig.local,
    ConfigProvider.fromMap(new Map(entries))
  )

describe("StoreConfig", () => {
  it.effect("reads STORE_ROOT and STORE_DURABILITY", () =>
    Effect.gen(function*() {
      expect(yield* read([["STORE_ROOT", "/r"]])).toEqual({ root: "/r", durability: "none" })
      expect(yield* read([["STORE_ROOT", "/r"], ["STORE_DURABILITY", "fsync"]])).toEqual({
        root: "/r",
        durability: "fsync"
      })
      expect((yield* Effect.flip(read([["STORE_ROOT", "/r"], ["STORE_DURABILITY", "maybe"]])))._op).toBe("InvalidData")
      expect((yield* Effect.flip(read([])))._op).toBe("MissingData")
    }))

  it.scopedLive("opens the application's store", () =>
    Effect.gen(function*() {
      const root = yield* tempFolder
      yield* Effect.gen(function*() {
        const store = yield* Store.Store
        yield* store.write("a", "x")
        expect(store.quality.durability).toBe("fsync")
      }).pipe(
        Effect.provide(Local.layerConfig(StoreConfig.local)),
        Effect.withConfigProvider(
          ConfigProvider.fromMap(new Map([["STORE_ROOT", `${root}/made/on/demand`], ["STORE_DURABILITY", "fsync"]]))
        )
      )
    }))
})
