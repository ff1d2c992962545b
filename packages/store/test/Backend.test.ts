// @effect-diagnostics nodeBuiltinImport:off tests read what a backend has noted down in a file
import { describe, expect, it } from "@effect/vitest"
import { Backend, Capability } from "@sennit/store"
import { conformanceFor } from "@sennit/store/testing"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Schema, Scope, Stream } from "effect"
import * as Fs from "node:fs"
import { setImmediate } from "node:timers/promises"
import mapBackend from "./support/mapBackend.ts"
import { tempFolder } from "./support/tempFolder.ts"

const runs = [{ run: "inline", yieldEvery: 8 }, { run: "worker" }] as const

type MapStore = Effect.Effect.Success<ReturnType<typeof openMap>>
const openMap = (run: Backend.Run) => Backend.fromSync(mapBackend, {}, run)
class Shared extends Context.Tag("@sennit/store/test/Backend.test/Shared")<Shared, MapStore>() {}

for (const run of runs) {
  describe(`the contract on a synchronous backend, ${run.run}`, () => {
    // one worker serves all cases: each has a folder of its own
    it.layer(Layer.scoped(Shared, openMap(run)))((shared) => {
      for (const { name, run: prove } of conformanceFor(new Set(Capability.all))) {
        shared.effect(name, () => Effect.flatMap(Shared, (store) => prove(store)))
      }
    })
  })
}

const journaled = (run: Backend.Run) =>
  Effect.map(tempFolder, (folder) => {
    const journal = `${folder}/journal`
    Fs.writeFileSync(journal, "")
    return {
      open: Backend.fromSync(mapBackend, { journal }, run),
      lines: () => Fs.readFileSync(journal, "utf8").split("\n").filter((line) => line !== "")
    }
  })

interface Journaled {
  readonly lines: () => ReadonlyArray<string>
  readonly store: MapStore
}

const pulling = ({ lines, store }: Journaled) =>
  Effect.gen(function*() {
    yield* store.write("a", new Uint8Array(5_000_000))
    const pulls = () => lines().filter((line) => line === "pull a").length
    yield* Stream.runDrain(Stream.take(store.read("a"), 2))
    expect(pulls()).toBeGreaterThanOrEqual(2)
    expect(pulls()).toBeLessThanOrEqual(5)
    expect(lines().filter((line) => line === "left a").length).toBe(1)
    // interrupted while it waits for more
    const reached = yield* Deferred.make<void>()
    const fiber = yield* Effect.fork(
      Stream.runForEach(store.read("a"), () => Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never))
    )
    yield* Deferred.await(reached)
    yield* Fiber.interrupt(fiber)
    expect(lines().filter((line) => line === "left a").length).toBe(2)
    expect(pulls()).toBeLessThanOrEqual(10)
  })

const pushing = ({ lines, store }: Journaled) =>
  Effect.gen(function*() {
    const writes = () => lines().filter((line) => line.startsWith("write body")).length
    let made = 0
    const body = Stream.repeatEffect(Effect.sync(() => {
      // no piece is made before the last one has been taken
      expect(writes()).toBe(made++)
      return new Uint8Array(10)
    }))
    const failing = Stream.concat(Stream.take(body, 3), Stream.fail("the source broke"))
    expect(yield* Effect.flip(store.write("body", failing))).toBe("the source broke")
    expect([lines().at(-1), yield* store.exists("body")]).toEqual(["abort body", false])
    const started = yield* Deferred.make<void>()
    const hanging = Stream.concat(
      Stream.make(new Uint8Array(1)),
      Stream.fromEffect(Effect.zipRight(Deferred.succeed(started, undefined), Effect.never))
    )
    const fiber = yield* Effect.fork(store.write("b", hanging))
    yield* Deferred.await(started)
    yield* Fiber.interrupt(fiber)
    expect([lines().at(-1), yield* store.exists("b")]).toEqual(["abort b", false])
    const large = yield* store.write("c", new Uint8Array(700_000).subarray(1))
    expect(large.size).toBe(699_999)
  })

for (const run of runs) {
  describe(`a synchronous backend, ${run.run}`, () => {
    // all on one opening, for a worker takes its time to start
    it.scopedLive("pulls and pushes piece by piece, closes what is left, aborts what fails, ends with its scope", () =>
      Effect.gen(function*() {
        const { lines, open } = yield* journaled(run)
        const scope = yield* Scope.make()
        const store = yield* Scope.extend(open, scope)
        yield* pulling({ lines, store })
        yield* pushing({ lines, store })
        yield* Scope.close(scope, Exit.void)
        expect(lines().at(-1)).toMatch(/^close /)
      }))
  })
}

describe("a pool of workers", () => {
  it.scopedLive("each with a backend of its own, share what is to be done", () =>
    Effect.gen(function*() {
      const { lines, open } = yield* journaled({ run: "worker", workers: 2 })
      const store = yield* open
      expect(new Set(lines()).size).toBe(2)
      yield* Effect.forEach(["a", "b"], (key) => store.write(key, "x"), { concurrency: 2, discard: true })
      expect(new Set(lines().filter((line) => line.startsWith("write")).map((line) => line.split(" ")[2])).size).toBe(2)
    }))

  it.scoped("says what is wrong with a module, or with its options", () =>
    Effect.gen(function*() {
      const other = { ...mapBackend, module: new URL("./support/tempFolder.ts", import.meta.url).href }
      expect(yield* Effect.flip(Backend.fromSync(other, {}, { run: "worker" }))).toMatchObject({
        _tag: "BackendUnavailable",
        reason: "Misconfigured",
        backend: "map"
      })
      const strict = Backend.define({ ...mapBackend, options: Schema.Struct({ journal: Schema.NonEmptyString }) })
      const refused = yield* Effect.flip(Backend.fromSync(strict, { journal: "" }, { run: "worker" }))
      expect(refused).toMatchObject({ reason: "Misconfigured" })
    }))
})

describe("an inline backend", () => {
  it.scopedLive("lets timers and sockets have their turn", () =>
    Effect.gen(function*() {
      const store = yield* openMap({ run: "inline", yieldEvery: 4 })
      const turns: Array<string> = []
      const turn = setImmediate("turn").then((name) => turns.push(name))
      for (let calls = 0; turns.length === 0 && calls < 1000; calls++) yield* store.exists("a")
      expect(turns).toEqual(["turn"])
      yield* Effect.promise(() => turn)
    }))
})
