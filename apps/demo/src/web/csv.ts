/** Tables on their way to a spreadsheet, in which a cell that begins like a formula would be run. */

const FORMULA = /^[=+\-@\t\r＝＋－＠]/
const NUMBER = /^[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?(?:[eE][+-]?\d+)?%?$/

const isFormula = (cell: string) => FORMULA.test(cell) && !NUMBER.test(cell)

const quote = (cell: string) => /[",\r\n]/.test(cell) ? `"${cell.replaceAll("\"", "\"\"")}"` : cell

/** CSV text, and how many cells got an apostrophe in front so that no program runs them. */
export const toCsv = (
  rows: ReadonlyArray<ReadonlyArray<string>>
): { readonly text: string; readonly guarded: number } => {
  let guarded = 0
  const lines = rows.map((row) =>
    row.map((cell) => {
      if (!isFormula(cell)) return quote(cell)
      guarded++
      return quote(`'${cell}`)
    }).join(",")
  )
  return { text: lines.join("\r\n"), guarded }
}

export const guardedWords = (count: number): string =>
  count === 0
    ? "Copied as CSV."
    : `Copied as CSV. ${count} ${
      count === 1 ? "cell starts" : "cells start"
    } with a formula sign; exported with ' in front.`
