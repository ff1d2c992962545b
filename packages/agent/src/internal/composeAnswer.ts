import type * as FetchUrl from "../tools/FetchUrl.ts"
import type * as QueryTable from "../tools/QueryTable.ts"
import type * as ReadFile from "../tools/ReadFile.ts"
import type * as Recall from "../tools/Recall.ts"
import type { TableQuery } from "./planTable.ts"
import { intensive } from "./planTable.ts"
import { contentWords } from "./rankNotes.ts"

type Description = typeof QueryTable.Description.Type
type Answer = typeof QueryTable.Answer.Type

/** @internal What the planner can do, for people who asked for something else. */
export const capabilities = (tools: ReadonlySet<string>): string => {
  const can = [
    ["query_table", "total, group, rank or chart a CSV that you attach", "What is the total revenue in March?"],
    ["read_file", "sum up a text file or find lines in it", "What does the file say about delivery?"],
    ["search_documents", "find what a PDF says, with the page", "What does the report say about energy?"],
    ["calculate", "work out arithmetic", "What is 15% of 240?"],
    ["run_code", "run Python or JavaScript that you put in a code fence", "What is the median revenue?"],
    ["remember", "remember what you tell me, and find it again", "Remember that Ada lives in Porto."],
    ["fetch_url", "fetch web pages and quote them", "What is on https://example.com/?"]
  ].filter(([tool]) => tools.has(tool!))
  if (can.length === 0) return "I have no tools here, so there is nothing I can do."
  const list = can.map(([, what]) => what).join("; ")
  return `I can: ${list}. Try: "${can[0]![2]}"`
}

/** @internal */
export const refusal = (tools: ReadonlySet<string>): string =>
  `I can't work that out with fixed rules: I am an offline planner, not a language model. ${capabilities(tools)}`

const cell = (text: string | null) => (text ?? "–").replace(/\|/g, "\\|").replace(/\s+/g, " ")

/** @internal */
const markdownTable = (
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string | null>>
): string =>
  [columns, columns.map(() => "---"), ...rows].map((cells) => `| ${cells.map(cell).join(" | ")} |`).join("\n")

/** @internal One answer for the queries of one question, in the order of the queries. */
export const answerTable = (
  results: ReadonlyArray<{ readonly query: TableQuery; readonly answer: Answer }>,
  description: Description,
  asksForChart: boolean
): string => {
  const parts = results.map(({ answer, query }) => answerQuery(query, answer, asksForChart))
  const separator = results.every(({ query }) => query.kind === "figure") && results.length > 1 ? "\n- " : "\n\n"
  const text = separator === "\n- " ? `- ${parts.join(separator)}` : parts.join(separator)
  return `${text}\n\n${tableSource(results.map(({ answer }) => answer), description)}`
}

const answerQuery = (query: TableQuery, answer: Answer, asksForChart: boolean): string => {
  const { what, where } = query
  if (answer.rowsMatched === 0) return `There are no rows${where} in ${answer.file}, so there is no ${what}.`
  switch (query.kind) {
    case "figure":
      return `The ${what}${where} is **${cell(answer.rows[0]?.[0] ?? null)}**.`
    case "ranking":
      return answerRanking(query, answer)
    case "distinct": {
      const names = answer.rows.map(([name]) => cell(name ?? null))
      const atLeast = names.length === answer.rowsOut && names.length < 200 ? "" : "at least "
      const [verb, form] = names.length === 1 ? ["is", "value"] : ["are", "different values"]
      return `There ${verb} ${atLeast}**${names.length}** ${form} of ${what}${where}: ${names.slice(0, 20).join(", ")}${
        names.length > 20 ? ", ..." : ""
      }.`
    }
    case "groups":
      return asksForChart
        ? `The ${what}${where}:\n\n${barChart(answer)}`
        : `The ${what}${where}:\n\n${markdownTable(answer.columns, answer.rows)}`
    case "rows": {
      const shown = answer.rowsMatched > answer.rowsOut ? ` (the first ${answer.rowsOut} of ${answer.rowsMatched})` : ""
      return `The ${what}${where}${shown}:\n\n${markdownTable(answer.columns, answer.rows)}`
    }
  }
}

