/**
 * The class behind `MemoryScope`. It is not exported by the package, its constructor is private and its content is a
 * private field, so a scope can only come from the checked constructors.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { InvalidScope } from "../MemoryVaultError.ts"

/**
 * The identifiers of a scope; an absent one is the empty string, which no identifier may be.
 *
 * @since 0.1.0
 */
export interface ScopeKey {
  readonly tenant: string
  readonly user: string
  readonly agent: string
}

const maxBytes = 512
const loneSurrogate = /\p{Surrogate}/u
const utf8 = new TextEncoder()

const check = (field: "tenant" | "user" | "agent", id: string): Either.Either<string, InvalidScope> => {
  const refuse = (reason: InvalidScope["reason"]) => Either.left(new InvalidScope({ field, reason }))
  if (id.length === 0) return refuse("empty")
  if (id.length > maxBytes || utf8.encode(id).length > maxBytes) return refuse("too-long")
  if (id.includes("\0")) return refuse("nul")
  // Two different halves would become the same replacement character in the database.
  if (loneSurrogate.test(id)) return refuse("ill-formed")
  return Either.right(id)
}

/**
 * @since 0.1.0
 */
export class Scope {
  readonly #key: ScopeKey

  private constructor(key: ScopeKey) {
    this.#key = key
  }

  static make(ids: {
    readonly tenant?: string | undefined
    readonly user: string
    readonly agent?: string | undefined
  }): Either.Either<Scope, InvalidScope> {
    return Either.gen(function*() {
      const tenant = ids.tenant === undefined ? "" : yield* check("tenant", ids.tenant)
      const user = yield* check("user", ids.user)
      const agent = ids.agent === undefined ? "" : yield* check("agent", ids.agent)
      return new Scope({ tenant, user, agent })
    })
  }

  static keyOf(scope: Scope): ScopeKey {
    return scope.#key
  }

  /** A scope prints without its identifiers, so that it can stand in a log line. */
  toString(): string {
    return "MemoryScope"
  }
}
