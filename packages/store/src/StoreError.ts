/**
 * Every way in which a store can refuse or fail.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const where = {
  /** The path as the caller's store sees it. */
  path: Schema.String,
  /** The backend's name, such as `local`. */
  backend: Schema.String,
  /** The operation, such as `write`. */
  operation: Schema.String
}

const quote = (path: string): string => JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}...` : path)

/**
 * There is no object at this path.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", where) {
  override get message(): string {
    return `${this.backend} ${this.operation}: no object at ${quote(this.path)}; nothing was changed`
  }
}

/**
 * The path is taken and the operation's mode is `create`.
 *
 * @since 0.1.0
 * @category errors
 */
export class AlreadyExists extends Schema.TaggedError<AlreadyExists>()("AlreadyExists", where) {
  override get message(): string {
    return `${this.backend} ${this.operation}: ${quote(this.path)} exists already and was left as it is; ` +
      `pass mode "overwrite" to replace it`
  }
}

/**
 * The object is not (or no longer) the one that `ifMatch` names.
 *
 * @since 0.1.0
 * @category errors
 */
export class PreconditionFailed extends Schema.TaggedError<PreconditionFailed>()("PreconditionFailed", where) {
  override get message(): string {
    return `${this.backend} ${this.operation}: ${quote(this.path)} is not the version that ifMatch names; ` +
      `nothing was changed, read it again and decide anew`
  }
}

/**
 * The backend does not let this process do that.
 *
 * @since 0.1.0
 * @category errors
 */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", {
  ...where,
  cause: Schema.Defect
}) {
  override get message(): string {
    return `${this.backend} ${this.operation}: access to ${quote(this.path)} is denied; nothing was changed`
  }
}

/**
 * Why a path is refused. The first seven are found without I/O, the rest by the backend.
 *
 * @since 0.1.0
 * @category models
 */
export const InvalidPathReason = Schema.Literal(
  "Root",
  "ParentSegment",
  "NulByte",
  "LoneSurrogate",
  "PathTooLong",
  "SegmentTooLong",
  "ReservedPrefix",
  "IsFolder",
  "AncestorIsObject",
  "SymbolicLink",
  "SpecialFile",
  "NotRepresentable",
  "NotNative",
  "Pattern"
)

/**
 * @since 0.1.0
 * @category models
 */
export type InvalidPathReason = typeof InvalidPathReason.Type

const explanation: { readonly [R in InvalidPathReason]: string } = {
  Root: "it names the store's root, which is a folder",
  ParentSegment: "a segment is `..`",
  NulByte: "it holds a NUL byte",
  LoneSurrogate: "it holds a lone surrogate and has no UTF-8 form",
  PathTooLong: "it is longer than 1024 bytes of UTF-8",
  SegmentTooLong: "a segment is longer than 255 bytes of UTF-8",
  ReservedPrefix: "a segment starts with `.~`, which is kept for unfinished writes",
  IsFolder: "it is a folder",
  AncestorIsObject: "a part of it is an object, not a folder",
  SymbolicLink: "a part of it is a symbolic link",
  SpecialFile: "it is neither a file nor a folder",
  NotRepresentable: "the backend cannot hold such a name",
  NotNative: "it is not a native name of an object in this store",
  Pattern: "it is not a pattern; a `[` is not closed"
}

/**
 * The path cannot name an object here; `reason` says why. Nothing was read or changed.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidPath extends Schema.TaggedError<InvalidPath>()("InvalidPath", {
  path: Schema.String,
  reason: InvalidPathReason,
  backend: Schema.optional(Schema.String),
  operation: Schema.optional(Schema.String)
}) {
  override get message(): string {
    const prefix = this.backend === undefined ? "" : `${this.backend} ${this.operation ?? ""}: `
    return `${prefix}${quote(this.path)} is refused: ${explanation[this.reason]}; nothing was changed`
  }
}

/**
 * The requested range is not one of whole, non-negative byte counts.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRange extends Schema.TaggedError<InvalidRange>()("InvalidRange", where) {
  override get message(): string {
    return `${this.backend} ${this.operation}: the range asked of ${quote(this.path)} is not made of ` +
      `whole, non-negative numbers; nothing was read`
  }
}

/**
 * The store cannot keep what was asked. Raised before any I/O.
 *
 * @since 0.1.0
 * @category errors
 */
export class CapabilityNotSupported extends Schema.TaggedError<CapabilityNotSupported>()("CapabilityNotSupported", {
  capability: Schema.String,
  /** Empty where it is not about one path. */
  path: Schema.optionalWith(Schema.String, { default: () => "" }),
  backend: Schema.String,
  operation: Schema.String
}) {
  override get message(): string {
    return `${this.backend} ${this.operation}: this store does not offer "${this.capability}"; ` +
      `nothing was attempted, use a backend that declares it`
  }
}

/**
 * Why a backend could not do its work. `Misconfigured`: with the options given it never can. `Untrusted`: the server
 * is not known to be the one that is meant, and was told nothing.
 *
 * @since 0.1.0
 * @category models
 */
export const BackendUnavailableReason = Schema.Literal(
  "NoSpace",
  "TooLarge",
  "ReadOnly",
  "Exhausted",
  "Truncated",
  "Network",
  "Throttled",
  "Protocol",
  "Misconfigured",
  "Untrusted",
  "Io"
)

/**
 * @since 0.1.0
 * @category models
 */
export type BackendUnavailableReason = typeof BackendUnavailableReason.Type

/**
 * The backend failed. A write that fails so has left the old object, or none, in place, unless `applied` is
 * `unknown`: then the request was sent and its answer did not come.
 *
 * @since 0.1.0
 * @category errors
 */
export class BackendUnavailable extends Schema.TaggedError<BackendUnavailable>()("BackendUnavailable", {
  ...where,
  reason: BackendUnavailableReason,
  /** Whether the same call may succeed when it is made again. */
  retryable: Schema.Boolean,
  /** Whether a change may have happened all the same. */
  applied: Schema.optionalWith(Schema.Literal("no", "unknown"), { default: () => "no" }),
  cause: Schema.Defect
}) {
  override get message(): string {
    return `${this.backend} ${this.operation}: failed (${this.reason}) at ${quote(this.path)}; ` +
      (this.applied === "unknown" ? "a change may have been made all the same; " : "") +
      (this.retryable ? "it may succeed when tried again" : "trying again will not help until the cause is removed")
  }
}

/**
 * A folder holds something and was to be deleted only if it is empty.
 *
 * @since 0.1.0
 * @category errors
 */
export class DirectoryNotEmpty extends Schema.TaggedError<DirectoryNotEmpty>()("DirectoryNotEmpty", where) {
  override get message(): string {
    return `${this.backend} ${this.operation}: the folder ${quote(this.path)} is not empty; nothing was changed, ` +
      `pass recursive to delete what is in it`
  }
}

/**
 * Someone else holds the object, such as by a lease.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResourceLocked extends Schema.TaggedError<ResourceLocked>()("ResourceLocked", {
  ...where,
  cause: Schema.Defect
}) {
  override get message(): string {
    return `${this.backend} ${this.operation}: ${quote(this.path)} is locked by another; ` +
      `nothing was changed, try again when it is released`
  }
}

/**
 * The bytes are not those that the digest names. A write that fails so has left what was there.
 *
 * @since 0.1.0
 * @category errors
 */
export class IntegrityMismatch extends Schema.TaggedError<IntegrityMismatch>()("IntegrityMismatch", {
  ...where,
  /** `<algorithm>:<hex>` */
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `${this.backend} ${this.operation}: the bytes of ${quote(this.path)} have the digest ${this.actual} ` +
      `instead of ${this.expected}; do not use them`
  }
}

/**
 * A conditional change was sent, its answer was lost, and what is there now does not tell whether it happened.
 *
 * @since 0.1.0
 * @category errors
 */
export class AmbiguousWrite extends Schema.TaggedError<AmbiguousWrite>()("AmbiguousWrite", {
  ...where,
  cause: Schema.Defect
}) {
  override get message(): string {
    return `${this.backend} ${this.operation}: the answer was lost and ${quote(this.path)} may or may not have been ` +
      `changed by this call; read it and decide`
  }
}

/**
 * The operation was given up after its time; `timeout` is in milliseconds.
 *
 * @since 0.1.0
 * @category errors
 */
export class TimedOut extends Schema.TaggedError<TimedOut>()("TimedOut", {
  ...where,
  timeout: Schema.Number,
  /** Whether a change may have happened all the same. */
  applied: Schema.Literal("no", "unknown")
}) {
  override get message(): string {
    return `${this.backend} ${this.operation}: gave up on ${quote(this.path)} after ${this.timeout} ms; ` +
      (this.applied === "unknown" ? "a change may have been made all the same" : "nothing was changed")
  }
}

/**
 * The stored bytes are not what the schema describes.
 *
 * @since 0.1.0
 * @category errors
 */
export class DecodeFailed extends Schema.TaggedError<DecodeFailed>()("DecodeFailed", {
  ...where,
  /** What did not fit, without the values. */
  issue: Schema.String
}) {
  override get message(): string {
    return `${this.backend} ${this.operation}: ${quote(this.path)} does not hold what the schema describes ` +
      `(${this.issue}); nothing was changed`
  }
}

/**
 * A registry has no store of this name.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownStore extends Schema.TaggedError<UnknownStore>()("UnknownStore", {
  name: Schema.String,
  /** Those that it has. */
  names: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `there is no store ${quote(this.name)}; ${
      this.names.length === 0 ? "the registry is empty" : `the registry has ${this.names.map(quote).join(", ")}`
    }`
  }
}

/**
 * Why a call of `/Sync`, or one that a worker should answer, was not made. `InsideFiber`: a fiber runs on this thread,
 * and would stop with all others; there, use the store itself. `Closed`: it was closed before. `Options`: they cannot
 * be sent to a worker. `Worker`: the worker did not start, failed, or does not answer.
 *
 * @since 0.1.0
 * @category models
 */
export const SyncErrorReason = Schema.Literal("InsideFiber", "Closed", "Options", "Worker")

/**
 * @since 0.1.0
 * @category models
 */
export type SyncErrorReason = typeof SyncErrorReason.Type

/**
 * A blocking call could not be made.
 *
 * @since 0.1.0
 * @category errors
 */
export class SyncError extends Schema.TaggedError<SyncError>()("SyncError", {
  reason: SyncErrorReason,
  detail: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    return `the call was not answered (${this.reason}): ${this.detail}`
  }
}

const members = [
  NotFound,
  AlreadyExists,
  PreconditionFailed,
  PermissionDenied,
  InvalidPath,
  InvalidRange,
  CapabilityNotSupported,
  BackendUnavailable,
  DirectoryNotEmpty,
  ResourceLocked,
  IntegrityMismatch,
  AmbiguousWrite,
  TimedOut,
  DecodeFailed
] as const

/**
 * Schema of everything that an operation of a store can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export const StoreError: Schema.Union<typeof members> = Schema.Union(...members)

/**
 * Everything that an operation of a store can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type StoreError =
  | NotFound
  | AlreadyExists
  | PreconditionFailed
  | PermissionDenied
  | InvalidPath
  | InvalidRange
  | CapabilityNotSupported
  | BackendUnavailable
  | DirectoryNotEmpty
  | ResourceLocked
  | IntegrityMismatch
  | AmbiguousWrite
  | TimedOut
  | DecodeFailed
