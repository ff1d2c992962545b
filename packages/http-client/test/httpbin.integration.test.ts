// @effect-diagnostics nodeBuiltinImport:off -- starts gunicorn with httpbin
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, layer } from "@effect/vitest"
import {
  Auth,
  ConnectionPool,
  ContentCoding,
  CookieJar,
  HttpClient,
  HttpError,
  Redirect,
  Retry
} from "@sennit/http-client"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ChildProcess from "node:child_process"
import * as Net from "node:net"

const python = "/usr/bin/python3"
const have = ChildProcess.spawnSync(python, ["-c", "import gunicorn, httpbin"]).status === 0
const required = Effect.runSync(Config.withDefault(Config.boolean("SENNIT_REQUIRE_SERVERS"), false))

const freePort = Effect.async<number>((resume) => {
  const server = Net.createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(address !== null && typeof address === "object" ? address.port : 0)))
  })
})

class Httpbin extends Context.Tag("test/Httpbin")<Httpbin, { readonly url: string }>() {}

const gunicorn = Effect.gen(function*() {
  if (!have) return yield* Effect.dieMessage("httpbin is required: apt-get install python3-httpbin gunicorn")
  const port = yield* freePort
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(
        python,
        // threads keep connections open, as gunicorn's plain workers do not
        ["-m", "gunicorn", "-b", `127.0.0.1:${port}`, "-k", "gthread", "--threads", "8", "httpbin:app"],
        { stdio: "ignore" }
      )
    ),
    (child) =>
      Effect.async<void>((resume) => {
        if (child.exitCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGTERM")
      })
  )
  const url = `http://127.0.0.1:${port}`
  // it is ready when it answers
  yield* HttpClient.get(`${url}/get`).pipe(Effect.retry(Schedule.spaced("50 millis")))
  return { url }
})

const served = Layer.scoped(Httpbin, gunicorn).pipe(Layer.provideMerge(HttpClient.layerPooled()))

const at = (path: string) => Effect.map(Httpbin, ({ url }) => `${url}${path}`)
const Numbered = Schema.parseJson(Schema.Struct({ id: Schema.Number }))
const credentials = (password: string) => ({ username: "user", password: Redacted.make(password) })
const preciseOf = <A, R>(effect: Effect.Effect<A, Parameters<typeof HttpError.fromClientError>[0], R>) =>
  Effect.map(Effect.flip(effect), (error) => Option.getOrThrow(HttpError.fromClientError(error)))

