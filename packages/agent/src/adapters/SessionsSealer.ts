/**
 * Fills the `StateSealer` port with the `Encryption` of `@sennit/secure-sessions`: states are sealed under the data key
 * of their user, which is rotated and erased like that of sessions.
 *
 * @since 0.1.0
 */
import { type Aad, Encryption } from "@sennit/secure-sessions"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { StateError } from "../AgentError.ts"
import { checkSize, fromText, type Place, StateSealer, toText } from "../StateSealer.ts"

const scopeOf = (app: string, { user }: Place): Aad.KeyScope => ({ app, user })

const placeOf = ({ conversation, deployment, turn }: Place): Aad.Place => ({
  table: "agent_state",
  column: "state",
  session: conversation,
  id: deployment,
  sequence: turn
})

/**
 * `app` is the application whose users these are.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: { readonly app: string }): Layer.Layer<StateSealer, never, Encryption.Encryption> =>
  Layer.effect(
    StateSealer,
    Effect.map(Encryption.Encryption, (encryption) => {
      return StateSealer.of({
        seal: (place, state) =>
          Effect.flatMap(
            checkSize(state),
            () =>
              Effect.mapBoth(encryption.seal(scopeOf(options.app, place), placeOf(place), state), {
                onFailure: (cause) =>
                  new StateError({ reason: "Unavailable", detail: "It could not be sealed.", cause }),
                onSuccess: toText
              })
          ),
        open: (place, text) =>
          Effect.flatMap(
            fromText(text),
            (sealed) =>
              Effect.mapError(encryption.open(scopeOf(options.app, place), placeOf(place), sealed), (cause) =>
                cause._tag === "DecryptionError"
                  ? new StateError({
                    reason: "NotAuthentic",
                    detail: "It was changed, or sealed for another place or with another key.",
                    cause
                  })
                  : new StateError({ reason: "Unavailable", detail: "Its key could not be read.", cause }))
          )
      })
    })
  )
