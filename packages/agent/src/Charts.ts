/**
 * Draws charts as SVG, in a worker thread.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import { ChartError } from "./AgentError.ts"
import type { ChartJob } from "./internal/chartWorker.ts"
import type { ThreadFailure } from "./internal/makeThreads.ts"
import { makeThreads } from "./internal/makeThreads.ts"

/**
 * Columns and rows, and which column is where. `arc` is a pie, whose parts are
 * named by `x`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Chart {
  readonly kind: "bar" | "line" | "point" | "area" | "arc"
  readonly title: string
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string | number | null>>
  /** Names of columns. `y`, and `x` of points, must be numbers. */
  readonly x: string
  readonly y: string
  readonly color?: string | undefined
}

/**
 * `draw` gives an SVG document that loads nothing and links to nothing.
 *
 * @since 0.1.0
 * @category services
 */
export class Charts extends Context.Tag("@sennit/agent/Charts")<Charts, {
  readonly draw: (chart: Chart) => Effect.Effect<string, ChartError>
}>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long drawing may take. Default: 20 seconds. */
  readonly timeout?: Duration.DurationInput
}

const maxRows = 5000

/**
 * The thread starts with the first chart and ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ timeout = "20 seconds" }: Options = {}): Effect.Effect<typeof Charts.Service, never, Scope> =>
  Effect.map(
    makeThreads<ChartJob, string>({
      module: import.meta.url.replace(/Charts(?=\.[jt]s$)/, "internal/chartWorker"),
      size: 1,
      heapMegabytes: 256,
      timeout
    }),
    (threads) => ({
      draw: Effect.fn("Charts.draw")((chart) =>
        Effect.flatMap(check(chart), (job) => Effect.mapError(threads.run(job), toChartError))
      )
    })
  )

const refuse = (detail: string) => Effect.fail(new ChartError({ reason: "Invalid", detail }))

const check = (chart: Chart): Effect.Effect<ChartJob, ChartError> =>
  Effect.suspend(() => {
    const { color, columns, kind, rows, title, x, y } = chart
    for (const name of [x, y, ...(color === undefined ? [] : [color])]) {
      if (!columns.includes(name)) {
        return refuse(`There is no column "${name}". The columns are: ${columns.join(", ")}.`)
      }
    }
    if (rows.length === 0) return refuse("There are no rows to draw.")
    if (rows.length > maxRows) {
      return refuse(`There are ${rows.length} rows and at most ${maxRows} are drawn; group them.`)
    }
    const numeric = [columns.indexOf(y), ...(kind === "point" ? [columns.indexOf(x)] : [])]
    const values = rows.map((row) =>
      row.map((cell, i) => numeric.includes(i) && typeof cell === "string" ? toNumber(cell) : cell)
    )
    const wrong = numeric.find((i) => values.some((row) => typeof row[i] === "string"))
    if (wrong !== undefined) return refuse(`Column "${columns[wrong]}" is not all numbers.`)
    return Effect.succeed({
      kind,
      title,
      columns,
      rows: values,
      x: columns.indexOf(x),
      y: columns.indexOf(y),
      color: color === undefined ? undefined : columns.indexOf(color),
      temporal: kind !== "bar" && rows.every((row) => isDay(row[columns.indexOf(x)]))
    })
  })

const toNumber = (cell: string): number | string | null =>
  cell.trim() === "" ? null : Number.isFinite(Number(cell)) ? Number(cell) : cell

const isDay = (cell: unknown): boolean => typeof cell === "string" && /^\d{4}-\d{2}(?:-\d{2})?$/.test(cell)

const toChartError = (failure: ThreadFailure): ChartError =>
  failure.reason === "missing"
    ? new ChartError({
      reason: "NotInstalled",
      detail: "Drawing needs the packages vega and vega-lite: npm install vega@5 vega-lite@5"
    })
    : failure.reason === "timeout" || failure.reason === "memory"
    ? new ChartError({ reason: "TooLarge", detail: "Drawing it took too long or too much memory. Draw fewer rows." })
    : new ChartError({ reason: "Failed", detail: `It could not be drawn (${failure.message}).` })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Charts> => Layer.scoped(Charts, make(options))
