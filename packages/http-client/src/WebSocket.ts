/**
 * WebSocket (RFC 6455) with permessage-deflate (RFC 7692), over a connection of its own.
 *
 * @since 0.1.0
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as PubSub from "effect/PubSub"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { settingsOf } from "./HttpConfig.ts"
import type { ConnectionOptions } from "./HttpConfig.ts"
import { InvalidRequest, WebSocketClosed } from "./HttpError.ts"
import type { HttpError } from "./HttpError.ts"
import { keepConnected, WebSocketLink } from "./internal/keepConnected.ts"
import { Connector, originOf } from "./internal/openSocket.ts"
import { httpUrl, openExchange } from "./internal/openWebSocket.ts"
import * as PerMessageDeflate from "./PerMessageDeflate.ts"
import * as WebSocketFrame from "./WebSocketFrame.ts"

/**
 * Options of a connection, and
 *
 * - `protocols`: subprotocols to offer; a server may choose one of them or none
 * - `headers`: more headers of the opening request
 * - `perMessageDeflate`: offer compression (yes), as `PerMessageDeflate.defaultOffer` says or with changes
 * - `limits`: `WebSocketFrame.defaultLimits` unless given
 * - `heartbeat`: ping in this interval (never)
 * - `heartbeatTimeout`: how long after a ping something must have come, else the connection is given up with 1006 (as
 *   long as `heartbeat`)
 * - `reconnect`: when to connect again after an open connection was lost (never); its input is what was lost, and it
 *   starts anew once messages have come. The first connection is not made again: `connect` fails
 * - `timeouts`: `dns`, `connect` and `tls`, and `headers` for the answer to the handshake; the others do not apply
 * - `closeTimeout`: how long `close` waits for the other side (5 seconds)
 *
 * @since 0.1.0
 * @category models
 */
export interface WebSocketOptions extends Omit<ConnectionOptions, "limits"> {
  readonly protocols?: ReadonlyArray<string> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly perMessageDeflate?: boolean | Partial<PerMessageDeflate.Offer> | undefined
  readonly limits?: Partial<WebSocketFrame.WebSocketLimits> | undefined
  readonly heartbeat?: Duration.DurationInput | undefined
  readonly heartbeatTimeout?: Duration.DurationInput | undefined
  readonly reconnect?: Schedule.Schedule<unknown, HttpError> | undefined
  readonly closeTimeout?: Duration.DurationInput | undefined
}

/**
 * What happened to the connection. Connections are counted from 1.
 *
 * - `Open`: `messagesBefore` of all messages belong to earlier connections
 * - `Lost`: of the messages that were sent over it, `unconfirmed` may not have arrived; the others were sent before a ping
 *   that the other side has answered. Nothing is sent a second time
 * - `Closed`: there will be no other connection
 *
 * @since 0.1.0
 * @category models
 */
export type WebSocketStatus =
  | {
    readonly _tag: "Open"
    readonly connection: number
    readonly protocol: string
    readonly messagesBefore: number
  }
  | {
    readonly _tag: "Lost"
    readonly connection: number
    readonly cause: HttpError
    readonly unconfirmed: number
  }
  | { readonly _tag: "Closed"; readonly cause: HttpError }

/**
 * An open WebSocket.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebSocket {
  /** The subprotocol that the server chose first, "" for none. */
  readonly protocol: string
  /**
   * Text as strings, binary as bytes, in order; read by one at a time. The socket stops reading while nobody pulls. It
   * ends when the other side closes with 1000, or this one closes, and fails otherwise; without `reconnect` it ends with
   * 1001 and without a code too.
   */
  readonly messages: Stream.Stream<string | Uint8Array, HttpError>
  /**
   * The next message, instead of `messages`: less work for who answers each message before the next. It fails with
   * `WebSocketClosed` where `messages` end.
   */
  readonly receive: Effect.Effect<string | Uint8Array, HttpError>
  /**
   * Hand one message to the socket, and wait for that while it takes no more, or while there is no connection. When it
   * fails or is interrupted the message was not sent.
   */
  readonly send: (message: string | Uint8Array) => Effect.Effect<void, HttpError>
  /** Close with a code (1000, or 3000 to 4999) and give what the other side closed with. There is no other connection. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<WebSocketClosed, HttpError>
  /** The present status, then every change; who is more than 16 changes behind misses some. It ends after `Closed`. */
  readonly status: Stream.Stream<WebSocketStatus>
}

