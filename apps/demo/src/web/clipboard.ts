// @effect-diagnostics asyncFunction:off -- the browser answers with promises, and the page has no fibers
/** What people take along: as it was written, and as it is shown. */
import type { ClipboardEvent } from "react"
import { say } from "./say.ts"
import { update } from "./store.ts"

const tell = (text: string) => {
  say(text)
  update({ notice: text })
}

/** Copies a text and says so in these words. */
export const copy = async (text: string, words: string): Promise<void> => {
  try {
    await navigator.clipboard.writeText(text)
    tell(words)
  } catch {
    tell("The browser did not allow to copy. Select the text instead.")
  }
}

/** The part of a range that lies in an element. */
const within = (range: Range, element: Element): Range => {
  const part = document.createRange()
  part.selectNodeContents(element)
  if (range.compareBoundaryPoints(Range.START_TO_START, part) > 0) {
    part.setStart(range.startContainer, range.startOffset)
  }
  if (range.compareBoundaryPoints(Range.END_TO_END, part) < 0) part.setEnd(range.endContainer, range.endOffset)
  return part
}

/**
 * A selection over several parts of an answer: those that are selected as a whole are copied in their source, with the
 * selected words of the others, and all of it as it is shown. `sources` are those of the element's children.
 */
export const copySelection = (event: ClipboardEvent<HTMLElement>, sources: ReadonlyArray<string>): void => {
  const selection = globalThis.getSelection()
  if (selection === null || selection.rangeCount === 0) return
  const range = selection.getRangeAt(0)
  const parts = [...event.currentTarget.children]
  const taken = parts.flatMap((part, index) => {
    if (!range.intersectsNode(part)) return []
    const words = within(range, part).toString().trim()
    return words === "" ? [] : [words === part.textContent.trim() ? sources[index]?.trim() ?? words : words]
  })
  // In one part, or beyond this answer, the browser's own copy is right.
  if (taken.length < 2 || !event.currentTarget.contains(range.commonAncestorContainer)) return
  const shown = document.createElement("div")
  shown.append(range.cloneContents())
  event.clipboardData.setData("text/plain", taken.join("\n\n"))
  event.clipboardData.setData("text/html", shown.innerHTML)
  event.preventDefault()
}
