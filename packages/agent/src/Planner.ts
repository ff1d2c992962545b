/**
 * A model that works offline: fixed rules in place of a language model. It
 * calls real tools, several at once and in several steps, and says only what
 * they gave. It never guesses: what its rules do not cover it refuses, saying
 * what it can do.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ModelEvent } from "./ChatModel.ts"
import { ChatModel } from "./ChatModel.ts"
import { planTurn } from "./internal/planTurn.ts"
import type { Calls } from "./internal/readSituation.ts"

/** An answer comes in pieces of about this many characters. */
const deltaChars = 48

/**
 * Asks for the built-in tools by name: `query_table`, `read_file`,
 * `search_documents`, `draw_chart`, `run_code`, `calculate`, `fetch_url`,
 * `remember`, `recall` and `forget`, as far as it is given them. The same
 * conversation always gives the same answer.
 *
 * @since 0.1.0
 * @category models
 */
export const planner: typeof ChatModel.Service = {
  name: "offline planner (fixed rules, not a language model)",
  answer: (request, onEvents) =>
    Effect.suspend(() => {
      const plan = planTurn(request)
      if (plan._tag === "Call") return onEvents(ask(plan.calls))
      return Effect.forEach(speak(plan.text), (event) => onEvents([event]), { discard: true })
    })
}

const ask = (calls: Calls): ReadonlyArray<ModelEvent> => [
  ...calls.map(({ args, name }, index): ModelEvent => ({
    _tag: "ToolCallDelta",
    index,
    id: undefined,
    name,
    arguments: JSON.stringify(args)
  })),
  { _tag: "Finish", reason: "tool_calls" }
]

const pieces = new RegExp(`[^]{1,${deltaChars}}(?!\\S)\\s?|[^]{1,${deltaChars}}`, "g")

const speak = (text: string): ReadonlyArray<ModelEvent> => [
  ...(text.match(pieces) ?? []).map((delta): ModelEvent => ({ _tag: "TextDelta", text: delta })),
  { _tag: "Finish", reason: "stop" }
]

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<ChatModel> = Layer.succeed(ChatModel, planner)
