/**
 * The port through which an agent talks to whatever answers.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { JsonSchema7Root } from "effect/JSONSchema"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import type { ModelError } from "./AgentError.ts"
import type { Message } from "./Message.ts"

/**
 * A tool as the model sees it. `parameters` is JSON Schema (draft 7).
 *
 * @since 0.1.0
 * @category models
 */
export interface ModelTool {
  readonly name: string
  readonly description: string
  readonly parameters: JsonSchema7Root
}

/**
 * One question to a model. With `toolChoice: "none"` the model must answer in
 * text; the tools are still listed because the transcript may mention them.
 *
 * @since 0.1.0
 * @category models
 */
export interface ModelRequest {
  readonly messages: ReadonlyArray<Message>
  readonly tools: ReadonlyArray<ModelTool>
  readonly toolChoice?: "auto" | "none"
}

/**
 * Why a model stopped. An agent goes by the calls it received, not by this.
 *
 * @since 0.1.0
 * @category models
 */
export type FinishReason = "stop" | "tool_calls" | "length" | "content_filter" | "unknown"

/**
 * A piece of an answer. A tool call comes in fragments that belong together by
 * `index`, or by `id` where a provider leaves the index out; `arguments` holds
 * the next piece of the JSON text.
 *
 * @since 0.1.0
 * @category models
 */
export type ModelEvent =
  | { readonly _tag: "TextDelta"; readonly text: string }
  | { readonly _tag: "ReasoningDelta"; readonly text: string }
  | {
    readonly _tag: "ToolCallDelta"
    readonly index: number | undefined
    readonly id: string | undefined
    readonly name: string | undefined
    readonly arguments: string
  }
  | { readonly _tag: "Usage"; readonly inputTokens: number; readonly outputTokens: number }
  | { readonly _tag: "Finish"; readonly reason: FinishReason }

/**
 * What answers. `name` is shown to people and says what it really is. `answer`
 * asks, and gives `onEvents` what came back, in the portions in which it
 * arrived; the last event is `Finish`. It waits for `onEvents`, so that whoever
 * takes long slows the connection; interrupting it closes the connection. An
 * `onEvents` that has nothing to wait for gives `Effect.void` itself, which a
 * model need not run.
 *
 * @since 0.1.0
 * @category services
 */
export class ChatModel extends Context.Tag("@sennit/agent/ChatModel")<ChatModel, {
  readonly name: string
  readonly answer: <R>(
    request: ModelRequest,
    onEvents: (events: ReadonlyArray<ModelEvent>) => Effect.Effect<void, never, R>
  ) => Effect.Effect<void, ModelError, R>
}>() {}

/**
 * A model whose answers are streams; each chunk is a portion.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromStream = (
  name: string,
  stream: (request: ModelRequest) => Stream.Stream<ModelEvent, ModelError>
): typeof ChatModel.Service => ({
  name,
  answer: (request, onEvents) =>
    Stream.runForEachChunk(stream(request), (chunk) => onEvents(Chunk.toReadonlyArray(chunk)))
})

/**
 * Asks the model in the context, and gives its answer as a stream, at most one
 * portion ahead of the reader. Leaving the stream closes the connection.
 *
 * @since 0.1.0
 * @category asking
 */
export const stream = (request: ModelRequest): Stream.Stream<ModelEvent, ModelError, ChatModel> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const model = yield* ChatModel
    const mailbox = yield* Mailbox.make<ReadonlyArray<ModelEvent>, ModelError>({ capacity: 1 })
    yield* model.answer(request, (events) => mailbox.offer(events)).pipe(Mailbox.into(mailbox), Effect.forkScoped)
    return Stream.mapConcatChunk(Mailbox.toStream(mailbox), Chunk.unsafeFromArray)
  }))
