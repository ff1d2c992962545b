// @effect-diagnostics preferSchemaOverJson:off globalDate:off - JSON itself is the oracle, and a Date is a value to refuse
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import type { Aad } from "@sennit/secure-sessions"
import { Encryption, SecureSessions } from "@sennit/secure-sessions"
import { Effect, FastCheck as fc, Schema } from "effect"
import { using } from "./support.ts"

const memory = using(SecureSessions.layerMemory)
const owner: Aad.KeyScope = { app: "desk", user: "ada" }
const place: Aad.Place = { session: "s", table: "t", column: "c", id: "i", sequence: 1 }

/** The reason with which an envelope does not open. */
const refusal = (bytes: Uint8Array, scope = owner, at = place) =>
  Effect.gen(function*() {
    const encryption = yield* Encryption.Encryption
    const error = yield* Effect.flip(encryption.open(scope, at, bytes))
    return error._tag === "DecryptionError" ? error.reason : error._tag
  })

const sealed = (plaintext: Uint8Array, scope = owner, at = place) =>
  Effect.flatMap(Encryption.Encryption, (encryption) => encryption.seal(scope, at, plaintext))

const Exact = Schema.Unknown

/** What becomes of a value that is sealed and opened as JSON. */
const roundTrip = (value: unknown) =>
  Effect.gen(function*() {
    const encryption = yield* Encryption.Encryption
    const envelope = yield* encryption.sealJson(Exact)(owner, place, value)
    return yield* encryption.openJson(Exact)(owner, place, envelope)
  })

