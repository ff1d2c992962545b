// @effect-diagnostics nodeBuiltinImport:off plays hostile servers
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { S3, S3Signature as Sign, Store, StoreConfig } from "@sennit/store"
import {
  Chunk,
  ConfigProvider,
  Data,
  Effect,
  FastCheck as fc,
  Layer,
  Logger,
  LogLevel,
  Redacted,
  Stream,
  TestClock,
  Tracer
} from "effect"
import type { Span } from "effect/Tracer"
import * as Http from "node:http"
import { inspect } from "node:util"
import { carelessS3 } from "./servers/carelessS3.ts"
import { listening } from "./servers/startServer.ts"

const options = {
  endpoint: "http://127.0.0.1:1",
  region: "us-east-1",
  bucket: "bucket",
  credentials: { accessKeyId: "id", secretAccessKey: Redacted.make("very-secret") }
} satisfies S3.Options

/** The examples of "Signature Calculations for the Authorization Header" in the Amazon S3 API Reference. */
const examples = [
  {
    name: "GET object with a range",
    method: "GET",
    path: "/test.txt",
    query: "",
    headers: { range: "bytes=0-9" },
    body: "",
    expected: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
  },
  {
    name: "PUT object",
    method: "PUT",
    path: Sign.encodePath("/test$file.text"),
    query: "",
    headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
    body: "Welcome to Amazon S3.",
    expected: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
  },
  {
    name: "GET bucket lifecycle",
    method: "GET",
    path: "/",
    query: Sign.canonicalQuery([["lifecycle", ""]]),
    headers: {},
    body: "",
    expected: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
  },
  {
    name: "list objects",
    method: "GET",
    path: "/",
    query: Sign.canonicalQuery([["prefix", "J"], ["max-keys", "2"]]),
    headers: {},
    body: "",
    expected: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
  }
] as const

const scope = { timestamp: "20130524T000000Z", region: "us-east-1", service: "s3" }
const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

describe("signatures", () => {
  it.each(examples)("$name is signed as Amazon's example is", ({ body, expected, headers, ...request }) => {
    const payloadHash = Sign.sha256(body)
    const signed = {
      ...request,
      payloadHash,
      headers: {
        ...headers,
        host: "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": payloadHash,
        "x-amz-date": scope.timestamp
      }
    }
    expect(Sign.signature(Sign.signingKey(secret, scope), signed, scope)).toBe(expected)
  })

  it("derives the key as the example in the AWS General Reference", () => {
    const key = Sign.signingKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", {
      timestamp: "20150830T123600Z",
      region: "us-east-1",
      service: "iam"
    })
    expect(Buffer.from(key).toString("hex")).toBe("c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9")
  })

  it.effect("a read goes out as Amazon's example does", () =>
    Effect.gen(function*() {
      let sent: { readonly url: string; readonly authorization: string | undefined } | undefined
      const client = HttpClient.make((request, url) => {
        sent = { url: url.href, authorization: request.headers["authorization"] }
        const headers = { "content-length": "10", "content-range": "bytes 0-9/100", "etag": "\"e\"" }
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("0123456789", { status: 206, headers })))
      })
      yield* TestClock.setTime(Date.UTC(2013, 4, 24))
      const store = yield* Effect.provideService(
        S3.make({
          ...options,
          endpoint: "https://s3.amazonaws.com",
          bucket: "examplebucket",
          dialect: "aws",
          credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: Redacted.make(secret) }
        }),
        HttpClient.HttpClient,
        client
      )
      yield* store.readBytes("test.txt", { range: { offset: 0, length: 10 } })
      expect(sent).toEqual({
        url: "https://examplebucket.s3.amazonaws.com/test.txt",
        authorization: "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," +
          "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=" + examples[0].expected
      })
    }))

  it.prop("a path and a query come back as they were", [fc.fullUnicodeString(), fc.fullUnicodeString()], ([a, b]) => {
    expect(Sign.encodePath(a).split("/").map(decodeURIComponent).join("/")).toBe(a)
    expect(Sign.encodePath(a)).toMatch(/^[\w\-.~%/]*$/)
    expect([...new URLSearchParams(Sign.canonicalQuery([["b", b], ["a", a]]))]).toEqual([["a", a], ["b", b]])
  })
})

