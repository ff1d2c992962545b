import type { AgentEvent } from "../AgentEvent.ts"
import { replay } from "./replayRun.ts"
import { refuse } from "./runTools.ts"
import type { Unstamped } from "./tellEvents.ts"

/** @internal The last events of a run that is stopped while it goes on nowhere. */
export const closeRun = (
  runId: string,
  events: ReadonlyArray<AgentEvent>,
  at: number
): ReadonlyArray<AgentEvent> => {
  const past = replay(events)
  const ending: Array<Unstamped> = events.length > 0 ? [] : [{
    _tag: "RunStarted",
    runId,
    agent: "",
    model: "",
    message: "",
    attachments: []
  }]
  for (const stageId of past.openStages) ending.push({ _tag: "StageClosed", stageId, status: "failed" })
  for (const { begun, call, result } of past.openCalls) {
    if (result !== undefined) continue
    const outcome = begun
      ? refuse(
        call,
        "outcome_unknown",
        "The run was stopped after its process ended. Whether it took effect is not known."
      )
      : refuse(call, "interrupted", "The run was stopped before this call was run.")
    ending.push({ _tag: "ToolResult", callId: call.id, name: call.name, ...outcome })
  }
  ending.push({ _tag: "RunFinished", outcome: "stopped", text: past.openText, durationMs: past.activeMs })
  return ending.map((event, index) => Object.assign({}, event, { seq: past.seq + index + 1, at }))
}
