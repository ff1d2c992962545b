// @effect-diagnostics nodeBuiltinImport:off writes what the foreign clients read
import { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, layer, vi } from "@effect/vitest"
import { Layers, S3 } from "@sennit/store"
import { conformance, faultProxy } from "@sennit/store/testing"
import type { FaultPlan } from "@sennit/store/testing"
import { Chunk, Context, Deferred, Effect, Either, Exit, Fiber, Layer, Redacted, Stream } from "effect"
import * as Fs from "node:fs"
import { inspect } from "node:util"
import { foreignClients, haveForeign } from "./servers/foreignS3.ts"
import * as Rgw from "./servers/rgw.ts"
import { isRequired } from "./servers/startServer.ts"
import * as Swift from "./servers/swift.ts"
import { lentPieces } from "./support/lentPieces.ts"
import { raceProcesses } from "./support/raceProcesses.ts"
import { tempFolder } from "./support/tempFolder.ts"

vi.setConfig({ testTimeout: 0 })

type Options = S3.Options & { readonly credentials: S3.Credentials }

class RgwBucket extends Context.Tag("@sennit/store/test/S3.integration.test/RgwBucket")<RgwBucket, Options>() {}
class SwiftBucket extends Context.Tag("@sennit/store/test/S3.integration.test/SwiftBucket")<SwiftBucket, Options>() {}

const part = 5 * 2 ** 20

const makeBucket = <E, R>(
  start: Effect.Effect<{ readonly endpoint: string }, E, R>,
  rest: Pick<Options, "credentials" | "dialect" | "region">
) =>
  Effect.gen(function*() {
    const { endpoint } = yield* start
    const options: Options = { endpoint, bucket: "bucket", partBytes: part, concurrency: 2, ...rest }
    yield* foreignClients(options).aws("create-bucket")
    return options
  })

const startedRgw = Layer.mergeAll(
  Layer.scoped(
    RgwBucket,
    makeBucket(Rgw.startRgw, { credentials: Rgw.credentials, dialect: "rgw", region: "default" })
  ),
  NodeHttpClient.layerUndici
)

const startedSwift = Layer.mergeAll(
  Layer.scoped(
    SwiftBucket,
    makeBucket(Swift.startSwift, { credentials: Swift.credentials, dialect: "swift", region: "us-east-1" })
  ),
  NodeHttpClient.layerUndici
)

const conditions = ["createIfAbsent", "replaceIfMatch"] as const
const everywhere = "read range readIfMatch write atomicWrite metadata delete list move copy".split(" ")

const openRgw = (prefix: string, more: Partial<Options> = {}) =>
  Effect.flatMap(
    RgwBucket,
    (options) => Effect.flatMap(S3.make({ ...options, ...more, prefix }), (store) => store.require(...conditions))
  )

/** The same with a hook before every request. */
const openWatched = (prefix: string, before: Effect.Effect<void>) =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    Effect.provideService(
      openRgw(prefix),
      HttpClient.HttpClient,
      HttpClient.tapRequest(client, () => before)
    ))

const openCounted = (prefix: string) => {
  let requests = 0
  const count = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
    Effect.suspend(() => {
      const before = requests
      return Effect.map(effect, () => requests - before)
    })
  return Effect.map(openWatched(prefix, Effect.sync(() => requests++)), (store) => ({ store, count }))
}

/** The same through a proxy that makes trouble. */
const openThrough = (plan: (connection: number) => FaultPlan) =>
  Effect.gen(function*() {
    const { endpoint } = yield* RgwBucket
    const { port } = yield* faultProxy({ port: Number(new URL(endpoint).port), plan })
    return yield* openRgw("faults", { endpoint: `http://127.0.0.1:${port}` })
  })

const bytes = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >>> 8) * 17 + seed) & 0xff)

/** In pieces that fit to no part. */
const streamed = (whole: Uint8Array, piece = 300_001) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(whole.length / piece) }, (_, i) => whole.subarray(i * piece, (i + 1) * piece))
  ).pipe(Stream.rechunk(1))

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** What is in the bucket in truth, hidden names among it, and which uploads are unfinished: as others see it. */
const leftovers = (prefix: string) =>
  Effect.gen(function*() {
    const { aws } = foreignClients(yield* RgwBucket)
    const objects = yield* aws("list-objects-v2", "--prefix", `${prefix}/`, "--query", "Contents[].Key")
    const uploads = yield* aws("list-multipart-uploads", "--prefix", `${prefix}/`, "--query", "Uploads[].Key")
    return { objects, uploads }
  })

