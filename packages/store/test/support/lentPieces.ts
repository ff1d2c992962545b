/** A body whose pieces are one array, good until the next is pulled: what is kept of them is overwritten. */
import { Effect, Option, Stream } from "effect"

export const lentPieces = (whole: Uint8Array, length: number): Stream.Stream<Uint8Array> =>
  Stream.suspend(() => {
    const lent = new Uint8Array(length)
    let at = 0
    return Stream.repeatEffectOption(Effect.suspend(() => {
      const piece = whole.subarray(at, at + length)
      at += length
      lent.fill(0xee)
      lent.set(piece)
      return piece.length === 0 ? Effect.fail(Option.none()) : Effect.succeed(lent.subarray(0, piece.length))
    }))
  })
