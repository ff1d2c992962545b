// @effect-diagnostics nodeBuiltinImport:off -- node:zlib is the oracle that compresses
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { ConnectionPool, ContentCoding, HttpClient, HttpError, Redirect } from "@sennit/http-client"
import { rawServer } from "@sennit/http-client/testing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Crypto from "node:crypto"
import * as Zlib from "node:zlib"

const encoders: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  gzip: Zlib.gzipSync,
  deflate: Zlib.deflateSync,
  "deflate (raw)": Zlib.deflateRawSync,
  br: Zlib.brotliCompressSync
}
const codings: ReadonlyArray<ContentCoding.Coding> = ["gzip", "deflate", "br"]
const names = Object.keys(encoders)
const codingOf = (name: string): ContentCoding.Coding => codings.find((coding) => name.startsWith(coding)) ?? "br"
const encode = (name: string, bytes: Uint8Array): Uint8Array => encoders[name]?.(bytes) ?? bytes

const pieces = (bytes: Uint8Array, size: number): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
  ).pipe(Stream.rechunk(3))

const decoded = (
  bytes: Uint8Array,
  chain: ReadonlyArray<ContentCoding.Coding>,
  limits: Partial<ContentCoding.DecompressionLimits> = {},
  size = 1000
) =>
  pieces(bytes, size).pipe(
    ContentCoding.decode(chain, { ...ContentCoding.defaultLimits, ...limits }),
    Stream.runCollect,
    Effect.map((chunks) => Buffer.concat([...chunks]))
  )

describe("parseContentEncoding", () => {
  it("reads lists, aliases and identity, and refuses long chains", () => {
    expect(ContentCoding.parseContentEncoding("GZIP ,, br , identity,x-gzip")).toEqual(["gzip", "br", "gzip"])
    expect(ContentCoding.parseContentEncoding("identity")).toEqual([])
    expect(ContentCoding.parseContentEncoding("gzip, compress")).toBeUndefined()
    expect(ContentCoding.parseContentEncoding("br,".repeat(6))).toMatchObject({ limit: "codings", maximum: 5 })
    expect(ContentCoding.parseContentEncoding("x,".repeat(6))).toMatchObject({ limit: "codings" })
  })
})

