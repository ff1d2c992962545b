// @effect-diagnostics nodeBuiltinImport:off -- the driver of sockets: node:net, and setImmediate to follow its reads
import type * as Net from "node:net"
import type { Settings } from "../HttpConfig.ts"
import {
  BodyTimeout,
  ConnectionClosed,
  HeadersTimeout,
  PoolClosed,
  ProtocolError,
  TotalTimeout,
  WriteTimeout
} from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import type { Proxy } from "../Proxy.ts"
import { handshakeRefusal, openTimeout } from "./classifyOpenFailure.ts"
import type { OpenFailure } from "./classifyOpenFailure.ts"
import type { Field, ResponseEvents, ResponseHead } from "./modelResponse.ts"
import type { Connector, Opener, Opening, OpenPhase, Origin } from "./openSocket.ts"
import { headForProxy, proxyError } from "./openTunnel.ts"
import { ResponseReader } from "./parseResponse.ts"
import type { Carrier, Exchange } from "./runExchange.ts"
import { readOnAfterFailure, writeBody } from "./writeBody.ts"

/** Who owns a connection: gets it back after each response, and learns of its end. @internal */
export interface Owner {
  readonly settings: Settings
  readonly connector: Connector
  /** The time of the event in hand: a read, a request, a sweep. */
  coarseNow: number
  readonly now: () => number
  /** Calls `flush` of the connection when all that has arrived by now was handled. */
  readonly flushSoon: (driver: Driver) => void
  readonly release: (driver: Driver) => void
  /** It carries one exchange less, and may take another although it is not idle (pipelining). */
  readonly relieved: (driver: Driver) => void
  /** `retry` is the first of those exchanges (the others follow as `next`) that may and should be repeated. */
  readonly closed: (driver: Driver, retry: Exchange | undefined) => void
}

const never = Number.POSITIVE_INFINITY
/** Bytes of a read: small at first, large while they come in bulk. */
const smallRead = 65_536
const largeRead = 262_144
/** How long a body waits for `100 Continue`, in milliseconds; then it is sent all the same (RFC 9110 §10.1.1). */
const continueWait = 1000

/** It may be written behind others that have no answer yet: to repeat it does no harm, and it has no streamed body. */
const isPipelinable = ({ request }: Exchange): boolean =>
  request.replayable && request.upload === undefined && !request.close

/**
 * Drives one socket with callbacks. One exchange is being answered; with pipelining, others that are written already
 * wait behind it. Deadlines are plain fields that the owner sweeps.
 *
 * @internal
 */
export class Driver implements ResponseEvents, Carrier, Opener {
  readonly origin: Origin
  readonly createdAt: number
  /** Exchanges that it carries now. */
  load = 0
  closed = false
  idleUntil = 0
  remoteAddress: string | undefined = undefined
  readonly #owner: Owner
  readonly #parser: ResponseReader
  #opening: Opening | undefined
  #socket: Net.Socket | undefined
  /** The proxy at the other end, when it is asked by whole URLs. */
  #forward: Proxy | undefined
  /** The exchange that is being answered; the others follow as `next`. */
  #exchange: Exchange | undefined
  #last: Exchange | undefined
  /** Responses that have ended. */
  #answered = 0
  /** What became of writing bodies. */
  #writing: "never" | "works" | "failed" = "never"
  /** Heads of requests that are written when everything that has arrived was handled. */
  #outgoing = ""
  #phase: OpenPhase | "continue" | "write" | "headers" | "body" | "idle" = "connect"
  #deadline = never
  #requestDone = true
  #keepAlive = true
  #keepAliveSeconds = -1
  #readSize = smallRead
  #buffer: Uint8Array = Buffer.allocUnsafeSlow(smallRead)
  #bufferKept = false
  #paused = false
  #drained: (() => void) | undefined

  constructor(owner: Owner, origin: Origin) {
    this.#owner = owner
    this.origin = origin
    this.createdAt = owner.now()
    this.#parser = new ResponseReader(this, owner.settings.limits)
  }

