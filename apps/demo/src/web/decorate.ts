// @effect-diagnostics asyncFunction:off -- the browser answers with promises, and the page has no fibers
/** What finished Markdown gets beside it: a way to take code and tables along, and colours. */
import { copy } from "./clipboard.ts"
import { guardedWords, toCsv } from "./csv.ts"

/** Longer code stays plain: colouring it would stop the page. */
const COLOURED_CHARACTERS = 30_000

const button = (words: string, click: () => void) => {
  const element = document.createElement("button")
  element.type = "button"
  element.className = "quiet copy"
  element.textContent = words
  element.addEventListener("click", click)
  return element
}

const decorateTable = (table: HTMLTableElement) => {
  const rows = () => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent))
  const box = document.createElement("div")
  box.className = "tablebox"
  box.tabIndex = 0
  box.setAttribute("role", "group")
  box.setAttribute("aria-label", "Table")
  table.replaceWith(box)
  box.append(table)
  box.after(button("Copy as CSV", () => {
    const { guarded, text } = toCsv(rows())
    void copy(text, guardedWords(guarded))
  }))
}

const colourLater = async (code: HTMLElement, language: string) => {
  const text = code.textContent
  if (text.length > COLOURED_CHARACTERS) return
  const { colour } = await import("./code.ts")
  const html = colour(text, language)
  if (html !== undefined && code.isConnected) Object.assign(code, { innerHTML: html })
}

const decorateCode = (pre: HTMLPreElement) => {
  const code = pre.querySelector("code")
  if (code === null) return
  pre.tabIndex = 0
  // A command that is pasted waits for a look before it runs.
  pre.after(button("Copy code", () => void copy(code.textContent.replace(/\n$/, ""), "Code copied.")))
  const language = /(?:^|\s)language-([\w-]+)/.exec(code.className)?.[1]
  if (language !== undefined) void colourLater(code, language)
}

/** Once for each finished part of an answer; React never touches what is inside. */
export const decorate = (part: HTMLElement): void => {
  for (const table of part.querySelectorAll("table")) decorateTable(table)
  for (const pre of part.querySelectorAll("pre")) decorateCode(pre)
}
