/**
 * Names of the spans, metrics and attributes of the package; the attributes are those of OpenTelemetry's HTTP conventions.
 *
 * @since 0.1.0
 */

import * as Metric from "effect/Metric"

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

const connections = Metric.gauge("http.client.open_connections", {
  description: "Connections that are open, by what they do"
})

/**
 * Gauges of a pool, set by `ConnectionPool.layerMetrics`: `http.client.open_connections` with the attribute
 * `http.connection.state` (`active` or `idle`), and `http.client.waiting_requests`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const metrics = {
  activeConnections: Metric.tagged(connections, "http.connection.state", "active"),
  idleConnections: Metric.tagged(connections, "http.connection.state", "idle"),
  waitingRequests: Metric.gauge("http.client.waiting_requests", {
    description: "Requests that wait for a connection"
  })
} as const
