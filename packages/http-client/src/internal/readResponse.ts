import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import type { ResponseError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BodyConsumed } from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import { awaitCallback } from "./awaitCallback.ts"
import { abandon } from "./interceptSend.ts"
import type { Field } from "./modelResponse.ts"
import type { BodyReader } from "./readBody.ts"
import { bodyReader, setCookies, trailers } from "./readBody.ts"
import type { BufferedExchange } from "./runExchange.ts"
import { responseErrorOf, ResponseView } from "./viewResponse.ts"

/** Values of a repeated name are joined by a comma (RFC 9110 §5.3); cookies are read from the fields themselves. */
const headersOf = (fields: ReadonlyArray<Field>): Headers.Headers => {
  const record = new Map<string, string>()
  for (const [name, value] of fields) {
    const before = record.get(name)
    record.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return Headers.fromInput(record)
}

type BodyChannel = Channel.Channel<Chunk.Chunk<Uint8Array>, unknown, ResponseError, unknown, void>

type Take = (pieces: ReadonlyArray<Uint8Array>) => boolean

/** A body that was received before. */
const readerOf = (bytes: Uint8Array): BodyReader => {
  let given = false
  return {
    read: (take) =>
      Effect.sync(() => {
        if (given) return false
        given = true
        return !take([bytes])
      }),
    isOver: () => given,
    leave: Effect.void
  }
}

/**
 * The platform's view of an exchange whose head has arrived. Nothing is parsed or copied before it is asked for.
 *
 * @internal
 */
export class NetResponse extends ResponseView {
  readonly #exchange: BufferedExchange
  #headers: Headers.Headers | undefined
  #cookies: Cookies.Cookies | undefined
  #bytes: Uint8Array | undefined
  #streamed = false
  /** Calls waiting for the whole body. */
  #waiting: Set<() => void> | undefined

  constructor(request: HttpClientRequest, exchange: BufferedExchange) {
    super(request, exchange.head?.status ?? 0)
    this.#exchange = exchange
  }

  get #fields(): ReadonlyArray<Field> {
    return this.#exchange.head?.fields ?? []
  }

  protected override get contentType(): string | undefined {
    return this.#exchange.head?.contentType
  }

  get headers(): Headers.Headers {
    return this.#headers ??= headersOf(this.#fields)
  }

  get cookies(): Cookies.Cookies {
    return this.#cookies ??= Cookies.fromSetCookie(this[setCookies])
  }

  get [setCookies](): ReadonlyArray<string> {
    return this.#fields.flatMap(([name, value]) => name === "set-cookie" ? [value] : [])
  }

  get [trailers](): Option.Option<Headers.Headers> {
    return this.#exchange.ended ? Option.some(headersOf(this.#exchange.trailers)) : Option.none()
  }

  get remoteAddress(): Option.Option<string> {
    return Option.fromNullable(this.#exchange.remoteAddress)
  }

  #fail(error: HttpError): Effect.Effect<never, ResponseError> {
    return Effect.fail(responseErrorOf(this, error))
  }

  /** The whole body when the exchange is over. */
  #outcome(): Effect.Effect<Uint8Array, ResponseError> {
    if (this.#bytes !== undefined) return Effect.succeed(this.#bytes)
    if (this.#exchange.failure !== undefined) return this.#fail(this.#exchange.failure)
    const chunks = this.#exchange.take()
    const only = chunks[0]
    return Effect.succeed(this.#bytes = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks))
  }

  protected whole(): Effect.Effect<Uint8Array, ResponseError> {
    return Effect.suspend(() => {
      const exchange = this.#exchange
      if (this.#streamed || exchange.cancelled) return this.#fail(new BodyConsumed({ origin: exchange.origin.key }))
      if (exchange.ended || exchange.failure !== undefined) return this.#outcome()
      exchange.collect()
      const reader: { done: (() => void) | undefined } = { done: undefined }
      return awaitCallback(
        (resume) => this.#addReader(reader.done = () => resume(Effect.suspend(() => this.#outcome()))),
        () => this.#removeReader(reader.done)
      )
    })
  }

  #addReader(done: () => void): void {
    const waiting = this.#waiting ??= new Set()
    waiting.add(done)
    if (waiting.size === 1) this.#exchange.wait(() => this.#settle())
  }

  /** When the last one has gone, nobody wants the body. */
  #removeReader(done: (() => void) | undefined): void {
    if (done !== undefined) this.#waiting?.delete(done)
    if (this.#waiting?.size === 0) this.#exchange.cancel()
  }

  #settle(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const done of waiting) done()
  }

  /**
   * The body as it arrives; the connection stops reading while nobody pulls. It can be read once. When it is left
   * early, a rest known to be small is swallowed and the connection reused, else the connection is closed.
   */
  get stream(): Stream.Stream<Uint8Array, ResponseError> {
    return Stream.fromChannel(Channel.suspend((): BodyChannel => {
      if (this.#bytes !== undefined) return Channel.write(Chunk.of(this.#bytes))
      const exchange = this.#exchange
      if (this.#streamed || exchange.cancelled || this.#waiting !== undefined) {
        return Channel.fail(responseErrorOf(this, new BodyConsumed({ origin: exchange.origin.key })))
      }
      this.#streamed = true
      return Channel.ensuring(this.#emit(exchange), Effect.sync(() => exchange.abandon()))
    }))
  }

  /** The same as `stream`, without a fiber between the socket and who reads. */
  [bodyReader](): BodyReader {
    const exchange = this.#exchange
    const bytes = this.#bytes
    if (bytes !== undefined) return readerOf(bytes)
    if (this.#streamed || exchange.cancelled || this.#waiting !== undefined) {
      const consumed = this.#fail(new BodyConsumed({ origin: exchange.origin.key }))
      return { read: () => consumed, isOver: () => true, leave: Effect.void }
    }
    this.#streamed = true
    return {
      read: (take) => this.#read(exchange, take),
      isOver: () => exchange.ended && exchange.isTaken,
      leave: Effect.sync(() => exchange.abandon())
    }
  }

  #read(exchange: BufferedExchange, take: Take): Effect.Effect<boolean, ResponseError> {
    const read: Effect.Effect<boolean, ResponseError> = Effect.suspend(() => {
      for (let pieces = exchange.take(); pieces.length > 0; pieces = exchange.take()) {
        if (!take(pieces)) return Effect.succeed(true)
      }
      if (exchange.ended) return Effect.succeed(false)
      if (exchange.failure !== undefined) return this.#fail(exchange.failure)
      return Effect.async<boolean, ResponseError>((resume) => {
        let reading = true
        const onChange = () => {
          if (!reading) return
          try {
            const pieces = exchange.take()
            if (pieces.length > 0 && take(pieces)) return exchange.wait(onChange)
            resume(pieces.length > 0 ? Effect.succeed(true) : read)
          } catch (defect) {
            resume(Effect.die(defect))
          }
          reading = false
        }
        exchange.wait(onChange)
        return Effect.sync(() => {
          reading = false
        })
      })
    })
    return read
  }

  /** Everything that has arrived since the last time; undefined at the end. */
  #pull(exchange: BufferedExchange): Effect.Effect<ReadonlyArray<Uint8Array> | undefined, ResponseError> {
    const pull: Effect.Effect<ReadonlyArray<Uint8Array> | undefined, ResponseError> = Effect.suspend(() => {
      const chunks = exchange.take()
      if (chunks.length > 0) return Effect.succeed(chunks)
      if (exchange.ended) return Effect.succeed(undefined)
      if (exchange.failure !== undefined) return this.#fail(exchange.failure)
      return Effect.async((resume) => {
        exchange.wait(() => resume(pull))
      })
    })
    return pull
  }

  #emit(exchange: BufferedExchange): BodyChannel {
    const emit: BodyChannel = Channel.flatMap(
      Channel.fromEffect(this.#pull(exchange)),
      (chunks) =>
        chunks === undefined ? Channel.void : Channel.zipRight(Channel.write(Chunk.unsafeFromArray(chunks)), emit)
    )
    return emit
  }

  get [abandon](): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#streamed = true
      this.#exchange.abandon()
    })
  }
}
