/**
 * Contracts as data, for implementations of this package's ports: run each case in the test runner of your choice.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { KeyProvider } from "../KeyProvider.ts"
import type { ContractViolation, SecureSessionsError } from "../SecureSessionsError.ts"
import type { SessionService } from "../SessionService.ts"
import type { Suite } from "../Suite.ts"
import { keyProviderCases } from "./keyProviderCases.ts"
import { sessionServiceCases } from "./sessionServiceCases.ts"
import { suiteCases } from "./suiteCases.ts"

/**
 * One promise of a contract. `run` succeeds when it is kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface ContractCase<R> {
  readonly name: string
  readonly run: Effect.Effect<void, ContractViolation | SecureSessionsError, R>
}

/**
 * What every key provider promises. Each case makes data keys; none needs an empty provider.
 *
 * @example
 * ```ts
 * import { KeyProvider } from "@sennit/secure-sessions"
 * import { keyProviderContract } from "@sennit/secure-sessions/testing"
 * import { Effect } from "effect"
 *
 * const all = Effect.gen(function*() {
 *   const key = yield* KeyProvider.generateKey
 *   const provider = KeyProvider.layerKeyring([{ id: "mine", key }])
 *   yield* Effect.forEach(keyProviderContract, ({ run }) => Effect.provide(run, provider))
 * })
 * ```
 *
 * @category contracts
 * @since 0.1.0
 */
export const keyProviderContract: ReadonlyArray<ContractCase<KeyProvider>> = keyProviderCases

/**
 * What every cipher suite promises.
 *
 * @example
 * ```ts
 * import { Suite } from "@sennit/secure-sessions"
 * import { suiteContract } from "@sennit/secure-sessions/testing"
 * import { Effect } from "effect"
 *
 * const all = Effect.forEach(suiteContract(Suite.xaes256Gcm), ({ run }) => run)
 * ```
 *
 * @category contracts
 * @since 0.1.0
 */
export const suiteContract: (suite: Suite) => ReadonlyArray<ContractCase<never>> = suiteCases

export {
  /**
   * @category faults
   * @since 0.1.0
   */
  type FaultKeyProvider,
  /**
   * @category models
   * @since 0.1.0
   */
  type KeyProviderFault,
  /**
   * @category faults
   * @since 0.1.0
   */
  makeFaultKeyProvider
} from "./faultKeyProvider.ts"

/**
 * What every session service promises. The cases use apps of their own, so they may share one service.
 *
 * @category contracts
 * @since 0.1.0
 */
export const sessionServiceContract: ReadonlyArray<ContractCase<SessionService>> = sessionServiceCases