type Messages = Channel.Channel<Chunk.Chunk<string | Uint8Array>, unknown, HttpError, unknown, void, unknown>

/** Waits until something may have come. */
const changed = (link: WebSocketLink): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const onChange = () => resume(Effect.void)
    // a reader that is interrupted is forgotten when the next comes: to forget it here would cost every message
    if (link.exchange.end === undefined) return link.exchange.wait(onChange)
    const forget = link.waitNext(onChange)
    return Effect.sync(forget)
  })

/** All messages of one read are one chunk. */
const messagesOf = (link: WebSocketLink): Messages => {
  const wait = Channel.fromEffect(changed(link))
  const loop: Messages = Channel.suspend(() => {
    const messages = link.exchange.take()
    if (messages.length > 0) return Channel.flatMap(Channel.write(Chunk.unsafeFromArray(messages)), () => loop)
    if (link.exchange.end === undefined || link.over === undefined) return Channel.flatMap(wait, () => loop)
    return link.endedInOrder ? Channel.void : Channel.fail(link.over)
  })
  return loop
}

const receiveFrom = (link: WebSocketLink): Effect.Effect<string | Uint8Array, HttpError> => {
  const wait = changed(link)
  const next: Effect.Effect<string | Uint8Array, HttpError> = Effect.suspend(() => {
    const message = link.exchange.takeOne()
    if (message !== undefined) return Effect.succeed(message)
    if (link.exchange.end === undefined || link.over === undefined) return Effect.zipRight(wait, next)
    return Effect.fail(link.over)
  })
  return next
}

const sendTo = (link: WebSocketLink, message: string | Uint8Array): Effect.Effect<void, HttpError> =>
  Effect.suspend(() => {
    const { exchange } = link
    const { refusal } = exchange
    if (refusal === undefined) {
      return exchange.trySend(message) ? Effect.void : Effect.flatMap(
        Effect.async<boolean>((resume) => {
          const forget = exchange.sendLater(message, (sent) => resume(Effect.succeed(sent)))
          return Effect.sync(forget)
        }),
        (sent) => sent ? Effect.void : sendTo(link, message)
      )
    }
    if (link.over !== undefined || link.closedHere) return Effect.fail(link.over ?? refusal)
    return Effect.zipRight(
      Effect.async<void>((resume) => {
        const forget = exchange.end === undefined
          ? exchange.waitEnd(() => resume(Effect.void))
          : link.waitNext(() => resume(Effect.void))
        return Effect.sync(forget)
      }),
      sendTo(link, message)
    )
  })

const closing = (
  link: WebSocketLink,
  keeper: Fiber.Fiber<void> | undefined,
  code: number,
  reason: string,
  timeout: Duration.DurationInput
): Effect.Effect<WebSocketClosed, HttpError> =>
  Effect.suspend((): Effect.Effect<WebSocketClosed, HttpError> => {
    if ((code !== 1000 && (code < 3000 || code > 4999)) || Buffer.byteLength(reason) > 123) {
      return Effect.fail(
        new InvalidRequest({
          reason: "Framing",
          detail: "a close code is 1000 or 3000 to 4999, its reason at most 123 bytes"
        })
      )
    }
    link.closedHere = true
    const ended = Effect.suspend(() => {
      const { exchange } = link
      exchange.close(code, reason)
      return Effect.async<void>((resume) => {
        const forget = exchange.waitEnd(() => resume(Effect.void))
        return Effect.sync(forget)
      }).pipe(
        Effect.timeoutTo({
          duration: timeout,
          onSuccess: () => undefined,
          onTimeout: () => exchange.giveUp("CloseTimeout")
        }),
        Effect.flatMap(() => {
          const end = exchange.end ?? new WebSocketClosed({ code: 1006, reason: "" })
          link.finish(end)
          return end._tag === "WebSocketClosed" ? Effect.succeed(end) : Effect.fail(end)
        })
      )
    })
    return keeper === undefined ? ended : Effect.zipRight(Fiber.interrupt(keeper), ended)
  })

