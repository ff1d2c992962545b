// @effect-diagnostics nodeBuiltinImport:off -- writes to a socket of node:net
import type * as Net from "node:net"
import { encodeChunkSize, lastChunk } from "../Http1.ts"
import { WriteError } from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import type { BodySink, Exchange } from "./runExchange.ts"

/** What the driver of a connection knows while a body is written. @internal */
export interface BodyWriting {
  readonly isOver: () => boolean
  /** Bytes were handed to the socket. */
  readonly onWrite: () => void
  readonly onEnd: () => void
  readonly fail: (error: HttpError) => void
  /** Call `ready` when the socket has room again. */
  readonly onRoom: (ready: () => void) => void
}

/**
 * A server may answer early and close. node:net ends a socket at the first write that fails, and what the server had
 * said is lost with it: so a failed write is kept from it. The socket ends when everything was read. Once per socket.
 *
 * @internal
 */
export const readOnAfterFailure = (socket: Net.Socket, onFailure: () => void): void => {
  const settled = (callback: (error?: Error | null) => void) => (error?: Error | null) => {
    if (error !== undefined && error !== null) onFailure()
    callback()
  }
  const write = socket._write.bind(socket)
  const writev = socket._writev?.bind(socket)
  socket._write = (chunk, encoding, callback) => write(chunk, encoding, settled(callback))
  if (writev !== undefined) socket._writev = (chunks, callback) => writev(chunks, settled(callback))
}

/** Bytes that are gathered before they are written in the middle of a turn. */
const gatherSize = 262_144

/**
 * Writes a streamed body, chunked or of its declared length. What comes in one turn of the event loop is written at once,
 * right after the sockets were read: so an early answer is not kept waiting by a source that never pauses.
 */
class BodyWriter implements BodySink {
  readonly #socket: Net.Socket
  readonly #exchange: Exchange
  readonly #writing: BodyWriting
  readonly #isChunked: boolean
  #gathered: Array<Uint8Array> = []
  #size = 0
  /** Bytes so far. */
  #total = 0
  #isDue = false
  #isFull = false
  /** Who wants to write more, when there is room. */
  #next: (() => void) | undefined

  constructor(socket: Net.Socket, exchange: Exchange, writing: BodyWriting) {
    this.#socket = socket
    this.#exchange = exchange
    this.#writing = writing
    this.#isChunked = exchange.request.uploadLength === -1
  }

  write(pieces: ReadonlyArray<Uint8Array>, ready: () => void): void {
    if (this.#writing.isOver()) return
    for (const piece of pieces) {
      if (piece.length === 0) continue
      this.#gathered.push(piece)
      this.#size += piece.length
      this.#total += piece.length
    }
    if (!this.#isChunked && this.#total > this.#exchange.request.uploadLength) return this.#failLength()
    if (!this.#isDue) {
      this.#isDue = true
      setImmediate(() => {
        this.#isDue = false
        this.#flush()
      })
    }
    if (this.#size >= gatherSize && !this.#isFull) this.#flush()
    if (this.#size >= gatherSize || this.#isFull) this.#next = ready
    else ready()
  }

  #flush(): void {
    if (this.#size === 0 || this.#isFull || this.#writing.isOver()) return
    const pieces = this.#gathered
    const socket = this.#socket
    socket.cork()
    if (this.#isChunked) socket.write(encodeChunkSize(this.#size), "latin1")
    for (const piece of pieces) socket.write(piece)
    if (this.#isChunked) socket.write("\r\n", "latin1")
    this.#gathered = []
    this.#size = 0
    socket.uncork()
    this.#writing.onWrite()
    if (!socket.writableNeedDrain) return
    this.#isFull = true
    this.#writing.onRoom(() => {
      this.#isFull = false
      this.#flush()
      const next = this.#next
      if (this.#isFull || next === undefined) return
      this.#next = undefined
      next()
    })
  }

  #failLength(): void {
    this.#writing.fail(new WriteError({ reason: "Length", origin: this.#exchange.origin.key }))
  }

  end(): void {
    if (this.#writing.isOver()) return
    if (!this.#isChunked && this.#total < this.#exchange.request.uploadLength) return this.#failLength()
    this.#isFull = false
    this.#flush()
    if (this.#isChunked) this.#socket.write(lastChunk, "latin1")
    this.#writing.onEnd()
  }

  fail(error: HttpError): void {
    if (!this.#writing.isOver()) this.#writing.fail(error)
  }
}

/** @internal */
export const writeBody = (socket: Net.Socket, exchange: Exchange, writing: BodyWriting): BodySink =>
  new BodyWriter(socket, exchange, writing)
