import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ModelRequest } from "../ChatModel.ts"
import type { Attachment } from "../Message.ts"
import * as Calculate from "../tools/Calculate.ts"
import * as FetchUrl from "../tools/FetchUrl.ts"
import * as QueryTable from "../tools/QueryTable.ts"
import * as ReadFile from "../tools/ReadFile.ts"
import * as Recall from "../tools/Recall.ts"
import * as Remember from "../tools/Remember.ts"
import {
  answerDescription,
  answerLines,
  answerNotes,
  answerPages,
  answerSummary,
  answerTable,
  capabilities,
  findLines,
  refusal,
  tableHint
} from "./composeAnswer.ts"
import { parseArithmetic, parseRemember, parseUrls, withoutMonths } from "./parseQuestion.ts"
import { asksForTable, fitOf, planQueries } from "./planTable.ts"
import { isTabular } from "./readTable.ts"

/** @internal Tools to call and what with. */
export type Calls = ReadonlyArray<{ readonly name: string; readonly args: object }>

/** @internal What the planner does next. */
export type Plan =
  | { readonly _tag: "Call"; readonly calls: Calls }
  | { readonly _tag: "Say"; readonly text: string }

interface Done {
  readonly name: string
  readonly args: string
  readonly content: string
  readonly failed: boolean
}

/** The question, what it is about, and what was found out since it was asked. */
interface Situation {
  readonly question: string
  /** What was attached in the conversation, latest first, each name once. */
  readonly files: ReadonlyArray<Attachment>
  readonly attachedNow: boolean
  readonly done: ReadonlyArray<Done>
  readonly tools: ReadonlySet<string>
  readonly mayCall: boolean
}

const say = (text: string): Plan => ({ _tag: "Say", text })

const call = (...calls: Calls): Plan => ({ _tag: "Call", calls })

/** How many pages of a file are read to find something. */
const maxPages = 10

/**
 * @internal
 * The next step, by fixed rules over the conversation: the same conversation
 * always gives the same step. Whatever is said about files, notes, pages and
 * numbers comes from a tool's result.
 */
export const planTurn = (request: ModelRequest): Plan => {
  const situation = readSituation(request)
  const plan = rules.reduce<Plan | undefined>((found, rule) => found ?? rule(situation), undefined) ??
    say(refusal(situation.tools))
  if (plan._tag === "Say" || situation.mayCall) return plan
  return say("I stopped before I had an answer, because this run may use no more tools. Ask for less at a time.")
}

