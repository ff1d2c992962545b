import * as BigDecimal from "effect/BigDecimal"
import * as Either from "effect/Either"
import { TableError } from "../AgentError.ts"
import { findClosest } from "./findClosest.ts"
import { formatDecimal } from "./formatDecimal.ts"
import type { DateParts } from "./parseValues.ts"
import { dateOrder, formatDate, isBlank, parseDate, parseMonth, parseNumber } from "./parseValues.ts"
import type { Column, Row, Table } from "./readTable.ts"
import { dateAt, listNumbers, numberAt } from "./readTable.ts"

/** @internal */
interface Filter {
  readonly column: string
  readonly op: "eq" | "neq" | "lt" | "lte" | "gt" | "gte" | "contains" | "month" | "year" | "between"
  readonly value: string
  readonly to?: string | undefined
}

/** @internal */
export interface Query {
  readonly filters: ReadonlyArray<Filter>
  readonly groupBy: ReadonlyArray<{ readonly column: string; readonly by: "value" | "day" | "month" | "year" }>
  readonly aggregates: ReadonlyArray<{
    readonly fn: "sum" | "avg" | "min" | "max" | "count"
    readonly column?: string | undefined
  }>
  readonly sort: { readonly by: string; readonly direction: "asc" | "desc" } | undefined
  readonly limit: number
}

/** @internal */
interface Skipped {
  readonly reason: string
  readonly count: number
  readonly rows: string
}

/** @internal Cells are text; numbers are exact decimals; null is no value. */
export interface QueryResult {
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string | null>>
  readonly rowsMatched: number
  readonly rowsUsed: number
  readonly rowsOut: number
  readonly skipped: ReadonlyArray<Skipped>
}

type Result<A> = Either.Either<A, TableError>

const fail = (reason: TableError["reason"], name: string, detail: string) =>
  Either.left(new TableError({ reason, name, detail }))

/** @internal */
export const queryRows = (table: Table, query: Query): Result<QueryResult> =>
  Either.gen(function*() {
    const tests = yield* Either.all(query.filters.map((filter) => compileFilter(table, filter)))
    const matched = table.rows.filter((row) => tests.every((test) => test(row)))
    const result = query.aggregates.length === 0 && query.groupBy.length === 0
      ? yield* selectRows(table, query, matched)
      : yield* aggregateRows(table, query, matched)
    const { raggedRows } = table
    return raggedRows.length === 0 ? result : {
      ...result,
      skipped: [
        { reason: "another number of cells than the header", count: raggedRows.length, rows: listNumbers(raggedRows) },
        ...result.skipped
      ]
    }
  })

/** @internal */
const findColumn = (table: Table, name: string): Result<Column> => {
  const column = table.columns.find((candidate) => candidate.name === name) ??
    table.columns.find((candidate) => candidate.name.toLowerCase() === name.trim().toLowerCase())
  if (column !== undefined) return Either.right(column)
  const names = table.columns.map((candidate) => candidate.name)
  const closest = findClosest(name, names)
  const hint = closest === undefined ? "" : `Did you mean "${closest}"? `
  return fail("UnknownColumn", table.name, `There is no column "${name}". ${hint}Columns: ${names.join(", ")}.`)
}

const compileFilter = (table: Table, filter: Filter): Result<(row: Row) => boolean> =>
  Either.flatMap(findColumn(table, filter.column), (column) => {
    const { op, value } = filter
    if (op === "month" || op === "year") return compileDateFilter(table, column, op, value)
    if (op === "contains") {
      const wanted = value.toLowerCase()
      return Either.right((row) => row.cells[column.index]!.toLowerCase().includes(wanted))
    }
    if (op === "between" && filter.to === undefined) {
      return fail("InvalidQuery", table.name, "The filter \"between\" needs \"to\" as well.")
    }
    return Either.gen(function*() {
      const from = yield* compileComparison(table, column, value)
      if (op !== "between") return (row: Row) => satisfies(from(row), op)
      const to = yield* compileComparison(table, column, filter.to ?? "")
      return (row: Row) => satisfies(from(row), "gte") && satisfies(to(row), "lte")
    })
  })

