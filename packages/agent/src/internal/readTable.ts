import type * as BigDecimal from "effect/BigDecimal"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import Papa from "papaparse"
import { TableError } from "../AgentError.ts"
import { extensionOf } from "./guessType.ts"
import type { DateParts, DayOrder, DecimalSign } from "./parseValues.ts"
import { isBlank, parseDate, parseNumber } from "./parseValues.ts"

/** @internal */
export type Column =
  | { readonly name: string; readonly index: number; readonly type: "text" }
  | {
    readonly name: string
    readonly index: number
    readonly type: "number"
    readonly sign: DecimalSign
    /** The most decimals that a cell has. */
    readonly places: number
  }
  | { readonly name: string; readonly index: number; readonly type: "date"; readonly order: DayOrder }

/** @internal Cells are kept as they are written; `number` is that of the row in the file, the header being row 1. */
export interface Row {
  readonly number: number
  readonly cells: ReadonlyArray<string>
}

/** @internal */
export interface Table {
  readonly name: string
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<Row>
  readonly raggedRows: ReadonlyArray<number>
  readonly notes: ReadonlyArray<string>
}

/** @internal Whether a file may hold a table, by its name. */
export const isTabular = (name: string): boolean => ["csv", "tsv", "json"].includes(extensionOf(name))

/** @internal */
export const parseTable = (name: string, text: string, lenient: boolean): Either.Either<Table, TableError> => {
  const isJson = extensionOf(name) === "json"
  const records = isJson ? parseJsonRows(name, text) : parseDelimited(name, text)
  return Either.flatMap(records, ({ header, rows }) => {
    const ragged = rows.filter(({ cells }) => cells.length !== header.length).map(({ number }) => number)
    if (ragged.length > 0 && !lenient) {
      const detail =
        `${ragged.length === 1 ? "Row" : "Rows"} ${listNumbers(ragged)} ${
          ragged.length === 1 ? "has" : "have"
        } another number of cells than the header, which has ${header.length}. Mend the file, or pass lenient: true to ` +
        "leave such rows out."
      return Either.left(new TableError({ reason: "RaggedRows", name, detail }))
    }
    const kept = ragged.length === 0 ? rows : rows.filter(({ cells }) => cells.length === header.length)
    const notes: Array<string> = []
    const columns = header.map((title, index) => inferColumn(title, index, kept, notes))
    return Either.right({ name, columns, rows: kept, raggedRows: ragged, notes })
  })
}

/** @internal The first ten numbers, and how many more there are. */
export const listNumbers = (numbers: ReadonlyArray<number>): string =>
  numbers.slice(0, 10).join(", ") + (numbers.length > 10 ? ` and ${numbers.length - 10} more` : "")

interface Records {
  readonly header: ReadonlyArray<string>
  readonly rows: ReadonlyArray<Row>
}

const parseDelimited = (name: string, text: string): Either.Either<Records, TableError> => {
  const delimiter = extensionOf(name) === "tsv" ? "\t" : ""
  const { data, errors } = Papa.parse<Array<string>>(text, { delimiter, header: false, skipEmptyLines: false })
  const quotes = errors.find((error) => error.type === "Quotes")
  if (quotes !== undefined) {
    const detail = `Row ${(quotes.row ?? 0) + 1} has a quotation mark that is not closed. Mend the file.`
    return Either.left(new TableError({ reason: "NotATable", name, detail }))
  }
  const rows = data
    .map((cells, index) => ({ number: index + 1, cells }))
    .filter(({ cells }) => cells.length > 1 || cells[0]!.trim() !== "")
  const [first, ...rest] = rows
  return first === undefined
    ? Either.left(new TableError({ reason: "NotATable", name, detail: "The file is empty." }))
    : Either.right({ header: uniqueTitles(first.cells), rows: rest })
}

const uniqueTitles = (cells: ReadonlyArray<string>): ReadonlyArray<string> => {
  const seen = new Set<string>()
  return cells.map((cell, index) => {
    const title = cell.trim() === "" ? `column_${index + 1}` : cell.trim()
    let unique = title
    for (let copy = 2; seen.has(unique.toLowerCase()); copy++) unique = `${title}_${copy}`
    seen.add(unique.toLowerCase())
    return unique
  })
}

const parseJson = Schema.decodeUnknownEither(Schema.parseJson())
const Objects = Schema.Array(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
const isObjects = Schema.is(Objects)
const isRecord = Schema.is(Schema.Record({ key: Schema.String, value: Schema.Unknown }))

const parseJsonRows = (name: string, text: string): Either.Either<Records, TableError> =>
  Either.flatMap(
    Either.mapLeft(
      parseJson(text),
      () => new TableError({ reason: "NotATable", name, detail: "It is not valid JSON." })
    ),
    (value) => {
      const lists = isObjects(value) ? [value] : isRecord(value) ? Object.values(value).filter(isObjects) : []
      const [objects] = lists
      if (objects === undefined || lists.length > 1) {
        const detail = "It is no list of objects, so it cannot be queried as a table. Read it with read_file instead."
        return Either.left(new TableError({ reason: "NotATable", name, detail }))
      }
      const header = Array.from(
        new Set(objects.flatMap((object) => Object.keys(object)))
      )
      const rows = objects.map((object, index) => ({
        number: index + 1,
        cells: header.map((key) => jsonCell(object[key]))
      }))
      return Either.right({ header, rows })
    }
  )

const jsonCell = (value: unknown): string =>
  value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value)

/** All cells that are not blank must agree on a type; else the column is text. */
const inferColumn = (name: string, index: number, rows: ReadonlyArray<Row>, notes: Array<string>): Column => {
  const cells = rows.map((row) => row.cells[index]!).filter((cell) => !isBlank(cell))
  if (cells.length === 0) return { name, index, type: "text" }
  for (const sign of [".", ","] as const) {
    const places = mostPlaces(cells, sign)
    if (places !== undefined) {
      if (sign === ",") notes.push(`Column "${name}" writes decimals with a comma.`)
      return { name, index, type: "number", sign, places }
    }
  }
  const orders = (["day-first", "month-first"] as const).filter((order) =>
    cells.every((cell) => parseDate(cell, order) !== undefined)
  )
  if (orders.length === 0) return { name, index, type: "text" }
  const ambiguous = orders.length === 2 && cells.some((cell) => {
    const [first, second] = orders.map((order) => parseDate(cell, order))
    return first?.month !== second?.month
  })
  if (ambiguous) notes.push(`Dates in column "${name}" could be day-first or month-first; they are read day-first.`)
  return { name, index, type: "date", order: orders[0]! }
}

const mostPlaces = (cells: ReadonlyArray<string>, sign: DecimalSign): number | undefined => {
  let places = 0
  for (const cell of cells) {
    const value = parseNumber(cell, sign)
    if (value === undefined) return undefined
    places = Math.max(places, value.scale)
  }
  return places
}

/** @internal */
export const numberAt = (row: Row, column: Extract<Column, { type: "number" }>): BigDecimal.BigDecimal | undefined =>
  parseNumber(row.cells[column.index]!, column.sign)

/** @internal */
export const dateAt = (row: Row, column: Extract<Column, { type: "date" }>): DateParts | undefined =>
  parseDate(row.cells[column.index]!, column.order)
