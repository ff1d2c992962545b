// @effect-diagnostics globalDate:off -- one year for every memory of a scope, and no clock is read
/**
 * The dates that a question names: days, months and years in English words or by ISO 8601, in UTC. A date without a
 * year means that of every year.
 *
 * @since 0.1.0
 */

/**
 * What is absent is open; `month` counts from 0.
 *
 * @since 0.1.0
 */
export interface NamedDate {
  readonly year: number | undefined
  readonly month: number | undefined
  readonly day: number | undefined
}

const months = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ")
const aMonth =
  "(?<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\\b\\.?"
const aDay = "(?<day>\\d{1,2})(?:st|nd|rd|th)?\\b"
const aYear = "(?<year>(?:19|20)\\d\\d)\\b"
const before = "\\b(?:in|of|since|until|during|before|after|early|mid|late|last|this)[ -]"

/** Fullest first: what one has read, the next does not see. "may" and "march" by themselves are verbs. */
const patterns: ReadonlyArray<RegExp> = [
  `\\b${aYear}-(?<number>\\d\\d)(?:-${aDay})?`,
  `\\b${aDay}(?: of)? ?${aMonth}(?:,? ?${aYear})?`,
  `\\b${aMonth} ?${aDay}(?:,? ${aYear})?`,
  `\\b${aMonth},? (?:of )?${aYear}`,
  `${before}${aMonth}`,
  `${before}${aYear}`
].map((source) => new RegExp(source, "gi"))

const toNumber = (digits: string | undefined): number | undefined => digits === undefined ? undefined : Number(digits)

const toDate = (groups: Readonly<Record<string, string | undefined>>): NamedDate => ({
  year: toNumber(groups["year"]),
  month: groups["number"] === undefined
    ? groups["month"] === undefined ? undefined : months.indexOf(groups["month"].slice(0, 3).toLowerCase())
    : Number(groups["number"]) - 1,
  day: toNumber(groups["day"])
})

const isReal = ({ day = 1, month = 0 }: NamedDate): boolean => month >= 0 && month < 12 && day >= 1 && day <= 31

/**
 * @since 0.1.0
 */
export const readDates = (text: string): ReadonlyArray<NamedDate> => {
  const dates: Array<NamedDate> = []
  let rest = text
  for (const pattern of patterns) {
    for (const { groups = {} } of rest.matchAll(pattern)) dates.push(toDate(groups))
    rest = rest.replace(pattern, " ")
  }
  return dates.filter(isReal)
}

const dayMillis = 24 * 60 * 60 * 1000

/** The stretch that a date means in one year: from, inclusive, and until, exclusive. */
const stretchOf = ({ day, month }: NamedDate, year: number): readonly [from: number, until: number] => {
  if (month === undefined) return [Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1)]
  return day === undefined
    ? [Date.UTC(year, month, 1), Date.UTC(year, month + 1, 1)]
    : [Date.UTC(year, month, day), Date.UTC(year, month, day + 1)]
}

/**
 * How near a time is to one of the dates: 1 within, less with every day beside it, 0 from `days` days on. One tells of a
 * day before and after it, too.
 *
 * @since 0.1.0
 */
export const nearness = (dates: ReadonlyArray<NamedDate>, days: number): (at: number) => number => {
  const reach = days * dayMillis
  const known = new Map<number, ReadonlyArray<readonly [from: number, until: number]>>()
  /** What the dates mean to a time of this year. */
  const stretchesAt = (own: number) => {
    const found = known.get(own)
    if (found !== undefined) return found
    const stretches = dates.flatMap((date) =>
      (date.year === undefined ? [own - 1, own, own + 1] : [date.year]).map((year) => stretchOf(date, year))
    )
    known.set(own, stretches)
    return stretches
  }
  return (at) => {
    let best = 0
    for (const [from, until] of stretchesAt(new Date(at).getUTCFullYear())) {
      const distance = at < from ? from - at : at >= until ? at - until : 0
      best = Math.max(best, 1 - distance / reach)
    }
    return best
  }
}
