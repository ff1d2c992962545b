// @effect-diagnostics nodeBuiltinImport:off -- a server for tests that writes raw bytes
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as Tls from "node:tls"

/**
 * The client closed the connection while the script waited for a request.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionEnded extends Data.TaggedError("ConnectionEnded")<{ readonly received: string }> {}

/**
 * A request as it arrived: ISO 8859-1 text, the body without its chunk frames.
 *
 * @since 0.1.0
 * @category models
 */
export interface RawRequest {
  readonly head: string
  readonly body: string
}

/**
 * One accepted connection, in the hands of a script.
 *
 * @since 0.1.0
 * @category models
 */
export interface RawConnection {
  /** 0 for the first connection of the server. */
  readonly index: number
  /** The next complete request. */
  readonly request: Effect.Effect<RawRequest, ConnectionEnded>
  /** Write, and wait until the socket took it. */
  readonly write: (bytes: string | Uint8Array) => Effect.Effect<void>
  /** Write piece by piece, each `size` bytes long and sent on its own. */
  readonly writeEach: (bytes: string | Uint8Array, size: number) => Effect.Effect<void>
  /** Bytes that the socket has not passed on, because the client does not read. */
  readonly pending: Effect.Effect<number>
  readonly end: Effect.Effect<void>
  readonly reset: Effect.Effect<void>
  /** Stop reading, so that the client's writes stall. */
  readonly stopReading: Effect.Effect<void>
  /** Waits until the connection is closed. */
  readonly closed: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RawServer {
  readonly port: number
  /** Without a slash at the end. */
  readonly url: string
  /** Connections accepted since the start. */
  readonly connections: Effect.Effect<number>
  /** Complete requests received since the start. */
  readonly requests: Effect.Effect<number>
  /** Connections open now. */
  readonly open: Effect.Effect<number>
  /** Waits until no connection is open. */
  readonly quiet: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RawServerOptions {
  /** Speak TLS, with a key and certificate in PEM. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
}

const bytesOf = (bytes: string | Uint8Array): Uint8Array =>
  typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes

/** Cut one complete request from the front of what has arrived. */
const cutRequest = (text: string): readonly [request: RawRequest, rest: string] | undefined => {
  const headEnd = text.indexOf("\r\n\r\n")
  if (headEnd === -1) return undefined
  const head = text.slice(0, headEnd + 4)
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
  let at = headEnd + 4
  if (!/^transfer-encoding: *chunked/im.test(head)) {
    if (text.length < at + length) return undefined
    return [{ head, body: text.slice(at, at + length) }, text.slice(at + length)]
  }
  let body = ""
  while (true) {
    const lineEnd = text.indexOf("\r\n", at)
    if (lineEnd === -1) return undefined
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (text.length < next) return undefined
    if (size === 0) return [{ head, body }, text.slice(next)]
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = next
  }
}

/** The receiving half of a connection: text that arrived, and who waits for a request. */
class Inbox {
  #text = ""
  #ended = false
  #wake: (() => void) | undefined
  readonly #onRequest: () => void

  constructor(onRequest: () => void) {
    this.#onRequest = onRequest
  }

  push(data: Buffer): void {
    this.#text += data.toString("latin1")
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  readonly next: Effect.Effect<RawRequest, ConnectionEnded> = Effect.suspend(() => {
    const cut = cutRequest(this.#text)
    if (cut !== undefined) {
      this.#text = cut[1]
      this.#onRequest()
      return Effect.succeed(cut[0])
    }
    if (this.#ended) return Effect.fail(new ConnectionEnded({ received: this.#text }))
    return Effect.async((resume) => {
      this.#wake = () => {
        this.#wake = undefined
        resume(this.next)
      }
    })
  })
}

const connectionOf = (
  socket: Net.Socket,
  index: number,
  inbox: Inbox,
  closed: Deferred.Deferred<void>
): RawConnection => {
  const write = (bytes: string | Uint8Array) =>
    Effect.async<void>((resume) => {
      if (socket.destroyed) return resume(Effect.void)
      socket.write(bytesOf(bytes), () => resume(Effect.void))
    })
  return {
    index,
    request: inbox.next,
    write,
    writeEach: (bytes, size) => {
      const all = bytesOf(bytes)
      const starts = Array.from({ length: Math.ceil(all.length / size) }, (_, piece) => piece * size)
      return Effect.forEach(starts, (at) => Effect.zipRight(write(all.subarray(at, at + size)), Effect.yieldNow()), {
        discard: true
      })
    },
    pending: Effect.sync(() => socket.writableLength),
    end: Effect.sync(() => socket.end()),
    reset: Effect.sync(() => socket.resetAndDestroy()),
    stopReading: Effect.sync(() => socket.pause()),
    closed: Deferred.await(closed)
  }
}

/**
 * A server on a free port of 127.0.0.1 that runs a script for each connection. What the script does not close stays
 * open until the client or the scope closes it.
 *
 * @example
 * ```ts
 * import { rawServer } from "@sennit/http-client/testing"
 * import * as Effect from "effect/Effect"
 *
 * const truncating = rawServer((connection) =>
 *   Effect.gen(function*() {
 *     yield* connection.request
 *     yield* connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
 *     yield* connection.end
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  script: (connection: RawConnection) => Effect.Effect<void, ConnectionEnded>,
  options: RawServerOptions = {}
): Effect.Effect<RawServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const fork = yield* FiberSet.makeRuntime<never>()
    const sockets = new Set<Net.Socket>()
    let connections = 0
    let requests = 0
    let waiters: Array<() => void> = []
    const accept = (socket: Net.Socket) => {
      const inbox = new Inbox(() => requests++)
      const closed = Deferred.unsafeMake<void>(fork(Effect.void).id())
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on("data", (data: Buffer) => inbox.push(data))
      socket.on("end", () => inbox.end())
      socket.on("error", () => socket.destroy())
      socket.on("close", () => {
        sockets.delete(socket)
        inbox.end()
        Deferred.unsafeDone(closed, Effect.void)
        if (sockets.size > 0) return
        for (const wake of waiters) wake()
        waiters = []
      })
      fork(
        Effect.catchTag(
          script(connectionOf(socket, connections++, inbox, closed)),
          "ConnectionEnded",
          () => Effect.void
        )
      )
    }
    const server = options.tls === undefined
      ? Net.createServer(accept)
      : Tls.createServer({ ...options.tls, ALPNProtocols: ["http/1.1"] }, accept)
    server.on("tlsClientError", () => undefined)
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        })
    )
    const address = server.address()
    const port = address !== null && typeof address === "object" ? address.port : 0
    return {
      port,
      url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
      connections: Effect.sync(() => connections),
      requests: Effect.sync(() => requests),
      open: Effect.sync(() => sockets.size),
      quiet: Effect.async<void>((resume) => {
        if (sockets.size === 0) resume(Effect.void)
        else waiters.push(() => resume(Effect.void))
      })
    }
  })