const satisfies = (order: number | undefined, op: Exclude<Filter["op"], "contains" | "month" | "year" | "between">) => {
  if (order === undefined) return op === "neq"
  switch (op) {
    case "eq":
      return order === 0
    case "neq":
      return order !== 0
    case "lt":
      return order < 0
    case "lte":
      return order <= 0
    case "gt":
      return order > 0
    case "gte":
      return order >= 0
  }
}

/** How a row's cell compares with the value: below 0, 0, above 0, or undefined for a blank cell. */
const compileComparison = (table: Table, column: Column, value: string): Result<(row: Row) => number | undefined> => {
  switch (column.type) {
    case "number": {
      const wanted = parseNumber(value, column.sign) ?? parseNumber(value)
      if (wanted === undefined) {
        return fail("NotNumeric", table.name, `Column "${column.name}" has numbers and "${value}" is none.`)
      }
      return Either.right((row) => {
        const cell = numberAt(row, column)
        return cell === undefined ? undefined : BigDecimal.Order(cell, wanted)
      })
    }
    case "date": {
      const wanted = parseDate(value, column.order)
      if (wanted === undefined) {
        return fail(
          "NotADate",
          table.name,
          `Column "${column.name}" has dates and "${value}" is none; write 2026-03-05.`
        )
      }
      return Either.right((row) => {
        const cell = dateAt(row, column)
        return cell === undefined ? undefined : compareDates(cell, wanted)
      })
    }
    case "text": {
      const wanted = value.trim().toLowerCase()
      return Either.right((row) => {
        const cell = row.cells[column.index]!.trim().toLowerCase()
        return cell < wanted ? -1 : cell > wanted ? 1 : 0
      })
    }
  }
}

/** Compares as precisely as the wanted date is: 2026-03 equals every day of that month. */
const compareDates = (cell: DateParts, wanted: DateParts): number =>
  (wanted.year === undefined || cell.year === undefined ? 0 : cell.year - wanted.year) || cell.month - wanted.month ||
  (wanted.day === undefined || cell.day === undefined ? 0 : cell.day - wanted.day)

const compileDateFilter = (
  table: Table,
  column: Column,
  op: "month" | "year",
  value: string
): Result<(row: Row) => boolean> => {
  if (column.type !== "date") {
    return fail("NotADate", table.name, `Column "${column.name}" has no dates, so it cannot be filtered by ${op}.`)
  }
  const yearMonth = /^(\d{4})-(\d{1,2})$/.exec(value.trim())
  const wanted = yearMonth === null
    ? op === "month" ? parseMonth(value) ?? Number(value) : Number(value)
    : Number(yearMonth[2])
  if (!Number.isInteger(wanted) || (op === "month" && (wanted < 1 || wanted > 12))) {
    return fail("InvalidQuery", table.name, `"${value}" is no ${op}.`)
  }
  return Either.right((row) => {
    const date = dateAt(row, column)
    return date !== undefined && date[op] === wanted && (yearMonth === null || date.year === Number(yearMonth[1]))
  })
}

const selectRows = (table: Table, query: Query, matched: ReadonlyArray<Row>): Result<QueryResult> =>
  Either.gen(function*() {
    let rows = matched
    if (query.sort !== undefined) {
      const column = yield* findColumn(table, query.sort.by)
      const direction = query.sort.direction === "desc" ? -1 : 1
      rows = matched.toSorted((a, b) => direction * compareRows(a, b, column))
    }
    return {
      columns: table.columns.map(({ name }) => name),
      rows: rows.slice(0, query.limit).map(({ cells }) => cells.map((cell) => cell.slice(0, 200))),
      rowsMatched: matched.length,
      rowsUsed: matched.length,
      rowsOut: Math.min(matched.length, query.limit),
      skipped: []
    }
  })

const compareRows = (a: Row, b: Row, column: Column): number => {
  if (column.type === "text") return compareText(a.cells[column.index]!, b.cells[column.index]!)
  const [x, y] = column.type === "number"
    ? [numberAt(a, column), numberAt(b, column)]
    : [dateAt(a, column), dateAt(b, column)].map((date) =>
      date === undefined ? undefined : BigDecimal.fromBigInt(BigInt(dateOrder(date)))
    )
  if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? 1 : -1
  return BigDecimal.Order(x, y)
}

