import type { Clock } from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * @internal
 * How long the other side has been silent. One sleeping fiber watches over a
 * whole answer, however many chunks it has.
 */
export class Silence {
  private since: number | undefined
  constructor(private readonly clock: Clock) {
    this.since = clock.unsafeCurrentTimeMillis()
  }

  /** Something was heard; until `resume` it is our turn. */
  pause(): void {
    this.since = undefined
  }

  /** It is their turn again. */
  resume(): void {
    this.since = this.clock.unsafeCurrentTimeMillis()
  }

  /** Fails once the silence has lasted for `limit`. */
  failAfter<E>(limit: Duration.Duration, error: () => E): Effect.Effect<never, E> {
    const watch: Effect.Effect<never, E> = Effect.suspend(() => {
      const silent = this.since === undefined ? 0 : this.clock.unsafeCurrentTimeMillis() - this.since
      const left = Duration.toMillis(limit) - silent
      return left <= 0 ? Effect.fail(error()) : Effect.zipRight(this.clock.sleep(Duration.millis(left)), watch)
    })
    return watch
  }
}
