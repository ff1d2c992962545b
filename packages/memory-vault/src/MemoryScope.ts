/**
 * Whose memories: an opaque value without which no data can be reached.
 *
 * Identifiers are compared byte for byte: `Alice`, `alice` and `alice ` are three users, and so are the composed and
 * the decomposed form of `é`. A scope with an agent is separate from the user's own scope.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import { Scope } from "./internal/scopeKey.ts"
import type { InvalidScope } from "./MemoryVaultError.ts"

/**
 * The memories of one user, within a tenant and for an agent where given. Only this module makes one.
 *
 * @since 0.1.0
 * @category models
 */
export type MemoryScope = Scope

/**
 * The identifiers that a scope is made of: each 1 to 512 bytes of UTF-8, without NUL.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScopeIds {
  readonly tenant?: string | undefined
  readonly user: string
  readonly agent?: string | undefined
}

/**
 * The scope of these identifiers. An `Either` can be yielded in `Effect.gen`.
 *
 * @example
 * ```ts
 * import { MemoryScope } from "@sennit/memory-vault"
 * import { Either } from "effect"
 *
 * const scope = MemoryScope.make({ tenant: "acme", user: "alice" })
 * console.log(Either.isRight(scope)) // => true
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (ids: ScopeIds): Either.Either<MemoryScope, InvalidScope> => Scope.make(ids)

/**
 * The scope of one user without tenant or agent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const user = (id: string): Either.Either<MemoryScope, InvalidScope> => Scope.make({ user: id })
