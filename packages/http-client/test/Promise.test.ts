import { describe, expect, it } from "@effect/vitest"
import { createClient } from "@sennit/http-client/Promise"
import type { Client, ClientOptions } from "@sennit/http-client/Promise"
import { rawServer } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"

const echo = rawServer((connection) =>
  Effect.forever(Effect.gen(function*() {
    const { body, head } = yield* connection.request
    if (head.includes("/moved ")) {
      yield* connection.write("HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n")
    } else if (!head.includes("/hang ")) {
      const seen = JSON.stringify({ head, body })
      yield* connection.write(
        `HTTP/1.1 200 OK\r\nX-A: 1\r\nSet-Cookie: kept=1\r\nContent-Length: ${seen.length}\r\n\r\n${seen}`
      )
    }
  }))
)

const withClient = <A>(options: (url: string) => ClientOptions, use: (client: Client) => Promise<A>) =>
  Effect.gen(function*() {
    const server = yield* echo
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => createClient(options(server.url))),
      (made) => Effect.promise(() => made[Symbol.asyncDispose]())
    )
    return yield* Effect.promise(() => use(client))
  })

describe("createClient", () => {
  it.scoped("sends methods, JSON, forms and queries below a base URL", () =>
    withClient(
      (baseUrl) => ({ baseUrl, headers: { "x-all": "1", "x-one": "0" } }),
      (client) =>
        client.post("/a", { json: { b: 1 }, query: { q: "1" }, headers: { "x-one": "1" } })
          .then((response) => {
            expect([response.status, response.headers["x-a"]]).toEqual([200, "1"])
            return response.json()
          })
          .then((seen) => {
            expect(seen).toMatchObject({ body: "{\"b\":1}" })
            expect(JSON.stringify(seen)).toContain("POST /a?q=1 HTTP/1.1")
            expect(JSON.stringify(seen)).toMatch(/x-one: 1\\r\\n.*x-all: 1\\r\\n/)
            return client.put("/b", { body: new URLSearchParams({ c: "d e" }) })
          })
          .then((response) => response.text())
          .then((text) => {
            expect(text).toContain("\"body\":\"c=d+e\"")
            expect(text).toContain("application/x-www-form-urlencoded")
            return client.delete("/c")
          })
          .then((response) => response.bytes())
          .then((bytes) => expect(Buffer.from(bytes).toString()).toContain("DELETE /c "))
    ))

  it.scoped("gives bodies as web streams, up and down", () =>
    withClient((baseUrl) => ({ baseUrl }), (client) =>
      client.post("/s", { body: new Blob(["streamed"]).stream() })
        .then((response) => new Response(response.stream()).json())
        .then((seen) => expect(seen).toMatchObject({ body: "streamed" }))))

  it.scoped("reads text in its charset, and lines as they come", () =>
    Effect.gen(function*() {
      const server = yield* rawServer((connection) =>
        Effect.forever(Effect.gen(function*() {
          const { head } = yield* connection.request
          const charset = head.includes("/known") ? "Latin1" : "x-nowhere"
          yield* connection.write(
            `HTTP/1.1 200 OK\r\nContent-Type: text/plain; x=y; Charset="${charset}"\r\nContent-Length: 9\r\n\r\n`
          )
          yield* connection.writeEach("\xe9\r\nb\n\nc\r\r", 1)
        }))
      )
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => createClient({ baseUrl: server.url })),
        (made) => Effect.promise(() => made[Symbol.asyncDispose]())
      )
      const lines: Array<string> = []
      yield* Effect.promise(() =>
        client.get("/known").then(async (response) => {
          for await (const line of response.lines()) lines.push(line)
          return lines
        })
      )
      expect(lines).toEqual(["\u00e9", "b", "", "c\r\r"])
      yield* Effect.promise(() =>
        client.get("/known").then((response) => response.text()).then((text) => expect(text[0]).toBe("\u00e9"))
      )
      yield* Effect.promise(() =>
        client.get("/other").then((response) =>
          expect(response.text()).rejects.toMatchObject({ _tag: "DecodeError", reason: "Charset" })
            .then(() => expect(response.bytes()).resolves.toHaveLength(9))
            .then(() => expect(response.json()).rejects.toMatchObject({ _tag: "DecodeError" }))
        )
      )
    }))

  it.scoped("follows redirects and says where it ended", () =>
    withClient((baseUrl) => ({ baseUrl }), (client) =>
      client.get("/moved").then((response) => {
        expect(response.url.endsWith("/end")).toBe(true)
        return client.stats()
      }).then((stats) => expect(stats).toMatchObject({ open: 1, created: 1 }))))

  it.scoped("rejects with the typed error itself", () =>
    Effect.gen(function*() {
      const closed = yield* Effect.scoped(echo)
      yield* withClient(() => ({ baseUrl: closed.url, redirects: { max: 0 } }), (client) =>
        Promise.all([
          expect(client.get("/")).rejects.toMatchObject({ _tag: "ConnectError", reason: "Refused" }),
          expect(client.get("/", { headers: { a: "\n" } })).rejects.toMatchObject({ _tag: "InvalidRequest" }),
          expect(client.post("/", { json: 1n })).rejects.toMatchObject({ _tag: "InvalidRequest", reason: "Body" })
        ]))
    }))

  it.scoped("keeps cookies, and bounds the time of a request", () =>
    withClient(
      (baseUrl) => ({ baseUrl, decompression: false }),
      (client) =>
        client.get("/set").then((response) => response.text()).then(() => client.get("/"))
          .then((response) => response.text())
          .then((text) => {
            expect(text).toContain("cookie: kept=1")
            expect(text).not.toContain("accept-encoding")
            return expect(client.get("/hang", { timeout: "20 millis" })).rejects.toMatchObject({ _tag: "TotalTimeout" })
          }).then(() => client.stats()).then((stats) => expect(stats).toMatchObject({ busy: 0 }))
    ))

  it.scoped("an aborted signal ends the request and its connection", () =>
    withClient((baseUrl) => ({ baseUrl }), (client) => {
      const controller = new AbortController()
      const request = client.get("/hang", { signal: controller.signal })
      controller.abort(new Error("enough"))
      return expect(request).rejects.toThrow("enough").then(() => client.stats())
        .then((stats) => expect(stats).toMatchObject({ open: 0, busy: 0, waiting: 0 }))
    }))
})