/** Ping, and look for any sign of life when it is time. */
const beat = (
  link: WebSocketLink,
  interval: Duration.DurationInput,
  timeout: Duration.DurationInput
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { exchange } = link
    if (link.over !== undefined) return Effect.void
    if (exchange.end !== undefined) {
      return Effect.zipRight(
        Effect.async<void>((resume) => {
          const forget = link.waitNext(() => resume(Effect.void))
          return Effect.sync(forget)
        }),
        beat(link, interval, timeout)
      )
    }
    const before = exchange.received
    exchange.ping()
    return Effect.sleep(timeout).pipe(
      Effect.zipRight(Effect.sync(() => {
        if (exchange.received === before && !exchange.isPaused) exchange.giveUp("Heartbeat")
      })),
      Effect.zipRight(Effect.sleep(Duration.subtract(interval, timeout))),
      Effect.zipRight(beat(link, interval, timeout))
    )
  })

/**
 * Open a WebSocket. When the scope ends it is closed with 1001.
 *
 * With `reconnect`, a lost connection is replaced: `messages` go on with those of the next, and `send` waits for it. What
 * was sent over the lost one may not have arrived, and what the server said meanwhile was not heard; `status` tells where
 * that happened, and how much it is. What is to be said at the start of a connection is said again, as in the example.
 * When the server closes with 1000 or a code that blames this side, or answers the handshake with a status that does not
 * pass, or when the schedule is over, there is no other connection, and `messages` fail with the last error.
 *
 * @example
 * ```ts
 * import { WebSocket } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 * import * as Schedule from "effect/Schedule"
 * import * as Stream from "effect/Stream"
 *
 * const program = Effect.gen(function*() {
 *   const socket = yield* WebSocket.connect("wss://example.com/prices", {
 *     heartbeat: "20 seconds",
 *     reconnect: Schedule.exponential("1 second").pipe(Schedule.jittered, Schedule.upTo("10 minutes"))
 *   })
 *   yield* Effect.forkScoped(Stream.runForEach(socket.status, (status) =>
 *     status._tag === "Open" ? socket.send("subscribe") : Effect.logWarning(status.cause.message)))
 *   yield* Stream.runForEach(socket.messages, (message) => Effect.log(message))
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = Effect.fn("WebSocket.connect")(
  function*(
    url: string | URL,
    options: WebSocketOptions = {}
  ): Effect.fn.Return<WebSocket, HttpError, Scope.Scope> {
    const { closeTimeout, headers, heartbeat, heartbeatTimeout, limits, perMessageDeflate, protocols, reconnect } =
      options
    const target = httpUrl(url)
    if ("_tag" in target) return yield* Effect.fail(target)
    const origin = originOf(target)
    if (origin === undefined) return yield* new InvalidRequest({ reason: "Url", detail: "the URL has no host" })
    const clock = yield* Effect.clock
    const fork = yield* FiberSet.makeRuntime<never>()
    const settings = settingsOf({ ...options, limits: {} })
    const offer = typeof perMessageDeflate === "object" ? perMessageDeflate : {}
    const open = openExchange({
      origin,
      target: target.pathname + target.search,
      headers: headers ?? {},
      protocols: protocols ?? [],
      deflate: perMessageDeflate === false ? undefined : { ...PerMessageDeflate.defaultOffer, ...offer },
      limits: { ...WebSocketFrame.defaultLimits, ...limits },
      connector: new Connector(settings, () => clock.unsafeCurrentTimeMillis(), fork)
    })
    const statuses = yield* PubSub.sliding<WebSocketStatus>({ capacity: 16, replay: 1 })
    const link = yield* Effect.acquireRelease(
      Effect.map(
        Effect.interruptible(open),
        (exchange) => new WebSocketLink(exchange, reconnect !== undefined, (status) => statuses.unsafeOffer(status))
      ),
      (made) => Effect.sync(() => made.free())
    )
    const keeper = reconnect && (yield* Effect.forkScoped(keepConnected(link, open, reconnect)))
    if (heartbeat !== undefined) yield* Effect.forkScoped(beat(link, heartbeat, heartbeatTimeout ?? heartbeat))
    return {
      protocol: link.exchange.protocol,
      messages: Stream.fromChannel(messagesOf(link)),
      receive: receiveFrom(link),
      send: (message) => sendTo(link, message),
      close: (code = 1000, reason = "") => closing(link, keeper, code, reason, closeTimeout ?? "5 seconds"),
      status: Stream.takeUntil(Stream.fromPubSub(statuses), (status) => status._tag === "Closed")
    }
  }
)
