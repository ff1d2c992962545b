// @effect-diagnostics nodeBuiltinImport:off -- the driver of sockets: node:net, and setImmediate to follow its reads
import type * as Net from "node:net"
import { encodeChunkSize, lastChunk } from "../Http1.ts"
import type { Settings } from "../HttpConfig.ts"
import {
  BodyTimeout,
  ConnectionClosed,
  ConnectTimeout,
  HeadersTimeout,
  PoolClosed,
  ProtocolError,
  TotalTimeout,
  WriteError,
  WriteTimeout
} from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import type { Field, ResponseEvents, ResponseHead } from "./modelResponse.ts"
import { openFailure, openSocket } from "./openSocket.ts"
import type { Origin } from "./openSocket.ts"
import { ResponseParser } from "./parseResponse.ts"
import type { BodySink, Carrier, Exchange } from "./runExchange.ts"

/** Who owns a connection: gets it back after each response, and learns of its end. @internal */
export interface Owner {
  readonly settings: Settings
  /** The time of the event in hand: a read, a request, a sweep. */
  coarseNow: number
  readonly now: () => number
  readonly release: (driver: Driver) => void
  /** `retry` is an exchange that may and should be repeated on a new connection. */
  readonly closed: (driver: Driver, retry: Exchange | undefined) => void
}

const never = Number.POSITIVE_INFINITY
const readSize = 65_536

/**
 * Drives one socket with callbacks: at most one exchange at a time, its deadline a plain field that the owner sweeps.
 *
 * @internal
 */
export class Driver implements ResponseEvents, Carrier {
  readonly origin: Origin
  readonly createdAt: number
  /** Exchanges that it has carried. */
  carried = 0
  closed = false
  idleUntil = 0
  remoteAddress: string | undefined = undefined
  readonly #owner: Owner
  readonly #parser: ResponseParser
  #socket: Net.Socket | undefined
  #exchange: Exchange | undefined
  #phase: "connect" | "write" | "headers" | "body" | "idle" = "connect"
  #deadline = never
  #tcp = false
  #requestDone = true
  #keepAlive = true
  #keepAliveSeconds = -1
  #buffer: Uint8Array = Buffer.allocUnsafeSlow(readSize)
  #bufferKept = false
  #paused = false
  #drained: (() => void) | undefined

  constructor(owner: Owner, origin: Origin) {
    this.#owner = owner
    this.origin = origin
    this.createdAt = owner.now()
    this.#parser = new ResponseParser(this, owner.settings.limits)
  }

  get idle(): boolean {
    return this.#phase === "idle" && !this.closed
  }

