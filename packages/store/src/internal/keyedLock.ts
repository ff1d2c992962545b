/** Mutual exclusion by name among the fibers of this process. */
import * as Effect from "effect/Effect"

/** @internal */
export interface KeyedLock {
  readonly isHeld: (name: string) => boolean
  /** Waiting for it cannot be interrupted: what is done under the lock is short. */
  readonly withLock: (name: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** @internal A name takes memory only while someone holds it, and a queue only while someone awaits it. */
export const makeKeyedLock = (): KeyedLock => {
  const held = new Map<string, Array<() => void> | undefined>()
  const acquire = (name: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!held.has(name)) {
        held.set(name, undefined)
        return Effect.void
      }
      return Effect.async<void>((resume) => {
        const queue = held.get(name) ?? []
        queue.push(() => resume(Effect.void))
        held.set(name, queue)
      })
    })
  const release = (name: string): Effect.Effect<void> =>
    Effect.sync(() => {
      const next = held.get(name)?.shift()
      if (next === undefined) held.delete(name)
      else next()
    })
  return {
    isHeld: (name) => held.has(name),
    withLock: (name) => (effect) => Effect.acquireUseRelease(acquire(name), () => effect, () => release(name))
  }
}
