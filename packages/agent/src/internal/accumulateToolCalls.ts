import type { ModelEvent } from "../ChatModel.ts"

type ToolCallDelta = Extract<ModelEvent, { readonly _tag: "ToolCallDelta" }>

/** @internal A call of the current step, while its fragments arrive. */
export interface PendingCall {
  readonly id: string
  readonly providerId: string | undefined
  name: string
  arguments: string
  announced: boolean
  started: boolean
  readonly scan: JsonScan
}

/**
 * @internal
 * Puts tool calls together from fragments. Providers number them by `index`,
 * but some leave the index or the id out, repeat the id in every fragment, or
 * give two calls the same index: a fragment opens a new call when its id
 * differs from the id seen there, or when it names a tool although the call
 * there has all its arguments.
 */
export class ToolCallAccumulator {
  readonly calls: Array<PendingCall> = []
  private readonly byIndex = new Map<number, PendingCall>()
  private readonly usedIds: Set<string>
  constructor(usedIds: Set<string>) {
    this.usedIds = usedIds
  }

  push(delta: ToolCallDelta): PendingCall {
    const call = this.find(delta) ?? this.open(delta)
    if (delta.name !== undefined && delta.name !== call.name && call.arguments === "") call.name += delta.name
    call.arguments += delta.arguments
    call.scan.push(delta.arguments)
    return call
  }

  /** A call of which a journal tells, with all its arguments. */
  restore(id: string, name: string, args: string): PendingCall {
    const call: PendingCall = {
      id,
      providerId: undefined,
      name,
      arguments: args,
      announced: true,
      started: true,
      scan: new JsonScan()
    }
    this.calls.push(call)
    return call
  }

  private find(delta: ToolCallDelta): PendingCall | undefined {
    const call = delta.index === undefined
      ? delta.id === undefined
        ? this.calls.at(-1)
        : this.calls.find((candidate) => candidate.providerId === delta.id)
      : this.byIndex.get(delta.index)
    if (call === undefined) return undefined
    if (delta.id !== undefined && call.providerId !== undefined && delta.id !== call.providerId) return undefined
    if (delta.name !== undefined && delta.id === undefined && call.scan.complete) return undefined
    return call
  }

  private open(delta: ToolCallDelta): PendingCall {
    const call: PendingCall = {
      id: this.uniqueId(delta.id ?? `call_${this.usedIds.size + 1}`),
      providerId: delta.id,
      name: "",
      arguments: "",
      announced: false,
      started: false,
      scan: new JsonScan()
    }
    this.calls.push(call)
    if (delta.index !== undefined) this.byIndex.set(delta.index, call)
    return call
  }

  private uniqueId(wanted: string): string {
    let id = wanted
    for (let copy = 2; this.usedIds.has(id); copy++) id = `${wanted}_${copy}`
    this.usedIds.add(id)
    return id
  }
}

/** Tells, without parsing twice, when the fragments of a JSON object are all there. */
class JsonScan {
  complete = false
  private depth = 0
  private inString = false
  private escaped = false

  push(fragment: string): void {
    for (let i = 0; i < fragment.length && !this.complete; i++) {
      const code = fragment.charCodeAt(i)
      if (this.inString) {
        if (this.escaped) this.escaped = false
        else if (code === 0x5c) this.escaped = true
        else if (code === 0x22) this.inString = false
      } else if (code === 0x22) this.inString = true
      else if (code === 0x7b || code === 0x5b) this.depth++
      else if (code === 0x7d || code === 0x5d) this.complete = --this.depth === 0
    }
  }
}
