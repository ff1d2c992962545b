// @effect-diagnostics nodeBuiltinImport:off a web server of our own, for what honest ones do not do
import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Http } from "@sennit/store"
import { DateTime, Deferred, Effect, Option, Stream } from "effect"
import * as NodeHttp from "node:http"
import { inspect } from "node:util"
import { listening } from "./servers/startServer.ts"

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) & 0xff)

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: NodeJS.Dict<string | Array<string>>
}

/** A server that answers as it is told, and what it was asked. */
const serve = (answer: NodeHttp.RequestListener) =>
  Effect.gen(function*() {
    const seen: Array<Seen> = []
    const port = yield* listening(NodeHttp.createServer((request, response) => {
      seen.push({ method: request.method, url: request.url, headers: request.headers })
      answer(request, response)
    }))
    return { store: yield* Http.make({ baseUrl: `http://127.0.0.1:${port}/base` }), seen }
  }).pipe(Effect.provide(FetchHttpClient.layer))

const plain: NodeHttp.RequestListener = (request, response) => {
  response.writeHead(200, { "content-length": bytes.length, etag: "\"v1\"" })
  response.end(request.method === "HEAD" ? undefined : bytes)
}

describe("a store over HTTP", () => {
  it.scopedLive("offers reading and nothing else", () =>
    Effect.gen(function*() {
      const { store } = yield* serve(plain)
      expect([...store.capabilities]).toEqual(["read", "range", "readIfMatch"])
      expect("write" in store || "list" in store).toBe(false)
    }))

  it.scopedLive("asks for a key by its encoded segments", () =>
    Effect.gen(function*() {
      const { seen, store } = yield* serve(plain)
      for (const key of ["a b/c?d#e", "%2e/é", "//host/x:y@z"]) yield* store.readBytes(key)
      expect(seen.map(({ url }) => url)).toEqual([
        "/base/a%20b/c%3Fd%23e",
        "/base/%252e/%C3%A9",
        "/base/host/x%3Ay%40z"
      ])
      expect(seen.every(({ headers }) => headers["accept-encoding"] === "identity")).toBe(true)
    }))

  it.scopedLive("reads the right part from a server that ignores Range", () =>
    Effect.gen(function*() {
      const { store } = yield* serve(plain)
      expect(yield* store.readBytes("a", { range: { offset: 990 } })).toEqual(bytes.slice(990))
      expect(yield* store.readBytes("a", { range: { offset: 10, length: 5 } })).toEqual(bytes.slice(10, 15))
      expect(yield* store.readBytes("a", { range: { suffix: 3 } })).toEqual(bytes.slice(997))
      expect(yield* store.readBytes("a", { range: { offset: 5, length: 0 } })).toEqual(new Uint8Array(0))
    }))

  it.scopedLive("refuses another version from a server that ignores If-Match and If-Range", () =>
    Effect.gen(function*() {
      const { seen, store } = yield* serve(plain)
      expect(yield* store.readBytes("a", { ifMatch: "\"v1\"" })).toEqual(bytes)
      for (const range of [{ offset: 0 }, { offset: 1, length: 3 }, { offset: 5, length: 0 }]) {
        expect(yield* Effect.flip(store.readBytes("a", { ifMatch: "\"v0\"", range })))
          .toMatchObject({ _tag: "PreconditionFailed" })
      }
      expect(seen.at(-2)?.headers).toMatchObject({ "if-match": "\"v0\"", "if-range": "\"v0\"", range: "bytes=1-3" })
    }))

  it.scopedLive("refuses a part that it did not ask for", () =>
    Effect.gen(function*() {
      const { store } = yield* serve((_, response) => {
        response.writeHead(206, { "content-length": 10, "content-range": "bytes 0-9/1000" })
        response.end(bytes.subarray(0, 10))
      })
      expect(yield* Effect.flip(store.readBytes("a", { range: { offset: 5, length: 10 } })))
        .toMatchObject({ _tag: "BackendUnavailable", reason: "Protocol", retryable: false })
    }))

  it.scopedLive("takes a body that is cut for a failure and not for an end", () =>
    Effect.gen(function*() {
      const { store } = yield* serve((_, response) => {
        response.writeHead(200, { "content-length": 1000 })
        response.write(bytes.subarray(0, 500), () => response.destroy())
      })
      expect(yield* Effect.flip(store.readBytes("a"))).toMatchObject({ _tag: "BackendUnavailable", retryable: true })
    }))

  it.scopedLive("says what a status means", () =>
    Effect.gen(function*() {
      const { store } = yield* serve((request, response) => {
        response.writeHead(Number(request.url?.split("/").at(-1)))
        response.end()
      })
      const outcome = (status: number) => Effect.flip(store.readBytes(String(status)))
      for (const status of [404, 410]) expect(yield* outcome(status)).toMatchObject({ _tag: "NotFound" })
      for (const status of [401, 403]) expect(yield* outcome(status)).toMatchObject({ _tag: "PermissionDenied" })
      expect(yield* outcome(412)).toMatchObject({ _tag: "PreconditionFailed" })
      for (const status of [429, 500, 503]) expect(yield* outcome(status)).toMatchObject({ retryable: true })
      for (const status of [400, 501]) expect(yield* outcome(status)).toMatchObject({ retryable: false })
      expect(yield* store.exists("404")).toBe(false)
    }))

  it.scopedLive("refuses what it would have to decode, and what has no length", () =>
    Effect.gen(function*() {
      const { store } = yield* serve((request, response) => {
        response.writeHead(200, request.url === "/base/coded" ? { "content-encoding": "br", "content-length": 3 } : {})
        response.end(request.method === "HEAD" ? undefined : "abc")
      })
      for (const key of ["coded", "endless"]) {
        expect(yield* Effect.flip(store.readBytes(key))).toMatchObject({ reason: "Protocol", retryable: false })
      }
    }))

  it.scopedLive("stops the answer when it is read no further", () =>
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      const { store } = yield* serve((_, response) => {
        response.writeHead(200, { "content-length": 1e9 })
        const more = () => response.write(new Uint8Array(65_536), () => !response.destroyed && more())
        more()
        response.on("close", () => Deferred.unsafeDone(closed, Effect.void))
      })
      yield* Stream.runDrain(Stream.take(store.read("large"), 2))
      yield* Deferred.await(closed)
    }))

  it.scopedLive("shows no credentials of its client in an error", () =>
    Effect.gen(function*() {
      const port = yield* Effect.scoped(listening(NodeHttp.createServer()))
      const client = HttpClient.mapRequest(
        yield* HttpClient.HttpClient,
        HttpClientRequest.setHeader("authorization", "Bearer hush-hush")
      )
      const store = yield* Http.make({ baseUrl: `http://127.0.0.1:${port}` }).pipe(
        Effect.provideService(HttpClient.HttpClient, client)
      )
      const failure = yield* Effect.flip(store.readBytes("a"))
      expect(failure).toMatchObject({ _tag: "BackendUnavailable", reason: "Network", retryable: true })
      expect(inspect(failure, { depth: 20, showHidden: true })).not.toContain("hush")
      expect(inspect(failure, { depth: 20 })).toContain("ECONNREFUSED")
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("refuses an address with credentials or a query before anything is sent", () =>
    Effect.gen(function*() {
      for (const baseUrl of ["http://u:p@host/", "https://host/?token=hush", "ftp://host/", "no address"]) {
        const failure = yield* Effect.flip(Http.make({ baseUrl }))
        expect(failure).toMatchObject({ _tag: "BackendUnavailable", reason: "Misconfigured", retryable: false })
        expect(inspect(failure, { depth: 20 })).not.toContain("hush")
      }
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.scopedLive("knows an object by what the server tells of it", () =>
    Effect.gen(function*() {
      const { store } = yield* serve((_, response) => {
        response.writeHead(200, {
          "content-length": 5,
          "content-type": "text/plain",
          "last-modified": "Tue, 15 Nov 1994 12:45:26 GMT"
        })
        response.end()
      })
      const info = yield* store.stat("a")
      expect([info.size, info.contentType]).toEqual([5, Option.some("text/plain")])
      expect(DateTime.formatIso(info.modifiedAt)).toBe("1994-11-15T12:45:26.000Z")
    }))
})
