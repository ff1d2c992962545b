import type * as QueryTable from "../tools/QueryTable.ts"
import type { Figure, Period, Ranking } from "./parseQuestion.ts"
import {
  beyondRules,
  compares,
  parseFigure,
  parsePeriods,
  parseRanking,
  parseThreshold,
  withoutMonths
} from "./parseQuestion.ts"
import { contentWords } from "./rankNotes.ts"

type Description = typeof QueryTable.Description.Type
type Column = Description["columns"][number]
type Args = typeof QueryTable.Parameters.Type
type Filter = NonNullable<Args["filters"]>[number]

/** @internal A query and, in words, what it works out. */
export interface TableQuery {
  readonly args: Args
  readonly kind: "figure" | "groups" | "ranking" | "rows" | "distinct"
  readonly what: string
  readonly where: string
  /** How many a ranking is to show; one more is asked for, to see whether the last shares its place. */
  readonly count: number
}

/** @internal Words that show that a question is about a table. */
export const asksForTable = (question: string): boolean =>
  parseFigure(question) !== undefined || parseRanking(question) !== undefined ||
  /\b(?:per|each|chart|plot|graph|column|columns|row|rows|table|csv|list|show)\b/i.test(question)

const synonyms: ReadonlyArray<readonly [question: RegExp, column: RegExp]> = [
  [/\b(?:sales|turnover|income|earnings|earned|revenues?|selling)\b/i, /revenue|sales|turnover|income|amount|total/i],
  [/\b(?:sold|units|quantity|quantities|pieces|items)\b|\bhow many\b.*\bsell\b/i, /quantity|qty|units|sold|count/i],
  [/\b(?:expensive|cheap\w*|pric\w+)\b/i, /price|cost/i],
  [/\b(?:costs?|spent|spend|spending|expenses?|paid)\b/i, /cost|expense|amount|price|paid/i],
  [/\bhow many\b.*\b(?:have|left|stock)\b/i, /stock|on.?hand/i],
  [/\b(?:warm|hot|cold|cool)\w*\b/i, /temp/i],
  [/\b(?:wet|dry|dri)\w*\b/i, /rain|precip/i]
]
/** What a row of a table may be called, beside the name of its file. */
const rowWords =
  /\b(?:rows?|records?|entr(?:y|ies)|lines?|times|sales?|orders?|purchases?|transactions?|values?|amounts?|numbers?)\b/i
const stockColumn = /stock|on.?hand|quantity|qty/i
const usualMeasures = [
  /revenue|sales|turnover|income/i,
  /amount|total|value/i,
  /profit|cost|expense/i,
  /quantity|qty|units/i,
  /price/i
]
const identifiers = /(?:^|[\s_-])(?:id|no|nr|number|code|zip|year|index)$/i
/** @internal Columns whose cells must not be added up to compare groups. */
export const intensive = /price|rate|rating|score|age\b|temperature|percent|discount|height|weight/i

const isIntensive = (column: Column | undefined): boolean => column !== undefined && intensive.test(column.name)

/** @internal How well a question fits a table: how many of its columns and cells it mentions. */
export const fitOf = (question: string, { columns, mentioned }: Description): number =>
  columns.filter((column) => mentions(question, column.name)).length + mentioned.length

const mentions = (question: string, name: string): boolean => {
  const words = new Set(contentWords(question))
  const wanted = wordsOf(name)
  return wanted.length > 0 && wanted.every((word) => words.has(word))
}

/** A part of the name is enough, such as "price" for "unit_price", when it is not the word for a figure. */
const mentionsPart = (question: string, name: string): boolean => {
  const words = new Set(contentWords(question))
  return wordsOf(name).some((word) => words.has(word) && !/^(?:total|averag|number|count|max|min|sum|mean)$/.test(word))
}

