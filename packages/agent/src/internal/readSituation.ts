import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ModelRequest } from "../ChatModel.ts"
import type { Attachment } from "../Message.ts"
import { refusal } from "./composeAnswer.ts"
import { withoutMonths } from "./parseQuestion.ts"

/** @internal Tools to call and what with. */
export type Calls = ReadonlyArray<{ readonly name: string; readonly args: object }>

/** @internal What the planner does next. */
export type Plan =
  | { readonly _tag: "Call"; readonly calls: Calls }
  | { readonly _tag: "Say"; readonly text: string }

/** @internal A call that has ended. */
export interface Done {
  readonly name: string
  readonly args: string
  readonly content: string
  readonly failed: boolean
}

/** @internal The question, what it is about, and what was found out since it was asked. */
export interface Situation {
  readonly question: string
  /** What was attached in the conversation, latest first, each name once. */
  readonly files: ReadonlyArray<Attachment>
  readonly attachedNow: boolean
  readonly done: ReadonlyArray<Done>
  readonly tools: ReadonlySet<string>
  readonly mayCall: boolean
}

/** @internal */
export const say = (text: string): Plan => ({ _tag: "Say", text })

/** @internal */
export const call = (...calls: Calls): Plan => ({ _tag: "Call", calls })

/** @internal A rule gives the next step, or nothing when it does not apply. */
export type Rule = (situation: Situation) => Plan | undefined

/** @internal */
export const readSituation = ({ messages, toolChoice, tools }: ModelRequest): Situation => {
  const users = messages.flatMap((message, index) => message.role === "user" ? [{ message, index }] : [])
  const last = users.at(-1)
  const since = last === undefined ? [] : messages.slice(last.index + 1)
  const calls = new Map(
    since.flatMap((message) => message.role === "assistant" ? message.toolCalls.map((c) => [c.id, c] as const) : [])
  )
  const files = new Map<string, Attachment>()
  for (const file of users.flatMap(({ message }) => message.attachments)) {
    files.delete(file.name)
    files.set(file.name, file)
  }
  return {
    question: last === undefined ? "" : resolveFollowUp(last.message.content, users.at(-2)?.message.content),
    files: Array.from(files.values()).toReversed(),
    attachedNow: (last?.message.attachments.length ?? 0) > 0,
    done: since.flatMap((message) =>
      message.role === "tool"
        ? [{ ...message, args: calls.get(message.callId)?.arguments ?? "{}" }]
        : []
    ),
    tools: new Set(tools.map(({ name }) => name)),
    mayCall: toolChoice !== "none"
  }
}

/** "And in April?" is the question before with another month. */
const resolveFollowUp = (text: string, before: string | undefined): string => {
  const more = /^(?:and|what about|how about)\b\s*(.{1,60})$/i.exec(text.trim())?.[1]
  return more === undefined || before === undefined ? text : `${withoutMonths(before).replace(/\?\s*$/, "")} ${more}`
}

/** @internal */
export const decode = <A, I>(schema: Schema.Schema<A, I>) => {
  const parse = Schema.decodeOption(Schema.parseJson(schema))
  return (done: Done | undefined): A | undefined =>
    done === undefined || done.failed ? undefined : Option.getOrUndefined(parse(done.content))
}

const asError = Schema.decodeOption(
  Schema.parseJson(Schema.Struct({ error: Schema.Struct({ message: Schema.String }) }))
)

/** @internal */
export const errorOf = (done: Done): string =>
  Option.match(asError(done.content), { onNone: () => done.content, onSome: ({ error }) => error.message })

/** @internal One call, then an answer from its result or its error. */
export const single = <A>(
  situation: Situation,
  name: string,
  args: object,
  read: (done: Done | undefined) => A | undefined,
  answer: (result: A) => string
): Plan => {
  if (!situation.tools.has(name)) return say(refusal(situation.tools))
  const done = situation.done.findLast((candidate) => candidate.name === name)
  if (done === undefined) return call({ name, args })
  const result = read(done)
  return say(result === undefined ? `${name} did not succeed: ${errorOf(done)}` : answer(result))
}

/** @internal */
export const nameIn = (question: string, file: Attachment): boolean =>
  question.toLowerCase().includes(file.name.toLowerCase()) ||
  new RegExp(`\\b${patternOf(stemOf(file.name))}\\b`, "i").test(question)

const patternOf = (text: string) => text.replace(/[^\w ]/g, ".")

const stemOf = (name: string) => name.replace(/\.[^.]+$/, "").replace(/^.*\//, "")

/** @internal The files that a question is about: those it names, else those attached with it, else the latest. */
export const filesFor = ({ attachedNow, files, question }: Situation): ReadonlyArray<Attachment> => {
  const named = files.filter((file) => nameIn(question, file))
  return (named.length > 0 ? named : attachedNow ? files : files.slice(0, 1)).slice(0, 4)
}

/** @internal */
export const asksForSummary = (question: string) =>
  question.trim() === "" ||
  /\b(?:summar\w*|describe|overview|outline|contents?|about this file|in (?:this|the|that|my) (?:\w+ )?(?:file|table|document|csv|json|attachment))\b|\bwhat(?:'s| is| are) (?:this|in|these)\b/i
    .test(question)

/** @internal Without the words that only say where to look. */
export const withoutFrame = (question: string, file: Attachment): string =>
  question.replace(file.name, " ").replace(
    /\b(?:says?|mentions?|find|search|look|file|document|text|lines?|according)\b/gi,
    " "
  ).replace(new RegExp(`\\b${patternOf(stemOf(file.name))}\\b`, "gi"), " ")
