/** Every kind of work on every store at once, a third of it interrupted: memory and descriptors stay as they are. */
import { Effect, Either, Fiber, Stream } from "effect"
import { openAll } from "./backends.ts"
import type { Soaked } from "./backends.ts"
import type { SoakOptions, SoakResult } from "./main.ts"
import { descriptors, mebibytes, settled, slopeOf } from "./memory.ts"

const lanesOfEach = 4
const keys = 200
const overwrite = { mode: "overwrite" } as const
const piece = new Uint8Array(100_000).fill(7)

/** xorshift32: the same run can be had again by its seed. */
const makeRandom = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

type Random = ReturnType<typeof makeRandom>

/** One piece of work. That its object is not there, or is, is no failure here. */
const work = (store: Soaked, random: Random): Effect.Effect<unknown, { readonly _tag: string }> => {
  const key = `soak/${random(7)}/${random(keys)}`
  switch (random(10)) {
    case 0:
      return store.write(key, piece.subarray(0, random(2000)))
    case 1:
      return store.write(key, piece.subarray(0, random(piece.length)), overwrite)
    case 2:
      return store.write(key, Stream.rechunk(Stream.make(piece, piece, piece), 1), overwrite)
    case 3:
      return Effect.scoped(Effect.flatMap(store.openAtomic(key, overwrite), (writer) => writer.write(piece)))
    case 4:
      return store.readBytes(key)
    case 5:
      return Stream.runHead(store.read(key))
    case 6:
      return Stream.runDrain(Stream.take(store.list("soak", { recursive: true }), 50))
    case 7:
      return store.delete(key)
    case 8:
      return store.copy(key, `${key}-copy`, overwrite)
    default:
      return store.exists(key)
  }
}

const expected: ReadonlySet<string> = new Set(["NotFound", "AlreadyExists"])

export const mixed = async ({ minutes, quick }: SoakOptions): Promise<SoakResult> => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1
  const random = makeRandom(seed)
  const failures = new Map<string, number>()
  const done = { calls: 0, interrupted: 0 }
  const once = (store: Soaked) =>
    Effect.gen(function*() {
      done.calls++
      const fiber = yield* Effect.fork(Effect.either(work(store, random)))
      if (random(3) === 0) {
        done.interrupted++
        yield* Effect.sleep(random(10))
        yield* Fiber.interrupt(fiber)
        return
      }
      const outcome = yield* Fiber.join(fiber)
      if (Either.isLeft(outcome) && !expected.has(outcome.left._tag)) {
        failures.set(outcome.left._tag, (failures.get(outcome.left._tag) ?? 0) + 1)
      }
    })
  const program = Effect.gen(function*() {
    const { absent, stores } = yield* openAll
    const lanes = stores.flatMap(([, store]) => Array.from({ length: lanesOfEach }, () => Effect.forever(once(store))))
    const begin = performance.now()
    const elapsed = () => (performance.now() - begin) / 60_000
    const points: Array<readonly [minutes: number, bytes: number]> = []
    const open: Array<number> = []
    const rounds = quick ? 20 : 60
    const length = quick ? 1 : minutes
    const fiber = yield* Effect.fork(Effect.all(lanes, { concurrency: "unbounded" }))
    for (let round = 1; round <= rounds; round++) {
      yield* Effect.sleep(`${length * 60_000 / rounds} millis`)
      // The first third is spent on growing warm: compiled code, pools, pages of the heap.
      if (round <= rounds / 3) continue
      points.push([elapsed(), yield* settled])
      open.push(descriptors())
    }
    yield* Fiber.interrupt(fiber)
    return { absent, names: stores.map(([name]) => name), points, open }
  })
  const before = descriptors()
  const { absent, names, open, points } = await Effect.runPromise(Effect.scoped(program))
  const after = descriptors()
  const slope = slopeOf(points) / 2 ** 20
  // Work under way has a few open each; what is lost would add up.
  const rise = slopeOf(open.map((count, i) => [i, count])) * open.length
  const isFlat = rise <= names.length * lanesOfEach
  return {
    ok: slope < 1 && isFlat && after <= before + 1 && failures.size === 0,
    figures: [
      `seed ${seed}`,
      `${names.join(", ")}`,
      ...absent,
      `${done.calls} calls, ${done.interrupted} interrupted`,
      `resident memory ${mebibytes(points[0]?.[1] ?? 0)} -> ${mebibytes(points.at(-1)?.[1] ?? 0)} MiB, ` +
      `${slope.toFixed(2)} MiB/min over ${points.length} looks`,
      `descriptors ${before} before, ${Math.min(...open)} to ${Math.max(...open)} meanwhile, ` +
      `rising by ${rise.toFixed(1)} in all, ${after} after`,
      ...[...failures].map(([tag, count]) => `${count} ${tag}`)
    ]
  }
}