  get idle(): boolean {
    return this.#phase === "idle" && !this.closed
  }

  /** Connect, then carry the exchange. */
  open(exchange: Exchange): void {
    this.#exchange = exchange
    exchange.carrier = this
    this.#opening = this.#owner.connector.open(this.origin, false, {
      buffer: () => {
        if (this.#bufferKept) {
          this.#bufferKept = false
          this.#buffer = Buffer.allocUnsafeSlow(this.#readSize)
        }
        return this.#buffer
      },
      callback: (size, buffer) => this.#read(size, buffer)
    }, this)
  }

  onPhase(phase: OpenPhase): void {
    this.#phase = phase
    this.#deadline = this.#owner.now() + this.#owner.settings.timeouts[phase]
  }

  onFailure(failure: OpenFailure): void {
    this.#end(failure)
  }

  onReady(socket: Net.Socket, forward: Proxy | undefined): void {
    this.#socket = socket
    this.#forward = forward
    socket.on("error", (error) => this.#lost(error))
    socket.on("end", () => this.#lost(undefined))
    socket.on("close", () => this.#lost(undefined))
    socket.on("drain", () => this.#drain())
    this.remoteAddress = socket.remoteAddress
    this.#owner.coarseNow = this.#owner.now()
    const exchange = this.#exchange
    this.#exchange = undefined
    if (exchange !== undefined) this.send(exchange)
  }

  /** Write the request of an exchange and read its response. */
  send(exchange: Exchange): void {
    const socket = this.#socket
    if (socket === undefined) return
    exchange.carrier = this
    this.load++
    if (this.#exchange === undefined) this.#expect(exchange)
    else if (this.#last !== undefined) this.#last.next = exchange
    this.#last = exchange
    const { body, expectsContinue, method, replayable, upload } = exchange.request
    const head = this.#forward === undefined
      ? exchange.request.head
      : headForProxy(exchange.request.head, method, this.origin, this.#forward)
    exchange.sent = upload === undefined ? "complete" : "partial"
    if (body === undefined && upload === undefined && replayable) {
      // A write wakes the server. Those of one turn come together, so that it finds many requests at once, and those of
      // one connection are one write. What must not be repeated is not kept back: it was sent or it was not.
      const isFirst = this.#outgoing === ""
      this.#outgoing += head
      if (isFirst) this.#owner.flushSoon(this)
      return
    }
    this.flush()
    if (body === undefined) {
      socket.write(head, "latin1")
    } else {
      const message = Buffer.allocUnsafe(head.length + body.length)
      message.write(head, 0, "latin1")
      message.set(body, head.length)
      socket.write(message)
    }
    if (upload === undefined) return
    if (expectsContinue) {
      this.#phase = "continue"
      this.#deadline = this.#owner.now() + continueWait
    } else {
      this.#startUpload(exchange)
    }
  }

  /** Write what is kept back. */
  flush(): void {
    const outgoing = this.#outgoing
    this.#outgoing = ""
    if (outgoing !== "" && !this.closed) this.#socket?.write(outgoing, "latin1")
  }

  /** The next response answers this exchange. */
  #expect(exchange: Exchange): void {
    this.#exchange = exchange
    this.#parser.start(exchange.request.method)
    this.#keepAlive = !exchange.request.close
    this.#requestDone = exchange.request.upload === undefined
    this.#phase = "headers"
    this.#deadline = this.#owner.coarseNow + this.#owner.settings.timeouts.headers
  }

  #startUpload(exchange: Exchange): void {
    const socket = this.#socket
    const { upload } = exchange.request
    if (socket === undefined || upload === undefined) return
    const moved = () => {
      if (this.#phase === "write") this.#deadline = this.#owner.now() + this.#owner.settings.timeouts.write
    }
    this.#phase = "write"
    moved()
    if (this.#writing === "never") {
      this.#writing = "works"
      readOnAfterFailure(socket, () => this.#writing = "failed")
    }
    exchange.stopUpload = upload(writeBody(socket, exchange, {
      isOver: () => this.#exchange !== exchange || this.closed || this.#writing === "failed",
      fail: (error) => this.#end(error),
      onWrite: moved,
      onRoom: (ready) => this.#drained = ready,
      onEnd: () => {
        this.#requestDone = true
        exchange.sent = "complete"
        exchange.stopUpload = undefined
        if (this.#phase !== "write") return
        this.#phase = "headers"
        this.#deadline = this.#owner.now() + this.#owner.settings.timeouts.headers
      }
    }))
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
    if (this.#phase === "idle" || this.#socket === undefined) {
      this.#end(new ProtocolError({ reason: "Unsolicited", offset: 0 }))
      return false
    }
    this.#readSize = size >= smallRead ? largeRead : smallRead
    let from = 0
    do {
      const failure = this.#parser.push(buffer, size, from)
      if (failure !== undefined) this.#end(failure)
      else if (!this.#parser.done) break
      else {
        from = size - this.#parser.excess
        this.#finish()
      }
    } while (from < size && !this.closed)
    return !this.closed && !this.#paused
  }

  onInformational(status: number): void {
    if (status === 100 && this.#phase === "continue" && this.#exchange !== undefined) this.#startUpload(this.#exchange)
  }

  onHead(head: ResponseHead): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (head.status === 407 && this.#forward !== undefined) {
      return this.#end(proxyError("Authentication", this.#forward, this.origin, { status: 407 }))
    }
    this.#keepAlive &&= head.keepAlive
    this.#keepAliveSeconds = head.keepAliveSeconds
    this.#phase = "body"
    this.#deadline = this.#owner.coarseNow + this.#owner.settings.timeouts.bodyIdle
    exchange.onHead(head)
    // nobody wants what comes now, and it is too much to swallow
    if (exchange.cancelled && !exchange.isNearlyDone) this.abort(exchange)
  }

  onBody(bytes: Uint8Array): void {
    this.#deadline = this.#owner.coarseNow + this.#owner.settings.timeouts.bodyIdle
    if (this.#exchange?.onBody(bytes) === true) this.#bufferKept = true
  }

  onEnd(trailers: ReadonlyArray<Field>): void {
    this.#exchange?.onEnd(trailers)
  }

  /** The response has ended: the next one begins, the connection goes back to its owner, or it cannot be used again. */
  #finish(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (!this.#requestDone) exchange.stopUpload?.()
    this.#exchange = exchange.next
    exchange.next = undefined
    this.load--
    this.#answered++
    const next = this.#exchange
    const isPoisoned = next === undefined && this.#parser.excess > 0
    if (!this.#keepAlive || !this.#requestDone || isPoisoned) return this.#destroy(this.#repeatable(next))
    if (this.#paused) this.resumeReading()
    if (next !== undefined) {
      this.#expect(next)
      return this.#owner.relieved(this)
    }
    const { coarseNow, settings } = this.#owner
    // a second less than promised, so that a request does not cross the server's close
    const hint = this.#keepAliveSeconds === -1 ? never : Math.max(0, this.#keepAliveSeconds - 1) * 1000
    this.idleUntil = coarseNow + Math.min(settings.idle, hint)
    this.#phase = "idle"
    this.#deadline = never
    if (this.#buffer.length > smallRead) {
      // an idle connection needs no large one
      this.#readSize = smallRead
      this.#bufferKept = true
    }
    this.#owner.release(this)
  }

  #lost(cause: Error | undefined): void {
    if (this.closed) return
    if (this.#exchange === undefined) return this.#destroy(undefined)
    const refusal = this.#answered === 0 && !this.#parser.begun ? handshakeRefusal(cause, this.origin) : undefined
    if (refusal !== undefined) return this.#end(refusal)
    if (!this.#parser.begun || cause !== undefined) return this.#end(this.#closedError(this.#exchange, cause))
    const failure = this.#parser.finish()
    if (failure !== undefined) return this.#end(failure)
    this.#keepAlive = false
    this.#finish()
  }

  #closedError({ sent }: Exchange, cause: Error | undefined): ConnectionClosed {
    return new ConnectionClosed({ origin: this.origin.key, sent, ...(cause === undefined ? {} : { cause }) })
  }

  /** Close the connection; its exchange fails, or is repeated when that is safe and the connection was stale. */
  #end(error: HttpError): void {
    if (this.closed) return
    const exchange = this.#exchange
    const isStale = error._tag === "ConnectionClosed" && this.#answered > 0 && !this.#parser.begun
    if (exchange === undefined || isStale) return this.#destroy(this.#repeatable(exchange, error))
    const behind = exchange.next
    exchange.next = undefined
    this.#destroy(this.#repeatable(behind))
    exchange.fail(error)
  }

  /** Of these exchanges without an answer, those that are repeated, as a chain; the others fail. */
  #repeatable(first: Exchange | undefined, error?: HttpError): Exchange | undefined {
    this.#exchange = undefined
    let chain: Exchange | undefined
    let last: Exchange | undefined
    for (let exchange = first; exchange !== undefined;) {
      const following: Exchange | undefined = exchange.next
      exchange.next = undefined
      if (exchange.fresh || exchange.cancelled || !exchange.request.replayable) {
        exchange.fail(error ?? this.#closedError(exchange, undefined))
      } else {
        exchange.fresh = true
        exchange.sent = "none"
        exchange.stopUpload?.()
        exchange.stopUpload = undefined
        if (last === undefined) chain = exchange
        else last.next = exchange
        last = exchange
      }
      exchange = following
    }
    return chain
  }

  #destroy(retry: Exchange | undefined): void {
    if (this.closed) return
    this.closed = true
    this.#deadline = never
    this.#drained = undefined
    this.#opening?.abort()
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

  /** Another request may follow those that it carries. */
  accepts(exchange: Exchange): boolean {
    return this.load > 0 && this.load < this.#owner.settings.pipelining && this.#answered > 0 && this.#keepAlive &&
      !this.closed && this.#last !== undefined && isPipelinable(this.#last) && isPipelinable(exchange) &&
      this.#owner.coarseNow < this.createdAt + this.#owner.settings.maxAge
  }

  /** When the next `sweep` has something to do. */
  get deadline(): number {
    if (this.#exchange !== undefined) {
      let next = this.#deadline
      for (let carried: Exchange | undefined = this.#exchange; carried !== undefined; carried = carried.next) {
        if (!carried.over) next = Math.min(next, carried.totalDeadline)
      }
      return next
    }
    return Math.min(this.idleUntil, this.createdAt + this.#owner.settings.maxAge)
  }

  sweep(now: number): void {
    const exchange = this.#exchange
    if (exchange === undefined) {
      if (this.#phase === "idle" && !this.isUsable(now)) this.#destroy(undefined)
      return
    }
    for (let behind = exchange.next; behind !== undefined; behind = behind.next) {
      if (now < behind.totalDeadline || behind.over) continue
      behind.cancelled = true
      behind.fail(this.#totalTimeout(behind))
    }
    if (now >= exchange.totalDeadline) {
      this.#end(this.#totalTimeout(exchange))
    } else if (now >= this.#deadline) {
      this.#expire(exchange, now)
    }
  }

  #totalTimeout({ sent }: Exchange): TotalTimeout {
    return new TotalTimeout({ origin: this.origin.key, millis: this.#owner.settings.timeouts.total, sent })
  }

  #expire(exchange: Exchange, now: number): void {
    const origin = this.origin.key
    const { bodyIdle, headers, write } = this.#owner.settings.timeouts
    switch (this.#phase) {
      case "dns":
      case "connect":
      case "tls":
        return this.#end(openTimeout(this.#phase, this.origin, this.#owner.settings.timeouts[this.#phase]))
      case "continue":
        return this.#startUpload(exchange)
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

  abort(exchange: Exchange): void {
    // the answer to one that waits for its turn is swallowed when it comes
    if (exchange !== this.#exchange) return
    const behind = exchange.next
    exchange.next = undefined
    this.#destroy(this.#repeatable(behind))
  }
}
