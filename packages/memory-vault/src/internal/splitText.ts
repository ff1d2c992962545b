/**
 * Cuts a text into chunks of 50 to 300 tokens at the largest seams: between paragraphs, else between sentences, else
 * between words, else anywhere. A fenced block of code is one piece unless it alone is too long; it then splits
 * between lines.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 */
export const chunkBounds = {
  minTokens: 50,
  maxTokens: 300,
  /** Also bounds what is ever counted at once: byte-pair encoding of one endless word takes time by its square. */
  maxLength: 4_800
} as const

/**
 * A part of the text and what it counts.
 *
 * @since 0.1.0
 */
export interface TextChunk {
  readonly text: string
  readonly tokens: number
}

type Range = readonly [start: number, end: number]
/** Where a text may be cut; each range begins at a cut and the first at 0. */
type Seam = (text: string) => ReadonlyArray<number>

const blankLines: Seam = (text) => [0, ...Array.from(text.matchAll(/\n[^\S\n]*\n\s*/g), (m) => m.index + m[0].length)]
const lines: Seam = (text) => [0, ...Array.from(text.matchAll(/\n/g), (m) => m.index + 1)]
const words: Seam = (text) => [0, ...Array.from(text.matchAll(/\s+/g), (m) => m.index + m[0].length)]
const sentences: Seam = (text) =>
  Array.from(new Intl.Segmenter("en", { granularity: "sentence" }).segment(text), ({ index }) => index)

/**
 * The sentences of a text, each with the space behind it.
 *
 * @since 0.1.0
 */
export const sentencesIn = (text: string): ReadonlyArray<string> =>
  Array.from(new Intl.Segmenter("en", { granularity: "sentence" }).segment(text), ({ segment }) => segment)

/** Any place between two characters; what is cut here had no seam, so it is cut short enough for any counter. */
const characters: Seam = (text) => {
  const cuts: Array<number> = []
  for (let cut = 0; cut < text.length; cut += chunkBounds.minTokens) {
    const splitsPair = cut > 0 && /[\udc00-\udfff]/.test(text[cut] ?? "") && /[\ud800-\udbff]/.test(text[cut - 1] ?? "")
    cuts.push(splitsPair ? cut + 1 : cut)
  }
  return cuts
}

// An open fence reaches to the end of the text, as in CommonMark.
const fence = /^(?<mark>`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^\k<mark>[^\S\n]*$|(?![\s\S]))/gm

/**
 * The fenced blocks of code and the prose between them, in order.
 *
 * @since 0.1.0
 */
export const splitCode = (text: string): ReadonlyArray<{ readonly text: string; readonly code: boolean }> => {
  const parts: Array<{ readonly text: string; readonly code: boolean }> = []
  let from = 0
  for (const match of text.matchAll(fence)) {
    if (match.index > from) parts.push({ text: text.slice(from, match.index), code: false })
    parts.push({ text: match[0], code: true })
    from = match.index + match[0].length
  }
  if (from < text.length) parts.push({ text: text.slice(from), code: false })
  return parts
}

const trimBlank = (text: string): string => text.replace(/^(?:[^\S\n]*\n)+/, "").trimEnd()

/**
 * The chunks of a cleaned text, in order. Each has at most 300 tokens, and at least 50 unless it is the only one or
 * its neighbours have no room for it.
 *
 * @since 0.1.0
 */
export const splitText = (text: string, count: (text: string) => number): ReadonlyArray<TextChunk> => {
  const measure = ([start, end]: Range): TextChunk | undefined => {
    const part = trimBlank(text.slice(start, end))
    if (part.length > chunkBounds.maxLength) return undefined
    const tokens = count(part)
    return tokens > chunkBounds.maxTokens ? undefined : { text: part, tokens }
  }
  const split = ([start, end]: Range, seam: Seam, finer: ReadonlyArray<Seam>): ReadonlyArray<Range> => {
    const cuts = seam(text.slice(start, end))
    const ranges = cuts.map((cut, i): Range => [start + cut, start + (cuts[i + 1] ?? end - start)])
    const [next, ...rest] = finer
    return ranges.flatMap((range) =>
      next === undefined || measure(range) !== undefined ? [range] : split(range, next, rest)
    )
  }
  let start = 0
  const pieces = splitCode(text).flatMap((part) => {
    const range: Range = [start, start + part.text.length]
    start = range[1]
    if (part.code && measure(range) !== undefined) return [range]
    return part.code
      ? split(range, lines, [words, characters])
      : split(range, blankLines, [sentences, words, characters])
  })
  return merge(pieces, measure)
}

/** Joins neighbours while the first of them is too short to stand alone; a short last one goes back to its neighbour. */
const merge = (
  pieces: ReadonlyArray<Range>,
  measure: (range: Range) => TextChunk | undefined
): ReadonlyArray<TextChunk> => {
  const done: Array<{ readonly range: Range; readonly chunk: TextChunk }> = []
  for (const piece of pieces) {
    const last = done.at(-1)
    const joined: Range = [last?.range[0] ?? 0, piece[1]]
    const both = last !== undefined && last.chunk.tokens < chunkBounds.minTokens ? measure(joined) : undefined
    if (both === undefined) done.push({ range: piece, chunk: measure(piece) ?? { text: "", tokens: 0 } })
    else done.splice(-1, 1, { range: joined, chunk: both })
  }
  const last = done.at(-1)
  const before = done.at(-2)
  if (last !== undefined && before !== undefined && last.chunk.tokens < chunkBounds.minTokens) {
    const range: Range = [before.range[0], last.range[1]]
    const both = measure(range)
    if (both !== undefined) done.splice(-2, 2, { range, chunk: both })
  }
  return done.map(({ chunk }) => chunk).filter((chunk) => chunk.text.length > 0)
}
