// @effect-diagnostics nodeBuiltinImport:off - vectors are files, and node:crypto is the oracle
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import { Aad, Encryption, Envelope, KeyProvider, Suite } from "@sennit/secure-sessions"
import { Effect, Either, FastCheck as fc, Layer, Redacted, Schema } from "effect"
import { readFileSync } from "node:fs"
import { using } from "./support.ts"

const Hex = Schema.Uint8ArrayFromHex
const Wrapped = { kekId: Schema.String, app: Schema.String, user: Schema.String, wrapped: Hex }
const Place = Schema.Struct({
  app: Schema.String,
  user: Schema.String,
  session: Schema.String,
  table: Schema.String,
  column: Schema.String,
  id: Schema.String,
  sequence: Schema.Number
})
const Vectors = Schema.parseJson(Schema.Struct({
  dataKey: Hex,
  keyId: Hex,
  commitment: Hex,
  messageKey: Hex,
  envelopes: Schema.Array(Schema.Struct({
    name: Schema.String,
    place: Place,
    plaintext: Hex,
    nonce: Hex,
    aad: Hex,
    envelope: Hex
  })),
  suites: Schema.Array(Schema.Struct({ suite: Schema.Number, place: Place, plaintext: Hex, envelope: Hex })),
  successor: Schema.Struct({ keyId: Hex, commitment: Hex, wrapped: Hex, carried: Hex, fingerprint: Hex }),
  keyring: Schema.Struct({ ...Wrapped, key: Hex }),
  passphrase: Schema.Struct({ ...Wrapped, passphrase: Schema.String })
}))

const readVectors = Schema.decodeUnknown(Vectors)(
  readFileSync(new URL("vectors/envelope-v2.json", import.meta.url), "utf8")
)
const suites = new Map([[Suite.aes256Gcm.id, Suite.aes256Gcm]])
const same = (left: Uint8Array | undefined, right: Uint8Array) => left !== undefined && Buffer.from(left).equals(right)

describe("Envelope vectors made by pyca/cryptography", () => {
  it.effect("identity and message key of a data key", () =>
    Effect.gen(function*() {
      const { commitment, dataKey, keyId } = yield* readVectors
      const identity = KeyProvider.identify(dataKey)
      expect(same(identity.keyId, keyId) && same(identity.commitment, commitment)).toBe(true)
    }))

  it.effect("additional data, sealing with the same nonce, and opening, byte for byte", () =>
    Effect.gen(function*() {
      const { envelopes, keyId, messageKey } = yield* readVectors
      expect(envelopes.length).toBe(7)
      for (const { aad, envelope, name, nonce, place, plaintext } of envelopes) {
        const header = Envelope.header(Suite.aes256Gcm.id, keyId)
        expect({ name, same: same(Aad.ofPlace(header, place, place), aad) }).toEqual({ name, same: true })
        const sealed = Suite.aes256Gcm.seal(messageKey, nonce, aad, plaintext)
        expect({ name, same: same(Envelope.encode({ header, nonce, ...sealed }), envelope) }).toEqual({
          name,
          same: true
        })
        const parts = yield* Envelope.decode(envelope, suites)
        const opened = parts.suite.open(messageKey, parts.nonce, aad, parts.ciphertext, parts.tag)
        expect({ name, same: same(opened, plaintext) }).toEqual({ name, same: true })
        expect(envelope.length - plaintext.length).toBe(49)
      }
    }))

  it.scoped("data keys wrapped by a key ring and by a passphrase", () =>
    Effect.gen(function*() {
      const { commitment, dataKey, keyId, keyring, passphrase } = yield* readVectors
      const unwrap = ({ app, kekId, user, wrapped }: Pick<typeof keyring, "app" | "user" | "kekId" | "wrapped">) =>
        Effect.flatMap(KeyProvider.KeyProvider, (provider) =>
          Effect.map(
            provider.unwrap({ kekId, bytes: wrapped }, { app, user, keyId, commitment }),
            Redacted.value
          ))
      const ring = KeyProvider.layerKeyring([{ id: keyring.kekId, key: Redacted.make(keyring.key) }])
      expect(same(yield* using(ring)(unwrap(keyring)), dataKey)).toBe(true)
      const phrase = KeyProvider.layerPassphrase({ passphrase: Redacted.make(passphrase.passphrase) })
      expect(same(yield* using(phrase)(unwrap(passphrase)), dataKey)).toBe(true)
    }))

  it.scoped("a database that holds the wrapped key opens the envelopes of its owner", () =>
    Effect.gen(function*() {
      const { commitment, envelopes, keyId, keyring } = yield* readVectors
      const provider = KeyProvider.layerKeyring([{ id: keyring.kekId, key: Redacted.make(keyring.key) }])
      const layer = Layer.provideMerge(
        Encryption.layer(),
        Layer.merge(SqliteClient.layer({ filename: ":memory:" }), provider)
      )
      yield* using(layer)(Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO session_keys (kid, app, user_id, kek_id, wrapped, commitment, seals, create_time)
          VALUES (${keyId}, 'desk', 'ada', '2025', ${keyring.wrapped}, ${commitment}, 0, 0)`
        const encryption = yield* Encryption.Encryption
        const owned = envelopes.filter(({ place }) => place.app === "desk" && place.user === "ada")
        expect(owned.length).toBe(5)
        for (const { envelope, place, plaintext } of owned) {
          expect(same(yield* encryption.open(place, place, envelope), plaintext)).toBe(true)
        }
      }))
    }))

  it.scoped("a database whose data key was replaced opens records of both, in every suite, with the first key's index", () =>
    Effect.gen(function*() {
      const { commitment, envelopes, keyId, keyring, successor, suites: ofSuites } = yield* readVectors
      const provider = KeyProvider.layerKeyring([{ id: keyring.kekId, key: Redacted.make(keyring.key) }])
      const layer = Layer.provideMerge(
        Encryption.layer(),
        Layer.merge(SqliteClient.layer({ filename: ":memory:" }), provider)
      )
      yield* using(layer)(Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO session_keys
            (kid, app, user_id, kek_id, wrapped, commitment, carried, retired_time, seals, create_time)
          VALUES (${keyId}, 'desk', 'ada', '2025', ${keyring.wrapped}, ${commitment}, x'', 1, 0, 0),
            (${successor.keyId}, 'desk', 'ada', '2025', ${successor.wrapped}, ${successor.commitment},
              ${successor.carried}, NULL, 0, 1)`
        const encryption = yield* Encryption.Encryption
        const owned = [...ofSuites, ...envelopes.filter(({ place }) => place.app === "desk" && place.user === "ada")]
        expect(owned.length).toBe(7)
        for (const { envelope, place, plaintext } of owned) {
          expect(same(yield* encryption.open(place, place, envelope), plaintext)).toBe(true)
        }
        const [fingerprint] = yield* encryption.fingerprint({ app: "desk", user: "ada" }, "domain", ["name"])
        expect(same(fingerprint, successor.fingerprint)).toBe(true)
        const sealed = yield* encryption.seal({ app: "desk", user: "ada" }, { table: "t", column: "c" }, keyId)
        expect(same(sealed.subarray(5, 21), successor.keyId)).toBe(true)
      }))
    }))
})

