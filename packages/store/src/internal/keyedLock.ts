/** Mutual exclusion by name among the fibers of this process. */
import * as Effect from "effect/Effect"

/** @internal */
export interface KeyedLock {
  readonly withLock: (name: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** @internal A name takes memory only while someone holds or awaits it. */
export const makeKeyedLock = (): KeyedLock => {
  const locks = new Map<string, { readonly semaphore: Effect.Semaphore; users: number }>()
  const enter = (name: string) =>
    Effect.sync(() => {
      const lock = locks.get(name) ?? { semaphore: Effect.unsafeMakeSemaphore(1), users: 0 }
      lock.users++
      locks.set(name, lock)
      return lock
    })
  return {
    withLock: (name) => (effect) =>
      Effect.acquireUseRelease(
        enter(name),
        (lock) => lock.semaphore.withPermits(1)(effect),
        (lock) =>
          Effect.sync(() => {
            if (--lock.users === 0) locks.delete(name)
          })
      )
  }
}
