import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"

/** Calls back at most once, when something has come to its limit; gives how to call it off. */
type Limit<B, E> = (atLimit: (outcome: Effect.Effect<B, E>) => void) => () => void

/**
 * @internal
 * Runs `main` in a fiber of its own until the limit calls back first, which then
 * gives the outcome; `main` is interrupted and waited for. So it is when the
 * whole is interrupted.
 */
export const raceCallback = <A, E, R, B, E2>(
  main: Effect.Effect<A, E, R>,
  limit: Limit<B, E2>
): Effect.Effect<A | B, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.fork(restore(main)), (running) =>
      restore(Effect.async<A | B, E | E2>((resume) => {
        const callOff = limit((outcome) => resume(Effect.zipRight(Fiber.interrupt(running), outcome)))
        running.addObserver((exit) => {
          callOff()
          resume(exit)
        })
        return Effect.suspend(() => {
          callOff()
          return Fiber.interrupt(running)
        })
      })))
  )

/**
 * @internal
 * Runs `main` until `limit` ends first, which then gives the outcome. As
 * `Effect.raceFirst`, for less: nobody waits for the end of a limit that only
 * sleeps, and nothing is inherited from either.
 */
export const raceLimit = <A, E, R, B, E2>(
  main: Effect.Effect<A, E, R>,
  limit: Effect.Effect<B, E2>
): Effect.Effect<A | B, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.fork(Effect.interruptible(limit)), (sleeping) =>
      restore(raceCallback(main, (atLimit) => {
        sleeping.addObserver(atLimit)
        return () => sleeping.unsafeInterruptAsFork(FiberId.none)
      })))
  )
