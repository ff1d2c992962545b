/**
 * From what was said to what is stored: clean, check, chunk, classify, weigh.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Metadata } from "../Memory.ts"
import type { MemoryType, SaveInput } from "../Memory.ts"
import type { ClassifierRule } from "../MemoryClassifier.ts"
import { IngestionError } from "../MemoryVaultError.ts"
import type { PortableMemory } from "../Portable.ts"
import { askingShare, indexTerms } from "./analyzeText.ts"
import { extractFacts } from "./extractFacts.ts"
import type { Fact } from "./extractFacts.ts"
import { splitCode, splitText } from "./splitText.ts"
import { stripBlocks } from "./stripBlocks.ts"

/**
 * A memory that has no identifier yet.
 *
 * @since 0.1.0
 */
export interface Draft {
  readonly text: string
  readonly tokens: number
  readonly type: MemoryType
  readonly importance: number
  /** The share of the text that asks. */
  readonly asks: number
  readonly terms: ReadonlyMap<string, number>
  readonly sessionId: string | undefined
  readonly speaker: string | undefined
  readonly role: string | undefined
  readonly eventTime: DateTime.Utc | undefined
  readonly metadata: Metadata | undefined
  /** As stored. */
  readonly metadataJson: string | undefined
  readonly validFrom: DateTime.Utc | undefined
  readonly validTo: DateTime.Utc | undefined
  readonly facts: ReadonlyArray<Fact>
}

/**
 * @since 0.1.0
 */
export interface PrepareOptions {
  readonly maxTextLength: number
  readonly count: (text: string) => number
  readonly rules: ReadonlyArray<ClassifierRule>
  readonly redact: (text: string) => string
}

/**
 * The drafts of a save, and how many prompt blocks its text held.
 *
 * @since 0.1.0
 */
export interface Prepared {
  readonly drafts: ReadonlyArray<Draft>
  readonly blocks: number
}

const maxLabelLength = 512
const maxMetadataLength = 8_192
const maxNoteLength = 4_800
const loneSurrogates = /\p{Surrogate}/gu
// oxlint-disable-next-line no-control-regex -- controls are what is removed
const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g

/**
 * NFC, line feeds only, no controls, no half surrogates, at most one blank line in a row outside of code.
 *
 * @since 0.1.0
 */
const cleanText = (text: string): string => {
  const plain = text
    .replace(loneSurrogates, "\ufffd")
    .normalize("NFC")
    .replace(/\r\n?/g, "\n")
    .replace(controls, "")
    .trim()
  return splitCode(plain).map((part) => part.code ? part.text : part.text.replace(/\n{3,}/g, "\n\n")).join("")
}

