/**
 * Server-sent events as a stream that connects again and goes on where it was.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { EventStreamError } from "./HttpError.ts"
import { isLost, isTransient } from "./internal/classifyFailure.ts"
import { leave } from "./internal/interceptSend.ts"
import { responseErrorOf } from "./internal/viewResponse.ts"
import * as Sse from "./Sse.ts"

/**
 * - `reconnect`: when to connect again after the connection was lost or the server ended the stream (every 3 seconds);
 *   it starts anew after each event. A longer time that the server asks for (`retry:`) is waited for
 * - `lastEventId`: where to go on from at the start
 * - `limits`: `Sse.defaultLimits` unless given
 *
 * @since 0.1.0
 * @category models
 */
export interface EventSourceOptions {
  readonly reconnect?: Schedule.Schedule<unknown> | undefined
  readonly lastEventId?: string | undefined
  readonly limits?: Partial<Sse.SseLimits> | undefined
}

/** What outlives a connection. */
interface State {
  lastEventId: string
  retry: number
  /** Why the last connection ended; undefined when the server ended it in order. */
  lost: HttpClientError | undefined
  /** An event came since the last connection was made. */
  advanced: boolean
  /** The server said that there is no more. */
  over: boolean
}

const requestOf = (request: HttpClientRequest.HttpClientRequest, lastEventId: string) => {
  const asking = HttpClientRequest.setHeaders(request, { accept: "text/event-stream", "cache-control": "no-store" })
  // header values are bytes; an id goes back in the UTF-8 that it came in (WHATWG HTML §9.2.3)
  const bytes = Buffer.from(lastEventId).toString("latin1")
  return lastEventId === "" ? asking : HttpClientRequest.setHeader(asking, "last-event-id", bytes)
}

const isEventStream = (response: HttpClientResponse): boolean =>
  /^text\/event-stream\s*(?:;|$)/i.test(response.headers["content-type"] ?? "")

/** The events of one connection; what was lost on the way is noted, and ends it. */
const oneConnection = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest.HttpClientRequest,
  state: State,
  limits: Sse.SseLimits
): Stream.Stream<Sse.ServerSentEvent, HttpClientError> =>
  Stream.unwrap(Effect.map(client.execute(requestOf(request, state.lastEventId)), (response) => {
    if (response.status === 204) {
      state.over = true
      return Stream.empty
    }
    if (response.status !== 200 || !isEventStream(response)) {
      const error = responseErrorOf(
        response,
        new EventStreamError({ reason: response.status === 200 ? "ContentType" : "Status", status: response.status })
      )
      if (isTransient(response.status)) state.lost = error
      return Stream.unwrap(Effect.as(leave(response), isTransient(response.status) ? Stream.empty : Stream.fail(error)))
    }
    const parser = new Sse.SseParser(limits, state.lastEventId)
    return Stream.mapConcatEffect(response.stream, (bytes) => {
      const events = parser.push(bytes)
      if ("_tag" in events) return Effect.fail(responseErrorOf(response, events))
      state.lastEventId = parser.lastEventId
      state.retry = parser.retry ?? state.retry
      if (events.length > 0) state.advanced = true
      return Effect.succeed(events)
    })
  })).pipe(
    Stream.catchAll((error) => {
      if (!isLost(error)) return Stream.fail(error)
      state.lost = error
      return Stream.empty
    })
  )

/**
 * The events of a URL. When the connection is lost, or the server ends the stream or answers with a transient status, it
 * connects again with `Last-Event-ID`, as `reconnect` says; when that says no more, the stream fails with what was lost,
 * or ends. 204 ends it; another status, another content type, or what is over a limit fails it, with `EventStreamError`
 * as the cause. `bodyIdle` of the client bounds how long a server may be silent.
 *
 * @example
 * ```ts
 * import { EventSource } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 * import * as Schedule from "effect/Schedule"
 * import * as Stream from "effect/Stream"
 *
 * const program = EventSource.stream("https://example.com/events", {
 *   reconnect: Schedule.exponential("1 second").pipe(Schedule.jittered)
 * }).pipe(Stream.runForEach(({ data }) => Effect.log(data)))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const stream = (
  request: HttpClientRequest.HttpClientRequest | string,
  options: EventSourceOptions = {}
): Stream.Stream<Sse.ServerSentEvent, HttpClientError, HttpClient.HttpClient> =>
  Stream.unwrap(Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const driver = yield* Schedule.driver(options.reconnect ?? Schedule.spaced("3 seconds"))
    const asked = typeof request === "string" ? HttpClientRequest.get(request) : request
    const limits = { ...Sse.defaultLimits, ...options.limits }
    const state: State = {
      lastEventId: options.lastEventId ?? "",
      retry: 0,
      lost: undefined,
      advanced: false,
      over: false
    }
    let connected = false
    /** Waits until the next connection may be made; `none` when there is to be none. */
    const nextConnection: Effect.Effect<void, Option.Option<HttpClientError>> = Effect.gen(function*() {
      if (state.over) return yield* Effect.fail(Option.none())
      if (!connected) {
        connected = true
        return
      }
      if (state.advanced) yield* driver.reset
      const started = yield* Clock.currentTimeMillis
      yield* Effect.mapError(driver.next(undefined), () => Option.fromNullable(state.lost))
      const rest = started + state.retry - (yield* Clock.currentTimeMillis)
      if (rest > 0) yield* Effect.sleep(rest)
      state.advanced = false
      state.lost = undefined
    })
    return Stream.flatMap(
      Stream.repeatEffectOption(nextConnection),
      () => Stream.suspend(() => oneConnection(client, asked, state, limits))
    )
  }))
