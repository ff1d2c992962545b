/** Bodies of requests that are read to their end, whatever becomes of them. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Take from "effect/Take"

/** Pieces that wait for whoever uses them. */
const AHEAD = 4

/**
 * Gives the bytes to `use`. Where that ends before they do, up to `most` bytes of the rest are read and forgotten: a
 * browser that is still sending hears no answer.
 */
export const readToTheEnd = <E, A, E2, R>(
  bytes: Stream.Stream<Uint8Array, E>,
  most: number,
  use: (bytes: Stream.Stream<Uint8Array, E>) => Effect.Effect<A, E2, R>
): Effect.Effect<A, E2, R> =>
  Effect.scoped(Effect.gen(function*() {
    const queue = yield* Queue.bounded<Take.Take<Uint8Array, E>>(AHEAD)
    let isUsed = true
    let forgotten = 0
    const pump = bytes.pipe(
      Stream.takeWhile(() => forgotten <= most),
      Stream.runForEachChunk((pieces) => {
        if (isUsed) return Queue.offer(queue, Take.chunk(pieces))
        for (const { length } of pieces) forgotten += length
        return Effect.void
      }),
      Effect.matchCauseEffect({
        onFailure: (cause) => isUsed ? Queue.offer(queue, Take.failCause(cause)) : Effect.void,
        onSuccess: () => isUsed ? Queue.offer(queue, Take.end) : Effect.void
      })
    )
    const pumping = yield* Effect.forkScoped(pump)
    const exit = yield* Effect.exit(use(Stream.flattenTake(Stream.fromQueue(queue))))
    isUsed = false
    // Whoever waits for room goes on.
    yield* Queue.takeAll(queue)
    yield* Fiber.join(pumping)
    return yield* exit
  }))
