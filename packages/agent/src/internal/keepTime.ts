import type { Clock } from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { raceCallback, raceLimit } from "./raceLimit.ts"

/** The alarm wakes at least so often, in milliseconds: what is due no sooner than this needs no fiber that sleeps. */
const tick = 10_000

interface Due {
  at: number
  readonly onDue: () => number
}

/**
 * @internal
 * Keeps all the deadlines of a run with one fiber that sleeps, where each would
 * need its own.
 */
export class Alarm {
  private readonly dues = new Set<Due>()
  constructor(private readonly clock: Clock) {}

  /** Rings what is due until so many milliseconds have passed. */
  keep(millis: number): Effect.Effect<void> {
    const end = this.clock.unsafeCurrentTimeMillis() + millis
    const wake: Effect.Effect<void> = Effect.suspend(() => {
      const now = this.clock.unsafeCurrentTimeMillis()
      if (now >= end) return Effect.void
      const next = Math.min(end, this.ring(now))
      return Effect.zipRight(this.clock.sleep(Duration.millis(next - now)), wake)
    })
    return wake
  }

  /** Rings what is due, and says when to look again. */
  private ring(now: number): number {
    let next = now + tick
    for (const due of this.dues) {
      if (due.at <= now) {
        const more = due.onDue()
        if (more <= 0) {
          this.dues.delete(due)
          continue
        }
        due.at = now + more
      }
      next = Math.min(next, due.at)
    }
    return next
  }

  /** Calls `onDue` when so many milliseconds have passed, not fewer than a tick; it says how many more there are, 0 for none. */
  set(millis: number, onDue: () => number): () => void {
    const due: Due = { at: this.clock.unsafeCurrentTimeMillis() + millis, onDue }
    this.dues.add(due)
    return () => this.dues.delete(due)
  }
}

/** @internal The alarm of the run that asks the model, while it is kept. */
export class CurrentAlarm extends Context.Reference<CurrentAlarm>()("@sennit/agent/CurrentAlarm", {
  defaultValue: (): Alarm | undefined => undefined
}) {}

/**
 * @internal
 * Runs `main` for at most so many milliseconds. When they have passed, `left`
 * says how many more there are; when there are none, `main` is interrupted and
 * waited for, and `outcome` takes its place.
 */
export const limitTime = <A, E, R, B, E2>(
  main: Effect.Effect<A, E, R>,
  options: {
    readonly clock: Clock
    readonly alarm: Alarm | undefined
    readonly millis: number
    readonly left: () => number
    readonly outcome: Effect.Effect<B, E2>
  }
): Effect.Effect<A | B, E | E2, R> => {
  const { alarm, clock, left, millis, outcome } = options
  if (alarm !== undefined && millis >= tick) {
    return raceCallback(main, (atLimit) =>
      alarm.set(millis, () => {
        const more = left()
        if (more <= 0) atLimit(outcome)
        return more
      }))
  }
  const sleep = (ms: number): Effect.Effect<void> =>
    Effect.flatMap(clock.sleep(Duration.millis(ms)), () => {
      const more = left()
      return more <= 0 ? Effect.void : sleep(more)
    })
  return raceLimit(main, Effect.zipRight(sleep(millis), outcome))
}
