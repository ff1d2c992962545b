/**
 * WebSocket (RFC 6455) with permessage-deflate (RFC 7692), over a connection of its own.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { settingsOf } from "./HttpConfig.ts"
import type { ConnectionOptions } from "./HttpConfig.ts"
import { ConnectTimeout, InvalidRequest, WebSocketClosed } from "./HttpError.ts"
import type { HttpError } from "./HttpError.ts"
import { WebSocketDriver } from "./internal/driveWebSocket.ts"
import { originOf } from "./internal/openSocket.ts"
import * as WebSocketFrame from "./WebSocketFrame.ts"

/**
 * Options of a connection, and
 *
 * - `protocols`: subprotocols to offer; a server may choose one of them or none
 * - `headers`: more headers of the opening request
 * - `perMessageDeflate`: offer compression (yes), without context takeover
 * - `limits`: `WebSocketFrame.defaultLimits` unless given
 * - `heartbeat`: ping in this interval, and close with 1006 when nothing came back until the next (none)
 * - `timeouts.connect`: until the handshake is done; the other timeouts do not apply
 * - `closeTimeout`: how long `close` waits for the other side (5 seconds)
 *
 * @since 0.1.0
 * @category models
 */
export interface WebSocketOptions extends Omit<ConnectionOptions, "limits"> {
  readonly protocols?: ReadonlyArray<string> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly perMessageDeflate?: boolean | undefined
  readonly limits?: Partial<WebSocketFrame.WebSocketLimits> | undefined
  readonly heartbeat?: Duration.DurationInput | undefined
  readonly closeTimeout?: Duration.DurationInput | undefined
}

/**
 * An open WebSocket.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebSocket {
  /** The subprotocol that the server chose, "" for none. */
  readonly protocol: string
  /**
   * Text as strings, binary as bytes, in order; read by one at a time. The socket stops reading while nobody pulls. It
   * ends when the other side closes with 1000, 1001 or no code, or this one closes, and fails otherwise.
   */
  readonly messages: Stream.Stream<string | Uint8Array, HttpError>
  /** Send one message, and wait while the socket takes no more. */
  readonly send: (message: string | Uint8Array) => Effect.Effect<void, HttpError>
  /** Close with a code (1000, or 3000 to 4999) and give what the other side closed with. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<WebSocketClosed, HttpError>
}

const inOrder = new Set([1000, 1001, 1005])

const messagesOf = (driver: WebSocketDriver): Stream.Stream<string | Uint8Array, HttpError> => {
  const changed = Effect.async<void>((resume) => {
    const forget = driver.wait(() => resume(Effect.void))
    return Effect.sync(forget)
  })
  const pull: Effect.Effect<Chunk.Chunk<string | Uint8Array>, Option.Option<HttpError>> = Effect.suspend(() => {
    const messages = driver.take()
    if (messages.length > 0) return Effect.succeed(Chunk.unsafeFromArray(messages))
    const { closedHere, end } = driver
    if (end === undefined) return Effect.zipRight(changed, pull)
    const ordered = end._tag === "WebSocketClosed" && (inOrder.has(end.code) || (closedHere && end.code !== 1006))
    return Effect.fail(ordered ? Option.none() : Option.some(end))
  })
  return Stream.fromPull(Effect.succeed(pull))
}

const sendTo = (driver: WebSocketDriver, message: string | Uint8Array): Effect.Effect<void, HttpError> =>
  Effect.suspend(() => {
    if (driver.end !== undefined) return Effect.fail(driver.end)
    if (driver.closing) return Effect.fail(new WebSocketClosed({ code: 1000, reason: "" }))
    return Effect.async<void, HttpError>((resume) => {
      driver.send(message, () => resume(driver.end === undefined ? Effect.void : Effect.fail(driver.end)))
    })
  })

const closing = (
  driver: WebSocketDriver,
  code: number,
  reason: string,
  timeout: Duration.DurationInput
): Effect.Effect<WebSocketClosed, HttpError> =>
  Effect.suspend(() => {
    if ((code !== 1000 && (code < 3000 || code > 4999)) || Buffer.byteLength(reason) > 123) {
      return Effect.fail(
        new InvalidRequest({
          reason: "Framing",
          detail: "a close code is 1000 or 3000 to 4999, its reason at most 123 bytes"
        })
      )
    }
    driver.close(code, reason)
    return Effect.async<void>((resume) => driver.waitEnd(() => resume(Effect.void))).pipe(
      Effect.timeoutTo({ duration: timeout, onSuccess: () => undefined, onTimeout: () => driver.giveUp() }),
      Effect.flatMap(() =>
        driver.end?._tag === "WebSocketClosed"
          ? Effect.succeed(driver.end)
          : Effect.fail(driver.end ?? new WebSocketClosed({ code: 1006, reason: "" }))
      )
    )
  })

/** Ping, and look for any sign of life until the next. */
const beat = (driver: WebSocketDriver, interval: Duration.DurationInput): Effect.Effect<void> =>
  Effect.suspend(() => {
    const before = driver.received
    driver.ping()
    return Effect.zipRight(
      Effect.sleep(interval),
      Effect.suspend(() => {
        if (driver.end !== undefined) return Effect.void
        if (driver.received > before || driver.isPaused) return beat(driver, interval)
        return Effect.sync(() => driver.giveUp())
      })
    )
  })

