// @effect-diagnostics strictEffectProvide:off each test is an entry point
import { FetchHttpClient } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Local, Memory, Registry, Store, StoreError } from "@sennit/store"
import { Cause, ConfigProvider, Deferred, Effect, Exit, Layer, Scope } from "effect"
import { inspect } from "node:util"
import { tempFolder } from "./support/tempFolder.ts"

const environment = (entries: { readonly [name: string]: string }) =>
  ConfigProvider.fromMap(new Map(Object.entries(entries)), { pathDelim: "_" })

/** Memory that counts how often it is opened, and what is open. */
const counted = () => {
  const counts = { opened: 0, open: 0 }
  const open = Effect.acquireRelease(
    Effect.tap(Memory.make(), () => Effect.sync(() => (counts.opened++, counts.open++))),
    () => Effect.sync(() => counts.open--)
  )
  return { counts, open }
}

const live = (
  names: ReadonlyArray<string>,
  sources: ReadonlyArray<ConfigProvider.ConfigProvider>
) => Registry.layerConfig(names, { sources }).pipe(Layer.provide(FetchHttpClient.layer))

describe("a registry", () => {
  it.scoped("opens a store when it is first asked for, once for all who ask, and closes it with itself", () =>
    Effect.gen(function*() {
      const used = counted()
      const idle = counted()
      const scope = yield* Scope.make()
      const registry = yield* Scope.extend(Registry.make({ used: used.open, idle: idle.open }), scope)
      expect(registry.names).toEqual(["used", "idle"])
      expect(used.counts.opened).toBe(0)
      const stores = yield* Effect.all(Array.from({ length: 8 }, () => registry.open("used")), {
        concurrency: "unbounded"
      })
      expect(new Set(stores).size).toBe(1)
      expect([used.counts, idle.counts]).toEqual([{ opened: 1, open: 1 }, { opened: 0, open: 0 }])
      yield* Scope.close(scope, Exit.void)
      expect(used.counts.open).toBe(0)
    }))

  it.effect("closes every store, also when the closing of one dies, and tells of it", () =>
    Effect.gen(function*() {
      const stores = [counted(), counted(), counted()]
      const broken = Effect.acquireRelease(Memory.make(), () => Effect.dieMessage("it would not close"))
      const exit = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
        const registry = yield* Registry.make({ a: stores[0]?.open ?? broken, broken, b: stores[1]?.open ?? broken })
        yield* Effect.forEach(registry.names, registry.open, { discard: true })
        expect(stores.map(({ counts }) => counts.open)).toEqual([1, 1, 0])
      })))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("it would not close")
      expect(stores.map(({ counts }) => counts.open)).toEqual([0, 0, 0])
    }))

  it.scoped("opens again after a failure or an interruption, with nothing of the first attempt left", () =>
    Effect.gen(function*() {
      const { counts, open } = counted()
      const started = yield* Deferred.make<void>()
      let attempts = 0
      const misconfigured = new StoreError.BackendUnavailable({
        path: "",
        backend: "memory",
        operation: "open",
        reason: "Misconfigured",
        retryable: false,
        cause: "no"
      })
      const registry = yield* Registry.make({
        slow: Effect.tap(open, () => {
          if (++attempts === 1) return Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)
          return attempts === 2 ? misconfigured : Effect.void
        })
      })
      yield* Effect.raceFirst(registry.open("slow"), Deferred.await(started))
      expect(yield* Effect.flip(registry.open("slow"))).toBe(misconfigured)
      expect(counts).toEqual({ opened: 2, open: 0 })
      yield* registry.open("slow")
      expect(counts).toEqual({ opened: 3, open: 1 })
    }))

  it.scoped("names the stores that it has when it is asked for another", () =>
    Effect.gen(function*() {
      const registry = yield* Registry.make({ uploads: Memory.make() })
      const error = yield* Effect.flip(registry.open("upload"))
      expect(error).toBeInstanceOf(StoreError.UnknownStore)
      expect(error).toMatchObject({ name: "upload", names: ["uploads"] })
      expect(error.message).toContain("\"uploads\"")
    }))
})

