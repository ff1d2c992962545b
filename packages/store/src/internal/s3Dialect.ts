/** What is known of S3 servers. */

/**
 * What a server keeps beyond plain objects. What it does not keep is not offered.
 *
 * @since 0.1.0
 * @category models
 */
export interface Dialect {
  /** `If-None-Match: *` of a PUT is enforced, race or not. */
  readonly createIfAbsent: boolean
  /** `If-Match` of a PUT is enforced, race or not. */
  readonly replaceIfMatch: boolean
  /** `If-Match` of a DELETE is enforced. */
  readonly deleteIfMatch: boolean
  /**
   * The conditions that a PUT keeps are kept by the completion of a multipart upload as well. Otherwise a streamed body
   * of more than one part goes to a name of its own first, and from there under the condition to its place.
   */
  readonly conditionalComplete: boolean
  /** How an etag is written in a condition. */
  readonly conditionEtag: "quoted" | "bare"
  /** Codes with which the server answers whoever lost a race, having changed nothing; such a request is sent again. */
  readonly raceCodes: ReadonlyArray<string>
}

/**
 * The servers that are known by name. `generic`: none of the conditions is trusted.
 *
 * @since 0.1.0
 * @category models
 */
export type DialectName = "aws" | "rgw" | "swift" | "generic"

const generic: Dialect = {
  createIfAbsent: false,
  replaceIfMatch: false,
  deleteIfMatch: false,
  conditionalComplete: false,
  conditionEtag: "quoted",
  raceCodes: ["ConditionalRequestConflict", "OperationAborted"]
}

/** @internal */
export const dialects: { readonly [N in DialectName]: Dialect } = {
  generic,
  aws: { ...generic, createIfAbsent: true, replaceIfMatch: true, deleteIfMatch: true, conditionalComplete: true },
  rgw: {
    ...generic,
    createIfAbsent: true,
    replaceIfMatch: true,
    conditionEtag: "bare",
    raceCodes: ["UnknownError", "ConcurrentModification"]
  },
  swift: { ...generic, deleteIfMatch: true }
}
