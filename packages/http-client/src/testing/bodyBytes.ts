// @effect-diagnostics anyUnknownInErrorContext:off -- platform declares the error of a body stream as unknown
import { RequestError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { encodeBody } from "../internal/encodeBody.ts"

/** The whole body of a request, as it would go over the wire. @internal */
export const bodyBytes = (request: HttpClientRequest): Effect.Effect<Uint8Array, RequestError> =>
  Effect.suspend(() => {
    const fail = (cause: unknown) => new RequestError({ request, reason: "Encode", cause })
    const encoded = encodeBody(request.body)
    if ("_tag" in encoded) return Effect.fail(fail(encoded))
    if (encoded.bytes !== undefined) return Effect.succeed(encoded.bytes)
    if (encoded.stream === undefined) return Effect.succeed(new Uint8Array(0))
    return Stream.runCollect(encoded.stream).pipe(
      Effect.mapBoth({ onSuccess: (pieces) => Buffer.concat([...pieces]), onFailure: fail })
    )
  })
