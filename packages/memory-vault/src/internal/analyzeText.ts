/**
 * Text to index terms: NFKC, lower case, Porter2 stems for words of the Latin alphabet, bigrams for scripts that are
 * written without spaces. The same analysis serves memories and queries, so stored terms depend on it: a change here
 * needs a migration that rebuilds them.
 *
 * @since 0.1.0
 */
import stem from "wink-porter2-stemmer"
import { stopwords } from "./stopwords.ts"

// A mark continues the word it stands on: without \p{M} every Devanagari word falls to pieces.
const word = /[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu
const unspaced =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}ー]+/gu
const hasUnspaced = new RegExp(unspaced.source, "u")
const english = /^[a-z]+$/

/** Longer terms are cut: no one searches for the 65th letter of a word. */
const maxTermLength = 64

/** A query is analysed up to here, so that a megabyte of text costs no more than a page. */
const maxQueryLength = 16_384

const clip = (term: string): string =>
  term.length <= maxTermLength ? term : term.slice(0, maxTermLength).replace(/[\ud800-\udbff]$/, "")

/** Stems of words that came before: most words of a text are among the few thousand that everybody uses. */
const stems = new Map<string, string>()
const maxStems = 8_192

const stemOf = (token: string): string => {
  const known = stems.get(token)
  if (known !== undefined) return known
  if (stems.size >= maxStems) stems.clear()
  const found = stem(token)
  stems.set(token, found)
  return found
}

const spacedTerm = (token: string): string => {
  const term = clip(token)
  return english.test(term) ? stemOf(term) : term
}

const pairs = (run: string): Array<string> => {
  const characters = Array.from(run)
  return characters.slice(1).map((character, i) => `${characters[i]}${character}`)
}

const tokens = (text: string): ReadonlyArray<string> => text.normalize("NFKC").toLowerCase().match(word) ?? []

const push = (token: string, out: Array<string>, unspacedTerms: (run: string) => ReadonlyArray<string>) => {
  if (!hasUnspaced.test(token)) {
    out.push(spacedTerm(token))
    return
  }
  let from = 0
  for (const match of token.matchAll(unspaced)) {
    if (match.index > from) out.push(spacedTerm(token.slice(from, match.index)))
    for (const term of unspacedTerms(match[0])) out.push(term)
    from = match.index + match[0].length
  }
  if (from < token.length) out.push(spacedTerm(token.slice(from)))
}

/**
 * Every term of a memory, repeats included; a run of an unspaced script gives its characters and its bigrams.
 *
 * @since 0.1.0
 */
export const memoryTerms = (text: string): ReadonlyArray<string> => {
  const out: Array<string> = []
  for (const token of tokens(text)) push(token, out, (run) => [...run, ...pairs(run)])
  return out
}

/**
 * The distinct content terms of a query: stop words dropped, bigrams (or the single character) of an unspaced run.
 *
 * @since 0.1.0
 */
export const queryTerms = (text: string): ReadonlySet<string> => {
  const out: Array<string> = []
  for (const token of tokens(text.slice(0, maxQueryLength))) {
    if (!stopwords.has(token)) push(token, out, (run) => run.length === 1 ? [run] : pairs(run))
  }
  return new Set(out)
}

/**
 * Whether a word is of a script that is written without spaces, in part or whole.
 *
 * @since 0.1.0
 */
export const isUnspaced = (token: string): boolean => hasUnspaced.test(token)

/**
 * The words of a text in order with their stems, stop words dropped unless there is nothing else.
 *
 * @since 0.1.0
 */
export const contentWords = (text: string): ReadonlyArray<{ readonly word: string; readonly stem: string }> => {
  const all = tokens(text.slice(0, maxQueryLength))
  const content = all.filter((token) => !stopwords.has(token))
  return (content.length === 0 ? all : content).map((token) => ({ word: token, stem: spacedTerm(token) }))
}

/**
 * The query without the names of people, unless it is nothing else: who speaks is another signal's matter, and a name
 * would draw the meaning of a question to wherever that name is said.
 *
 * @since 0.1.0
 */
export const withoutNames = (query: string, names: ReadonlySet<string>): string => {
  const rest = query.slice(0, maxQueryLength).replace(word, (found) => {
    const lower = found.normalize("NFKC").toLowerCase()
    return names.has(spacedTerm(lower)) ? "" : found
  })
  return tokens(rest).some((token) => !stopwords.has(token)) ? rest : query
}

/**
 * The share of a text that asks, by characters: sentences that end in a question mark.
 *
 * @since 0.1.0
 */
export const askingShare = (text: string): number => {
  let asking = 0
  let total = 0
  for (const [sentence] of text.matchAll(/[^.!?\u3002\uff01\uff1f\u061f]+[.!?\u3002\uff01\uff1f\u061f]*/g)) {
    total += sentence.length
    if (/[?\uff1f\u061f]/.test(sentence)) asking += sentence.length
  }
  return total === 0 ? 0 : Math.round(100 * asking / total) / 100
}

/**
 * The index terms of a memory with their frequencies. The speaker's name counts as said, so a question that names the
 * speaker finds what that speaker said.
 *
 * @since 0.1.0
 */
export const indexTerms = (text: string, speaker: string | undefined): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const term of memoryTerms(speaker === undefined ? text : `${speaker}: ${text}`)) {
    counts.set(term, (counts.get(term) ?? 0) + 1)
  }
  return counts
}

/**
 * The stop words as index terms.
 *
 * @since 0.1.0
 */
export const stopTerms: ReadonlySet<string> = new Set(Array.from(stopwords, spacedTerm))
