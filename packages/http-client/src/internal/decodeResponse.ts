import type * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import { ResponseError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import { TypeId } from "@effect/platform/HttpClientResponse"
import * as IncomingMessage from "@effect/platform/HttpIncomingMessage"
import type * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BodyConsumed } from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import { abandon, leave } from "./interceptSend.ts"
import { bufferOf, formOf, jsonOf, paramsOf, rawSetCookies, setCookies, textOf } from "./readBody.ts"

/** The platform error that carries one of ours, for a failure after the head of the response. @internal */
export const responseErrorOf = (response: HttpClientResponse, cause: HttpError): ResponseError =>
  new ResponseError({ request: response.request, response, reason: "Decode", cause, description: cause.message })

/**
 * A response with another body and other headers. Like every response of the package it is read once as a stream, or
 * as often as one likes otherwise.
 *
 * @internal
 */
export class DecodedResponse extends Inspectable.Class implements HttpClientResponse {
  readonly [IncomingMessage.TypeId]: IncomingMessage.TypeId = IncomingMessage.TypeId
  readonly [TypeId]: TypeId = TypeId
  readonly request: HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly #source: HttpClientResponse
  readonly #body: Stream.Stream<Uint8Array, ResponseError>
  #bytes: Uint8Array | undefined
  #taken = false

  constructor(
    source: HttpClientResponse,
    headers: Headers.Headers,
    body: Stream.Stream<Uint8Array, ResponseError>
  ) {
    super()
    this.request = source.request
    this.status = source.status
    this.headers = headers
    this.#source = source
    this.#body = body
  }

  get cookies(): Cookies.Cookies {
    return this.#source.cookies
  }

  get [setCookies](): ReadonlyArray<string> | undefined {
    return rawSetCookies(this.#source)
  }

  get remoteAddress(): Option.Option<string> {
    return this.#source.remoteAddress
  }

  get stream(): Stream.Stream<Uint8Array, ResponseError> {
    return Stream.suspend(() => {
      if (this.#bytes !== undefined) return Stream.succeed(this.#bytes)
      if (this.#taken) {
        return Stream.fail(responseErrorOf(this, new BodyConsumed({ origin: new URL(this.request.url).origin })))
      }
      this.#taken = true
      return this.#body
    })
  }

  readonly #whole: Effect.Effect<Uint8Array, ResponseError> = Effect.suspend(() =>
    this.#bytes === undefined
      ? Effect.map(Stream.runCollect(this.stream), (chunks) => this.#bytes = Buffer.concat([...chunks]))
      : Effect.succeed(this.#bytes)
  )

  #error(cause: unknown, description: string): ResponseError {
    return new ResponseError({ request: this.request, response: this, reason: "Decode", cause, description })
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

  get [abandon](): Effect.Effect<void> {
    this.#taken = true
    return leave(this.#source)
  }

  toJSON(): unknown {
    return IncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}
