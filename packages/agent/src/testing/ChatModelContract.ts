/**
 * What every `ChatModel` promises, as data: run each case against your own.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { ModelError } from "../AgentError.ts"
import { ChatModel, stream } from "../ChatModel.ts"
import { user } from "../Message.ts"

/**
 * A promise and an effect that dies when it is not kept. `question` is any
 * text that the model can answer without tools.
 *
 * @since 0.1.0
 * @category models
 */
export interface Case {
  readonly name: string
  readonly check: (question: string) => Effect.Effect<void, ModelError, ChatModel>
}

const ensure = (condition: boolean, message: string) => condition ? Effect.void : Effect.dieMessage(message)

const ask = (question: string) => Stream.runCollect(stream({ messages: [user(question)], tools: [] }))

/**
 * @since 0.1.0
 * @category contracts
 */
export const cases: ReadonlyArray<Case> = [
  {
    name: "says what it is",
    check: () => Effect.flatMap(ChatModel, (model) => ensure(model.name.trim() !== "", "The name is empty"))
  },
  {
    name: "answers in text and ends with one Finish",
    check: (question) =>
      Effect.flatMap(ask(question), (events) => {
        const text = Chunk.toReadonlyArray(events).map((event) => event._tag === "TextDelta" ? event.text : "").join("")
        const finishes = Chunk.toReadonlyArray(events).flatMap((event, index) => event._tag === "Finish" ? [index] : [])
        return Effect.zipRight(
          ensure(text !== "", "There is no text"),
          ensure(finishes.length === 1, "There is not exactly one Finish")
        )
      })
  },
  {
    name: "calls no tool that it was not given",
    check: (question) =>
      Effect.flatMap(
        ask(question),
        (events) => ensure(!Chunk.some(events, (event) => event._tag === "ToolCallDelta"), "It called a tool")
      )
  },
  {
    name: "can be asked several times at once",
    check: (question) =>
      Effect.flatMap(
        Effect.all(Array.from({ length: 4 }, () => ask(question)), { concurrency: 4 }),
        (answers) => ensure(answers.every(Chunk.isNonEmpty), "An answer was empty")
      )
  },
  {
    name: "can be left at any time",
    check: (question) =>
      Effect.gen(function*() {
        const request = { messages: [user(question)], tools: [] }
        yield* Stream.runDrain(Stream.take(stream(request), 1))
        const fiber = yield* Effect.fork(Stream.runDrain(stream(request)))
        yield* Fiber.interrupt(fiber)
      })
  }
]
