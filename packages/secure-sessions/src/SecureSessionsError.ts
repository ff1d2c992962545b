/**
 * Every error of the package. None carries a key, plaintext, ciphertext or an SQL parameter.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { SessionRef } from "./Session.ts"

const Reference = Schema.typeSchema(SessionRef)

/** Where a sealed record lies; these parts are in clear in the database as well. */
const Location = Schema.Struct({
  app: Schema.String,
  user: Schema.String,
  session: Schema.String,
  table: Schema.String,
  column: Schema.String,
  id: Schema.String,
  sequence: Schema.Number
})

/**
 * The service cannot be built as configured; nothing was changed.
 *
 * - `WrongKey`: the key or passphrase does not open the data that is already there.
 * - `InvalidKey`, `DuplicateKey`, `NoPrimaryKey`, `MissingKey`: the given keys cannot form a key ring.
 * - `DuplicateSuite`: two suites claim one id, or the built-in one is given twice.
 * - `InvalidSuite`: a suite whose id or lengths do not fit the envelope.
 * - `NewerSchema`: the tables were made by a newer version of this package.
 * - `UnsupportedDatabase`: the SQL client speaks a dialect that is not supported yet.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  reason: Schema.Literal(
    "WrongKey",
    "InvalidKey",
    "DuplicateKey",
    "NoPrimaryKey",
    "MissingKey",
    "DuplicateSuite",
    "InvalidSuite",
    "NewerSchema",
    "UnsupportedDatabase"
  ),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.reason}: ${this.detail}`
  }
}

/**
 * The key provider could not make or unwrap a data key.
 *
 * @category errors
 * @since 0.1.0
 */
export class KeyProviderError extends Schema.TaggedError<KeyProviderError>()("KeyProviderError", {
  provider: Schema.String,
  operation: Schema.Literal("generateDataKey", "wrap", "unwrap", "rewrap", "primary"),
  /**
   * `KeyNotFound`: the provider has no key of that id. `KeyDisabled`: it has, and may not use it.
   * `AuthenticationFailed`: the wrapped key does not authenticate,
   * so the key is another one, or the row or its owner was altered. `Malformed`: not a wrapped key of this provider.
   * `Unavailable`: the provider could not be asked.
   */
  reason: Schema.Literal("KeyNotFound", "KeyDisabled", "AuthenticationFailed", "Malformed", "Unavailable"),
  retryable: Schema.Boolean,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const advice = this.retryable ? "try again" : "give the provider the key that wrapped this data"
    return `Key provider "${this.provider}" failed to ${this.operation}: ${this.reason}. Stored data is unchanged; ${advice}.`
  }
}

/**
 * A record could not be opened. It was left as it is.
 *
 * - `KeyNotFound`: its owner has no key with the id that the envelope names, or the provider lacks the key that wraps it.
 * - `KeyDisabled`: the key that wraps its data key may not be used at present.
 * - `KeyShredded`: the user was erased; nothing of them can be read or written any more.
 * - `AuthenticationFailed`: altered, cut, or moved from another place (user, session, table, row, position).
 * - `CommitmentMismatch`: the unwrapped key is not the one that was promised when it was made.
 * - `MalformedEnvelope`: it starts like an envelope and is not one.
 * - `UnsupportedVersion`, `UnsupportedSuite`: written by something newer, or by a suite that was not registered.
 * - `PlaintextRefused`: it is not an envelope at all; plaintext is never accepted in an encrypted place.
 *
 * @category errors
 * @since 0.1.0
 */
export class DecryptionError extends Schema.TaggedError<DecryptionError>()("DecryptionError", {
  reason: Schema.Literal(
    "KeyNotFound",
    "KeyDisabled",
    "KeyShredded",
    "AuthenticationFailed",
    "CommitmentMismatch",
    "MalformedEnvelope",
    "UnsupportedVersion",
    "UnsupportedSuite",
    "PlaintextRefused"
  ),
  location: Location,
  envelopeVersion: Schema.optional(Schema.Number),
  suite: Schema.optional(Schema.Number),
  keyId: Schema.optional(Schema.String)
}) {
  override get message(): string {
    const { column, id, sequence, table } = this.location
    if (this.reason === "KeyShredded") {
      return "KeyShredded: the data of this user was erased for good. Nothing was read or written; use another user id."
    }
    return `${this.reason}: could not open ${table}.${column} (id ${JSON.stringify(id)}, sequence ${sequence}). ` +
      "Nothing was returned and the record was left as it is; check the key, or restore the record from a backup."
  }
}