describe("decode", () => {
  it.effect.prop(
    "gives back what node:zlib encoded, however it is cut and chained",
    [
      FastCheck.uint8Array({ maxLength: 5000 }),
      FastCheck.array(FastCheck.constantFrom(...names), { minLength: 1, maxLength: 5 }),
      FastCheck.integer({ min: 1, max: 700 })
    ],
    ([bytes, chain, size]) =>
      Effect.gen(function*() {
        const encoded = chain.reduce((inner, name) => encode(name, inner), bytes)
        const all = yield* decoded(encoded, chain.map(codingOf), { ratio: Number.POSITIVE_INFINITY }, size)
        expect(all.equals(bytes)).toBe(true)
      })
  )

  it.effect("byte by byte, and large", () =>
    Effect.gen(function*() {
      const random = Crypto.randomBytes(300_000)
      for (const name of names) {
        const coding = codingOf(name)
        expect((yield* decoded(encode(name, Buffer.from("hello")), [coding], {}, 1)).toString()).toBe("hello")
        expect((yield* decoded(encode(name, random), [coding], {}, 65_536)).equals(random)).toBe(true)
      }
      const members = Buffer.concat([Zlib.gzipSync("one "), Zlib.gzipSync("two")])
      expect((yield* decoded(members, ["gzip"])).toString()).toBe("one two")
    }))

  it.effect("what is empty is empty", () =>
    Effect.gen(function*() {
      for (const coding of codings) expect((yield* decoded(new Uint8Array(0), [coding])).length).toBe(0)
      expect((yield* decoded(Zlib.gzipSync(""), ["gzip"])).length).toBe(0)
    }))

  const text = Buffer.from("the same words ".repeat(300))
  it.effect.each(names)("refuses %s that is cut short, followed by more, or corrupt", (name) =>
    Effect.gen(function*() {
      const coding = codingOf(name)
      const whole = encode(name, text)
      const failure = (bytes: Uint8Array, size?: number) => Effect.flip(decoded(bytes, [coding], {}, size))
      for (let length = 1; length < whole.length; length++) {
        expect(yield* failure(whole.subarray(0, length))).toMatchObject({
          _tag: "DecompressionError",
          reason: "Truncated",
          coding
        })
      }
      for (const size of [1, 1000]) {
        expect(yield* failure(Buffer.concat([whole, Buffer.from([0, 0])]), size)).toMatchObject({
          reason: "TrailingData"
        })
        const more = yield* failure(Buffer.concat([whole, Buffer.from("more")]), size)
        // gzip may have further members, so what follows is taken for a member that is none
        expect(more).toMatchObject({ reason: name === "gzip" ? "Corrupt" : "TrailingData" })
      }
      expect(yield* failure(Buffer.alloc(50, 0xff))).toMatchObject({ reason: "Corrupt" })
    }))

  it.effect("a checksum that does not match is corrupt", () =>
    Effect.gen(function*() {
      const whole = Zlib.gzipSync(text)
      whole.writeUInt32LE(0, whole.length - 8)
      expect(yield* Effect.flip(decoded(whole, ["gzip"]))).toMatchObject({ reason: "Corrupt" })
    }))

  it.effect.each(names)(
    "a bomb of %s ends at the limit, long before it is all decoded",
    (name) =>
      Effect.gen(function*() {
        const zeros = Buffer.alloc(8 * 1024 * 1024)
        const bomb = name === "br"
          ? Zlib.brotliCompressSync(zeros, { params: { [Zlib.constants.BROTLI_PARAM_QUALITY]: 5 } })
          : encode(name, zeros)
        let seen = 0
        const failure = (limits: Partial<ContentCoding.DecompressionLimits>) => {
          seen = 0
          return Stream.make(bomb).pipe(
            ContentCoding.decode([codingOf(name)], { ...ContentCoding.defaultLimits, ...limits }),
            Stream.runForEach((bytes) => Effect.sync(() => seen += bytes.length)),
            Effect.flip
          )
        }
        expect(yield* failure({})).toMatchObject({ _tag: "DecompressionLimit", limit: "ratio", maximum: 200 })
        expect(seen).toBeLessThan(Math.max(bomb.length * 201, 1_048_576 + 65_536))
        expect(yield* failure({ ratio: Number.POSITIVE_INFINITY, bytes: 100_000 })).toMatchObject({ limit: "bytes" })
        expect(seen).toBeLessThanOrEqual(100_000)
      })
  )

  it.effect("a bomb inside another coding is measured against what came over the wire", () =>
    Effect.gen(function*() {
      const bomb = Zlib.brotliCompressSync(Zlib.gzipSync(Buffer.alloc(4 * 1024 * 1024)))
      expect(yield* Effect.flip(decoded(bomb, ["gzip", "br"]))).toMatchObject({ limit: "ratio" })
    }))
})

/** A server that answers with an encoded body, and remembers the head of the last request. */
const answering = (body: Uint8Array, encoding: string, options: { status?: string; framing?: string } = {}) =>
  Effect.gen(function*() {
    let head = ""
    const server = yield* rawServer((connection) =>
      Effect.forever(Effect.gen(function*() {
        head = (yield* connection.request).head
        yield* connection.write(
          `HTTP/1.1 ${options.status ?? "200 OK"}\r\nContent-Encoding: ${encoding}\r\nSet-Cookie: a=1\r\n${
            options.framing ?? `Content-Length: ${body.length}`
          }\r\n\r\n`
        )
        yield* connection.write(body)
      }))
    )
    return { server, url: server.url, head: () => head }
  })

const client = Effect.map(HttpClient.HttpClient, (plain) => ContentCoding.withDecompression(plain))
const stats = Effect.flatMap(ConnectionPool.ConnectionPool, (pool) => pool.stats)
const precise = (error: HttpClientError) => Option.getOrThrow(HttpError.fromClientError(error))

const failing = (response: Effect.Effect<HttpClientResponse, HttpClientError>) =>
  Effect.map(Effect.flip(Effect.flatMap(response, (given) => given.text)), precise)

