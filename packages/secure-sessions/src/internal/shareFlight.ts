import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"

/**
 * Single flight: callers that ask for the same name while the work is under way share its result. The work belongs to
 * the scope, so a caller that is interrupted disturbs no other.
 *
 * @internal
 */
export const makeFlights = <A, E>(
  scope: Scope.Scope
): (name: string, work: Effect.Effect<A, E>) => Effect.Effect<A, E> => {
  const flying = new Map<string, Deferred.Deferred<A, E>>()
  return (name, work) =>
    Effect.uninterruptibleMask((restore) => {
      const known = flying.get(name)
      if (known !== undefined) return restore(Deferred.await(known))
      const landing = Deferred.unsafeMake<A, E>(FiberId.none)
      flying.set(name, landing)
      return Effect.interruptible(work).pipe(
        Effect.onExit((exit) => {
          flying.delete(name)
          return Deferred.done(landing, exit)
        }),
        Effect.forkIn(scope),
        Effect.zipRight(restore(Deferred.await(landing)))
      )
    })
}
