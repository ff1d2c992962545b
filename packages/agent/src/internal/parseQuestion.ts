import { monthNames, parseMonth } from "./parseValues.ts"

/** @internal Which figure a question asks for. */
export type Figure = "sum" | "avg" | "min" | "max" | "count"

const figures: ReadonlyArray<readonly [Figure, RegExp]> = [
  ["count", /\b(?:how many|count|number of)\b/i],
  ["avg", /\b(?:average|mean|avg|typical|warmer|hotter|colder|cooler)\b/i],
  ["sum", /\b(?:total|totals|sum|altogether|overall|combined|how much|add up)\b/i],
  ["max", /\b(?:max|maximum|highest|largest|biggest|greatest|peak)\b/i],
  ["min", /\b(?:min|minimum|lowest|smallest)\b/i]
]

/** @internal */
export const parseFigure = (question: string): Figure | undefined =>
  figures.find(([, pattern]) => pattern.test(question))?.[0]

const numberWords = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]

const parseCount = (text: string): number => {
  const word = numberWords.indexOf(text.toLowerCase())
  return word >= 0 ? word : Number(text)
}

/** @internal How many of the best or worst are wanted. */
export interface Ranking {
  readonly count: number
  readonly direction: "asc" | "desc"
}

const countPattern = "(\\d{1,3}|one|two|three|four|five|six|seven|eight|nine|ten)"
const bestWords = "best|top|highest|largest|biggest|greatest|strongest|most|warmest|hottest|wettest|priciest"
const worstWords = "worst|bottom|lowest|smallest|weakest|least|fewest|coldest|coolest|driest|cheapest"

/** @internal */
export const parseRanking = (question: string): Ranking | undefined => {
  for (const [words, direction] of [[bestWords, "desc"], [worstWords, "asc"]] as const) {
    const counted = new RegExp(`\\b(?:${words})\\s+${countPattern}\\b|\\b${countPattern}\\s+(?:${words})\\b`, "i").exec(
      question
    )
    if (counted !== null) return { count: parseCount(counted[1] ?? counted[2]!), direction }
    if (new RegExp(`\\b(?:${words})(?:[- ]selling)?\\b`, "i").test(question)) return { count: 1, direction }
  }
  return undefined
}

/** @internal A period of time that a question names; `from` and `to` are as in query_table. */
export type Period =
  | {
    readonly op: "month" | "year" | "eq" | "gt" | "gte" | "lt" | "lte"
    readonly value: string
    readonly text: string
  }
  | { readonly op: "between"; readonly value: string; readonly to: string; readonly text: string }

const monthPattern = `(?:${
  monthNames.map((name) => name === "May" ? name : `${name}|${name.slice(0, 3)}`).join("|")
}|Sept)`
const monthWord = new RegExp(`\\b(${monthPattern})\\b\\.?(?:\\s+(\\d{4})\\b)?`, "gi")
const rangeWord = new RegExp(
  `\\b(?:from|between)\\s+(${monthPattern})\\.?\\s+(?:to|and|until|through)\\s+(${monthPattern})\\b`,
  "i"
)
/** "Did it grow from May to June?" asks for both months, not for the time between. */
const comparesWord = /\b(?:compare|versus|vs|grow|grew|increase|decrease|rise|rose|fall|fell|drop)/i

/** @internal */
export const compares = (question: string): boolean => comparesWord.test(question)

const isoPattern = "\\d{4}-\\d{2}(?:-\\d{2})?"
const relations: Record<string, "gt" | "gte" | "lt" | "lte"> = {
  after: "gt",
  since: "gte",
  from: "gte",
  before: "lt",
  until: "lte"
}

/**
 * @internal
 * The periods in a question; several are alternatives. `years` are those of the
 * table, needed for ranges of months.
 */
export const parsePeriods = (question: string, years: ReadonlyArray<number>): ReadonlyArray<Period> => {
  const year = /\b(?:19|20)\d{2}\b/.exec(question)?.[0]
  const inYear = year ?? (years.length === 1 ? String(years[0]) : undefined)
  const range = comparesWord.test(question) ? null : rangeWord.exec(question)
  if (range !== null && inYear !== undefined) {
    return [monthRange(inYear, parseMonth(range[1]!)!, parseMonth(range[2]!)!)]
  }
  const quarter = /\bQ([1-4])\b|\b(first|second|third|fourth) quarter\b/i.exec(question)
  if (quarter !== null && inYear !== undefined) {
    const number = quarter[1] === undefined
      ? ["first", "second", "third", "fourth"].indexOf(quarter[2]!.toLowerCase()) + 1
      : Number(quarter[1])
    return [monthRange(inYear, number * 3 - 2, number * 3)]
  }
  const related = new RegExp(`\\b(after|since|from|before|until)\\s+(${isoPattern})\\b`, "i").exec(question)
  if (related !== null) {
    const word = related[1]!.toLowerCase()
    return [{ op: relations[word]!, value: related[2]!, text: `${word} ${related[2]}` }]
  }
  const dates = Array.from(question.matchAll(new RegExp(`\\b${isoPattern}\\b`, "g")), ([value]) => value)
  if (dates.length > 0) {
    return dates.map((value) =>
      value.length === 7 ? { op: "month", value, text: `in ${value}` } : { op: "eq", value, text: `on ${value}` }
    )
  }
  const months = Array.from(question.matchAll(monthWord)).filter(([word]) => !/^may$/.test(word))
  if (months.length > 0) {
    return months.map(([, name, ownYear]) => {
      const month = parseMonth(name!)!
      const of = ownYear ?? year
      const value = of === undefined ? monthNames[month - 1]! : `${of}-${String(month).padStart(2, "0")}`
      return { op: "month", value, text: `in ${monthNames[month - 1]}${of === undefined ? "" : ` ${of}`}` }
    })
  }
  return year === undefined ? [] : [{ op: "year", value: year, text: `in ${year}` }]
}

