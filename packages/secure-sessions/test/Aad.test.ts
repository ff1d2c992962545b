import { describe, expect, it } from "@effect/vitest"
import { Aad } from "@sennit/secure-sessions"
import { FastCheck as fc } from "effect"

const hex = (fields: ReadonlyArray<Aad.Field>) => Buffer.from(Aad.encode(fields)).toString("hex")

const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc.array(fc.constantFrom("|", "\0", "\u001f", "\u202e", "a", "\ud800", "\udc00", "\u0301", "🔑")).map((all) =>
    all.join("")
  )
)

/** The encoding read back by the rules of envelope-spec.md, without our code. */
const parse = (bytes: Buffer) => {
  const count = Number(bytes.readBigUInt64LE(0))
  const fields: Array<string> = []
  let at = 8
  for (let index = 0; index < count; index++) {
    const length = Number(bytes.readBigUInt64LE(at))
    fields.push(bytes.toString("hex", at + 8, at + 8 + length))
    at += 8 + length
  }
  return { fields, rest: bytes.length - at }
}

const codeUnits = (value: string) =>
  Array.from({ length: value.length }, (_, index) => {
    const unit = value.charCodeAt(index)
    return Buffer.from([unit & 0xff, unit >> 8]).toString("hex")
  }).join("")

describe("Aad", () => {
  it.prop(
    "every list of fields can be read back, so no two share an encoding",
    [fc.array(text, { maxLength: 8 })],
    ([fields]) => {
      const { fields: read, rest } = parse(Buffer.from(Aad.encode(fields)))
      expect(rest).toBe(0)
      expect(read).toEqual(fields.map(codeUnits))
    }
  )

  it.prop("different lists have different encodings", [fc.array(text), fc.array(text)], ([left, right]) => {
    expect(hex(left) === hex(right)).toBe(
      left.length === right.length && left.every((field, at) => field === right[at])
    )
  })

  it("a border between fields cannot move", () => {
    expect(hex(["a", "bc"])).not.toBe(hex(["ab", "c"]))
    expect(hex(["", "a"])).not.toBe(hex(["a", ""]))
    expect(hex(["a"])).not.toBe(hex(["a", ""]))
    expect(hex([])).not.toBe(hex([""]))
  })

  it.prop("numbers are unsigned 64-bit little-endian", [fc.maxSafeNat()], ([value]) => {
    const expected = Buffer.alloc(8)
    expected.writeBigUInt64LE(BigInt(value))
    expect(parse(Buffer.from(Aad.encode([value]))).fields).toEqual([expected.toString("hex")])
  })

  it.prop(
    "each part of a place counts",
    [
      fc.record({ session: text, table: text, column: text, id: text, sequence: fc.maxSafeNat() }),
      text,
      text,
      fc.nat(6)
    ],
    ([place, appName, user, changed]) => {
      const header = new Uint8Array(21)
      const other = {
        session: place.session + (changed === 0 ? "x" : ""),
        table: place.table + (changed === 1 ? "x" : ""),
        column: place.column + (changed === 2 ? "x" : ""),
        id: place.id + (changed === 3 ? "x" : ""),
        sequence: changed === 4 ? (place.sequence === 0 ? 1 : place.sequence - 1) : place.sequence
      }
      const scope = { app: appName, user }
      const otherScope = { app: appName + (changed === 5 ? "x" : ""), user: user + (changed === 6 ? "x" : "") }
      expect(Buffer.from(Aad.ofPlace(header, scope, place)).equals(Aad.ofPlace(header, otherScope, other))).toBe(false)
    }
  )
})
