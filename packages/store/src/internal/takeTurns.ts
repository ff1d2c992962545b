// @effect-diagnostics nodeBuiltinImport:off only the event loop itself knows when its turn is over
/** A share of the event loop for work that is done at once. */
import * as Effect from "effect/Effect"

/**
 * @internal Calls made at once never leave the event loop a turn of its own: fibers run on from microtask to
 * microtask, and a thousand small files would hold up every timer and socket. Each call awaits this first; after
 * `share` of them the next wait until the loop has gone round, in the order of their coming.
 */
export const makeTurns = (share: number): Effect.Effect<void> => {
  const waiting: Array<() => void> = []
  let left = share
  const turn = (): void => {
    const next = waiting.splice(0, share)
    left = share - next.length
    if (waiting.length > 0) setImmediate(turn)
    for (const go of next) go()
  }
  return Effect.suspend(() => {
    if (left > 0) {
      left--
      return Effect.void
    }
    return Effect.async<void>((resume) => {
      if (waiting.push(() => resume(Effect.void)) === 1) setImmediate(turn)
    })
  })
}
