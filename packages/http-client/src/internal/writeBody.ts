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

const lengthOf = (pieces: ReadonlyArray<Uint8Array>): number => {
  let length = 0
  for (const piece of pieces) length += piece.length
  return length
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

/** Bytes after which the sockets are read before more is written. */
const turnSize = 262_144

/**
 * Writes a streamed body, chunked or of its declared length. An early answer is not kept waiting by a source that never
 * pauses.
 *
 * @internal
 */
export const writeBody = (socket: Net.Socket, exchange: Exchange, writing: BodyWriting): BodySink => {
  const { origin, request: { uploadLength } } = exchange
  const isChunked = uploadLength === -1
  let written = 0
  let sinceTurn = 0
  const lengthError = () => new WriteError({ reason: "Length", origin: origin.key })

  const put = (pieces: ReadonlyArray<Uint8Array>, ready: () => void): void => {
    if (writing.isOver()) return
    const length = lengthOf(pieces)
    written += length
    sinceTurn += length
    if (!isChunked && written > uploadLength) return writing.fail(lengthError())
    if (length === 0) return ready()
    let more = true
    const isSingle = !isChunked && pieces.length === 1
    if (!isSingle) socket.cork()
    if (isChunked) socket.write(encodeChunkSize(length), "latin1")
    for (const piece of pieces) more = socket.write(piece)
    if (isChunked) more = socket.write("\r\n", "latin1")
    if (!isSingle) socket.uncork()
    writing.onWrite()
    if (more) ready()
    else writing.onRoom(ready)
  }

  return {
    fail: (error) => {
      if (!writing.isOver()) writing.fail(error)
    },
    write: (pieces, ready) => {
      if (sinceTurn < turnSize) return put(pieces, ready)
      sinceTurn = 0
      setImmediate(put, pieces, ready)
    },
    end: () => {
      if (writing.isOver()) return
      if (!isChunked && written < uploadLength) return writing.fail(lengthError())
      if (isChunked) socket.write(lastChunk, "latin1")
      writing.onEnd()
    }
  }
}
