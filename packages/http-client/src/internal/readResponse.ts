import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import { ResponseError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import { TypeId } from "@effect/platform/HttpClientResponse"
import * as IncomingMessage from "@effect/platform/HttpIncomingMessage"
import type * as UrlParams from "@effect/platform/UrlParams"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BodyConsumed } from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import { abandon } from "./interceptSend.ts"
import type { Field } from "./modelResponse.ts"
import { bufferOf, formOf, jsonOf, paramsOf, setCookies, textOf } from "./readBody.ts"
import type { Exchange } from "./runExchange.ts"

/** Values of a repeated name are joined by a comma (RFC 9110 §5.3); cookies are read from the fields themselves. */
const headersOf = (fields: ReadonlyArray<Field>): Headers.Headers => {
  const record = new Map<string, string>()
  for (const [name, value] of fields) {
    const before = record.get(name)
    record.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return Headers.fromInput(record)
}

/**
 * The platform's view of an exchange whose head has arrived. Nothing is parsed or copied before it is asked for.
 *
 * @internal
 */
export class NetResponse extends Inspectable.Class implements HttpClientResponse {
  readonly [IncomingMessage.TypeId]: IncomingMessage.TypeId = IncomingMessage.TypeId
  readonly [TypeId]: TypeId = TypeId
  readonly request: HttpClientRequest
  readonly status: number
  readonly #exchange: Exchange
  #headers: Headers.Headers | undefined
  #cookies: Cookies.Cookies | undefined
  #bytes: Uint8Array | undefined
  #streamed = false
  /** Calls waiting for the whole body. */
  #waiting = new Set<() => void>()

  constructor(request: HttpClientRequest, exchange: Exchange) {
    super()
    this.request = request
    this.#exchange = exchange
    this.status = exchange.head?.status ?? 0
  }

  get #fields(): ReadonlyArray<Field> {
    return this.#exchange.head?.fields ?? []
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

  get remoteAddress(): Option.Option<string> {
    return Option.fromNullable(this.#exchange.remoteAddress)
  }

  #error(cause: unknown, description: string): ResponseError {
    return new ResponseError({ request: this.request, response: this, reason: "Decode", cause, description })
  }

  #fail(error: HttpError): Effect.Effect<never, ResponseError> {
    return Effect.fail(this.#error(error, error.message))
  }

  /** The whole body when the exchange is over. */
  #outcome(): Effect.Effect<Uint8Array, ResponseError> {
    if (this.#bytes !== undefined) return Effect.succeed(this.#bytes)
    if (this.#exchange.failure !== undefined) return this.#fail(this.#exchange.failure)
    const chunks = this.#exchange.take()
    const only = chunks[0]
    return Effect.succeed(this.#bytes = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks))
  }

  readonly #whole: Effect.Effect<Uint8Array, ResponseError> = Effect.suspend(() => {
    const exchange = this.#exchange
    if (this.#streamed) return this.#fail(new BodyConsumed({ origin: exchange.origin.key }))
    if (exchange.ended || exchange.failure !== undefined) return this.#outcome()
    exchange.collect()
    return Effect.async((resume) => {
      const done = () => resume(this.#outcome())
      this.#waiting.add(done)
      if (this.#waiting.size === 1) exchange.wait(() => this.#settle())
      return Effect.sync(() => {
        this.#waiting.delete(done)
        if (this.#waiting.size === 0) exchange.cancel()
      })
    })
  })

  #settle(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const done of waiting) done()
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, ResponseError> {
    return Effect.map(this.#whole, bufferOf)
  }

  get text(): Effect.Effect<string, ResponseError> {
    return Effect.map(this.#whole, textOf)
  }

  get json(): Effect.Effect<unknown, ResponseError> {
    return Effect.flatMap(this.text, (text) => jsonOf(text, (cause, description) => this.#error(cause, description)))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, ResponseError> {
    return Effect.map(this.text, paramsOf)
  }

  get formData(): Effect.Effect<FormData, ResponseError> {
    return Effect.flatMap(
      this.arrayBuffer,
      (body) => formOf(body, this.headers["content-type"], (cause, description) => this.#error(cause, description))
    )
  }

  /**
   * The body as it arrives; the connection stops reading while nobody pulls. It can be read once. When it is left
   * early, a rest known to be small is swallowed and the connection reused, else the connection is closed.
   */
  get stream(): Stream.Stream<Uint8Array, ResponseError> {
    return Stream.suspend(() => {
      if (this.#bytes !== undefined) return Stream.succeed(this.#bytes)
      const exchange = this.#exchange
      if (this.#streamed || this.#waiting.size > 0) {
        return this.#fail(new BodyConsumed({ origin: exchange.origin.key }))
      }
      this.#streamed = true
      return Stream.fromPull(Effect.acquireRelease(
        Effect.sync(() => this.#pull(exchange)),
        () => Effect.sync(() => exchange.abandon())
      ))
    })
  }

  #pull(exchange: Exchange): Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<ResponseError>> {
    const pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<ResponseError>> = Effect.suspend(() => {
      const chunks = exchange.take()
      if (chunks.length > 0) return Effect.succeed(Chunk.unsafeFromArray(chunks))
      if (exchange.ended) return Effect.fail(Option.none())
      if (exchange.failure !== undefined) {
        return Effect.fail(Option.some(this.#error(exchange.failure, exchange.failure.message)))
      }
      return Effect.async((resume) => {
        exchange.wait(() => resume(pull))
      })
    })
    return pull
  }

  get [abandon](): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#streamed = true
      this.#exchange.abandon()
    })
  }

  toJSON(): unknown {
    return IncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}