/** The words of a column's name, without a unit in parentheses. */
const wordsOf = (name: string): ReadonlyArray<string> =>
  contentWords(name.replace(/[([][^)\]]*[)\]]/g, " ").replace(/[_-]/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2"))

/** @internal The queries that answer a question: several when it names several months or cells; none when it asks nothing. */
export const planQueries = (question: string, table: Description, lenient: boolean): ReadonlyArray<TableQuery> => {
  const date = dateColumn(question, table)
  const years = date === undefined ? [] : yearsOf(date)
  const periods = date === undefined ? [] : parsePeriods(question, years)
  const group = findGroup(question, table, date, periods.length > 0)
  const choices = cellFilters(question, table)
  const beyond = beyondRules(question)
  if (beyond !== undefined && !table.columns.some(({ name }) => name.toLowerCase().includes(beyond))) return []
  const shape = findShape(question, table, group, choices.length + periods.length > 0)
  if (shape === undefined) return []
  const periodVariants: ReadonlyArray<Period | undefined> = periods.length === 0 ? [undefined] : periods
  return periodVariants.flatMap((period) =>
    variants(choices).map((filters): TableQuery => {
      const all = [
        ...filters.map(({ filter }) => filter),
        ...(period === undefined || date === undefined ? [] : [periodFilter(date, period)]),
        ...shape.filters
      ]
      const where = [...filters.map(({ text }) => text), ...(period === undefined ? [] : [period.text]), ...shape.where]
      const args = {
        file: table.file,
        ...shape.args,
        ...(all.length === 0 ? {} : { filters: all }),
        ...(lenient ? { lenient } : {})
      }
      const { count = 1, kind, what } = shape
      return { args, kind, what, count, where: where.map((part) => ` ${part}`).join("") }
    })
  )
}

const dateColumn = (question: string, { columns }: Description): Column | undefined => {
  const dates = columns.filter((column) => column.type === "date")
  return dates.find((column) => mentions(question, column.name)) ?? dates[0]
}

const yearsOf = ({ max, min }: Column): ReadonlyArray<number> => {
  const [from, to] = [min, max].map((text) => Number(/^\d{4}/.exec(text ?? "")?.[0] ?? Number.NaN))
  if (from === undefined || to === undefined || Number.isNaN(from) || Number.isNaN(to)) return []
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

const periodFilter = (date: Column, period: Period): Filter =>
  period.op === "between"
    ? { column: date.name, op: "between", value: period.value, to: period.to }
    : { column: date.name, op: period.op, value: period.value }

interface Group {
  readonly column: string
  readonly by: "value" | "day" | "month" | "year"
  readonly text: string
}

const units: ReadonlyArray<readonly ["day" | "month" | "year", RegExp]> = [
  ["month", /\b(?:months?|monthly)\b/i],
  ["year", /\b(?:years?|yearly|annual)\b/i],
  ["day", /\b(?:days?|daily|dates?|when)\b/i]
]

const groupWords = /\b(?:by|per|each|every|chart|plot|graph|monthly|yearly|daily)\b/i

/** What the rows are to be grouped by: "per product", "which month", "top 3 regions". */
const findGroup = (
  question: string,
  table: Description,
  date: Column | undefined,
  hasPeriod: boolean
): Group | undefined => {
  const always = groupWords.test(question) || parseRanking(question) !== undefined
  const grouped = (word: string) =>
    always || new RegExp(`\\b(?:which|what)\\s+(?:\\w+\\s+)?${word}`, "i").test(question)
  const text = table.columns.find((column) =>
    column.type === "text" && mentions(question, column.name) && grouped(column.name.slice(0, 4)) &&
    (/\b(?:by|per|each|every)\b/i.test(question) || !table.mentioned.some((cell) => cell.column === column.name))
  )
  if (text !== undefined) return { column: text.name, by: "value", text: text.name }
  if (date === undefined) return undefined
  const unit = units.find(([name, pattern]) => pattern.test(question) && grouped(name))?.[0] ??
    (!hasPeriod && /\b(?:chart|plot|graph)\b/i.test(question) ? "month" : undefined)
  return unit === undefined ? undefined : { column: date.name, by: unit, text: unit }
}

interface Choice {
  readonly filter: Filter
  readonly text: string
}

/** Cells that the question mentions, longest first; a cell within a longer one is left out. */
const cellFilters = (question: string, table: Description): ReadonlyArray<Choice> => {
  const taken: Array<string> = []
  return table.mentioned.flatMap(({ column, value }) => {
    const lower = value.toLowerCase()
    if (taken.some((longer) => longer.includes(lower))) return []
    if (table.columns.some(({ name }) => name.toLowerCase() === lower)) return []
    taken.push(lower)
    const escaped = value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
    const negated = new RegExp(
      `\\b(?:not|except|excluding|without|other than)\\s+(?:for\\s+|in\\s+)?(?:the\\s+)?${escaped}`,
      "i"
    )
      .test(question)
    const op = negated ? "neq" : "eq"
    return [{ filter: { column, op, value }, text: `${negated ? "without" : "for"} ${value}` }]
  })
}

/** Different cells of one column are alternatives, each with its own query; different columns narrow down. */
const variants = (choices: ReadonlyArray<Choice>): ReadonlyArray<ReadonlyArray<Choice>> => {
  const byColumn = new Map<string, Array<Choice>>()
  for (const choice of choices) {
    const key = choice.filter.op === "neq" ? `not ${choice.filter.column} ${choice.filter.value}` : choice.filter.column
    byColumn.set(key, [...(byColumn.get(key) ?? []), choice])
  }
  let all: ReadonlyArray<ReadonlyArray<Choice>> = [[]]
  for (const alternatives of byColumn.values()) {
    all = all.flatMap((chosen) => alternatives.map((choice) => chosen.concat(choice)))
  }
  return all.slice(0, 8)
}

interface Shape {
  readonly kind: TableQuery["kind"]
  readonly args: Omit<Args, "file" | "filters" | "lenient">
  readonly count?: number
  readonly what: string
  readonly filters: ReadonlyArray<Filter>
  readonly where: ReadonlyArray<string>
}

const findShape = (
  question: string,
  table: Description,
  group: Group | undefined,
  narrowed: boolean
): Shape | undefined => {
  const figure = findFigure(question, table)
  const ranking = parseRanking(question)
  const { measure, named } = findMeasure(question, table)
  const threshold = measure === undefined ? undefined : parseThreshold(question)
  const filters: ReadonlyArray<Filter> = threshold === undefined || measure === undefined
    ? []
    : [{ column: measure.name, op: threshold.op, value: threshold.value }]
  const where = threshold === undefined || measure === undefined ? [] : [`with ${measure.name} ${threshold.text}`]
  const shape = (kind: Shape["kind"], what: string, args: Shape["args"]): Shape => ({
    kind,
    what,
    args,
    filters,
    where
  })
  const listed = listedColumn(question, table)
  if (listed !== undefined && (figure === undefined || figure === "count")) {
    const args = { groupBy: [{ column: listed.name, by: "value" as const }], aggregates: [{ fn: "count" as const }] }
    return shape("distinct", listed.name, { ...args, limit: 200 })
  }
  if (figure === "count" && group === undefined) {
    return countsRows(question, table, named, threshold !== undefined)
      ? shape("figure", "number of rows", { aggregates: [{ fn: "count" }] })
      : undefined
  }
  if (
    group !== undefined &&
    (figure !== undefined || ranking !== undefined || /\b(?:by|per|each|every|chart|plot|graph)\b/i.test(question))
  ) {
    const aggregate = groupAggregate(figure, ranking, measure)
    const title = aggregate.column === undefined ? "count" : `${aggregate.fn}(${aggregate.column})`
    const args = { groupBy: [{ column: group.column, by: group.by }], aggregates: [aggregate] }
    const what = describeFigure(aggregate.fn, aggregate.column)
    if (ranking === undefined || (ranking.count === 1 && /\b(?:each|every)\b/i.test(question))) {
      return shape("groups", `${what} per ${group.text}`, args)
    }
    const { count, direction } = ranking
    const place = aggregate.fn === "max" || aggregate.fn === "min" ? "" : direction === "desc" ? "highest " : "lowest "
    const text = count === 1 ? `${group.text} with the ${place}${what}` : `${what} per ${group.text}`
    return { ...shape("ranking", text, { ...args, sort: { by: title, direction }, limit: count + 1 }), count }
  }
  const plain = figure ?? (ranking === undefined ? undefined : ranking.direction === "desc" ? "max" : "min")
  if (plain !== undefined && measure !== undefined) {
    // "The best customer" is no question about the highest revenue when there are no customers.
    if (ranking !== undefined && !named && !rowWords.test(question)) return undefined
    if (ranking !== undefined && /\brows?\b|\bentr|\brecords?\b/i.test(question)) {
      const sort = { by: measure.name, direction: ranking.direction }
      return shape("rows", `rows by ${measure.name}`, { select: true, sort, limit: ranking.count })
    }
    return shape("figure", describeFigure(plain, measure.name), { aggregates: [{ fn: plain, column: measure.name }] })
  }
  if (narrowed && measure !== undefined && (compares(question) || mentions(question, measure.name))) {
    const fn = compares(question) && isIntensive(measure) ? "avg" : "sum"
    return shape("figure", describeFigure(fn, measure.name), { aggregates: [{ fn, column: measure.name }] })
  }
  if (narrowed || threshold !== undefined || /\b(?:rows?|list|show|first)\b/i.test(question)) {
    return shape("rows", "rows", {
      select: true,
      limit: Number(/\bfirst (\d{1,2})\b/i.exec(question)?.[1] ?? 10) || 10
    })
  }
  return undefined
}

const isNumber = (column: Column): boolean => column.type === "number" && !identifiers.test(column.name)

/** "How many units were sold" adds up a column, as does "how many chairs do we have"; "how many orders" counts rows. */
const findFigure = (question: string, table: Description): Figure | undefined => {
  const figure = parseFigure(question)
  if (figure !== "count" || /\b(?:rows?|records?|entries|times)\b/i.test(question)) return figure
  if (parseThreshold(question) !== undefined) return figure
  const numbers = table.columns.filter(isNumber)
  const adds = numbers.some((column) => mentions(question, column.name)) ||
    (/\b(?:units|pieces|items|quantity|sold|sell)\b/i.test(question) &&
      numbers.some(({ name }) => /quantity|qty|units|sold/i.test(name))) ||
    (table.mentioned.length > 0 && !rowWords.test(question) && numbers.some(({ name }) => stockColumn.test(name)))
  return adds ? "sum" : "count"
}

/**
 * The column whose different values are asked for: "which products do we sell",
 * "how many regions are there". Only when every word is understood: "which
 * products are profitable" asks for something else.
 */
const listedColumn = (question: string, table: Description): Column | undefined => {
  const noun = /\b(?:how many|which|what|list|show)\s+(?:(?:are|all|of|the|me|different|distinct|unique)\s+)*(\w+s)\b/i
    .exec(question)?.[1]
  const column = table.columns.find(({ name, type }) => type === "text" && noun !== undefined && mentions(noun, name))
  if (column === undefined) return undefined
  const known = new Set([
    ...wordsOf(column.name),
    ...table.mentioned.flatMap(({ value }) => contentWords(value)),
    ...table.mentioned.flatMap((mention) => wordsOf(mention.column)),
    ...contentWords("sell have exist different distinct unique list show many there all table file")
  ])
  return contentWords(withoutMonths(question)).every((word) => known.has(word) || /^(?:19|20)\d\d$/.test(word))
    ? column
    : undefined
}

/** Whether a count of rows answers: of "sales", of what the file is named after, or of rows with a certain cell. */
const countsRows = (question: string, table: Description, named: boolean, limited: boolean): boolean => {
  const numbers = table.columns.filter(isNumber)
  // "On how many days did it rain" would need a limit for the rain.
  if (named && !limited && numbers.some(({ name }) => mentionsPart(question, name))) return false
  const ofFile = wordsOf(table.file.replace(/\.\w+$/, "")).some((word) => contentWords(question).includes(word))
  return limited || rowWords.test(question) || ofFile || table.mentioned.length > 0 ||
    table.columns.some((column) => mentions(question, column.name))
}

const groupAggregate = (figure: Figure | undefined, ranking: Ranking | undefined, measure: Column | undefined) => {
  if (figure === "count" || measure === undefined) return { fn: "count" as const }
  const column = measure.name
  const extreme = figure === undefined || figure === "max" || figure === "min"
  if (ranking === undefined || !extreme) return { fn: figure ?? (isIntensive(measure) ? "avg" : "sum"), column }
  // "The month with the highest revenue" adds up; "the product with the highest price" does not.
  if (!isIntensive(measure)) return { fn: "sum" as const, column }
  return { fn: ranking.direction === "desc" ? "max" as const : "min" as const, column }
}

/** The column of numbers that a question is about, and whether it says so or there is only that to choose. */
const findMeasure = (
  question: string,
  { columns }: Description
): { readonly measure: Column | undefined; readonly named: boolean } => {
  const numbers = columns.filter((column) => column.type === "number")
  const said = numbers.find((column) => mentions(question, column.name)) ??
    numbers.find((column) => mentionsPart(question, column.name)) ??
    synonyms.flatMap(([word, column]) => word.test(question) ? numbers.filter(({ name }) => column.test(name)) : [])[0]
  if (said !== undefined) return { measure: said, named: true }
  const measures = numbers.filter(isNumber)
  if (measures.length === 1) return { measure: measures[0], named: false }
  const usual = usualMeasures.flatMap((pattern) => measures.filter(({ name }) => pattern.test(name)))[0]
  return { measure: usual, named: false }
}

const figureNames: Record<Figure, string> = {
  sum: "total",
  avg: "average",
  min: "lowest",
  max: "highest",
  count: "count"
}

const describeFigure = (figure: Figure, column: string | undefined): string =>
  column === undefined ? "number of rows" : `${figureNames[figure]} ${column}`
