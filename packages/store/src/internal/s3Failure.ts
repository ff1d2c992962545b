/** What an S3 server's refusals mean. */
import * as Data from "effect/Data"
import * as Driver from "../Driver.ts"
import type { Key } from "../StorePath.ts"
import { textOf } from "./s3Xml.ts"
import type { Element } from "./s3Xml.ts"

/**
 * A refusal or a broken answer, in words of our own: a client's error holds the request with its headers, and
 * a server's can repeat what it was sent.
 */
class S3Failure extends Data.TaggedError("@sennit/store/S3Failure")<{
  readonly condition: Driver.Condition
  /** The HTTP status; 0 where there was no answer. */
  readonly status: number
  /** The server's own code, such as `SlowDown`. */
  readonly code: string
  readonly message: string
}> {}

/** @internal */
export const classify = (cause: unknown): Driver.Condition =>
  cause instanceof S3Failure ? cause.condition : { _tag: "Unavailable", reason: "Io", retryable: false }

/** @internal */
export const failWith = (condition: Driver.Condition, message: string, status = 0, code = ""): Driver.Failure =>
  new Driver.Failure({ cause: new S3Failure({ condition, status, code, message }) })

/** @internal */
export const protocolBroken = (what: string): Driver.Failure =>
  failWith({ _tag: "Unavailable", reason: "Protocol", retryable: false }, what)

/** @internal The same failure with another meaning. */
export const reinterpret = (failure: Driver.Failure, condition: Driver.Condition): Driver.Failure => {
  const { cause } = failure
  return cause instanceof S3Failure
    ? new Driver.Failure({ cause: new S3Failure({ ...cause, message: cause.message, condition }) })
    : failure
}

/** @internal */
export const conditionOf = (failure: Driver.Failure): Driver.Condition =>
  failure.cause instanceof Driver.Refusal ? failure.cause.condition : classify(failure.cause)

/** @internal */
export const isA = (failure: Driver.Failure, tag: Driver.Condition["_tag"]): boolean =>
  conditionOf(failure)._tag === tag

/** @internal The status and code of a server's refusal. */
export const answerOf = (failure: Driver.Failure): { readonly status: number; readonly code: string } =>
  failure.cause instanceof S3Failure ? failure.cause : { status: 0, code: "" }

/** @internal */
export const concerning = (failure: Driver.Failure, key: Key): Driver.Failure =>
  new Driver.Failure({ cause: failure.cause, key })

const unavailable = (
  reason: Extract<Driver.Condition, { readonly _tag: "Unavailable" }>["reason"],
  retryable: boolean,
  applied: "no" | "unknown" = "no"
): Driver.Condition => ({ _tag: "Unavailable", reason, retryable, applied })

const byCode: { readonly [code: string]: Driver.Condition } = {
  NoSuchKey: { _tag: "NotFound" },
  NoSuchBucket: unavailable("Misconfigured", false),
  NoSuchUpload: unavailable("Protocol", false),
  KeyTooLongError: { _tag: "InvalidPath", reason: "PathTooLong" },
  InvalidObjectName: { _tag: "InvalidPath", reason: "NotRepresentable" },
  EntityTooLarge: unavailable("TooLarge", false),
  MetadataTooLarge: unavailable("TooLarge", false),
  QuotaExceeded: unavailable("NoSpace", false),
  RequestTimeTooSkewed: unavailable("Misconfigured", false),
  PermanentRedirect: unavailable("Misconfigured", false),
  // a client that cannot send a stream of known length, such as `fetch`
  MissingContentLength: unavailable("Misconfigured", false),
  AuthorizationHeaderMalformed: unavailable("Misconfigured", false),
  SlowDown: unavailable("Throttled", true),
  RequestTimeout: unavailable("Network", true),
  BadDigest: unavailable("Network", true),
  XAmzContentSHA256Mismatch: unavailable("Network", true),
  ConditionalRequestConflict: unavailable("Protocol", true),
  OperationAborted: unavailable("Protocol", true)
}

const byStatus = (status: number, changes: boolean): Driver.Condition => {
  if (status === 404) return { _tag: "NotFound" }
  if (status === 412) return { _tag: "PreconditionFailed" }
  if (status === 401 || status === 403) return { _tag: "PermissionDenied" }
  if (status === 413) return unavailable("TooLarge", false)
  if (status === 429 || status === 503) return unavailable("Throttled", true)
  if (status === 408) return unavailable("Network", true)
  if (status === 301 || status === 307) return unavailable("Misconfigured", false)
  return status >= 500 && status !== 501
    ? unavailable("Protocol", true, changes ? "unknown" : "no")
    : unavailable("Protocol", false)
}

/** @internal A refusal; `body` is its XML where it has some. `changes`: whether the request was to change something. */
export const refusalOf = (status: number, body: Element | undefined, changes: boolean): Driver.Failure => {
  const told = body?.name === "Error" ? textOf(body, "Code") ?? "" : ""
  const code = /^[\w.]{1,64}$/.test(told) ? told : ""
  const condition = Object.hasOwn(byCode, code) ? byCode[code] : undefined
  return failWith(
    condition ?? byStatus(status, changes),
    `the server answered ${status}${code === "" ? "" : ` ${code}`}`,
    status,
    code
  )
}
