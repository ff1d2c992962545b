import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as HttpError from "../HttpError.ts"
import { preciseError } from "./buildRequest.ts"
import { leave } from "./interceptSend.ts"
import { windowBytes } from "./modelCalls.ts"

/** So many responses may be open; the oldest is given up for the next. */
const maxOpen = 128

type Failure = HttpError.HttpError | HttpClientError

interface OpenBody {
  readonly response: HttpClientResponse
  reading: {
    readonly scope: Scope.CloseableScope
    readonly pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<HttpClientError>>
  } | undefined
  /** Arrived with the last pull, and not sent yet. */
  rest: Array<Uint8Array>
}

/** Cut one window from the front, in a buffer of its own. */
const cutWindow = (rest: Array<Uint8Array>): Uint8Array => {
  const parts: Array<Uint8Array> = []
  let size = 0
  while (size < windowBytes) {
    const first = rest.shift()
    if (first === undefined) break
    const fitting = first.subarray(0, windowBytes - size)
    if (fitting.length < first.length) rest.unshift(first.subarray(fitting.length))
    parts.push(fitting)
    size += fitting.length
  }
  const window = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    window.set(part, at)
    at += part.length
  }
  return window
}

/** Response bodies that a thread reads window by window. @internal */
export class OpenBodies {
  readonly #open = new Map<number, OpenBody>()

  /** Keep the body of a response for reading. */
  add(id: number, response: HttpClientResponse): Effect.Effect<void> {
    const [oldest] = this.#open.keys()
    const room = oldest === undefined || this.#open.size < maxOpen ? Effect.void : this.release(oldest)
    return Effect.zipRight(room, Effect.sync(() => void this.#open.set(id, { response, reading: undefined, rest: [] })))
  }

  /** The next window, undefined after the last. Nothing is read from the connection in between. */
  read(id: number): Effect.Effect<Uint8Array | undefined, Failure> {
    return Effect.gen(this, function*() {
      const body = this.#open.get(id)
      if (body === undefined) {
        return yield* new HttpError.SyncError({
          reason: "Abandoned",
          detail: `the body is closed, or was given up because more than ${maxOpen} later ones were left unread`
        })
      }
      while (body.rest.length === 0) {
        const arrived = yield* this.#pull(body)
        if (arrived === undefined) {
          yield* this.release(id)
          return undefined
        }
        body.rest = [...arrived].filter((bytes) => bytes.length > 0)
      }
      return cutWindow(body.rest)
    }).pipe(Effect.onError(() => this.release(id)))
  }

  #pull(body: OpenBody): Effect.Effect<Chunk.Chunk<Uint8Array> | undefined, Failure> {
    return Effect.gen(function*() {
      if (body.reading === undefined) {
        const scope = yield* Scope.make()
        body.reading = { scope, pull: yield* Scope.extend(Stream.toPull(body.response.stream), scope) }
      }
      return yield* Effect.catchAll(
        body.reading.pull,
        Option.match({
          onNone: () => Effect.succeed(undefined),
          onSome: (error: HttpClientError) => Effect.fail(preciseError(error))
        })
      )
    })
  }

  /** Nobody reads the rest of a body. */
  release(id: number): Effect.Effect<void> {
    const body = this.#open.get(id)
    if (!this.#open.delete(id) || body === undefined) return Effect.void
    return body.reading === undefined ? leave(body.response) : Scope.close(body.reading.scope, Exit.void)
  }

  get close(): Effect.Effect<void> {
    return Effect.forEach([...this.#open.keys()], (id) => this.release(id), { discard: true })
  }
}
