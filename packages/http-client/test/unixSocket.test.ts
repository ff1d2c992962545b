// @effect-diagnostics nodeBuiltinImport:off -- node's HTTP server listens on the other side
import type { HttpClientError } from "@effect/platform/HttpClientError"
import { describe, expect, it } from "@effect/vitest"
import { HttpClient, HttpError, SsrfGuard } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Http from "node:http"
import { temporaryFolder } from "./servers/startProgram.ts"

const serving = Effect.gen(function*() {
  const path = `${yield* temporaryFolder}/http.sock`
  const server = Http.createServer((request, response) => response.end(`${request.headers.host} ${request.url}`))
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => {
      server.listen(path, () => resume(Effect.void))
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  return path
})

const text = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)
const preciseOf = <A, R>(effect: Effect.Effect<A, HttpClientError, R>) =>
  Effect.map(Effect.flip(effect), (error) => Option.getOrThrow(HttpError.fromClientError(error)))

describe("a Unix socket", () => {
  it.scoped("gets the requests for every host", () =>
    Effect.gen(function*() {
      const unixSocket = yield* serving
      const both = Effect.all([text("http://docker/info"), text("http://nothing.invalid:99/")])
      expect(yield* Effect.provide(both, HttpClient.layerPooled({ unixSocket }))).toEqual([
        "docker /info",
        "nothing.invalid:99 /"
      ])
    }))

  it.scoped("that is not there, or that nobody listens on", () =>
    Effect.gen(function*() {
      const unixSocket = `${yield* temporaryFolder}/none.sock`
      const layer = HttpClient.layerPooled({ unixSocket })
      expect(yield* Effect.provide(preciseOf(text("http://docker/")), layer)).toMatchObject({
        _tag: "ConnectError",
        reason: "Unreachable",
        origin: "http://docker"
      })
    }))

  it.scoped("has no address, so the guard refuses it unless the host is named", () =>
    Effect.gen(function*() {
      const unixSocket = yield* serving
      const guarded = (ssrfGuard: SsrfGuard.SsrfGuard) => HttpClient.layerPooled({ unixSocket, ssrfGuard })
      const refused = yield* Effect.provide(preciseOf(text("http://127.0.0.1/")), guarded(SsrfGuard.publicOnly))
      expect(refused).toMatchObject({ _tag: "AddressForbidden", range: "unresolved" })
      const named = guarded(SsrfGuard.publicOr({ hosts: ["docker"] }))
      expect(yield* Effect.provide(text("http://docker/"), named)).toBe("docker /")
    }))
})
