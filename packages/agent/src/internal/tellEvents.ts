import type { Clock } from "effect/Clock"
import * as Effect from "effect/Effect"
import type { AgentEvent } from "../AgentEvent.ts"

/** @internal Where the events of a run go. */
export interface EventSink {
  /** Takes the events, whatever happens. */
  readonly push: (events: ReadonlyArray<AgentEvent>) => void
  /** Waits for a slow reader; then the model's socket waits as well. `Effect.void` itself when there is room. */
  readonly room: () => Effect.Effect<void>
  /** Waits until everything that was pushed would survive the end of the process. */
  readonly flush: () => Effect.Effect<void>
}

/** @internal */
export type Unstamped<E = AgentEvent> = E extends AgentEvent ? Omit<E, "seq" | "at"> : never

/** @internal Numbers the events of a run, and says when they happened. */
export class EventLog {
  constructor(
    private readonly sink: EventSink,
    private readonly clock: Clock,
    /** The numbers of the last event and of the last stage. */
    private seq: number,
    private stages: number
  ) {}

  get isEmpty(): boolean {
    return this.seq === 0
  }

  /** The number of a new stage. */
  nextStage(): number {
    return ++this.stages
  }

  /** Tells of something, then waits for a slow reader. */
  emit(events: ReadonlyArray<Unstamped>): Effect.Effect<void> {
    if (events.length === 0) return Effect.void
    return Effect.suspend(() => {
      this.emitNow(events)
      return this.sink.room()
    })
  }

  /** Tells of something without waiting: for what happens while a fiber is interrupted. */
  emitNow(events: ReadonlyArray<Unstamped>): void {
    const at = this.clock.unsafeCurrentTimeMillis()
    this.sink.push(events.map((event) => ({ ...event, seq: ++this.seq, at })))
  }

  /** See `EventSink.room`; it is `Effect.void` itself when there is room. */
  room(): Effect.Effect<void> {
    return this.sink.room()
  }

  /** See `EventSink.flush`. */
  flush(): Effect.Effect<void> {
    return this.sink.flush()
  }
}
