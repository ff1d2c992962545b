// @effect-diagnostics nodeBuiltinImport:off -- keys
import { expect, it } from "@effect/vitest"
import { StateSealer } from "@sennit/agent"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { describeSealer, place, state } from "./sealerCases.ts"

describeSealer("a key", StateSealer.layerEphemeral)

it.effect("an earlier key still opens what it sealed, a stranger's does not", () =>
  Effect.gen(function*() {
    const [old, now] = [Redacted.make(randomBytes(32)), Redacted.make(randomBytes(32))]
    const sealed = yield* StateSealer.make(old).seal(place, state)
    expect(new Uint8Array(yield* StateSealer.make(now, [old]).open(place, sealed))).toEqual(state)
    expect(yield* Effect.flip(StateSealer.make(now).open(place, sealed))).toMatchObject({ reason: "NotAuthentic" })
    expect(() => StateSealer.make(Redacted.make(randomBytes(16)))).toThrow(TypeError)
  }))
