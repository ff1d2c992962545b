/**
 * What a sentence must look like to state a fact that can change. Every rule spans the whole sentence: what it does not
 * understand, it does not match.
 *
 * @since 0.1.0
 */
import { isCountry, isNoPlace } from "./placeNames.ts"

/**
 * What a sentence says of its subject. A slot holds one value at a time, so a slot of many values has its value in its
 * name.
 *
 * @since 0.1.0
 */
export interface Statement {
  readonly slot: string
  readonly value: string
  /** `false` denies the value. */
  readonly holds: boolean
  /** The wording itself says that something is different now. */
  readonly changed: boolean
}

interface Rule {
  readonly pattern: RegExp
  readonly read: (value: string, groups: Readonly<Record<string, string | undefined>>) => Statement | undefined
}

const word = "\\p{Lu}[\\p{L}\\p{M}\\p{N}'&.-]*"
/** A proper name of up to five words. */
const proper = `(?<value>${word}(?: (?:(?:de|do|da|del|di|of|the|van|von|la|le|upon|am) )?(?:${word}|\\p{N}+|&)){0,4})`
const place = `${proper}(?:, ${word}(?: ${word})*)?`
/** Up to six words without another clause. */
const phrase = "(?<value>[\\p{L}\\p{N}'&-]+(?: [\\p{L}\\p{N}'&-]+){0,5})"
const have = "(?:(?:have|has) )?"
const be = "(?:am|is)"
const stopped = "(?:no longer|(?:do|does) not|used to|have stopped|has stopped|stopped|quit|gave up)"

