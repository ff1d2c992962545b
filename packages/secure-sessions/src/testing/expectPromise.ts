import * as Effect from "effect/Effect"
import { ContractViolation } from "../SecureSessionsError.ts"

/** Fails with the promise that is not kept. @internal */
export const expect = (promise: string, holds: boolean): Effect.Effect<void, ContractViolation> =>
  holds ? Effect.void : new ContractViolation({ promise })

/** Whether two JSON values are written alike, keys in the same order. @internal */
export const isSame = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right)

/** The failure of an effect that promises to fail. @internal */
export const failureOf = <A, E, R>(promise: string, effect: Effect.Effect<A, E, R>) =>
  Effect.matchEffect(effect, {
    onFailure: (error) => Effect.succeed(error),
    onSuccess: () => Effect.fail(new ContractViolation({ promise }))
  })