/**
 * A record could not be sealed; nothing was written. `SuiteFailed`: the cipher suite threw. `TooLarge`: the plaintext
 * is longer than 64 MiB.
 *
 * @category errors
 * @since 0.1.0
 */
export class EncryptionError extends Schema.TaggedError<EncryptionError>()("EncryptionError", {
  reason: Schema.Literal("SuiteFailed", "TooLarge"),
  suite: Schema.Number
}) {
  override get message(): string {
    return this.reason === "TooLarge"
      ? "TooLarge: a record may hold 64 MiB; nothing was written. Store large content elsewhere and keep a reference."
      : `SuiteFailed: cipher suite ${this.suite} failed to seal; nothing was written.`
  }
}

/**
 * A value cannot be carried exactly, so it was refused instead of changed.
 *
 * - `NotJson`: JSON would change it (NaN, Infinity, -0, BigInt, undefined, function, symbol, class instance, unpaired
 *   surrogate, sparse array).
 * - `TooDeep`: nested deeper than 512 levels, or a cycle.
 * - `NotRedacted`: a value under a `secret:` key that is not `Redacted`.
 * - `ConflictingKey`: a state key that is set and removed at once.
 * - `SchemaMismatch`: the value does not fit the given Schema.
 * - `Malformed`: decrypted bytes that are not the JSON expected there.
 * - `InvalidInput`: arguments of the Promise facade that no id or option allows.
 *
 * @category errors
 * @since 0.1.0
 */
export class SerializationError extends Schema.TaggedError<SerializationError>()("SerializationError", {
  reason: Schema.Literal(
    "NotJson",
    "TooDeep",
    "NotRedacted",
    "ConflictingKey",
    "SchemaMismatch",
    "Malformed",
    "InvalidInput"
  ),
  /** Positions on the way to the value: index in an array, ordinal of a key in an object. Never names or values. */
  path: Schema.Array(Schema.Number)
}) {
  override get message(): string {
    const advice = {
      NotJson: "use values that JSON carries exactly",
      TooDeep: "use at most 512 levels and no cycle",
      NotRedacted: "wrap values under \"secret:\" with Redacted.make",
      ConflictingKey: "set the state key or remove it, not both",
      SchemaMismatch: "the value does not fit the schema",
      Malformed: "the opened bytes are not what this reader expects",
      InvalidInput: "ids are 1 to 256 units of well-formed text and counts are not negative"
    }[this.reason]
    return `${this.reason} at position [${this.path.join(", ")}]: ${advice}. Nothing was written.`
  }
}

/**
 * A data key reached its limit of seals; the bound keeps random nonces safe.
 *
 * @category errors
 * @since 0.1.0
 */
export class KeyUsageExceeded extends Schema.TaggedError<KeyUsageExceeded>()("KeyUsageExceeded", {
  keyId: Schema.String,
  limit: Schema.Number
}) {
  override get message(): string {
    return `Data key ${this.keyId} has sealed its limit of ${this.limit} records. Nothing was written; all records still open.`
  }
}

/**
 * The session changed since this handle was read; nothing was written. Read it again, or append with
 * `onStale: "retry"`.
 *
 * @category errors
 * @since 0.1.0
 */
export class StaleSession extends Schema.TaggedError<StaleSession>()("StaleSession", {
  ref: Reference,
  expected: Schema.Number,
  actual: Schema.Number
}) {
  override get message(): string {
    return `The session is at revision ${this.actual}, this handle knows ${this.expected}. Nothing was written; ` +
      "read the session again or append with onStale: \"retry\"."
  }
}

/**
 * @category errors
 * @since 0.1.0
 */
export class SessionNotFound extends Schema.TaggedError<SessionNotFound>()("SessionNotFound", { ref: Reference }) {
  override get message(): string {
    return `There is no session ${JSON.stringify(this.ref.id)} (any more). Nothing was written; create it first.`
  }
}

/**
 * @category errors
 * @since 0.1.0
 */
export class SessionAlreadyExists extends Schema.TaggedError<SessionAlreadyExists>()("SessionAlreadyExists", {
  ref: Reference
}) {
  override get message(): string {
    return `Session ${JSON.stringify(this.ref.id)} exists already and was not changed; use get or getOrCreate.`
  }
}

/**
 * The session already holds an event with this id, so an append that is repeated is not stored twice.
 *
 * @category errors
 * @since 0.1.0
 */
export class EventAlreadyExists extends Schema.TaggedError<EventAlreadyExists>()("EventAlreadyExists", {
  ref: Reference,
  eventId: Schema.String
}) {
  override get message(): string {
    return `The session already holds event ${JSON.stringify(this.eventId)}; nothing was written.`
  }
}