describe("a registry from the environment", () => {
  it.scopedLive("keeps several stores apart, and fills their tags", () =>
    Effect.gen(function*() {
      const root = yield* tempFolder
      const Uploads = Store.tag("uploads")
      const UserFiles = Store.tag("user-files")
      yield* Effect.gen(function*() {
        yield* (yield* Uploads).write("a", "in uploads")
        yield* (yield* UserFiles).write("a", "in files")
        expect(yield* (yield* Uploads).readText("a")).toBe("in uploads")
        expect((yield* Uploads).quality.durability).toBe("fsync")
        const shared = yield* Effect.flatMap(Registry.Registry, (registry) => registry.open("uploads"))
        expect(yield* (yield* shared.require("read")).readText("a")).toBe("in uploads")
      }).pipe(
        Effect.provide(
          Layer.provideMerge(
            Layer.merge(Registry.layerStore("uploads"), Registry.layerStore("user-files")),
            Registry.layerConfig(["uploads", "user-files"]).pipe(Layer.provide(FetchHttpClient.layer))
          )
        ),
        Effect.withConfigProvider(environment({
          UPLOADS_STORE_DRIVER: "local",
          UPLOADS_STORE_ROOT: `${root}/uploads`,
          UPLOADS_STORE_DURABILITY: "fsync",
          USER_FILES_STORE_DRIVER: "memory"
        }))
      )
    }))

  it.effect("takes a store from the first source that has it, and nothing from another", () =>
    Effect.gen(function*() {
      const first = environment({ A_STORE_DRIVER: "local" })
      const second = environment({ A_STORE_DRIVER: "memory", A_STORE_ROOT: "/elsewhere", B_STORE_DRIVER: "memory" })
      const failure = yield* Effect.flip(Effect.scoped(Layer.build(live(["a"], [first, second]))))
      expect(failure.message).toContain("A_STORE_ROOT")
      const registry = yield* Effect.provide(Registry.Registry, live(["b"], [first, second]))
      expect((yield* registry.open("b")).name).toBe("memory")
    }))

  it.effect("says at once what cannot be used, before anything is opened", () =>
    Effect.gen(function*() {
      const failed = (entries: { readonly [name: string]: string }) =>
        Effect.map(
          Effect.flip(Effect.scoped(Layer.build(live(["a"], [environment(entries)])))),
          ({ message }) => message
        )
      expect(yield* failed({})).toContain("A_STORE_DRIVER")
      expect(yield* failed({ A_STORE_DRIVER: "ftp" })).toContain("sftp")
      expect(yield* failed({ A_STORE_DRIVER: "s3", A_STORE_S3_ENDPOINT: "https://x", A_STORE_S3_BUCKET: "b" }))
        .toContain("A_STORE_S3_ACCESS_KEY_ID")
      expect(yield* Effect.flip(Effect.scoped(Layer.build(live(["a"], []))))).toMatchObject({ _op: "MissingData" })
    }))

  it.scoped("an unusable option of a driver is a typed failure of the opening", () =>
    Effect.gen(function*() {
      const source = environment({ A_STORE_DRIVER: "http", A_STORE_HTTP_URL: "https://user:geheim@example.org/" })
      const registry = yield* Effect.provide(Registry.Registry, live(["a"], [source]))
      const error = yield* Effect.flip(registry.open("a"))
      expect(error).toMatchObject({ _tag: "BackendUnavailable", reason: "Misconfigured", backend: "http" })
      expect(inspect(error, { depth: 9 }) + error.message).not.toContain("geheim")
    }))
})

describe("the layers of a store", () => {
  it.scopedLive("are given where it is opened", () =>
    Effect.gen(function*() {
      const root = yield* tempFolder
      const registry = yield* Registry.make({
        files: Effect.map(Local.make({ root }), (store) => store.only("read", "list"))
      })
      const store = yield* registry.open("files")
      expect(yield* Effect.flip(Effect.asVoid(store.require("write")))).toMatchObject({ capability: "write" })
    }))
})
