/** Signed requests to one bucket, and their answers. */
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Driver from "../Driver.ts"
import { authorization, canonicalQuery, encodePath, sha256, signingKey, unsignedPayload } from "../S3Signature.ts"
import { codeOf } from "./explainFailure.ts"
import type { Dialect } from "./s3Dialect.ts"
import { failWith, protocolBroken, refusalOf } from "./s3Failure.ts"
import { parseXml, XmlProblem } from "./s3Xml.ts"
import type { Element } from "./s3Xml.ts"

/**
 * Who signs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  readonly sessionToken?: Redacted.Redacted
}

/** @internal */
export interface Target {
  readonly endpoint: URL
  readonly region: string
  readonly bucket: string
  readonly pathStyle: boolean
}

/** @internal */
export interface Wire {
  readonly client: HttpClient.HttpClient
  readonly dialect: Dialect
  readonly bucket: string
  readonly origin: string
  /** The path of the bucket: nothing, or `/bucket`. */
  readonly base: string
  readonly sign: (request: Outgoing) => Effect.Effect<HttpClientRequest.HttpClientRequest, Driver.Failure>
}

/** @internal */
export interface StreamBody {
  readonly stream: Stream.Stream<Uint8Array, unknown>
  readonly length: number
}

/** @internal */
export interface Outgoing {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE"
  /** Nothing for the bucket itself. */
  readonly key?: string
  readonly query?: ReadonlyArray<readonly [name: string, value: string]>
  /** Names in lower case; all are signed. */
  readonly headers?: { readonly [name: string]: string }
  readonly body?: Uint8Array | StreamBody
}

/** Two small caches that every request would otherwise fill again: the text of a second, and the key of a day. */
const makeSigning = (target: Target) => {
  let second = -1
  let timestamp = ""
  let known: { readonly secret: string; readonly day: string; readonly key: Uint8Array } | undefined
  return {
    timestampAt: (millis: number): string => {
      if (Math.floor(millis / 1000) !== second) {
        second = Math.floor(millis / 1000)
        timestamp = DateTime.formatIso(DateTime.unsafeMake(second * 1000)).replaceAll(/[-:]|\.\d+/g, "")
      }
      return timestamp
    },
    keyFor: (secret: string): Uint8Array => {
      const day = timestamp.slice(0, 8)
      if (known?.secret !== secret || known.day !== day) {
        known = { secret, day, key: signingKey(secret, { timestamp, region: target.region, service: "s3" }) }
      }
      return known.key
    }
  }
}

const emptyHash = sha256("")

const payloadHash = (secure: boolean, body: Outgoing["body"]): string => {
  if (body === undefined) return emptyHash
  return secure || !(body instanceof Uint8Array) ? unsignedPayload : sha256(body)
}

const httpBody = (body: Uint8Array | StreamBody): HttpBody.HttpBody =>
  body instanceof Uint8Array
    ? HttpBody.raw(body, { contentLength: body.length })
    : HttpBody.stream(body.stream, undefined, body.length)

