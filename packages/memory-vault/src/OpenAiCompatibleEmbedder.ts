/**
 * Embeddings from a server that speaks OpenAI's protocol (`POST /embeddings`), through whatever `HttpClient` is
 * provided: retries, limits and proxies are that client's matter.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Embedder } from "./Embedder.ts"
import type { EmbedderService } from "./Embedder.ts"
import { EmbeddingError } from "./MemoryVaultError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface OpenAiCompatibleOptions {
  /** What comes before `/embeddings`, such as `https://api.openai.com/v1`. */
  readonly url: string
  /** It is the fingerprint, too: a server that changes what a name means needs another name or a `reembed`. */
  readonly model: string
  /** Numbers in a vector of this model. */
  readonly dimension: number
  /** Sent as a bearer token. */
  readonly apiKey?: Redacted.Redacted | undefined
}

const Answer = Schema.Struct({
  data: Schema.Array(Schema.Struct({ index: Schema.NonNegativeInt, embedding: Schema.Array(Schema.Number) }))
})

/** The protocol numbers its vectors, so their order in the answer does not matter. */
const inOrder = (
  { data }: typeof Answer.Type,
  count: number
): Effect.Effect<ReadonlyArray<Float32Array>, EmbeddingError> => {
  const vectors = new Map(data.map(({ embedding, index }) => [index, Float32Array.from(embedding)]))
  const ordered = Array.from({ length: count }, (_, i) => vectors.get(i)).filter((vector) => vector !== undefined)
  return data.length === count && ordered.length === count
    ? Effect.succeed(ordered)
    : Effect.fail(new EmbeddingError({ reason: "partial" }))
}

// The request holds the texts and the key, so the client's own error does not go along.
const failedRequest = (error: HttpClientError.HttpClientError): EmbeddingError =>
  error._tag === "ResponseError" && error.reason === "StatusCode"
    ? new EmbeddingError({ reason: "rejected", status: error.response.status })
    : new EmbeddingError({ reason: error._tag === "ResponseError" ? "response" : "unavailable" })

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  { apiKey, dimension, model, url }: OpenAiCompatibleOptions
): Effect.Effect<EmbedderService, never, HttpClient.HttpClient> =>
  Effect.map(HttpClient.HttpClient, (client) => ({
    fingerprint: `openai:${model}`,
    dimension,
    costly: true,
    embed: (texts) =>
      HttpClientRequest.post(`${url.replace(/\/$/, "")}/embeddings`).pipe(
        apiKey === undefined ? (request) => request : HttpClientRequest.bearerToken(apiKey),
        HttpClientRequest.bodyUnsafeJson({ model, input: texts, encoding_format: "float" }),
        HttpClient.filterStatusOk(client).execute,
        Effect.flatMap(HttpClientResponse.schemaBodyJson(Answer)),
        Effect.catchTags({
          ParseError: () => Effect.fail(new EmbeddingError({ reason: "response" })),
          RequestError: (error) => Effect.fail(failedRequest(error)),
          ResponseError: (error) => Effect.fail(failedRequest(error))
        }),
        Effect.flatMap((answer) => inOrder(answer, texts.length))
      )
  }))

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: OpenAiCompatibleOptions): Layer.Layer<never, never, HttpClient.HttpClient> =>
  Layer.effect(Embedder, make(options))
