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
  "SpecialFile"
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
  SpecialFile: "it is neither a file nor a folder"
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
  backend: Schema.String,
  operation: Schema.String
}) {
  override get message(): string {
    return `${this.backend} ${this.operation}: this store does not offer "${this.capability}"; ` +
      `nothing was attempted, use a backend that declares it`
  }
}

/**
 * Why a backend could not do its work.
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
  "Io"
)

/**
 * @since 0.1.0
 * @category models
 */
export type BackendUnavailableReason = typeof BackendUnavailableReason.Type

/**
 * The backend failed. A write that fails so has left the old object, or none, in place.
 *
 * @since 0.1.0
 * @category errors
 */
export class BackendUnavailable extends Schema.TaggedError<BackendUnavailable>()("BackendUnavailable", {
  ...where,
  reason: BackendUnavailableReason,
  /** Whether the same call may succeed when it is made again. */
  retryable: Schema.Boolean,
  cause: Schema.Defect
}) {
  override get message(): string {
    return `${this.backend} ${this.operation}: failed (${this.reason}) at ${quote(this.path)}; ` +
      (this.retryable ? "it may succeed when tried again" : "trying again will not help until the cause is removed")
  }
}

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
