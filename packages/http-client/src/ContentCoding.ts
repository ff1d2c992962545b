/**
 * Content codings (RFC 9110 §8.4): asking for compressed bodies and decoding them within limits.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type { ResponseError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { DecompressionLimit } from "./HttpError.ts"
import type { DecompressionError } from "./HttpError.ts"
import { DecodedResponse } from "./internal/decodeResponse.ts"
import { interceptSend, leave } from "./internal/interceptSend.ts"
import { decodeWith, supportedCodings } from "./internal/runDecoder.ts"
import { responseErrorOf } from "./internal/viewResponse.ts"

/**
 * A coding that can be decoded; zstd where Node has it (22.15 and later).
 *
 * @since 0.1.0
 * @category models
 */
export type Coding = "gzip" | "deflate" | "br" | "zstd"

/**
 * Upper bounds of decoding.
 *
 * - `codings`: codings on top of one another (5)
 * - `ratio`: decoded bytes per encoded byte (200); it counts from the second mebibyte on, because little that is small
 *   compresses well without being a bomb
 * - `bytes`: decoded bytes; no bound unless given
 *
 * @since 0.1.0
 * @category models
 */
export interface DecompressionLimits {
  readonly codings: number
  readonly ratio: number
  readonly bytes: number
}

/**
 * @since 0.1.0
 * @category models
 */
export const defaultLimits: DecompressionLimits = { codings: 5, ratio: 200, bytes: Number.POSITIVE_INFINITY }

/** Decoded bytes below which no ratio is suspicious. */
const ratioFrom = 1_048_576

/**
 * The codings that this Node decodes.
 *
 * @since 0.1.0
 * @category constants
 */
export const supported: ReadonlyArray<Coding> = supportedCodings

/**
 * The value of `Accept-Encoding` that `withDecompression` sends.
 *
 * @since 0.1.0
 * @category constants
 */
export const acceptEncoding: string = supported.join(", ")

const codingOf = (name: string): Coding | undefined =>
  supported.find((coding) => coding === (name === "x-gzip" ? "gzip" : name))

/**
 * The codings of a `Content-Encoding` value in the order in which they were applied, `identity` left out; undefined when
 * one of them cannot be decoded here; `DecompressionLimit` when there are too many.
 *
 * @example
 * ```ts
 * import { ContentCoding } from "@sennit/http-client"
 *
 * ContentCoding.parseContentEncoding("br, X-GZip") // ["br", "gzip"]
 * ContentCoding.parseContentEncoding("compress") // undefined
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseContentEncoding = (
  value: string,
  limits: DecompressionLimits = defaultLimits
): ReadonlyArray<Coding> | DecompressionLimit | undefined => {
  const names = value.split(",", limits.codings + 64).map((name) => name.trim().toLowerCase()).filter((name) =>
    name !== "" && name !== "identity"
  )
  if (names.length > limits.codings) return new DecompressionLimit({ limit: "codings", maximum: limits.codings })
  const codings: Array<Coding> = []
  for (const name of names) {
    const coding = codingOf(name)
    if (coding === undefined) return undefined
    codings.push(coding)
  }
  return codings
}

/**
 * Decode a stream: `codings` are given in the order in which they were applied. Memory is bounded whatever a byte
 * decodes to, back-pressure reaches the source, and what the decoders hold is freed when the stream is left.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (codings: ReadonlyArray<Coding>, limits: DecompressionLimits = defaultLimits) =>
<E, R>(
  source: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<Uint8Array, E | DecompressionError | DecompressionLimit, R> =>
  Stream.suspend(() => {
    let encoded = 0
    let decoded = 0
    const counted = Stream.map(source, (bytes) => {
      encoded += bytes.length
      return bytes
    })
    const all = codings.toReversed().reduce<Stream.Stream<Uint8Array, E | DecompressionError, R>>(
      (stream, coding) => decodeWith(coding)(stream),
      counted
    )
    return Stream.mapEffect(all, (bytes) => {
      decoded += bytes.length
      if (decoded > limits.bytes) {
        return Effect.fail(new DecompressionLimit({ limit: "bytes", maximum: limits.bytes }))
      }
      return decoded > ratioFrom && decoded > encoded * limits.ratio
        ? Effect.fail(new DecompressionLimit({ limit: "ratio", maximum: limits.ratio }))
        : Effect.succeed(bytes)
    })
  })

const ask = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest =>
  "accept-encoding" in request.headers
    ? request
    // a part of an encoded body cannot be decoded
    : HttpClientRequest.setHeader(request, "accept-encoding", "range" in request.headers ? "identity" : acceptEncoding)

const decodeResponse = (
  response: HttpClientResponse,
  limits: DecompressionLimits
): Effect.Effect<HttpClientResponse, ResponseError> => {
  const value = response.headers["content-encoding"]
  const { status } = response
  if (value === undefined || response.request.method === "HEAD" || status === 204 || status === 206 || status === 304) {
    return Effect.succeed(response)
  }
  const codings = parseContentEncoding(value, limits)
  if (codings === undefined) return Effect.succeed(response)
  if ("_tag" in codings) {
    return Effect.zipRight(leave(response), Effect.fail(responseErrorOf(response, codings)))
  }
  const headers = Headers.remove(response.headers, ["content-encoding", "content-length"])
  const body = decode(codings, limits)(response.stream).pipe(
    Stream.mapError((error) => error._tag === "ResponseError" ? error : responseErrorOf(response, error))
  )
  return Effect.succeed(new DecodedResponse(response, headers, body))
}

/**
 * Ask for compressed bodies and decode them. A request that has an `Accept-Encoding` keeps it, one with a `Range` asks
 * for none. A decoded response has neither `Content-Encoding` nor `Content-Length`; responses without a body, parts
 * (206) and codings that cannot be decoded here are given as they came, with their headers. What cannot be decoded
 * fails when it is read, with a `ResponseError` whose cause is `DecompressionError` or `DecompressionLimit`; the bytes
 * before it may be wrong, so do not act on them before the end.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import { ContentCoding } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(ContentCoding.withDecompression({ bytes: 64 * 1024 * 1024 }))
 *   return yield* Effect.flatMap(client.get("https://example.com/"), (response) => response.text)
 * })
 * ```
 *
 * @since 0.1.0
 * @category middleware
 */
export const withDecompression: {
  (
    limits?: Partial<DecompressionLimits>
  ): <E, R>(self: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E | ResponseError, R>
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    limits?: Partial<DecompressionLimits>
  ): HttpClient.HttpClient.With<E | ResponseError, R>
} = dual(
  (args) => Predicate.hasProperty(args[0], HttpClient.TypeId),
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    options?: Partial<DecompressionLimits>
  ): HttpClient.HttpClient.With<E | ResponseError, R> => {
    const limits = { ...defaultLimits, ...options }
    return interceptSend(
      self,
      (send, request) => Effect.flatMap(send(ask(request)), (response) => decodeResponse(response, limits))
    )
  }
)
