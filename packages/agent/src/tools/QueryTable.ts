/**
 * Describes a table in a file, and filters, groups, totals and sorts it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { AgentTool } from "../AgentTool.ts"
import { make } from "../AgentTool.ts"
import { Documents } from "../Documents.ts"
import type { Files } from "../Files.ts"

const Value = Schema.Union(Schema.String, Schema.Number)

/**
 * With neither filters, groups nor aggregates the table is described.
 *
 * @since 0.1.0
 * @category models
 */
export const Parameters = Schema.Struct({
  file: Schema.String.annotations({
    description: "Name of a CSV or TSV file, or of a JSON file with a list of objects"
  }),
  filters: Schema.optional(Schema.Array(Schema.Struct({
    column: Schema.String,
    op: Schema.Literal("eq", "neq", "lt", "lte", "gt", "gte", "contains", "month", "year", "between"),
    value: Value.annotations({ description: "What to compare with; a month as a name, a number or 2026-03" }),
    to: Schema.optional(Value.annotations({ description: "The upper end, for between" }))
  }))).annotations({ description: "Only rows that satisfy all of these" }),
  groupBy: Schema.optional(
    Schema.Array(Schema.Struct({
      column: Schema.String,
      by: Schema.optional(Schema.Literal("value", "day", "month", "year"))
    })).pipe(Schema.maxItems(3))
  ),
  aggregates: Schema.optional(
    Schema.Array(Schema.Struct({
      fn: Schema.Literal("sum", "avg", "min", "max", "count"),
      column: Schema.optional(Schema.String)
    })).pipe(Schema.maxItems(10))
  ),
  sort: Schema.optional(Schema.Struct({
    by: Schema.String.annotations({ description: "A column of the result, such as sum(revenue) or month of date" }),
    direction: Schema.Literal("asc", "desc")
  })),
  limit: Schema.optional(Schema.Int.pipe(Schema.between(1, 200))).annotations({ description: "Default: 50 rows" }),
  select: Schema.optional(Schema.Boolean).annotations({ description: "Give rows although nothing is filtered" }),
  lenient: Schema.optional(Schema.Boolean).annotations({
    description: "Leave rows out that have too few or too many cells; they are counted in the result"
  }),
  mentionedIn: Schema.optional(Schema.String).annotations({
    description: "When describing: also list the cells that occur in this text"
  })
})

/**
 * What a description says.
 *
 * @since 0.1.0
 * @category models
 */
export const Description = Schema.Struct({
  file: Schema.String,
  rowCount: Schema.Number,
  columns: Schema.Array(Schema.Struct({
    name: Schema.String,
    type: Schema.Literal("text", "number", "date"),
    blank: Schema.Number,
    min: Schema.optional(Schema.String),
    max: Schema.optional(Schema.String),
    distinct: Schema.optional(Schema.Number),
    examples: Schema.optional(Schema.Array(Schema.String))
  })),
  mentioned: Schema.Array(Schema.Struct({ column: Schema.String, value: Schema.String })),
  skipped: Schema.Number,
  notes: Schema.Array(Schema.String)
})

/**
 * What a query gives. Cells are text; numbers are exact decimals; `null` is no
 * value. `rowsUsed` of the `rowsMatched` rows took part; the others are in
 * `skipped` with the reason.
 *
 * @since 0.1.0
 * @category models
 */
export const Answer = Schema.Struct({
  file: Schema.String,
  columns: Schema.Array(Schema.String),
  rows: Schema.Array(Schema.Array(Schema.NullOr(Schema.String))),
  rowsMatched: Schema.Number,
  rowsUsed: Schema.Number,
  rowsOut: Schema.Number,
  skipped: Schema.Array(Schema.Struct({ reason: Schema.String, count: Schema.Number, rows: Schema.String })),
  notes: Schema.Array(Schema.String)
})

/**
 * @since 0.1.0
 * @category tools
 */
export const tool: AgentTool<Files | Documents> = make("query_table", {
  description:
    "Describes a table in a file (columns, types, ranges) or answers a question about it: filter rows, group " +
    "them by values, months or years, and work out exact sums, averages, minima, maxima and counts. Describe first.",
  parameters: Parameters,
  success: Schema.Union(Answer, Description),
  annotations: { openWorld: true },
  maxResultChars: 40_000,
  handler: Effect.fn("QueryTable.query")((question) =>
    Effect.flatMap(Documents, (documents) => documents.queryTable(question))
  )
})
