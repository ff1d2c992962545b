// @effect-diagnostics schemaSync:off values are packed where messages are posted, outside of any fiber
/** What a store takes and answers, in a form that can be cloned to another thread of this process. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { StoreError, SyncError } from "../StoreError.ts"

const mark = "@sennit/store/carried"

const AnyError = Schema.Union(StoreError, SyncError)
const isAnyError = Schema.is(AnyError)
const encodeError = Schema.encodeSync(AnyError)
const decodeError = Schema.decodeUnknownSync(AnyError)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

const mapRecord = (record: Readonly<Record<string, unknown>>, change: (value: unknown) => unknown) =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))

const carried = (kind: string, value: unknown) => ({ [mark]: kind, value })

/** @internal What is none of these goes as it is: the channel refuses what it cannot clone. */
export const pack = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  // The clone of a view is the clone of all that it looks at.
  if (value instanceof Uint8Array) return value.length === value.buffer.byteLength ? value : value.slice()
  if (Array.isArray(value)) return value.map(pack)
  if (isRecord(value)) return mark in value ? carried("Record", Object.entries(value)) : mapRecord(value, pack)
  if (Option.isOption(value)) return carried("Option", Option.toArray(value).map(pack))
  if (DateTime.isDateTime(value)) return carried("Utc", DateTime.toEpochMillis(value))
  if (Redacted.isRedacted(value)) return carried("Redacted", Redacted.value(value))
  if (Duration.isDuration(value)) return Duration.toMillis(value)
  if (value instanceof URL) return value.href
  return isAnyError(value) ? carried("Error", encodeError(value)) : value
}

/** @internal */
export const unpack = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(unpack)
  if (!isRecord(value)) return value
  return mark in value ? unpackCarried(value[mark], value["value"]) : mapRecord(value, unpack)
}

const unpackCarried = (kind: unknown, value: unknown): unknown => {
  if (kind === "Utc" && typeof value === "number") return DateTime.unsafeMake(value)
  if (kind === "Redacted") return Redacted.make(value)
  if (kind === "Error") return decodeError(value)
  if (!Array.isArray(value)) throw new TypeError("what was carried is of no known kind")
  return kind === "Option" ? Option.map(Option.fromIterable(value), unpack) : Object.fromEntries(value)
}