const compareText = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0

interface Group {
  readonly keys: ReadonlyArray<{ readonly text: string; readonly order: number }>
  readonly rows: Array<Row>
}

interface OutputRow {
  readonly cells: ReadonlyArray<string | null>
  readonly orders: ReadonlyArray<BigDecimal.BigDecimal | string>
}

const aggregateRows = (table: Table, query: Query, matched: ReadonlyArray<Row>): Result<QueryResult> =>
  Either.gen(function*() {
    const keys = yield* Either.all(query.groupBy.map((by) => compileKey(table, by)))
    const fns = yield* Either.all(query.aggregates.map((aggregate) => compileAggregate(table, aggregate)))
    const skipped = new Map<string, Array<number>>()
    const used = new Set(matched)
    for (const { check } of fns) {
      for (const row of matched) {
        const reason = check(row)
        if (reason === undefined) continue
        const numbers = skipped.get(reason)
        if (numbers === undefined) skipped.set(reason, [row.number])
        else numbers.push(row.number)
        used.delete(row)
      }
    }
    const groups = new Map<string, Group>()
    if (keys.length === 0) groups.set("", { keys: [], rows: [] })
    for (const row of matched) {
      const values = keys.map((key) => key.of(row))
      const id = JSON.stringify(values.map(({ text }) => text))
      const group = keys.length === 0 ? groups.get("")! : groups.get(id) ?? { keys: values, rows: [] }
      group.rows.push(row)
      if (keys.length > 0) groups.set(id, group)
    }
    const columns = [...keys.map(({ title }) => title), ...fns.map(({ title }) => title)]
    const output = Array.from(groups.values(), (group): OutputRow => {
      const results = fns.map((fn) => fn.of(group.rows))
      return {
        cells: [...group.keys.map(({ text }) => text), ...results.map(({ text }) => text)],
        orders: [
          ...group.keys.map(({ order, text }) => Number.isNaN(order) ? text : BigDecimal.fromBigInt(BigInt(order))),
          ...results.map(({ order }) => order)
        ]
      }
    })
    const sorted = yield* sortOutput(table, columns, output, query.sort)
    return {
      columns,
      rows: sorted.slice(0, query.limit).map(({ cells }) => cells),
      rowsMatched: matched.length,
      rowsUsed: used.size,
      rowsOut: Math.min(output.length, query.limit),
      skipped: Array.from(skipped, ([reason, rows]) => ({ reason, count: rows.length, rows: listNumbers(rows) }))
    }
  })

const sortOutput = (
  table: Table,
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<OutputRow>,
  sort: Query["sort"]
): Result<ReadonlyArray<OutputRow>> => {
  const index = sort === undefined ? 0 : columns.findIndex((name) => name.toLowerCase() === sort.by.toLowerCase())
  if (index < 0) {
    return fail("UnknownColumn", table.name, `Cannot sort by "${sort?.by}". The result has: ${columns.join(", ")}.`)
  }
  const direction = sort?.direction === "desc" ? -1 : 1
  return Either.right(rows.toSorted((a, b) => direction * compareOrders(a.orders[index]!, b.orders[index]!)))
}

const compareOrders = (a: BigDecimal.BigDecimal | string, b: BigDecimal.BigDecimal | string) =>
  typeof a === "string" || typeof b === "string"
    ? compareText(String(a), String(b))
    : BigDecimal.Order(a, b)

const compileKey = (table: Table, by: Query["groupBy"][number]) =>
  Either.flatMap(findColumn(table, by.column), (column) => {
    if (by.by === "value") {
      return Either.right({
        title: column.name,
        of: (row: Row) => {
          const date = column.type === "date" ? dateAt(row, column) : undefined
          return { text: row.cells[column.index]!.trim(), order: date === undefined ? Number.NaN : dateOrder(date) }
        }
      })
    }
    const unit = by.by
    if (column.type !== "date") {
      return fail("NotADate", table.name, `Column "${column.name}" has no dates, so it cannot be grouped by ${unit}.`)
    }
    return Either.right({
      title: `${unit} of ${column.name}`,
      of: (row: Row) => {
        const date = dateAt(row, column)
        if (date === undefined) return { text: "no date", order: Number.MAX_SAFE_INTEGER }
        return {
          text: formatDate(date, unit),
          order: dateOrder(unit === "year" ? { ...date, month: 1, day: 1 } : date)
        }
      }
    })
  })

