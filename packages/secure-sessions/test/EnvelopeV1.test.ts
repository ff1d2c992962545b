// @effect-diagnostics nodeBuiltinImport:off - vectors are files
import { describe, expect, it } from "@effect/vitest"
import { EnvelopeV1 } from "@sennit/secure-sessions"
import { Effect, Redacted, Schema } from "effect"
import { readFileSync } from "node:fs"

const Hex = Schema.Uint8ArrayFromHex
const readVectors = Schema.decodeUnknown(Schema.parseJson(Schema.Struct({
  plaintext: Hex,
  passphrase: Schema.String,
  fernetKey: Schema.String,
  aesKey: Hex,
  salted: Schema.String,
  early: Schema.String,
  direct: Schema.String,
  aesGcm: Schema.String
})))(readFileSync(new URL("vectors/envelope-v1.json", import.meta.url), "utf8"))

const reasonOf = <A, E extends { readonly reason: string }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

describe("EnvelopeV1", () => {
  it.effect("reads what the reference wrote, in every key mode, as text and as bytes", () =>
    Effect.gen(function*() {
      const { aesGcm, aesKey, direct, early, fernetKey, passphrase, plaintext, salted } = yield* readVectors
      const expected = Buffer.from(plaintext)
      const byPhrase = yield* EnvelopeV1.make({ fernet: Redacted.make(passphrase), aesGcm: Redacted.make(aesKey) })
      expect(yield* byPhrase.open(salted)).toEqual(expected)
      expect(yield* byPhrase.open(early)).toEqual(expected)
      expect(yield* byPhrase.open(aesGcm)).toEqual(expected)
      expect(yield* byPhrase.open(Buffer.from(aesGcm, "base64"))).toEqual(expected)
      const byKey = yield* EnvelopeV1.make({ fernet: Redacted.make(fernetKey) })
      expect(yield* byKey.open(direct)).toEqual(expected)
    }))

  it.effect("tells a wrong key, a missing key, damage, plaintext and an unknown backend apart", () =>
    Effect.gen(function*() {
      const { aesGcm, aesKey, direct, fernetKey } = yield* readVectors
      const other = fernetKey.startsWith("A") ? `B${fernetKey.slice(1)}` : `A${fernetKey.slice(1)}`
      const wrong = yield* EnvelopeV1.make({
        fernet: Redacted.make(other),
        aesGcm: Redacted.make(Uint8Array.from(aesKey).toReversed())
      })
      expect(yield* reasonOf(wrong.open(direct))).toBe("AuthenticationFailed")
      expect(yield* reasonOf(wrong.open(aesGcm))).toBe("AuthenticationFailed")
      const none = yield* EnvelopeV1.make({})
      expect(yield* reasonOf(none.open(aesGcm))).toBe("KeyNotFound")
      expect(yield* reasonOf(none.open(direct))).toBe("KeyNotFound")
      const right = yield* EnvelopeV1.make({ fernet: Redacted.make(fernetKey), aesGcm: Redacted.make(aesKey) })
      expect(yield* reasonOf(right.open("{\"plain\": true}"))).toBe("PlaintextRefused")
      expect(yield* reasonOf(right.open(Buffer.from("{\"plain\": true}")))).toBe("PlaintextRefused")
      expect(yield* reasonOf(right.open(""))).toBe("MalformedEnvelope")
      expect(yield* reasonOf(right.open(Uint8Array.of(1, 16, 0)))).toBe("UnsupportedSuite")
      expect(yield* reasonOf(right.open(Uint8Array.of(1, 1, 0)))).toBe("MalformedEnvelope")
      expect(yield* reasonOf(EnvelopeV1.make({ aesGcm: Redacted.make(new Uint8Array(16)) }))).toBe("InvalidKey")
    }))

  it.effect("every altered byte and every cut is refused", () =>
    Effect.gen(function*() {
      const { aesGcm, aesKey, direct, fernetKey } = yield* readVectors
      const reader = yield* EnvelopeV1.make({ fernet: Redacted.make(fernetKey), aesGcm: Redacted.make(aesKey) })
      for (const envelope of [direct, aesGcm].map((text) => Buffer.from(text, "base64"))) {
        for (let at = 0; at < envelope.length; at++) {
          const altered = Buffer.from(envelope)
          altered[at] = altered[at]! ^ 1
          yield* Effect.flip(reader.open(altered))
          yield* Effect.flip(reader.open(envelope.subarray(0, at)))
        }
      }
    }))
})
