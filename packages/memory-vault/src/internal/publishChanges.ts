/**
 * Tells subscribers what changed in their scope. A subscriber who does not keep up loses the oldest events and is told
 * how many; no writer ever waits for one.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { MemoryEvent } from "../Memory.ts"
import type { ScopeKey } from "./scopeKey.ts"

const capacity = 256

interface Subscriber {
  readonly queue: Queue.Queue<readonly [place: number, event: MemoryEvent]>
  published: number
}

const nameOf = ({ agent, tenant, user }: ScopeKey): string => `${tenant}\0${user}\0${agent}`

/**
 * @since 0.1.0
 */
export class ChangeHub {
  private readonly scopes = new Map<string, Set<Subscriber>>()

  publish(key: ScopeKey, event: MemoryEvent): Effect.Effect<void> {
    return Effect.suspend(() =>
      Effect.forEach(
        this.scopes.get(nameOf(key)) ?? [],
        (subscriber) => Queue.offer(subscriber.queue, [subscriber.published++, event] as const),
        { discard: true }
      )
    )
  }

  subscribe(key: ScopeKey): Stream.Stream<MemoryEvent> {
    return Stream.unwrapScoped(Effect.map(this.open(nameOf(key)), ({ queue }) =>
      Stream.fromQueue(queue).pipe(
        Stream.mapAccum(0, (expected, [place, event]) => [
          place + 1,
          place === expected ? [event] : [{ _tag: "Missed", count: place - expected } as const, event]
        ]),
        Stream.flattenIterables,
        (events) => Stream.concat(Stream.succeed<MemoryEvent>({ _tag: "Subscribed" }), events)
      )))
  }

  private open(name: string) {
    return Effect.acquireRelease(
      Effect.map(Queue.sliding<readonly [number, MemoryEvent]>(capacity), (queue) => {
        const subscriber: Subscriber = { queue, published: 0 }
        const others = this.scopes.get(name)
        if (others === undefined) this.scopes.set(name, new Set([subscriber]))
        else others.add(subscriber)
        return subscriber
      }),
      (subscriber) =>
        Effect.zipRight(
          Effect.sync(() => {
            const all = this.scopes.get(name)
            all?.delete(subscriber)
            if (all?.size === 0) this.scopes.delete(name)
          }),
          Queue.shutdown(subscriber.queue)
        )
    )
  }
}
