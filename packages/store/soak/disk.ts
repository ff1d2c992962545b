// @effect-diagnostics nodeBuiltinImport:off looks at the disk behind the store's back
/** Local disk: folders swapped for links, and kill -9 in the middle of writes. */
import { Local } from "@sennit/store"
import type { StoreError } from "@sennit/store"
import { Chunk, Effect, Either, Stream } from "effect"
import * as Fs from "node:fs"
import { inspect } from "node:util"
import { kill, linesOf, start, temps } from "../test/support/disk.ts"
import { tempFolder } from "../test/support/tempFolder.ts"
import type { SoakOptions, SoakResult } from "./main.ts"

const overwrite = { mode: "overwrite" } as const

const run = (program: Effect.Effect<SoakResult, StoreError.StoreError>): Promise<SoakResult> =>
  Effect.runPromise(program)

/** An attacker swaps the folder for a link to another one, again and again, while the store works in it. */
export const symlinks = ({ quick }: SoakOptions): Promise<SoakResult> =>
  run(Effect.scoped(Effect.gen(function*() {
    const wanted = quick ? 10_000 : 100_000
    const [root, outside] = [yield* tempFolder, yield* tempFolder]
    const store = yield* Local.make({ root })
    Fs.writeFileSync(`${outside}/x`, "secret")
    const child = yield* start("swapForever.ts", root, outside)
    const tally = { calls: 0, refused: 0, escapes: 0 }
    let swaps = 0
    const reader = linesOf(child)
    const count = Effect.iterate(0, {
      while: () => swaps < wanted,
      body: () =>
        Effect.map(Effect.promise(() => reader.next()), ({ value }) => {
          swaps = Number(value) || swaps
          return swaps
        })
    })
    const steps: ReadonlyArray<Effect.Effect<unknown, StoreError.StoreError>> = [
      store.write("d/x", "mine", overwrite),
      store.write("d/y", Stream.make(new Uint8Array(100_000)), overwrite),
      store.readText("d/x"),
      store.move("d/x", "d/z", overwrite),
      store.delete("d/x"),
      Stream.runCollect(store.list("d"))
    ]
    const attempt = Effect.map(Effect.forEach(steps, Effect.either, { concurrency: 3 }), (outcomes) => {
      for (const outcome of outcomes) {
        tally.calls++
        if (Either.isLeft(outcome) && "reason" in outcome.left && outcome.left.reason === "SymbolicLink") {
          tally.refused++
        }
        if (inspect(outcome, { depth: 5 }).includes("secret")) tally.escapes++
      }
      const isUntouched = Fs.readFileSync(`${outside}/x`, "utf8") === "secret" && Fs.readdirSync(outside).length === 1
      if (!isUntouched) tally.escapes++
    })
    yield* Effect.raceFirst(count, Effect.forever(attempt))
    yield* kill(child)
    return {
      ok: tally.escapes === 0 && tally.refused > 0,
      figures: [`${swaps} swaps`, `${tally.calls} calls, ${tally.refused} refused`, `${tally.escapes} escapes`]
    }
  })))

/** kill -9 after a random number of writes: every object is an old or a new version, and opening sweeps the rest. */
export const crash = ({ quick }: SoakOptions): Promise<SoakResult> =>
  run(Effect.scoped(Effect.gen(function*() {
    const kills = quick ? 8 : 60
    const root = yield* tempFolder
    let writes = 0
    let wrong = 0
    for (let round = 0; round < kills; round++) {
      const child = yield* start("overwriteForever.ts", root)
      const reader = linesOf(child)
      const lines = crypto.getRandomValues(new Uint8Array(1))[0] ?? 0
      for (let line = 0; line <= lines; line++) yield* Effect.promise(() => reader.next())
      yield* kill(child)
      writes += lines + 1
      const found = yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* Local.make({ root, sweepOlderThan: 0 })
        const entries = yield* Stream.runCollect(store.list("", { recursive: true }))
        return yield* Effect.forEach(Chunk.toReadonlyArray(entries), ({ key }) => store.readBytes(key))
      }))
      if (found.length === 0 || temps(root).length > 0) wrong++
      wrong += found.filter((bytes) => bytes.length !== 200_000 || new Set(bytes).size !== 1).length
    }
    return { ok: wrong === 0, figures: [`${kills} kills in ${writes} writes`, `${wrong} wrong`] }
  })))
