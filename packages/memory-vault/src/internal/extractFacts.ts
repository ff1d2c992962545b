/**
 * The facts that a memory states, by rules alone: who, which slot, which value. A text that leaves any doubt states
 * none, for a fact that is ended by mistake is an answer lost.
 *
 * @since 0.1.0
 */
import { attributeRules, predicateRules } from "./factRules.ts"
import type { Statement } from "./factRules.ts"

/**
 * A fact as it is compared with others of its slot.
 *
 * @since 0.1.0
 */
export interface Fact {
  /** Whose words, about whom, and what: equal only where all are. */
  readonly slot: string
  readonly value: string
  /** `false` denies the value. */
  readonly holds: boolean
  /** The memory says nothing else, so a fact that takes its place ends the memory. */
  readonly whole: boolean
  /** It may end others. */
  readonly ends: boolean
}

interface Voice {
  readonly speaker: string | undefined
  readonly role: string | undefined
}

/** Longer texts tell stories. */
const maxSentences = 4
const maxLength = 600

const fiction =
  /["“”«»`?]|\b(?:suppose|imagine|pretend|novel|story|fiction|character|hypothetical|hypothetically|joke|joking|kidding|for example|dream|dreamt|dreamed|poem|lyrics|role-?play|quote)\b/i
const also = /\b(?:also|too|as well|another|second|part[- ]time|both|either|sometimes|partly|half the year)\b/i

const openings =
  /^(?:(?:(?:please |pls )?(?:remember|note|keep in mind|bear in mind|do not forget|(?:can|could) you remember)(?: that\b|:|,)?|for the record,?|fyi[,:]?|(?:actually|correction|update|sorry|no|wait|oh|well|hey|hi|hello|btw|by the way|okay|ok|so|today|now|big news|good news|bad news|news|yes|turns out|i was wrong|i meant|my mistake|as of today|as of now)\b(?: that\b)?[,:;!—–-]*) +)+/iu
const greeting =
  /^(?:hi|hey|hello|big news|good news|bad news|guess what|thanks|thank you|sorry|oh|wow|yes|no|actually|correction|update|my mistake|i was wrong)$/i
const corrected = /\b(?:actually|correction|i was wrong|i meant|my mistake|update|not any ?more)\b/i
const nowadays = /\b(?:now|nowadays|these days|currently|any ?more|any longer|as of (?:today|now))\b/i
const adverbs =
  /(?<= )(?:now|currently|still|just|recently|actually|really|finally|already|officially|absolutely|very much|presently|completely|simply|definitely|truly|totally) /g
const month = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
const trailing = new RegExp(
  `(?:(?:,? (?:now|any ?more|any longer|these days|nowadays|currently|again|today|yesterday|tomorrow|recently|instead|so much|very much|a lot|after all|at the moment|this (?:week|month|year|morning|spring|summer|autumn|fall|winter)|last (?:week|month|year|spring|summer|autumn|fall|winter|${month})|since [\\p{L}\\p{N} ]+|(?:in|on) ${month}(?: \\p{N}{1,2})?(?:,? \\p{N}{4})?|in \\p{N}{4}|(?:a|one|two|three|\\p{N}+) (?:days?|weeks?|months?|years?) ago|for good),?|, not (?:in |at |for )?[\\p{L}\\p{N}][\\p{L}\\p{N}' .-]*))+$`,
  "u"
)

const expansions: ReadonlyArray<readonly [RegExp, string]> = [
  [/[‘’]/g, "'"],
  [/\bI'm\b/g, "I am"],
  [/\bI've\b/g, "I have"],
  [/\b([Dd])on't\b/g, "$1o not"],
  [/\b([Dd])oesn't\b/g, "$1oes not"],
  [/\b([Dd])idn't\b/g, "$1id not"],
  [/\b([Cc])an't\b|\b([Cc])annot\b/g, "$1$2an not"],
  [/\bisn't\b/g, "is not"],
  [/\bwasn't\b/g, "was not"]
]

const name = "\\p{Lu}[\\p{L}\\p{M}-]*"
const subjectPattern = new RegExp(
  `^(?<subject>I|(?:[Mm]y|[Oo]ur) (?<relation>\\p{Ll}+(?: \\p{Ll}+)??)(?<person>,? ${name}(?: ${name})?,?)?|(?<named>${name}(?: ${name}){0,2})) (?=\\p{Ll})`,
  "u"
)
const ownerPattern = new RegExp(
  `^(?:(?<own>[Mm]y)|(?:[Mm]y|[Oo]ur) (?<relation>\\p{Ll}+(?: \\p{Ll}+)??)(?<person> ${name}(?: ${name})?)?'s|(?<named>${name}(?: ${name}){0,2})'s) (?=\\p{Ll})`,
  "u"
)

// Capitalised only because they begin the sentence.
const noName =
  /^(?:if|when|where|who|whoever|what|maybe|perhaps|since|because|although|though|while|once|after|before|until|unless|whether|everyone|everybody|someone|somebody|nobody|no one|anyone|he|she|it|we|they|you|this|that|these|those|there|here|the|a|an|some|one|many|most|people|then|but|and|or|not|never|always|let|our|his|her|their|your|its|in|on|at|to|for|of|do|does|did|is|are|was|were|has|have|had|would|could|should|will|can|may|might|must)\b/i

/** One speaks of one of several without saying which. */
const anyOf =
  /\b(?:friend|colleague|co-?worker|neighbou?r|cousin|classmate|uncle|aunt|student|client|customer|teammate|follower|relative|ex|family|kids|children|friends|team|company|life|plan|idea|job|house|flat|phone|computer|laptop|app|project|day|weekend)s?$/i
/** There may be two of them, so that only a change that is told as a change counts. */
const oneOfFew =
  /\b(?:brother|sister|son|daughter|grandson|granddaughter|nephew|niece|sibling|kid|child|baby|twin|roommate|flatmate|housemate|grandmother|grandfather|grandma|grandpa)$/i

interface About {
  readonly subject: string
  /** May be another one of the same description. */
  readonly vague: boolean
  readonly rest: string
}

const aboutWhom = (sentence: string, pattern: RegExp): About | undefined => {
  const match = pattern.exec(sentence)
  if (match === null) return undefined
  const { named, own, person, relation } = match.groups ?? {}
  const rest = sentence.slice(match[0].length)
  if (named !== undefined && named !== "I") {
    return noName.test(named) ? undefined : { subject: `name ${named.toLowerCase()}`, vague: false, rest }
  }
  if (relation === undefined) {
    return own === undefined && !match[0].startsWith("I ")
      ? undefined
      : { subject: "i", vague: false, rest }
  }
  const who = person?.replaceAll(",", "").trim().toLowerCase() ?? ""
  if (who === "" && anyOf.test(relation)) return undefined
  return { subject: `my ${relation} ${who}`, vague: who === "" && oneOfFew.test(relation), rest }
}

const tidy = (sentence: string): string =>
  expansions.reduce((text, [pattern, plain]) => text.replace(pattern, plain), sentence)
    .replace(/[.!\s]+$/, "")
    .replace(openings, "")
    .replace(adverbs, "")
    .replace(trailing, "")

interface Found extends Statement {
  readonly about: About
}

const match = (about: About | undefined, rules: typeof predicateRules): Found | undefined => {
  if (about === undefined) return undefined
  for (const { pattern, read } of rules) {
    const groups = pattern.exec(about.rest)?.groups
    const statement = groups === undefined ? undefined : read(groups["value"] ?? "", groups)
    if (statement !== undefined) return { ...statement, about }
  }
  return undefined
}

const readSentence = (sentence: string): Found | undefined => {
  if (also.test(sentence)) return undefined
  const plain = tidy(sentence)
  const found = match(aboutWhom(plain, ownerPattern), attributeRules) ??
    match(aboutWhom(plain, subjectPattern), predicateRules)
  if (found === undefined) return undefined
  const changed = found.changed || corrected.test(sentence) || nowadays.test(sentence)
  return { ...found, changed }
}

const sentencesOf = (text: string): ReadonlyArray<string> =>
  text.split(/(?<=[.!])\s+|\n+/).map((part) => part.trim()).filter((part) => part !== "")

/**
 * The facts of one memory.
 *
 * @since 0.1.0
 */
export const extractFacts = (text: string, { role, speaker }: Voice): ReadonlyArray<Fact> => {
  if (text.length > maxLength || fiction.test(text)) return []
  const sentences = sentencesOf(text).filter((part) => !greeting.test(part.replace(/[.!,\s]+$/, "")))
  if (sentences.length > maxSentences) return []
  const isCorrection = corrected.test(text)
  return sentences.flatMap((sentence): ReadonlyArray<Fact> => {
    const found = readSentence(sentence)
    if (found === undefined) return []
    return [{
      slot: JSON.stringify([role ?? "", speaker ?? "", found.about.subject.trim(), found.slot]),
      value: found.value,
      holds: found.holds,
      whole: sentences.length === 1,
      ends: !found.about.vague || found.changed || isCorrection
    }]
  })
}
