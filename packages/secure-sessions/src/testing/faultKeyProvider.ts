import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { KeyProvider } from "../KeyProvider.ts"
import { KeyProviderError } from "../SecureSessionsError.ts"

/**
 * What a key provider over a network may do: `throttled` and `denied` fail, the first may be tried again; `hanging`
 * never answers; `wrongContext` loses the owner on the way; `slow` answers after 300 ms.
 *
 * @category models
 * @since 0.1.0
 */
export type KeyProviderFault = "none" | "throttled" | "denied" | "hanging" | "wrongContext" | "slow"

/**
 * @category models
 * @since 0.1.0
 */
export interface FaultKeyProvider {
  /** The given provider, as the fault of the moment lets it be. */
  readonly layer: Layer.Layer<KeyProvider>
  /** From now on. */
  readonly inject: (fault: KeyProviderFault) => Effect.Effect<void>
  /** Calls so far, whatever became of them. */
  readonly calls: Effect.Effect<number>
}

const lose = <Owner extends { readonly user: string }>(owner: Owner, isLost: boolean): Owner =>
  isLost ? { ...owner, user: `${owner.user} lost` } : owner

const unavailable = (operation: KeyProviderError["operation"], retryable: boolean) =>
  Effect.fail(new KeyProviderError({ provider: "fault", operation, reason: "Unavailable", retryable }))

/**
 * A key provider with faults that are switched on and off, over a real one.
 *
 * @category faults
 * @since 0.1.0
 */
export const makeFaultKeyProvider: Effect.Effect<FaultKeyProvider, never, KeyProvider> = Effect.gen(function*() {
  const real = yield* KeyProvider
  const fault = yield* Ref.make<KeyProviderFault>("none")
  const count = yield* Ref.make(0)

  const through = <A>(
    operation: KeyProviderError["operation"],
    call: (isContextLost: boolean) => Effect.Effect<A, KeyProviderError>
  ): Effect.Effect<A, KeyProviderError> =>
    Effect.flatMap(Effect.zipRight(Ref.update(count, (calls) => calls + 1), Ref.get(fault)), (current) => {
      switch (current) {
        case "none":
          return call(false)
        case "throttled":
          return unavailable(operation, true)
        case "denied":
          return unavailable(operation, false)
        case "hanging":
          return Effect.never
        case "wrongContext":
          return call(true)
        case "slow":
          return Effect.delay(call(false), "300 millis")
      }
    })

  return {
    layer: Layer.succeed(KeyProvider, {
      id: real.id,
      primary: through("primary", () => real.primary),
      generateDataKey: (scope) => through("generateDataKey", (isLost) => real.generateDataKey(lose(scope, isLost))),
      wrap: (dataKey, context) => through("wrap", (isLost) => real.wrap(dataKey, lose(context, isLost))),
      unwrap: (wrapped, context) => through("unwrap", (isLost) => real.unwrap(wrapped, lose(context, isLost))),
      rewrap: (wrapped, context) => through("rewrap", (isLost) => real.rewrap(wrapped, lose(context, isLost)))
    }),
    inject: (next) => Ref.set(fault, next),
    calls: Ref.get(count)
  }
})
