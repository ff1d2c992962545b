import type { AgentEvent, Limit } from "../AgentEvent.ts"
import type { Decision } from "../Approval.ts"
import type { Message, ToolCall } from "../Message.ts"
import { assistant } from "../Message.ts"
import type { ToolOutcome } from "./runTools.ts"

/** @internal A call of the step in which the log ends. */
export interface OpenCall {
  readonly call: ToolCall
  /** Its arguments are complete. */
  readonly ready: boolean
  /** It has begun to do what must be done only once. */
  readonly begun: boolean
  readonly requested: boolean
  readonly decision: Decision | undefined
  readonly result: ToolOutcome | undefined
}

/** @internal How far a log is, and what it takes to go on from there. */
export interface Replayed {
  /** What the finished steps said and found. */
  readonly messages: ReadonlyArray<Message>
  readonly seq: number
  /** Steps begun, without one that has to be asked again. */
  readonly steps: number
  readonly answered: ReadonlyArray<ToolCall>
  readonly usedIds: ReadonlySet<string>
  readonly inputTokens: number
  readonly outputTokens: number
  /** How long the run has been going on, without the time between its processes. */
  readonly activeMs: number
  readonly limit: Limit | undefined
  readonly openText: string
  readonly openCalls: ReadonlyArray<OpenCall>
  readonly openStages: ReadonlyArray<string>
  readonly stages: number
  readonly finished: boolean
}

/** @internal */
export const replay = (events: Iterable<AgentEvent>): Replayed => {
  const messages: Array<Message> = []
  const answered: Array<ToolCall> = []
  const usedIds = new Set<string>()
  const openStages = new Set<string>()
  let calls = new Map<string, OpenCall>()
  let text = ""
  let open = false
  let seq = 0
  let steps = 0
  let stages = 0
  let inputTokens = 0
  let outputTokens = 0
  let limit: Limit | undefined
  let finished = false
  let activeMs = 0
  let since: number | undefined
  let last = 0
  const pause = (at: number) => {
    if (since !== undefined) activeMs += at - since
    since = undefined
  }

  const change = (callId: string, fields: Partial<OpenCall>) => {
    const call = calls.get(callId)
    if (call !== undefined) calls.set(callId, { ...call, ...fields })
  }
  const close = () => {
    const all = Array.from(calls.values())
    if (text !== "" || all.length > 0) messages.push(assistant(text, all.map(({ call }) => call)))
    for (const { call: { id, name }, result } of all) {
      if (result === undefined) continue
      const { content, error, untrusted } = result
      messages.push({ role: "tool", callId: id, name, content, failed: error !== undefined, untrusted })
    }
    calls = new Map()
    text = ""
    open = false
  }

  for (const event of events) {
    seq = event.seq
    switch (event._tag) {
      case "RunStarted":
        since = event.at
        break
      case "RunResumed":
        pause(last)
        since = event.at
        if (calls.size === 0 && open) {
          text = ""
          steps--
          open = false
        }
        openStages.clear()
        break
      case "StepStarted":
        close()
        open = true
        steps++
        break
      case "TextDelta":
        text += event.text
        break
      case "ToolCallStarted": {
        const { callId: id, name } = event
        usedIds.add(id)
        calls.set(id, {
          call: { id, name, arguments: "" },
          ready: false,
          begun: false,
          requested: false,
          decision: undefined,
          result: undefined
        })
        break
      }
      case "ToolCallReady":
        change(event.callId, {
          call: { id: event.callId, name: event.name, arguments: event.arguments },
          ready: true
        })
        break
      case "ToolRunStarted":
        change(event.callId, { begun: true })
        break
      case "ApprovalRequested":
        change(event.callId, { requested: true })
        break
      case "ApprovalResolved": {
        const { approved, by, why } = event
        change(event.callId, { decision: { approved, by, why } })
        break
      }
      case "ToolResult": {
        const { content, durationMs, error, truncated, untrusted } = event
        change(event.callId, { result: { content, error, truncated, untrusted, durationMs } })
        const answer = calls.get(event.callId)
        if (answer !== undefined) answered.push(answer.call)
        break
      }
      case "StageOpened":
        stages++
        openStages.add(event.stageId)
        break
      case "StageClosed":
        openStages.delete(event.stageId)
        break
      case "UsageUpdated":
        inputTokens = event.inputTokens
        outputTokens = event.outputTokens
        break
      case "StepFinished":
        close()
        break
      case "RunSuspended":
        pause(event.at)
        break
      case "LimitReached":
        limit = event.limit
        break
      case "RunFinished":
        finished = true
        break
    }
    // A decision may be made while nothing runs.
    if (event._tag !== "ApprovalResolved") last = event.at
  }
  pause(last)
  const openCalls = Array.from(calls.values())
  // The model is asked again for a step that had called nothing yet.
  if (open && openCalls.length === 0) steps--
  return {
    messages,
    seq,
    steps,
    answered,
    usedIds,
    inputTokens,
    outputTokens,
    activeMs,
    limit,
    openText: openCalls.length === 0 ? "" : text,
    openCalls,
    openStages: Array.from(openStages),
    stages,
    finished
  }
}
