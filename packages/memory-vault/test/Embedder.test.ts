import { HttpServer } from "@effect/platform"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import {
  Embedder,
  MemoryVault,
  MemoryVaultError,
  OpenAiCompatibleEmbedder,
  Reranker,
  StaticEmbedder
} from "@sennit/memory-vault"
import { embedderLaws } from "@sennit/memory-vault/testing"
import { Chunk, Effect, Fiber, Layer, Redacted, Schema, Stream, TestClock } from "effect"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { layerRaw, makeFile, userMemory, within } from "./support/vaultFile.ts"

const { EmbedderMismatch, EmbeddingError, RerankingError } = MemoryVaultError

const cosine = (one: Float32Array, other: Float32Array): number =>
  one.reduce((sum, value, i) => sum + value * other[i]!, 0)

/** Says where a text stands in a small world; `give` may spoil what it answers. */
const tiny = (
  fingerprint: string,
  give: (
    vectors: ReadonlyArray<Float32Array>
  ) => Effect.Effect<ReadonlyArray<Float32Array>, MemoryVaultError.EmbeddingError> = Effect.succeed,
  costly = false
) => {
  const asked: Array<string> = []
  const service: Embedder.EmbedderService = {
    fingerprint,
    dimension: 3,
    costly,
    embed: (texts) => {
      asked.push(...texts)
      return give(
        texts.map((text) => Float32Array.of(1, /boat|ship|vessel/.test(text) ? 5 : 0, /bread|loaf/.test(text) ? 5 : 0))
      )
    }
  }
  return { asked, layer: Embedder.layer(service) }
}

const sqlite = (filename: string, embedder: Layer.Layer<never>) =>
  MemoryVault.layerSqlite({ filename }).pipe(Layer.provide(embedder))

describe("the static embedder", () => {
  for (const law of embedderLaws) it.effect(law.name, () => law.check(StaticEmbedder.make()))

  it.effect("brings near what means nearly the same, and gives the same vector for composed and decomposed letters", () =>
    Effect.gen(function*() {
      const [dog, puppy, tax, composed, decomposed] = yield* StaticEmbedder.make().embed(
        [
          "my dog is ill",
          "our puppy got sick",
          "the tax office sent a form",
          "caf\u00e9 cr\u00e8me",
          "cafe\u0301 cre\u0300me"
        ]
      )
      expect(cosine(dog!, puppy!)).toBeGreaterThan(cosine(dog!, tax!) + 0.2)
      expect(composed).toEqual(decomposed)
    }))

  it.effect("has a direction for every text, known words or none", () =>
    Effect.gen(function*() {
      const texts = ["", "!?", "👍", "the of and", "私は東京に住んでいます", "zxqv", "\u0000", "a".repeat(100_000)]
      for (const vector of yield* StaticEmbedder.make().embed(texts)) expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
    }))

  it("reads a table that is the one whose checksum is kept beside it", () => {
    const table = new URL("../table/english-256.bin", import.meta.url)
    const [kept] = readFileSync(new URL("../table/english-256.sha256", import.meta.url), "utf8").split(" ")
    expect(createHash("sha256").update(readFileSync(table)).digest("hex")).toBe(kept)
  })
})

