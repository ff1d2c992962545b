import type * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import type { ResponseError } from "@effect/platform/HttpClientError"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BodyConsumed } from "../HttpError.ts"
import { abandon, leave } from "./interceptSend.ts"
import { rawSetCookies, setCookies, trailers, trailersIn } from "./readBody.ts"
import { responseErrorOf, ResponseView } from "./viewResponse.ts"

/**
 * A response with another body and other headers.
 *
 * @internal
 */
export class DecodedResponse extends ResponseView {
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
    super(source.request, source.status)
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

  get [trailers](): Option.Option<Headers.Headers> {
    return trailersIn(this.#source)
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

  protected whole(): Effect.Effect<Uint8Array, ResponseError> {
    return Effect.suspend(() =>
      this.#bytes === undefined
        ? Effect.map(Stream.runCollect(this.stream), (chunks) => this.#bytes = Buffer.concat([...chunks]))
        : Effect.succeed(this.#bytes)
    )
  }

  get [abandon](): Effect.Effect<void> {
    this.#taken = true
    return leave(this.#source)
  }
}
