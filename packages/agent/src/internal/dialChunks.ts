import type { AgentEvent } from "../AgentEvent.ts"
import type { Attachment } from "../Message.ts"

/** @internal The custom content of a completion, in fragments that merge by index. */
export class DialChunks {
  private readonly stages = new Map<string, { readonly index: number; attachments: number }>()
  private attachments = 0

  /** What an event adds to the delta; undefined when it is not shown. */
  delta(event: AgentEvent): object | undefined {
    switch (event._tag) {
      case "TextDelta":
        return { content: event.text }
      case "ToolCallStarted":
        return this.open(event.callId, event.name)
      case "ToolCallReady":
        return this.append(event.callId, `**Arguments**\n\n\`\`\`json\n${pretty(event.arguments)}\n\`\`\`\n\n`)
      case "StageOpened":
        return this.open(event.stageId, event.name, this.stages.get(event.parentId)?.index)
      case "StageAppended":
        return this.append(event.stageId, event.text)
      case "StageClosed":
        return this.stage(event.stageId, { status: event.status })
      case "ToolResult": {
        const text = event.error === undefined ? event.content : event.error.message
        const content = `**Result**\n\n${text}\n`
        return this.stage(event.callId, { content, status: event.error === undefined ? "completed" : "failed" })
      }
      case "AttachmentAdded":
        return this.attach(event.stageId, event.attachment)
      default:
        return undefined
    }
  }

  private open(id: string, name: string, parent?: number): object {
    const index = this.stages.size
    this.stages.set(id, { index, attachments: 0 })
    const nested = parent === undefined ? {} : { parent_stage_index: parent }
    return { custom_content: { stages: [{ index, name, status: null, ...nested }] } }
  }

  private append(id: string, content: string): object | undefined {
    return this.stage(id, { content, status: null })
  }

  private stage(id: string, fields: object): object | undefined {
    const stage = this.stages.get(id)
    return stage === undefined ? undefined : { custom_content: { stages: [{ index: stage.index, ...fields }] } }
  }

  /** A file is shown in its stage and with the answer. */
  private attach(stageId: string, { name, type, url }: Attachment): object {
    const file = { type, title: name, url: url ?? name }
    const stage = this.stages.get(stageId)
    const inStage = stage === undefined ? {} : {
      stages: [{ index: stage.index, attachments: [{ index: stage.attachments++, ...file }], status: null }]
    }
    return { custom_content: { attachments: [{ index: this.attachments++, ...file }], ...inStage } }
  }
}

/** JSON for people; what is not JSON stays as it is. */
const pretty = (json: string): string => {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2)
  } catch {
    return json
  }
}

type Merged = { [key: string]: unknown }

const isObject = (value: unknown): value is Merged =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const indexOf = (value: unknown): number | undefined =>
  isObject(value) && typeof value["index"] === "number" ? value["index"] : undefined

const merge = (into: unknown, more: unknown): unknown => {
  if (more === undefined || more === null) return into
  if (typeof into === "string" && typeof more === "string") return into + more
  if (Array.isArray(more)) {
    const list: Array<unknown> = Array.isArray(into) ? into.slice() : []
    for (const item of more) {
      const at = list.findIndex((one) => indexOf(one) === indexOf(item))
      if (at < 0) list.push(item)
      else list[at] = merge(list[at], item)
    }
    return list
  }
  if (isObject(into) && isObject(more)) {
    const result: Merged = { ...into }
    // An index is a name, not a text or a count that grows.
    for (const [key, value] of Object.entries(more)) result[key] = key === "index" ? value : merge(result[key], value)
    return result
  }
  return more
}

const withoutIndex = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(withoutIndex)
    : isObject(value)
    ? Object.fromEntries(
      Object.entries(value).filter(([key]) => key !== "index").map(([key, one]) => [key, withoutIndex(one)])
    )
    : value

/** @internal The message that these deltas make: lists merge by index, texts are joined. */
export const mergeDeltas = (deltas: ReadonlyArray<object>): unknown =>
  withoutIndex(deltas.reduce<unknown>((message, delta) => merge(message, delta), {}))
