// @effect-diagnostics nodeBuiltinImport:off - vectors are files, and node:crypto is the oracle
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { describe, expect, it } from "@effect/vitest"
import type { SecureSessionsError } from "@sennit/secure-sessions"
import { Encryption, KeyProvider, Suite } from "@sennit/secure-sessions"
import { Effect, Either, Layer, Option, Schema } from "effect"
import { createCipheriv, createHash, hkdfSync, randomBytes } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import * as Oracle from "./oracle.ts"
import { keyring, using } from "./support.ts"

const folder = new URL("../../../../shared/data/wycheproof/", import.meta.url)
/** Public vectors stay outside of the repository; without them these tests are skipped and counted. */
const skipIf = !existsSync(folder)

const Hex = Schema.Uint8ArrayFromHex
const Result = Schema.Literal("valid", "invalid", "acceptable")
const groupsOf = <A, I>(group: Schema.Schema<A, I>) =>
  Schema.decodeUnknown(Schema.parseJson(Schema.Struct({ testGroups: Schema.Array(group) })))

const AeadVector = Schema.Struct({
  tcId: Schema.Number,
  key: Hex,
  iv: Hex,
  aad: Hex,
  msg: Hex,
  ct: Hex,
  tag: Hex,
  result: Result
})

const readAead = groupsOf(Schema.Struct({
  ivSize: Schema.Number,
  keySize: Schema.Number,
  tests: Schema.Array(AeadVector)
}))

const readHkdf = groupsOf(Schema.Struct({
  tests: Schema.Array(
    Schema.Struct({
      tcId: Schema.Number,
      ikm: Hex,
      salt: Hex,
      info: Hex,
      size: Schema.Number,
      okm: Schema.String,
      result: Result
    })
  )
}))

const read = (name: string) => readFileSync(new URL(name, folder), "utf8")
const equal = (left: Uint8Array | undefined, right: Uint8Array) => left !== undefined && Buffer.from(left).equals(right)

const expectVectors = (suite: Suite.Suite, vectors: ReadonlyArray<typeof AeadVector.Type>) => {
  for (const { aad, ct, iv, key, msg, result, tag, tcId } of vectors) {
    const opened = suite.open(key, iv, aad, ct, tag)
    if (result === "invalid") expect(opened, `tcId ${tcId}`).toBeUndefined()
    else {
      expect(equal(opened, msg), `open ${tcId}`).toBe(true)
      const sealed = suite.seal(key, iv, aad, msg)
      expect(equal(sealed.ciphertext, ct) && equal(sealed.tag, tag), `seal ${tcId}`).toBe(true)
    }
  }
}

/** A cipher that only the tests know: AES-256-GCM with its plaintext reversed. */
const reversed: Suite.Suite = {
  ...Suite.aes256Gcm,
  id: 200,
  name: "reversed",
  seal: (key, nonce, aad, plaintext) => Suite.aes256Gcm.seal(key, nonce, aad, Uint8Array.from(plaintext).toReversed()),
  open: (key, nonce, aad, ciphertext, tag) => Suite.aes256Gcm.open(key, nonce, aad, ciphertext, tag)?.toReversed()
}

const owner = { app: "desk", user: "ada" }
const place = { table: "notes", column: "body" }
const database = SqliteClient.layer({ filename: ":memory:" })
const withSuites = (suites: Layer.Layer<never, SecureSessionsError.ConfigurationError>) =>
  Encryption.layer().pipe(Layer.provide(suites), Layer.provide(keyring()), Layer.provide(database))

const reasonOf = (layer: Layer.Layer<never, SecureSessionsError.ConfigurationError>) =>
  Effect.map(Effect.flip(Effect.scoped(Layer.build(layer))), ({ reason }) => reason)

