import * as Effect from "effect/Effect"

/**
 * `Effect.async` for the hot path: `cancel` is called when the wait fails or is interrupted. The cleanup of `Effect.async`
 * itself makes object literals for every wait, which V8 comes to allocate in the old generation; they then hold what a
 * request was made of until the next full collection. `start` and `cancel` should hold no more than they need.
 *
 * @internal
 */
export const awaitCallback = <A, E>(
  start: (resume: (effect: Effect.Effect<A, E>) => void) => void,
  cancel: () => void
): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.catchAllCause(
      restore(Effect.async<A, E>((resume) => {
        start(resume)
      })),
      (cause) => {
        cancel()
        return Effect.failCause(cause)
      }
    )
  )