describe.skipIf(!have && !required)("httpbin (apt-get install python3-httpbin gunicorn)", () => {
  layer(served, { excludeTestServices: true })((it) => {
    it.effect("methods, headers, queries and bodies arrive as they were given", () =>
      Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
        for (const method of ["POST", "PUT", "PATCH", "DELETE"] as const) {
          const request = HttpClientRequest.make(method)(yield* at("/anything/a b?q=1")).pipe(
            HttpClientRequest.setUrlParam("r", "ä&"),
            HttpClientRequest.setHeader("x-own", "1"),
            HttpClientRequest.setBody(HttpBody.uint8Array(bytes, "application/octet-stream"))
          )
          const seen = yield* Effect.flatMap(client.execute(request), (response) => response.json)
          expect(seen).toMatchObject({
            method,
            args: { q: "1", r: "ä&" },
            headers: { "X-Own": "1", "Content-Length": "256" },
            data: `data:application/octet-stream;base64,${Buffer.from(bytes).toString("base64")}`
          })
        }
        const form = new FormData()
        form.append("a", "1 & 2")
        form.append("f", new Blob(["content"]), "f.txt")
        const posted = yield* client.post(yield* at("/post"), { body: HttpBody.formData(form) })
        expect(yield* posted.json).toMatchObject({ form: { a: "1 & 2" }, files: { f: "content" } })
      }))

    it.effect("digest, basic and bearer, with right and with wrong credentials", () =>
      Effect.gen(function*() {
        const { url } = yield* Httpbin
        const plain = yield* HttpClient.HttpClient
        const statusOf = (client: HttpClient.HttpClient, path: string) =>
          Effect.map(client.get(`${url}${path}`), ({ status }) => status)
        for (const algorithm of ["MD5", "SHA-256", "SHA-512"]) {
          const path = `/digest-auth/auth/user/right/${algorithm}`
          const right = yield* Auth.withDigestAuth(plain, url, credentials("right"))
          // SHA-512 is no algorithm of RFC 7616, so its challenge is not answered
          expect(yield* statusOf(right, path)).toBe(algorithm === "SHA-512" ? 401 : 200)
          const wrong = yield* Auth.withDigestAuth(plain, url, credentials("wrong"))
          expect(yield* statusOf(wrong, path)).toBe(401)
        }
        const basic = (password: string) => Auth.withBasicAuth(plain, url, credentials(password))
        expect(yield* statusOf(basic("right"), "/basic-auth/user/right")).toBe(200)
        expect(yield* statusOf(basic("wrong"), "/basic-auth/user/right")).toBe(401)
        const bearer = yield* Auth.withBearer(plain, url, Effect.succeed(Redacted.make("t")))
        expect(yield* Effect.flatMap(bearer.get(`${url}/bearer`), (response) => response.json))
          .toEqual({ authenticated: true, token: "t" })
        expect(yield* statusOf(plain, "/bearer")).toBe(401)
      }))

    it.effect("redirects: relative, absolute, to a bound, and 307 with its body", () =>
      Effect.gen(function*() {
        const client = Redirect.withRedirects(yield* HttpClient.HttpClient, { max: 5 })
        for (const path of ["/redirect/5", "/relative-redirect/5", "/absolute-redirect/5"]) {
          const response = yield* client.get(yield* at(path))
          expect([response.status, response.request.url]).toEqual([200, yield* at("/get")])
        }
        expect(yield* preciseOf(client.get(yield* at("/redirect/6")))).toMatchObject({ _tag: "TooManyRedirects" })
        const target = encodeURIComponent(yield* at("/anything"))
        const redirect = yield* at(`/redirect-to?status_code=307&url=${target}`)
        const again = yield* client.post(redirect, { body: HttpBody.text("kept") })
        expect(yield* again.json).toMatchObject({ method: "POST", data: "kept" })
        const found = yield* client.post(redirect.replace("307", "302"), { body: HttpBody.text("dropped") })
        expect(yield* found.json).toMatchObject({ method: "GET", data: "" })
      }))

    it.effect("gzip, deflate and brotli", () =>
      Effect.gen(function*() {
        const client = ContentCoding.withDecompression(yield* HttpClient.HttpClient)
        for (const [path, name] of [["/gzip", "gzipped"], ["/deflate", "deflated"], ["/brotli", "brotli"]] as const) {
          const response = yield* client.get(yield* at(path))
          expect(yield* response.json).toMatchObject({ [name]: true, method: "GET" })
        }
      }))

    it.effect("cookies are set, sent and deleted across redirects", () =>
      Effect.gen(function*() {
        const jar = yield* CookieJar.make()
        const client = (yield* HttpClient.HttpClient).pipe(CookieJar.withCookieJar(jar), Redirect.withRedirects())
        const seen = (path: string) =>
          Effect.flatMap(Effect.flatMap(at(path), (url) => client.get(url)), (response) => response.json)
        expect(yield* seen("/cookies/set?a=1&b=2")).toEqual({ cookies: { a: "1", b: "2" } })
        expect(yield* seen("/cookies")).toEqual({ cookies: { a: "1", b: "2" } })
        expect(yield* seen("/cookies/delete?a=")).toEqual({ cookies: { b: "2" } })
        expect((yield* jar.snapshot).map(({ name }) => name)).toEqual(["b"])
      }))

    it.effect("status codes; a retry gives the last answer, or the first good one", () =>
      Effect.gen(function*() {
        const plain = yield* HttpClient.HttpClient
        for (const status of [200, 204, 304, 404, 418, 500]) {
          expect((yield* plain.get(yield* at(`/status/${status}`))).status).toBe(status)
        }
        const client = Retry.withRetry(plain, { schedule: Schedule.recurs(3) })
        expect((yield* client.get(yield* at("/status/503"))).status).toBe(503)
        // httpbin draws the status of each answer by these weights
        const lucky = Retry.withRetry(plain, { schedule: Schedule.recurs(100) })
        expect((yield* lucky.get(yield* at("/status/200:0.4,503:0.6"))).status).toBe(200)
      }))

    it.effect("streams: lines as they come, bytes of a seed, ranges, and a body that drips", () =>
      Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        const lines = yield* client.get(yield* at("/stream/20")).pipe(
          Effect.map((response) => response.stream.pipe(Stream.decodeText(), Stream.splitLines)),
          Stream.unwrap,
          Stream.runCollect
        )
        const ids = yield* Effect.forEach([...lines], (line) => Schema.decode(Numbered)(line))
        expect(ids).toEqual(Array.from({ length: 20 }, (_, id) => ({ id })))
        const bytes = (path: string) =>
          Effect.flatMap(
            at(path),
            (url) =>
              client.get(url).pipe(
                Effect.flatMap((response) => response.arrayBuffer),
                Effect.map((body) => Buffer.from(body))
              )
          )
        const streamed = yield* bytes("/stream-bytes/100000?seed=7&chunk_size=1000")
        expect(streamed.length).toBe(100_000)
        expect(streamed.equals(yield* bytes("/stream-bytes/100000?seed=7&chunk_size=77"))).toBe(true)
        const part = yield* client.get(yield* at("/range/1000"), { headers: { range: "bytes=10-15" } })
        expect([part.status, part.headers["content-range"], yield* part.text]).toEqual([
          206,
          "bytes 10-15/1000",
          "klmnop"
        ])
        expect((yield* bytes("/drip?numbytes=5&duration=0.2&delay=0")).toString()).toBe("*****")
      }))

    it.effect("a server that waits longer than the deadline", () =>
      Effect.gen(function*() {
        const url = yield* at("/delay/5")
        const [took, error] = yield* Effect.timed(preciseOf(HttpClient.get(url))).pipe(
          Effect.provide(HttpClient.layerPooled({ timeouts: { total: "300 millis" } }))
        )
        expect(error).toMatchObject({ _tag: "TotalTimeout", millis: 300, sent: "complete" })
        // far less than what the server takes
        expect(Duration.toMillis(took)).toBeLessThan(4000)
      }))

    it.effect("keeps its connections", () =>
      Effect.gen(function*() {
        const pool = yield* ConnectionPool.ConnectionPool
        const url = yield* at("/get")
        const get = Effect.flatMap(HttpClient.get(url), (response) => response.text)
        yield* get
        const { created } = yield* pool.stats
        yield* Effect.repeatN(get, 20)
        expect((yield* pool.stats).created).toBe(created)
        expect(yield* pool.stats).toMatchObject({ busy: 0, waiting: 0 })
      }))
  })
})
