import { RequestError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { DispatchRequest } from "../ConnectionPool.ts"
import { encodeRequestHead } from "../Http1.ts"
import type { RequestHead } from "../Http1.ts"
import { InvalidRequest } from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"
import type { EncodedBody } from "./encodeBody.ts"
import { encodeBody, pieces, uploadOf } from "./encodeBody.ts"
import { originOf } from "./openSocket.ts"
import type { Origin } from "./openSocket.ts"
import type { WireRequest } from "./runExchange.ts"

const idempotent = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])

/** The platform error that carries one of ours, for a failure before the head of the response. @internal */
export const requestErrorOf = (request: HttpClientRequest, cause: HttpError): RequestError =>
  new RequestError({
    request,
    reason: cause._tag === "InvalidRequest" ? (cause.reason === "Url" ? "InvalidUrl" : "Encode") : "Transport",
    cause,
    description: cause.message
  })

/** The URL of a request, or why there is none. @internal */
export const urlOf = (request: HttpClientRequest): URL | InvalidRequest => {
  const made = UrlParams.makeUrl(request.url, request.urlParams, request.hash)
  if (made._tag === "Left") return new InvalidRequest({ reason: "Url", detail: "the URL cannot be parsed" })
  const { password, protocol, username } = made.right
  if (protocol !== "http:" && protocol !== "https:") {
    return new InvalidRequest({ reason: "Url", detail: "the scheme of the URL is not http or https" })
  }
  return username === "" && password === ""
    ? made.right
    : new InvalidRequest({ reason: "Url", detail: "the URL has credentials in it; use an Authorization header" })
}

/** What gives the origin of `scheme://host[:port]`; it parses each once, and remembers a bounded number. @internal */
export const makeOriginOf = (): (key: string) => Origin | undefined => {
  const origins = new Map<string, Origin>()
  return (key) => {
    const known = origins.get(key)
    if (known !== undefined) return known
    const made = URL.canParse(key) ? originOf(new URL(key)) : undefined
    if (made === undefined) return undefined
    if (origins.size >= 1024) origins.clear()
    origins.set(key, made)
    return made
  }
}

/** A request ready for a connection. @internal */
export interface PreparedRequest {
  readonly origin: Origin
  readonly wire: WireRequest
}

const headersOf = (request: HttpClientRequest, body: EncodedBody): RequestHead["headers"] =>
  body.contentType === undefined ? request.headers : { ...request.headers, "content-type": body.contentType }

/** Check a request and encode its head. @internal */
export const prepareRequest = (
  request: HttpClientRequest,
  url: URL,
  origin: Origin | undefined,
  fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
): PreparedRequest | InvalidRequest => {
  if (origin === undefined) return new InvalidRequest({ reason: "Url", detail: "the URL has no http origin" })
  const body = encodeBody(request.body)
  if ("_tag" in body) return body
  const head = encodeRequestHead({
    method: request.method,
    target: url.pathname + url.search,
    host: origin.host,
    headers: headersOf(request, body),
    framing: body.framing
  })
  if (typeof head !== "string") return head
  const expectsContinue = request.headers["expect"]?.toLowerCase() === "100-continue"
  if (expectsContinue && body.framing === "none") {
    return new InvalidRequest({ reason: "Framing", detail: "Expect: 100-continue announces a body, and there is none" })
  }
  // a body that waits for the server's word is written after the head
  const bytes = expectsContinue ? undefined : body.bytes
  const stream = body.stream ?? (expectsContinue && body.bytes !== undefined ? pieces(body.bytes) : undefined)
  return {
    origin,
    wire: {
      method: request.method,
      head,
      body: bytes,
      upload: stream === undefined ? undefined : uploadOf(stream, origin.key, fork),
      uploadLength: typeof body.framing === "number" ? body.framing : -1,
      replayable: body.replayable && idempotent.has(request.method),
      close: request.headers["connection"]?.toLowerCase() === "close",
      expectsContinue
    }
  }
}

const noHeaders: Readonly<Record<string, string>> = {}

/** Check a request of the callback interface and encode its head. @internal */
export const prepareDispatch = (
  request: DispatchRequest,
  origin: Origin | undefined
): PreparedRequest | InvalidRequest => {
  if (origin === undefined) return new InvalidRequest({ reason: "Url", detail: "the URL has no http origin" })
  const { body, headers = noHeaders, method = "GET", path } = request
  const head = encodeRequestHead({
    method,
    target: path,
    host: origin.host,
    headers,
    framing: body === undefined ? "none" : body.length
  })
  if (typeof head !== "string") return head
  return {
    origin,
    wire: {
      method,
      head,
      body,
      upload: undefined,
      uploadLength: -1,
      replayable: idempotent.has(method),
      close: headers["connection"]?.toLowerCase() === "close",
      expectsContinue: false
    }
  }
}
