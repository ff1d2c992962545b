/**
 * Makes images with a deployment of an image model, over OpenAI's images API.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { ImageError } from "../AgentError.ts"
import type { AgentTool } from "../AgentTool.ts"
import { make as makeTool } from "../AgentTool.ts"
import { createNew, Files } from "../Files.ts"

/**
 * Where the model is. Images are asked for at `<baseUrl>/images/generations`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly baseUrl: string
  readonly model: string
  readonly apiKey?: Redacted.Redacted
  /** The name of the tool. Default: `generate_image`. */
  readonly name?: string
}

/**
 * @since 0.1.0
 * @category models
 */
export const Parameters = Schema.Struct({
  prompt: Schema.NonEmptyTrimmedString.pipe(Schema.maxLength(4000)),
  size: Schema.optional(Schema.String.pipe(Schema.pattern(/^\d{2,4}x\d{2,4}$/))).annotations({
    description: "Such as 1024x1024"
  }),
  quality: Schema.optional(Schema.String.pipe(Schema.maxLength(20))),
  style: Schema.optional(Schema.String.pipe(Schema.maxLength(20)))
})

/**
 * The file that the image is in now; `revisedPrompt` is what the model made of the
 * prompt.
 *
 * @since 0.1.0
 * @category models
 */
export const Image = Schema.Struct({
  file: Schema.Struct({ name: Schema.String, size: Schema.Number, type: Schema.String }),
  revisedPrompt: Schema.optional(Schema.String)
})

const Answer = Schema.Struct({
  data: Schema.NonEmptyArray(Schema.Struct({
    b64_json: Schema.optional(Schema.String),
    revised_prompt: Schema.optional(Schema.NullOr(Schema.String))
  }))
})

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): AgentTool<Files | HttpClient.HttpClient> =>
  makeTool(options.name ?? "generate_image", {
    description: "Makes an image from a description and keeps it as a file.",
    parameters: Parameters,
    success: Image,
    annotations: { sideEffect: "once", openWorld: true },
    timeout: "2 minutes",
    handler: Effect.fn("GenerateImage.generate")(function*(args, { stage }) {
      const files = yield* Files
      const { data: [{ b64_json: base64, revised_prompt: revised }] } = yield* ask(options, args)
      const bytes = yield* Effect.mapError(
        Effect.flatMap(Effect.fromNullable(base64), Encoding.decodeBase64),
        () => new ImageError({ reason: "Malformed", detail: "The server sent no image." })
      )
      const file = yield* createNew(files, `image${endingOf(bytes)}`, bytes)
      yield* stage.attach(file)
      return { file, ...(typeof revised === "string" ? { revisedPrompt: revised } : {}) }
    })
  })

const ask = (
  { apiKey, baseUrl, model }: Options,
  args: typeof Parameters.Type
): Effect.Effect<typeof Answer.Type, ImageError, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const request = HttpClientRequest.post(`${baseUrl.replace(/\/$/, "")}/images/generations`).pipe(
      HttpClientRequest.bodyUnsafeJson({ model, n: 1, response_format: "b64_json", ...args }),
      apiKey === undefined ? (unchanged) => unchanged : HttpClientRequest.bearerToken(Redacted.value(apiKey))
    )
    const response = yield* client.execute(request)
    const { status } = response
    if (status < 200 || status >= 300) {
      const later = status === 429 || status >= 500
      return yield* new ImageError({
        reason: later ? "Unavailable" : "Rejected",
        status,
        detail: `The server answered with status ${status}. ${later ? "Try again later." : "Change the description."}`
      })
    }
    return yield* HttpClientResponse.schemaBodyJson(Answer)(response)
  }).pipe(
    Effect.scoped,
    Effect.catchTags({
      // The request is left out of the errors, it holds the key.
      RequestError: () =>
        Effect.fail(new ImageError({ reason: "Unavailable", detail: "The server cannot be reached." })),
      ResponseError: () => Effect.fail(new ImageError({ reason: "Unavailable", detail: "The answer was cut off." })),
      ParseError: () => Effect.fail(new ImageError({ reason: "Malformed", detail: "The server sent no image." }))
    })
  )

const endingOf = (bytes: Uint8Array): string => (bytes[0] === 0xff ? ".jpg" : bytes[0] === 0x52 ? ".webp" : ".png")
