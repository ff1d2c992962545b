import * as BigDecimal from "effect/BigDecimal"
import { formatDecimal } from "./formatDecimal.ts"
import { dateOrder, formatDate, isBlank } from "./parseValues.ts"
import type { Column, Table } from "./readTable.ts"
import { dateAt, numberAt } from "./readTable.ts"

/** @internal What a column holds: smallest and largest value, or some of the texts. */
export interface ColumnSummary {
  readonly name: string
  readonly type: "text" | "number" | "date"
  readonly blank: number
  readonly min?: string
  readonly max?: string
  readonly distinct?: number
  readonly examples?: ReadonlyArray<string>
}

/** @internal A cell that occurs, word for word, in a text. */
export interface Mention {
  readonly column: string
  readonly value: string
}

const maxExamples = 8

/** @internal */
export const describeColumns = (table: Table): ReadonlyArray<ColumnSummary> =>
  table.columns.map((column) => {
    const { name, type } = column
    const blank = table.rows.filter((row) => isBlank(row.cells[column.index]!)).length
    switch (column.type) {
      case "number": {
        const numbers = table.rows.flatMap((row) => numberAt(row, column) ?? [])
        const min = formatDecimal(numbers.reduce((a, b) => BigDecimal.min(a, b)))
        return { name, type, blank, min, max: formatDecimal(numbers.reduce((a, b) => BigDecimal.max(a, b))) }
      }
      case "date": {
        const dates = table.rows.flatMap((row) => dateAt(row, column) ?? []).toSorted((a, b) =>
          dateOrder(a) - dateOrder(b)
        )
        return { name, type, blank, min: formatDate(dates[0]!), max: formatDate(dates.at(-1)!) }
      }
      case "text": {
        const values = distinct(table, column)
        const examples = values.slice(0, maxExamples).map((value) => value.slice(0, 60))
        return { name, type, blank, distinct: values.length, examples }
      }
    }
  })

const distinct = (table: Table, column: Column): ReadonlyArray<string> =>
  Array.from(new Set(table.rows.map((row) => row.cells[column.index]!.trim()))).filter((value) => !isBlank(value))

const maxMentions = 20

/** @internal Which texts of the table occur as whole words in `text`, also in the plural, longest first. */
export const findMentions = (table: Table, text: string): ReadonlyArray<Mention> => {
  const words = ` ${normalize(text)} `
  return table.columns
    .filter((column) => column.type === "text")
    .flatMap((column) =>
      distinct(table, column)
        .filter((value) => {
          const wanted = normalize(value)
          return wanted.length > 1 && pluralsOf(wanted).some((form) => words.includes(` ${form} `))
        })
        .map((value) => ({ column: column.name, value }))
    )
    .toSorted((a, b) => b.value.length - a.value.length)
    .slice(0, maxMentions)
}

/** "lamps" is the Lamp, "shelves" are the Shelf. */
const pluralsOf = (word: string): ReadonlyArray<string> => [
  word,
  `${word}s`,
  `${word}es`,
  word.replace(/fe?$/, "ves"),
  word.replace(/y$/, "ies")
]

const normalize = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim()
