import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { AgentEvent } from "../AgentEvent.ts"
import type { EventSink } from "./tellEvents.ts"

/** How many events a reader may be behind before the model has to wait. */
const readAhead = 64

type EventChannel = Channel.Channel<Chunk.Chunk<AgentEvent>, unknown, never, unknown, void>

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

  /** Everything that comes, as it comes; a loop of channels, which is a third of what `Stream.repeatEffectChunkOption` costs. */
  get stream(): Stream.Stream<AgentEvent> {
    const emit: EventChannel = Channel.flatMap(
      Channel.fromEffect(this.take),
      (events) =>
        events === undefined ? Channel.void : Channel.zipRight(Channel.write(Chunk.unsafeFromArray(events)), emit)
    )
    return Stream.fromChannel(emit)
  }

  /** Everything that is there; undefined after the last. */
  private readonly take: Effect.Effect<ReadonlyArray<AgentEvent> | undefined> = Effect.suspend(() => {
    if (this.events.length === 0) {
      if (this.ended) return Effect.succeed(undefined)
      return Effect.async((resume) => {
        this.reader = () => resume(this.take)
      })
    }
    const { events, writers } = this
    this.events = []
    this.writers = []
    for (const wake of writers) wake()
    return Effect.succeed(events)
  })

  private wakeReader(): void {
    const { reader } = this
    this.reader = undefined
    reader?.()
  }
}
