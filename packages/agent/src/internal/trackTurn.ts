import * as Effect from "effect/Effect"
import type { Decision } from "../Approval.ts"
import type { FinishReason } from "../ChatModel.ts"
import type { ToolCall } from "../Message.ts"
import { ToolCallAccumulator } from "./accumulateToolCalls.ts"
import type { ToolOutcome } from "./runTools.ts"
import type { Unstamped } from "./tellEvents.ts"

/** @internal What the model said in one step, and how far its calls are. */
export class Turn {
  readonly tools: ToolCallAccumulator
  readonly results = new Map<string, ToolOutcome>()
  /** Calls that wait for a decision, with what goes on with it. */
  readonly waiting = new Map<string, (decision: Decision) => void>()
  /** How many calls run or wait for permits. */
  active = 0
  onIdle: (() => void) | undefined
  text = ""
  finish: FinishReason | undefined
  constructor(readonly step: number, usedIds: Set<string>) {
    this.tools = new ToolCallAccumulator(usedIds)
  }

  /** Keeps the result of a call, and gives the event that tells of it. */
  conclude({ id, name }: ToolCall, outcome: ToolOutcome): Unstamped {
    this.results.set(id, outcome)
    return { _tag: "ToolResult", callId: id, name, ...outcome }
  }

  ended(): void {
    if (--this.active === 0) this.onIdle?.()
  }

  /** Waits until no call runs; those that wait for a decision may be left. */
  get idle(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.active === 0 ? Effect.void : Effect.async<void>((resume) => {
        this.onIdle = () => resume(Effect.void)
      })
    )
  }
}
