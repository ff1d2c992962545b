/**
 * The thread of a conversation, derived from the agent's event log: the same fold makes the live page, a reopened
 * conversation and the terminal's answer. Runs in the browser too.
 */
import type { AgentEvent } from "@sennit/agent"
import type { Block } from "./Block.ts"

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
type RunBlock = Extract<Block, { type: "run" }>

/** JSON for people; what is not JSON stays as it is. */
const pretty = (json: string): string => {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2)
  } catch {
    return json
  }
}

/** How much of what a call says while it works is kept. */
const OUTPUT_LINES = 20
const OUTPUT_CHARACTERS = 4000

const lastLines = (text: string) => text.split("\n").slice(-OUTPUT_LINES - 1).join("\n").slice(-OUTPUT_CHARACTERS)

/** A call that did not end of itself. */
const unfinished = (status: ToolBlock["status"]) => status === "arriving" || status === "running"

class Projection {
  private runId = ""
  private model = ""
  private text: { readonly id: string; length: number } | undefined
  private run: RunBlock | undefined
  private finishedSteps = 0
  private readonly tools = new Map<string, ToolBlock>()
  /** Stages inside calls, and what they are in. */
  private readonly stages = new Map<string, string>()

  private changeTool(callId: string, change: Partial<ToolBlock>): ReadonlyArray<ThreadEvent> {
    const before = this.tools.get(callId)
    if (before === undefined) return []
    const block = { ...before, ...change }
    this.tools.set(callId, block)
    return [{ type: "block", block }]
  }

  private changeRun(change: Partial<RunBlock>): ReadonlyArray<ThreadEvent> {
    if (this.run === undefined) return []
    this.run = { ...this.run, ...change }
    return [{ type: "block", block: this.run }]
  }

  private addText({ seq, text }: { readonly seq: number; readonly text: string }): ThreadEvent {
    if (this.text !== undefined) {
      const delta = { type: "delta" as const, block: this.text.id, offset: this.text.length, text }
      this.text.length += text.length
      return delta
    }
    this.text = { id: `${this.runId}-${seq}`, length: text.length }
    return { type: "block", block: { type: "text", id: this.text.id, text } }
  }

  private begin(event: typeof AgentEvent.RunStarted.Type): ReadonlyArray<ThreadEvent> {
    const { at, message, model, runId } = event
    this.runId = runId
    this.model = model
    this.run = {
      type: "run",
      id: `${runId}-run`,
      startedAt: at,
      steps: 0,
      toolCalls: 0,
      inputTokens: 0,
      outputTokens: 0,
      durationMs: null
    }
    const attachments = event.attachments.map(({ name, size }) => ({ name, size }))
    return [
      { type: "block", block: { type: "question", id: `${runId}-0`, at, text: message, attachments } },
      { type: "block", block: this.run }
    ]
  }

  private beginTool({ at, callId, name, seq }: typeof AgentEvent.ToolCallStarted.Type): ReadonlyArray<ThreadEvent> {
    this.text = undefined
    const id = `${this.runId}-${seq}`
    const empty = { arguments: "", output: "", result: "", files: [], untrusted: false, durationMs: 0 }
    this.tools.set(callId, { type: "tool", id, callId, name, status: "arriving", startedAt: at, ...empty })
    return this.changeTool(callId, {})
  }

  /** A stage inside a call belongs to it. */
  private callOf(stageId: string): ToolBlock | undefined {
    let callId: string | undefined = stageId
    while (callId !== undefined && !this.tools.has(callId)) callId = this.stages.get(callId)
    return this.tools.get(callId ?? "")
  }

  private addFile({ attachment: { name, size, type }, stageId }: typeof AgentEvent.AttachmentAdded.Type) {
    const tool = this.callOf(stageId)
    return tool === undefined ? [] : this.changeTool(tool.callId, { files: [...tool.files, { name, size, type }] })
  }

  private addOutput({ stageId, text }: typeof AgentEvent.StageAppended.Type) {
    const tool = this.callOf(stageId)
    return tool === undefined ? [] : this.changeTool(tool.callId, { output: lastLines(tool.output + text) })
  }

  /** Text that was not complete is asked for again. */
  private goOn({ model, seq }: typeof AgentEvent.RunResumed.Type): ReadonlyArray<ThreadEvent> {
    const open = this.text
    this.text = undefined
    this.model = model
    const after = `after step ${this.finishedSteps}`
    const text = `The server restarted. This answer went on ${after}; finished tools were not run again.`
    return [
      ...open === undefined ? [] : [{ type: "block", block: { type: "text", id: open.id, text: "" } } as const],
      { type: "block", block: { type: "notice", id: `${this.runId}-${seq}`, text } }
    ]
  }

