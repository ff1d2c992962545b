/** Many transfers at once, told of as they go, with whatever fails of them on a list. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { StoreError } from "../StoreError.ts"
import type { Failed, Progress } from "../Transfer.ts"

/** @internal Something to transfer, or something that is known not to be. */
export type Item = Failed | { readonly from: string; readonly to: string; readonly etag: string; readonly size: number }

/** How far a listing may be ahead of the transfers. */
const listedAhead = 10_000

/** How far it is, told at most once for each look. */
const makeTally = (ticks: Queue.Enqueue<void>) => {
  const done = { objects: 0, bytes: 0 }
  const total = { objects: 0, bytes: 0 }
  let failures = Chunk.empty<Failed>()
  let isTotalKnown = false
  let isOver = false
  const telling = <A extends ReadonlyArray<unknown>>(change: (...args: A) => void) => (...args: A): void => {
    change(...args)
    Queue.unsafeOffer(ticks, undefined)
  }
  return {
    found: telling((item: Item) => {
      total.objects++
      if ("size" in item) total.bytes += item.size
    }),
    listed: telling(() => isTotalKnown = true),
    moved: telling((bytes: number) => done.bytes += bytes),
    finished: telling(() => done.objects++),
    failed: telling((failure: Failed, moved: number) => {
      done.bytes -= moved
      failures = Chunk.append(failures, failure)
    }),
    over: telling(() => isOver = true),
    look: () => ({ progress: { done: { ...done }, total: { ...total }, isTotalKnown, failures }, isOver })
  }
}

/**
 * @internal What is listed is transferred, `concurrency` at once, also when the listing fails in the end: that comes
 * last. `transfer` says how many bytes it has moved as it goes.
 */
export const runTransfers = (
  items: Stream.Stream<Item, StoreError>,
  concurrency: number,
  transfer: (
    item: Exclude<Item, Failed>,
    moved: (bytes: number) => void
  ) => Effect.Effect<void, StoreError>
): Stream.Stream<Progress, StoreError> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const ticks = yield* Queue.dropping<void>(1)
    const tally = makeTally(ticks)
    const one = (item: Item): Effect.Effect<void> =>
      Effect.suspend(() => {
        if ("error" in item) return Effect.succeed(tally.failed(item, 0))
        const { from, to } = item
        let moved = 0
        const count = (bytes: number) => {
          moved += bytes
          tally.moved(bytes)
        }
        return Effect.match(transfer(item, count), {
          onFailure: (error) => tally.failed({ from, to, error }, moved),
          onSuccess: tally.finished
        })
      })
    let broken: StoreError | undefined
    // Lanes that take from a queue: a stream with concurrency costs more for an item than a small object itself.
    const queue = yield* Queue.bounded<Item | undefined>(listedAhead)
    const list = Stream.runForEach(items, (item) => {
      tally.found(item)
      return Queue.offer(queue, item)
    }).pipe(
      Effect.match({
        onFailure: (error) => {
          broken = error
        },
        onSuccess: tally.listed
      }),
      Effect.zipRight(Queue.offerAll(queue, Array.from({ length: concurrency }, () => undefined)))
    )
    const lane: Effect.Effect<void> = Effect.flatMap(
      Queue.take(queue),
      (item) => item === undefined ? Effect.void : Effect.zipRight(one(item), lane)
    )
    const lanes = Array.from({ length: concurrency }, () => lane)
    const work = Effect.ensuring(
      Effect.all([list, ...lanes], { concurrency: "unbounded", discard: true }),
      Effect.sync(tally.over)
    )
    const fiber = yield* Effect.forkScoped(work)
    return Stream.repeatEffect(Effect.map(Queue.take(ticks), tally.look)).pipe(
      Stream.takeUntil(({ isOver }) => isOver),
      Stream.map(({ progress }) => progress),
      Stream.concat(Stream.drain(Stream.fromEffect(Effect.flatMap(
        Fiber.join(fiber),
        () => broken === undefined ? Effect.void : Effect.fail(broken)
      ))))
    )
  }))
