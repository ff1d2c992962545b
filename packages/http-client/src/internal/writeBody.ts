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
 * Writes a streamed body, chunked or of its declared length. It writes right after the sockets were read: a server that
 * answers early and closes is heard before a write runs into the closed connection and takes the answer with it.
 *
 * @internal
 */
export const writeBody = (socket: Net.Socket, exchange: Exchange, writing: BodyWriting): BodySink => {
  const { origin, request: { uploadLength } } = exchange
  const isChunked = uploadLength === -1
  let written = 0
  const lengthError = () => new WriteError({ reason: "Length", origin: origin.key })

  const put = (pieces: ReadonlyArray<Uint8Array>, ready: () => void): void => {
    if (writing.isOver()) return
    const length = lengthOf(pieces)
    written += length
    if (!isChunked && written > uploadLength) return writing.fail(lengthError())
    if (length === 0) return ready()
    let more = true
    socket.cork()
    if (isChunked) socket.write(encodeChunkSize(length), "latin1")
    for (const piece of pieces) more = socket.write(piece)
    if (isChunked) more = socket.write("\r\n", "latin1")
    socket.uncork()
    writing.onWrite()
    if (more) ready()
    else writing.onRoom(ready)
  }

  return {
    fail: (error) => {
      if (!writing.isOver()) writing.fail(error)
    },
    write: (pieces, ready) => {
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