const monthRange = (year: string, from: number, to: number): Period => ({
  op: "between",
  value: `${year}-${String(from).padStart(2, "0")}`,
  to: `${year}-${String(to).padStart(2, "0")}`,
  text: `from ${monthNames[from - 1]} to ${monthNames[to - 1]} ${year}`
})

/** @internal */
export const withoutMonths = (question: string): string =>
  question.replace(rangeWord, " ").replace(new RegExp(`\\b(?:in|for|of|during)\\s+${monthWord.source}`, "gi"), " ")

/** @internal The web addresses in a text, each once. */
export const parseUrls = (text: string): ReadonlyArray<string> =>
  Array.from(
    new Set(Array.from(text.matchAll(/https?:\/\/[^\s<>"'`\])}]+/gi), ([url]) => url.replace(/[.,;:!?]+$/, "")))
  )

/** @internal What a sentence asks to remember. */
export const parseRemember = (text: string): string | undefined =>
  /^(?:please\s+|can you\s+|could you\s+)?(?:remember|note|make a note|keep in mind|memori[sz]e|don't forget)\b(?:\s+that\b|\s*[:,])?\s+([^]+)$/i
    .exec(text.trim())?.[1]?.trim()

const spokenOperators: ReadonlyArray<readonly [RegExp, string]> = [
  [/\bsquare root of\s+(\(?[\d.,]+\)?)/gi, "sqrt($1)"],
  [/\bplus\b/gi, "+"],
  [/\bminus\b/gi, "-"],
  [/\b(?:multiplied by|times)\b/gi, "*"],
  [/\bdivided by\b/gi, "/"],
  [/\bto the power of\b/gi, "^"],
  [/\bsquared\b/gi, "^2"],
  [/\bcubed\b/gi, "^3"],
  [/\s*\bper\s?cent\b/gi, "%"]
]

/** @internal The arithmetic that a sentence asks for, when that is all that it asks. */
export const parseArithmetic = (text: string): string | undefined => {
  const bare = text.trim().replace(/[?=.!\s]+$/, "").replace(
    /^(?:please\s+)?(?:can you\s+)?(?:what is|what's|whats|what are|how much is|calculate|compute|work out|evaluate|solve)\s+/i,
    ""
  )
  const expression = spokenOperators.reduce((all, [pattern, sign]) => all.replace(pattern, sign), bare).trim()
  const words = (expression.match(/[a-z]+/gi) ?? []).every((word) =>
    /^(?:of|x|mod|pi|e|abs|min|max|sum|avg|floor|ceil|round|sqrt|ln|log|exp|sin|cos|tan)$/i.test(word)
  )
  const onlySigns = /^[\w\s.,;+\-−*/%^()×÷]+$/.test(expression)
  const operates = /\d\s*[+\-−*/^×÷%x]|\bof\b|[a-z]\s*\(/i.test(expression)
  const isDate = /^\d{4}-\d{1,2}(?:-\d{1,2})?$/.test(expression)
  return words && onlySigns && operates && /\d/.test(expression) && !isDate ? expression : undefined
}

/** @internal A threshold such as "more than 100". */
export const parseThreshold = (
  question: string
): { readonly op: "gt" | "gte" | "lt" | "lte"; readonly value: string; readonly text: string } | undefined => {
  const found =
    /\b(more than|over|above|greater than|at least|under|below|less than|fewer than|at most|up to)\s+[$€£]?(\d[\d,]*(?:\.\d+)?)\b/i
      .exec(question)
  if (found === null) return undefined
  const words = found[1]!.toLowerCase()
  const op = words === "at least"
    ? "gte"
    : words === "at most" || words === "up to"
    ? "lte"
    : /under|below|less|fewer/.test(words)
    ? "lt"
    : "gt"
  return { op, value: found[2]!.replaceAll(",", ""), text: `${words} ${found[2]}` }
}

/** @internal What nothing here works out; to answer with something near it would mislead. */
export const beyondRules = (question: string): string | undefined =>
  /\b(?:share|percentage|proportion|fraction|ratio|median|quartile|percentile|deviation|variance|correlat\w*|trend\w*|forecast\w*|predict\w*|growth|why)\b/i
    .exec(question)?.[0].toLowerCase()
