/**
 * Deletes a note that was kept.
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
  id: Schema.NonEmptyTrimmedString.annotations({ description: "Id of the note, as recall gives it" })
})

/**
 * `forgotten` is `false` when there was no such note.
 *
 * @since 0.1.0
 * @category models
 */
export const Forgotten = Schema.Struct({ id: Schema.String, forgotten: Schema.Boolean })

/**
 * @since 0.1.0
 * @category tools
 */
export const tool: AgentTool<Memory> = make("forget", {
  description: "Deletes a note for good. Use it only when the user asks to forget something; find its id with recall.",
  parameters: Parameters,
  success: Forgotten,
  annotations: { sideEffect: "idempotent" },
  handler: Effect.fn("Forget.forget")(({ id }) =>
    Effect.flatMap(Memory, (memory) => Effect.map(memory.forget(id), (forgotten) => ({ id, forgotten })))
  )
})