interface Aggregation {
  readonly title: string
  /** Why a row does not take part, or undefined. */
  readonly check: (row: Row) => string | undefined
  readonly of: (rows: ReadonlyArray<Row>) => {
    readonly text: string | null
    readonly order: BigDecimal.BigDecimal | string
  }
}

const compileAggregate = (table: Table, aggregate: Query["aggregates"][number]): Result<Aggregation> => {
  const { fn } = aggregate
  if (aggregate.column === undefined) {
    if (fn !== "count") return fail("InvalidQuery", table.name, `The aggregate "${fn}" needs a column.`)
    return Either.right({ title: "count", check: () => undefined, of: (rows) => integer(rows.length) })
  }
  return Either.flatMap(findColumn(table, aggregate.column), (column) => {
    const title = `${fn}(${column.name})`
    const blank = (row: Row) => isBlank(row.cells[column.index]!) ? `no value in "${column.name}"` : undefined
    if (fn === "count") {
      return Either.right({ title, check: blank, of: (rows) => integer(rows.filter((row) => !blank(row)).length) })
    }
    if (column.type === "date" && (fn === "min" || fn === "max")) {
      return Either.right({ title, check: blank, of: (rows) => extremeDate(rows, column, fn) })
    }
    if (column.type !== "number") return notNumeric(table, column, fn)
    return Either.right({
      title,
      check: blank,
      of: (rows) => aggregateNumbers(fn, rows.flatMap((row) => numberAt(row, column) ?? []), column.places)
    })
  })
}

const notNumeric = (table: Table, column: Column, fn: string) => {
  const culprit = table.rows.find((row) => {
    const cell = row.cells[column.index]!
    return !isBlank(cell) && parseNumber(cell) === undefined
  })
  const example = culprit === undefined
    ? ""
    : ` (row ${culprit.number} has "${culprit.cells[column.index]!.slice(0, 40)}")`
  return fail(
    "NotNumeric",
    table.name,
    `Column "${column.name}" has no numbers${example}, so ${fn} cannot be worked out.`
  )
}

const integer = (n: number) => ({ text: String(n), order: BigDecimal.fromBigInt(BigInt(n)) })

/** Money keeps its cents: with one or two decimals in the column there are two in the result. */
const aggregateNumbers = (
  fn: "sum" | "avg" | "min" | "max",
  numbers: ReadonlyArray<BigDecimal.BigDecimal>,
  places: number
) => {
  const shown = places === 0 ? 0 : Math.max(places, 2)
  if (numbers.length === 0) return fn === "sum" ? integer(0) : { text: null, order: "" }
  const value = fn === "min"
    ? numbers.reduce((a, b) => BigDecimal.min(a, b))
    : fn === "max"
    ? numbers.reduce((a, b) => BigDecimal.max(a, b))
    : numbers.reduce((a, b) => BigDecimal.sum(a, b))
  if (fn !== "avg") return { text: formatDecimal(value, shown), order: value }
  const mean = BigDecimal.unsafeDivide(value, BigDecimal.fromBigInt(BigInt(numbers.length)))
  const short = formatDecimal(mean, Math.max(2, shown))
  return { text: short.endsWith(".00") && places === 0 ? short.slice(0, -3) : short, order: mean }
}

const extremeDate = (rows: ReadonlyArray<Row>, column: Extract<Column, { type: "date" }>, fn: "min" | "max") => {
  const dates = rows.flatMap((row) => dateAt(row, column) ?? [])
  if (dates.length === 0) return { text: null, order: "" }
  const best = dates.reduce((a, b) => (fn === "min") === (dateOrder(a) <= dateOrder(b)) ? a : b)
  return { text: formatDate(best), order: BigDecimal.fromBigInt(BigInt(dateOrder(best))) }
}
