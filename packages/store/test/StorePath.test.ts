import { describe, expect, it } from "@effect/vitest"
import { StorePath } from "@sennit/store"
import { Array as Arr, Either, FastCheck as fc, Order, Schema } from "effect"

const reasonOf = (path: string) =>
  Either.match(StorePath.parse(path), { onLeft: ({ reason }) => reason, onRight: () => "none" })

const ok = (path: string) => Either.getOrThrow(StorePath.parse(path))

/** Any text, with the characters that mean something made likely. */
const anyPath = fc.array(
  fc.oneof(
    fc.constantFrom("/", "\\", ".", "..", ".~", "\0", "\ud800", "é", "e\u0301", "a", "%2e", " ", "\u{1f600}"),
    fc.string({ unit: "binary", maxLength: 4 })
  ),
  { maxLength: 12 }
).map((parts) => parts.join(""))

describe("Key", () => {
  it("brings a path to canonical form", () => {
    expect(ok("/a//b/./c\\d/")).toBe("a/b/c/d")
    expect(ok("a..b/...")).toBe("a..b/...")
    expect(ok("%2e%2e/c:d")).toBe("%2e%2e/c:d")
    expect(ok("~a/.b~")).toBe("~a/.b~")
  })

  it("refuses with the reason", () => {
    expect(["", ".", "/", "\\", "./."].map(reasonOf)).toEqual(Array.from({ length: 5 }, () => "Root"))
    expect(["..", "a/..", "a\\..\\b"].map(reasonOf)).toEqual(Array.from({ length: 3 }, () => "ParentSegment"))
    expect(reasonOf("a\0")).toBe("NulByte")
    expect(["\ud800", "a\udc00b", "\udc00\ud800"].map(reasonOf)).toEqual(
      Array.from({ length: 3 }, () => "LoneSurrogate")
    )
    expect([".~", "a/.~b/c"].map(reasonOf)).toEqual(Array.from({ length: 2 }, () => "ReservedPrefix"))
  })

  it("counts bytes of UTF-8, not characters", () => {
    expect([reasonOf("é".repeat(127)), reasonOf("é".repeat(128))]).toEqual(["none", "SegmentTooLong"])
    expect([reasonOf("x".repeat(255)), reasonOf("x".repeat(256))]).toEqual(["none", "SegmentTooLong"])
    const long = `${"\u{1f600}".repeat(63)}/`.repeat(4) // 4 * 253 = 1012 bytes
    expect([reasonOf(`${long}${"x".repeat(12)}`), reasonOf(`${long}${"x".repeat(13)}`)]).toEqual([
      "none",
      "PathTooLong"
    ])
  })

  it.prop("what is parsed is canonical, safe and parses to itself", [anyPath], ([path]) => {
    const parsed = StorePath.parse(path)
    if (Either.isLeft(parsed)) return !StorePath.isKey(path)
    const key = parsed.right
    const segments = key.split("/")
    return StorePath.isKey(key) &&
      Either.getOrThrow(StorePath.parse(key)) === key &&
      segments.every((segment) => segment !== "" && segment !== "." && segment !== ".." && !segment.startsWith(".~")) &&
      Buffer.from(key, "utf8").toString("utf8") === key &&
      Buffer.byteLength(key) <= 1024 &&
      segments.every((segment) => Buffer.byteLength(segment) <= 255)
  })

  it.prop("parent and name are the inverse of join", [anyPath], ([path]) => {
    const parsed = StorePath.parse(path)
    if (Either.isLeft(parsed)) return true
    const key = parsed.right
    const joined = StorePath.join(StorePath.parent(key), ok(StorePath.name(key)))
    return Either.getOrThrow(joined) === key && key.endsWith(StorePath.suffix(key)) &&
      StorePath.segments(StorePath.parent(key)).length === key.split("/").length - 1
  })

  it.prop(
    "compare is the order of the UTF-8 bytes",
    [fc.fullUnicodeString(), fc.fullUnicodeString()],
    ([a, b]) => StorePath.compare(a, b) === Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))
  )

  it("compares U+FF5E before U+1F600, as UTF-8 does and UTF-16 does not", () => {
    expect(StorePath.compare("\u{ff5e}", "\u{1f600}")).toBe(-1)
    expect(Arr.sort(["\u{ff5e}", "\u{1f600}"], Order.string)).toEqual(["\u{1f600}", "\u{ff5e}"])
  })

  it("join refuses what is too long in all", () => {
    const half = ok(`${"x".repeat(200)}/`.repeat(3))
    expect(Either.isLeft(StorePath.join(half, half))).toBe(true)
    expect(StorePath.join(StorePath.root, half)).toEqual(Either.right(half))
  })

  it("names the suffix", () => {
    expect(["a/b.tar.gz", "a.b/c", ".profile", "a."].map((path) => StorePath.suffix(ok(path)))).toEqual([
      ".gz",
      "",
      "",
      ""
    ])
  })

  it("decodes as a schema and says why not", () => {
    expect(Schema.decodeEither(StorePath.KeyFromString)("a//b")).toEqual(Either.right("a/b"))
    expect(String(Either.getLeft(Schema.decodeEither(StorePath.KeyFromString)("a/../b")))).toContain(
      "a segment is `..`"
    )
  })
})
