// @effect-diagnostics nodeBuiltinImport:off - PBKDF2 is node:crypto's and runs on its thread pool
/**
 * Reading envelopes of version 1, for migration. They were written by a Python library, adk-secure-sessions, as base64
 * text; nothing here writes them. They are bound to no place, so what is read is to be sealed again at once.
 *
 * `01 | backend | ciphertext`. Backend `01` is Fernet, under a Fernet key or under a passphrase in one of two forms;
 * backend `02` is AES-256-GCM as `nonce 12 | ciphertext | tag 16` without additional data.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { pbkdf2 } from "node:crypto"
import { deriveWithSalt } from "./internal/deriveKey.ts"
import { fromBase64Url, openToken, parseToken } from "./internal/fernetToken.ts"
import { ConfigurationError, DecryptionError } from "./SecureSessionsError.ts"
import { aes256Gcm } from "./Suite.ts"

/**
 * The keys that the old data was written with.
 *
 * @category models
 * @since 0.1.0
 */
export interface EnvelopeV1Keys {
  /** What `FernetBackend` was given: a Fernet key is used as it is, anything else is a passphrase. */
  readonly fernet?: Redacted.Redacted | undefined
  /** The 32 bytes that `AesGcmBackend` was given. */
  readonly aesGcm?: Redacted.Redacted<Uint8Array> | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface EnvelopeV1Reader {
  /** The plaintext of an envelope, given as the base64 text of the database or as its bytes. */
  readonly open: (envelope: string | Uint8Array) => Effect.Effect<Uint8Array, DecryptionError>
}

const salt = Buffer.from("adk-secure-sessions-fernet-v1")
const iterations = 600_000
/** Of the first releases, whose tokens are not salted. */
const earlyIterations = 480_000
const saltedVersion = 0x01

const location = { app: "", user: "", session: "", table: "", column: "", id: "", sequence: 0 }

const refuse = (reason: DecryptionError["reason"], suite?: number) =>
  new DecryptionError({ reason, location, envelopeVersion: 1, ...(suite === undefined ? {} : { suite }) })

const stretch = (passphrase: Redacted.Redacted, rounds: number) =>
  Effect.async<Buffer>((resume) => {
    pbkdf2(Redacted.value(passphrase), salt, rounds, 32, "sha256", (error, key) => {
      resume(error === null ? Effect.succeed(key) : Effect.die(error))
    })
  })

const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const readBytes = (envelope: string | Uint8Array) => {
  if (typeof envelope !== "string") return envelope
  return isBase64.test(envelope) ? Buffer.from(envelope, "base64") : undefined
}

const openFernet = (key: Uint8Array | undefined, token: Uint8Array) => {
  const parsed = parseToken(Buffer.from(token).toString("latin1"))
  if (parsed === undefined) return Effect.fail(refuse("MalformedEnvelope", 1))
  const plaintext = key === undefined ? undefined : openToken(key, parsed)
  return plaintext === undefined ? Effect.fail(refuse("AuthenticationFailed", 1)) : Effect.succeed(plaintext)
}

const openAesGcm = (key: Uint8Array, body: Uint8Array) => {
  if (body.length < 28) return Effect.fail(refuse("MalformedEnvelope", 2))
  const end = body.length - 16
  const none = new Uint8Array(0)
  const plaintext = aes256Gcm.open(key, body.subarray(0, 12), none, body.subarray(12, end), body.subarray(end))
  return plaintext === undefined ? Effect.fail(refuse("AuthenticationFailed", 2)) : Effect.succeed(plaintext)
}

/**
 * Passphrases are stretched off the main thread when the first envelope asks for it, each form once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("EnvelopeV1.make")(function*(keys: EnvelopeV1Keys) {
  const aesKey = keys.aesGcm === undefined ? undefined : Redacted.value(keys.aesGcm)
  if (aesKey !== undefined && aesKey.length !== 32) {
    return yield* new ConfigurationError({ reason: "InvalidKey", detail: "the AES-GCM key is not 32 bytes" })
  }
  const fernet = keys.fernet
  const direct = fernet === undefined ? undefined : fromBase64Url(Redacted.value(fernet))
  const fernetKey = direct?.length === 32 ? direct : undefined
  const missing = Effect.fail(refuse("KeyNotFound", 1))
  const isPassphrase = fernet !== undefined && fernetKey === undefined
  const master = yield* Effect.cached(isPassphrase ? stretch(fernet, iterations) : missing)
  const early = yield* Effect.cached(isPassphrase ? stretch(fernet, earlyIterations) : missing)

  const openSalted = (body: Uint8Array) =>
    Effect.flatMap(master, (key) => {
      const derived = deriveWithSalt(key, body.subarray(1, 17), "adk-fernet-v2", 32)
      return openFernet(derived, body.subarray(17))
    })

  const openBackend = (backend: number, body: Uint8Array): Effect.Effect<Uint8Array, DecryptionError> => {
    if (backend === 2) return aesKey === undefined ? Effect.fail(refuse("KeyNotFound", 2)) : openAesGcm(aesKey, body)
    if (backend !== 1) return Effect.fail(refuse("UnsupportedSuite", backend))
    if (fernetKey !== undefined) return openFernet(fernetKey, body)
    // A token starts with a letter of base64, which the version of a salted one is not.
    return body[0] === saltedVersion ? openSalted(body) : Effect.flatMap(early, (key) => openFernet(key, body))
  }

  const reader: EnvelopeV1Reader = {
    open: Effect.fn("EnvelopeV1.open")((envelope: string | Uint8Array) => {
      const bytes = readBytes(envelope)
      if (bytes === undefined) return Effect.fail(refuse("PlaintextRefused"))
      const [version, backend] = bytes
      if (bytes.length < 3 || version === undefined || backend === undefined) {
        return Effect.fail(refuse("MalformedEnvelope"))
      }
      if (version !== 1) return Effect.fail(refuse("PlaintextRefused"))
      return openBackend(backend, bytes.subarray(2))
    })
  }
  return reader
})