describe("an embedder that cannot be used", () => {
  const cases: ReadonlyArray<readonly [string, ReturnType<typeof tiny>]> = [
    ["partial", tiny("t", (vectors) => Effect.succeed(vectors.slice(1)))],
    ["dimension", tiny("t", (vectors) => Effect.succeed(vectors.map((vector) => vector.slice(1))))],
    ["not-finite", tiny("t", (vectors) => Effect.succeed(vectors.map(() => Float32Array.of(1, NaN, 0))))],
    ["not-finite", tiny("t", (vectors) => Effect.succeed(vectors.map(() => Float32Array.of(1, Infinity, 0))))],
    ["zero", tiny("t", (vectors) => Effect.succeed(vectors.map(() => new Float32Array(3))))],
    ["unavailable", tiny("t", () => Effect.fail(new EmbeddingError({ reason: "unavailable" })))],
    ["timeout", tiny("t", () => Effect.never)]
  ]
  for (const [reason, embedder] of cases) {
    it.scoped(`fails the save (${reason}) and nothing is written`, () =>
      Effect.gen(function*() {
        const filename = yield* makeFile
        const error = yield* Effect.gen(function*() {
          const memory = yield* userMemory("ann")
          const saving = yield* Effect.fork(Effect.flip(memory.save("The boat is called Nautilus.")))
          yield* TestClock.adjust("1 minute")
          const failed = yield* Fiber.join(saving)
          expect((yield* memory.stats).memories).toBe(0)
          return failed
        }).pipe(within(sqlite(filename, embedder.layer)))
        expect(error).toMatchObject({ _tag: "EmbeddingError", reason })
        const rows = yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT doc FROM vault_memories`).pipe(
          within(layerRaw(filename))
        )
        expect(rows).toEqual([])
      }))
  }
})

describe("two embedders on one scope", () => {
  it.scoped("are not mixed, and reembed goes on where it was stopped", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const first = tiny("first")
      const second = tiny("second")
      const texts = Array.from({ length: 150 }, (_, i) => `Note ${i} about the ${i === 7 ? "ship" : "garden"}.`)
      yield* Effect.gen(function*() {
        const memory = yield* userMemory("ann")
        yield* Stream.runDrain(memory.saveAll(Stream.fromIterable(texts)))
      }).pipe(within(sqlite(filename, first.layer)))

      yield* Effect.gen(function*() {
        const memory = yield* userMemory("ann")
        const mismatch = new EmbedderMismatch({ stored: "first/3", configured: "second/3" })
        expect(yield* Effect.flip(memory.save("One more."))).toEqual(mismatch)
        expect(yield* Effect.flip(memory.recall("ship"))).toEqual(mismatch)
        const begun = yield* memory.reembed().pipe(Stream.take(1), Stream.runCollect)
        expect(Chunk.toReadonlyArray(begun)).toEqual([{ done: 64, total: 150 }])
        const rest = yield* Stream.runCollect(memory.reembed())
        expect(Chunk.toReadonlyArray(rest).at(-1)).toEqual({ done: 150, total: 150 })
        expect(second.asked.toSorted()).toEqual(["One more.", ...texts].toSorted())
        const { memories } = yield* memory.recall({ query: "vessel", explain: true })
        expect(memories[0]?.memory.text).toBe("Note 7 about the ship.")
        expect(memories[0]?.signals?.meaning).toBeGreaterThan(0)
      }).pipe(within(sqlite(filename, second.layer)))

      const back = yield* Effect.flatMap(userMemory("ann"), (memory) => Effect.flip(memory.recall("ship"))).pipe(
        within(sqlite(filename, first.layer))
      )
      expect(back).toBeInstanceOf(EmbedderMismatch)
    }))

  it.scoped("asks a costly one once for a query that comes again, also after a restart, until the scope is erased", () =>
    Effect.gen(function*() {
      const filename = yield* makeFile
      const costly = tiny("costly", Effect.succeed, true)
      const ask = Effect.gen(function*() {
        const memory = yield* userMemory("ann")
        yield* memory.save("The boat is called Nautilus.")
        yield* memory.recall("vessel")
      }).pipe(within(sqlite(filename, costly.layer)))
      yield* ask
      yield* ask
      expect(costly.asked.filter((text) => text === "vessel")).toHaveLength(1)
      yield* Effect.flatMap(userMemory("ann"), (memory) => memory.forgetAll({ confirm: true })).pipe(
        within(sqlite(filename, costly.layer))
      )
      const kept = yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT query FROM vault_query_vectors`).pipe(
        within(layerRaw(filename))
      )
      expect(kept).toEqual([])
    }))
})

describe("a scope of more memories than are looked at in full", () => {
  it.effect("gives the one that means it, and the one that says it, before all others", () =>
    Effect.gen(function*() {
      const memory = yield* userMemory("ann")
      const texts = Array.from({ length: 1_300 }, (_, i) =>
        i === 40 ? "The ship is here." : i === 41 ? "A zeppelin passed." : `Note ${i} about the garden.`)
      yield* Stream.runDrain(memory.saveAll(Stream.fromIterable(texts)))
      for (const [query, text] of [["vessel", "The ship is here."], ["zeppelin", "A zeppelin passed."]] as const) {
        expect((yield* memory.recall(query)).memories[0]?.memory.text).toBe(text)
      }
    }).pipe(within(MemoryVault.layerMemory.pipe(Layer.provide(tiny("tiny").layer)))))
})

