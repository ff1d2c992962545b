/**
 * Server-sent events (WHATWG HTML §9.2), the parser alone: bytes in, events out; no socket, no clock, no Effect.
 *
 * @since 0.1.0
 */
import { EventStreamError } from "./HttpError.ts"

/**
 * - `event`: its type, `message` unless the server names one
 * - `data`: lines joined by a line feed
 * - `lastEventId`: the last id so far, "" when there was none
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerSentEvent {
  readonly event: string
  readonly data: string
  readonly lastEventId: string
}

/**
 * Upper bounds in UTF-16 code units.
 *
 * - `line`: one line (1 Mi)
 * - `event`: the data of one event (4 Mi)
 *
 * @since 0.1.0
 * @category models
 */
export interface SseLimits {
  readonly line: number
  readonly event: number
}

/**
 * @since 0.1.0
 * @category models
 */
export const defaultLimits: SseLimits = { line: 1_048_576, event: 4_194_304 }

const lineEnd = /\r\n?|\n/g

/**
 * Incremental parser: `push` takes bytes in any division. An event that the stream ends in is not given.
 *
 * @example
 * ```ts
 * import { Sse } from "@sennit/http-client"
 *
 * const parser = new Sse.SseParser()
 * parser.push(new TextEncoder().encode("id: 1\ndata: hel"))
 * parser.push(new TextEncoder().encode("lo\n\n")) // [{ event: "message", data: "hello", lastEventId: "1" }]
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export class SseParser {
  /** The last id that an event was given with; it goes into `Last-Event-ID`. */
  lastEventId = ""
  /** Milliseconds that the server wants a client to wait before it connects again. */
  retry: number | undefined = undefined
  readonly #limits: SseLimits
  readonly #decoder = new TextDecoder()
  #line = ""
  #skipLineFeed = false
  #data: Array<string> = []
  #size = 0
  #event = ""
  #id = ""

  /** `lastEventId` is the id that the stream goes on from. */
  constructor(limits: SseLimits = defaultLimits, lastEventId = "") {
    this.#limits = limits
    this.lastEventId = lastEventId
    this.#id = lastEventId
  }

  push(bytes: Uint8Array): ReadonlyArray<ServerSentEvent> | EventStreamError {
    let text = this.#decoder.decode(bytes, { stream: true })
    if (this.#skipLineFeed && text !== "") {
      this.#skipLineFeed = false
      if (text.startsWith("\n")) text = text.slice(1)
    }
    const events: Array<ServerSentEvent> = []
    let from = 0
    lineEnd.lastIndex = 0
    for (let end = lineEnd.exec(text); end !== null; end = lineEnd.exec(text)) {
      const failure = this.#take(this.#line + text.slice(from, end.index), events)
      if (failure !== undefined) return failure
      this.#line = ""
      from = lineEnd.lastIndex
      // the line feed of this line end may be in the next bytes
      if (from === text.length && end[0] === "\r") this.#skipLineFeed = true
    }
    this.#line += text.slice(from)
    return this.#line.length > this.#limits.line ? this.#tooLong("Line", this.#limits.line) : events
  }

  #tooLong(reason: "Line" | "Event", maximum: number): EventStreamError {
    return new EventStreamError({ reason, maximum })
  }

  #take(line: string, events: Array<ServerSentEvent>): EventStreamError | undefined {
    if (line.length > this.#limits.line) return this.#tooLong("Line", this.#limits.line)
    if (line === "") {
      this.#dispatch(events)
      return undefined
    }
    const colon = line.indexOf(":")
    if (colon === 0) return undefined
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1)
    switch (name) {
      case "data":
        this.#data.push(value)
        this.#size += value.length + 1
        return this.#size - 1 > this.#limits.event ? this.#tooLong("Event", this.#limits.event) : undefined
      case "event":
        this.#event = value
        return undefined
      case "id":
        if (!value.includes("\0")) this.#id = value
        return undefined
      case "retry":
        if (/^\d{1,9}$/.test(value)) this.retry = Number(value)
        return undefined
      default:
        return undefined
    }
  }

  #dispatch(events: Array<ServerSentEvent>): void {
    this.lastEventId = this.#id
    if (this.#data.length > 0) {
      events.push({
        event: this.#event === "" ? "message" : this.#event,
        data: this.#data.join("\n"),
        lastEventId: this.lastEventId
      })
    }
    this.#data = []
    this.#size = 0
    this.#event = ""
  }
}
