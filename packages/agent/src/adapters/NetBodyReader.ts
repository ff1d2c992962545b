/**
 * Reads the answers of models without a stream where `@sennit/http-client` is the client: that is a third of a short run.
 *
 * @since 0.1.0
 */
import { HttpClient } from "@sennit/http-client"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { BodyReader, fromStream } from "../BodyReader.ts"

/**
 * Bodies that are decoded on their way, and those of other clients, are read as streams.
 *
 * @example
 * ```ts
 * import { OpenAiChat } from "@sennit/agent"
 * import * as NetBodyReader from "@sennit/agent/adapters/NetBodyReader"
 * import { HttpClient } from "@sennit/http-client"
 * import { Layer } from "effect"
 *
 * const model = OpenAiChat.layer({ baseUrl: "http://127.0.0.1:11434/v1", model: "qwen3" }).pipe(
 *   Layer.provide([NetBodyReader.layer, HttpClient.layerPooled()])
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<BodyReader> = Layer.succeed(
  BodyReader,
  (response) =>
    Option.match(HttpClient.bodyReader(response), {
      onNone: () => fromStream(response.stream),
      onSome: Effect.succeed
    })
)
