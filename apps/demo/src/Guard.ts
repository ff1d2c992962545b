/** Who may talk to the server: pages of its own and programs on this machine. And what its pages may do. */
import * as Headers from "@effect/platform/Headers"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"

const pageHeaders = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify"
  ].join("; "),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin"
}

/**
 * Another site in the same browser can send requests here, and by rebinding its name even under its own address. Only
 * this server's own names pass as `Host`, and only its own pages as `Origin`; programs send no Origin.
 */
const isAllowed = (headers: Headers.Headers, port: number): boolean => {
  const own = [`127.0.0.1:${port}`, `localhost:${port}`]
  const host = Option.getOrElse(Headers.get(headers, "host"), () => "")
  const origin = Headers.get(headers, "origin")
  return own.includes(host) &&
    Option.match(origin, { onNone: () => true, onSome: (value) => value === `http://${host}` })
}

export const layer: Layer.Layer<never, never, HttpLayerRouter.HttpRouter | HttpServer.HttpServer> = HttpLayerRouter
  .middleware(
    Effect.map(HttpServer.HttpServer, ({ address }) => {
      const port = address._tag === "TcpAddress" ? address.port : 0
      return (respond) =>
        Effect.gen(function*() {
          const request = yield* HttpServerRequest.HttpServerRequest
          if (!isAllowed(request.headers, port)) {
            const words = "This server answers its own pages and programs on this machine."
            return HttpServerResponse.text(words, { status: 403 })
          }
          // A file that a person stored has a stricter policy of its own.
          const response = yield* respond
          return HttpServerResponse.setHeaders(response, { ...pageHeaders, ...response.headers })
        })
    }),
    { global: true }
  )
