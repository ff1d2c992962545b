/**
 * Sealing and opening of anything that belongs to a user of an app: the service that other packages build on.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Aad from "./Aad.ts"
import type { KeyScope, Place } from "./Aad.ts"
import type { KeyAccessError, LiveKey } from "./DataKeys.ts"
import * as DataKeys from "./DataKeys.ts"
import * as Envelope from "./Envelope.ts"
import { makeBindPlace } from "./internal/bindPlace.ts"
import { hmac, isEqual } from "./internal/deriveKey.ts"
import { makeNonces } from "./internal/drawNonce.ts"
import { decodeJson, encodeJson } from "./internal/encodeJson.ts"
import type { KeyProvider } from "./KeyProvider.ts"
import type { ConfigurationError, KeyProviderError, KeyUsageExceeded, StorageError } from "./SecureSessionsError.ts"
import { DecryptionError, EncryptionError, SerializationError } from "./SecureSessionsError.ts"
import type { Suite } from "./Suite.ts"
import { Suites } from "./Suite.ts"
import * as Telemetry from "./Telemetry.ts"

/**
 * @category errors
 * @since 0.1.0
 */
export type SealError = EncryptionError | KeyUsageExceeded | KeyAccessError

/**
 * @category errors
 * @since 0.1.0
 */
export type OpenError = KeyAccessError

/**
 * @category models
 * @since 0.1.0
 */
export interface Sealing {
  readonly place: Place
  readonly plaintext: Uint8Array
}

/**
 * A stored record: `envelope` is what the database holds there, whatever it is; only bytes can open.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opening {
  readonly place: Place
  readonly envelope: unknown
}

/**
 * Seals under the data key of a scope and binds every record to its place.
 *
 * @category services
 * @since 0.1.0
 */
