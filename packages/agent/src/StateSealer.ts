/**
 * The port through which state of a conversation that has to travel to a client
 * and back is sealed, so that nobody can read it, change it or use it elsewhere.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { StateError } from "./AgentError.ts"

/**
 * The one place where a sealed state opens. `turn` counts the answers of the
 * conversation from 0.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  readonly user: string
  readonly conversation: string
  readonly deployment: string
  readonly turn: number
}

/**
 * `open` gives bytes only when they were sealed for exactly this place and not
 * a bit was changed: it authenticates before anything is decoded.
 *
 * @since 0.1.0
 * @category services
 */
export class StateSealer extends Context.Tag("@sennit/agent/StateSealer")<StateSealer, {
  readonly seal: (place: Place, state: Uint8Array) => Effect.Effect<string, StateError>
  readonly open: (place: Place, sealed: string) => Effect.Effect<Uint8Array, StateError>
}>() {}

/**
 * The most bytes of one state.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxStateBytes = 256 * 1024

const version = "v1"
const nonceLength = 12
const tagLength = 16
const canonical = /^[A-Za-z0-9_-]*$/

const refuse = (reason: StateError["reason"], detail: string) => Effect.fail(new StateError({ reason, detail }))

/** Every part with its length before it, so that no two places look the same. */
const bind = ({ conversation, deployment, turn, user }: Place): Uint8Array =>
  Buffer.from([version, user, conversation, deployment, String(turn)].map((part) => `${part.length}:${part}`).join(""))

/** @internal The text of sealed bytes. */
export const toText = (sealed: Uint8Array): string => `${version}.${Buffer.from(sealed).toString("base64url")}`

/** @internal The sealed bytes of a text in its one spelling. */
export const fromText = (text: string): Effect.Effect<Uint8Array, StateError> =>
  Effect.suspend(() => {
    if (text.length > maxStateBytes * 2) return refuse("TooLarge", "The state is larger than any that was sealed.")
    const [found, body = "", ...rest] = text.split(".")
    if (found !== version || rest.length > 0 || !canonical.test(body)) {
      return refuse("Malformed", "It is no state that this version has sealed.")
    }
    const bytes = Buffer.from(body, "base64url")
    // The last character has bits that mean nothing; only one spelling of them is what was sealed.
    return bytes.toString("base64url") === body
      ? Effect.succeed(bytes)
      : refuse("Malformed", "It is no state that this version has sealed.")
  })

/** @internal */
export const checkSize = (state: Uint8Array): Effect.Effect<void, StateError> =>
  state.length <= maxStateBytes
    ? Effect.void
    : refuse("TooLarge", `The state has ${state.length} bytes; at most ${maxStateBytes} travel.`)

const openWith = (one: Redacted.Redacted<Uint8Array>, place: Place, sealed: Uint8Array): Uint8Array | undefined => {
  const decipher = createDecipheriv("aes-256-gcm", Redacted.value(one), sealed.subarray(0, nonceLength), {
    authTagLength: tagLength
  })
  decipher.setAAD(bind(place)).setAuthTag(sealed.subarray(-tagLength))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceLength, -tagLength)), decipher.final()])
  } catch {
    return undefined
  }
}
/**
 * Seals with AES-256-GCM under a key of 32 bytes. `previous` keys still open
 * what they sealed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  key: Redacted.Redacted<Uint8Array>,
  previous: ReadonlyArray<Redacted.Redacted<Uint8Array>> = []
): typeof StateSealer.Service => {
  for (const one of [key, ...previous]) {
    if (Redacted.value(one).length !== 32) throw new TypeError("A key of a StateSealer has 32 bytes")
  }
  return StateSealer.of({
    seal: (place, state) =>
      Effect.map(checkSize(state), () => {
        const nonce = randomBytes(nonceLength)
        const cipher = createCipheriv("aes-256-gcm", Redacted.value(key), nonce, { authTagLength: tagLength })
        cipher.setAAD(bind(place))
        return toText(Buffer.concat([nonce, cipher.update(state), cipher.final(), cipher.getAuthTag()]))
      }),
    open: (place, text) =>
      Effect.flatMap(fromText(text), (sealed) => {
        if (sealed.length >= nonceLength + tagLength) {
          for (const one of [key, ...previous]) {
            const state = openWith(one, place, sealed)
            if (state !== undefined) return Effect.succeed(state)
          }
        }
        return refuse("NotAuthentic", "It was changed, or sealed for another place or with another key.")
      })
  })
}

/**
 * Seals under a key of its own, which is gone with the process: for tests and
 * for programs of one process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEphemeral: Layer.Layer<StateSealer> = Layer.sync(
  StateSealer,
  () => make(Redacted.make(randomBytes(32)))
)

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  key: Redacted.Redacted<Uint8Array>,
  previous: ReadonlyArray<Redacted.Redacted<Uint8Array>> = []
): Layer.Layer<StateSealer> => Layer.sync(StateSealer, () => make(key, previous))
