import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpBody from "@effect/platform/HttpBody"
import { describe, expect, it } from "@effect/vitest"
import { CookieJar, HttpClient, Redirect } from "@sennit/http-client"
import { rawServer, Recorder, Recording } from "@sennit/http-client/testing"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)

/** Echoes bodies, counts, sets a cookie and redirects with a token. */
const server = Effect.suspend(() => {
  const count = { requests: 0 }
  return rawServer((connection) =>
    Effect.forever(Effect.gen(function*() {
      const { body, head } = yield* connection.request
      count.requests++
      const path = head.split(" ")[1] ?? ""
      const answer = (headers: string, text: string) =>
        connection.write(`HTTP/1.1 ${headers}Content-Length: ${text.length}\r\n\r\n${text}`)
      if (path.startsWith("/echo")) yield* answer("201 Created\r\nContent-Type: application/octet-stream\r\n", body)
      else if (path === "/login") {
        yield* answer("302 Found\r\nSet-Cookie: s=hush; Path=/\r\nLocation: /home?token=hush&a=1\r\n", "")
      } else if (path === "/none") yield* connection.write("HTTP/1.1 204 No Content\r\n\r\n")
      else yield* answer("200 OK\r\nContent-Type: text/plain\r\n", `${path} ${count.requests}`)
    }))
  )
})

const Json = Schema.parseJson(Recording.Recording)
const textOf = (client: HttpClient.HttpClient, url: string) =>
  Effect.flatMap(client.get(url), (response) => response.text)

describe("Recorder", () => {
  it.scoped("a recording answers without the server as the server did, bytes and all", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const script = (client: HttpClient.HttpClient) =>
        Effect.gen(function*() {
          const echoed = yield* client.post(`${url}/echo`, { body: HttpBody.uint8Array(bytes) })
          const none = yield* client.get(`${url}/none`)
          return [
            yield* textOf(client, `${url}/count`),
            yield* textOf(client, `${url}/count`),
            echoed.status,
            echoed.headers["content-type"],
            [...new Uint8Array(yield* echoed.arrayBuffer)],
            none.status
          ]
        })
      const recorder = yield* Recorder.record(yield* HttpClient.HttpClient)
      const live = yield* script(recorder.client)
      expect(live.slice(0, 2)).toEqual(["/count 3", "/count 4"])
      const recording = yield* recorder.recording
      const again = yield* Effect.flatMap(Schema.encode(Json)(recording), Schema.decode(Json))
      expect(again).toEqual(recording)
      const { client, unused } = yield* Recorder.replay(again)
      expect(yield* script(client)).toEqual(live)
      expect(yield* unused).toEqual([])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("what was not recorded, or not as often, or not with this body, fails and says so", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const recorder = yield* Recorder.record(yield* HttpClient.HttpClient)
      yield* recorder.client.get(`${url}/a`)
      yield* recorder.client.post(`${url}/echo`, { body: HttpBody.text("one") })
      const { client, unused } = yield* Recorder.replay(yield* recorder.recording)
      yield* client.get(`${url}/a`)
      for (
        const request of [
          client.get(`${url}/a`),
          client.get(`${url}/b`),
          client.post(`${url}/echo`, { body: HttpBody.text("two") })
        ]
      ) {
        const error = yield* Effect.flip(request)
        expect(error).toMatchObject({
          _tag: "RequestError",
          reason: "Transport",
          cause: { _tag: "UnrecordedRequest", recorded: [`POST ${url}/echo`] }
        })
        expect(error.message).toContain(`POST ${url}/echo`)
      }
      expect((yield* unused).map(({ request }) => request.method)).toEqual(["POST"])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("holds no credentials, and still replays a login with its cookie and its redirect", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const login = (base: HttpClient.HttpClient) =>
        Effect.gen(function*() {
          const jar = yield* CookieJar.make()
          const client = base.pipe(CookieJar.withCookieJar(jar), Redirect.withRedirects())
          const home = yield* client.get(`${url}/login`, {
            headers: { authorization: "Bearer hush", "X-Api-Key": "hush", "x-own": "hush" }
          })
          return [home.status, (yield* jar.snapshot).map(({ name }) => name)]
        })
      const options = { headers: ["x-own"] }
      const recorder = yield* Recorder.record(yield* HttpClient.HttpClient, options)
      expect(yield* login(recorder.client)).toEqual([200, ["s"]])
      const recording = yield* recorder.recording
      const text = yield* Schema.encode(Json)(recording)
      // the body of /home names its path, so only that one place has the token
      expect(text.replace("/home?token=hush&a=1 2", "")).not.toContain("hush")
      const { client, unused } = yield* Recorder.replay(recording, options)
      expect(yield* login(client)).toEqual([200, ["s"]])
      expect(yield* unused).toEqual([])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("is kept in a file; one that is none is refused", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const files = yield* FileSystem.FileSystem
      const path = `${yield* files.makeTempDirectoryScoped()}/recording.har`
      const recorder = yield* Recorder.record(yield* HttpClient.HttpClient)
      yield* recorder.client.get(`${url}/a`)
      yield* Recording.write(path, yield* recorder.recording)
      expect(yield* Recording.read(path)).toEqual(yield* recorder.recording)
      yield* files.writeFileString(path, "{\"log\":{\"version\":\"9\"}}")
      expect(yield* Effect.flip(Recording.read(path))).toMatchObject({ _tag: "ParseError" })
    }).pipe(Effect.provide([HttpClient.layerPooled(), NodeFileSystem.layer])))

  it.scoped("a status that no response can have again is a failure", () =>
    Effect.gen(function*() {
      const { url } = yield* rawServer((connection) =>
        Effect.zipRight(connection.request, connection.write("HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n"))
      )
      const recorder = yield* Recorder.record(yield* HttpClient.HttpClient)
      expect(yield* Effect.flip(recorder.client.get(url))).toMatchObject({ _tag: "RequestError", reason: "Transport" })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.effect("plays an archive of another program", () =>
    Effect.gen(function*() {
      // the fields that HAR 1.2 requires, as browsers write them
      const archive = yield* Schema.decode(Json)(JSON.stringify({
        log: {
          version: "1.2",
          creator: { name: "browser", version: "1" },
          pages: [],
          entries: [{
            startedDateTime: "2024-01-01T00:00:00.000Z",
            time: 12.5,
            request: {
              method: "GET",
              url: "https://a.example/x?q=1",
              httpVersion: "h2",
              cookies: [],
              headers: [{ name: "Accept", value: "*/*" }],
              queryString: [{ name: "q", value: "1" }],
              headersSize: -1,
              bodySize: 0
            },
            response: {
              status: 200,
              statusText: "OK",
              httpVersion: "h2",
              cookies: [],
              headers: [{ name: "Content-Type", value: "text/plain" }],
              content: { size: 2, mimeType: "text/plain", text: "aGk=", encoding: "base64" },
              redirectURL: "",
              headersSize: -1,
              bodySize: -1
            },
            cache: {},
            timings: { send: 0, wait: 12, receive: 0.5 }
          }]
        }
      }))
      const { client } = yield* Recorder.replay(archive)
      expect(yield* textOf(client, "https://a.example/x?q=1")).toBe("hi")
    }))
})
