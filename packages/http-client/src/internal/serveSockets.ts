import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as HttpError from "../HttpError.ts"
import * as WebSocket from "../WebSocket.ts"
import { unpackOptions } from "./carryOptions.ts"

interface OpenSocket {
  readonly socket: WebSocket.WebSocket
  readonly scope: Scope.CloseableScope
  readonly pull: Effect.Effect<Chunk.Chunk<string | Uint8Array>, Option.Option<HttpError.HttpError>>
  /** Arrived with the last pull, and not sent yet. */
  rest: ReadonlyArray<string | Uint8Array>
}

/** WebSockets that a thread speaks through. @internal */
export class OpenSockets {
  readonly #open = new Map<number, OpenSocket>()

  /** Open one; gives the subprotocol. */
  connect(id: number, url: string, options: unknown): Effect.Effect<string, HttpError.HttpError> {
    return Effect.gen(this, function*() {
      const scope = yield* Scope.make()
      const opened = Effect.gen(function*() {
        const socket = yield* WebSocket.connect(url, unpackOptions<WebSocket.WebSocketOptions>(options))
        return { socket, pull: yield* Stream.toPull(socket.messages) }
      })
      const { pull, socket } = yield* Effect.onError(
        Scope.extend(opened, scope),
        (cause) => Scope.close(scope, Exit.failCause(cause))
      )
      this.#open.set(id, { socket, scope, pull, rest: [] })
      return socket.protocol
    })
  }

  #find(id: number): Effect.Effect<OpenSocket, HttpError.SyncError> {
    const found = this.#open.get(id)
    return found === undefined
      ? Effect.fail(new HttpError.SyncError({ reason: "Closed", detail: "the WebSocket was closed before" }))
      : Effect.succeed(found)
  }

  send(id: number, message: string | Uint8Array): Effect.Effect<void, HttpError.HttpError> {
    return Effect.flatMap(this.#find(id), ({ socket }) => socket.send(message))
  }

  /** The next message, undefined after the last. The socket reads nothing in between but what it has room for. */
  receive(id: number): Effect.Effect<string | Uint8Array | undefined, HttpError.HttpError> {
    return Effect.flatMap(this.#find(id), (open) => {
      const next = Effect.sync(() => {
        const [first, ...rest] = open.rest
        open.rest = rest
        // a message may be a part of a larger buffer
        return first instanceof Uint8Array ? new Uint8Array(first) : first
      })
      if (open.rest.length > 0) return next
      return Effect.matchEffect(open.pull, {
        onFailure: Option.match({ onNone: () => Effect.succeed(undefined), onSome: Effect.fail }),
        onSuccess: (chunk) => {
          open.rest = [...chunk]
          return next
        }
      })
    })
  }

  /** Close one; gives what the other side closed with. */
  end(
    id: number,
    code: number,
    reason: string
  ): Effect.Effect<{ readonly code: number; readonly reason: string }, HttpError.HttpError> {
    return Effect.flatMap(this.#find(id), ({ socket }) => socket.close(code, reason)).pipe(
      Effect.map((closed) => ({ code: closed.code, reason: closed.reason })),
      Effect.zipLeft(this.leave(id))
    )
  }

  /** Let one go at once. */
  leave(id: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const open = this.#open.get(id)
      this.#open.delete(id)
      return open === undefined ? Effect.void : Scope.close(open.scope, Exit.void)
    })
  }

  get close(): Effect.Effect<void> {
    return Effect.forEach([...this.#open.keys()], (id) => this.leave(id), { discard: true })
  }
}
