/**
 * One event stream for all tabs of a browser: one of them, which holds a lock, listens to the server and passes on what
 * it hears. When it is closed the next one takes its place and goes on after the last event that it knows.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { type UiEvent, UiEvents } from "../Block.ts"
import { say } from "./say.ts"
import { applyEvents, current, update } from "./store.ts"

/** Of the lock and of the channel: tabs share what is of one person. */
const nameOf = (person: string) => `sennit.events.${person}`

/** How long the stream may be silent: the server sends a heartbeat every 5 seconds. */
const SILENCE_MS = 12_000

/** What the listening tab hears, with the number of the last event, and what it says of its connection. */
const Heard = Schema.Union(
  Schema.Struct({
    type: Schema.Literal("hello", "resumed", "heartbeat", "ui"),
    id: Schema.String,
    data: Schema.String
  }),
  Schema.Struct({ type: Schema.Literal("lost") }),
  /** A tab that has just been opened asks whether somebody listens already. */
  Schema.Struct({ type: Schema.Literal("asked") })
)
type Heard = typeof Heard.Type

export interface Reader {
  /** Everything that the page shows. */
  readonly readAll: () => void
  /** The open conversation. */
  readonly readOpen: () => void
}

const decodeHeard = Schema.decodeUnknownOption(Heard)
const decodeEvents = Schema.decodeUnknownEither(UiEvents)

/** The number in an event's id; the part before it changes when the server starts. */
const numberOf = (id: string): number => Number(id.slice(id.lastIndexOf(".") + 1))

// --- what is heard ---------------------------------------------------------------------------------------------

const announce = (events: ReadonlyArray<UiEvent>): void => {
  const { open } = current()
  for (const event of events) {
    if (event.type === "conversation" && event.conversation.id === open?.id) {
      const { running } = event.conversation
      if (running !== open.summary.running && running) say("Answering.")
    }
    if (event.type !== "block" || event.conversation !== open?.id) continue
    const { block } = event
    if (block.type === "tool" && block.status === "running") say(`Running ${block.name}.`)
    if (block.type === "tool" && block.status === "waiting") {
      say(`Waiting for your approval: ${block.name}. Press Alt+A to go to it.`)
    }
    if (block.type === "finish") {
      say(block.outcome === "completed" ? "Answer finished. Press Alt+Up to go to it." : "The answer has ended.")
    }
  }
}

/** Keeps what was heard until the next frame, so that the page paints once for all of it. */
class Frame {
  private readonly queue: Array<UiEvent> = []
  constructor(private readonly reader: Reader) {}

  add(events: ReadonlyArray<UiEvent>): void {
    this.queue.push(...events)
    if (document.hidden) this.flush()
    else requestAnimationFrame(() => this.flush())
  }

  private flush(): void {
    const events = this.queue.splice(0)
    if (events.length === 0) return
    announce(events)
    if (applyEvents(events) === "gap") this.reader.readOpen()
  }
}

class Follower {
  /** The id of the last event that this tab knows. */
  last = ""
  /** When something was heard, also a heartbeat. */
  heardAt = 0
  private readonly frame: Frame
  constructor(private readonly reader: Reader, private readonly now: () => number) {
    this.frame = new Frame(reader)
    this.heardAt = now()
  }

  hear(heard: Heard): void {
    if (heard.type === "asked") return
    if (heard.type === "lost") return this.lose()
    this.heardAt = this.now()
    const before = current().connection
    update({ connection: "live" })
    if (heard.type === "hello") return this.begin(heard.id, before === "lost")
    if (heard.type === "ui") return this.take(heard)
    // A tab that was opened while another one listens, or the stream that goes on where it was.
    if (this.last === "") this.begin(heard.id, false)
    else if (heard.type === "resumed" && before === "lost") {
      this.tell(`Resumed at event ${numberOf(this.last)}. Nothing was lost.`)
    }
  }

  lose(): void {
    if (current().connection === "lost") return
    update({ connection: "lost", notice: undefined })
    say("Connection lost, reconnecting.")
  }

