// @effect-diagnostics nodeBuiltinImport:off -- a server that sends exactly the bytes a test wants
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { IncomingMessage, ServerResponse } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface RawServer {
  readonly url: string
  readonly requests: ReadonlyArray<{ readonly path: string; readonly headers: IncomingMessage["headers"] }>
  /** How many connections were made so far. */
  readonly connections: () => number
  /** Done when a client has closed a connection before its response ended. */
  readonly hungUp: Effect.Effect<void>
}

/** Answers the n-th request (from 0) with `respond`. */
export const rawServer = (
  respond: (response: ServerResponse, attempt: number, request: IncomingMessage) => void
): Effect.Effect<RawServer, never, Scope> =>
  Effect.gen(function*() {
    const hungUp = yield* Deferred.make<void>()
    const requests: Array<{ path: string; headers: IncomingMessage["headers"] }> = []
    const server = createServer((request, response) => {
      const attempt = requests.push({ path: request.url ?? "", headers: request.headers }) - 1
      response.on("close", () => {
        if (!response.writableEnded) Deferred.unsafeDone(hungUp, Effect.void)
      })
      request.resume().on("end", () => respond(response, attempt, request))
    })
    let connections = 0
    server.on("connection", () => connections++)
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    const { port } = server.address() as AddressInfo
    return { url: `http://127.0.0.1:${port}`, requests, connections: () => connections, hungUp: Deferred.await(hungUp) }
  })
