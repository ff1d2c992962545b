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
import type * as Stream from "effect/Stream"
import type { HttpError } from "../HttpError.ts"
import type { abandon } from "./interceptSend.ts"
import { bufferOf, formOf, jsonOf, paramsOf, textOf } from "./readBody.ts"
import type { setCookies } from "./readBody.ts"

/** The platform error that carries one of ours, for a failure after the head of the response. @internal */
export const responseErrorOf = (response: HttpClientResponse, cause: HttpError): ResponseError =>
  new ResponseError({ request: response.request, response, reason: "Decode", cause, description: cause.message })

/**
 * What every response of the package has in common: whatever its body is made of, it is read once as a stream, or as
 * often as one likes as text, JSON, bytes or a form.
 *
 * @internal
 */
export abstract class ResponseView extends Inspectable.Class implements HttpClientResponse {
  readonly [IncomingMessage.TypeId]: IncomingMessage.TypeId = IncomingMessage.TypeId
  readonly [TypeId]: TypeId = TypeId
  readonly request: HttpClientRequest
  readonly status: number

  constructor(request: HttpClientRequest, status: number) {
    super()
    this.request = request
    this.status = status
  }

  abstract get headers(): Headers.Headers
  abstract get cookies(): Cookies.Cookies
  abstract get [setCookies](): ReadonlyArray<string> | undefined
  abstract get remoteAddress(): Option.Option<string>
  abstract get stream(): Stream.Stream<Uint8Array, ResponseError>
  abstract get [abandon](): Effect.Effect<void>

  protected get contentType(): string | undefined {
    return this.headers["content-type"]
  }

  /** The whole body; it waits for its end. */
  protected abstract whole(): Effect.Effect<Uint8Array, ResponseError>

  protected decodeError(cause: unknown, description: string): ResponseError {
    return new ResponseError({ request: this.request, response: this, reason: "Decode", cause, description })
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, ResponseError> {
    return Effect.map(this.whole(), bufferOf)
  }

  get text(): Effect.Effect<string, ResponseError> {
    return Effect.flatMap(
      this.whole(),
      (bytes) => textOf(bytes, this.contentType, (cause, description) => this.decodeError(cause, description))
    )
  }

  get json(): Effect.Effect<unknown, ResponseError> {
    return Effect.flatMap(
      this.text,
      (text) => jsonOf(text, (cause, description) => this.decodeError(cause, description))
    )
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, ResponseError> {
    return Effect.map(this.text, paramsOf)
  }

  get formData(): Effect.Effect<FormData, ResponseError> {
    return Effect.flatMap(
      this.arrayBuffer,
      (body) => formOf(body, this.contentType, (cause, description) => this.decodeError(cause, description))
    )
  }

  toJSON(): unknown {
    return IncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}
