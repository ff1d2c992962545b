import * as Duration from "effect/Duration"
import { WebSocketClosed } from "../HttpError.ts"
import type { WebSocketOptions as EffectOptions } from "../WebSocket.ts"
import { WorkerBridge } from "./callWorker.ts"
import { packOptions } from "./carryOptions.ts"

/**
 * Options of a WebSocket that can be sent to a worker; `timeout` bounds how long one call may block (no bound).
 *
 * @since 0.1.0
 * @category models
 */
export interface WebSocketOptions extends Omit<EffectOptions, "reconnect" | "ssrfGuard"> {
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * How long to wait for a message; that of the socket unless given.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReceiveOptions {
  readonly timeout?: Duration.DurationInput | undefined
}

const millisOf = (timeout: Duration.DurationInput | undefined, otherwise = Number.POSITIVE_INFINITY): number =>
  timeout === undefined ? otherwise : Duration.toMillis(timeout)

/**
 * An open WebSocket.
 *
 * @example
 * ```ts
 * import { WebSocket } from "@sennit/http-client/Sync"
 *
 * using socket = WebSocket.connect("wss://example.com/prices")
 * socket.send("subscribe")
 * for (const message of socket) process.stdout.write(message)
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class WebSocket implements Disposable, Iterable<string | Uint8Array> {
  /** The subprotocol that the server chose, "" for none. */
  readonly protocol: string
  readonly #bridge: WorkerBridge
  readonly #isOwner: boolean
  readonly #id: number
  readonly #url: string
  readonly #millis: number

  /** @internal */
  constructor(bridge: WorkerBridge, isOwner: boolean, url: string, { timeout, ...options }: WebSocketOptions) {
    this.#bridge = bridge
    this.#isOwner = isOwner
    this.#id = bridge.nextId
    this.#url = url
    this.#millis = millisOf(timeout)
    this.protocol = bridge.call(
      this.#id,
      { op: "connect", url, options: packOptions(options) },
      { millis: this.#millis, url }
    )
  }

  /** Open a WebSocket on a worker of its own, and wait until it is open. */
  static connect(url: string, options: WebSocketOptions = {}): WebSocket {
    return openSocket(new WorkerBridge({}), true, url, options)
  }

  /** Send one message, and wait while the connection takes no more. */
  send(message: string | Uint8Array): void {
    const own = typeof message === "string" ? message : new Uint8Array(message)
    this.#bridge.call(
      this.#bridge.nextId,
      { op: "send", socket: this.#id, message: own },
      { millis: this.#millis, url: this.#url }
    )
  }

  /**
   * Wait for the next message: text as a string, binary as bytes, `undefined` after the other side has closed in order.
   * A message that comes after the time is over is there for the next call.
   */
  receive(options: ReceiveOptions = {}): string | Uint8Array | undefined {
    const millis = millisOf(options.timeout, this.#millis)
    return this.#bridge.call(this.#bridge.nextId, { op: "receive", socket: this.#id }, { millis, url: this.#url })
  }

  /** Messages until the other side closes. */
  *[Symbol.iterator](): Generator<string | Uint8Array, void> {
    for (let message = this.receive(); message !== undefined; message = this.receive()) yield message
  }

  /** Close with a code (1000, or 3000 to 4999), and wait for what the other side closes with. */
  close(code = 1000, reason = ""): WebSocketClosed {
    const closed = this.#bridge.call(
      this.#bridge.nextId,
      { op: "close", socket: this.#id, code, reason },
      { millis: this.#millis, url: this.#url }
    )
    if (this.#isOwner) this.#bridge.close()
    return new WebSocketClosed(closed)
  }

  /** Let it go at once, with 1001 if it is still open. */
  [Symbol.dispose](): void {
    if (this.#isOwner) return this.#bridge.close()
    if (!this.#bridge.running) return
    this.#bridge.call(
      this.#bridge.nextId,
      { op: "leave", socket: this.#id },
      { millis: Number.POSITIVE_INFINITY, url: this.#url }
    )
  }
}

/** @internal */
export const openSocket = (
  bridge: WorkerBridge,
  isOwner: boolean,
  url: string,
  options: WebSocketOptions
): WebSocket => {
  try {
    return new WebSocket(bridge, isOwner, url, options)
  } catch (error) {
    if (isOwner) bridge.close()
    throw error
  }
}