const haveRgw = Rgw.haveRgw && haveForeign

describe.skipIf(!haveRgw && !isRequired)(`Ceph RGW (${Rgw.hint}, and awscli and rclone)`, () => {
  layer(startedRgw, { excludeTestServices: true, timeout: "120 seconds" })((it) => {
    const offered = new Set<string>([...everywhere, ...conditions])
    const applies = conformance.filter(({ lacks, needs }) =>
      needs.every((capability) => offered.has(capability)) && !lacks.some((capability) => offered.has(capability))
    )
    for (const { name, run } of applies) {
      it.effect(`the contract on S3 by Ceph RGW: ${name}`, () => Effect.flatMap(openRgw("contract"), run))
    }

    it.effect("offers what the suite was chosen for", () =>
      Effect.map(openRgw("offer"), ({ capabilities }) => expect(new Set(capabilities)).toEqual(offered)))

    it.effect("needs no more requests than it says", () =>
      Effect.gen(function*() {
        const { count, store } = yield* openCounted("counts")
        expect(yield* count(store.write("a", "x", { mode: "overwrite" }))).toBe(1)
        expect(yield* count(store.write("b", "x", { mode: "create" }))).toBe(1)
        expect(yield* count(store.write("c", Stream.make(bytes(10)), { mode: "overwrite" }))).toBe(1)
        expect(yield* count(store.readBytes("a"))).toBe(1)
        expect(yield* count(Stream.runDrain(store.read("a")))).toBe(1)
        expect(yield* count(store.stat("a"))).toBe(1)
        expect(yield* count(store.exists("a"))).toBe(1)
        expect(yield* count(store.exists("none"))).toBe(2)
        expect(yield* count(Stream.runDrain(store.list("")))).toBe(1)
        expect(yield* count(store.copy("a", "d", { mode: "overwrite" }))).toBe(2)
        expect(yield* count(store.copy("a", "e"))).toBe(2)
        expect(yield* count(store.move("d", "f", { mode: "overwrite" }))).toBe(3)
        expect(yield* count(store.delete("f"))).toBe(2)
      }))

    it.effect("lists in pages on demand and deletes a thousand at once", () =>
      Effect.gen(function*() {
        const { count, store } = yield* openCounted("pages")
        const keys = [...Array.from({ length: 1100 }, (_, i) => `k${i}`), "odd & <\n> \u0001 %2b+ é"]
        yield* Effect.forEach(keys, (key) => store.write(key, "x", { mode: "overwrite" }), { concurrency: 32 })
        expect(yield* count(Stream.runDrain(Stream.take(store.list("", { recursive: true }), 10)))).toBe(1)
        expect(yield* count(Stream.runDrain(store.list("", { recursive: true })))).toBe(2)
        // two for what XML can name, and one for the key that it cannot
        expect(yield* count(store.deleteMany(keys))).toBe(3)
        expect(Chunk.size(yield* Stream.runCollect(store.list("", { recursive: true })))).toBe(0)
      }))

    it.effect("puts streams of every size around a part together", () =>
      Effect.gen(function*() {
        const store = yield* openRgw("sizes")
        for (const size of [0, 1, part - 1, part, part + 1, 2 * part, 2 * part + 12_345]) {
          const whole = bytes(size, size)
          const options = { mode: "overwrite", contentType: "x/y", metadata: { who: "ä" } } as const
          const written = yield* store.write("a", streamed(whole), options)
          const info = yield* store.stat("a")
          expect([written.size, info.size, info.etag, info.metadata]).toEqual([size, size, written.etag, { who: "ä" }])
          expect(same(yield* store.readBytes("a"), whole)).toBe(true)
        }
        expect(yield* leftovers("sizes")).toEqual({ objects: ["sizes/a"], uploads: null })
      }))

    it.scoped("of 4 processes that create each of 100 keys one wins, and its bytes are whole", () =>
      Effect.gen(function*() {
        const { credentials, ...options } = yield* RgwBucket
        const { accessKeyId, secretAccessKey } = credentials
        const told = { ...options, prefix: "processes", accessKeyId }
        yield* raceProcesses(
          yield* openRgw("processes"),
          { backend: "s3", options: told, keys: 100 },
          secretAccessKey
        )
        expect((yield* leftovers("processes")).uploads).toBe(null)
      }))

    it.effect("has done with a piece of a body when it pulls the next one", () =>
      Effect.gen(function*() {
        const store = yield* openRgw("lent")
        const whole = bytes(2 * part + 77)
        for (const mode of ["create", "overwrite"] as const) {
          yield* store.write(mode, lentPieces(whole, 300_001), { mode })
          expect(same(yield* store.readBytes(mode), whole)).toBe(true)
        }
      }))

    it.effect("keeps a condition for bodies of many parts, race or not", () =>
      Effect.gen(function*() {
        const store = yield* openRgw("large")
        const racers = [1, 2, 3, 4].map((seed) => bytes(part + 1000, seed))
        const outcomes = yield* Effect.forEach(racers, (body) => Effect.either(store.write("a", streamed(body))), {
          concurrency: "unbounded"
        })
        const winner = outcomes.findIndex(Either.isRight)
        expect(outcomes.filter(Either.isLeft).map(({ left }) => left._tag)).toEqual(Array(3).fill("AlreadyExists"))
        expect(same(yield* store.readBytes("a"), racers[winner] ?? new Uint8Array(0))).toBe(true)
        const { etag } = yield* store.stat("a")
        const two = yield* store.write("a", streamed(bytes(part + 5, 9)), { mode: { ifMatch: etag } })
        const stale = yield* Effect.flip(store.write("a", streamed(bytes(part + 5, 8)), { mode: { ifMatch: etag } }))
        expect([stale._tag, (yield* store.stat("a")).etag]).toEqual(["PreconditionFailed", two.etag])
        expect(yield* leftovers("large")).toEqual({ objects: ["large/a"], uploads: null })
      }))

    it.effect("leaves nothing of a write that is interrupted before any of its requests", () =>
      Effect.gen(function*() {
        const body = streamed(bytes(3 * part + 77))
        for (const mode of ["overwrite", "create"] as const) {
          for (let stop = 1; stop <= 9; stop++) {
            const reached = yield* Deferred.make<void>()
            let requests = 0
            const watch = Effect.suspend(() =>
              ++requests === stop ? Effect.asVoid(Deferred.succeed(reached, undefined)) : Effect.void
            )
            const store = yield* openWatched("stopped", watch)
            const writing = yield* Effect.fork(store.write(`${mode}-${stop}`, body, { mode }))
            yield* Effect.race(Deferred.await(reached), Fiber.await(writing))
            const exit = yield* Fiber.interrupt(writing)
            const whole = yield* (yield* openRgw("stopped")).exists(`${mode}-${stop}`)
            if (whole) expect((yield* (yield* openRgw("stopped")).stat(`${mode}-${stop}`)).size).toBe(3 * part + 77)
            expect(Exit.isSuccess(exit) && !whole).toBe(false)
          }
        }
        const { objects, uploads } = yield* leftovers("stopped")
        expect([uploads, JSON.stringify(objects).includes(".~")]).toEqual([null, false])
      }))

    it.effect("leaves nothing of a stream that fails after some parts", () =>
      Effect.gen(function*() {
        const store = yield* openRgw("failing")
        const body = Stream.concat(streamed(bytes(2 * part + 5)), Stream.fail("broken" as const))
        for (const mode of ["overwrite", "create"] as const) {
          expect(yield* Effect.flip(store.write("a", body, { mode }))).toBe("broken")
        }
        expect(yield* leftovers("failing")).toEqual({ objects: null, uploads: null })
      }))

    it.scoped("writes what others read, and reads what they write", () =>
      Effect.gen(function*() {
        const folder = yield* tempFolder
        const { aws, rclone } = foreignClients(yield* RgwBucket)
        const store = yield* openRgw("shared")
        const key = "a b/+%2e & <ü>\"'.txt"
        yield* store.write(key, "grüße", { contentType: "text/x-y", metadata: { author: "me", "two-words": "a b" } })
        const got = yield* aws("get-object", "--key", `shared/${key}`, `${folder}/got`)
        expect(got).toMatchObject({ ContentType: "text/x-y", Metadata: { author: "me", "two-words": "a b" } })
        expect(Fs.readFileSync(`${folder}/got`, "utf8")).toBe("grüße")
        expect((yield* rclone("cat", `shared/${key}`)).toString()).toBe("grüße")
        expect((yield* rclone("lsf", "shared", "-R", "--files-only")).toString()).toBe(`${key}\n`)
        const large = bytes(2 * part + 3)
        yield* store.write("large", streamed(large))
        expect(same(yield* rclone("cat", "shared/large"), large)).toBe(true)

        Fs.writeFileSync(`${folder}/theirs`, bytes(1000))
        const given = ["--content-type", "image/x", "--metadata", "author=they,two-words=c d"]
        yield* aws("put-object", "--key", "shared/é/th eirs", "--body", `${folder}/theirs`, ...given)
        yield* rclone("touch", "shared/empty")
        const info = yield* store.stat("é/th eirs")
        expect(info.metadata).toEqual({ author: "they", "two-words": "c d" })
        expect([info.contentType, info.size]).toMatchObject([{ value: "image/x" }, 1000])
        expect(same(yield* store.readBytes("é/th eirs"), bytes(1000))).toBe(true)
        const listed = Chunk.toReadonlyArray(yield* Stream.runCollect(store.list("", { recursive: true })))
        expect(listed.map((entry) => entry.key)).toEqual([key, "empty", "large", "é/th eirs"])
      }))

    it.effect("keeps metadata of every name and value", () =>
      Effect.gen(function*() {
        const store = yield* openRgw("metadata")
        const metadata = {
          Upper: "A",
          under_score: "b",
          "ü %41": "",
          tail: " x ",
          word: "=?UTF-8?B?eA==?=",
          nl: "a\nb"
        }
        yield* store.write("a", "x", { metadata })
        yield* store.copy("a", "b")
        yield* store.copy("a", "c", { mode: "overwrite" })
        for (const key of ["a", "b", "c"]) expect((yield* store.stat(key)).metadata).toEqual(metadata)
      }))

    it.effect("finds out by trying what the server keeps", () =>
      Effect.gen(function*() {
        const options = yield* RgwBucket
        const found = yield* S3.probe({ ...options, prefix: "probed", dialect: "generic" })
        expect(found).toMatchObject({
          createIfAbsent: true,
          replaceIfMatch: true,
          conditionEtag: "bare",
          conditionalComplete: false,
          deleteIfMatch: false
        })
        const honest = yield* (yield* openRgw("probed")).probe
        expect(conditions.every((capability) => honest.supports(capability))).toBe(true)
        // what is true of another server is not true of this one
        const trusting = yield* S3.make({ ...options, pathStyle: true, dialect: "aws", prefix: "probed" })
        const told = yield* trusting.probe
        expect(conditions.map((capability) => [trusting.supports(capability), told.supports(capability)]))
          .toEqual([[true, false], [true, false]])
        expect(yield* leftovers("probed")).toEqual({ objects: null, uploads: null })
      }))

    const faults: ReadonlyArray<readonly [name: string, plan: FaultPlan]> = [
      ["resets the connection within the head of an answer", { end: { from: "server", after: 20, kind: "reset" } }],
      ["resets it within the body", { end: { from: "server", after: 40_000, kind: "reset" } }],
      ["closes it within the body, as if that were the end", { end: { from: "server", after: 40_000, kind: "close" } }],
      ["stalls within the body", { end: { from: "server", after: 40_000, kind: "stall" } }],
      ["resets it within the request", { end: { from: "client", after: 100, kind: "reset" } }],
      ["loses the answer", { end: { from: "server", after: 0, kind: "reset" } }]
    ]
    for (const [name, plan] of faults) {
      it.scoped(`gets over a network that ${name}, and without a retry says that it failed`, () =>
        Effect.gen(function*() {
          const whole = bytes(100_000)
          yield* (yield* openRgw("faults")).write("a", whole, { mode: "overwrite" })
          let broken = 1
          const bare = (yield* openThrough(() => broken-- > 0 ? plan : {})).pipe(Layers.timeout("1 second"))
          const failure = yield* Effect.flip(bare.readBytes("a"))
          expect(failure._tag).toBe(plan.end?.kind === "stall" ? "TimedOut" : "BackendUnavailable")
          if (plan.end?.kind === "stall") return
          broken = 2
          const patient = (yield* openThrough(() => broken-- > 0 ? plan : {})).pipe(Layers.retry())
          expect(same(yield* patient.readBytes("a"), whole)).toBe(true)
          const pieces = yield* Stream.runCollect(patient.read("a"))
          expect(same(Buffer.concat(Chunk.toReadonlyArray(pieces)), whole)).toBe(true)
        }))
    }

    it.scoped("finds out whose object it is when the answer to its creation is lost", () =>
      Effect.gen(function*() {
        const plan: FaultPlan = { end: { from: "server", after: 0, kind: "reset" } }
        let broken = 1
        const store = (yield* openThrough(() => broken-- > 0 ? plan : {})).pipe(Layers.retry())
        const key = "lost/mine"
        expect((yield* store.write(key, "mine")).size).toBe(4)
        expect((yield* Effect.flip(store.write(key, "other")))._tag).toBe("AlreadyExists")
        broken = 1
        const again = (yield* openThrough(() => broken-- > 0 ? plan : {})).pipe(Layers.retry())
        // Another's object: whether ours was there in between nobody can say.
        expect((yield* Effect.flip(again.write(key, "other")))._tag).toBe("AmbiguousWrite")
        expect(yield* store.readText(key)).toBe("mine")
      }))

    it.scoped("reads bytes that come one by one", () =>
      Effect.gen(function*() {
        const whole = bytes(3000)
        const store = yield* openThrough(() => ({ split: 1 }))
        yield* store.write("dribble", whole, { mode: "overwrite" })
        expect(same(yield* store.readBytes("dribble"), whole)).toBe(true)
      }))

    it.effect("is refused with a wrong secret, which no error shows", () =>
      Effect.gen(function*() {
        const secretAccessKey = Redacted.make("not-the-secret")
        const sessionToken = Redacted.make("some-token")
        const credentials = { accessKeyId: "AKIATEST", secretAccessKey, sessionToken }
        const store = yield* openRgw("denied", { credentials })
        const error = yield* Effect.flip(store.write("a", "x"))
        expect(error._tag).toBe("PermissionDenied")
        const shown = inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error) + String(error)
        expect(/not-the-secret|some-token|SECRETTEST|AWS4-HMAC/.test(shown)).toBe(false)
        const missing = yield* openRgw("denied", { bucket: "no-such-bucket" })
        expect(yield* Effect.flip(missing.ping())).toMatchObject({
          _tag: "BackendUnavailable",
          reason: "Misconfigured"
        })
      }))
  })
})

