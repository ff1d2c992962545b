import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { CalculationError } from "../AgentError.ts"
import { formatDecimal } from "./formatDecimal.ts"

/** @internal `exact` says whether the value is the true one or was rounded to 15 significant digits. */
export interface Evaluation {
  readonly value: string
  readonly exact: boolean
}

const maxChars = 500
const maxDepth = 50
const maxDigits = 1000
/** Digits that are carried where a division does not end, so that 1/3*3 is 1 after rounding. */
const carriedDigits = 50
const shownDigits = 15

interface Value {
  readonly number: BigDecimal.BigDecimal
  readonly exact: boolean
  /** Written with a percent sign: `200 + 10%` adds 10 % of 200. */
  readonly percent: boolean
}

const value = (number: BigDecimal.BigDecimal, exact: boolean): Value => ({ number, exact, percent: false })

/**
 * @internal
 * Works out an expression of numbers, + - * / % ^ ( ), `15% of 240`, constants
 * and common functions. A `%` before an operand is the remainder, else percent.
 */
export const evaluateExpression = (text: string): Effect.Effect<Evaluation, CalculationError> =>
  Effect.suspend(() => {
    try {
      if (text.length > maxChars) throw problem("TooLong", maxChars, `At most ${maxChars} characters can be worked out`)
      const { exact, number } = new Parser(text).parse()
      return Effect.succeed({ value: exact ? formatDecimal(number) : formatRounded(number), exact })
    } catch (error) {
      if (isProblem(error)) return Effect.fail(error)
      throw error
    }
  })

const isProblem = Schema.is(CalculationError)

const problem = (reason: CalculationError["reason"], position: number, detail: string) =>
  new CalculationError({ reason, position, detail })

const formatRounded = (number: BigDecimal.BigDecimal): string => {
  const { scale, value: digits } = BigDecimal.normalize(number)
  const length = (digits < 0n ? -digits : digits).toString().length
  return formatDecimal(BigDecimal.normalize(BigDecimal.round(number, { scale: shownDigits - (length - scale) })))
}

const constants: ReadonlyMap<string, number> = new Map([["pi", Math.PI], ["e", Math.E]])

class Parser {
  private position = 0
  private depth = 0
  /** Inside the parentheses of functions a comma separates arguments. */
  private calls = 0
  constructor(private readonly text: string) {}

  parse(): Value {
    const result = this.sum()
    this.skipSpace()
    if (this.position < this.text.length) throw this.unexpected()
    return result
  }

  private sum(): Value {
    if (++this.depth > maxDepth) throw problem("TooLong", this.position, "The parentheses are nested too deeply")
    let left = this.product()
    for (;;) {
      const sign = this.take("+") ? 1 : this.take("-") || this.take("−") ? -1 : 0
      if (sign === 0) break
      const right = this.product()
      const amount = right.percent ? BigDecimal.multiply(left.number, right.number) : right.number
      const number = sign === 1 ? BigDecimal.sum(left.number, amount) : BigDecimal.subtract(left.number, amount)
      left = this.bounded(value(number, left.exact && right.exact))
    }
    this.depth--
    return left
  }

  private product(): Value {
    let left = this.unary()
    for (;;) {
      const at = this.position
      if (this.take("*") || this.take("×") || this.takeWord("of") || this.takeWord("x") || this.takeWord("times")) {
        const right = this.unary()
        left = this.bounded(value(BigDecimal.multiply(left.number, right.number), left.exact && right.exact))
      } else if (this.take("/") || this.take("÷")) left = this.divide(left, this.unary(), at)
      else if (this.take("%") || this.takeWord("mod")) {
        const right = this.unary()
        if (BigDecimal.isZero(right.number)) throw problem("DivisionByZero", at, "The remainder of a division by zero")
        left = value(BigDecimal.unsafeRemainder(left.number, right.number), left.exact && right.exact)
      } else return left
    }
  }