/**
 * A history is not what was written. Nothing was changed.
 *
 * - `Altered`: the record is not what was sealed here. Sequence 0 is the session's metadata.
 * - `Deleted`: the event is gone, with later ones still there.
 * - `Reordered`: the event stands at another position.
 * - `Duplicated`: a copy of another event stands here.
 * - `Truncated`: from here to the end all events are gone.
 * - `RolledBack`: an older state stands here. An old session row: the first event it does not know. An event out of an
 *   older copy of the same history: that event, of several in a row the last. With `since`: the first that is gone.
 * - `HeadAltered`: the session row does not vouch for its counts; from here on nothing is known.
 *
 * @category errors
 * @since 0.1.0
 */
export class IntegrityViolation extends Schema.TaggedError<IntegrityViolation>()("IntegrityViolation", {
  ref: Reference,
  /** The first event that is not as it was written. */
  sequence: Schema.Number,
  kind: Schema.Literal("Altered", "Deleted", "Reordered", "Duplicated", "Truncated", "RolledBack", "HeadAltered")
}) {
  override get message(): string {
    return `${this.kind}: the history of session ${JSON.stringify(this.ref.id)} is not what was written, ` +
      `from sequence ${this.sequence}. Nothing was changed; compare with a backup.`
  }
}

/**
 * The database failed. The transaction was rolled back, so nothing of it was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  operation: Schema.String,
  reason: Schema.Literal("Busy", "Full", "ReadOnly", "Corrupt", "CannotOpen", "Unavailable", "Failed"),
  /** The driver's own code, such as SQLITE_FULL, or PostgreSQL's, such as 57P01. */
  code: Schema.optional(Schema.String),
  retryable: Schema.Boolean
}) {
  override get message(): string {
    const advice = {
      Busy: "another process holds the database; try again",
      Full: "the disk is full; free space and try again",
      ReadOnly: "the database cannot be written; check the permissions of the file and its folder",
      Corrupt: "the file is not a sound database; restore a backup",
      CannotOpen: "the database cannot be opened; check that it exists and that it may be accessed",
      Unavailable: "the database server cannot be reached or ended the connection; try again when it is up",
      Failed: "the database refused the statement"
    }[this.reason]
    const outcome = this.reason === "Unavailable"
      ? "It was written as a whole or not at all: read before you repeat it."
      : "Nothing of this operation was written."
    return `${this.reason} (${this.code ?? "no code"}) in ${this.operation}: ${advice}. ${outcome}`
  }
}

/**
 * A Fernet token could not be opened. `Malformed`: it is no token. `AuthenticationFailed`: no key of the ring sealed it,
 * or it was altered. `Expired`, `FromFuture`: it is authentic and not of the time that was asked for.
 *
 * @category errors
 * @since 0.1.0
 */
export class FernetError extends Schema.TaggedError<FernetError>()("FernetError", {
  reason: Schema.Literal("Malformed", "AuthenticationFailed", "Expired", "FromFuture")
}) {
  override get message(): string {
    return `${this.reason}: the Fernet token was not opened; check the key, or ask for a new token.`
  }
}

/**
 * A rotation went through everything and had to leave some of it as it was. All else is rotated; what was left is
 * unchanged. Run it again after the cause is dealt with.
 *
 * @category errors
 * @since 0.1.0
 */
export class RotationIncomplete extends Schema.TaggedError<RotationIncomplete>()("RotationIncomplete", {
  operation: Schema.Literal("rewrapAll", "reencrypt"),
  /** Data keys or records that were left. */
  failed: Schema.Number,
  /** Why the first of them was left. */
  first: Schema.Union(KeyProviderError, DecryptionError)
}) {
  override get message(): string {
    return `${this.operation} left ${this.failed} as they were, the first because: ${this.first.message}`
  }
}

/**
 * An implementation does not keep a promise of a contract in `testing`.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContractViolation extends Schema.TaggedError<ContractViolation>()("ContractViolation", {
  promise: Schema.String
}) {
  override get message(): string {
    return `The implementation does not keep its contract: ${this.promise}.`
  }
}

/**
 * Any error of the package, for a handler of all.
 *
 * @category errors
 * @since 0.1.0
 */
export type SecureSessionsError =
  | ConfigurationError
  | KeyProviderError
  | DecryptionError
  | EncryptionError
  | SerializationError
  | KeyUsageExceeded
  | StaleSession
  | SessionNotFound
  | SessionAlreadyExists
  | EventAlreadyExists
  | IntegrityViolation
  | RotationIncomplete
  | FernetError
  | StorageError