export class Encryption extends Context.Tag("@sennit/secure-sessions/Encryption")<Encryption, {
  /** An envelope of the plaintext, at most 64 MiB, that opens at this place alone. */
  readonly seal: (scope: KeyScope, place: Place, plaintext: Uint8Array) => Effect.Effect<Uint8Array, SealError>
  /** The plaintext of an envelope that was sealed at this place. */
  readonly open: (scope: KeyScope, place: Place, envelope: Uint8Array) => Effect.Effect<Uint8Array, OpenError>
  /** Many records of one scope, in the order given; all or none. */
  readonly sealAll: (
    scope: KeyScope,
    records: ReadonlyArray<Sealing>
  ) => Effect.Effect<ReadonlyArray<Uint8Array>, SealError>
  /** Many records of one scope, in the order given; fails at the first that does not open. */
  readonly openAll: (
    scope: KeyScope,
    records: ReadonlyArray<Opening>
  ) => Effect.Effect<ReadonlyArray<Uint8Array>, OpenError>
  /** Seals a value as JSON after encoding it with the schema. */
  readonly sealJson: <A, I>(
    schema: Schema.Schema<A, I>
  ) => (scope: KeyScope, place: Place, value: A) => Effect.Effect<Uint8Array, SealError | SerializationError>
  /** Opens JSON and decodes it with the schema. */
  readonly openJson: <A, I>(
    schema: Schema.Schema<A, I>
  ) => (scope: KeyScope, place: Place, envelope: Uint8Array) => Effect.Effect<A, OpenError | SerializationError>
  /**
   * Keyed fingerprints of 16 bytes (HMAC-SHA256) of names within a domain of the scope: equal names have equal
   * fingerprints in the same domain, and nobody without the data key can compute or compare them.
   */
  readonly fingerprint: (
    scope: KeyScope,
    domain: string,
    names: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Uint8Array>, SealError>
}>() {}

const maxPlaintext = 64 * 1024 * 1024
/** Records opened before other fibers get a turn. */
const batch = 64

const locate = (scope: KeyScope, place: Place): DecryptionError["location"] => ({
  app: scope.app,
  user: scope.user,
  session: place.session ?? "",
  table: place.table,
  column: place.column,
  id: place.id ?? "",
  sequence: place.sequence ?? 0
})

const purposes = Array.from({ length: 256 }, (_, id) => `suite:${id}`)

const messageKeyOf = (key: LiveKey, suite: Suite) => key.derive(purposes[suite.id]!, suite.keyLength)

const sealWith = (
  suite: Suite,
  drawNonce: (size: number) => Uint8Array,
  key: LiveKey,
  scope: KeyScope,
  { place, plaintext }: Sealing
): Either.Either<Uint8Array, EncryptionError> => {
  if (plaintext.length > maxPlaintext) return Either.left(new EncryptionError({ reason: "TooLarge", suite: suite.id }))
  const header = Envelope.header(suite.id, key.keyId)
  const nonce = drawNonce(suite.nonceLength)
  const aad = Aad.ofPlace(header, scope, place)
  const room = Envelope.room(suite, plaintext.length)
  try {
    const { ciphertext, tag } = suite.seal(messageKeyOf(key, suite), nonce, aad, plaintext)
    return Either.right(Envelope.encode({ header, nonce, ciphertext, tag }, room))
  } catch {
    // What a cipher throws may quote its input, so it is not carried on.
    return Either.left(new EncryptionError({ reason: "SuiteFailed", suite: suite.id }))
  }
}

/** What the records that one key sealed with one suite have in common. */
interface Recognized {
  readonly header: Uint8Array
  readonly suite: Suite
  readonly messageKey: Uint8Array
}

type Refusal = Omit<ConstructorParameters<typeof DecryptionError>[0], "location">

/** Whether an envelope begins with this header, and is long enough for what must follow. */
const hasHeader = ({ header, suite }: Recognized, envelope: Uint8Array): boolean => {
  if (envelope.length < Envelope.headerLength + suite.nonceLength + Envelope.tagLength) return false
  for (let at = 0; at < Envelope.headerLength; at++) if (envelope[at] !== header[at]) return false
  return true
}

const recognize = (
  suites: ReadonlyMap<number, Suite>,
  key: LiveKey,
  envelope: Uint8Array
): Either.Either<Recognized, Refusal> =>
  Either.flatMap(Envelope.decode(envelope, suites), ({ header, keyId, suite }) =>
    isEqual(keyId, key.keyId)
      ? Either.right({ header: Uint8Array.from(header), suite, messageKey: messageKeyOf(key, suite) })
      : Either.left({ reason: "KeyNotFound" as const, envelopeVersion: Envelope.version, suite: suite.id }))

/**
 * All of them, or the first refusal. Almost all records of a history have the header of the one before, so an envelope
 * is taken apart only where it has another.
 */
const openEach = (
  suites: ReadonlyMap<number, Suite>,
  key: LiveKey,
  scope: KeyScope,
  records: ReadonlyArray<Opening>
): Either.Either<ReadonlyArray<Uint8Array>, DecryptionError> => {
  const aadOf = makeBindPlace(scope)
  const opened: Array<Uint8Array> = []
  let recognized: Recognized | undefined
  for (const { envelope, place } of records) {
    const refuse = (refusal: Refusal) =>
      Either.left(new DecryptionError({ ...refusal, location: locate(scope, place) }))
    if (!(envelope instanceof Uint8Array)) {
      return refuse({ reason: typeof envelope === "string" ? "PlaintextRefused" : "MalformedEnvelope" })
    }
    if (recognized === undefined || !hasHeader(recognized, envelope)) {
      const other = recognize(suites, key, envelope)
      if (Either.isLeft(other)) return refuse(other.left)
      recognized = other.right
    }
    const { header, messageKey, suite } = recognized
    const start = Envelope.headerLength + suite.nonceLength
    const end = envelope.length - Envelope.tagLength
    const plaintext = suite.open(
      messageKey,
      envelope.subarray(Envelope.headerLength, start),
      aadOf(header, place),
      envelope.subarray(start, end),
      envelope.subarray(end)
    )
    if (plaintext === undefined) {
      return refuse({
        reason: "AuthenticationFailed",
        keyId: key.name,
        envelopeVersion: Envelope.version,
        suite: suite.id
      })
    }
    opened.push(plaintext)
  }
  return Either.right(opened)
}

const keyNotFound = (scope: KeyScope, { place }: Opening) =>
  new DecryptionError({ reason: "KeyNotFound", location: locate(scope, place) })

const countFailure = (error: OpenError) =>
  error._tag === "DecryptionError"
    ? Metric.increment(Metric.tagged(Telemetry.openFailures, Telemetry.reasonAttribute, error.reason))
    : Effect.void

const makeBytes = Effect.gen(function*() {
  const keys = yield* DataKeys.DataKeys
  const { byId, primary } = yield* Suites
  const drawNonce = makeNonces()

  const seal = (scope: KeyScope, place: Place, plaintext: Uint8Array) =>
    keys.use(scope, 1, (key) => sealWith(primary, drawNonce, key, scope, { place, plaintext }), plaintext.length)

  const sealAll = (scope: KeyScope, records: ReadonlyArray<Sealing>) =>
    keys.use(
      scope,
      records.length,
      (key) => Either.all(records.map((record) => sealWith(primary, drawNonce, key, scope, record))),
      records.reduce((bytes, { plaintext }) => bytes + plaintext.length, 0)
    )

  /** A record of whatever key it names. */
  const openNamed = (scope: KeyScope, record: Opening) => {
    const keyId = record.envelope instanceof Uint8Array ? Envelope.keyIdOf(record.envelope) : undefined
    const open = (key: LiveKey) => openEach(byId, key, scope, [record])
    return Effect.flatMap(
      keyId === undefined ? keys.find(scope, open) : keys.findById(scope, keyId, open),
      Option.match({
        onNone: () => Effect.fail(keyNotFound(scope, record)),
        onSome: (opened) => Either.map(opened, ([plaintext]) => plaintext!)
      })
    )
  }

  const openBatch = (scope: KeyScope, records: ReadonlyArray<Opening>) =>
    keys.find(scope, (key) => openEach(byId, key, scope, records)).pipe(
      Effect.flatMap(Option.match({
        onNone: () => Effect.fail(keyNotFound(scope, records[0]!)),
        onSome: (opened) =>
          Either.isLeft(opened) && opened.left.reason === "KeyNotFound"
            ? Effect.forEach(records, (record) => openNamed(scope, record))
            : opened
      })),
      Effect.tapError(countFailure)
    )

  const openAll = (scope: KeyScope, records: ReadonlyArray<Opening>) => {
    if (records.length === 0) return Effect.succeed([])
    if (records.length <= batch) return openBatch(scope, records)
    const batches = Array.from(
      { length: Math.ceil(records.length / batch) },
      (_, index) => records.slice(index * batch, (index + 1) * batch)
    )
    return Effect.map(
      Effect.forEach(batches, (some) => Effect.zipLeft(openBatch(scope, some), Effect.yieldNow())),
      (opened) => opened.flat()
    )
  }

  const fingerprint = (scope: KeyScope, domain: string, names: ReadonlyArray<string>) =>
    keys.use(scope, 0, (key) => {
      const indexKey = key.derive("index", 32)
      return Either.right(names.map((name) => hmac(indexKey, Aad.encode([domain, name])).subarray(0, 16)))
    })

  return { seal, sealAll, openAll, fingerprint }
})

const mismatch = () => new SerializationError({ reason: "SchemaMismatch", path: [] })

/**
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<typeof Encryption.Service, never, DataKeys.DataKeys> = Effect.gen(function*() {
  const { fingerprint, openAll, seal, sealAll } = yield* makeBytes

  const open = (scope: KeyScope, place: Place, envelope: Uint8Array) =>
    Effect.map(openAll(scope, [{ place, envelope }]), ([plaintext]) => plaintext!)

  const sealJson = <A, I>(schema: Schema.Schema<A, I>) => {
    const encode = Schema.encode(schema)
    return (scope: KeyScope, place: Place, value: A) =>
      Effect.mapError(encode(value), mismatch).pipe(
        Effect.flatMap(encodeJson),
        Effect.flatMap((plaintext) => seal(scope, place, plaintext))
      )
  }

  const openJson = <A, I>(schema: Schema.Schema<A, I>) => {
    const decode = Schema.decodeUnknown(schema)
    return (scope: KeyScope, place: Place, envelope: Uint8Array) =>
      open(scope, place, envelope).pipe(
        Effect.flatMap(decodeJson),
        Effect.flatMap((value) => Effect.mapError(decode(value), mismatch))
      )
  }

  return Encryption.of({ seal, open, sealAll, openAll, sealJson, openJson, fingerprint })
})

/**
 * Encryption with its data keys in the given database.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: DataKeys.DataKeysOptions
): Layer.Layer<
  Encryption,
  ConfigurationError | KeyProviderError | DecryptionError | StorageError,
  SqlClient.SqlClient | KeyProvider
> => Layer.provide(Layer.effect(Encryption, make), DataKeys.layer(options))
