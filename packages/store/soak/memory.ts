// @effect-diagnostics nodeBuiltinImport:off looks at the process itself
/** What the process holds. */
import { Effect } from "effect"
import { readdirSync } from "node:fs"
import { setTimeout as wait } from "node:timers/promises"

export const descriptors = (): number => readdirSync("/proc/self/fd").length

export const mebibytes = (bytes: number): number => Number((bytes / 2 ** 20).toFixed(1))

/** The resident memory after garbage has been collected. */
export const settled = Effect.promise(async () => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await wait(20)
  }
  return process.memoryUsage.rss()
})

/** Runs work and gives by how much the resident memory was larger meanwhile than before. */
export const growthOf = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = yield* settled
    let most = before
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss())
    }, 10)
    const value = yield* Effect.ensuring(work, Effect.sync(() => clearInterval(timer)))
    return { value, growth: most - before }
  })

/** By how much a straight line through the points rises for each unit of x (least squares). */
export const slopeOf = (points: ReadonlyArray<readonly [x: number, y: number]>): number => {
  const mean = (of: (point: readonly [number, number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [middleX, middleY] = [mean(([x]) => x), mean(([, y]) => y)]
  const above = points.reduce((sum, [x, y]) => sum + (x - middleX) * (y - middleY), 0)
  const below = points.reduce((sum, [x]) => sum + (x - middleX) ** 2, 0)
  return below === 0 ? 0 : above / below
}