describe("Encryption", () => {
  it.scoped("every flipped bit of a 200-byte envelope is refused", () =>
    memory(Effect.gen(function*() {
      const envelope = yield* sealed(new Uint8Array(151).fill(65))
      expect(envelope.length).toBe(200)
      const reasons = new Map<string, number>()
      for (let bit = 0; bit < 1600; bit++) {
        const flipped = Uint8Array.from(envelope)
        flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7))
        const reason = yield* refusal(flipped)
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
      }
      // By the layout: 2 bytes of magic, version, suite, flags, 16 of key id, the rest is authenticated. One bit makes
      // suite 2 to suite 3, which is registered and does not open it.
      expect(Object.fromEntries(reasons)).toEqual({
        PlaintextRefused: 16,
        UnsupportedVersion: 8,
        UnsupportedSuite: 7,
        MalformedEnvelope: 8,
        KeyNotFound: 128,
        AuthenticationFailed: 1600 - 167
      })
    })))

  it.scoped("an envelope that is cut at any length is refused", () =>
    memory(Effect.gen(function*() {
      const envelope = yield* sealed(new Uint8Array(151))
      for (let length = 0; length < envelope.length; length++) {
        const expected = length < 49 ? "MalformedEnvelope" : "AuthenticationFailed"
        expect({ length, reason: yield* refusal(envelope.subarray(0, length)) }).toEqual({ length, reason: expected })
        // Without its beginning: any DecryptionError will do, and `refusal` fails on a plaintext.
        yield* refusal(envelope.subarray(envelope.length - length))
      }
      expect(yield* refusal(Buffer.concat([envelope, Uint8Array.of(0)]))).toBe("AuthenticationFailed")
    })))

  it.scoped("an envelope opens at its place alone", () =>
    memory(Effect.gen(function*() {
      const envelope = yield* sealed(Buffer.from("here"))
      const moves: ReadonlyArray<readonly [Aad.KeyScope, Aad.Place]> = [
        [owner, { ...place, session: "other" }],
        [owner, { ...place, table: "other" }],
        [owner, { ...place, column: "other" }],
        [owner, { ...place, id: "other" }],
        [owner, { ...place, sequence: 2 }],
        [owner, { ...place, session: place.table, table: "s" }]
      ]
      for (const [scope, at] of moves) expect(yield* refusal(envelope, scope, at)).toBe("AuthenticationFailed")
      // Owners without and with a key of their own.
      for (const scope of [{ ...owner, user: "eve" }, { ...owner, app: "other" }, { app: "ada", user: "desk" }]) {
        expect(yield* refusal(envelope, scope)).toBe("KeyNotFound")
        yield* sealed(Buffer.from("mine"), scope)
        expect(yield* refusal(envelope, scope)).toBe("KeyNotFound")
      }
    })))

  it.scoped("plaintext, junk and nothing are refused", () =>
    memory(Effect.gen(function*() {
      yield* sealed(Buffer.from("a key exists"))
      expect(yield* refusal(new Uint8Array(0))).toBe("MalformedEnvelope")
      for (const junk of ["{\"a\":1}", "[]", "null", "gAAAAABm", "\0\0\0\0", "^", "^U"]) {
        const expected = junk.startsWith("^") ? "MalformedEnvelope" : "PlaintextRefused"
        expect({ junk, reason: yield* refusal(Buffer.from(junk)) }).toEqual({ junk, reason: expected })
      }
      const encryption = yield* Encryption.Encryption
      for (
        const [cell, expected] of [[null, "MalformedEnvelope"], [7, "MalformedEnvelope"], ["{}", "PlaintextRefused"]]
      ) {
        const error = yield* Effect.flip(encryption.openAll(owner, [{ place, envelope: cell }]))
        expect(error).toMatchObject({ _tag: "DecryptionError", reason: expected })
      }
    })))

  it.scoped("many records seal and open in order, none alike", () =>
    memory(Effect.gen(function*() {
      const encryption = yield* Encryption.Encryption
      const records = Array.from(
        { length: 300 },
        (_, sequence) => ({ place: { ...place, sequence }, plaintext: Buffer.from("x") })
      )
      const envelopes = yield* encryption.sealAll(owner, records)
      expect(new Set(envelopes.map((envelope) => Buffer.from(envelope).toString("hex", 21, 33))).size).toBe(300)
      const openings = records.map((record, at) => ({ place: record.place, envelope: envelopes[at] }))
      expect((yield* encryption.openAll(owner, openings)).map(String)).toEqual(records.map(() => "x"))
      expect(yield* encryption.openAll({ app: "no", user: "body" }, [])).toEqual([])
    })))

  it.scoped("records open together whatever part of their places differs, and none in place of its neighbour", () =>
    memory(Effect.gen(function*() {
      const encryption = yield* Encryption.Encryption
      const places = ["s", undefined].flatMap((session) =>
        ["t", "u"].flatMap((table) =>
          ["", "a", "b", "ab", "c".repeat(64), "d".repeat(65), "e".repeat(65), undefined].flatMap((id) =>
            [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER].map((sequence) => ({ session, table, column: "c", id, sequence }))
          )
        )
      )
      const records = places.map((its, at) => ({ place: its, plaintext: Buffer.from(String(at)) }))
      const envelopes = yield* encryption.sealAll(owner, records)
      const openings = places.map((its, at) => ({ place: its, envelope: envelopes[at] }))
      expect((yield* encryption.openAll(owner, openings)).map(String)).toEqual(places.map((_, at) => String(at)))
      for (const at of [1, 2, 3, 4, 60, 127]) {
        const swapped = openings.with(at, { place: places[at]!, envelope: envelopes[at - 1] })
        const error = yield* Effect.flip(encryption.openAll(owner, swapped))
        expect(error).toMatchObject({ _tag: "DecryptionError", reason: "AuthenticationFailed" })
      }
    })))

  it.scoped.prop(
    "any bytes come back as they were",
    { plaintext: fc.uint8Array({ maxLength: 2000 }) },
    ({ plaintext }) =>
      memory(Effect.gen(function*() {
        const encryption = yield* Encryption.Encryption
        const envelope = yield* encryption.seal(owner, place, plaintext)
        expect(Buffer.from(yield* encryption.open(owner, place, envelope)).equals(plaintext)).toBe(true)
      })),
    { fastCheck: { numRuns: 20 } }
  )

  it.scoped("equal names have equal fingerprints within a domain, and different ones elsewhere", () =>
    memory(Effect.gen(function*() {
      const { fingerprint } = yield* Encryption.Encryption
      const of = (scope: Aad.KeyScope, domain: string, name: string) =>
        Effect.map(fingerprint(scope, domain, [name]), ([bytes]) => Buffer.from(bytes!).toString("hex"))
      const first = yield* of(owner, "d", "name")
      expect(first).toMatch(/^[0-9a-f]{32}$/)
      expect(yield* of(owner, "d", "name")).toBe(first)
      expect(
        new Set([
          first,
          yield* of(owner, "d", "name2"),
          yield* of(owner, "dn", "ame"),
          yield* of({ ...owner, user: "eve" }, "d", "name")
        ]).size
      ).toBe(4)
    })))

  it.scoped("a record larger than 64 MiB is refused, one of 32 MiB is not", () =>
    memory(Effect.gen(function*() {
      const error = yield* Effect.flip(sealed(new Uint8Array(64 * 1024 * 1024 + 1)))
      expect(error).toMatchObject({ _tag: "EncryptionError", reason: "TooLarge" })
      const text = "ä".repeat(16 * 1024 * 1024)
      expect((yield* roundTrip(text)) === text).toBe(true)
    })))
})

