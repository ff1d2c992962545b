/** What a screen reader is told without being asked: at most one message in four seconds, the last one wins. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { update } from "./store.ts"

const wanted = Effect.runSync(Queue.sliding<string>(1))

/** An unsafe offer would keep the first of two messages, not the last. */
export const say = (text: string): void => {
  Effect.runSync(Queue.offer(wanted, text))
}

/** Never ends. */
export const speak: Effect.Effect<never> = Effect.forever(
  Effect.flatMap(
    Queue.take(wanted),
    (text) => Effect.zipRight(Effect.sync(() => update({ status: text })), Effect.sleep("4 seconds"))
  )
)