  private begin(id: string, wasLost: boolean): void {
    this.last = id
    this.reader.readAll()
    if (wasLost) {
      this.tell(`The server started anew or was far ahead. Everything was read again at event ${numberOf(id)}.`)
    }
  }

  private take({ data, id }: { readonly data: string; readonly id: string }): void {
    const decoded = decodeEvents(data)
    if (Either.isLeft(decoded)) return update({ problem: "The server is newer than this page. Reload the page." })
    // A tab that slept has missed what the listening tab passed on.
    const isNext = this.last !== "" && numberOf(id) - decoded.right.length <= numberOf(this.last)
    this.last = id
    if (isNext) this.frame.add(decoded.right)
    else this.reader.readAll()
  }

  private tell(notice: string): void {
    update({ notice })
    say(notice)
  }
}

// --- the tab that listens --------------------------------------------------------------------------------------

const names = ["hello", "resumed", "heartbeat", "ui"] as const

/** Listens from the event `after` on until it is closed; the browser reconnects by itself. */
const connect = (after: string, hear: (heard: Heard) => void): EventSource => {
  const source = new EventSource(`/api/events${after === "" ? "" : `?after=${encodeURIComponent(after)}`}`)
  for (const type of names) {
    source.addEventListener(
      type,
      ({ data, lastEventId }: MessageEvent<string>) => hear({ type, id: lastEventId, data })
    )
  }
  source.addEventListener("error", () => hear({ type: "lost" }))
  return source
}

/** Connects again when the browser gave up or nothing is heard any more. */
const listen = (follower: Follower, hear: (heard: Heard) => void, now: () => number): Effect.Effect<never> =>
  Effect.acquireUseRelease(
    Effect.sync(() => ({ source: connect(follower.last, hear) })),
    (held) => {
      const check = () => {
        const isSilent = now() - follower.heardAt > SILENCE_MS
        if (held.source.readyState !== EventSource.CLOSED && !isSilent) return
        follower.heardAt = now()
        held.source.close()
        hear({ type: "lost" })
        held.source = connect(follower.last, hear)
      }
      // Whoever comes back to the page does not wait for the next look.
      globalThis.addEventListener("online", check)
      globalThis.addEventListener("pageshow", check)
      document.addEventListener("visibilitychange", check)
      return Effect.forever(Effect.delay(Effect.sync(check), "2 seconds"))
    },
    ({ source }) => Effect.sync(() => source.close())
  )

/** Follows the server's events for a person until the page is closed. */
export const follow = (person: string, reader: Reader): Effect.Effect<void> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()
    const runtime = yield* Effect.runtime()
    const follower = new Follower(reader, now)
    const channel = new BroadcastChannel(nameOf(person))
    let listens = false
    // A channel has no origin to name: only pages of this one hear it.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    const pass = (heard: Heard) => channel.postMessage(heard)
    const hear = (heard: Heard) => {
      pass(heard)
      follower.hear(heard)
    }
    channel.addEventListener("message", (event: MessageEvent<unknown>) => {
      const heard = decodeHeard(event.data)
      if (heard._tag === "None") return
      if (heard.value.type !== "asked") follower.hear(heard.value)
      else if (listens && current().connection === "live") {
        pass({ type: "heartbeat", id: follower.last, data: "" })
      }
    })
    pass({ type: "asked" })
    // A tab whose listening tab hangs says so itself.
    const watch = Effect.sync(() => {
      if (!listens && now() - follower.heardAt > SILENCE_MS) follower.lose()
    }).pipe(Effect.repeat(Schedule.spaced("2 seconds")))
    const whenHeld = () => {
      listens = true
      return Effect.runPromise(Effect.provide(listen(follower, hear, now), runtime))
    }
    const turn = Effect.async<void>((resume) => {
      // Held until the tab is closed.
      navigator.locks.request(nameOf(person), whenHeld).then(() => resume(Effect.void), (cause: unknown) =>
        resume(Effect.die(cause)))
    })
    yield* Effect.all([turn, watch], { concurrency: 2, discard: true })
  })
