// @effect-diagnostics nodeBuiltinImport:off - vectors are files
import { describe, expect, it } from "@effect/vitest"
import { Fernet } from "@sennit/secure-sessions"
import { Clock, DateTime, Effect, FastCheck as fc, Redacted, Schema, TestClock } from "effect"
import { existsSync, readFileSync } from "node:fs"
import * as Oracle from "./oracle.ts"

const folder = new URL("../../../../shared/data/fernet/", import.meta.url)
/** The vectors of the specification stay outside of the repository; without them these tests are skipped and counted. */
const skipIf = !existsSync(folder)

const Vector = Schema.Struct({
  desc: Schema.optional(Schema.String),
  token: Schema.String,
  now: Schema.DateTimeUtc,
  ttl_sec: Schema.optional(Schema.Number),
  src: Schema.optional(Schema.String),
  secret: Schema.String
})

const read = (name: string) =>
  Schema.decodeUnknown(Schema.parseJson(Schema.Array(Vector)))(readFileSync(new URL(name, folder), "utf8"))

const fernetOf = (...keys: readonly [string, ...Array<string>]) => {
  const [first, ...others] = keys
  return Fernet.make([Redacted.make(first), ...others.map((key) => Redacted.make(key))])
}

const newKey = Effect.map(Fernet.generateKey, Redacted.value)
const seconds = Effect.map(Clock.currentTimeMillis, (now) => Math.floor(now / 1000))

describe("Fernet", () => {
  it.effect.skipIf(skipIf)(
    "opens the tokens of the specification, and those that it generates",
    () =>
      Effect.gen(function*() {
        const vectors = [...(yield* read("generate.json")), ...(yield* read("verify.json"))]
        expect(vectors.length).toBe(2)
        for (const { now, secret, src, token, ttl_sec } of vectors) {
          yield* TestClock.setTime(DateTime.toEpochMillis(now))
          const fernet = yield* fernetOf(secret)
          const opened = yield* fernet.open(token, ttl_sec === undefined ? {} : { timeToLive: ttl_sec * 1000 })
          expect(Buffer.from(opened).toString()).toBe(src)
        }
      })
  )

  it.effect.skipIf(skipIf)(
    "refuses every invalid token of the specification, for what is wrong with it",
    () =>
      Effect.gen(function*() {
        const vectors = yield* read("invalid.json")
        const reasons: Record<string, string> = {}
        for (const { desc, now, secret, token, ttl_sec } of vectors) {
          yield* TestClock.setTime(DateTime.toEpochMillis(now))
          const fernet = yield* fernetOf(secret)
          const error = yield* Effect.flip(fernet.open(token, { timeToLive: (ttl_sec ?? 60) * 1000 }))
          reasons[desc ?? token] = error.reason
        }
        expect(reasons).toEqual({
          "incorrect mac": "AuthenticationFailed",
          "too short": "Malformed",
          "invalid base64": "Malformed",
          "payload size not multiple of block size": "Malformed",
          "payload padding error": "AuthenticationFailed",
          "far-future TS (unacceptable clock skew)": "FromFuture",
          "expired TTL": "Expired",
          "incorrect IV (causes padding error)": "AuthenticationFailed"
        })
      })
  )

  it.effect.skipIf(Oracle.missing !== "")(
    `pyca/cryptography opens our tokens and we open its${Oracle.missing}`,
    () =>
      Effect.gen(function*() {
        const key = yield* newKey
        const fernet = yield* fernetOf(key)
        const contents = Array.from({ length: 64 }, (_, length) => Buffer.alloc(length, length))
        const tokens = yield* Effect.forEach(contents, fernet.seal)
        const opened = yield* Oracle.ask(tokens.map((data) => ({ operation: "fernet-open", key, data })))
        expect(opened).toEqual(contents.map((content) => content.toString("hex")))
        const theirs = yield* Oracle.ask(
          contents.map((content) => ({ operation: "fernet-seal", key, data: content.toString("hex") }))
        )
        expect(yield* Effect.forEach(theirs, (token) => fernet.open(token ?? ""))).toEqual(contents)
      })
  )

  it.effect("of a ring the first key seals, all open, and rotation keeps content and time", () =>
    Effect.gen(function*() {
      const [old, next] = [yield* newKey, yield* newKey]
      const token = yield* (yield* fernetOf(old)).seal(Buffer.from("kept"))
      yield* TestClock.adjust("1 hour")
      const ring = yield* fernetOf(next, old)
      const rotated = yield* ring.rotate(token)
      const onlyNext = yield* fernetOf(next)
      expect(Buffer.from(yield* onlyNext.open(rotated)).toString()).toBe("kept")
      expect(yield* Effect.flip(onlyNext.open(token))).toMatchObject({ reason: "AuthenticationFailed" })
      expect(yield* Effect.flip(ring.open(rotated, { timeToLive: "59 minutes" }))).toMatchObject({ reason: "Expired" })
      expect(yield* Effect.flip(onlyNext.rotate(token))).toMatchObject({ reason: "AuthenticationFailed" })
    }))

  it.effect("a token lives as long as it may, to the second, and may come from a minute ahead", () =>
    Effect.gen(function*() {
      const fernet = yield* fernetOf(yield* newKey)
      yield* TestClock.adjust("1 day")
      const start = yield* seconds
      const token = yield* fernet.seal(Buffer.from("x"))
      const at = (offset: number) =>
        Effect.zipRight(TestClock.setTime((start + offset) * 1000), fernet.open(token, { timeToLive: "30 seconds" }))
      yield* at(30)
      expect(yield* Effect.flip(at(31))).toMatchObject({ reason: "Expired" })
      yield* at(-60)
      expect(yield* Effect.flip(at(-61))).toMatchObject({ reason: "FromFuture" })
    }))

  it.effect("every altered or cut token is refused, and another form of its base64 too", () =>
    Effect.gen(function*() {
      const fernet = yield* fernetOf(yield* newKey)
      const token = yield* fernet.seal(Buffer.from("attack at dawn"))
      const bytes = Buffer.from(token, "base64url")
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes)
        flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7))
        yield* Effect.flip(fernet.open(flipped.toString("base64").replaceAll("+", "-").replaceAll("/", "_")))
      }
      for (let length = 0; length < token.length; length++) yield* Effect.flip(fernet.open(token.slice(0, length)))
      for (const form of [`${token}=`, ` ${token}`, `${token}\n`]) yield* Effect.flip(fernet.open(form))
    }))

  it.effect("a key that is not the base64url of 32 bytes is refused and not quoted", () =>
    Effect.gen(function*() {
      for (const key of ["", "hunter2", "A".repeat(43), Buffer.alloc(31).toString("base64")]) {
        const error = yield* Effect.flip(fernetOf(key))
        expect(error).toMatchObject({ _tag: "ConfigurationError", reason: "InvalidKey" })
        if (key !== "") expect(String(error)).not.toContain(key)
      }
    }))

  it.effect.prop("any bytes come back", [fc.uint8Array({ maxLength: 300 })], ([content]) =>
    Effect.gen(function*() {
      const fernet = yield* fernetOf(yield* newKey)
      expect(Buffer.from(yield* fernet.open(yield* fernet.seal(content))).equals(content)).toBe(true)
    }))
})
