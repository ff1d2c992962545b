import type { ModelRequest } from "../ChatModel.ts"
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
  capabilities,
  findLines,
  refusal,
  tableHint
} from "./composeAnswer.ts"
import { parseArithmetic, parseRemember, parseUrls } from "./parseQuestion.ts"
import { asksForTable, fitOf, planQueries } from "./planTable.ts"
import { code, documents, forget, planChart, planStatistic } from "./planTools.ts"
import type { Plan, Rule } from "./readSituation.ts"
import {
  asksForSummary,
  call,
  decode,
  errorOf,
  filesFor,
  nameIn,
  readSituation,
  say,
  single,
  withoutFrame
} from "./readSituation.ts"
import { isTabular } from "./readTable.ts"

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

const asStored = decode(Remember.Stored)
const asResult = decode(Calculate.Result)
const asPages = decode(FetchUrl.Pages)
const asNotes = decode(Recall.Notes)
const asDescription = decode(QueryTable.Description)
const asAnswer = decode(QueryTable.Answer)
const asPage = decode(ReadFile.Page)

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
  const statistic = planStatistic(situation, description)
  if (statistic !== undefined) return statistic
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
  return planChart(situation, results, description)
}

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
  code,
  fetchPages,
  arithmetic,
  table,
  documents,
  textFile,
  recall
]
