// @effect-diagnostics nodeBuiltinImport:off - node:crypto is what the attack is made with
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { describe, expect, it } from "@effect/vitest"
import { Aad, Encryption, Envelope, KeyProvider, Suite } from "@sennit/secure-sessions"
import { Effect, Layer, Redacted } from "effect"
import { createCipheriv, hkdfSync, randomBytes } from "node:crypto"
import { keyring, using } from "./support.ts"

const owner = { app: "desk", user: "ada" }
const place = { table: "notes", column: "body" }

const toField = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`)
const fromField = (value: bigint) => Buffer.from(value.toString(16).padStart(32, "0"), "hex")

/** Multiplication in GF(2^128) as in NIST SP 800-38D, 6.3. */
const multiply = (x: bigint, y: bigint): bigint => {
  let product = 0n
  let v = y
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) product ^= v
    v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n
  }
  return product
}

/** By Fermat: the power of 2^128 - 2. */
const invert = (x: bigint): bigint => {
  let result = 1n << 127n
  let square = x
  for (let bit = 1; bit < 128; bit++) {
    square = multiply(square, square)
    result = multiply(result, square)
  }
  return result
}

const hashKey = (key: Uint8Array) =>
  toField(createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(new Uint8Array(16)))

/** The tag of a ciphertext block of zeros. */
const tagOfZeros = (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) => {
  const stream = Suite.aes256Gcm.seal(key, nonce, aad, new Uint8Array(16)).ciphertext
  return toField(Suite.aes256Gcm.seal(key, nonce, aad, stream).tag)
}

/** One block and one tag that AES-GCM opens under both keys: the tags differ by X (H1^2 + H2^2) in the block X. */
const sealForTwo = (left: Uint8Array, right: Uint8Array, nonce: Uint8Array, aad: Uint8Array) => {
  const squares = [left, right].map((key) => multiply(hashKey(key), hashKey(key)))
  const difference = tagOfZeros(left, nonce, aad) ^ tagOfZeros(right, nonce, aad)
  const ciphertext = fromField(multiply(difference, invert(squares[0]! ^ squares[1]!)))
  const stream = Suite.aes256Gcm.seal(left, nonce, aad, new Uint8Array(16)).ciphertext
  const plaintext = ciphertext.map((byte, at) => byte ^ stream[at]!)
  return { ciphertext, tag: Suite.aes256Gcm.seal(left, nonce, aad, plaintext).tag }
}

const messageKey = (dataKey: Uint8Array) => Buffer.from(hkdfSync("sha256", dataKey, "", "suite:2", 32))

/** A provider that makes the given data key, and unwraps to another one. */
const providing = (made: Uint8Array, unwrapped: Uint8Array) =>
  Layer.effect(
    KeyProvider.KeyProvider,
    Effect.map(KeyProvider.KeyProvider, (real) => ({
      ...real,
      generateDataKey: (scope: Aad.KeyScope) => {
        if (scope.app === "") return real.generateDataKey(scope)
        const plaintext = Redacted.make(Uint8Array.from(made))
        const context = { ...scope, ...KeyProvider.identify(made) }
        return Effect.map(real.wrap(plaintext, context), (wrapped) => ({ plaintext, wrapped }))
      },
      unwrap: (wrapped: KeyProvider.WrappedKey, context: KeyProvider.EncryptionContext) =>
        context.app === "" ? real.unwrap(wrapped, context) : Effect.succeed(Redacted.make(Uint8Array.from(unwrapped)))
    }))
  ).pipe(Layer.provide(keyring()))

describe("key commitment", () => {
  it.scoped("an envelope that AES-GCM opens under two data keys opens under the one that it names", () =>
    Effect.gen(function*() {
      const [ours, theirs] = [randomBytes(32), randomBytes(32)]
      const nonce = randomBytes(12)
      const { keyId } = KeyProvider.identify(ours)
      const header = Envelope.header(2, keyId)
      const aad = Aad.ofPlace(header, owner, place)
      const sealed = sealForTwo(messageKey(ours), messageKey(theirs), nonce, aad)
      const plaintexts = [ours, theirs].map((key) =>
        Suite.aes256Gcm.open(messageKey(key), nonce, aad, sealed.ciphertext, sealed.tag)
      )
      expect(plaintexts.every((plaintext) => plaintext?.length === 16)).toBe(true)
      expect(plaintexts[0]).not.toEqual(plaintexts[1])

      const envelope = Envelope.encode({ header, nonce, ...sealed })
      const db = Layer.succeedContext(yield* Layer.build(SqliteClient.layer({ filename: ":memory:" })))
      const start = (unwrapped: Uint8Array) =>
        using(Encryption.layer().pipe(Layer.provide(providing(ours, unwrapped)), Layer.provide(db)))
      const open = Effect.flatMap(Encryption.Encryption, (encryption) => encryption.open(owner, place, envelope))
      yield* Effect.scoped(
        start(ours)(Effect.gen(function*() {
          const encryption = yield* Encryption.Encryption
          yield* encryption.seal(owner, place, new Uint8Array(1))
          expect(yield* open).toEqual(plaintexts[0])
        }))
      )
      const error = yield* Effect.flip(start(theirs)(open))
      expect(error).toMatchObject({ _tag: "DecryptionError", reason: "CommitmentMismatch" })
    }))
})
