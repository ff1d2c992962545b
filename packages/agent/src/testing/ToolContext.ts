/**
 * What a handler knows about its call, for tests of tools.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { CallContext, Stage } from "../AgentTool.ts"
import type { Attachment } from "../Message.ts"

/**
 * What the tool showed: the text of each stage by its name, that of the call
 * under its id, and the files it gave.
 *
 * @since 0.1.0
 * @category models
 */
export interface Shown {
  readonly text: Map<string, string>
  readonly attachments: Array<Attachment>
}

/**
 * A context whose stages write into `shown`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  fields: Partial<Omit<CallContext, "stage">> = {}
): CallContext & { readonly shown: Shown } => {
  const shown: Shown = { text: new Map(), attachments: [] }
  const stage = (name: string): Stage => ({
    append: (text) => Effect.sync(() => void shown.text.set(name, (shown.text.get(name) ?? "") + text)),
    attach: (attachment) => Effect.sync(() => void shown.attachments.push(attachment)),
    within: (inner, work) => Effect.suspend(() => work(stage(inner)))
  })
  const { callId = "call", conversation = "", runId = "run", user = "" } = fields
  return { runId, callId, user, conversation, stage: stage(callId), shown }
}
