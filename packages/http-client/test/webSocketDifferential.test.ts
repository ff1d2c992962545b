import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { compareWebSockets, loadWs } from "./fuzz/compareWebSockets.ts"

describe("beside the receiver of the ws package", () => {
  it.effect("6000 inputs, whole and divided: the same messages, and the same refused", () =>
    Effect.gen(function*() {
      const seed = yield* Random.nextIntBetween(1, 2 ** 31)
      const ws = yield* loadWs
      const { details, tally } = yield* compareWebSockets(ws, seed, 6000)
      expect(details, `seed ${seed}`).toEqual([])
      expect(tally.accepted, `seed ${seed}`).toBeGreaterThan(2000)
      expect(tally.refused, `seed ${seed}`).toBeGreaterThan(1000)
    }))
})