/** ws and wss are http and https with another name. */
const httpUrl = (url: string | URL): URL | InvalidRequest => {
  const text = String(url).replace(/^ws(s?):/i, "http$1:")
  if (!URL.canParse(text)) return new InvalidRequest({ reason: "Url", detail: "the URL cannot be parsed" })
  const made = new URL(text)
  if (made.protocol !== "http:" && made.protocol !== "https:") {
    return new InvalidRequest({ reason: "Url", detail: "the scheme of the URL is not ws or wss" })
  }
  return made.username === "" && made.password === ""
    ? made
    : new InvalidRequest({ reason: "Url", detail: "the URL has credentials in it; use an Authorization header" })
}

/**
 * Open a WebSocket. When the scope ends it is closed with 1001. To connect again after a failure, repeat the whole with a
 * `Schedule`, as the example does: what is to be said at the start of a connection is said again.
 *
 * @example
 * ```ts
 * import { WebSocket } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 * import * as Schedule from "effect/Schedule"
 * import * as Stream from "effect/Stream"
 *
 * const program = Effect.gen(function*() {
 *   const socket = yield* WebSocket.connect("wss://example.com/prices", { heartbeat: "20 seconds" })
 *   yield* socket.send("subscribe")
 *   yield* Stream.runForEach(socket.messages, (message) => Effect.log(message))
 * }).pipe(
 *   Effect.scoped,
 *   Effect.retry(Schedule.exponential("1 second").pipe(Schedule.jittered))
 * )
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
    const { closeTimeout, headers, heartbeat, limits, perMessageDeflate, protocols, ...connection } = options
    const target = httpUrl(url)
    if ("_tag" in target) return yield* Effect.fail(target)
    const origin = originOf(target)
    if (origin === undefined) return yield* new InvalidRequest({ reason: "Url", detail: "the URL has no host" })
    const settings = settingsOf(connection)
    const opening = {
      origin,
      target: target.pathname + target.search,
      headers: headers ?? {},
      protocols: protocols ?? [],
      deflate: perMessageDeflate ?? true,
      limits: { ...WebSocketFrame.defaultLimits, ...limits },
      settings
    }
    const driver = yield* Effect.acquireRelease(
      Effect.async<WebSocketDriver, HttpError>((resume) => {
        const made: WebSocketDriver = new WebSocketDriver(
          opening,
          (failure) => resume(failure === undefined ? Effect.succeed(made) : Effect.fail(failure))
        )
        made.open()
        return Effect.sync(() => made.free())
      }).pipe(
        Effect.timeoutFail({
          duration: settings.timeouts.connect,
          onTimeout: () => new ConnectTimeout({ origin: origin.key, millis: settings.timeouts.connect })
        }),
        Effect.interruptible
      ),
      (made) => Effect.sync(() => made.free())
    )
    if (heartbeat !== undefined) yield* Effect.forkScoped(beat(driver, heartbeat))
    return {
      protocol: driver.protocol,
      messages: messagesOf(driver),
      send: (message) => sendTo(driver, message),
      close: (code = 1000, reason = "") => closing(driver, code, reason, closeTimeout ?? "5 seconds")
    }
  }
)
