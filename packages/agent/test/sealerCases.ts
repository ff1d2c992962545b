/** What every `StateSealer` promises, as tests. */
import { expect, it } from "@effect/vitest"
import { StateSealer } from "@sennit/agent"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { describe } from "vitest"

export const place: StateSealer.Place = { user: "ada", conversation: "c1", deployment: "assistant", turn: 3 }
export const state = new TextEncoder().encode("{\"calls\":[\"weather\"]}")

export const describeSealer = (name: string, layer: Layer.Layer<StateSealer.StateSealer>): void => {
  describe(`sealed with ${name}`, () => {
    it.effect("opens where it was sealed, and with every bit flipped it is refused before it is decoded", () =>
      Effect.gen(function*() {
        const sealer = yield* StateSealer.StateSealer
        const sealed = yield* sealer.seal(place, state)
        expect(new Uint8Array(yield* sealer.open(place, sealed))).toEqual(state)
        expect(sealed).not.toContain("weather")
        const bytes = new TextEncoder().encode(sealed)
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const flipped = bytes.slice()
          flipped[bit >> 3]! ^= 1 << (bit & 7)
          const error = yield* Effect.flip(sealer.open(place, new TextDecoder().decode(flipped)))
          expect(["Malformed", "NotAuthentic"]).toContain(error.reason)
        }
        for (const cut of [0, 1, 5, sealed.length - 1]) yield* Effect.flip(sealer.open(place, sealed.slice(0, cut)))
        yield* Effect.flip(sealer.open(place, `${sealed}A`))
      }).pipe(Effect.provide(layer)))

    it.effect("opens for no other user, conversation, deployment or turn", () =>
      Effect.gen(function*() {
        const sealer = yield* StateSealer.StateSealer
        const sealed = yield* sealer.seal(place, state)
        const others: ReadonlyArray<Partial<StateSealer.Place>> = [
          { user: "eve" },
          { conversation: "c2" },
          { deployment: "other" },
          { turn: 2 },
          { turn: 4 },
          // the same letters, cut elsewhere
          { user: "adac", conversation: "1" },
          { conversation: "c1assistant", deployment: "" }
        ]
        for (const other of others) {
          const error = yield* Effect.flip(sealer.open({ ...place, ...other }, sealed))
          expect(error).toMatchObject({ _tag: "StateError", reason: "NotAuthentic" })
        }
      }).pipe(Effect.provide(layer)))

    it.effect("is bounded, whether it comes or goes", () =>
      Effect.gen(function*() {
        const sealer = yield* StateSealer.StateSealer
        const large = new Uint8Array(StateSealer.maxStateBytes + 1)
        expect(yield* Effect.flip(sealer.seal(place, large))).toMatchObject({ reason: "TooLarge" })
        expect(yield* Effect.flip(sealer.open(place, `v1.${"A".repeat(5_000_000)}`))).toMatchObject({
          reason: "TooLarge"
        })
      }).pipe(Effect.provide(layer)))
  })
}
