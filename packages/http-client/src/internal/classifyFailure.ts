import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as Option from "effect/Option"
import { fromClientError } from "../HttpError.ts"
import type { HttpError } from "../HttpError.ts"

/** Too many requests, timeouts, and servers that are not there for a moment. */
const transient = new Set([408, 425, 429, 500, 502, 503, 504])

/** @internal */
export const isTransient = (status: number): boolean => transient.has(status)

const unsent = new Set<HttpError["_tag"]>(["ConnectError", "ConnectTimeout", "DnsError", "PoolTimeout"])
const passing = new Set<HttpError["_tag"]>([...unsent, "ConnectionClosed", "HeadersTimeout"])
const lost = new Set<HttpError["_tag"]>([...passing, "BodyTimeout", "TotalTimeout"])

/** Nothing reached the server, so even a request that is not idempotent may be repeated. @internal */
export const isUnsent = (error: HttpClientError): boolean =>
  Option.exists(
    fromClientError(error),
    (cause) => unsent.has(cause._tag) || (cause._tag === "ConnectionClosed" && cause.sent === "none")
  )

const isForeign = (error: HttpClientError): boolean => error._tag === "RequestError" && error.reason === "Transport"

/** The server or the way to it failed before the head of the response, in a manner that may pass. @internal */
export const isPassing = (error: HttpClientError): boolean =>
  error._tag === "RequestError" &&
  Option.match(fromClientError(error), { onNone: () => isForeign(error), onSome: (cause) => passing.has(cause._tag) })

/** The same, or the body broke off. @internal */
export const isLost = (error: HttpClientError): boolean =>
  Option.match(fromClientError(error), {
    onNone: () => isForeign(error),
    onSome: (cause) => lost.has(cause._tag) || (cause._tag === "ProtocolError" && cause.reason === "TruncatedBody")
  })