/** A server that says the same to everyone. */
const saying = (status: number, body: string, headers: Http.OutgoingHttpHeaders = {}) =>
  Effect.map(
    listening(Http.createServer((request, response) => {
      request.resume().on("end", () => response.writeHead(status, headers).end(body))
    })),
    (port) => ({ ...options, endpoint: `http://127.0.0.1:${port}` })
  )

describe("XML", () => {
  const hostile = {
    "an entity of its own": `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`,
    "a billion laughs": `<!DOCTYPE a [<!ENTITY a "${"&b;".repeat(10)}">]><a>&a;</a>`,
    "an external entity": `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`,
    "an unknown entity": "<a>&nbsp;</a>",
    "a reference to what is no character": "<a>&#0;</a>",
    "a reference to a surrogate": "<a>&#xD800;</a>",
    "a reference beyond Unicode": "<a>&#x110000;</a>",
    "a comment": "<a><!-- x --></a>",
    "CDATA": "<a><![CDATA[x]]></a>",
    "an instruction": "<a><?php x ?></a>",
    "tags that cross": "<a><b></a></b>",
    "a tag that does not end": `<a ${"x".repeat(5000)}`,
    "no end": "<a><b></b>",
    "two roots": "<a/><b/>",
    "text around the root": "<a/>x",
    "text among elements": "<a>x<b/></a>",
    "nothing": "",
    "depth": "<a>".repeat(1_000_000),
    "breadth": `<a>${"<b/>".repeat(1_000_000)}</a>`
  }
  for (const [name, document] of Object.entries(hostile)) {
    it.scopedLive(`refuses ${name}`, () =>
      Effect.gen(function*() {
        const store = yield* S3.make(yield* saying(200, document))
        const error = yield* Effect.flip(Stream.runDrain(store.list("")))
        expect(error).toMatchObject({ _tag: "BackendUnavailable", reason: "Protocol" })
        expect(String(inspect(error))).toContain("is not proper XML")
      }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
  }

  it.scopedLive("reads what servers send", () =>
    Effect.gen(function*() {
      const time = "<LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&#34;</ETag><Size>7</Size>"
      const entry = (key: string) => `<Contents><Key>${key}</Key>${time}<Owner><ID x="y" /><Name/></Owner></Contents>`
      const keys = ["a&amp;b&#x1F600;&#10;", "c%20d+e%2B", "folder/", "/root", "x//y", "%ff", "%zz"]
      const document = `<R xmlns="http://x/" a='b'> ${keys.map(entry).join("\n")}</R>`.replaceAll(
        "R>",
        "ListBucketResult>"
      )
      const text = ` \n<?xml version="1.0" encoding="UTF-8"?>\n${document.replace("<R ", "<ListBucketResult ")}\n`
      const store = yield* S3.make(yield* saying(200, text))
      const listed = Chunk.toReadonlyArray(yield* Stream.runCollect(store.list("", { recursive: true })))
      expect(listed.map(({ key }) => key)).toEqual(["a&b\u{1f600}\n", "c d e+"])
      expect(listed[0]).toMatchObject({ etag: "e", size: 7 })
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})

describe("answers that are not to be trusted", () => {
  const answers = [
    ["an entity", 200, `<!DOCTYPE a [<!ENTITY x "y">]><ListBucketResult>&x;</ListBucketResult>`, "Protocol"],
    ["another document", 200, "<html></html>", "Protocol"],
    ["twenty megabytes", 200, `<ListBucketResult>${" ".repeat(20 * 2 ** 20)}</ListBucketResult>`, "Protocol"],
    [
      "a page that is not the last and has no next",
      200,
      "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
      "Protocol"
    ],
    [
      "an entry without a size",
      200,
      "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
      "Protocol"
    ],
    ["a refusal with status 200", 200, "<Error><Code>SlowDown</Code></Error>", "Throttled"],
    ["too much", 503, "x".repeat(1_000_000), "Throttled"],
    ["no bucket", 404, "<Error><Code>NoSuchBucket</Code></Error>", "Misconfigured"]
  ] as const
  for (const [name, status, body, reason] of answers) {
    it.scopedLive(`${name} is ${reason}`, () =>
      Effect.gen(function*() {
        const store = yield* S3.make(yield* saying(status, body))
        const error = yield* Effect.flip(Stream.runDrain(store.list("")))
        expect(error).toMatchObject({ _tag: "BackendUnavailable", reason })
      }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
  }

  it.scopedLive("a page that names itself as the next ends the listing", () =>
    Effect.gen(function*() {
      const page = "<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
      const store = yield* S3.make(yield* saying(200, `<ListBucketResult>${page}</ListBucketResult>`))
      expect(yield* Effect.flip(Stream.runDrain(store.list("")))).toMatchObject({ reason: "Protocol" })
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})

describe("a listing of 100 000 keys", () => {
  /** As S3 pages them: by a thousand, the token being the last key. */
  const pages = Effect.gen(function*() {
    let requests = 0
    const port = yield* listening(Http.createServer((request, response) => {
      requests++
      const begin = Number(new URL(request.url ?? "", "http://localhost").searchParams.get("continuation-token") ?? 0)
      const entries = Array.from(
        { length: 1000 },
        (_, i) =>
          `<Contents><Key>k${begin + i}</Key><LastModified>2026-01-02T03:04:05Z</LastModified>` +
          `<ETag>e</ETag><Size>1</Size></Contents>`
      )
      const next = begin + 1000 < 100_000
        ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${begin + 1000}</NextContinuationToken>`
        : "<IsTruncated>false</IsTruncated>"
      request.resume().on("end", () => response.end(`<ListBucketResult>${entries.join("")}${next}</ListBucketResult>`))
    }))
    const store = yield* S3.make({ ...options, endpoint: `http://127.0.0.1:${port}` })
    return { store, count: () => requests }
  })

  it.scopedLive("of which ten are wanted costs one request, and all of it one for each thousand", () =>
    Effect.gen(function*() {
      const { count, store } = yield* pages
      const all = store.list("", { recursive: true })
      const few = yield* Stream.runCollect(Stream.take(all, 10))
      expect([Chunk.size(few), count()]).toEqual([10, 1])
      expect([yield* Stream.runCount(all), count()]).toEqual([100_000, 101])
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})

describe("a server that ignores conditions", () => {
  it.scopedLive("is found out by the probe, whatever is said of it", () =>
    Effect.gen(function*() {
      const server = yield* carelessS3
      const found = yield* S3.probe({ ...options, endpoint: server.endpoint, dialect: "aws", pathStyle: true })
      expect(found).toMatchObject({
        createIfAbsent: false,
        replaceIfMatch: false,
        deleteIfMatch: false,
        conditionalComplete: false
      })
      const trusting = yield* S3.make({ ...options, endpoint: server.endpoint, dialect: "aws", pathStyle: true })
      const told = yield* trusting.probe
      const conditions = ["createIfAbsent", "replaceIfMatch", "deleteIfMatch"] as const
      expect(conditions.map((capability) => [trusting.supports(capability), told.supports(capability)]))
        .toEqual([[true, false], [true, false], [true, false]])
      expect([server.objects.size, server.uploads.size]).toEqual([0, 0])
      const store = yield* S3.make({ ...options, endpoint: server.endpoint, dialect: found })
      const before = server.seen.length
      expect((yield* Effect.flip(Effect.asVoid(store.require("createIfAbsent"))))._tag).toBe("CapabilityNotSupported")
      expect(server.seen.length).toBe(before)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))

  it.scopedLive("cannot pass another version or part off as the one asked for", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* carelessS3
      const store = yield* S3.make({ ...options, endpoint })
      yield* store.write("a", "0123456789", { mode: "overwrite" })
      expect((yield* Effect.flip(store.readBytes("a", { ifMatch: "another" })))._tag).toBe("PreconditionFailed")
      expect(yield* Effect.flip(store.readBytes("a", { range: { offset: 2, length: 3 } }))).toMatchObject({
        _tag: "BackendUnavailable",
        reason: "Protocol"
      })
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})

/** A client whose `nth` request does not arrive. */
const losing = (client: HttpClient.HttpClient, nth: number) => {
  let requests = 0
  return HttpClient.mapRequestInputEffect(client, (request) =>
    Effect.suspend(() =>
      ++requests === nth
        ? Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", description: "lost" }))
        : Effect.succeed(request)
    ))
}

describe("an upload in parts", () => {
  it.scopedLive("gets over a part that is lost, and else leaves nothing", () =>
    Effect.gen(function*() {
      const server = yield* carelessS3
      const client = yield* HttpClient.HttpClient
      const piece = new Uint8Array(2 ** 20).fill(7)
      const body = Stream.fromIterable(Array.from({ length: 12 }, () => piece)).pipe(Stream.rechunk(1))
      const outcomes: Array<string> = []
      for (let nth = 1; nth <= 5; nth++) {
        const store = yield* Effect.provideService(
          S3.make({ ...options, endpoint: server.endpoint, partBytes: 5 * 2 ** 20, concurrency: 2 }),
          HttpClient.HttpClient,
          losing(client, nth)
        )
        const outcome = yield* Effect.either(store.write(`a${nth}`, body, { mode: "overwrite" }))
        outcomes.push(outcome._tag === "Right" ? String(outcome.right.size) : outcome.left._tag)
        expect(server.objects.get(`a${nth}`)?.bytes.length).toBe(outcome._tag === "Right" ? 12 * 2 ** 20 : undefined)
        expect(server.uploads.size).toBe(0)
      }
      // lost were the beginning, each of three parts, and the end
      const whole = String(12 * 2 ** 20)
      expect(outcomes).toEqual(["BackendUnavailable", whole, whole, whole, "BackendUnavailable"])
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})

describe("secrets", () => {
  it.scopedLive("are in no error, span or log", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const spans: Array<Span> = []
      const tracer = Tracer.make({
        context: (run) => run(),
        span: (name, parent, context, links, startTime, kind) => {
          const attributes = new Map<string, unknown>()
          const span: Span = {
            _tag: "Span",
            name,
            spanId: "1",
            traceId: "2",
            parent,
            context,
            links,
            sampled: true,
            kind,
            status: { _tag: "Started", startTime },
            attributes,
            attribute: (key, value) => void attributes.set(key, value),
            event: () => {},
            addLinks: () => {},
            end: () => {}
          }
          spans.push(span)
          return span
        }
      })
      const logger = Logger.make(({ cause, message }) => void seen.push(inspect([message, cause], { depth: 20 })))
      const server = yield* saying(500, "<Error><Code>very-secret</Code><Message>very-secret</Message></Error>")
      const credentials = {
        accessKeyId: "id",
        secretAccessKey: Redacted.make("very-secret"),
        sessionToken: Redacted.make("session-secret")
      }
      const store = yield* S3.make({ ...server, credentials })
      const gone = yield* S3.make({ ...options, credentials })
      yield* Effect.forEach([store, gone], (one) =>
        Effect.gen(function*() {
          const errors = [
            yield* Effect.flip(one.write("a", "x", { mode: "overwrite" })),
            yield* Effect.flip(one.readBytes("a")),
            yield* Effect.flip(Stream.runDrain(one.list("")))
          ]
          for (const error of errors) {
            yield* Effect.logError("failed", error)
            seen.push(inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error), String(error))
          }
        })).pipe(
          Effect.withTracer(tracer),
          Effect.withSpan("outer"),
          Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
          Logger.withMinimumLogLevel(LogLevel.All)
        )
      seen.push(inspect(spans.map(({ attributes, name }) => [name, attributes]), { depth: 20 }), inspect(store))
      expect(spans.some(({ name }) => name.startsWith("http.client"))).toBe(true)
      expect(seen.filter((text) => /very-secret|session-secret/.test(text))).toEqual([])
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})

class Lost extends Data.TaggedError("Lost")<{ readonly key: string }> {}

describe("options", () => {
  const wrong: ReadonlyArray<readonly [string, Partial<S3.Options>]> = [
    ["an endpoint that is none", { endpoint: "somewhere" }],
    ["an endpoint of another kind", { endpoint: "ftp://somewhere" }],
    ["an endpoint with credentials", { endpoint: "http://a:b@somewhere" }],
    ["a bucket that would change the address", { bucket: "a/../b" }],
    ["parts that are too small", { partBytes: 1024 }],
    ["no concurrency", { concurrency: 0 }]
  ]
  it.effect.each(wrong)("refuse %s", ([, more]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(S3.make({ ...options, ...more }))
      expect(error).toMatchObject({ _tag: "BackendUnavailable", reason: "Misconfigured", retryable: false })
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("a layer wants a server that creates without a race", () =>
    Effect.gen(function*() {
      const built = Layer.build(Layer.provide(S3.layer(options), FetchHttpClient.layer))
      expect(yield* Effect.flip(Effect.scoped(built))).toMatchObject({ capability: "createIfAbsent" })
      const layer = Layer.provide(S3.layer({ ...options, dialect: "rgw" }), FetchHttpClient.layer)
      expect((yield* Effect.provide(Store.Store, layer)).name).toBe("s3")
    }))

  it.effect("are read from the environment", () =>
    Effect.gen(function*() {
      const entries = {
        STORE_S3_ENDPOINT: "https://objects.example.com",
        STORE_S3_BUCKET: "reports",
        STORE_S3_ACCESS_KEY_ID: "id",
        STORE_S3_SECRET_ACCESS_KEY: "very-secret"
      }
      const from = (more: { readonly [name: string]: string }) =>
        ConfigProvider.fromMap(new Map(Object.entries({ ...entries, ...more })))
      const plain = yield* Effect.withConfigProvider(StoreConfig.s3, from({}))
      expect(plain).toMatchObject({ region: "us-east-1", prefix: "", dialect: "generic" })
      expect(inspect(plain, { depth: 20 })).not.toContain("very-secret")
      const store = yield* Effect.provide(
        Store.Store,
        Layer.provide(S3.layerConfig(StoreConfig.s3), FetchHttpClient.layer)
      ).pipe(Effect.withConfigProvider(from({ STORE_S3_DIALECT: "aws", STORE_S3_SESSION_TOKEN: "token" })))
      expect(store.supports("createIfAbsent")).toBe(true)
      const unknown = from({ STORE_S3_DIALECT: "other" })
      expect((yield* Effect.flip(Effect.withConfigProvider(StoreConfig.s3, unknown)))._op).toBe("InvalidData")
    }))

  it.scopedLive("credentials that are an Effect are asked for each request", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* carelessS3
      let asked = 0
      const credentials = Effect.sync(() => ({ accessKeyId: `id-${++asked}`, secretAccessKey: Redacted.make("s") }))
      const store = yield* S3.make({ ...options, endpoint, credentials })
      yield* store.write("a", "x", { mode: "overwrite" })
      yield* store.readText("a")
      expect(asked).toBe(2)
      const failing = yield* S3.make({
        ...options,
        endpoint,
        credentials: Effect.fail(new Lost({ key: "very-secret" }))
      })
      const error = yield* Effect.flip(failing.readText("a"))
      expect([error._tag, inspect(error, { depth: 20 }).includes("very-secret")]).toEqual(["PermissionDenied", false])
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})
