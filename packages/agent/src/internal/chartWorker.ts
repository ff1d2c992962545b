// @effect-diagnostics asyncFunction:off -- runs in a thread of its own, without Effect, so that it starts quickly
import type { TopLevelSpec } from "vega-lite"
import type { Run } from "./startThread.ts"

/** @internal Rows have a value for each column; `fields` are columns. */
export interface ChartJob {
  readonly kind: "bar" | "line" | "point" | "area" | "arc"
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string | number | null>>
  readonly x: number
  readonly y: number
  readonly color: number | undefined
  readonly title: string
  readonly temporal: boolean
}

/** @internal Gives SVG. */
export const run: Run<ChartJob, string> = async (job) => {
  const [{ Error: levelOfErrors, View, parse }, { compile }] = await Promise.all([import("vega"), import("vega-lite")])
  const view = new View(parse(compile(toSpec(job)).spec), {
    logLevel: levelOfErrors,
    renderer: "none",
    // All data is in the chart: nothing is ever loaded.
    loader: {
      load: () => Promise.reject(new TypeError("A chart loads nothing")),
      sanitize: () => Promise.reject(new TypeError("A chart links to nothing")),
      http: () => Promise.reject(new TypeError("A chart loads nothing")),
      file: () => Promise.reject(new TypeError("A chart loads nothing"))
    }
  })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

/** Titles of columns become strings inside expressions, which vega-lite quotes but does not escape. */
const quotable = (title: string): string => title.replace(/["\\\n\r\u2028\u2029]/g, "'")

/** Columns get plain names: those of a file may be expressions to vega. */
const toSpec = ({ color, columns, kind, rows, temporal, title, x, y }: ChartJob): TopLevelSpec => {
  const label = quotable(columns[x]!)
  const measure = quotable(columns[y]!)
  const values = rows.map((row) => ({
    x: row[x] ?? null,
    y: row[y] ?? null,
    c: color === undefined ? "" : row[color] ?? ""
  }))
  const shown = { data: { values }, title: { text: title }, width: 480, height: 300, background: "white" }
  const hue = color === undefined
    ? {}
    : { color: { field: "c", type: "nominal", title: quotable(columns[color]!) } } as const
  return kind === "arc"
    ? {
      ...shown,
      mark: { type: "arc" },
      encoding: {
        theta: { field: "y", type: "quantitative", title: measure },
        color: { field: "x", type: "nominal", title: label, sort: null }
      }
    }
    : {
      ...shown,
      mark: { type: kind },
      encoding: {
        x: kind === "point"
          ? { field: "x", type: "quantitative", title: label }
          : temporal
          ? { field: "x", type: "temporal", title: label }
          : { field: "x", type: "nominal", title: label, sort: null },
        y: { field: "y", type: "quantitative", title: measure },
        ...hue
      }
    }
}
