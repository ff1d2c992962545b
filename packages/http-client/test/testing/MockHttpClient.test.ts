import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import { RequestError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import { CookieJar, Redirect } from "@sennit/http-client"
import { MockHttpClient } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const { make, route } = MockHttpClient

describe("MockHttpClient", () => {
  it.effect("answers by route with text, bytes and JSON, and knows what it was asked", () =>
    Effect.gen(function*() {
      const bytes = Uint8Array.from([0, 255, 13, 10])
      const { client, requests } = yield* make([
        route("GET", "/text", { body: "plain", headers: { "x-a": "1" } }),
        route("GET", "/bytes", { body: bytes }),
        route("GET", "/json", { body: { a: [1] } }),
        route("DELETE", "/json", { status: 204 }),
        route("POST", "/echo", (request) => ({ status: 201, body: request.body }))
      ])
      const text = yield* client.get("https://a.example/text?q=1")
      expect([text.status, text.headers["x-a"], yield* text.text]).toEqual([200, "1", "plain"])
      expect(new Uint8Array(yield* (yield* client.get("https://a.example/bytes")).arrayBuffer)).toEqual(bytes)
      expect(yield* (yield* client.get("https://a.example/json")).json).toEqual({ a: [1] })
      expect((yield* client.del("https://a.example/json")).status).toBe(204)
      for (
        const body of [HttpBody.text("sent"), HttpBody.raw("sent"), HttpBody.stream(Stream.make(Buffer.from("sent")))]
      ) expect(yield* (yield* client.post("https://a.example/echo", { body })).text).toBe("sent")
      const seen = yield* requests
      expect(seen.length).toBe(7)
      expect(seen[0]).toMatchObject({ method: "GET", body: new Uint8Array(0) })
      expect(seen[0]?.url.href).toBe("https://a.example/text?q=1")
      expect(Buffer.from(seen[6]?.body ?? []).toString()).toBe("sent")
    }))

  it.effect("a query or a host in a route counts, none does not", () =>
    Effect.gen(function*() {
      const { client } = yield* make([
        route("GET", "/a?page=1", { body: "one" }),
        route("GET", "https://b.example/a", { body: "b" }),
        route("GET", "/a", { body: "any" })
      ])
      const get = (url: string) => Effect.flatMap(client.get(url), (response) => response.text)
      expect(yield* get("https://a.example/a?page=1#f")).toBe("one")
      expect(yield* get("https://b.example/a?page=2")).toBe("b")
      expect(yield* get("https://a.example/a?page=2")).toBe("any")
    }))

  it.effect("an unmatched request is a failure that says what was asked and what there is", () =>
    Effect.gen(function*() {
      const { client, requests } = yield* make([route("GET", "/users", {})])
      const error = yield* Effect.flip(client.post("https://a.example/users"))
      expect(error).toMatchObject({
        _tag: "RequestError",
        reason: "Transport",
        cause: { _tag: "UnmatchedRequest", method: "POST", routes: ["GET /users"] }
      })
      expect(error.message).toContain("POST https://a.example/users")
      expect((yield* requests).length).toBe(1)
    }))

  it.effect("a route may fail as a network fails", () =>
    Effect.gen(function*() {
      const { client } = yield* make([
        route("GET", "/down", (_, request) => Effect.fail(new RequestError({ request, reason: "Transport" })))
      ])
      expect(yield* Effect.flip(client.get("https://a.example/down"))).toMatchObject({ reason: "Transport" })
    }))

  it.effect("works below the middleware of this package", () =>
    Effect.gen(function*() {
      const mock = yield* make([
        route("GET", "/login", {
          status: 302,
          headers: [["set-cookie", "a=1; Path=/"], ["set-cookie", "b=2; Path=/"], ["location", "/home"]]
        }),
        route("GET", "/home", (request) => ({ body: request.headers["cookie"] ?? "none" }))
      ])
      const client = mock.client.pipe(CookieJar.withCookieJar(yield* CookieJar.make()), Redirect.withRedirects())
      expect(yield* Effect.flatMap(client.get("https://a.example/login"), (response) => response.text)).toBe("a=1; b=2")
    }))

  it.effect("layer", () =>
    Effect.gen(function*() {
      const response = yield* HttpClient.execute(HttpClientRequest.get("https://a.example/"))
      expect(yield* response.text).toBe("hi")
    }).pipe(Effect.provide(MockHttpClient.layer([route("GET", "/", { body: "hi" })]))))
})