const salience: ReadonlyArray<readonly [weight: number, pattern: RegExp]> = [
  [0.3, /(?<=[\p{Ll},] )\p{Lu}\p{L}+/u],
  [0.2, /\p{N}/u],
  [0.4, /\b(?:prefer|favou?rite|always|never|love|hate|like|want|need|allergic|important|remember)\w*/i],
  [0.1, /`|\b[a-z]+[A-Z]\w*|\b\w+\.(?:ts|js|py|rs|go|md|json)\b|https?:/]
]

/** Salience alone: names, numbers, wishes and technical terms. */
const weigh = (text: string): number =>
  Math.min(1, salience.reduce((sum, [weight, pattern]) => pattern.test(text) ? sum + weight : sum, 0))

const refuse = (reason: IngestionError["reason"], limit?: number) =>
  Either.left(new IngestionError(limit === undefined ? { reason } : { reason, limit }))

const encodeMetadata = Schema.encodeUnknownEither(Schema.parseJson(Metadata))

/**
 * @since 0.1.0
 */
export const checkLabels = (input: SaveInput): Either.Either<void, IngestionError> =>
  [input.sessionId, input.speaker, input.role, input.idempotencyKey].every((label) =>
      label === undefined || (label.length > 0 && label.length <= maxLabelLength && !label.includes("\0"))
    )
    ? Either.void
    : refuse("label", maxLabelLength)

const checkTime = (
  time: DateTime.DateTime.Input | undefined,
  reason: "event-time" | "validity"
): Either.Either<DateTime.Utc | undefined, IngestionError> =>
  time === undefined
    ? Either.right(undefined)
    : Option.match(DateTime.make(time), {
      onNone: () => refuse(reason),
      onSome: (valid) => Either.right(DateTime.toUtc(valid))
    })

/**
 * As stored.
 *
 * @since 0.1.0
 */
export const checkMetadata = (
  input: { readonly metadata?: Metadata | undefined }
): Either.Either<string | undefined, IngestionError> => {
  if (input.metadata === undefined) return Either.right(undefined)
  // Assigning this key would set a prototype and lose the value.
  if (Object.hasOwn(input.metadata, "__proto__")) return refuse("metadata", maxMetadataLength)
  const encoded = encodeMetadata(input.metadata)
  return Either.isRight(encoded) && encoded.right.length <= maxMetadataLength
    ? Either.right(encoded.right)
    : refuse("metadata", maxMetadataLength)
}

const wellFormed = (label: string | undefined): string | undefined => label?.replace(loneSurrogates, "\ufffd")

/**
 * The drafts of one save, in the order of its text.
 *
 * @since 0.1.0
 */
export const prepareMemory = (
  input: SaveInput,
  options: PrepareOptions
): Either.Either<Prepared, IngestionError> =>
  Either.gen(function*() {
    if (input.text.length > options.maxTextLength) return yield* refuse("too-long", options.maxTextLength)
    yield* checkLabels(input)
    const eventTime = yield* checkTime(input.eventTime, "event-time")
    const validFrom = (yield* checkTime(input.validFrom, "validity")) ?? eventTime
    const validTo = yield* checkTime(input.validTo, "validity")
    if (validFrom !== undefined && validTo !== undefined && DateTime.lessThanOrEqualTo(validTo, validFrom)) {
      return yield* refuse("validity")
    }
    const metadataJson = yield* checkMetadata(input)
    const stripped = stripBlocks(input.text)
    const text = cleanText(options.redact(cleanText(stripped.text)))
    if (text.length === 0) return stripped.blocks > 0 ? { drafts: [], blocks: stripped.blocks } : yield* refuse("empty")
    const speaker = wellFormed(input.speaker)
    const role = wellFormed(input.role)
    const drafts = splitText(text, options.count).map((chunk) => ({
      text: chunk.text,
      tokens: chunk.tokens,
      type: input.type ?? options.rules.find((rule) => rule.matches(chunk.text))?.type ?? "episodic",
      importance: weigh(chunk.text),
      asks: askingShare(chunk.text),
      terms: indexTerms(chunk.text, speaker),
      sessionId: wellFormed(input.sessionId),
      speaker,
      role,
      eventTime,
      metadata: input.metadata,
      metadataJson,
      validFrom,
      validTo,
      facts: extractFacts(chunk.text, { speaker, role })
    }))
    return { drafts, blocks: stripped.blocks }
  })

/**
 * The note of a key: its text cleaned as that of a memory, but whole.
 *
 * @since 0.1.0
 */
export const prepareNote = (
  input: { readonly key: string; readonly text: string; readonly sessionId?: string },
  options: PrepareOptions
): Either.Either<{ readonly key: string; readonly text: string }, IngestionError> =>
  Either.gen(function*() {
    if (input.text.length > maxNoteLength) return yield* refuse("too-long", maxNoteLength)
    yield* checkLabels({ text: "", speaker: input.key, sessionId: input.sessionId })
    const text = cleanText(options.redact(cleanText(stripBlocks(input.text).text)))
    return text.length === 0 ? yield* refuse("empty") : { key: input.key.replace(loneSurrogates, "\ufffd"), text }
  })

/**
 * The draft of a memory that was exported: its text stays as it is.
 *
 * @since 0.1.0
 */
export const draftAsIs = (
  memory: typeof PortableMemory.Type,
  { count }: PrepareOptions
): Either.Either<Draft, IngestionError> =>
  Either.map(checkMetadata(memory), (metadataJson) => ({
    text: memory.text,
    tokens: count(memory.text),
    type: memory.type,
    importance: weigh(memory.text),
    asks: askingShare(memory.text),
    terms: indexTerms(memory.text, memory.speaker),
    sessionId: memory.sessionId,
    speaker: memory.speaker,
    role: memory.role,
    eventTime: memory.eventTime === undefined ? undefined : DateTime.unsafeMake(memory.eventTime),
    metadata: memory.metadata,
    metadataJson,
    validFrom: DateTime.unsafeMake(memory.validFrom),
    validTo: memory.validTo === undefined ? undefined : DateTime.unsafeMake(memory.validTo),
    facts: extractFacts(memory.text, { speaker: memory.speaker, role: memory.role })
  }))
