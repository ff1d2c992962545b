/**
 * The thread of a conversation, derived from the agent's event log: the same fold makes the live page, a reopened
 * conversation and the terminal's answer. Runs in the browser too.
 */
import type { AgentEvent } from "@sennit/agent"
import type { Block } from "./Api.ts"

/** A change of one conversation's thread. */
export type ThreadEvent =
  | { readonly type: "block"; readonly block: Block }
  | { readonly type: "delta"; readonly block: string; readonly offset: number; readonly text: string }

const upsert = (blocks: ReadonlyArray<Block>, block: Block): ReadonlyArray<Block> => {
  const at = blocks.findLastIndex((existing) => existing.id === block.id)
  return at < 0 ? [...blocks, block] : blocks.with(at, block)
}

/**
 * Applies a change; applying it twice changes nothing. Answers undefined when text before a delta is missing here, so
 * the thread must be read anew.
 */
export const apply = (blocks: ReadonlyArray<Block>, event: ThreadEvent): ReadonlyArray<Block> | undefined => {
  if (event.type === "block") return upsert(blocks, event.block)
  const block = blocks.findLast((candidate) => candidate.id === event.block)
  if (block?.type !== "text" || event.offset > block.text.length) return undefined
  if (event.offset + event.text.length <= block.text.length) return blocks
  return upsert(blocks, { ...block, text: block.text.slice(0, event.offset) + event.text })
}

type ToolBlock = Extract<Block, { type: "tool" }>

/** JSON for people; what is not JSON stays as it is. */
const pretty = (json: string): string => {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2)
  } catch {
    return json
  }
}

/** Turns the events of one run, in order, into changes of the thread. */
export const makeProjection = (): (event: AgentEvent.AgentEvent) => ReadonlyArray<ThreadEvent> => {
  let runId = ""
  let model = ""
  let text: { readonly id: string; length: number } | undefined
  const tools = new Map<string, ToolBlock>()
  const changeTool = (callId: string, change: Partial<ToolBlock>): ReadonlyArray<ThreadEvent> => {
    const before = tools.get(callId)
    if (before === undefined) return []
    const block = { ...before, ...change }
    tools.set(callId, block)
    return [{ type: "block", block }]
  }
  return (event) => {
    switch (event._tag) {
      case "RunStarted": {
        runId = event.runId
        model = event.model
        const attachments = event.attachments.map(({ name, size }) => ({ name, size }))
        return [{ type: "block", block: { type: "question", id: `${runId}-0`, text: event.message, attachments } }]
      }
      case "TextDelta": {
        if (text !== undefined) {
          const delta = { type: "delta" as const, block: text.id, offset: text.length, text: event.text }
          text.length += event.text.length
          return [delta]
        }
        text = { id: `${runId}-${event.seq}`, length: event.text.length }
        return [{ type: "block", block: { type: "text", id: text.id, text: event.text } }]
      }
      case "ToolCallStarted": {
        text = undefined
        const { callId, name, seq } = event
        tools.set(callId, {
          type: "tool",
          id: `${runId}-${seq}`,
          name,
          arguments: "",
          status: "running",
          result: "",
          durationMs: 0
        })
        return changeTool(callId, {})
      }
      case "ToolCallReady":
        return changeTool(event.callId, { arguments: pretty(event.arguments) })
      case "ToolResult":
        return changeTool(event.callId, {
          status: event.error === undefined ? "done" : "failed",
          result: event.error === undefined ? pretty(event.content) : event.error.message,
          durationMs: event.durationMs
        })
      case "RunFinished": {
        const { error, limit, outcome } = event
        const message = error?.message ?? (limit === undefined ? "" : `Limit: ${limit}.`)
        return [{ type: "block", block: { type: "finish", id: `${runId}-end`, outcome, model, message } }]
      }
      case "StepStarted":
        text = undefined
        return []
      default:
        return []
    }
  }
}

/** The thread of a whole log, run after run. A run without an end, and not running now, was interrupted. */
export const fold = (
  events: Iterable<AgentEvent.AgentEvent>,
  running: string | undefined
): ReadonlyArray<Block> => {
  let blocks: ReadonlyArray<Block> = []
  let open: { readonly runId: string; readonly model: string } | undefined
  let project = makeProjection()
  const interrupt = () => {
    if (open === undefined || open.runId === running) return
    const { model, runId } = open
    blocks = blocks.map((block) =>
      block.type === "tool" && block.status === "running" && block.id.startsWith(`${runId}-`)
        ? { ...block, status: "failed" as const, result: "The server stopped before this tool ended." }
        : block
    )
    blocks = upsert(blocks, { type: "finish", id: `${runId}-end`, outcome: "interrupted", model, message: "" })
  }
  for (const event of events) {
    if (event._tag === "RunStarted") {
      interrupt()
      open = { runId: event.runId, model: event.model }
      project = makeProjection()
    }
    if (event._tag === "RunFinished") open = undefined
    for (const change of project(event)) blocks = apply(blocks, change) ?? blocks
  }
  interrupt()
  return blocks
}
