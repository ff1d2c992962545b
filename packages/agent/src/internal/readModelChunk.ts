import type { FinishReason, ModelEvent } from "../ChatModel.ts"

/** @internal What a payload of the stream holds, or what is wrong with it. */
export type ModelChunk =
  | { readonly _tag: "Events"; readonly events: ReadonlyArray<ModelEvent>; readonly finished: boolean }
  | { readonly _tag: "Malformed"; readonly detail: string }
  | { readonly _tag: "Refused"; readonly detail: string; readonly code: number | undefined }

type Json = { readonly [key: string]: unknown }

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const nonEmpty = (value: unknown): string | undefined => typeof value === "string" && value !== "" ? value : undefined

/**
 * @internal
 * Reads one chunk of a chat completion. Hot path: plain checks instead of a
 * Schema. Forgiving where servers differ (no index, null arguments, arguments as
 * an object, `message` in place of `delta`), strict where meaning would be lost.
 */
export const readModelChunk = (payload: string): ModelChunk => {
  const value = parse(payload)
  if (!isObject(value)) return { _tag: "Malformed", detail: `It sent ${excerpt(payload)}, which is no JSON object.` }
  if (value["error"] !== undefined && value["error"] !== null) {
    return {
      _tag: "Refused",
      detail: errorMessage(value) ?? "It sent an error without a message.",
      code: errorCode(value)
    }
  }
  const events: Array<ModelEvent> = []
  let finished = false
  const choices = value["choices"]
  if (choices !== undefined && choices !== null && !Array.isArray(choices)) {
    return { _tag: "Malformed", detail: "It sent \"choices\" that are no list." }
  }
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
  if (isObject(choice)) {
    const problem = readDelta(choice["delta"] ?? choice["message"], events)
    if (problem !== undefined) return { _tag: "Malformed", detail: problem }
    const reason = nonEmpty(choice["finish_reason"])
    if (reason !== undefined) {
      finished = true
      events.push({ _tag: "Finish", reason: finishReasons.get(reason) ?? "unknown" })
    }
  }
  const usage = value["usage"]
  if (isObject(usage)) {
    const inputTokens = count(usage["prompt_tokens"])
    const outputTokens = count(usage["completion_tokens"])
    if (inputTokens + outputTokens > 0) events.push({ _tag: "Usage", inputTokens, outputTokens })
  }
  return { _tag: "Events", events, finished }
}

const finishReasons: ReadonlyMap<string, FinishReason> = new Map(Object.entries<FinishReason>({
  stop: "stop",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  length: "length",
  content_filter: "content_filter"
}))

const readDelta = (delta: unknown, events: Array<ModelEvent>): string | undefined => {
  if (delta === undefined || delta === null) return undefined
  if (!isObject(delta)) return "It sent a \"delta\" that is no object."
  const { content } = delta
  if (typeof content === "string") {
    if (content !== "") events.push({ _tag: "TextDelta", text: content })
  } else if (content !== undefined && content !== null) return "It sent \"content\" that is no text."
  const reasoning = nonEmpty(delta["reasoning_content"]) ?? nonEmpty(delta["reasoning"])
  if (reasoning !== undefined) events.push({ _tag: "ReasoningDelta", text: reasoning })
  const calls = delta["tool_calls"]
  if (calls === undefined || calls === null) return undefined
  if (!Array.isArray(calls)) return "It sent \"tool_calls\" that are no list."
  for (const call of calls) {
    if (!isObject(call)) return "It sent a tool call that is no object."
    events.push(readToolCall(call))
  }
  return undefined
}

const readToolCall = (call: Json): ModelEvent => {
  const fn = isObject(call["function"]) ? call["function"] : {}
  const index = Number(call["index"] ?? Number.NaN)
  const args = fn["arguments"]
  return {
    _tag: "ToolCallDelta",
    index: Number.isInteger(index) ? index : undefined,
    id: nonEmpty(call["id"]),
    name: nonEmpty(fn["name"]),
    arguments: typeof args === "string" ? args : args === undefined || args === null ? "" : JSON.stringify(args)
  }
}

const count = (value: unknown): number => typeof value === "number" && value > 0 ? value : 0

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** @internal The message of an error body in one of the usual shapes. */
export const readErrorBody = (body: string): string => {
  const value = parse(body)
  const message = isObject(value) ? errorMessage(value) : undefined
  return message ?? (body.trim() === "" ? "It gave no reason." : excerpt(body.trim()))
}

const errorMessage = (value: Json): string | undefined => {
  const { error } = value
  return nonEmpty(error) ?? (isObject(error) ? nonEmpty(error["message"]) : undefined) ?? nonEmpty(value["message"]) ??
    nonEmpty(value["detail"])
}

const errorCode = (value: Json): number | undefined => {
  const code = isObject(value["error"]) ? Number(value["error"]["code"] ?? value["error"]["status"]) : Number.NaN
  return Number.isInteger(code) ? code : undefined
}

const excerpt = (text: string) => text.length <= 200 ? text : `${text.slice(0, 200)}...`