describe("JSON", () => {
  const json = fc.json({ maxDepth: 5 }).map((text): unknown => JSON.parse(text)).filter((value) =>
    !Object.is(value, -0)
  )

  it.scoped.prop(
    "what JSON carries exactly comes back exactly",
    { value: json },
    ({ value }) =>
      memory(Effect.gen(function*() {
        const expected = JSON.stringify(value)
        // fc.json may hold -0 inside; JSON.stringify writes it as 0, and we refuse it.
        const result = yield* Effect.either(roundTrip(value))
        if (result._tag === "Right") expect(JSON.stringify(result.right)).toBe(expected)
        else expect(hasNegativeZero(value)).toBe(true)
      })),
    { fastCheck: { numRuns: 100 } }
  )

  const cycle: Array<unknown> = []
  cycle.push({ cycle })
  let deep: unknown = 0
  for (let level = 0; level < 100_000; level++) deep = [deep]
  const holes: Array<unknown> = []
  holes.length = 2
  class Point {
    readonly x = 1
  }
  const refused: ReadonlyArray<readonly [string, unknown, string]> = [
    ["NaN", Number.NaN, "NotJson"],
    ["Infinity", -Infinity, "NotJson"],
    ["-0", -0, "NotJson"],
    ["BigInt", 1n, "NotJson"],
    ["undefined", undefined, "NotJson"],
    ["undefined in an object", { a: undefined }, "NotJson"],
    ["undefined in an array", [undefined], "NotJson"],
    ["function", () => 1, "NotJson"],
    ["symbol", Symbol("s"), "NotJson"],
    ["symbol key", { [Symbol("s")]: 1 }, "NotJson"],
    ["class instance", new Point(), "NotJson"],
    ["date", new Date(0), "NotJson"],
    ["map", new Map([["a", 1]]), "NotJson"],
    ["bytes", new Uint8Array(3), "NotJson"],
    ["array with holes", holes, "NotJson"],
    ["array with a name", Object.assign([1], { name: 2 }), "NotJson"],
    ["lone surrogate", "a\ud800b", "NotJson"],
    ["lone surrogate in a key", { "\udc00": 1 }, "NotJson"],
    ["cycle", cycle, "TooDeep"],
    ["nested 100,000 deep", deep, "TooDeep"]
  ]

  it.scoped.each(refused.map(([name, value, reason]) => ({ name, value, reason })))(
    "$name is refused",
    ({ reason, value }) =>
      memory(Effect.gen(function*() {
        expect(yield* Effect.flip(Effect.asVoid(roundTrip(value)))).toMatchObject({
          _tag: "SerializationError",
          reason
        })
      }))
  )

  it.scoped("the error says where, by position and never by name", () =>
    memory(Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.asVoid(roundTrip({ a: 1, secretName: [0, { b: Number.NaN }] })))
      expect(error).toMatchObject({ path: [1, 1, 0] })
      expect(String(error)).not.toContain("secretName")
    })))

  it.scoped("names of the object machinery are names, not prototypes", () =>
    memory(Effect.gen(function*() {
      const value: unknown = JSON.parse(
        "{\"__proto__\":{\"polluted\":1},\"constructor\":{\"prototype\":2},\"toString\":3}"
      )
      const result = yield* roundTrip(value)
      expect(JSON.stringify(result)).toBe(JSON.stringify(value))
      expect(Object.getPrototypeOf(result)).toBe(Object.prototype)
      expect(Reflect.get({}, "polluted")).toBeUndefined()
    })))

  it.scoped("a schema that does not fit, both ways", () =>
    memory(Effect.gen(function*() {
      const encryption = yield* Encryption.Encryption
      const envelope = yield* encryption.sealJson(Schema.NumberFromString)(owner, place, 12)
      expect(yield* encryption.openJson(Schema.String)(owner, place, envelope)).toBe("12")
      const wrong = yield* Effect.flip(encryption.openJson(Schema.Struct({ a: Schema.String }))(owner, place, envelope))
      expect(wrong).toMatchObject({ _tag: "SerializationError", reason: "SchemaMismatch" })
      const bytes = yield* encryption.seal(owner, place, Buffer.from("not json"))
      const malformed = yield* Effect.flip(encryption.openJson(Schema.String)(owner, place, bytes))
      expect(malformed).toMatchObject({ _tag: "SerializationError", reason: "Malformed" })
    })))
})

const hasNegativeZero = (value: unknown): boolean =>
  Object.is(value, -0) || (typeof value === "object" && value !== null && Object.values(value).some(hasNegativeZero))

describe("Encryption inside somebody's transaction", () => {
  it.scoped("a key that is rolled back is not used afterwards", () =>
    memory(Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const encryption = yield* Encryption.Encryption
      const lost = { app: "desk", user: "rolled back" }
      const inside = Effect.zipRight(encryption.seal(lost, place, Buffer.from("gone")), Effect.fail("roll back"))
      expect(yield* Effect.flip(sql.withTransaction(inside))).toBe("roll back")
      const kept = yield* encryption.seal(lost, place, Buffer.from("kept"))
      const rows = yield* sql<{ kid: Uint8Array }>`SELECT kid FROM session_keys WHERE user_id = 'rolled back'`
      expect(rows.map(({ kid }) => Buffer.from(kid).toString("hex"))).toEqual([
        Buffer.from(kept).toString("hex", 5, 21)
      ])
    })))
})