const numbered = (index: number, row: ReadonlyArray<string | null>) => row.toSpliced(0, 0, String(index + 1))

const answerRanking = ({ count, what, where }: TableQuery, answer: Answer): string => {
  const shown = answer.rows.slice(0, count)
  const last = shown.at(-1)
  const next = answer.rows[count]
  const tied = last !== undefined && next !== undefined && last[1] === next[1]
    ? ` ${cell(next[0]!)} has just as much, and there may be others.`
    : ""
  if (count === 1 && last !== undefined) {
    return `The ${what}${where} is **${cell(last[0]!)}**: **${cell(last[1]!)}**.${tied}`
  }
  const table = markdownTable(["", ...answer.columns], shown.map((row, i) => numbered(i, row)))
  return `By ${what}${where}:\n\n${table}${tied === "" ? "" : `\n\n${tied.trim()}`}`
}

const barWidth = 30

const barChart = ({ rows }: Answer): string => {
  const values = rows.map((row) => Number(row.at(-1) ?? 0))
  const most = Math.max(...values.map(Math.abs), 0)
  const width = Math.max(...rows.map((row) => (row[0] ?? "").length))
  const lines = rows.map((row, i) => {
    const length = most === 0 ? 0 : Math.round((Math.abs(values[i]!) / most) * barWidth)
    return `${(row[0] ?? "").padEnd(width)} ${"█".repeat(length)} ${row.at(-1) ?? ""}`
  })
  return `\`\`\`text\n${lines.join("\n")}\n\`\`\``
}

const tableSource = (answers: ReadonlyArray<Answer>, description: Description): string => {
  const used = answers.map(({ rowsUsed }) => rowsUsed).join(" and ")
  const skipped = new Set(
    answers.flatMap((answer) =>
      answer.skipped.map(({ count, reason, rows }) => `${count} left out (${reason}: row ${rows})`)
    )
  )
  const notes = new Set(answers.flatMap((answer) => answer.notes))
  const extra = [...skipped, ...notes].map((note) => `; ${note.replace(/\.$/, "")}`).join("")
  return `_Worked out by query_table from ${description.file}: ${used} of ${description.rowCount} rows used${extra}._`
}

/** @internal What is in a table. */
export const answerDescription = (description: Description): string => {
  const rows = description.columns.map((column) => [column.name, column.type, columnDetail(column)])
  const { notes, skipped } = description
  const extra = [...(skipped === 0 ? [] : [`${skipped} ragged rows are left out`]), ...notes].map((note) => ` ${note}`)
  return `${description.file} is a table with ${description.rowCount} rows and ${description.columns.length} columns:\n\n` +
    `${markdownTable(["column", "type", "values"], rows)}\n\n_Described by query_table.${extra.join("")}_`
}

const columnDetail = ({ blank, distinct, examples, max, min }: Description["columns"][number]): string => {
  const values = examples === undefined
    ? `${min ?? ""} to ${max ?? ""}`
    : `${distinct ?? 0} different: ${examples.join(", ")}${(distinct ?? 0) > examples.length ? ", ..." : ""}`
  return blank === 0 ? values : `${values}; ${blank} blank`
}

/** @internal What can be asked about a table, by example. */
export const tableHint = (description: Description): string => {
  const number = description.columns.find(({ type }) => type === "number")?.name
  const text = description.columns.find(({ type }) => type === "text")?.name
  if (number === undefined) return "Try: \"How many rows are there?\""
  return `Try: "What is the ${intensive.test(number) ? "average" : "total"} ${number}${
    text === undefined ? "" : ` per ${text}`
  }?"`
}

interface Found {
  readonly file: string
  readonly line: number
  readonly text: string
  readonly score: number
  /** It has more than half of the question's words. */
  readonly close: boolean
}

