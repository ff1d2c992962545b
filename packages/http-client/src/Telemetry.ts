/**
 * Names of the spans and attributes of the package; the attributes are those of OpenTelemetry's HTTP conventions.
 *
 * @since 0.1.0
 */

/**
 * Attributes of a request's span.
 *
 * @since 0.1.0
 * @category attributes
 */
export const attributes = {
  method: "http.request.method",
  status: "http.response.status_code",
  serverAddress: "server.address",
  serverPort: "server.port",
  urlFull: "url.full",
  urlPath: "url.path",
  urlQuery: "url.query",
  urlScheme: "url.scheme"
} as const

/**
 * The span of `ConnectionPool.drain`. A request's span is named by platform's `SpanNameGenerator`.
 *
 * @since 0.1.0
 * @category spans
 */
export const drainSpan = "ConnectionPool.drain"