describe("Suite", () => {
  it("XAES-256-GCM gives the vectors of C2SP", () => {
    const nonce = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWX")
    const plaintext = Buffer.from("XAES-256-GCM")
    const vectors = [
      { byte: 1, aad: "", sealed: "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271" },
      { byte: 3, aad: "c2sp.org/XAES-256-GCM", sealed: "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d" }
    ]
    for (const { aad, byte, sealed } of vectors) {
      const key = new Uint8Array(32).fill(byte)
      const { ciphertext, tag } = Suite.xaes256Gcm.seal(key, nonce, Buffer.from(aad), plaintext)
      expect(Buffer.concat([ciphertext, tag]).toString("hex")).toBe(sealed)
      expect(Suite.xaes256Gcm.open(key, nonce, Buffer.from(aad), ciphertext, tag)).toEqual(plaintext)
    }
  })

  it("XAES-256-GCM gives the accumulated hash of C2SP over 10,000 records", () => {
    // The stream of SHAKE-128 of nothing; what the 10,000 records read from it is well below 6 MiB.
    const stream = createHash("shake128", { outputLength: 6 * 2 ** 20 }).digest()
    const hash = createHash("shake128", { outputLength: 32 })
    let at = 0
    const take = (length: number) => stream.subarray(at, at += length)
    const takeVector = () => take(take(1)[0]!)
    for (let record = 0; record < 10_000; record++) {
      const [key, nonce, plaintext, aad] = [take(32), take(24), takeVector(), takeVector()]
      const { ciphertext, tag } = Suite.xaes256Gcm.seal(key, nonce, aad, plaintext)
      hash.update(ciphertext).update(tag)
    }
    expect(hash.digest("hex")).toBe("e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939")
  })

  it.effect.skipIf(skipIf)(
    "agrees with every Wycheproof vector of ChaCha20-Poly1305 with 96-bit nonces",
    () =>
      Effect.gen(function*() {
        const { testGroups } = yield* readAead(read("chacha20_poly1305_test.json"))
        const tests = testGroups.filter(({ ivSize }) => ivSize === 96).flatMap((group) => group.tests)
        expect(tests.length).toBe(316)
        expectVectors(Suite.chaCha20Poly1305, tests)
      })
  )

  for (const suite of Suite.builtIn) {
    it.effect.skipIf(Oracle.missing !== "")(
      `${suite.name}: pyca/cryptography opens what we seal and seals the same${Oracle.missing}`,
      () =>
        Effect.gen(function*() {
          const records = Array.from({ length: 200 }, (_, size) => ({
            key: randomBytes(32),
            nonce: randomBytes(suite.nonceLength),
            aad: randomBytes((size * 7) % 90),
            plaintext: randomBytes(size * 11)
          }))
          const request = (operation: string, data: ReadonlyArray<string>) =>
            records.map(({ aad, key, nonce }, at) => ({
              operation,
              suite: suite.id,
              key: key.toString("hex"),
              nonce: nonce.toString("hex"),
              aad: aad.toString("hex"),
              data: data[at]!
            }))
          const ours = records.map(({ aad, key, nonce, plaintext }) => suite.seal(key, nonce, aad, plaintext))
          const sealed = ours.map(({ ciphertext, tag }) => Buffer.concat([ciphertext, tag]).toString("hex"))
          const plain = records.map(({ plaintext }) => plaintext.toString("hex"))
          const theirs = yield* Oracle.ask(request("seal", plain))
          expect(theirs).toEqual(sealed)
          const opened = yield* Oracle.ask(request("open", sealed))
          expect(opened).toEqual(plain)
        })
    )
  }

  it.effect.skipIf(skipIf)(
    "agrees with every Wycheproof vector of AES-256-GCM with 96-bit nonces",
    () =>
      Effect.gen(function*() {
        const { testGroups } = yield* readAead(read("aes_gcm_test.json"))
        const tests = testGroups.filter(({ ivSize, keySize }) => ivSize === 96 && keySize === 256).flatMap((group) =>
          group.tests
        )
        expect(tests.length).toBe(66)
        expectVectors(Suite.aes256Gcm, tests)
      })
  )

  it.effect.skipIf(skipIf)(
    "keys are derived by an HKDF that agrees with every Wycheproof vector",
    () =>
      Effect.gen(function*() {
        const { testGroups } = yield* readHkdf(read("hkdf_sha256_test.json"))
        const tests = testGroups.flatMap((group) => group.tests)
        expect(tests.length).toBe(86)
        for (const { ikm, info, okm, result, salt, size, tcId } of tests) {
          const derived = Either.try(() => Buffer.from(hkdfSync("sha256", ikm, salt, info, size)).toString("hex"))
          const expected = result === "invalid" ? Option.none() : Option.some(okm)
          expect({ tcId, okm: Either.getRight(derived) }).toEqual({ tcId, okm: expected })
        }
        // Ours is that function without a salt, for the purposes that are written in envelope-spec.md.
        const dataKey = randomBytes(32)
        const { commitment, keyId } = KeyProvider.identify(dataKey)
        expect(equal(keyId, Buffer.from(hkdfSync("sha256", dataKey, "", "kid", 16)))).toBe(true)
        expect(equal(commitment, Buffer.from(hkdfSync("sha256", dataKey, "", "commitment", 32)))).toBe(true)
      })
  )

  it("refuses every tag that is not 16 bytes, although node:crypto would take 4", () => {
    const [key, nonce, aad] = [randomBytes(32), randomBytes(12), randomBytes(20)]
    const plaintext = Buffer.from("attack at dawn")
    for (const authTagLength of [4, 8, 12, 13, 14, 15]) {
      const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength })
      cipher.setAAD(aad)
      const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
      expect(Suite.aes256Gcm.open(key, nonce, aad, ciphertext, cipher.getAuthTag())).toBeUndefined()
    }
    expect(Suite.aes256Gcm.open(key, nonce, aad, plaintext, new Uint8Array(0))).toBeUndefined()
  })

  it.scoped("a suite is added by a layer: it seals, and what the others sealed still opens", () =>
    Effect.gen(function*() {
      const plaintext = Buffer.from("drawer")
      const both = yield* Encryption.Encryption
      const envelope = yield* both.seal(owner, place, plaintext)
      expect(envelope[3]).toBe(200)
      expect(equal(yield* both.open(owner, place, envelope), plaintext)).toBe(true)
    }).pipe(using(withSuites(Suite.layer([Suite.aes256Gcm, reversed], { primary: reversed })))))

  it.scoped("an envelope of a suite that is not registered is UnsupportedSuite", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(Layer.merge(database, keyring()))
      const open = (layer: Layer.Layer<never, SecureSessionsError.ConfigurationError>) =>
        Effect.flatMap(
          Layer.build(Encryption.layer().pipe(Layer.provide(layer), Layer.provide(Layer.succeedContext(context)))),
          (built) => Effect.provide(Encryption.Encryption, built)
        )
      const first = yield* open(Suite.layer([reversed]))
      const envelope = yield* first.seal(owner, place, Buffer.from("x"))
      const second = yield* open(Suite.layer([Suite.aes256Gcm]))
      const error = yield* Effect.flip(second.open(owner, place, envelope))
      expect(error).toMatchObject({
        _tag: "DecryptionError",
        reason: "UnsupportedSuite",
        suite: 200,
        envelopeVersion: 2
      })
    }))

  it.effect("two suites of one id, lengths that do not fit, and a foreign primary are configuration errors", () =>
    Effect.gen(function*() {
      expect(yield* reasonOf(Suite.layer([Suite.aes256Gcm, { ...reversed, id: 2 }]))).toBe("DuplicateSuite")
      expect(yield* reasonOf(Suite.layer([{ ...reversed, id: 256 }]))).toBe("InvalidSuite")
      expect(yield* reasonOf(Suite.layer([{ ...reversed, nonceLength: 0 }]))).toBe("InvalidSuite")
      expect(yield* reasonOf(Suite.layer([Suite.aes256Gcm], { primary: reversed }))).toBe("InvalidSuite")
    }))

  it.scoped("a suite whose tag or ciphertext has another length than was said seals nothing", () =>
    Effect.forEach(
      [{ tag: new Uint8Array(8) }, { ciphertext: new Uint8Array(1) }],
      (changed) =>
        Effect.gen(function*() {
          const encryption = yield* Encryption.Encryption
          const error = yield* Effect.flip(encryption.seal(owner, place, Buffer.from("four")))
          expect(error).toMatchObject({ _tag: "EncryptionError", reason: "SuiteFailed", suite: 202 })
        }).pipe(using(withSuites(Suite.layer([{
          ...reversed,
          id: 202,
          seal: (...parts) => ({ ...reversed.seal(...parts), ...changed })
        }]))))
    ))

  it.scoped("a suite that throws is an EncryptionError that quotes nothing", () =>
    Effect.gen(function*() {
      const encryption = yield* Encryption.Encryption
      const error = yield* Effect.flip(encryption.seal(owner, place, Buffer.from("the secret")))
      expect(error).toMatchObject({ _tag: "EncryptionError", reason: "SuiteFailed", suite: 201 })
      expect(String(error) + error.stack).not.toContain("secret")
    }).pipe(using(withSuites(Suite.layer([{
      ...reversed,
      id: 201,
      seal: (_key, _nonce, _aad, plaintext) => {
        throw new Error(Buffer.from(plaintext).toString())
      }
    }])))))
})
