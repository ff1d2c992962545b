import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RunStoreError } from "../AgentError.ts"
import type { AgentEvent } from "../AgentEvent.ts"
import type { RunStore } from "../RunStore.ts"
import type { RunHandle } from "./runLoop.ts"
import type { EventSink } from "./tellEvents.ts"

/** How many events may wait for the journal before the run waits as well. */
const behind = 256
/** How many events a reader gets at once. */
const replayChunk = 256

/**
 * @internal
 * A run that goes on here, and its log. Events go to the journal first and to
 * readers when they are safe there, so that no reader has seen what a crash
 * takes back.
 */
export class LiveRun implements EventSink {
  readonly handle: RunHandle = { decide: () => false, leave: false }
  readonly events: Array<AgentEvent>
  fiber: Fiber.Fiber<void> | undefined
  error: RunStoreError | undefined
  private pending: Array<AgentEvent> = []
  private pushed: number
  private ended = false
  private closed = false
  private wakeWriter: (() => void) | undefined
  private changed: Deferred.Deferred<void> | undefined

  constructor(readonly runId: string, readonly agent: string, prior: ReadonlyArray<AgentEvent>) {
    this.events = prior.slice()
    this.pushed = prior.length
  }

  push(events: ReadonlyArray<AgentEvent>): void {
    for (const event of events) this.pending.push(event)
    this.pushed += events.length
    this.toWriter()
  }

  room(): Effect.Effect<void> {
    const { pushed } = this
    return this.until(() => pushed - this.events.length < behind || this.closed)
  }

  /** When the journal has failed this never ends: the run is being interrupted, and nothing more must be done. */
  flush(): Effect.Effect<void> {
    // What counts is what was pushed when this runs, not when it was made.
    return Effect.suspend(() => {
      const { pushed } = this
      return this.until(() => this.events.length >= pushed)
    })
  }

  /** No event comes any more. */
  end(): void {
    this.ended = true
    this.toWriter()
  }

  /** Writes what was pushed until the end; stops at the first failure. */
  write(store: typeof RunStore.Service): Effect.Effect<void> {
    const next: Effect.Effect<void, RunStoreError> = Effect.suspend(() => {
      const events = this.pending
      if (events.length === 0) {
        return this.ended ? Effect.void : Effect.zipRight(
          Effect.async<void>((resume) => {
            // What else is told in this turn goes into the same row.
            this.wakeWriter = () => resume(Effect.yieldNow())
          }),
          next
        )
      }
      this.pending = []
      return Effect.flatMap(store.append(this.runId, events), () => {
        for (const event of events) this.events.push(event)
        this.notify()
        return next
      })
    })
    return next.pipe(
      Effect.catchAll((error) =>
        Effect.suspend(() => {
          this.error = error
          this.handle.leave = true
          return this.fiber?.interruptAsFork(FiberId.none) ?? Effect.void
        })
      ),
      Effect.ensuring(Effect.sync(() => {
        this.closed = true
        this.notify()
      }))
    )
  }

  /** The events after the `after`-th, then those to come. */
  read(after: number): Stream.Stream<AgentEvent, RunStoreError> {
    return Stream.unfoldChunkEffect(Math.max(0, after), (position) => this.next(position))
  }

  private next(
    position: number
  ): Effect.Effect<Option.Option<readonly [Chunk.Chunk<AgentEvent>, number]>, RunStoreError> {
    return Effect.suspend(() => {
      if (position < this.events.length) {
        const events = this.events.slice(position, position + replayChunk)
        return Effect.succeedSome([Chunk.unsafeFromArray(events), position + events.length] as const)
      }
      if (this.closed) return this.error === undefined ? Effect.succeedNone : Effect.fail(this.error)
      return Effect.zipRight(Deferred.await(this.change), this.next(position))
    })
  }

  private until(done: () => boolean): Effect.Effect<void> {
    return done() ?
      Effect.void :
      Effect.suspend(() => done() ? Effect.void : Effect.zipRight(Deferred.await(this.change), this.until(done)))
  }

  /** Done at the next change; taken before anything can be appended, so no wake-up is missed. */
  private get change(): Deferred.Deferred<void> {
    return this.changed ??= Deferred.unsafeMake(FiberId.none)
  }

  private notify(): void {
    const { changed } = this
    this.changed = undefined
    if (changed !== undefined) Deferred.unsafeDone(changed, Effect.void)
  }

  private toWriter(): void {
    const wake = this.wakeWriter
    this.wakeWriter = undefined
    wake?.()
  }
}
