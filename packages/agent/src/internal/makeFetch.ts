import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpMethod from "@effect/platform/HttpMethod"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

/** Statuses whose answers have no body (Fetch standard, null body status). */
const bodiless = new Set([101, 103, 204, 205, 304])

/**
 * @internal
 * The `fetch` that a library wants, made of an `HttpClient`, which follows no redirect by itself. Aborting interrupts
 * the request, and the body while it is read.
 */
export const makeFetch = (client: HttpClient.HttpClient): Effect.Effect<Fetch> =>
  Effect.map(Effect.runtime(), (runtime) => {
    const runPromiseExit = Runtime.runPromiseExit(runtime)
    return (url, init = {}) => {
      const signal = init.signal ?? undefined
      const exchange = Effect.gen(function*() {
        const request = yield* toRequest(url, init)
        const response = yield* client.execute(request)
        const { headers, status } = response
        if (bodiless.has(status)) return new Response(null, { status, headers: { ...headers } })
        const stream = signal === undefined ? response.stream : Stream.interruptWhen(response.stream, aborted(signal))
        return new Response(Stream.toReadableStreamRuntime(stream, runtime), { status, headers: { ...headers } })
      })
      return runPromiseExit(exchange, signal === undefined ? {} : { signal }).then((exit) => {
        if (Exit.isSuccess(exit)) return exit.value
        if (signal?.aborted === true) throw signal.reason
        // What `fetch` throws when the network fails. The request is left out, it may hold secrets.
        throw new TypeError(describe(Cause.squash(exit.cause)))
      })
    }
  })

const describe = (error: unknown): string =>
  error instanceof Error && error.cause instanceof Error
    ? `${error.message}: ${error.cause.message}`
    : error instanceof Error
    ? error.message
    : String(error)

const toRequest = (url: string | URL, init: RequestInit): Effect.Effect<HttpClientRequest.HttpClientRequest> => {
  const method = (init.method ?? "GET").toUpperCase()
  if (!HttpMethod.isHttpMethod(method)) return Effect.dieMessage(`There is no method ${method}`)
  const headers = Object.fromEntries(new Headers(init.headers))
  const request = HttpClientRequest.make(method)(url, { headers })
  const { body } = init
  if (body === undefined || body === null) return Effect.succeed(request)
  if (typeof body === "string") {
    return Effect.succeed(
      HttpClientRequest.setBody(request, HttpBody.text(body, headers["content-type"] ?? "text/plain"))
    )
  }
  if (body instanceof URLSearchParams) {
    return Effect.succeed(
      HttpClientRequest.setBody(request, HttpBody.text(body.toString(), "application/x-www-form-urlencoded"))
    )
  }
  return Effect.dieMessage("Only text can be sent")
}

const aborted = (signal: AbortSignal): Effect.Effect<void> =>
  Effect.async((resume) => {
    const stop = () => resume(Effect.void)
    if (signal.aborted) return stop()
    signal.addEventListener("abort", stop, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", stop))
  })
