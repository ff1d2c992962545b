/**
 * Answers of a model that are recorded once and played back afterwards.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ModelError } from "../AgentError.ts"
import type { ModelEvent, ModelRequest } from "../ChatModel.ts"
import { ChatModel, fromStream } from "../ChatModel.ts"

const Event = Schema.Union(
  Schema.TaggedStruct("TextDelta", { text: Schema.String }),
  Schema.TaggedStruct("ReasoningDelta", { text: Schema.String }),
  Schema.TaggedStruct("ToolCallDelta", {
    index: Schema.UndefinedOr(Schema.Number),
    id: Schema.UndefinedOr(Schema.String),
    name: Schema.UndefinedOr(Schema.String),
    arguments: Schema.String
  }),
  Schema.TaggedStruct("Usage", { inputTokens: Schema.Number, outputTokens: Schema.Number }),
  Schema.TaggedStruct("Finish", {
    reason: Schema.Literal("stop", "tool_calls", "length", "content_filter", "unknown")
  })
)

const Recorded = Schema.Array(Schema.Struct({
  request: Schema.String,
  portions: Schema.Array(Schema.Array(Event)),
  error: Schema.optional(ModelError)
}))

/**
 * Questions and what came back, in the portions in which it came. As JSON it
 * can be kept in a file.
 *
 * @since 0.1.0
 * @category models
 */
export const Cassette: Schema.Schema<Cassette, string> = Schema.parseJson(Recorded)

/**
 * @since 0.1.0
 * @category models
 */
export type Cassette = ReadonlyArray<{
  readonly request: string
  readonly portions: ReadonlyArray<ReadonlyArray<ModelEvent>>
  readonly error?: ModelError | undefined
}>

const keyOf = ({ messages, toolChoice, tools }: ModelRequest): string =>
  JSON.stringify({ messages, toolChoice, tools: tools.map(({ name }) => name) })

/**
 * A model that passes everything on to another and keeps what it answered.
 *
 * @since 0.1.0
 * @category constructors
 */
export const record = (
  model: typeof ChatModel.Service
): { readonly model: typeof ChatModel.Service; readonly cassette: () => Cassette } => {
  const recorded: Array<Cassette[number]> = []
  return {
    cassette: () => recorded.slice(),
    model: ChatModel.of({
      name: model.name,
      answer: (request, onEvents) => {
        const portions: Array<ReadonlyArray<ModelEvent>> = []
        const keep = (error?: ModelError) =>
          Effect.sync(() => void recorded.push({ request: keyOf(request), portions, error }))
        return model.answer(request, (events) => {
          portions.push(events)
          return onEvents(events)
        }).pipe(Effect.tapError(keep), Effect.tap(() => keep()))
      }
    })
  }
}

/**
 * A model that answers the same questions with the same answers. Another
 * question is a `ModelError` with reason `Rejected`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const replay = (cassette: Cassette): typeof ChatModel.Service => {
  const left = cassette.slice()
  return fromStream("cassette (answers that were recorded)", (request) =>
    Stream.suspend(() => {
      const key = keyOf(request)
      const at = left.findIndex((one) => one.request === key)
      const [found] = at < 0 ? [] : left.splice(at, 1)
      if (found === undefined) {
        const detail = "This question was not recorded, or was asked more often than it was."
        return Stream.fail(new ModelError({ reason: "Rejected", model: "cassette", detail }))
      }
      const answer = Stream.fromChunks(...found.portions.map(Chunk.fromIterable))
      return found.error === undefined ? answer : Stream.concat(answer, Stream.fail(found.error))
    }))
}
