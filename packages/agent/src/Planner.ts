/**
 * A model that works offline: fixed rules in place of a language model. It
 * calls real tools, several at once and in several steps, and says only what
 * they gave. It never guesses: what its rules do not cover it refuses, saying
 * what it can do.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { ModelEvent } from "./ChatModel.ts"
import { ChatModel } from "./ChatModel.ts"
import { planTurn } from "./internal/planTurn.ts"

/** An answer comes in pieces of about this many characters. */
const deltaChars = 48

/**
 * Asks for the built-in tools by name: `query_table`, `read_file`, `calculate`,
 * `fetch_url`, `remember` and `recall`, as far as it is given them. The same
 * conversation always gives the same answer.
 *
 * @since 0.1.0
 * @category models
 */
export const planner: typeof ChatModel.Service = {
  name: "offline planner (fixed rules, not a language model)",
  stream: (request) =>
    Stream.suspend(() => {
      const plan = planTurn(request)
      return plan._tag === "Say" ? speak(plan.text) : Stream.fromIterable<ModelEvent>([
        ...plan.calls.map(({ args, name }, index): ModelEvent => ({
          _tag: "ToolCallDelta",
          index,
          id: undefined,
          name,
          arguments: JSON.stringify(args)
        })),
        { _tag: "Finish", reason: "tool_calls" }
      ])
    })
}

const speak = (text: string): Stream.Stream<ModelEvent> => {
  const deltas = text.match(new RegExp(`[^]{1,${deltaChars}}(?!\\S)\\s?|[^]{1,${deltaChars}}`, "g")) ?? []
  const events = deltas.map((delta): ModelEvent => ({ _tag: "TextDelta", text: delta }))
  return Stream.rechunk(Stream.fromIterable([...events, { _tag: "Finish", reason: "stop" } as const]), 1)
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<ChatModel> = Layer.succeed(ChatModel, planner)