const clean = (value: string): string =>
  value.normalize("NFKC").toLowerCase().replace(/^(?:the|a|an|my|some) /, "").replace(/[.'-]+$/, "")

const rule = (predicate: string, read: Rule["read"]): Rule => ({
  pattern: new RegExp(`^${predicate}$`, "u"),
  read
})

const single = (slot: string, options: { readonly holds?: boolean; readonly changed?: boolean } = {}): Rule["read"] => {
  const { changed = false, holds = true } = options
  return (value) => ({ slot, value: clean(value), holds, changed: changed || !holds })
}

const inPlace = (options: { readonly holds?: boolean; readonly changed?: boolean } = {}): Rule["read"] => (value) => {
  if (options.changed === true && isNoPlace(value)) return undefined
  const name = clean(value)
  return single(isCountry(name) ? "lives in country" : "lives in", options)(value, {})
}

const clause =
  /(?:^| )(?:and|or|but|when|that|because|if|while|than|it|you|them|him|her|this|these|those|who|which|how|what|as)(?: |$)/i

/** A slot for each value: one may like many things, but not like and dislike the same. */
const perValue = (slot: string, holds: boolean, changed = false): Rule["read"] => (value) =>
  clause.test(value) ? undefined : { slot: `${slot} ${clean(value)}`, value: "", holds, changed }

const living: ReadonlyArray<Rule> = [
  rule(`(?:lives?|${be} (?:living|based)) in ${place}`, inPlace()),
  rule(
    `${have}(?:moved|relocated)(?: back| house| home| over)?(?: from ${word}(?: ${word})*)? to ${place}`,
    inPlace({ changed: true })
  ),
  rule(`(?:${stopped} (?:lives?|living)|${be} (?:not|no longer) living) in ${place}`, inPlace({ holds: false })),
  rule(`${have}moved (?:away from|out of) ${place}`, inPlace({ holds: false }))
]

const hired =
  "(?:started (?:working|work|a job|a new job|my new job)|got (?:a|the) (?:new )?job|took (?:a|the) (?:new )?job)"
const working: ReadonlyArray<Rule> = [
  rule(`(?:works?|${be} (?:working|employed)) (?:at|for|by) ${proper}`, single("works at")),
  rule(`${have}${hired} (?:at|for|with) ${proper}`, single("works at", { changed: true })),
  rule(
    `(?:${stopped} (?:works?|working)|${be} (?:not|no longer) working) (?:at|for) ${proper}`,
    single("works at", { holds: false })
  ),
  rule(
    `${have}(?:quit|left|lost|resigned from|retired from) (?:(?:my|his|her|their) job (?:at|with) )?${proper}`,
    single("works at", { holds: false })
  ),
  rule(`${have}joined ${proper} as (?:a|an|the) [\\p{L} -]+`, single("works at", { changed: true })),
  rule(`(?:was|got) (?:fired from|fired by|laid off by|laid off from) ${proper}`, single("works at", { holds: false })),
  rule(`(?:works?|${be} working) as (?:a|an|the) ${phrase}`, single("works as")),
  rule(`${have}(?:was|got|been) promoted to ${phrase}`, single("works as", { changed: true })),
  rule(`(?:${stopped} (?:works?|working)) as (?:a|an|the) ${phrase}`, single("works as", { holds: false })),
  rule(`(?:study|studies|${be} studying) at ${proper}`, single("studies at")),
  rule(`(?:${stopped} (?:study|studies|studying)) at ${proper}`, single("studies at", { holds: false }))
]

const diet = "(?:a |an )?(?<value>vegetarian|vegan|pescatarian|flexitarian|omnivore|meat[- ]eater)"
const eatsMeat = (holds: boolean): Rule["read"] => () => ({ slot: "diet", value: "omnivore", holds, changed: !holds })
const asDiet = (holds: boolean, changed: boolean): Rule["read"] => (value) => ({
  slot: "diet",
  value: value.startsWith("meat") ? "omnivore" : value,
  holds,
  changed
})
const eating: ReadonlyArray<Rule> = [
  rule(`${be} ${diet}`, asDiet(true, false)),
  rule(`${have}(?:became|become|went|gone|turned) ${diet}`, asDiet(true, true)),
  rule(`(?:${be} (?:not|no longer)|stopped being|used to be) ${diet}`, asDiet(false, true)),
  rule(`(?:eats?|${be} eating|${have}started eating|started to eat) (?<value>meat)`, eatsMeat(true)),
  rule(`(?:${stopped} (?:eats?|eating)|gave up) (?<value>meat)`, eatsMeat(false)),
  rule(`${be} allergic to ${phrase}`, perValue("allergic to", true)),
  rule(`${be} (?:not|no longer) allergic to ${phrase}`, perValue("allergic to", false)),
  rule(`drinks? ${phrase}`, perValue("drinks", true)),
  rule(`${stopped} (?:drinks?|drinking) ${phrase}`, perValue("drinks", false)),
  rule("(?<value>smokes?)", () => ({ slot: "smokes", value: "", holds: true, changed: false })),
  rule(`${have}started (?<value>smoking)`, () => ({ slot: "smokes", value: "", holds: true, changed: true })),
  rule(
    `${have}${stopped} (?<value>smokes?|smoking)`,
    () => ({ slot: "smokes", value: "", holds: false, changed: true })
  )
]

const fond = "(?:a (?:big |huge |great )?fan of|fond of|into)"
const liking: ReadonlyArray<Rule> = [
  rule(
    `(?:likes?|loves?|enjoys?|adores?|${be} ${fond}|${have}(?:started liking|started to like|come to like|grown to like)) ${phrase}`,
    perValue("likes", true)
  ),
  rule(`(?:hates?|dislikes?|detests?|loathes?|can not stand|can not bear) ${phrase}`, perValue("likes", false)),
  rule(`(?:(?:do|does) not|no longer|used to|did not) (?:likes?|loves?|enjoys?) ${phrase}`, perValue("likes", false)),
  rule(`${have}stopped (?:liking|loving|enjoying) ${phrase}`, perValue("likes", false)),
  rule(`${be} (?:not|no longer) ${fond} ${phrase}`, perValue("likes", false)),
  rule(`(?:(?:do|does) not|no longer|used to) (?:hates?|dislikes?|mind) ${phrase}`, perValue("likes", true)),
  rule(
    `prefers? (?<value>\\p{L}+(?: \\p{L}+)?) (?:to|over|rather than) (?<other>\\p{L}+(?: \\p{L}+)?)`,
    (value, { other = "" }) => {
      const pair = [clean(value), clean(other)]
      return { slot: `prefers ${pair.toSorted().join(" or ")}`, value: pair[0] ?? "", holds: true, changed: false }
    }
  )
]

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
const monthName = "(?<month>(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)[a-z]*)"
const day = "(?<value>\\p{N}{1,2})(?:st|nd|rd|th)?"
const year = "(?:,? \\p{N}{4})?"
const dates = [`${monthName} ${day}${year}`, `(?:the )?${day} (?:of )?${monthName}${year}`]
const asBirthday: Rule["read"] = (value, { month = "" }) => ({
  slot: "birthday",
  value: `${months.indexOf(month.toLowerCase().slice(0, 3)) + 1}-${Number(value)}`,
  holds: true,
  changed: false
})
const wedlock = "(?<value>single|married|engaged|divorced|widowed)(?: to \\p{Lu}\\p{L}+)?"
const person: ReadonlyArray<Rule> = [
  ...dates.map((date) => rule(`(?:was|is|am) born on ${date}`, asBirthday)),
  rule(`${be} (?<value>\\p{N}{1,3}) years old`, single("age")),
  rule(`${have}turned (?<value>\\p{N}{1,3})`, single("age", { changed: true })),
  rule(`${be} ${wedlock}`, single("marital status")),
  rule(`${have}(?:got|gotten|become|became) ${wedlock}`, single("marital status", { changed: true })),
  rule(`${be} (?:not|no longer) ${wedlock}`, single("marital status", { holds: false })),
  rule(`${be} (?:called|named) ${proper}`, single("name")),
  rule(`(?:goes|go) by ${proper}`, single("goes by"))
]

/**
 * What follows a subject.
 *
 * @since 0.1.0
 */
export const predicateRules: ReadonlyArray<Rule> = [...living, ...working, ...eating, ...liking, ...person]

const people =
  "boss|manager|supervisor|dentist|doctor|therapist|landlord|landlady|partner|husband|wife|girlfriend|boyfriend|accountant|lawyer|coach|tutor"
const details =
  "(?:phone|mobile|cell|work) number|number|email|email address|address|home address|time ?zone|salary|shoe size|wifi password|job title|blood type|major|native language|zodiac sign"

/**
 * What follows "my" or "Ada's".
 *
 * @since 0.1.0
 */
export const attributeRules: ReadonlyArray<Rule> = [
  rule(
    `favou?rite (?<kind>\\p{Ll}+(?: \\p{Ll}+){0,2}) is ${phrase}`,
    (value, { kind = "" }) => clause.test(value) ? undefined : single(`favourite ${kind}`)(value, {})
  ),
  rule(
    `(?:new )?(?<kind>${people}) is (?:called |named )?${proper}`,
    (value, { kind = "" }) => single(kind)(value, {})
  ),
  rule(
    `(?:new )?(?<kind>${details}) is (?<value>\\S+(?: \\S+){0,5})`,
    (value, { kind = "" }) => clause.test(value) ? undefined : single(kind)(value, {})
  ),
  rule(`(?:first |last |full )?name is ${proper}`, single("name")),
  ...dates.map((date) => rule(`birthday is (?:on )?${date}`, asBirthday))
]
