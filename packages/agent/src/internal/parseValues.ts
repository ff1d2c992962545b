import * as BigDecimal from "effect/BigDecimal"
import * as Option from "effect/Option"

/** @internal A day, a month of a year, or a month alone. */
export interface DateParts {
  readonly year: number | undefined
  readonly month: number
  readonly day: number | undefined
}

/** @internal */
export const monthNames: ReadonlyArray<string> = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December"
]

/** @internal The number of a month by its name or first three letters, from 1. */
export const parseMonth = (text: string): number | undefined => {
  const wanted = text.trim().toLowerCase().replace(/\.$/, "")
  const index = monthNames.findIndex((name) => {
    const lower = name.toLowerCase()
    return wanted === lower || wanted === lower.slice(0, 3) || (lower === "september" && wanted === "sept")
  })
  return index < 0 ? undefined : index + 1
}

const blanks = new Set(["", "-", "–", "n/a", "na", "null", "none", "nan"])

/** @internal Cells that say that there is no value. */
export const isBlank = (cell: string): boolean => blanks.has(cell.trim().toLowerCase())

/** @internal Which sign separates decimals in a column. */
export type DecimalSign = "." | ","

const pointNumber = /^(?:\d{1,3}(?:[, \u00a0\u202f']\d{3})+|\d+)?(?:\.\d+)?(?:e[+-]?\d{1,3})?$/i
const commaNumber = /^(?:\d{1,3}(?:[. \u00a0\u202f']\d{3})+|\d+)?(?:,\d+)?$/

/** @internal The exact value of a number with an optional sign, currency, percent sign and thousands separators. */
export const parseNumber = (cell: string, decimalSign: DecimalSign = "."): BigDecimal.BigDecimal | undefined => {
  let text = cell.trim()
  let negative = false
  if (text.startsWith("(") && text.endsWith(")")) {
    negative = true
    text = text.slice(1, -1).trim()
  }
  text = text.replace(/^[$€£¥]\s*/, "").replace(/\s*(?:[$€£¥%]|USD|EUR|GBP|CHF)$/, "")
  if (text[0] === "-" || text[0] === "−" || text[0] === "+") {
    negative = negative !== (text[0] !== "+")
    text = text.slice(1).trim().replace(/^[$€£¥]\s*/, "")
  }
  if (!/\d/.test(text) || !(decimalSign === "." ? pointNumber : commaNumber).test(text)) return undefined
  const plain = decimalSign === "."
    ? text.replace(/[, \u00a0\u202f']/g, "")
    : text.replace(/[. \u00a0\u202f']/g, "").replace(",", ".")
  const value = Option.getOrUndefined(BigDecimal.fromString(plain.startsWith(".") ? `0${plain}` : plain))
  return value === undefined || !negative ? value : BigDecimal.negate(value)
}

/** @internal Which part comes first in dates such as 03/04/2026. */
export type DayOrder = "day-first" | "month-first"

const isoDate =
  /^(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?)?$/
const numericDate = /^(\d{1,2})([/.-])(\d{1,2})\2(\d{4})$/
const namedDate = /^(?:(\d{1,2})\.?\s+)?([A-Za-z]{3,9})\.?,?(?:\s+(\d{1,2}),?)?(?:[\s-]+(\d{4}))?$/

/** @internal */
export const parseDate = (cell: string, order: DayOrder): DateParts | undefined => {
  const text = cell.trim()
  const iso = isoDate.exec(text)
  if (iso !== null) return valid(iso[1], iso[2], iso[3])
  const numeric = numericDate.exec(text)
  if (numeric !== null) {
    const dayFirst = order === "day-first" || numeric[2] === "."
    return dayFirst ? valid(numeric[4], numeric[3], numeric[1]) : valid(numeric[4], numeric[1], numeric[3])
  }
  const named = namedDate.exec(text)
  if (named === null) return undefined
  const month = parseMonth(named[2]!)
  return month === undefined ? undefined : valid(named[4], String(month), named[1] ?? named[3])
}

const valid = (year: string | undefined, month: string | undefined, day: string | undefined): DateParts | undefined => {
  const parts = {
    year: year === undefined ? undefined : Number(year),
    month: Number(month),
    day: day === undefined ? undefined : Number(day)
  }
  if (parts.month < 1 || parts.month > 12) return undefined
  if (parts.day !== undefined && (parts.day < 1 || parts.day > daysIn(parts.year ?? 2024, parts.month))) {
    return undefined
  }
  return parts
}

const daysIn = (year: number, month: number) =>
  month === 2
    ? (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28)
    : [4, 6, 9, 11].includes(month)
    ? 30
    : 31

/** @internal Text that sorts in time: 2026-03-05, 2026-03, or a month's name when there is no year. */
export const formatDate = ({ day, month, year }: DateParts, unit: "day" | "month" | "year" = "day"): string => {
  if (unit === "year") return year === undefined ? "unknown year" : String(year)
  if (year === undefined) return monthNames[month - 1]!
  const yearMonth = `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}`
  return unit === "month" || day === undefined ? yearMonth : `${yearMonth}-${String(day).padStart(2, "0")}`
}

/** @internal A number that orders dates; dates without a year come by month. */
export const dateOrder = ({ day, month, year }: DateParts): number =>
  ((year ?? 0) * 12 + month - 1) * 31 + (day ?? 1) - 1