const haveSwift = Swift.haveSwift && haveForeign

describe.skipIf(!haveSwift && !isRequired)(`OpenStack Swift (${Swift.hint})`, () => {
  layer(startedSwift, { excludeTestServices: true, timeout: "120 seconds" })((it) => {
    it.effect("refuses conditions before anything is sent", () =>
      Effect.gen(function*() {
        const options = yield* SwiftBucket
        const client = yield* HttpClient.HttpClient
        let requests = 0
        const counting = HttpClient.tapRequest(client, () => Effect.sync(() => requests++))
        const store = yield* Effect.provideService(S3.make(options), HttpClient.HttpClient, counting)
        // The type does not let it through either: a caller of plain JavaScript meets the gate.
        const create = yield* Effect.flip(Effect.suspend(() => store.write("a", "x", {})))
        expect([create._tag, requests]).toEqual(["CapabilityNotSupported", 0])
        const missing = yield* Effect.flip(Effect.asVoid(store.require("createIfAbsent")))
        expect([missing.capability, requests]).toEqual(["createIfAbsent", 0])
      }))

    it.effect("says so where it is taken for another server", () =>
      Effect.gen(function*() {
        const options = yield* SwiftBucket
        const trusting = yield* Effect.flatMap(
          S3.make({ ...options, dialect: "aws", pathStyle: true }),
          (store) => store.require(...conditions)
        )
        expect((yield* Effect.flip(trusting.write("trusted", "x")))._tag).toBe("CapabilityNotSupported")
        expect(yield* trusting.exists("trusted")).toBe(false)
        const told = yield* trusting.probe
        expect(conditions.filter((capability) => told.supports(capability))).toEqual([])
        expect(yield* S3.probe({ ...options, dialect: "aws", pathStyle: true })).toMatchObject({
          createIfAbsent: false,
          replaceIfMatch: false
        })
      }))

    const offered = new Set<string>([...everywhere, "deleteIfMatch"])
    const applies = conformance.filter(({ lacks, needs, name }) =>
      // two thousand objects take minutes here
      name !== "a long listing is complete while objects are deleted" &&
      needs.every((capability) => offered.has(capability)) && !lacks.some((capability) => offered.has(capability))
    )
    for (const { name, run } of applies) {
      it.effect(`the contract on S3 by OpenStack Swift: ${name}`, () =>
        Effect.flatMap(SwiftBucket, (options) => Effect.flatMap(S3.make({ ...options, prefix: "contract" }), run)))
    }

    it.effect("puts large streams together and leaves nothing of those that fail", () =>
      Effect.gen(function*() {
        const store = yield* S3.make({ ...(yield* SwiftBucket), prefix: "large" })
        const whole = bytes(2 * part + 77)
        yield* store.write("a", streamed(whole), { mode: "overwrite" })
        expect(same(yield* store.readBytes("a"), whole)).toBe(true)
        const body = Stream.concat(streamed(whole), Stream.fail("broken" as const))
        expect(yield* Effect.flip(store.write("b", body, { mode: "overwrite" }))).toBe("broken")
        expect(yield* store.exists("b")).toBe(false)
      }))
  })
})
