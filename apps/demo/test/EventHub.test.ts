import { assert, it } from "@effect/vitest"
import {
  Arbitrary,
  Chunk,
  Deferred,
  Effect,
  Either,
  FastCheck as fc,
  Fiber,
  Option,
  Schema,
  Stream,
  TestClock
} from "effect"
import { UiEvent, UiEvents } from "../src/Block.ts"
import { EventHub, type Followed, layer } from "../src/EventHub.ts"

const removed = (conversation: string): UiEvent => ({ type: "removed", conversation })

const eventsOf = (followed: Chunk.Chunk<Followed>) =>
  Chunk.toReadonlyArray(followed).flatMap((one) => one.type === "events" ? one.events : [])

/** What a follower sees until it has `count` events; `there` is completed when it has begun to follow. */
const take = (
  hub: typeof EventHub.Service,
  after: Option.Option<string>,
  count: number,
  there?: Deferred.Deferred<void>
) => {
  let seen = 0
  return hub.follow(after).pipe(
    Stream.tap(() => there === undefined ? Effect.void : Deferred.succeed(there, undefined)),
    Stream.takeUntil((one) => (seen += one.type === "events" ? one.events.length : 0) >= count),
    Stream.runCollect
  )
}

it.effect("a follower sees what happens after it came, in order, and first where it is", () =>
  Effect.gen(function*() {
    const hub = yield* EventHub
    yield* hub.publish([removed("before")])
    const at = yield* hub.at
    const there = yield* Deferred.make<void>()
    const fiber = yield* Effect.fork(take(hub, Option.none(), 3, there))
    yield* Deferred.await(there)
    yield* hub.publish([removed("a"), removed("b")])
    yield* hub.publish([removed("c")])
    const followed = yield* Fiber.join(fiber)
    assert.deepStrictEqual(Chunk.unsafeHead(followed), { type: "reset", at })
    assert.deepStrictEqual(eventsOf(followed), [removed("a"), removed("b"), removed("c")])
  }).pipe(Effect.provide(layer)))

it.effect("a follower that comes back misses nothing and sees nothing twice", () =>
  Effect.gen(function*() {
    const hub = yield* EventHub
    yield* hub.publish([removed("a")])
    const at = yield* hub.at
    yield* hub.publish([removed("b"), removed("c")])
    const followed = yield* take(hub, Option.some(at), 2)
    assert.deepStrictEqual(Chunk.unsafeHead(followed), { type: "resumed", at })
    assert.deepStrictEqual(eventsOf(followed), [removed("b"), removed("c")])
  }).pipe(Effect.provide(layer)))

it.effect("a follower that is too far behind, or from an earlier start, begins anew", () =>
  Effect.gen(function*() {
    const hub = yield* EventHub
    const early = yield* hub.at
    yield* hub.publish(Array.from({ length: 10_001 }, (_, index) => removed(`${index}`)))
    const at = yield* hub.at
    for (const after of [early, "another.3", "", "nonsense", `${at}0`]) {
      const first = yield* Stream.runHead(hub.follow(Option.some(after)))
      assert.deepStrictEqual(first, Option.some({ type: "reset", at }))
    }
  }).pipe(Effect.provide(layer)))

it.effect("followers end when the server stops", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.gen(function*() {
      const hub = yield* EventHub
      const there = yield* Deferred.make<void>()
      const following = yield* Effect.forkDaemon(take(hub, Option.none(), 1, there))
      yield* Deferred.await(there)
      return following
    }).pipe(Effect.provide(layer))
    yield* Fiber.join(fiber)
  }))

it.effect("a follower of whom nothing is heard is told every five seconds that it is still there, and nothing else", () =>
  Effect.gen(function*() {
    const hub = yield* EventHub
    const there = yield* Deferred.make<void>()
    const following = hub.follow(Option.none()).pipe(
      Stream.tap(() => Deferred.succeed(there, undefined)),
      Stream.take(3),
      Stream.runCollect
    )
    const fiber = yield* Effect.fork(following)
    yield* Deferred.await(there)
    yield* TestClock.adjust("5 seconds")
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(Array.from(yield* Fiber.join(fiber), ({ type }) => type), [
      "reset",
      "heartbeat",
      "heartbeat"
    ])
  }).pipe(Effect.provide(layer)))

it("events are their own encoding: as they are sent, they are what the schema says", () => {
  const encode = Schema.encodeEither(UiEvents)
  fc.assert(fc.property(fc.array(Arbitrary.make(UiEvent), { maxLength: 5 }), (events) => {
    const sent: unknown = JSON.parse(JSON.stringify(events))
    assert.deepStrictEqual(Either.map(encode(events), (text): unknown => JSON.parse(text)), Either.right(sent))
  }))
})
