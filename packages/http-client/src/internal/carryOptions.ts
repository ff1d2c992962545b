import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"

const secret = "@sennit/http-client/secret"

const isRecord = (u: unknown): u is Readonly<Record<string, unknown>> =>
  typeof u === "object" && u !== null && Object.getPrototypeOf(u) === Object.prototype

const mapValues = (value: unknown, change: (value: unknown) => unknown): unknown => {
  if (Array.isArray(value)) return value.map(change)
  return isRecord(value)
    ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, change(one)]))
    : value
}

/**
 * Options in a form that can be cloned to another thread of this process: durations as milliseconds, secrets marked.
 *
 * @internal
 */
export const packOptions = (value: unknown): unknown => {
  if (Duration.isDuration(value)) return Duration.toMillis(value)
  if (Redacted.isRedacted(value)) return { [secret]: Redacted.value(value) }
  return mapValues(value, packOptions)
}

const unpack = (value: unknown): unknown =>
  isRecord(value) && secret in value ? Redacted.make(value[secret]) : mapValues(value, unpack)

/** Both threads run this package, so what one packs is what the other expects. */
const isOptions = <A extends object>(value: unknown): value is A => isRecord(value)

/** The options that were packed. @internal */
export const unpackOptions = <A extends object>(packed: unknown): A => {
  const options = unpack(packed)
  if (isOptions<A>(options)) return options
  throw new TypeError("options are an object")
}
