/**
 * Keeps a note for later conversations.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { AgentTool } from "../AgentTool.ts"
import { make } from "../AgentTool.ts"
import { Memory } from "../Memory.ts"

/**
 * @since 0.1.0
 * @category models
 */
export const Parameters = Schema.Struct({
  text: Schema.NonEmptyTrimmedString.annotations({
    description: "A sentence that is understood without the conversation"
  })
})

/**
 * What was stored, word for word.
 *
 * @since 0.1.0
 * @category models
 */
export const Stored = Schema.Struct({ id: Schema.String, text: Schema.String })

/**
 * @since 0.1.0
 * @category tools
 */
export const tool: AgentTool<Memory> = make("remember", {
  description: "Keeps a note for later conversations. Use it when the user asks to remember something.",
  parameters: Parameters,
  success: Stored,
  annotations: { sideEffect: "once" },
  handler: Effect.fn("Remember.remember")(({ text }) => Effect.flatMap(Memory, (memory) => memory.remember({ text })))
})
