// @effect-diagnostics nodeBuiltinImport:off -- node:crypto makes the key of the handshake
import * as Crypto from "node:crypto"
import type * as Net from "node:net"
import { encodeRequestHead } from "../Http1.ts"
import { ConnectionClosed, InvalidRequest, WebSocketClosed, WebSocketHandshakeError } from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import * as PerMessageDeflate from "../PerMessageDeflate.ts"
import type { WebSocketLimits } from "../WebSocketFrame.ts"
import type { OpenFailure } from "./classifyOpenFailure.ts"
import { FrameExchange } from "./exchangeFrames.ts"
import type { ResponseHead } from "./modelResponse.ts"
import type { Connector, Opener, Opening as SocketOpening, OpenPhase, Origin } from "./openSocket.ts"
import { ResponseReader } from "./parseResponse.ts"

/** What to ask for. @internal */
export interface Opening {
  readonly origin: Origin
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly protocols: ReadonlyArray<string>
  readonly deflate: PerMessageDeflate.Offer | undefined
  readonly limits: WebSocketLimits
  readonly connector: Connector
}

/** §1.3 of RFC 6455 */
const proofOf = (key: string): string =>
  Crypto.createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")

const readSize = 65_536

/**
 * Drives one socket through the opening handshake, with callbacks; then it is a `FrameExchange`'s.
 *
 * @internal
 */
export class WebSocketDriver implements Opener {
  readonly #opening: Opening
  readonly #key = Crypto.randomBytes(16).toString("base64")
  #making: SocketOpening | undefined
  #socket: Net.Socket | undefined
  #head = ""
  #onStep: (() => void) | undefined
  /** What it waits for until it is open. */
  phase: OpenPhase | "headers" = "connect"
  /** What is spoken when the handshake has succeeded. */
  exchange: FrameExchange | undefined
  /** Why it did not succeed. */
  failure: HttpError | undefined

  constructor(opening: Opening) {
    this.#opening = opening
  }

  open(): void {
    const { connector, origin } = this.#opening
    const head = this.#request()
    if (typeof head !== "string") return this.#fail(head)
    this.#head = head
    const parser = new ResponseReader({
      onHead: (response) => this.#answer(response),
      onBody: () => undefined,
      onEnd: () => undefined
    }, connector.settings.limits)
    parser.start("GET", true)
    const buffer = Buffer.allocUnsafeSlow(readSize)
    this.#making = connector.open(origin, true, {
      buffer: () => buffer,
      callback: (size, bytes) => {
        if (this.exchange !== undefined) return this.exchange.receive(bytes, 0, size)
        const failure = parser.push(bytes, size)
        if (failure !== undefined) this.#fail(failure)
        return this.#opened(bytes, size - parser.excess, size)
      }
    }, this)
  }

  /** Messages may come in the same bytes as the answer. */
  #opened(bytes: Uint8Array, start: number, end: number): boolean {
    return this.exchange === undefined ? this.failure === undefined : this.exchange.receive(bytes, start, end)
  }

  onPhase(phase: OpenPhase | "headers"): void {
    this.phase = phase
    this.#step()
  }

  onFailure(failure: OpenFailure): void {
    this.#fail(failure)
  }

  onReady(socket: Net.Socket): void {
    this.#socket = socket
    socket.on("error", (error) => this.#lost(error))
    socket.on("end", () => this.#lost(undefined))
    socket.on("close", () => this.#lost(undefined))
    socket.write(this.#head, "latin1")
    this.onPhase("headers")
  }

  #step(): void {
    const onStep = this.#onStep
    this.#onStep = undefined
    onStep?.()
  }

  /** Call `onStep` once: when `phase` is over, or now when it was over before the call. */
  waitStep(phase: OpenPhase | "headers", onStep: () => void): void {
    if (this.phase !== phase || this.exchange !== undefined || this.failure !== undefined) onStep()
    else this.#onStep = onStep
  }

  #request(): string | InvalidRequest {
    const { deflate, headers, origin, protocols, target } = this.#opening
    const own = {
      "sec-websocket-key": this.#key,
      "sec-websocket-version": "13",
      ...(protocols.length === 0 ? {} : { "sec-websocket-protocol": protocols.join(", ") }),
      ...(deflate === undefined ? {} : { "sec-websocket-extensions": PerMessageDeflate.encodeOffer(deflate) })
    }
    const forbidden = Object.keys(headers).find((name) => name.toLowerCase().startsWith("sec-websocket-"))
    if (forbidden !== undefined) {
      return new InvalidRequest({
        reason: "Framing",
        detail: `the header ${forbidden} is written by the connection only`
      })
    }
    const head = encodeRequestHead({
      method: "GET",
      target,
      host: origin.host,
      headers: { ...headers, ...own },
      framing: "none"
    })
    return typeof head === "string" ? `${head.slice(0, -2)}connection: Upgrade\r\nupgrade: websocket\r\n\r\n` : head
  }

  #answer(response: ResponseHead): void {
    const fields = new Map<string, string>()
    for (const [name, value] of response.fields) {
      const before = fields.get(name)
      fields.set(name, before === undefined ? value : `${before}, ${value}`)
    }
    const { deflate, limits, origin, protocols } = this.#opening
    const refuse = (reason: WebSocketHandshakeError["reason"]) =>
      this.#fail(new WebSocketHandshakeError({ reason, origin: origin.key, status: response.status }))
    if (response.status !== 101) return refuse("Status")
    const options = (fields.get("connection") ?? "").toLowerCase().split(",").map((option) => option.trim())
    if (fields.get("upgrade")?.toLowerCase() !== "websocket" || !options.includes("upgrade")) return refuse("Upgrade")
    if (fields.get("sec-websocket-accept") !== proofOf(this.#key)) return refuse("Accept")
    const protocol = fields.get("sec-websocket-protocol")
    if (protocol !== undefined && !protocols.includes(protocol)) return refuse("Protocol")
    const extensions = fields.get("sec-websocket-extensions")
    const agreement = extensions !== undefined && deflate !== undefined
      ? PerMessageDeflate.agree(extensions, deflate)
      : undefined
    if (this.#socket === undefined || (extensions !== undefined && agreement === undefined)) return refuse("Extension")
    this.exchange = new FrameExchange(this.#socket, protocol ?? "", limits, agreement)
    this.#step()
  }

  #lost(error: Error | undefined): void {
    if (this.exchange !== undefined) return this.exchange.lost()
    const cause = error === undefined ? {} : { cause: error }
    this.#fail(new ConnectionClosed({ origin: this.#opening.origin.key, sent: "complete", ...cause }))
  }

  #fail(failure: HttpError): void {
    if (this.failure !== undefined || this.exchange !== undefined) return
    this.failure = failure
    this.#socket?.destroy()
    this.#making?.abort()
    this.#step()
  }

  /** Nobody needs it any more: say so if it is open, and close the socket. */
  free(): void {
    this.exchange?.free()
    this.#fail(new WebSocketClosed({ code: 1006, reason: "" }))
  }
}
