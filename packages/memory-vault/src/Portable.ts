/**
 * The form in which a scope travels: JSON lines, the first names the format, the last says how many came before it, so
 * that a cut file is noticed. Validity is not written: it follows from the memories.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemoryId, MemoryType, Metadata } from "./Memory.ts"

const Count = Schema.Int.pipe(Schema.nonNegative())
/** Epoch milliseconds. */
const Millis = Schema.Int.pipe(Schema.between(-8_640_000_000_000_000, 8_640_000_000_000_000))
const Text = Schema.NonEmptyString.pipe(Schema.maxLength(262_144))
const Label = Schema.NonEmptyString.pipe(
  Schema.maxLength(512),
  Schema.filter((label) => !label.includes("\0"), { identifier: "Label" })
)
const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/**
 * The first line.
 *
 * @since 0.1.0
 * @category models
 */
export const Header = Schema.Struct({
  kind: Schema.Literal("header"),
  format: Schema.Literal("sennit-memory-vault"),
  version: Schema.Int
})

/**
 * The version that this package writes, and the only one so far.
 *
 * @since 0.1.0
 * @category models
 */
export const formatVersion = 1

/**
 * What a memory said before its present version.
 *
 * @since 0.1.0
 * @category models
 */
export const PortableRevision = Schema.Struct({
  version: Schema.Int.pipe(Schema.positive()),
  recordedAt: Millis,
  text: Text,
  type: MemoryType,
  validFrom: Millis,
  eventTime: optional(Millis),
  metadata: optional(Metadata)
})

/**
 * @since 0.1.0
 * @category models
 */
export const PortableMemory = Schema.Struct({
  kind: Schema.Literal("memory"),
  id: MemoryId,
  type: MemoryType,
  text: Text,
  occurrences: Schema.Int.pipe(Schema.positive()),
  /** Memories of one save share it. */
  source: Label,
  sessionId: optional(Label),
  speaker: optional(Label),
  role: optional(Label),
  eventTime: optional(Millis),
  metadata: optional(Metadata),
  createdAt: Millis,
  updatedAt: Millis,
  version: Schema.Int.pipe(Schema.positive()),
  validFrom: Millis,
  /** As the saver stated it. */
  validTo: optional(Millis),
  revisions: Schema.Array(PortableRevision)
})

/**
 * @since 0.1.0
 * @category models
 */
export const PortableProcedure = Schema.Struct({
  kind: Schema.Literal("procedure"),
  key: Label,
  text: Text,
  version: Schema.Int.pipe(Schema.positive()),
  createdAt: Millis,
  updatedAt: Millis
})

/**
 * The last line.
 *
 * @since 0.1.0
 * @category models
 */
export const Footer = Schema.Struct({ kind: Schema.Literal("end"), memories: Count, procedures: Count })

/**
 * Any line.
 *
 * @since 0.1.0
 * @category models
 */
export const PortableRecord = Schema.Union(Header, PortableMemory, PortableProcedure, Footer)

/**
 * @since 0.1.0
 * @category models
 */
export type PortableRecord = typeof PortableRecord.Type