  private end({ at, durationMs, error, limit, outcome }: typeof AgentEvent.RunFinished.Type) {
    const left = [...this.tools].filter(([, { status }]) => unfinished(status))
    const stopped = left.flatMap(([callId, { startedAt }]) =>
      this.changeTool(callId, { status: "stopped", durationMs: at - startedAt })
    )
    const toolsDone = [...this.tools.values()].filter(({ status }) => status === "done").length
    const message = error?.message ?? (limit === undefined ? "" : `Limit: ${limit}.`)
    const { model, runId } = this
    const block = { type: "finish", id: `${runId}-end`, outcome, model, message, durationMs, toolsDone } as const
    return [...stopped, ...this.changeRun({ durationMs }), { type: "block" as const, block }]
  }

  /** What the event changes in the thread. */
  readonly project = (event: AgentEvent.AgentEvent): ReadonlyArray<ThreadEvent> => {
    switch (event._tag) {
      case "RunStarted":
        return this.begin(event)
      case "StepStarted":
        this.text = undefined
        return this.changeRun({ steps: event.step })
      case "StepFinished":
        this.finishedSteps = event.step
        return []
      case "TextDelta":
        return [this.addText(event)]
      case "ToolCallStarted":
        return this.beginTool(event)
      case "ToolCallReady":
        return [
          ...this.changeTool(event.callId, { arguments: pretty(event.arguments), status: "running" }),
          ...this.changeRun({ toolCalls: this.tools.size })
        ]
      case "ToolResult":
        // What was refused stays so, whatever the model was told.
        if (this.tools.get(event.callId)?.status === "refused") return []
        return this.changeTool(event.callId, {
          status: event.error === undefined ? "done" : event.error.reason === "interrupted" ? "stopped" : "failed",
          result: event.error === undefined ? pretty(event.content) : event.error.message,
          untrusted: event.untrusted,
          durationMs: event.durationMs
        })
      case "StageOpened":
        this.stages.set(event.stageId, event.parentId)
        return []
      case "StageAppended":
        return this.addOutput(event)
      case "AttachmentAdded":
        return this.addFile(event)
      case "ApprovalRequested":
        return this.changeTool(event.callId, { arguments: pretty(event.arguments), status: "waiting" })
      case "ApprovalResolved":
        return this.changeTool(
          event.callId,
          event.approved
            ? { status: "running", startedAt: event.at }
            : { status: "refused", result: "You refused. The agent was told." }
        )
      case "RunResumed":
        return this.goOn(event)
      case "UsageUpdated":
        return this.changeRun({ inputTokens: event.inputTokens, outputTokens: event.outputTokens })
      case "RunFinished":
        return this.end(event)
      default:
        return []
    }
  }
}

/** Turns the events of one run, in order, into changes of the thread. */
export const makeProjection = (): (event: AgentEvent.AgentEvent) => ReadonlyArray<ThreadEvent> =>
  new Projection().project

/** The thread of a whole log, run after run. A run without an end, and not running now, was interrupted. */
export const fold = (
  events: Iterable<AgentEvent.AgentEvent>,
  running: string | undefined
): ReadonlyArray<Block> => {
  let blocks: ReadonlyArray<Block> = []
  let open: { readonly runId: string; readonly model: string } | undefined
  let waits = false
  let project = makeProjection()
  const interrupt = () => {
    if (open === undefined || waits || open.runId === running) return
    const { model, runId } = open
    blocks = blocks.map((block) =>
      block.type === "tool" && unfinished(block.status) && block.id.startsWith(`${runId}-`)
        ? { ...block, status: "failed" as const, result: "The server stopped before this tool ended." }
        : block
    )
    const toolsDone =
      blocks.filter((block) => block.type === "tool" && block.status === "done" && block.id.startsWith(`${runId}-`))
        .length
    const ending = { outcome: "interrupted", model, message: "", durationMs: 0, toolsDone } as const
    blocks = upsert(blocks, { type: "finish", id: `${runId}-end`, ...ending })
  }
  for (const event of events) {
    if (event._tag === "RunStarted") {
      interrupt()
      open = { runId: event.runId, model: event.model }
      project = makeProjection()
    }
    if (event._tag === "RunFinished") open = undefined
    if (event._tag === "RunSuspended") waits = true
    else if (event._tag === "RunResumed" || event._tag === "RunStarted") waits = false
    for (const change of project(event)) blocks = apply(blocks, change) ?? blocks
  }
  interrupt()
  return blocks
}
