import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"

// Another project's sources are not among the files of this one.
const source: Record<string, unknown> = await import(new URL("../src/internal/makePermits.ts", import.meta.url).href)

interface Permits {
  readonly withPermit: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const isSource = (module: object): module is { readonly makePermits: (size: number) => Permits } =>
  "makePermits" in module

if (!isSource(source)) throw new Error("There are no permits")
const { makePermits } = source

it.effect("the permit of a waiter that is interrupted when it was just handed one goes to the next", () =>
  Effect.gen(function*() {
    const permits = makePermits(1)
    const order = yield* Ref.make<ReadonlyArray<string>>([])
    const work = (name: string) => permits.withPermit(Ref.update(order, (names) => [...names, name]))
    const [handedOver, next] = yield* permits.withPermit(Effect.gen(function*() {
      const waiting = [yield* Effect.fork(work("handed over")), yield* Effect.fork(work("next"))] as const
      // Both wait now.
      yield* Effect.yieldNow()
      expect(yield* Ref.get(order)).toEqual([])
      return waiting
    }))
    // The permit was handed over, and nobody but this fiber has run since.
    yield* Fiber.interrupt(handedOver)
    yield* Effect.yieldNow()
    expect(yield* Ref.get(order)).toEqual(["next"])
    yield* Fiber.join(next)
  }))

it.effect("waiters get permits in the order of their coming, never more than there are", () =>
  Effect.gen(function*() {
    const permits = makePermits(2)
    const gate = yield* Deferred.make<void>()
    const begun: Array<number> = []
    let inFlight = 0
    let most = 0
    const work = (n: number) =>
      permits.withPermit(
        Effect.suspend(() => {
          begun.push(n)
          most = Math.max(most, ++inFlight)
          return Effect.ensuring(
            Deferred.await(gate),
            Effect.sync(() => inFlight--)
          )
        })
      )
    const fibers = yield* Effect.forEach([0, 1, 2, 3, 4, 5], (n) => Effect.fork(work(n)))
    yield* Effect.yieldNow()
    yield* Fiber.interrupt(fibers[3]!)
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.forEach([0, 1, 2, 4, 5], (at) => Fiber.join(fibers[at]!))
    expect(begun).toEqual([0, 1, 2, 4, 5])
    expect(most).toBe(2)
    expect(inFlight).toBe(0)
  }))
