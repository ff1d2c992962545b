import type { AgentEvent } from "../AgentEvent.ts"
import type { RunRecord } from "../RunStore.ts"

/** @internal What an event says about the outcome of its run; undefined when it says nothing. */
export const outcomeOf = (event: AgentEvent | undefined): RunRecord["outcome"] =>
  event?._tag === "RunFinished" ? event.outcome : event?._tag === "RunSuspended" ? "suspended" : undefined
