/**
 * The names of objects. A key is a canonical, relative, `/`-separated path:
 *
 * - `\` is read as `/`, runs of `/` are one, `.` segments and a leading or trailing `/` vanish. A key typed on
 *   Windows therefore means the same everywhere; a file whose name holds a `\` cannot be addressed.
 * - A `..` segment, a NUL, a lone surrogate, more than 1024 bytes of UTF-8 (the limit of S3), a segment of more
 *   than 255 bytes (the limit of most file systems) and a segment that starts with `.~` are refused.
 * - Everything else is kept as it is: `é` in NFC and in NFD are two keys, `%2e` is not decoded.
 *
 * @since 0.1.0
 */
import * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { InvalidPath } from "./StoreError.ts"
import type { InvalidPathReason } from "./StoreError.ts"

/**
 * The name of an object, in canonical form and never empty.
 *
 * @since 0.1.0
 * @category models
 */
export type Key = string & Brand.Brand<"@sennit/store/Key">

/**
 * The name of a folder: a key, or the root.
 *
 * @since 0.1.0
 * @category models
 */
export type Prefix = Key | Root

/**
 * The empty prefix: the folder that holds the whole store.
 *
 * @since 0.1.0
 * @category models
 */
export type Root = "" & Brand.Brand<"@sennit/store/Root">

/**
 * Names of unfinished writes start with this; no key has such a segment.
 *
 * @since 0.1.0
 * @category constants
 */
export const reservedPrefix = ".~"

/**
 * The greatest length of a key in bytes of UTF-8.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxBytes = 1024

/**
 * The greatest length of one segment of a key in bytes of UTF-8.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxSegmentBytes = 255

const isRoot = (text: string): text is Root => text === ""

const asKey = Brand.nominal<Key>()

/** Short and plain, with nothing in it that any rule is about. Most keys are. */
const isPlain = (canonical: string): boolean =>
  canonical.length <= maxSegmentBytes && !/[^\x20-\x7e]|\.[.~]/.test(canonical)

const reasonAgainst = (canonical: string): InvalidPathReason | undefined => {
  if (isPlain(canonical)) return undefined
  if (canonical.includes("\0")) return "NulByte"
  if (!isWellFormed(canonical)) return "LoneSurrogate"
  const segments = canonical.split("/")
  if (segments.includes("..")) return "ParentSegment"
  if (segments.some((segment) => segment.startsWith(reservedPrefix))) return "ReservedPrefix"
  if (segments.some((segment) => exceeds(segment, maxSegmentBytes))) return "SegmentTooLong"
  return exceeds(canonical, maxBytes) ? "PathTooLong" : undefined
}

const isCanonicalKey = (text: string): text is Key =>
  text !== "" && canonicalize(text) === text && reasonAgainst(text) === undefined

const isWellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text)

/** UTF-8 never has fewer bytes than UTF-16 has units, nor more than three for each. */
const exceeds = (text: string, bytes: number): boolean =>
  text.length > bytes || (text.length * 3 > bytes && new TextEncoder().encode(text).length > bytes)

const canonicalize = (input: string): string => {
  if (!/[\\.]|\/\/|^\/|\/$/.test(input)) return input
  return input.split(/[\\/]/).filter((segment) => segment !== "" && segment !== ".").join("/")
}

/**
 * Whether a text is a key already, that is in canonical form.
 *
 * @since 0.1.0
 * @category guards
 */
export const isKey = (input: unknown): input is Key => typeof input === "string" && isCanonicalKey(input)

/**
 * Reads a path as the name of a folder; `""`, `"."` and `"/"` are the root.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parsePrefix = (input: string): Either.Either<Prefix, InvalidPath> => {
  const canonical = canonicalize(input)
  if (isRoot(canonical)) return Either.right(canonical)
  const reason = reasonAgainst(canonical)
  return reason === undefined
    ? Either.right(asKey(canonical))
    : Either.left(new InvalidPath({ path: input, reason }))
}

/**
 * Reads a path as the name of an object.
 *
 * @example
 * ```ts
 * import { StorePath } from "@sennit/store"
 * import { Either } from "effect"
 *
 * Either.getOrThrow(StorePath.parse("a//b/./c\\d")) // "a/b/c/d"
 * Either.isLeft(StorePath.parse("a/../b")) // true
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (input: string): Either.Either<Key, InvalidPath> =>
  Either.flatMap(
    parsePrefix(input),
    (prefix) => isRoot(prefix) ? Either.left(new InvalidPath({ path: input, reason: "Root" })) : Either.right(prefix)
  )

/**
 * The root of a store.
 *
 * @since 0.1.0
 * @category constructors
 */
export const root: Root = Brand.nominal<Root>()("")

/**
 * Puts a key under a prefix. Fails when the whole would be too long.
 *
 * @since 0.1.0
 * @category combinators
 */
export const join = (prefix: Prefix, path: Key): Either.Either<Key, InvalidPath> => {
  if (isRoot(prefix)) return Either.right(path)
  const joined = `${prefix}/${path}`
  return exceeds(joined, maxBytes)
    ? Either.left(new InvalidPath({ path: joined, reason: "PathTooLong" }))
    : Either.right(asKey(joined))
}

/**
 * The folder that a key is in.
 *
 * @since 0.1.0
 * @category getters
 */
export const parent = (key: Key): Prefix => {
  const slash = key.lastIndexOf("/")
  return slash === -1 ? root : asKey(key.slice(0, slash))
}

/**
 * The last segment of a key.
 *
 * @since 0.1.0
 * @category getters
 */
export const name = (key: Key): string => key.slice(key.lastIndexOf("/") + 1)

/**
 * The last segment's suffix with its dot, or `""`: `.gz` of `a.tar.gz`, nothing of `.profile`.
 *
 * @since 0.1.0
 * @category getters
 */
export const suffix = (key: Key): string => {
  const last = name(key)
  const dot = last.lastIndexOf(".")
  return dot > 0 && dot < last.length - 1 ? last.slice(dot) : ""
}

/**
 * The segments of a key or prefix; none for the root.
 *
 * @since 0.1.0
 * @category getters
 */
export const segments = (prefix: Prefix): ReadonlyArray<string> => (isRoot(prefix) ? [] : prefix.split("/"))

/** UTF-16 puts surrogates below U+E000; moved above, units compare as their UTF-8 bytes do. */
const weight = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)

/**
 * Compares two texts by their UTF-8 bytes, the order of every listing: U+FF5E comes before U+1F600.
 *
 * @since 0.1.0
 * @category ordering
 */
export const compare = (self: string, that: string): -1 | 0 | 1 => {
  if (self === that) return 0
  const shared = Math.min(self.length, that.length)
  for (let i = 0; i < shared; i++) {
    const a = self.charCodeAt(i)
    const b = that.charCodeAt(i)
    if (a !== b) return weight(a) < weight(b) ? -1 : 1
  }
  return self.length < that.length ? -1 : 1
}

/**
 * A key as a schema: decodes any valid path to its canonical form.
 *
 * @since 0.1.0
 * @category schemas
 */
export const KeyFromString: Schema.Schema<Key, string> = Schema.transformOrFail(
  Schema.String,
  Schema.declare(isKey, { identifier: "Key" }),
  {
    strict: true,
    decode: (text, _, ast) => Either.mapLeft(parse(text), (error) => new ParseResult.Type(ast, text, error.message)),
    encode: (key) => ParseResult.succeed(key)
  }
)
