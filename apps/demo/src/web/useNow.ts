import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { useEffect, useState } from "react"

/** The time, ten times a second while it is needed. */
export const useNow = (needed: boolean): number => {
  const [now, setNow] = useState(() => Effect.runSync(Effect.clock).unsafeCurrentTimeMillis())
  useEffect(() => {
    if (!needed) return
    const tick = Effect.flatMap(Effect.clock, (clock) => Effect.sync(() => setNow(clock.unsafeCurrentTimeMillis())))
    const fiber = Effect.runFork(Effect.repeat(tick, Schedule.spaced("100 millis")))
    return () => {
      Effect.runFork(Fiber.interrupt(fiber))
    }
  }, [needed])
  return now
}