const readSituation = ({ messages, toolChoice, tools }: ModelRequest): Situation => {
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

const decode = <A, I>(schema: Schema.Schema<A, I>) => {
  const parse = Schema.decodeOption(Schema.parseJson(schema))
  return (done: Done | undefined): A | undefined =>
    done === undefined || done.failed ? undefined : Option.getOrUndefined(parse(done.content))
}

const asStored = decode(Remember.Stored)
const asResult = decode(Calculate.Result)
const asPages = decode(FetchUrl.Pages)
const asNotes = decode(Recall.Notes)
const asDescription = decode(QueryTable.Description)
const asAnswer = decode(QueryTable.Answer)
const asPage = decode(ReadFile.Page)
const asError = Schema.decodeOption(
  Schema.parseJson(Schema.Struct({ error: Schema.Struct({ message: Schema.String }) }))
)

const errorOf = (done: Done): string =>
  Option.match(asError(done.content), { onNone: () => done.content, onSome: ({ error }) => error.message })

/** One call, then an answer from its result or its error. */
const single = <A>(
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

type Rule = (situation: Situation) => Plan | undefined

const greeting: Rule = ({ question, tools }) =>
  /^\s*(?:hi|hello|hey|help|good (?:morning|afternoon|evening))\b[\s!.,?]*$|\bwhat can you do\b|\bwho are you\b/i.test(
      question
    )
    ? say(`I am an offline planner that follows fixed rules, not a language model. ${capabilities(tools)}`)
    : undefined

const courtesy: Rule = ({ question, tools }) => {
  const [said] =
    /^(?:thanks?|thank you|thx|cheers|bye|goodbye|ok|okay|great|nice|cool|perfect|good)\b/i.exec(question.trim()) ?? []
  if (said === undefined || question.trim().split(/\s+/).length > 4) return undefined
  const reply = /^(?:bye|goodbye)/i.test(said) ? "Goodbye." : /^th|^cheers/i.test(said) ? "You are welcome." : "Good."
  return say(`${reply} ${capabilities(tools)}`)
}

const forget: Rule = ({ question, tools }) =>
  /^\s*(?:please\s+)?(?:forget|delete|erase|unlearn)\b/i.test(question)
    ? say(`I have no tool that forgets or deletes, so nothing was changed. ${capabilities(tools)}`)
    : undefined

const remember: Rule = (situation) => {
  const text = parseRemember(situation.question)
  if (text === undefined || /^(?:me|when|what|who|where|how)\b/i.test(text)) return undefined
  return single(
    situation,
    "remember",
    { text },
    asStored,
    (stored) => `I will remember:\n\n> ${stored.text}\n\n_Stored by remember as memory ${stored.id}._`
  )
}

const fetchPages: Rule = (situation) => {
  const urls = parseUrls(situation.question).slice(0, 100)
  return urls.length === 0
    ? undefined
    : single(situation, "fetch_url", { urls }, asPages, (pages) => answerPages(situation.question, pages))
}

const arithmetic: Rule = (situation) => {
  const expression = parseArithmetic(situation.question)
  return expression === undefined
    ? undefined
    : single(
      situation,
      "calculate",
      { expression },
      asResult,
      (result) =>
        `${result.expression} = **${result.value}**${result.exact ? "" : " (rounded)"}\n\n_Worked out by calculate._`
    )
}

const nameIn = (question: string, file: Attachment): boolean =>
  question.toLowerCase().includes(file.name.toLowerCase()) ||
  new RegExp(`\\b${patternOf(stemOf(file.name))}\\b`, "i").test(question)

const patternOf = (text: string) => text.replace(/[^\w ]/g, ".")

const stemOf = (name: string) => name.replace(/\.[^.]+$/, "").replace(/^.*\//, "")

/** The files that a question is about: those it names, else those attached with it, else the latest. */
const filesFor = ({ attachedNow, files, question }: Situation): ReadonlyArray<Attachment> => {
  const named = files.filter((file) => nameIn(question, file))
  return (named.length > 0 ? named : attachedNow ? files : files.slice(0, 1)).slice(0, 4)
}

const asksForSummary = (question: string) =>
  question.trim() === "" ||
  /\b(?:summar\w*|describe|overview|outline|contents?|about this file|in (?:this|the|that|my) (?:\w+ )?(?:file|table|document|csv|json|attachment))\b|\bwhat(?:'s| is| are) (?:this|in|these)\b/i
    .test(question)

/** Questions about tables: look at the table first, then query it. */
const table: Rule = (situation) => {
  const { done, question, tools } = situation
  const tables = filesFor(situation).filter(({ name }) => isTabular(name))
  if (tables.length === 0 || !tools.has("query_table")) return undefined
  const looks = done.filter(({ args, name }) => name === "query_table" && args.includes("\"mentionedIn\""))
  if (looks.length === 0) {
    const asked = asksForTable(question) || situation.attachedNow ||
      filesFor(situation).some((f) => nameIn(question, f))
    if (!asked && !asksForSummary(question)) return undefined
    return call(...tables.map(({ name }) => ({ name: "query_table", args: { file: name, mentionedIn: question } })))
  }
  const failed = looks.filter((look) => look.failed)
  const lenient = looks.some(({ args }) => args.includes("\"lenient\":true"))
  if (looks.every((look) => look.failed)) {
    return lenient || !failed.some((look) => errorOf(look).includes("lenient: true"))
      ? say(failed.map(errorOf).join("\n\n"))
      : call(
        ...tables.map(({ name }) => ({
          name: "query_table",
          args: { file: name, mentionedIn: question, lenient: true }
        }))
      )
  }
  const descriptions = looks.flatMap((look) => asDescription(look) ?? [])
  const description = descriptions.toSorted((a, b) => fitOf(question, b) - fitOf(question, a))[0]!
  if (asksForSummary(question) && !asksForTable(question)) return say(descriptions.map(answerDescription).join("\n\n"))
  const queries = planQueries(question, description, lenient)
  if (queries.length === 0) {
    // Another file, attached with it, may be what is meant.
    if (fitOf(question, description) === 0 && filesFor(situation).some(({ name }) => !isTabular(name))) return undefined
    const sorry = "I can't work that out with fixed rules, but this is what the table holds."
    return say(`${sorry}\n\n${answerDescription(description)}\n\n${tableHint(description)}`)
  }
  const asked = done.filter(({ args, name }) => name === "query_table" && !args.includes("\"mentionedIn\""))
  if (asked.length === 0) return call(...queries.map(({ args }) => ({ name: "query_table", args })))
  const broken = asked.find((query) => query.failed)
  if (broken !== undefined) return say(`query_table did not succeed: ${errorOf(broken)}`)
  const results = asked.flatMap((query, index) => {
    const answer = asAnswer(query)
    return answer === undefined ? [] : [{ query: queries[index]!, answer }]
  })
  return say(answerTable(results, description, /\b(?:chart|plot|graph)\b/i.test(question)))
}

/** Without the words that only say where to look. */
const withoutFrame = (question: string, file: Attachment): string =>
  question.replace(file.name, " ").replace(
    /\b(?:says?|mentions?|find|search|look|file|document|text|lines?|according)\b/gi,
    " "
  ).replace(new RegExp(`\\b${patternOf(stemOf(file.name))}\\b`, "gi"), " ")

/** Questions about text files: read them, then quote the lines that fit. */
const textFile: Rule = (situation) => {
  const { attachedNow, done, question, tools } = situation
  const files = filesFor(situation)
  const [file] = files.filter(({ name }) => !isTabular(name)).length > 0
    ? files.filter(({ name }) => !isTabular(name))
    : files.filter(({ name }) => name.toLowerCase().endsWith(".json"))
  if (file === undefined || !tools.has("read_file")) return undefined
  const reads = done.filter(({ name }) => name === "read_file")
  if (reads.length === 0) {
    const about = attachedNow || nameIn(question, file) || asksForSummary(question) ||
      /\b(?:file|document|text|say|says|mention|mentions|find|search)\b/i.test(question)
    return about ? call({ name: "read_file", args: { file: file.name } }) : undefined
  }
  const pages = reads.flatMap((read) => asPage(read) ?? [])
  const [first] = pages
  if (first === undefined) return say(`read_file did not succeed: ${errorOf(reads[0]!)}`)
  if (first.pages > 1 && pages.length === 1) {
    const rest = Array.from({ length: Math.min(first.pages, maxPages) - 1 }, (_, i) => i + 2)
    return call(...rest.map((page) => ({ name: "read_file", args: { file: first.file, page } })))
  }
  if (asksForSummary(question)) return say(answerSummary(pages))
  const found = findLines(withoutFrame(question, file), pages)
  return found.length > 0
    ? say(answerLines(found))
    : say(
      `I found no line in ${file.name} that shares a word with the question. Try: "Summarise ${file.name}"\n\n` +
        "_Read by read_file._"
    )
}

const isQuestion = (text: string) =>
  /\?\s*$|^\s*(?:who|whose|what|when|where|which|why|how|do|does|did|is|are|was|were|can you tell|tell me|recall)\b/i
    .test(text)

/** Other questions may be about what was remembered. */
const recall: Rule = (situation) => {
  const { done, question, tools } = situation
  if (!tools.has("recall") || !isQuestion(question)) return undefined
  const recalled = done.find(({ name }) => name === "recall")
  if (recalled === undefined) return call({ name: "recall", args: { query: question.trim() } })
  const notes = asNotes(recalled)
  if (notes === undefined) return say(`recall did not succeed: ${errorOf(recalled)}`)
  const answer = answerNotes(question, notes)
  return say(answer ?? `I found no note that answers this. ${refusal(tools)}`)
}

const rules: ReadonlyArray<Rule> = [
  greeting,
  courtesy,
  forget,
  remember,
  fetchPages,
  arithmetic,
  table,
  textFile,
  recall
]