const Asked = Schema.Struct({ model: Schema.String, input: Schema.Array(Schema.String) })

/** A server on a port of its own that answers as `answer` says. */
const serve = (answer: (input: ReadonlyArray<string>) => { readonly status?: number; readonly body: unknown }) =>
  HttpServer.serve(HttpRouter.empty.pipe(HttpRouter.post(
    "/v1/embeddings",
    Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      if (request.headers["authorization"] !== "Bearer key") return HttpServerResponse.empty({ status: 401 })
      const { input } = yield* HttpServerRequest.schemaBodyJson(Asked)
      const { body, status = 200 } = answer(input)
      return HttpServerResponse.unsafeJson(body, { status })
    })
  ))).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
    Layer.provideMerge(NodeHttpClient.layer)
  )

const embedOverHttp = (apiKey: string) =>
  Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    if (address._tag !== "TcpAddress") return yield* Effect.dieMessage("no port")
    const embedder = yield* OpenAiCompatibleEmbedder.make({
      url: `http://127.0.0.1:${address.port}/v1/`,
      model: "m",
      dimension: 2,
      apiKey: Redacted.make(apiKey)
    })
    return yield* embedder.embed(["a", "bb"])
  })

const numbered = (input: ReadonlyArray<string>) =>
  input.map((text, index) => ({ object: "embedding", index, embedding: [text.length, 1] }))

describe("an OpenAI-compatible server", () => {
  it.scoped("gives each text its vector, in whatever order it answers", () =>
    Effect.gen(function*() {
      const vectors = yield* embedOverHttp("key").pipe(
        within(serve((input) => ({ body: { data: numbered(input).toReversed() } })))
      )
      expect(vectors).toEqual([Float32Array.of(1, 1), Float32Array.of(2, 1)])
    }))

  const bad: ReadonlyArray<readonly [string, Parameters<typeof serve>[0], object, string?]> = [
    ["a vector short", (input) => ({ body: { data: numbered(input).slice(1) } }), { reason: "partial" }],
    ["one twice", (input) => ({ body: { data: [...numbered(input).slice(1), ...numbered(input).slice(1)] } }), {
      reason: "partial"
    }],
    ["another shape", () => ({ body: { data: "no" } }), { reason: "response" }],
    ["too many requests", () => ({ status: 429, body: {} }), { reason: "rejected", status: 429, retryable: true }],
    ["a wrong key", () => ({ body: {} }), { reason: "rejected", status: 401, retryable: false }, "other"]
  ]
  for (const [what, answer, expected, key = "key"] of bad) {
    it.scoped(`fails with a typed error on ${what}, and the error holds no key`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(embedOverHttp(key)).pipe(within(serve(answer)))
        expect(error).toMatchObject({ _tag: "EmbeddingError", ...expected })
        expect(JSON.stringify(error)).not.toContain(key)
      }))
  }
})

describe("a reranker", () => {
  const byLength = Reranker.layer({
    name: "longest first",
    depth: 3,
    rerank: (_, memories) => Effect.succeed(memories.map(({ memory }) => memory.text.length))
  })
  const broken = Reranker.layer({ name: "broken", depth: 3, rerank: () => Effect.succeed([1]) })
  const save = Effect.gen(function*() {
    const memory = yield* userMemory("ann")
    for (const text of ["Tea.", "Tea, green tea.", "Tea is what I like in the morning."]) yield* memory.save(text)
    return memory
  })

  it.effect("orders the best anew, and is left out where a query says so", () =>
    Effect.gen(function*() {
      const memory = yield* save
      const { memories } = yield* memory.recall({ query: "tea", topK: 2 })
      expect(memories.map(({ memory: { text } }) => text)).toEqual([
        "Tea is what I like in the morning.",
        "Tea, green tea."
      ])
      const plain = yield* memory.recall({ query: "tea", topK: 2, rerank: false })
      expect(plain.memories.map(({ score }) => score)).not.toContain("Tea, green tea.".length)
    }).pipe(within(MemoryVault.layerMemory.pipe(Layer.provide(byLength)))))

  it.effect("that answers for too few fails the recall with a typed error", () =>
    Effect.gen(function*() {
      const memory = yield* save
      expect(yield* Effect.flip(memory.recall("tea"))).toEqual(new RerankingError({ reason: "partial" }))
    }).pipe(within(MemoryVault.layerMemory.pipe(Layer.provide(broken)))))
})
