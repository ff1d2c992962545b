import { describe, expect, it } from "@effect/vitest"
import { Calculate } from "@sennit/agent"
import { ToolContext } from "@sennit/agent/testing"
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Schema from "effect/Schema"

const calculate = (expression: string) =>
  Effect.flatMap(
    Calculate.tool.invoke({ expression }, ToolContext.make({ runId: "r", callId: "c" })),
    Schema.decode(Schema.parseJson(Calculate.Result))
  )

const valueOf = (expression: string) => Effect.map(calculate(expression), ({ value }) => value)

describe("whole numbers", () => {
  // The oracle is the engine's own arithmetic of big integers.
  const operators: Record<string, (a: bigint, b: bigint) => bigint> = {
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "*": (a, b) => a * b,
    "%": (a, b) => a % b
  }
  it.effect.prop(
    "agree with big integers",
    [
      FC.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
      FC.constantFrom("+", "-", "*", "%"),
      FC.bigInt({ min: 1n, max: 10n ** 20n })
    ],
    ([a, operator, b]) =>
      Effect.gen(function*() {
        expect(yield* valueOf(`${a} ${operator} ${b}`)).toBe(String(operators[operator]!(a, b)))
      })
  )

  const tree = FC.letrec<{ node: string; leaf: string }>((tie) => ({
    node: FC.oneof(
      { depthSize: "small", withCrossShrink: true },
      tie("leaf"),
      FC.tuple(tie("node"), FC.constantFrom("+", "-", "*"), tie("node")).map(([a, sign, b]) => `(${a}${sign}${b})`),
      tie("node").map((inner) => `-${inner}`)
    ),
    leaf: FC.integer({ min: 0, max: 999 }).map(String)
  })).node

  it.effect.prop("expressions agree with the engine", [tree], ([expression]) =>
    Effect.gen(function*() {
      // Built from digits, + - * and parentheses by the generator above; "--" needs a space in JavaScript.
      const expected: bigint = new Function(`return ${expression.replaceAll("-", "- ").replace(/\d+/g, "$&n")}`)()
      expect(yield* valueOf(expression)).toBe(String(expected))
    }))
})

it.effect.each<readonly [string, string, boolean]>([
  ["0.1+0.2", "0.3", true],
  ["1.1*1.1", "1.21", true],
  ["10/4", "2.5", true],
  ["1/3*3", "1", false],
  ["2/3", "0.666666666666667", false],
  ["2^10", "1024", true],
  ["2^-2", "0.25", true],
  ["2^3^2", "512", true],
  ["-2^2", "-4", true],
  ["(1+2)*(3+4)", "21", true],
  ["17 % 5", "2", true],
  ["15% of 240", "36", true],
  ["200 + 10%", "220", true],
  ["200 - 10%", "180", true],
  ["50%", "0.5", true],
  ["1,234.5 * 2", "2469", true],
  ["max(1,200)", "200", true],
  ["min(3, 2, 5)", "2", true],
  ["avg(1,2,6)", "3", true],
  ["round(2.675, 2)", "2.68", true],
  ["round(-2.5)", "-3", true],
  ["sqrt(144)", "12", true],
  ["sqrt(2)", "1.4142135623731", false],
  ["2 × 3 ÷ 4", "1.5", true],
  ["1e3 + 1", "1001", true],
  ["log(1000)", "3", false],
  ["floor(-1.5)", "-2", true]
])(
  "%s = %s",
  ([expression, value, exact]) =>
    Effect.map(calculate(expression), (result) => expect(result).toEqual({ expression, value, exact }))
)

it.effect.each([
  ["1/0", "division by zero"],
  ["5 % 0", "division by zero"],
  ["1+", "end is missing"],
  ["2)", "\")\" is not understood"],
  ["(2", "\")\" was expected"],
  ["foo(1)", "no function \"foo\""],
  ["process.exit(1)", "\"process\" is no constant"],
  ["constructor(1)", "no function \"constructor\""],
  ["sqrt(-1)", "not a finite real number"],
  ["9^9^9", "more than"],
  ["(".repeat(100) + "1", "too deeply"],
  ["1+".repeat(400) + "1", "At most"]
])(
  "%s is refused",
  ([expression, expected]) =>
    Effect.map(Effect.flip(calculate(expression!)), ({ message }) => expect(message).toContain(expected))
)