const reasonOf = (input: Uint8Array) =>
  Either.match(Envelope.decode(input, suites), { onLeft: ({ reason }) => reason, onRight: () => "decoded" })

describe("Envelope", () => {
  const bytes = fc.uint8Array({ maxLength: 80 })

  it.prop(
    "decode is the inverse of encode",
    [fc.uint8Array({ minLength: 16, maxLength: 16 }), bytes],
    ([keyId, ciphertext]) => {
      const nonce = new Uint8Array(12).fill(7)
      const tag = new Uint8Array(16).fill(9)
      const header = Envelope.header(2, keyId)
      const decoded = Either.getOrThrow(Envelope.decode(Envelope.encode({ header, nonce, ciphertext, tag }), suites))
      expect(same(decoded.header, header) && same(decoded.keyId, keyId)).toBe(true)
      expect(same(decoded.nonce, nonce) && same(decoded.ciphertext, ciphertext) && same(decoded.tag, tag)).toBe(true)
    }
  )

  it.prop("any bytes are taken apart or refused, never a crash", [bytes, fc.boolean()], ([tail, magic]) => {
    const input = magic ? Uint8Array.of(0x5e, 0x55, 2, 2, 0, ...tail) : tail
    const decoded = Envelope.decode(input, suites)
    const long = input.length >= 49 && input[4] === 0
    expect(Either.isRight(decoded)).toBe(
      input[0] === 0x5e && input[1] === 0x55 && input[2] === 2 && input[3] === 2 && long
    )
  })

  it("each refusal has its own reason", () => {
    const valid = Uint8Array.of(0x5e, 0x55, 2, 2, 0, ...new Uint8Array(44))
    const withByte = (at: number, value: number) => Uint8Array.from(valid).fill(value, at, at + 1)
    expect(reasonOf(valid)).toBe("decoded")
    expect(reasonOf(new Uint8Array(0))).toBe("MalformedEnvelope")
    expect(reasonOf(Buffer.from("{\"plain\":true}"))).toBe("PlaintextRefused")
    expect(reasonOf(Buffer.from("Xk4CAgA="))).toBe("PlaintextRefused")
    expect(reasonOf(withByte(0, 0))).toBe("PlaintextRefused")
    expect(reasonOf(withByte(1, 0))).toBe("PlaintextRefused")
    expect(reasonOf(withByte(2, 1))).toBe("UnsupportedVersion")
    expect(reasonOf(withByte(3, 3))).toBe("UnsupportedSuite")
    expect(reasonOf(withByte(4, 1))).toBe("MalformedEnvelope")
    expect(reasonOf(valid.subarray(0, 48))).toBe("MalformedEnvelope")
  })
})
