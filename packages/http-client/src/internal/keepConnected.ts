import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { WebSocketClosed } from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import type { WebSocketStatus } from "../WebSocket.ts"
import { isTransient } from "./classifyFailure.ts"
import type { FrameExchange } from "./exchangeFrames.ts"

/**
 * The connection that a WebSocket has now, and whether there will be another.
 *
 * @internal
 */
export class WebSocketLink {
  exchange: FrameExchange
  /** Why there will be no other connection; undefined while there may be one. */
  over: HttpError | undefined
  /** This side has closed. */
  closedHere = false
  readonly #reconnects: boolean
  readonly #publish: (status: WebSocketStatus) => void
  readonly #onChange = new Set<() => void>()
  #connection = 0
  /** Messages that came before the present connection. */
  #before = 0

  constructor(exchange: FrameExchange, reconnects: boolean, publish: (status: WebSocketStatus) => void) {
    this.#reconnects = reconnects
    this.#publish = publish
    this.exchange = exchange
    this.#attached(exchange)
  }

  #attached(exchange: FrameExchange): void {
    this.exchange = exchange
    const connection = ++this.#connection
    this.#publish({ _tag: "Open", connection, protocol: exchange.protocol, messagesBefore: this.#before })
    exchange.waitEnd(() => {
      const cause = exchange.end
      if (cause === undefined) return
      this.#publish({ _tag: "Lost", connection, cause, unconfirmed: exchange.sent - exchange.confirmed })
      if (!this.#reconnects || this.closedHere) this.finish(cause)
    })
  }

  /** Go on with another connection; what was not read of the last comes first. */
  replace(exchange: FrameExchange): void {
    this.#before += this.exchange.arrived
    exchange.adopt(this.exchange.take())
    this.#attached(exchange)
    this.#changed()
  }

  /** There will be no other connection. */
  finish(cause: HttpError): void {
    if (this.over !== undefined) return
    this.over = cause
    this.#publish({ _tag: "Closed", cause })
    this.#changed()
  }

  /** Whether what ended it is how a WebSocket should end. */
  get endedInOrder(): boolean {
    const { over } = this
    if (over?._tag !== "WebSocketClosed") return false
    if (over.code === 1000 || (this.closedHere && over.code !== 1006)) return true
    return !this.#reconnects && (over.code === 1001 || over.code === 1005)
  }

  #changed(): void {
    const waiting = [...this.#onChange]
    this.#onChange.clear()
    for (const onChange of waiting) onChange()
  }

  /** Call `onChange` once: when this connection has ended and another has taken its place, or none will. */
  waitNext(onChange: () => void): () => void {
    if (this.over !== undefined || this.exchange.end === undefined) onChange()
    else this.#onChange.add(onChange)
    return () => this.#onChange.delete(onChange)
  }

  free(): void {
    this.closedHere = true
    this.exchange.free()
    this.finish(this.exchange.end ?? new WebSocketClosed({ code: 1006, reason: "" }))
  }
}

/** Codes that say that the connection has done its work, or that this side does wrong and would again. */
const final = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010])
const passing = new Set<HttpError["_tag"]>([
  "ConnectError",
  "ConnectTimeout",
  "ConnectionClosed",
  "DnsError",
  "DnsTimeout",
  "HeadersTimeout",
  "ProxyError",
  "TlsTimeout"
])

const mayPass = (cause: HttpError): boolean => {
  if (cause._tag === "WebSocketClosed") return !final.has(cause.code)
  if (cause._tag === "WebSocketHandshakeError") return cause.reason === "Status" && isTransient(cause.status)
  return passing.has(cause._tag)
}

const untilEnded = (exchange: FrameExchange): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const forget = exchange.waitEnd(() => resume(Effect.void))
    return Effect.sync(forget)
  })

/**
 * Open another connection whenever one is lost, as the schedule says; it starts anew when messages have come since.
 *
 * @internal
 */
export const keepConnected = (
  link: WebSocketLink,
  open: Effect.Effect<FrameExchange, HttpError>,
  schedule: Schedule.Schedule<unknown, HttpError>
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const driver = yield* Schedule.driver(schedule)
    const reopen = (cause: HttpError): Effect.Effect<void, HttpError> =>
      Effect.gen(function*() {
        if (!mayPass(cause)) return yield* Effect.fail(cause)
        yield* Effect.mapError(driver.next(cause), () => cause)
        const failure = yield* Effect.uninterruptibleMask((restore) =>
          Effect.match(restore(open), {
            onFailure: (error) => error,
            onSuccess: (exchange) => link.replace(exchange)
          })
        )
        if (failure !== undefined) yield* reopen(failure)
      })
    while (link.over === undefined) {
      const { exchange } = link
      yield* untilEnded(exchange)
      if (exchange.arrived > 0) yield* driver.reset
      const cause = exchange.end
      if (cause === undefined || link.closedHere) return
      yield* Effect.catchAll(reopen(cause), (error) => Effect.sync(() => link.finish(error)))
    }
  })
