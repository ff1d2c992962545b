/** Servers that are killed and started again while many create the same objects. */
import { Layers } from "@sennit/store"
import type { StoreError } from "@sennit/store"
import { Effect, Either, Schedule } from "effect"
import { haveSshd } from "../test/servers/sshd.ts"
import { haveRgw, openRgw, openSftp } from "./backends.ts"
import type { Soaked } from "./backends.ts"
import type { SoakOptions, SoakResult } from "./main.ts"

const racers = 4
const patient = {
  schedule: Schedule.intersect(Schedule.spaced("250 millis"), Schedule.recurs(240))
}

/**
 * Of the racers for a key one wins at most; none does only where one was told that it cannot be known. What is there is
 * the whole of what one of them wrote.
 */
const underRestarts = (
  name: string,
  bare: Soaked,
  restart: Effect.Effect<void>,
  options: { readonly restarts: number; readonly keys: number }
) =>
  Effect.gen(function*() {
    const store = bare.pipe(Layers.retry(patient))
    const tally = { one: 0, unknown: 0, two: 0, torn: 0, failed: 0 }
    const race = (key: string) =>
      Effect.gen(function*() {
        const outcomes = yield* Effect.forEach(
          Array.from({ length: racers }, (_, racer) => `${racer} `.repeat(5000)),
          (body) => Effect.either(Effect.as(store.write(key, body), body)),
          { concurrency: racers }
        )
        const winners = outcomes.filter(Either.isRight).map(({ right }) => right)
        const errors = outcomes.filter(Either.isLeft).map(({ left }) => left)
        tally.failed += errors.filter(({ _tag }) => _tag !== "AlreadyExists" && _tag !== "AmbiguousWrite").length
        if (winners.length > 1) tally.two++
        else if (winners.length === 1) tally.one++
        else if (errors.some(({ _tag }) => _tag === "AmbiguousWrite")) tally.unknown++
        else tally.failed++
        const text = yield* store.readText(key)
        const isWhole = text.length === 10_000 && new Set(text.split(" ").filter(Boolean)).size === 1
        if (!isWhole || (winners.length === 1 && winners[0] !== text)) tally.torn++
      })
    const keys = Array.from({ length: options.keys }, (_, i) => `race/${i}`)
    const restarting = Effect.forEach(
      Array.from({ length: options.restarts }),
      () => Effect.zipRight(Effect.sleep("1 second"), restart),
      { discard: true }
    )
    const racing: Effect.Effect<void, StoreError.StoreError> = Effect.forEach(keys, race, {
      concurrency: 8,
      discard: true
    })
    yield* Effect.all([racing, restarting], { concurrency: 2, discard: true })
    return {
      ok: tally.two === 0 && tally.torn === 0 && tally.failed === 0,
      figure: `${name}: killed ${options.restarts} times during ${options.keys} races: ${tally.one} with one winner, ` +
        `${tally.unknown} unknown, ${tally.two} with more, ${tally.torn} torn, ${tally.failed} failed`
    }
  })

export const engines = async ({ quick }: SoakOptions): Promise<SoakResult> => {
  const program = Effect.gen(function*() {
    const results: Array<{ readonly ok: boolean; readonly figure: string }> = []
    const restarts = quick ? 2 : 10
    if (haveSshd) {
      const { restart, store } = yield* openSftp
      results.push(yield* underRestarts("sshd", store, restart, { restarts, keys: quick ? 400 : 4000 }))
    }
    if (haveRgw) {
      const { restart, store } = yield* openRgw(4)
      results.push(yield* underRestarts("radosgw", store, restart, { restarts, keys: quick ? 100 : 1000 }))
    }
    return results
  })
  const results = await Effect.runPromise(Effect.scoped(program))
  return {
    ok: results.every(({ ok }) => ok),
    figures: results.length === 0 ? ["no server here"] : results.map(({ figure }) => figure)
  }
}
