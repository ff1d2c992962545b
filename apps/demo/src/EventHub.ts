/**
 * The events of all conversations, numbered, for the pages that follow. The last ones are kept in a ring, so a page
 * that lost its connection goes on where it was; a page that is too far behind reads anew, and nothing grows for it.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { UiEvent } from "./Block.ts"

/** How many events a page may be behind; a tool's result, the largest of them, has about 10 000 characters. */
const CAPACITY = 4000

/** How many events a follower is given at once, so that one that catches up paints meanwhile. */
const AT_ONCE = 256

/** How often a follower is told that it is still heard. */
const BEAT = "5 seconds"

/**
 * What a follower sees. `reset`: what came before is not known here, read everything and go on from `at`;
 * `resumed`: nothing was missed; `heartbeat`: nothing has happened for a while.
 */
export type Followed =
  | { readonly type: "reset" | "resumed" | "heartbeat"; readonly at: string }
  | { readonly type: "events"; readonly at: string; readonly events: ReadonlyArray<UiEvent> }

export class EventHub extends Context.Tag("@sennit/demo/EventHub")<EventHub, {
  readonly publish: (events: ReadonlyArray<UiEvent>) => Effect.Effect<void>
  /** The id of the last event, `<start of this server>.<number>`. */
  readonly at: Effect.Effect<string>
  /** Follows from the event `after`, or from now; ends when the server stops. */
  readonly follow: (after: Option.Option<string>) => Stream.Stream<Followed>
}>() {}

const make = Effect.gen(function*() {
  // Numbers of an earlier start mean nothing here.
  const epoch = (yield* Random.nextIntBetween(0, 2 ** 31 - 1)).toString(36)
  // Completed and replaced at each change: whoever saw the state before waits for exactly the next one.
  let changed = Deferred.unsafeMake<void>(FiberId.none)
  const ring: Array<UiEvent> = []
  let last = 0
  let stopped = false
  let beats = 0
  const id = (seq: number) => `${epoch}.${seq}`
  const wake = Effect.suspend(() => {
    const before = changed
    changed = Deferred.unsafeMake<void>(FiberId.none)
    return Effect.asVoid(Deferred.succeed(before, undefined))
  })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      stopped = true
      return wake
    })
  )

  // One clock for all followers: a timer for each event and follower would cost more than the event.
  yield* Effect.sync(() => beats++).pipe(
    Effect.zipRight(Effect.suspend(() => wake)),
    Effect.delay(BEAT),
    Effect.forever,
    Effect.forkScoped
  )

  /** What a follower has seen: events, and beats. */
  interface Seen {
    readonly cursor: number
    readonly beat: number
  }

  const next = (seen: Seen): Effect.Effect<Option.Option<readonly [Followed, Seen]>> =>
    Effect.suspend(() => {
      const { beat, cursor } = seen
      if (stopped) return Effect.succeedNone
      if (cursor === last) {
        if (beat === beats) return Effect.flatMap(Deferred.await(changed), () => next(seen))
        return Effect.succeedSome([{ type: "heartbeat", at: id(cursor) }, { cursor, beat: beats }])
      }
      const missed = last - cursor
      if (missed > ring.length) return Effect.succeedSome([{ type: "reset", at: id(last) }, { cursor: last, beat }])
      const events = ring.slice(-missed).slice(0, AT_ONCE)
      const now = cursor + events.length
      return Effect.succeedSome([{ type: "events", at: id(now), events }, { cursor: now, beat }])
    })

  const beginning = (after: Option.Option<string>): readonly [Followed, number] => {
    const [from, seq] = Option.getOrElse(after, () => "").split(".")
    const number = Number(seq)
    return from === epoch && Number.isInteger(number) && number <= last && last - number <= ring.length
      ? [{ type: "resumed", at: id(number) }, number]
      : [{ type: "reset", at: id(last) }, last]
  }

  return EventHub.of({
    publish: (events) =>
      Effect.suspend(() => {
        ring.push(...events)
        if (ring.length > CAPACITY) ring.splice(0, ring.length - CAPACITY)
        last += events.length
        return wake
      }),
    at: Effect.sync(() => id(last)),
    follow: (after) =>
      Stream.suspend(() => {
        const [first, cursor] = beginning(after)
        return Stream.concat(Stream.succeed(first), Stream.unfoldEffect({ cursor, beat: beats }, next))
      })
  })
})

export const layer: Layer.Layer<EventHub> = Layer.scoped(EventHub, make)
