/**
 * For whom this demo works. Who is erased can never be read again, so the same name begins anew under another id:
 * `ada`, then `ada#2`. Which one is in use is read from the sessions, where the erased ids refuse.
 */
import { Session, SessionService } from "@sennit/secure-sessions"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type { StorageFailed } from "./ApiError.ts"
import { failed } from "./StorageProblem.ts"

export interface Owner {
  readonly app: Session.AppName
  readonly user: Session.UserId
}

export const app = Session.AppName.make("sennit")

/** Whose an id is: a name has no `#`. */
export const nameOf = (user: string): string => user.split("#", 1)[0] ?? user

export class Identity extends Context.Tag("@sennit/demo/Identity")<Identity, {
  readonly name: string
  /** Whose conversations these are at the moment. */
  readonly owner: Effect.Effect<Owner>
  /** To be called after an erasure. */
  readonly renew: Effect.Effect<void, StorageFailed>
}>() {}

const make = Effect.fnUntraced(function*(name: string) {
  const sessions = yield* SessionService.SessionService

  const findFrom = (generation: number): Effect.Effect<Owner, StorageFailed> => {
    const owner = { app, user: Session.UserId.make(generation === 1 ? name : `${name}#${generation}`) }
    return sessions.getUserState(owner.app, owner.user).pipe(
      Effect.as(owner),
      Effect.catchAll((error) =>
        error._tag === "DecryptionError" && error.reason === "KeyShredded"
          ? findFrom(generation + 1)
          : Effect.fail(failed(error))
      )
    )
  }

  const current = yield* Effect.flatMap(findFrom(1), (owner) => Ref.make(owner))
  return Identity.of({
    name,
    owner: Ref.get(current),
    renew: Effect.flatMap(findFrom(1), (owner) => Ref.set(current, owner))
  })
})

export const layer = (name: string): Layer.Layer<Identity, StorageFailed, SessionService.SessionService> =>
  Layer.effect(Identity, make(name))
