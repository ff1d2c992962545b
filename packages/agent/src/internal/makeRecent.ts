import * as Effect from "effect/Effect"

/** @internal */
export interface Recent<A> {
  /** What was made before under this key, or what `make` gives now; nothing is kept of a failure. */
  readonly get: <E, R>(key: string, make: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * @internal
 * Keeps what was used last, as long as its weight fits in. For one key only one `make` runs at a time, in the fiber
 * that asked for it: when that is interrupted, the next one that waits makes it.
 */
export const makeRecent = <A>(maxWeight: number, weigh: (value: A) => number): Recent<A> => {
  const kept = new Map<string, A>()
  const turns = new Map<string, { readonly permit: Effect.Semaphore; users: number }>()
  let weight = 0

  const keep = (key: string, value: A) => {
    kept.set(key, value)
    weight += weigh(value)
    for (const [oldest, old] of kept) {
      if (weight <= maxWeight) break
      kept.delete(oldest)
      weight -= weigh(old)
    }
  }
  const recall = (key: string): A | undefined => {
    const value = kept.get(key)
    if (value === undefined) return undefined
    kept.delete(key)
    kept.set(key, value)
    return value
  }
  const enter = (key: string) =>
    Effect.sync(() => {
      const turn = turns.get(key) ?? { permit: Effect.unsafeMakeSemaphore(1), users: 0 }
      turn.users++
      turns.set(key, turn)
      return turn
    })
  return {
    get: (key, make) =>
      Effect.acquireUseRelease(
        enter(key),
        ({ permit }) =>
          permit.withPermits(1)(Effect.suspend(() => {
            const value = recall(key)
            return value === undefined
              ? Effect.tap(make, (made) => Effect.sync(() => keep(key, made)))
              : Effect.succeed(value)
          })),
        (turn) =>
          Effect.sync(() => {
            if (--turn.users === 0) turns.delete(key)
          })
      )
  }
}
