/**
 * The offline summary: the turns that together say the most of what a session says, in its own words and order.
 *
 * A turn is worth the words that it adds to those chosen already (budgeted maximum coverage, Lin and Bilmes 2011), a
 * word the more the rarer it is; the best worth for its length goes first. A long memory is chosen from by sentence.
 *
 * @since 0.1.0
 */
import type { Memory } from "../Memory.ts"
import { memoryTerms, stopTerms } from "./analyzeText.ts"
import { sentencesIn } from "./splitText.ts"

interface Unit {
  /** Which of the sources it is part of. */
  readonly source: number
  readonly text: string
  readonly tokens: number
  readonly terms: ReadonlySet<string>
}

/** A memory up to here is quoted whole or not at all. */
const wholeUpTo = 80
/** How a length counts: 1 would take the shortest first, 0 the longest. */
const lengthPower = 0.75
/** What a word is worth that the summary says already. */
const saidAlready = 0.2

/** The speaker, so that the summary still says whose words these are. */
const label = (source: Memory): string => source.speaker === undefined ? "" : `${source.speaker}: `

const unitsOf = (sources: ReadonlyArray<Memory>, count: (text: string) => number): ReadonlyArray<Unit> =>
  sources.flatMap((memory, source) =>
    (memory.tokens <= wholeUpTo ? [memory.text] : sentencesIn(memory.text)).map((text) => ({
      source,
      text,
      // The label and the line feed take their part.
      tokens: count(`${label(memory)}${text}\n`),
      terms: new Set(memoryTerms(text).filter((term) => !stopTerms.has(term)))
    }))
  )

const rarityOf = (units: ReadonlyArray<Unit>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const { terms } of units) for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1)
  return new Map(Array.from(counts, ([term, n]) => [term, Math.log(1 + units.length / n)]))
}

const worthOf = (unit: Unit, rarity: ReadonlyMap<string, number>, said: ReadonlySet<string>): number => {
  let worth = 0
  for (const term of unit.terms) worth += (rarity.get(term) ?? 0) * (said.has(term) ? saidAlready : 1)
  return worth / unit.tokens ** lengthPower
}

const choose = (units: ReadonlyArray<Unit>, maxTokens: number): ReadonlyArray<Unit> => {
  const rarity = rarityOf(units)
  const said = new Set<string>()
  const chosen = new Set<Unit>()
  let room = maxTokens
  while (true) {
    let best: Unit | undefined
    let bestWorth = 0
    for (const unit of units) {
      if (chosen.has(unit) || unit.tokens > room) continue
      const worth = worthOf(unit, rarity, said)
      if (worth > bestWorth) [best, bestWorth] = [unit, worth]
    }
    if (best === undefined) break
    chosen.add(best)
    room -= best.tokens
    for (const term of best.terms) said.add(term)
  }
  return units.filter((unit) => chosen.has(unit))
}

const assemble = (units: ReadonlyArray<Unit>, sources: ReadonlyArray<Memory>): string => {
  const lines: Array<string> = []
  let previous = -1
  for (const { source, text } of units) {
    const memory = sources[source]
    if (source === previous || memory === undefined) lines.push(`${lines.pop() ?? ""} ${text.trim()}`)
    else lines.push(label(memory) + text.trim())
    previous = source
  }
  return lines.join("\n")
}

/**
 * Whether a summary has the whole memory as a line of its own.
 *
 * @since 0.1.0
 */
export const isQuotedIn = (summary: string, memory: Memory): boolean =>
  `\n${summary}\n`.includes(`\n${label(memory)}${memory.text}\n`)

/**
 * At most `maxTokens`, by `count`; empty where not even one sentence fits.
 *
 * @since 0.1.0
 */
export const extractSummary = (
  sources: ReadonlyArray<Memory>,
  options: { readonly maxTokens: number; readonly count: (text: string) => number }
): string => {
  let units = choose(unitsOf(sources, options.count), options.maxTokens)
  let text = assemble(units, sources)
  // A counter may count the whole higher than its lines.
  while (units.length > 0 && options.count(text) > options.maxTokens) {
    units = units.slice(0, -1)
    text = assemble(units, sources)
  }
  return text
}
