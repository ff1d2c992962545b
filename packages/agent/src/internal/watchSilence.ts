import type { Clock } from "effect/Clock"

/** @internal How long the other side has been silent. */
export class Silence {
  private since: number | undefined
  constructor(private readonly clock: Clock, private readonly limit: number) {
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

  /** How many milliseconds it may go on at least; 0 or less when it has lasted too long. */
  readonly left = (): number => {
    const { since } = this
    return since === undefined ? this.limit : this.limit - (this.clock.unsafeCurrentTimeMillis() - since)
  }
}
