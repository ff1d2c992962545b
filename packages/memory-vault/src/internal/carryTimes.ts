/**
 * Arguments and answers in a form that can be cloned to another thread: a `DateTime` travels as a `Date`, which no
 * answer holds by itself, and a `Duration` as its milliseconds.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

const isRecord = (u: unknown): u is Readonly<Record<string, unknown>> =>
  typeof u === "object" && u !== null && Object.getPrototypeOf(u) === Object.prototype

const mapValues = (value: unknown, change: (value: unknown) => unknown): unknown => {
  if (Array.isArray(value)) return value.map(change)
  return isRecord(value)
    ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, change(one)]))
    : value
}

/**
 * @since 0.1.0
 */
export const packTimes = (value: unknown): unknown => {
  if (DateTime.isDateTime(value)) return DateTime.toDateUtc(value)
  if (Duration.isDuration(value)) return Duration.toMillis(value)
  return mapValues(value, packTimes)
}

/**
 * @since 0.1.0
 */
export const unpackTimes = (value: unknown): unknown =>
  value instanceof Date ? DateTime.unsafeMake(value) : mapValues(value, unpackTimes)
