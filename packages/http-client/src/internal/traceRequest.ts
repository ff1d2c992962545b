import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { ParentSpan } from "effect/Tracer"
import { attributes } from "../Telemetry.ts"

/** A request has a span only below another one: who traces nothing pays nothing. @internal */
export const isTraced = (fiber: Fiber.RuntimeFiber<unknown, unknown>, request: HttpClientRequest.HttpClientRequest) =>
  fiber.currentContext.unsafeMap.has(ParentSpan.key) &&
  fiber.getFiberRef(FiberRef.currentTracerEnabled) &&
  !fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)(request)

/** Run a request in a client span, with the attributes of platform's own clients. @internal */
export const traceRequest = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  request: HttpClientRequest.HttpClientRequest,
  url: URL,
  run: (request: HttpClientRequest.HttpClientRequest) => Effect.Effect<HttpClientResponse, HttpClientError>
): Effect.Effect<HttpClientResponse, HttpClientError> => {
  const nameOf = Context.get(fiber.currentContext, HttpClient.SpanNameGenerator)
  return Effect.useSpan(nameOf(request), { kind: "client", captureStackTrace: false }, (span) => {
    span.attribute(attributes.method, request.method)
    span.attribute(attributes.serverAddress, url.origin)
    if (url.port !== "") span.attribute(attributes.serverPort, Number(url.port))
    span.attribute(attributes.urlFull, url.href)
    span.attribute(attributes.urlPath, url.pathname)
    span.attribute(attributes.urlScheme, url.protocol.slice(0, -1))
    if (url.search !== "") span.attribute(attributes.urlQuery, url.search.slice(1))
    const redactedNames = fiber.getFiberRef(Headers.currentRedactedNames)
    const redacted = Headers.redact(request.headers, redactedNames)
    for (const name in redacted) span.attribute(`http.request.header.${name}`, String(redacted[name]))
    const traced = fiber.getFiberRef(HttpClient.currentTracerPropagation)
      ? HttpClientRequest.setHeaders(request, HttpTraceContext.toHeaders(span))
      : request
    return run(traced).pipe(
      Effect.withParentSpan(span),
      Effect.tap((response) => span.attribute(attributes.status, response.status))
    )
  })
}
