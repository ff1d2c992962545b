/**
 * Draws a chart and keeps it as a file.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { AgentTool } from "../AgentTool.ts"
import { make } from "../AgentTool.ts"
import { Charts } from "../Charts.ts"
import { createNew, Files } from "../Files.ts"

/**
 * The rows are given with the call: what `query_table` gives fits as it is.
 *
 * @since 0.1.0
 * @category models
 */
export const Parameters = Schema.Struct({
  kind: Schema.Literal("bar", "line", "point", "area", "arc").annotations({ description: "arc is a pie" }),
  title: Schema.String,
  columns: Schema.Array(Schema.String).pipe(Schema.minItems(2), Schema.maxItems(20)),
  rows: Schema.Array(Schema.Array(Schema.NullOr(Schema.Union(Schema.String, Schema.Number)))).annotations({
    description: "A value for each column; numbers may be text, as query_table gives them"
  }),
  x: Schema.String.annotations({ description: "The column along the bottom, or that names the parts of a pie" }),
  y: Schema.String.annotations({ description: "The column of the values" }),
  color: Schema.optional(Schema.String).annotations({ description: "The column that tells series apart" }),
  name: Schema.optional(Schema.NonEmptyTrimmedString.pipe(Schema.maxLength(80))).annotations({
    description: "Name of the file. Default: chart.svg"
  })
})

/**
 * The file that the chart is in now, and how many rows it shows.
 *
 * @since 0.1.0
 * @category models
 */
export const Drawn = Schema.Struct({
  file: Schema.Struct({ name: Schema.String, size: Schema.Number, type: Schema.String }),
  rows: Schema.Number
})

const encoder = new TextEncoder()

/**
 * @since 0.1.0
 * @category tools
 */
export const tool: AgentTool<Charts | Files> = make("draw_chart", {
  description:
    "Draws a bar, line, point or area chart or a pie as an SVG file. Work the figures out with query_table " +
    "or run_code first and pass them on unchanged.",
  parameters: Parameters,
  success: Drawn,
  annotations: { sideEffect: "once" },
  handler: Effect.fn("DrawChart.draw")(function*({ name = "chart.svg", ...chart }, { stage }) {
    const charts = yield* Charts
    const files = yield* Files
    const svg = yield* charts.draw(chart)
    const file = yield* createNew(
      files,
      name.toLowerCase().endsWith(".svg") ? name : `${name}.svg`,
      encoder.encode(svg)
    )
    yield* stage.attach(file)
    return { file, rows: chart.rows.length }
  })
})
