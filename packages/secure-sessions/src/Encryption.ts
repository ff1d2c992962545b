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

const messageKey = (key: LiveKey, suite: Suite) => key.derive(purposes[suite.id]!, suite.keyLength)

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
  try {
    const { ciphertext, tag } = suite.seal(messageKey(key, suite), nonce, aad, plaintext)
    return Either.right(Envelope.encode({ header, nonce, ciphertext, tag }))
  } catch {
    // What a cipher throws may quote its input, so it is not carried on.
    return Either.left(new EncryptionError({ reason: "SuiteFailed", suite: suite.id }))
  }
}

/** What was opened, or why it was not: a plain value, since this runs once for every record of a history. */
const openWith = (
  suites: ReadonlyMap<number, Suite>,
  key: LiveKey,
  scope: KeyScope,
  aadOf: (header: Uint8Array, place: Place) => Uint8Array,
  { envelope, place }: Opening
): Uint8Array | DecryptionError => {
  // what an error says is put together only for an error
  const refuse = (refusal: Omit<ConstructorParameters<typeof DecryptionError>[0], "location">) =>
    new DecryptionError({ ...refusal, location: locate(scope, place) })
  if (!(envelope instanceof Uint8Array)) {
    return refuse({ reason: typeof envelope === "string" ? "PlaintextRefused" : "MalformedEnvelope" })
  }
  const decoded = Envelope.decode(envelope, suites)
  if (Either.isLeft(decoded)) return refuse(decoded.left)
  const { ciphertext, header, keyId, nonce, suite, tag } = decoded.right
  const facts = { envelopeVersion: Envelope.version, suite: suite.id }
  if (!isEqual(keyId, key.keyId)) return refuse({ reason: "KeyNotFound", ...facts })
  const plaintext = suite.open(messageKey(key, suite), nonce, aadOf(header, place), ciphertext, tag)
  return plaintext ?? refuse({ reason: "AuthenticationFailed", keyId: key.name, ...facts })
}

/** All of them, or the first refusal. */
const openEach = (
  suites: ReadonlyMap<number, Suite>,
  key: LiveKey,
  scope: KeyScope,
  records: ReadonlyArray<Opening>
): Either.Either<ReadonlyArray<Uint8Array>, DecryptionError> => {
  const aadOf = makeBindPlace(scope)
  const opened: Array<Uint8Array> = []
  for (const record of records) {
    const one = openWith(suites, key, scope, aadOf, record)
    if (!(one instanceof Uint8Array)) return Either.left(one)
    opened.push(one)
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
    Effect.flatMap(
      keys.use(
        scope,
        1,
        (key) => sealWith(primary, drawNonce, key, scope, { place, plaintext }),
        plaintext.length
      ),
      (sealed) => sealed
    )

  const sealAll = (scope: KeyScope, records: ReadonlyArray<Sealing>) =>
    Effect.flatMap(
      keys.use(
        scope,
        records.length,
        (key) => Either.all(records.map((record) => sealWith(primary, drawNonce, key, scope, record))),
        records.reduce((bytes, { plaintext }) => bytes + plaintext.length, 0)
      ),
      (sealed) => sealed
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
      return names.map((name) => hmac(indexKey, Aad.encode([domain, name])).subarray(0, 16))
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