/** @internal */
export const makeWire = (
  client: HttpClient.HttpClient,
  target: Target,
  dialect: Dialect,
  credentials: Effect.Effect<Credentials, Driver.Failure>
): Wire => {
  const host = target.pathStyle ? target.endpoint.host : `${target.bucket}.${target.endpoint.host}`
  const above = target.endpoint.pathname.replace(/\/+$/, "")
  const base = target.pathStyle ? `${above}/${encodePath(target.bucket)}` : above
  const secure = target.endpoint.protocol === "https:"
  const origin = `${target.endpoint.protocol}//${host}`
  const signing = makeSigning(target)
  const build = (request: Outgoing, who: Credentials, now: number): HttpClientRequest.HttpClientRequest => {
    const { body, method } = request
    const path = request.key === undefined ? base || "/" : `${base}/${encodePath(request.key)}`
    const query = request.query === undefined ? "" : canonicalQuery(request.query)
    const hash = payloadHash(secure, body)
    const timestamp = signing.timestampAt(now)
    const headers: { [name: string]: string } = {
      ...request.headers,
      host,
      "x-amz-content-sha256": hash,
      "x-amz-date": timestamp
    }
    if (who.sessionToken !== undefined) headers["x-amz-security-token"] = Redacted.value(who.sessionToken)
    const scope = { timestamp, region: target.region, service: "s3" }
    const key = signing.keyFor(Redacted.value(who.secretAccessKey))
    const signed = authorization(who.accessKeyId, key, { method, path, query, headers, payloadHash: hash }, scope)
    delete headers["host"] // the client makes it of the address
    headers["authorization"] = signed
    headers["accept-encoding"] = "identity"
    const url = `${origin}${path}${query === "" ? "" : `?${query}`}`
    const bare = HttpClientRequest.make(method)(url, { headers })
    if (body === undefined) return bare
    // A stream brings a content type of its own, which must not replace the one that was signed.
    const full = HttpClientRequest.setBody(bare, httpBody(body))
    return headers["content-type"] === undefined
      ? full
      : HttpClientRequest.setHeader(full, "content-type", headers["content-type"])
  }
  return {
    client: HttpClient.transformResponse(client, Effect.locallyWith(Headers.currentRedactedNames, hideToken)),
    dialect,
    bucket: target.bucket,
    origin,
    base,
    sign: (request) =>
      Effect.flatMap(credentials, (who) => Effect.map(Clock.currentTimeMillis, (now) => build(request, who, now)))
  }
}

/** Clients report the headers of a request in its span. */
const hideToken = (
  names: ReadonlyArray<string | RegExp>
): ReadonlyArray<string | RegExp> => [...names, "x-amz-security-token"]

const changes = (method: Outgoing["method"]): boolean => method !== "GET" && method !== "HEAD"

/** A client's error holds the request with its headers: only its reason leaves. */
const unreached = (method: Outgoing["method"]) => (error: HttpClientError.HttpClientError): Driver.Failure => {
  const code = codeOf(error.cause)
  const what = `the request failed: ${error.reason}${code === undefined ? "" : ` (${code})`}`
  if (error.reason === "InvalidUrl" || error.reason === "Encode") {
    return failWith({ _tag: "Unavailable", reason: "Misconfigured", retryable: false }, what)
  }
  const applied = changes(method) ? "unknown" : "no"
  return failWith({ _tag: "Unavailable", reason: "Network", retryable: true, applied }, what)
}

const isRefused = (response: HttpClientResponse): boolean => response.status >= 300 && response.status !== 416

/** The longest answer that is read into memory as a whole, apart from objects. */
const maxAnswer = 16 * 2 ** 20
const maxRefusal = 64 * 2 ** 10

/** The body as text; it is not read further than the limit. */
const boundedText = (response: HttpClientResponse, limit: number): Effect.Effect<string, Driver.Failure> => {
  const told = response.headers["content-length"]
  if (told !== undefined && Number(told) <= limit) {
    return Effect.mapError(response.text, unreached("GET"))
  }
  return Effect.suspend(() => {
    const decoder = new TextDecoder()
    let text = ""
    let length = 0
    const read = Stream.runForEach(response.stream, (bytes) => {
      length += bytes.length
      if (length > limit) return Effect.fail(protocolBroken(`the server's answer is longer than ${limit} bytes`))
      text += decoder.decode(bytes, { stream: true })
      return Effect.void
    })
    return Effect.mapBoth(read, {
      onFailure: (error) => error instanceof Driver.Failure ? error : unreached("GET")(error),
      onSuccess: () => text + decoder.decode()
    })
  })
}

const refuse = (method: Outgoing["method"], response: HttpClientResponse): Effect.Effect<never, Driver.Failure> => {
  if (method === "HEAD") return Effect.fail(refusalOf(response.status, undefined, false))
  return Effect.flatMap(
    // What is wrong with the body of a refusal does not change that it is one.
    Effect.orElseSucceed(boundedText(response, maxRefusal), () => ""),
    (text) => {
      const xml = parseXml(text)
      return Effect.fail(refusalOf(response.status, xml instanceof XmlProblem ? undefined : xml, changes(method)))
    }
  )
}

