/**
 * Works out arithmetic, exactly where that is possible.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { AgentTool } from "../AgentTool.ts"
import { make } from "../AgentTool.ts"
import { evaluateExpression } from "../internal/evaluateExpression.ts"

/**
 * @since 0.1.0
 * @category models
 */
export const Parameters = Schema.Struct({
  expression: Schema.NonEmptyTrimmedString.annotations({
    description: "Such as 17*23+4, (1.1+2.2)^2, 15% of 240, sqrt(2), round(2/3, 2)"
  })
})

/**
 * `value` is a decimal number; when it is not `exact`, it is rounded to 15
 * significant digits.
 *
 * @since 0.1.0
 * @category models
 */
export const Result = Schema.Struct({ expression: Schema.String, value: Schema.String, exact: Schema.Boolean })

/**
 * @since 0.1.0
 * @category tools
 */
export const tool: AgentTool = make("calculate", {
  description:
    "Works out an arithmetic expression with + - * / % ^ and parentheses, percentages, and abs, min, max, sum, " +
    "avg, floor, ceil, round, sqrt, ln, log, exp, sin, cos, tan. Decimal arithmetic is exact.",
  parameters: Parameters,
  success: Result,
  handler: Effect.fn("Calculate.evaluate")(({ expression }) =>
    Effect.map(evaluateExpression(expression), (result) => ({ expression, ...result }))
  )
})
