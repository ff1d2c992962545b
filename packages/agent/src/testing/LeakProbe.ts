/**
 * Proof that nothing of some runs is left.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { leaks } from "../Telemetry.ts"

/**
 * Does some work, and dies when more runs, model calls or tool calls are open
 * after it than before, once fibers that are ending have had their turns.
 *
 * @since 0.1.0
 * @category probes
 */
export const leavesNothing = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const before = yield* leaks
    const result = yield* work
    for (let turn = 0; turn < 100 && (yield* leaks) > before; turn++) yield* Effect.yieldNow()
    const left = (yield* leaks) - before
    return left > 0 ? yield* Effect.dieMessage(`${left} runs, model calls or tool calls are left open`) : result
  })