  private divide(left: Value, right: Value, at: number): Value {
    if (BigDecimal.isZero(right.number)) throw problem("DivisionByZero", at, "A division by zero")
    const quotient = roundTo(BigDecimal.unsafeDivide(left.number, right.number), carriedDigits)
    const ends = BigDecimal.equals(BigDecimal.multiply(quotient, right.number), left.number)
    return value(quotient, left.exact && right.exact && ends)
  }

  private unary(): Value {
    if (this.take("-") || this.take("−")) {
      const operand = this.unary()
      return { ...operand, number: BigDecimal.negate(operand.number) }
    }
    if (this.take("+")) return this.unary()
    return this.power()
  }

  private power(): Value {
    const base = this.percentage(this.primary())
    const at = this.position
    if (!this.take("^") && !this.take("**")) return base
    const exponent = this.unary()
    return this.raise(base, exponent, at)
  }

  private percentage(operand: Value): Value {
    this.skipSpace()
    if (this.text[this.position] !== "%") return operand
    const next = this.text.slice(this.position + 1).trimStart()
    if (/^[\d.(]/.test(next) || (/^[a-z]/i.test(next) && !/^of\b/i.test(next))) return operand
    this.position++
    return { number: BigDecimal.multiply(operand.number, BigDecimal.make(1n, 2)), exact: operand.exact, percent: true }
  }

  private raise(base: Value, exponent: Value, at: number): Value {
    const power = Number(formatDecimal(exponent.number))
    if (!Number.isInteger(power)) {
      return this.inexact(Math.pow(toNumber(base), power), at)
    }
    const digits = (BigDecimal.normalize(base.number).value.toString().length + 1) * Math.abs(power)
    if (digits > maxDigits * 2) throw problem("TooLarge", at, `The result has more than ${maxDigits} digits`)
    let number = BigDecimal.fromBigInt(1n)
    for (let i = 0; i < Math.abs(power); i++) number = BigDecimal.multiply(number, base.number)
    const result = this.bounded(value(number, base.exact && exponent.exact))
    return power < 0 ? this.divide(value(BigDecimal.fromBigInt(1n), true), result, at) : result
  }

  private primary(): Value {
    this.skipSpace()
    const at = this.position
    if (this.take("(")) {
      const inner = this.sum()
      this.expect(")")
      return { ...inner, percent: false }
    }
    const number = (this.calls === 0 ? groupedNumber : plainNumber).exec(this.text.slice(at))
    if (number !== null) {
      const parsed = Option.getOrUndefined(BigDecimal.fromString(cleanNumber(number[0])))
      if (parsed === undefined) throw this.unexpected()
      this.position += number[0].length
      return value(parsed, true)
    }
    const word = /^[a-z][a-z0-9]*/i.exec(this.text.slice(at))?.[0].toLowerCase()
    if (word === undefined) throw this.unexpected()
    this.position += word.length
    const constant = constants.get(word)
    if (constant !== undefined) return this.inexact(constant, at)
    if (!this.take("(")) {
      throw problem("Syntax", at, `"${word}" is no constant that is known, and no function is called`)
    }
    this.calls++
    const args = [this.sum()]
    while (this.take(",") || this.take(";")) args.push(this.sum())
    this.calls--
    this.expect(")")
    return this.call(word, args, at)
  }

  private call(name: string, args: ReadonlyArray<Value>, at: number): Value {
    const numbers = args.map(({ number }) => number)
    const exact = args.every((arg) => arg.exact)
    const first = numbers[0]!
    const places = numbers[1] === undefined ? 0 : Number(formatDecimal(numbers[1]))
    switch (name) {
      case "abs":
        return value(BigDecimal.abs(first), exact)
      case "min":
        return value(numbers.reduce((a, b) => BigDecimal.min(a, b)), exact)
      case "max":
        return value(numbers.reduce((a, b) => BigDecimal.max(a, b)), exact)
      case "sum":
        return this.bounded(value(numbers.reduce((a, b) => BigDecimal.sum(a, b)), exact))
      case "avg":
        return this.divide(
          value(numbers.reduce((a, b) => BigDecimal.sum(a, b)), exact),
          value(BigDecimal.fromBigInt(BigInt(numbers.length)), true),
          at
        )
      case "floor":
        return value(BigDecimal.floor(first), exact)
      case "ceil":
        return value(BigDecimal.ceil(first), exact)
      case "round":
        if (!Number.isInteger(places) || Math.abs(places) > 100) {
          throw problem("Domain", at, "Rounding to that many places")
        }
        return value(BigDecimal.round(first, { scale: places, mode: "half-from-zero" }), exact)
      case "sqrt": {
        const root = Math.sqrt(toNumber(args[0]!))
        const squares = Number.isSafeInteger(root) &&
          BigDecimal.equals(BigDecimal.fromBigInt(BigInt(root) ** 2n), first)
        return squares ? value(BigDecimal.fromBigInt(BigInt(root)), exact) : this.inexact(root, at)
      }
    }
    const fn = floatFunctions.get(name)
    if (fn === undefined) {
      const names = [
        "abs",
        "min",
        "max",
        "sum",
        "avg",
        "floor",
        "ceil",
        "round",
        "sqrt",
        ...floatFunctions.keys()
      ]
      throw problem("Syntax", at, `There is no function "${name}". Functions: ${names.join(", ")}`)
    }
    return this.inexact(fn(toNumber(args[0]!)), at)
  }

  private inexact(result: number, at: number): Value {
    if (!Number.isFinite(result)) throw problem("Domain", at, "The result is not a finite real number")
    return value(BigDecimal.unsafeFromString(result.toPrecision(shownDigits + 1)), false)
  }

  private bounded(result: Value): Value {
    if (BigDecimal.normalize(result.number).value.toString().length > maxDigits) {
      throw problem("TooLarge", this.position, `The result has more than ${maxDigits} digits`)
    }
    return result.exact ? result : { ...result, number: roundTo(result.number, carriedDigits) }
  }

  private skipSpace(): void {
    while (/\s/.test(this.text[this.position] ?? "")) this.position++
  }

  private take(sign: string): boolean {
    this.skipSpace()
    if (!this.text.startsWith(sign, this.position)) return false
    if (sign === "*" && this.text[this.position + 1] === "*") return false
    this.position += sign.length
    return true
  }

  private takeWord(word: string): boolean {
    this.skipSpace()
    const found = new RegExp(`^${word}(?![a-z0-9])`, "i").test(this.text.slice(this.position))
    if (found) this.position += word.length
    return found
  }

  private expect(sign: string): void {
    if (!this.take(sign)) throw this.unexpected(`, "${sign}" was expected`)
  }

  private unexpected(hint = ""): CalculationError {
    const found = this.text[this.position]
    return problem(
      "Syntax",
      this.position,
      found === undefined ? `The end is missing${hint}` : `"${found}" is not understood${hint}`
    )
  }
}

const plainNumber = /^(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?/i
const groupedNumber = /^(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?/i

const cleanNumber = (text: string) => {
  const plain = text.replaceAll(",", "").replace(/\.(?!\d)/, "")
  return plain.startsWith(".") ? `0${plain}` : plain
}

const roundTo = (number: BigDecimal.BigDecimal, digits: number) => {
  const { scale, value: all } = BigDecimal.normalize(number)
  const length = (all < 0n ? -all : all).toString().length
  return length <= digits ? number : BigDecimal.round(number, { scale: digits - (length - scale) })
}

const toNumber = ({ number }: Value) => Number(formatDecimal(number))

const floatFunctions: ReadonlyMap<string, (x: number) => number> = new Map([
  ["ln", Math.log],
  ["log", Math.log10],
  ["log2", Math.log2],
  ["exp", Math.exp],
  ["sin", Math.sin],
  ["cos", Math.cos],
  ["tan", Math.tan]
])