const execute = <R>(
  wire: Wire,
  client: HttpClient.HttpClient.With<HttpClientError.HttpClientError, R>,
  request: Outgoing
): Effect.Effect<HttpClientResponse, Driver.Failure, R> =>
  Effect.flatMap(wire.sign(request), (signed) =>
    Effect.matchEffect(client.execute(signed), {
      onFailure: (error) => Effect.fail(unreached(request.method)(error)),
      onSuccess: (response) => isRefused(response) ? refuse(request.method, response) : Effect.succeed(response)
    }))

/** @internal An answer whose body is read as it is needed; the connection is let go with the scope. */
export const open = (
  wire: Wire,
  request: Outgoing
): Effect.Effect<HttpClientResponse, Driver.Failure, Scope.Scope> =>
  execute(wire, HttpClient.withScope(wire.client), request)

/** @internal The head of an answer that has no body worth reading. */
export const head = (wire: Wire, request: Outgoing): Effect.Effect<HttpClientResponse, Driver.Failure> =>
  Effect.flatMap(
    execute(wire, wire.client, request),
    (response) =>
      request.method === "HEAD" || response.headers["content-length"] === "0" || response.status === 204
        ? Effect.as(drained(response), response)
        : Effect.as(boundedText(response, maxAnswer), response)
  )

/** A connection is free for the next request when its answer has been read to the end. */
const drained = (response: HttpClientResponse): Effect.Effect<void, Driver.Failure> =>
  Effect.mapError(Effect.asVoid(response.arrayBuffer), unreached("GET"))

/** @internal An answer in XML, and its head. A refusal may come with status 200, after the server had begun to answer. */
export const ask = (
  wire: Wire,
  request: Outgoing,
  root: string
): Effect.Effect<{ readonly response: HttpClientResponse; readonly xml: Element }, Driver.Failure> =>
  Effect.flatMap(
    execute(wire, wire.client, request),
    (response) =>
      Effect.flatMap(boundedText(response, maxAnswer), (text) => {
        const xml = parseXml(text)
        if (xml instanceof XmlProblem) {
          return Effect.fail(protocolBroken(`the server's answer is not proper XML: ${xml.reason}`))
        }
        if (xml.name === "Error") return Effect.fail(refusalOf(500, xml, changes(request.method)))
        return xml.name === root
          ? Effect.succeed({ response, xml })
          : Effect.fail(protocolBroken(`the server's answer is not a ${root}`))
      })
  )

/** @internal The bytes of an object or of a part of it, all that the server announced. */
export const readAll = (
  wire: Wire,
  request: Outgoing
): Effect.Effect<{ readonly response: HttpClientResponse; readonly bytes: Uint8Array }, Driver.Failure> =>
  Effect.flatMap(
    execute(wire, wire.client, request),
    (response) =>
      Effect.matchEffect(response.arrayBuffer, {
        onFailure: (error) => Effect.fail(unreached(request.method)(error)),
        onSuccess: (buffer) => {
          const told = response.headers["content-length"]
          return told === undefined || Number(told) === buffer.byteLength
            ? Effect.succeed({ response, bytes: new Uint8Array(buffer) })
            : Effect.fail(failWith({ _tag: "Unavailable", reason: "Truncated", retryable: true }, "the body was cut"))
        }
      })
  )

/** @internal */
export const streamOf = (response: HttpClientResponse): Stream.Stream<Uint8Array, Driver.Failure> =>
  Stream.mapError(response.stream, unreached("GET"))

/** @internal Without quotes, as this package shows it. */
export const etagOf = (text: string | undefined): string => (text ?? "").replace(/^(?:W\/)?"(.*)"$/, "$1")

/** @internal As a condition of this server has it. */
export const conditionEtag = ({ dialect }: Wire, etag: string): string =>
  dialect.conditionEtag === "bare" ? etag : `"${etag}"`

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

/** @internal The time in a header (IMF-fixdate of RFC 9110) or in XML (ISO 8601). */
export const timeOf = (text: string | undefined): DateTime.Utc | undefined => {
  const [, day, month, year, time] = /^\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d:\d\d:\d\d) GMT$/.exec(text ?? "") ?? []
  if (month === undefined) return Option.getOrUndefined(DateTime.make(text ?? ""))
  const number = String(months.indexOf(month) + 1).padStart(2, "0")
  return Option.getOrUndefined(DateTime.make(`${year}-${number}-${day}T${time}Z`))
}
