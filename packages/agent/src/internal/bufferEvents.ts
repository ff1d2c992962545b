import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AgentEvent } from "../AgentEvent.ts"
import type { EventSink } from "./tellEvents.ts"

/** How many events a reader may be behind before the model has to wait. */
const readAhead = 64

/** @internal Events on their way to one reader. Writers wait when it is slow; what is pushed is never lost. */
export class EventBuffer implements EventSink {
  private events: Array<AgentEvent> = []
  private ended = false
  private reader: (() => void) | undefined
  private writers: Array<() => void> = []

  push(events: ReadonlyArray<AgentEvent>): void {
    for (const event of events) this.events.push(event)
    this.wakeReader()
  }

  room(): Effect.Effect<void> {
    return this.events.length < readAhead ? Effect.void : Effect.async<void>((resume) => {
      this.writers.push(() => resume(Effect.void))
    })
  }

  flush(): Effect.Effect<void> {
    return Effect.void
  }

  end(): void {
    this.ended = true
    this.wakeReader()
  }

  /** Everything that is there; fails with none after the last. */
  readonly take: Effect.Effect<Chunk.Chunk<AgentEvent>, Option.Option<never>> = Effect.suspend(() => {
    if (this.events.length === 0) {
      if (this.ended) return Effect.fail(Option.none())
      return Effect.zipRight(
        Effect.async<void>((resume) => {
          this.reader = () => resume(Effect.void)
        }),
        this.take
      )
    }
    const { events, writers } = this
    this.events = []
    this.writers = []
    for (const wake of writers) wake()
    return Effect.succeed(Chunk.unsafeFromArray(events))
  })

  private wakeReader(): void {
    const { reader } = this
    this.reader = undefined
    reader?.()
  }
}