  /** Connect, then carry the exchange. */
  open(exchange: Exchange): void {
    this.#exchange = exchange
    exchange.carrier = this
    this.#deadline = this.createdAt + this.#owner.settings.timeouts.connect
    const opened = openSocket(this.origin, this.#owner.settings, {
      buffer: () => {
        if (this.#bufferKept) {
          this.#bufferKept = false
          this.#buffer = Buffer.allocUnsafeSlow(readSize)
        }
        return this.#buffer
      },
      callback: (size, buffer) => this.#read(size, buffer)
    })
    if ("_tag" in opened) return this.#end(opened)
    this.#socket = opened
    opened.on("connect", () => {
      this.#tcp = true
      if (!this.origin.secure) this.#ready(opened)
    })
    if (this.origin.secure) opened.on("secureConnect", () => this.#ready(opened))
    opened.on("error", (error) => this.#lost(error))
    opened.on("end", () => this.#lost(undefined))
    opened.on("close", () => this.#lost(undefined))
    opened.on("drain", () => this.#drain())
  }

  #ready(socket: Net.Socket): void {
    this.remoteAddress = socket.remoteAddress
    this.#owner.coarseNow = this.#owner.now()
    const exchange = this.#exchange
    if (exchange !== undefined) this.send(exchange)
  }

  /** Write the request of an exchange and read its response. */
  send(exchange: Exchange): void {
    const socket = this.#socket
    if (socket === undefined) return
    this.#exchange = exchange
    exchange.carrier = this
    this.carried++
    const { body, close, head, method, upload } = exchange.request
    this.#parser.start(method)
    this.#keepAlive = !close
    this.#requestDone = upload === undefined
    exchange.sent = upload === undefined ? "complete" : "partial"
    this.#phase = "headers"
    this.#deadline = this.#owner.coarseNow + this.#owner.settings.timeouts.headers
    if (body === undefined) {
      socket.write(head, "latin1")
    } else {
      const message = Buffer.allocUnsafe(head.length + body.length)
      message.write(head, 0, "latin1")
      message.set(body, head.length)
      socket.write(message)
    }
    if (upload !== undefined) {
      this.#phase = "write"
      this.#deadline = this.#owner.now() + this.#owner.settings.timeouts.write
      exchange.stopUpload = upload(this.#sink(socket, exchange))
    }
  }

  #sink(socket: Net.Socket, exchange: Exchange): BodySink {
    const { uploadLength } = exchange.request
    let written = 0
    const isOver = () => this.#exchange !== exchange || this.closed
    const fail = (error: HttpError) => {
      if (!isOver()) this.#end(error)
    }
    const lengthError = () => new WriteError({ reason: "Length", origin: this.origin.key })
    return {
      fail,
      write: (chunk, ready) => {
        if (isOver()) return
        written += chunk.length
        if (uploadLength !== -1 && written > uploadLength) return fail(lengthError())
        if (chunk.length === 0) return ready()
        socket.cork()
        if (uploadLength === -1) socket.write(encodeChunkSize(chunk.length), "latin1")
        let more = socket.write(chunk)
        if (uploadLength === -1) more = socket.write("\r\n", "latin1")
        socket.uncork()
        if (this.#phase === "write") this.#deadline = this.#owner.coarseNow + this.#owner.settings.timeouts.write
        if (more) ready()
        else this.#drained = ready
      },
      end: () => {
        if (isOver()) return
        if (uploadLength === -1) socket.write(lastChunk, "latin1")
        else if (written < uploadLength) return fail(lengthError())
        this.#requestDone = true
        exchange.sent = "complete"
        exchange.stopUpload = undefined
        if (this.#phase === "write") {
          this.#phase = "headers"
          this.#deadline = this.#owner.now() + this.#owner.settings.timeouts.headers
        }
      }
    }
  }

  #drain(): void {
    const drained = this.#drained
    if (drained === undefined) return
    this.#owner.coarseNow = this.#owner.now()
    this.#drained = undefined
    if (this.#phase === "write") this.#deadline = this.#owner.coarseNow + this.#owner.settings.timeouts.write
    drained()
  }

  // ------------------------------------------------------------------------------------------------ what comes back

  #read(size: number, buffer: Uint8Array): boolean {
    if (this.closed) return false
    this.#owner.coarseNow = this.#owner.now()
    // bytes that nobody asked for could be taken for the answer to the next request
    if (this.#phase === "idle" || this.#phase === "connect") {
      this.#end(new ProtocolError({ reason: "Unsolicited", offset: 0 }))
      return false
    }
    const failure = this.#parser.push(buffer, size)
    if (failure !== undefined) this.#end(failure)
    else if (this.#parser.done) this.#finish()
    return !this.closed && !this.#paused
  }

  onHead(head: ResponseHead): void {
    this.#keepAlive &&= head.keepAlive
    this.#keepAliveSeconds = head.keepAliveSeconds
    this.#phase = "body"
    this.#deadline = this.#owner.coarseNow + this.#owner.settings.timeouts.bodyIdle
    this.#exchange?.onHead(head)
  }

  onBody(bytes: Uint8Array): void {
    this.#deadline = this.#owner.coarseNow + this.#owner.settings.timeouts.bodyIdle
    if (this.#exchange?.onBody(bytes) === true) this.#bufferKept = true
  }

  onEnd(trailers: ReadonlyArray<Field>): void {
    this.#exchange?.onEnd(trailers)
  }

  /** The response has ended: the connection goes back to its owner, or is closed when it cannot be used again. */
  #finish(): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    if (!this.#requestDone) exchange?.stopUpload?.()
    if (!this.#keepAlive || !this.#requestDone || this.#parser.excess > 0) return this.#destroy(undefined)
    const { coarseNow, settings } = this.#owner
    // a second less than promised, so that a request does not cross the server's close
    const hint = this.#keepAliveSeconds === -1 ? never : Math.max(0, this.#keepAliveSeconds - 1) * 1000
    this.idleUntil = coarseNow + Math.min(settings.idle, hint)
    if (this.#paused) this.resumeReading()
    this.#phase = "idle"
    this.#deadline = never
    this.#owner.release(this)
  }

  #lost(cause: Error | undefined): void {
    if (this.closed) return
    if (this.#exchange === undefined) return this.#destroy(undefined)
    if (this.#phase === "connect") {
      return this.#end(openFailure(cause ?? new Error("closed before it was ready"), this.origin, this.#tcp))
    }
    if (!this.#parser.begun || cause !== undefined) return this.#end(this.#closedError(cause))
    const failure = this.#parser.finish()
    if (failure !== undefined) return this.#end(failure)
    this.#keepAlive = false
    this.#finish()
  }

  #closedError(cause: Error | undefined): ConnectionClosed {
    const sent = this.#exchange?.sent ?? "none"
    return new ConnectionClosed({ origin: this.origin.key, sent, ...(cause === undefined ? {} : { cause }) })
  }

  /** Close the connection; the exchange fails, or is repeated when that is safe and the connection was stale. */
  #end(error: HttpError): void {
    if (this.closed) return
    const exchange = this.#exchange
    this.#exchange = undefined
    const stale = error._tag === "ConnectionClosed" && this.carried > 1 && exchange !== undefined &&
      !this.#parser.begun && !exchange.fresh && exchange.request.replayable
    if (stale) {
      exchange.fresh = true
      exchange.sent = "none"
      exchange.stopUpload?.()
      exchange.stopUpload = undefined
    }
    this.#destroy(stale ? exchange : undefined)
    if (!stale) exchange?.fail(error)
  }

  #destroy(retry: Exchange | undefined): void {
    if (this.closed) return
    this.closed = true
    this.#deadline = never
    this.#drained = undefined
    this.#socket?.destroy()
    this.#owner.closed(this, retry)
  }

  // ------------------------------------------------------------------------------------------- what the owner calls

  /** Close it: no exchange is carried, or the pool ends. */
  close(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return this.#destroy(undefined)
    this.#end(new PoolClosed({ origin: this.origin.key, sent: exchange.sent }))
  }

  /** Whether an idle connection can carry another request. */
  isUsable(now: number): boolean {
    return !this.closed && now < this.idleUntil && now < this.createdAt + this.#owner.settings.maxAge
  }

  /** When the next `sweep` has something to do. */
  get deadline(): number {
    const exchange = this.#exchange
    if (exchange !== undefined) return Math.min(this.#deadline, exchange.totalDeadline)
    return Math.min(this.idleUntil, this.createdAt + this.#owner.settings.maxAge)
  }

  sweep(now: number): void {
    const exchange = this.#exchange
    if (exchange === undefined) {
      if (this.#phase === "idle" && !this.isUsable(now)) this.#destroy(undefined)
    } else if (now >= exchange.totalDeadline) {
      this.#end(
        new TotalTimeout({ origin: this.origin.key, millis: this.#owner.settings.timeouts.total, sent: exchange.sent })
      )
    } else if (now >= this.#deadline) {
      this.#expire(exchange, now)
    }
  }

  #expire(exchange: Exchange, now: number): void {
    const origin = this.origin.key
    const { bodyIdle, connect, headers, write } = this.#owner.settings.timeouts
    switch (this.#phase) {
      case "connect":
        return this.#end(new ConnectTimeout({ origin, millis: connect }))
      case "write":
        return this.#end(new WriteTimeout({ origin, millis: write }))
      case "headers":
        return this.#end(new HeadersTimeout({ origin, millis: headers }))
      default:
        if (exchange.paused && exchange.attached) this.#deadline = now + bodyIdle // a slow reader may be slow
        else this.#end(new BodyTimeout({ reason: exchange.paused ? "Reader" : "Server", origin, millis: bodyIdle }))
    }
  }

  // ---------------------------------------------------------------------------------------- what the exchange calls

  pauseReading(): void {
    this.#paused = true
    this.#socket?.pause()
  }

  resumeReading(): void {
    this.#paused = false
    this.#deadline = this.#owner.now() + this.#owner.settings.timeouts.bodyIdle
    this.#socket?.resume()
  }

  afterReads(wake: () => void): void {
    // the phase after the one in which Node polls sockets
    setImmediate(wake)
  }

  abort(): void {
    this.#exchange = undefined
    this.#destroy(undefined)
  }
}
