/** @internal A part of a text: `text` is what stands from `start` to before `end`. `page` counts from 1. */
export interface Passage {
  readonly start: number
  readonly end: number
  readonly page: number | undefined
  readonly text: string
}

/** Characters that a passage has at most, and at least where it does not end a page. */
const most = 900
const least = 300

/**
 * @internal
 * Passages in their order, cut where paragraphs, lines, sentences or words end, and where a page begins. White space
 * around them belongs to none.
 */
export const splitPassages = (text: string, pageStarts: ReadonlyArray<number>): ReadonlyArray<Passage> => {
  const starts = pageStarts.length === 0 ? [0] : pageStarts
  const passages: Array<Passage> = []
  starts.forEach((from, index) => {
    const to = starts[index + 1] ?? text.length
    let position = from
    while (position < to) {
      const end = to - position <= most ? to : position + cutAfter(text.slice(position, position + most))
      const trimmed = trim(text, position, end)
      if (trimmed.start < trimmed.end) {
        const { end: stop, start } = trimmed
        passages.push({
          start,
          end: stop,
          page: pageStarts.length === 0 ? undefined : index + 1,
          text: text.slice(start, stop)
        })
      }
      position = end
    }
  })
  return passages
}

const cuts = ["\n\n", "\n", ". ", "? ", "! ", "; ", " "]

const cutAfter = (window: string): number => {
  for (const cut of cuts) {
    const index = window.lastIndexOf(cut)
    if (index >= least) return index + cut.length
  }
  const last = window.charCodeAt(window.length - 1)
  return last >= 0xd800 && last <= 0xdbff ? window.length - 1 : window.length
}

const trim = (text: string, start: number, end: number) => {
  let [from, to] = [start, end]
  while (from < to && /\s/.test(text[from]!)) from++
  while (to > from && /\s/.test(text[to - 1]!)) to--
  return { start: from, end: to }
}
