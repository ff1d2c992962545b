import * as DrawChart from "../tools/DrawChart.ts"
import * as Forget from "../tools/Forget.ts"
import type * as QueryTable from "../tools/QueryTable.ts"
import * as Recall from "../tools/Recall.ts"
import * as RunCode from "../tools/RunCode.ts"
import * as SearchDocuments from "../tools/SearchDocuments.ts"
import { answerTable, capabilities, fittingNotes, quote } from "./composeAnswer.ts"
import { answerCode, answerFigure, answerPassages } from "./composeToolAnswer.ts"
import { extensionOf } from "./guessType.ts"
import type { TableQuery } from "./planTable.ts"
import { contentWords } from "./rankNotes.ts"
import type { Plan, Rule, Situation } from "./readSituation.ts"
import { asksForSummary, call, decode, errorOf, filesFor, say, single, withoutFrame } from "./readSituation.ts"

const asNotes = decode(Recall.Notes)
const asForgotten = decode(Forget.Forgotten)
const asCode = decode(RunCode.Result)
const asPassages = decode(SearchDocuments.Passages)
const asDrawn = decode(DrawChart.Drawn)

/** @internal Forgets the one note that is meant; when none or several could be, nothing. */
export const forget: Rule = ({ done, question, tools }) => {
  const [, verb = "", rest = ""] =
    /^\s*(?:please\s+)?(forget|delete|erase|unlearn)\b(?:\s+(?:that|about|what\s+i\s+(?:said|told\s+you)\s+about))?\s*(.*)$/i
      .exec(question) ?? []
  if (verb === "") return undefined
  const query = rest.replace(/[\s.!?]+$/, "")
  if (
    !tools.has("forget") || !tools.has("recall") || verb.toLowerCase() !== "forget" || contentWords(query).length === 0
  ) {
    return say(`I can't tell what to forget or delete, so nothing was changed. ${capabilities(tools)}`)
  }
  const recalled = done.find(({ name }) => name === "recall")
  if (recalled === undefined) return call({ name: "recall", args: { query } })
  const notes = asNotes(recalled)
  if (notes === undefined) return say(`recall did not succeed: ${errorOf(recalled)}`)
  const [note, ...others] = fittingNotes(query, notes)
  if (note === undefined) return say("I found no note about that, so nothing was forgotten.\n\n_Looked up by recall._")
  if (others.length > 0) {
    const list = [note, ...others].map(({ text }) => quote(text)).join("\n>\n")
    return say(`Several notes could be meant, so nothing was forgotten. Say more of the one to forget:\n\n${list}`)
  }
  const forgotten = done.find(({ name }) => name === "forget")
  if (forgotten === undefined) return call({ name: "forget", args: { id: note.id } })
  const result = asForgotten(forgotten)
  if (result === undefined) return say(`forget did not succeed: ${errorOf(forgotten)}`)
  return say(
    result.forgotten
      ? `I forgot:\n\n${quote(note.text)}\n\n_Deleted by forget: memory ${result.id}._`
      : "That note was already gone."
  )
}

/** @internal Runs code that the question holds in a fence. */
export const code: Rule = (situation) => {
  const [, language = "", text = ""] = /```\s*(python|py|javascript|js)\s*\n([^]*?)```/i.exec(situation.question) ?? []
  if (text.trim() === "") return undefined
  const args = {
    language: language.toLowerCase().startsWith("p") ? "python" : "javascript",
    code: text,
    files: filesFor(situation).map(({ name }) => name)
  }
  return single(situation, "run_code", args, asCode, answerCode)
}

const statistics = {
  median: "(n) => n.length % 2 === 1 ? n[(n.length - 1) / 2] : (n[n.length / 2 - 1] + n[n.length / 2]) / 2",
  variance: "(n) => spread(n)",
  "standard deviation": "(n) => Math.sqrt(spread(n))"
} as const

