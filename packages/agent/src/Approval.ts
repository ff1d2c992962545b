/**
 * Decisions of people about calls of tools.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { AgentEvent } from "./AgentEvent.ts"

/**
 * What somebody decided about a call, and who, and why. The model reads `why`
 * when the call was not approved.
 *
 * @since 0.1.0
 * @category models
 */
export const Decision = Schema.Struct({
  approved: Schema.Boolean,
  by: Schema.optional(Schema.String),
  why: Schema.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Decision = typeof Decision.Type

/**
 * A call that waits for a decision. `arguments` is JSON text as the model wrote
 * it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pending {
  readonly callId: string
  readonly name: string
  readonly arguments: string
}

/**
 * The calls of a log of events that still wait for a decision, in their order.
 *
 * @since 0.1.0
 * @category derivations
 */
export const pending = (events: Iterable<AgentEvent>): ReadonlyArray<Pending> => {
  const waiting = new Map<string, Pending>()
  for (const event of events) {
    if (event._tag === "ApprovalRequested") {
      waiting.set(event.callId, { callId: event.callId, name: event.name, arguments: event.arguments })
    } else if (event._tag === "ApprovalResolved" || event._tag === "ToolResult") waiting.delete(event.callId)
  }
  return Array.from(waiting.values())
}