/** @internal The lines of some pages that share the most words with the question. */
export const findLines = (question: string, pages: ReadonlyArray<typeof ReadFile.Page.Type>): ReadonlyArray<Found> => {
  const wanted = new Set(contentWords(question))
  const found = pages.flatMap(({ file, firstLine, text }) =>
    text.split(/\r\n|[\r\n]/).map((line, index): Found => ({
      file,
      line: firstLine + index,
      text: line.trim(),
      score: new Set(contentWords(line).filter((word) => wanted.has(word))).size,
      close: false
    }))
  ).filter(({ score }) => score > 0)
  const best = Math.max(0, ...found.map(({ score }) => score))
  const fitting = found.filter(({ score }) => score === best)
  // A heading says where something is, not what it is.
  const sentences = fitting.filter(({ text }) => !text.startsWith("#"))
  const close = best * 2 > wanted.size
  return (sentences.length > 0 ? sentences : fitting).slice(0, 5)
    .map(({ file, line, score, text }) => ({ file, line, score, text, close }))
}

/** @internal */
export const quote = (text: string) => `> ${text.length <= 400 ? text : `${text.slice(0, 400)}...`}`

/** @internal */
export const answerLines = (found: ReadonlyArray<Found>): string =>
  (found.every(({ close }) => close) ? "" : "No line clearly answers this. These come closest:\n\n") +
  found.map(({ file, line, text }) => `${quote(text)}\n\n${file}, line ${line}`).join("\n\n") +
  "\n\n_Found by read_file._"

/** @internal What is in a text file: its headings, its length and how it begins. */
export const answerSummary = (pages: ReadonlyArray<typeof ReadFile.Page.Type>): string => {
  const first = pages[0]!
  const lines = pages.flatMap(({ text }) => text.split(/\r\n|[\r\n]/))
  const headings = lines.filter((line) => /^#{1,6}\s+\S/.test(line)).map((line) => line.replace(/^#+\s+/, "")).slice(
    0,
    20
  )
  const words = pages.reduce((sum, { text }) => sum + (text.match(/[\p{L}\p{N}]+/gu) ?? []).length, 0)
  const extent = pages.length < first.pages ? `page 1 to ${pages.length} of ${first.pages}: ` : ""
  const beginning = lines.filter((line) => line.trim() !== "" && !line.startsWith("#")).slice(0, 3)
  return [
    `${first.file} (${first.type}), ${extent}${lines.length} lines, ${words} words.`,
    ...(headings.length === 0 ? [] : [`Headings:\n\n${headings.map((heading) => `- ${heading}`).join("\n")}`]),
    `It begins:\n\n${beginning.map(quote).join("\n")}`,
    "_Read by read_file. I quote; I do not rephrase._"
  ].join("\n\n")
}

/** @internal The notes that have more than half of the words, in their order. */
export const fittingNotes = (question: string, { notes }: typeof Recall.Notes.Type) => {
  const wanted = new Set(contentWords(question))
  if (wanted.size === 0) return []
  const needed = Math.ceil(wanted.size * 0.6)
  return notes.filter(({ text }) => contentWords(text).filter((word) => wanted.has(word)).length >= needed)
}

/** @internal The note that answers, or what came closest. */
export const answerNotes = (question: string, found: typeof Recall.Notes.Type): string | undefined => {
  const fitting = fittingNotes(question, found)
  if (fitting.length === 0) return undefined
  const quoted = fitting.slice(0, 3).map(({ id, text }) => `${quote(text)}\n\n_Recalled by recall from memory ${id}._`)
  return `You told me:\n\n${quoted.join("\n\n")}`
}

/** @internal */
export const answerPages = (question: string, { pages }: typeof FetchUrl.Pages.Type): string =>
  pages.map((page) => {
    if ("error" in page) return `${page.url} could not be fetched: ${page.error.message}`
    const title = page.title === "" ? page.url : `**${page.title.replace(/[*_[\]]/g, "\\$&")}** (${page.url})`
    const asked = findLines(question.replace(/https?:\S+/g, " "), [
      { file: page.url, type: page.contentType, page: 1, pages: 1, firstLine: 1, text: page.text }
    ])
    const lines = asked.length > 0 ? asked.slice(0, 3).map(({ text }) => text) : page.text.split("\n").slice(0, 4)
    return `${title}:\n\n${lines.filter((line) => line.trim() !== "").map(quote).join("\n>\n")}`
  }).join("\n\n") + "\n\n_Fetched by fetch_url. The quotes are the pages' own words._"