/** @internal A figure of a column that only code works out, over all rows of a table. */
export const planStatistic = (
  { done, question, tools }: Situation,
  description: typeof QueryTable.Description.Type
): Plan | undefined => {
  const [asked] = /\b(?:median|variance|standard deviation)\b/i.exec(question) ?? []
  const columns = description.columns.filter(({ type }) => type === "number")
  const named = columns.filter(({ name }) => contentWords(name).every((word) => contentWords(question).includes(word)))
  const [column, ...others] = named.length > 0 ? named : columns
  const isTable = ["csv", "tsv"].includes(extensionOf(description.file))
  // Words that choose rows would have to be obeyed, and are not.
  const words = new Set(
    contentWords(`${asked} ${column?.name} ${description.file} value column row table file overall all`)
  )
  const beyond = contentWords(question).some((word) => !words.has(word)) || /\d/.test(question)
  if (asked === undefined || column === undefined || others.length > 0 || beyond) return undefined
  if (!isTable || !tools.has("run_code")) return undefined
  const statistic = asked.toLowerCase()
  const formula = statistic === "median" || statistic === "variance"
    ? statistics[statistic]
    : statistics["standard deviation"]
  const program = [
    "(() => {",
    `  const n = readCsv(${JSON.stringify(description.file)}).map((row) => row[${JSON.stringify(column.name)}])`,
    "    .filter((value) => typeof value === \"number\").sort((a, b) => a - b)",
    "  const mean = n.reduce((sum, value) => sum + value, 0) / n.length",
    "  const spread = () => n.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n.length - 1)",
    `  const figure = (${formula})(n)`,
    "  return { value: Number(figure.toPrecision(12)), rows: n.length }",
    "})()"
  ].join("\n")
  const ran = done.find(({ name }) => name === "run_code")
  if (ran === undefined) {
    return call({ name: "run_code", args: { language: "javascript", code: program, files: [description.file] } })
  }
  const result = asCode(ran)
  const what = statistic === "median" ? statistic : `${statistic} (of a sample)`
  return say(
    result === undefined
      ? `run_code did not succeed: ${errorOf(ran)}`
      : answerFigure(`${what} of ${column.name}`, description, result)
  )
}

const paged = new Set(["pdf", "html", "htm"])

/** @internal Questions about PDF and HTML: find passages, then quote what fits, with where it stands. */
export const documents: Rule = (situation) => {
  const { done, question, tools } = situation
  const files = filesFor(situation).filter(({ name }) => paged.has(extensionOf(name)))
  if (files.length === 0 || !tools.has("search_documents") || asksForSummary(question)) return undefined
  const query = files.reduce(withoutFrame, question).trim()
  if (contentWords(query).length === 0) return undefined
  const names = files.map(({ name }) => name)
  return single(
    { ...situation, done: done.filter(({ name }) => name === "search_documents") },
    "search_documents",
    { query, files: names },
    asPassages,
    ({ passages }) => answerPassages(query, names, passages)
  )
}

type Answer = typeof QueryTable.Answer.Type

/** @internal Draws the groups that a query gave, when a chart is asked for and there is a tool for it. */
export const planChart = (
  { done, question, tools }: Situation,
  results: ReadonlyArray<{ readonly query: TableQuery; readonly answer: Answer }>,
  description: typeof QueryTable.Description.Type
): Plan => {
  const wanted = /\b(?:chart|plot|graph)\b/i.test(question)
  const groups = results.find(({ answer, query }) => query.kind === "groups" && answer.rows.length > 0)
  if (!wanted || groups === undefined || !tools.has("draw_chart")) return say(answerTable(results, description, wanted))
  const drawing = done.find(({ name }) => name === "draw_chart")
  const { answer: { columns, rows }, query: { what, where } } = groups
  if (drawing === undefined) {
    return call({
      name: "draw_chart",
      args: {
        kind: chartKind(question),
        title: `${what}${where}`,
        columns,
        rows,
        x: columns[0],
        y: columns.at(-1),
        ...(columns.length > 2 ? { color: columns[1] } : {})
      }
    })
  }
  const drawn = asDrawn(drawing)
  return say(
    drawn === undefined
      ? `${answerTable(results, description, true)}\n\ndraw_chart did not succeed: ${errorOf(drawing)}`
      : `The chart is in **${drawn.file.name}**.\n\n${answerTable(results, description, false)}\n\n` +
        `_Drawn by draw_chart: ${drawn.rows} rows._`
  )
}

const chartKind = (question: string): string =>
  /\bpie\b/i.test(question)
    ? "arc"
    : /\b(?:line|over time)\b/i.test(question)
    ? "line"
    : /\barea\b/i.test(question)
    ? "area"
    : "bar"
