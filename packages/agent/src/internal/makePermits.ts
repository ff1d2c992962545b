/**
 * Permits that go from who is done to who waits longest. Effect's semaphore wakes all who wait at every release: a
 * thousand tools that wait cost it seconds. Its PartitionedSemaphore wakes one, and loses the permit of a waiter that is
 * interrupted when it was handed one.
 */
import * as Effect from "effect/Effect"

/** @internal */
export interface Permits {
  /** Runs the effect with a permit, which is given back however it ends. */
  readonly withPermit: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** @internal */
export const makePermits = (size: number): Permits => {
  let free = size
  // In the order of their coming, and each is gone at once when it stops waiting.
  const waiting = new Set<() => void>()

  const release = Effect.sync(() => {
    const [longest] = waiting
    if (longest === undefined) {
      free++
      return
    }
    waiting.delete(longest)
    longest()
  })

  const wait = Effect.async<void>((resume) => {
    const wake = () => resume(Effect.void)
    waiting.add(wake)
    // Who is interrupted after it was handed the permit, and before it went on, hands it on.
    return Effect.suspend(() => waiting.delete(wake) ? Effect.void : release)
  })

  return {
    withPermit: (effect) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          if (free < 1) return restore(wait)
          free--
          return Effect.void
        }).pipe(Effect.zipRight(Effect.ensuring(restore(effect), release)))
      )
  }
}
