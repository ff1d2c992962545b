/**
 * Finds notes that were kept.
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
  query: Schema.NonEmptyTrimmedString.annotations({ description: "What is wanted, in the words of the question" })
})

/**
 * The notes that fit, best first.
 *
 * @since 0.1.0
 * @category models
 */
export const Notes = Schema.Struct({
  notes: Schema.Array(Schema.Struct({
    id: Schema.String,
    text: Schema.String,
    savedAt: Schema.DateTimeUtc,
    score: Schema.Number
  }))
})

const tokenBudget = 1000

/**
 * @since 0.1.0
 * @category tools
 */
export const tool: AgentTool<Memory> = make("recall", {
  description: "Finds notes that were kept in earlier conversations, best first.",
  parameters: Parameters,
  success: Notes,
  annotations: { openWorld: true },
  handler: Effect.fn("Recall.recall")(({ query }) =>
    Effect.flatMap(Memory, (memory) => memory.recall({ query, tokenBudget }))
  )
})
