/**
 * A model that answers what a test tells it to answer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { ModelError } from "../AgentError.ts"
import type { ModelEvent, ModelRequest } from "../ChatModel.ts"
import { ChatModel, fromStream } from "../ChatModel.ts"

/**
 * One answer: events (one chunk each), an error after some events, or a stream.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = ReadonlyArray<ModelEvent> | Stream.Stream<ModelEvent, ModelError>

/**
 * An answer in text, in one delta per argument.
 *
 * @since 0.1.0
 * @category constructors
 */
export const text = (...deltas: ReadonlyArray<string>): ReadonlyArray<ModelEvent> => [
  ...deltas.map((delta): ModelEvent => ({ _tag: "TextDelta", text: delta })),
  { _tag: "Finish", reason: "stop" }
]

/**
 * An answer that calls tools: pairs of a name and its arguments, which are
 * passed on as they are when they are a string, else as JSON.
 *
 * @since 0.1.0
 * @category constructors
 */
export const calls = (
  ...toolCalls: ReadonlyArray<readonly [name: string, args: unknown]>
): ReadonlyArray<ModelEvent> => [
  ...toolCalls.map(([name, args], index): ModelEvent => ({
    _tag: "ToolCallDelta",
    index,
    id: undefined,
    name,
    arguments: typeof args === "string" ? args : JSON.stringify(args)
  })),
  { _tag: "Finish", reason: "tool_calls" }
]

/**
 * Answers the first question with the first answer, and so on; with a function,
 * each question with what it gives. A question beyond the script is a
 * `ModelError` with reason `Rejected`. `requests` holds what was asked.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  script: ReadonlyArray<Answer> | ((request: ModelRequest, turn: number) => Answer)
): typeof ChatModel.Service & { readonly requests: ReadonlyArray<ModelRequest> } => {
  const requests: Array<ModelRequest> = []
  const model = fromStream("scripted (answers from a test)", (request) =>
    Stream.suspend(() => {
      const turn = requests.push(request) - 1
      const answer = typeof script === "function" ? script(request, turn) : script[turn]
      if (answer === undefined) {
        const detail = `The script has ${script.length} answers and this is question ${turn + 1}.`
        return Stream.fail(new ModelError({ reason: "Rejected", model: "scripted", detail }))
      }
      return Stream.StreamTypeId in answer ? answer : Stream.rechunk(Stream.fromIterable(answer), 1)
    }))
  return { ...model, requests }
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (script: Parameters<typeof make>[0]): Layer.Layer<ChatModel> =>
  Layer.effect(ChatModel, Effect.sync(() => make(script)))