describe("withDecompression", () => {
  it.scoped("asks for what it decodes, and gives the body with headers that fit it", () =>
    Effect.gen(function*() {
      const { head, url } = yield* answering(Zlib.gzipSync("{\"a\":[1]}"), "gzip")
      const response = yield* (yield* client).get(url)
      expect(head()).toContain(`accept-encoding: ${ContentCoding.acceptEncoding}\r\n`)
      expect([response.headers["content-encoding"], response.headers["content-length"]]).toEqual([undefined, undefined])
      expect(yield* response.json).toEqual({ a: [1] })
      // read again: the body is there
      expect(yield* response.text).toBe("{\"a\":[1]}")
      expect((yield* response.arrayBuffer).byteLength).toBe(9)
      expect(response.cookies.cookies["a"]).toBeDefined()
      expect(response.request.url).toBe(url)
      const streamed = yield* (yield* client).get(url)
      expect(yield* Stream.runFold(streamed.stream, 0, (sum, bytes) => sum + bytes.length)).toBe(9)
      expect(precise(yield* Effect.flip(streamed.text))).toMatchObject({ _tag: "BodyConsumed" })
      expect(yield* stats).toMatchObject({ created: 1, idle: 1, busy: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("leaves alone what the request asked for itself, parts, HEAD and unknown codings", () =>
    Effect.gen(function*() {
      const part = yield* answering(Zlib.gzipSync("x"), "gzip", { status: "206 Partial Content" })
      const ranged = yield* (yield* client).get(part.url, { headers: { range: "bytes=0-9" } })
      expect([part.head().includes("accept-encoding: identity"), ranged.headers["content-encoding"]]).toEqual([
        true,
        "gzip"
      ])
      yield* ranged.arrayBuffer
      const unknown = yield* answering(Buffer.from("??"), "compress")
      const given = yield* (yield* client).get(unknown.url, { headers: { "accept-encoding": "compress" } })
      expect(unknown.head()).toContain("accept-encoding: compress")
      expect([given.headers["content-encoding"], yield* given.text]).toEqual(["compress", "??"])
      const head = yield* answering(new Uint8Array(0), "gzip", { framing: "Content-Length: 99" })
      const none = yield* (yield* client).head(head.url)
      expect([none.headers["content-length"], yield* none.text]).toEqual(["99", ""])
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a failure is a ResponseError with the precise cause, and the connection is given back", () =>
    Effect.gen(function*() {
      const corrupt = yield* answering(Buffer.from("not gzip at all"), "gzip")
      expect(yield* failing((yield* client).get(corrupt.url))).toMatchObject({ reason: "Corrupt", coding: "gzip" })
      const chained = yield* answering(Buffer.from("x"), "br, br, br, br, br, br")
      expect(yield* failing((yield* client).get(chained.url))).toMatchObject({ limit: "codings" })
      const cut = yield* answering(Zlib.gzipSync("hello").subarray(0, 20), "gzip")
      expect(yield* failing((yield* client).get(cut.url))).toMatchObject({ reason: "Truncated" })
      yield* chained.server.requests
      expect(yield* stats).toMatchObject({ busy: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("interruption frees decoder and connection while the body is still coming", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const half = Zlib.gzipSync(Crypto.randomBytes(100_000)).subarray(0, 50_000)
      const { server, url } = yield* answering(half, "gzip", { framing: "Content-Length: 1000000" })
      const response = yield* (yield* client).get(url)
      const fiber = yield* Effect.fork(
        Stream.runForEach(response.stream, () => Deferred.succeed(started, undefined))
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* server.quiet
      expect(yield* stats).toMatchObject({ open: 0, busy: 0 })
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("a reader who stops stops the server", () =>
    Effect.gen(function*() {
      // random bytes do not compress: what is sent must wait in sockets and buffers when nobody reads
      const large = Zlib.gzipSync(Crypto.randomBytes(32 * 1024 * 1024), { level: 1 })
      let pending: Effect.Effect<number> = Effect.succeed(0)
      const server = yield* rawServer((connection) =>
        Effect.gen(function*() {
          yield* connection.request
          pending = connection.pending
          yield* connection.write(
            `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${large.length}\r\n\r\n`
          )
          yield* connection.write(large)
        })
      )
      const response = yield* (yield* client).get(server.url)
      const rest = yield* response.stream.pipe(
        Stream.take(1),
        Stream.mapEffect(() => pending),
        Stream.runCollect
      )
      expect([...rest].every((bytes) => bytes > 8 * 1024 * 1024)).toBe(true)
    }).pipe(Effect.provide(HttpClient.layerPooled())))

  it.scoped("composes with redirects", () =>
    Effect.gen(function*() {
      const target = yield* answering(Zlib.brotliCompressSync("there"), "br")
      const moved = yield* answering(Buffer.from("x"), "gzip", {
        status: "302 Found",
        framing: `Location: ${target.url}\r\nContent-Length: 1`
      })
      const following = Redirect.withRedirects(yield* client)
      expect(yield* Effect.flatMap(following.get(moved.url), (response) => response.text)).toBe("there")
      expect(target.head()).toContain("accept-encoding: ")
    }).pipe(Effect.provide(HttpClient.layerPooled())))
})
