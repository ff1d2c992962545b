/** Calls of Azure's own client as Effects, and what its errors mean. Their requests hold secrets and stay here. */
import type { BlockBlobClient, ContainerClient } from "@azure/storage-blob"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Driver from "../Driver.ts"
import type { Version } from "../Entry.ts"
import type * as StorePath from "../StorePath.ts"
import { codeOf, explain, Explanation, means } from "./explainFailure.ts"

/** @internal */
export interface Container {
  readonly client: ContainerClient
}

/** @internal */
export const blobOf = ({ client }: Container, key: string): BlockBlobClient => client.getBlockBlobClient(key)

/** @internal One request. It ends with the fiber that awaits it. */
export const call = <A>(
  key: StorePath.Key | undefined,
  request: (abortSignal: AbortSignal) => Promise<A>
): Effect.Effect<A, Driver.Failure> => Effect.tryPromise({ try: request, catch: (error) => failureOf(error, key) })

/** @internal The same for a change: where the answer is lost, it may have been made. */
export const change = <A>(
  key: StorePath.Key,
  request: (abortSignal: AbortSignal) => Promise<A>
): Effect.Effect<A, Driver.Failure> =>
  Effect.mapError(call(key, request), (failure) => {
    const { cause } = failure
    if (!(cause instanceof Explanation) || cause.condition._tag !== "Unavailable") return failure
    const isUnknown = cause.condition.retryable && cause.condition.reason !== "Throttled"
    return isUnknown ? explain({ ...cause.condition, applied: "unknown" }, cause.message, key) : failure
  })

const failureOf = (error: unknown, key: StorePath.Key | undefined): Driver.Failure => {
  const status = numberIn(error, "statusCode")
  const code = azureCodeOf(error) ?? "unknown"
  return explain(
    status === undefined ? withoutAnswer(code) : conditionOf(status, code),
    status === undefined ? `no answer from the server (${code})` : `the server answers ${status} (${code})`,
    key
  )
}

const withoutAnswer = (code: string): Driver.Condition => ({
  _tag: "Unavailable",
  reason: code === "unknown" ? "Io" : "Network",
  retryable: true
})

const conditionOf = (status: number, code: string): Driver.Condition => {
  if (code.startsWith("Lease")) return { _tag: "Locked" }
  if (code === "BlobAlreadyExists") return { _tag: "AlreadyExists" }
  if (/^(?:Container|Account|ResourceType)\w*(?:NotFound|Mismatch|Disabled)$/.test(code)) {
    return { _tag: "Unavailable", reason: "Misconfigured", retryable: false }
  }
  if (status === 404) return { _tag: "NotFound" }
  if (status === 401 || status === 403) return { _tag: "PermissionDenied" }
  if (status === 304 || status === 412) return { _tag: "PreconditionFailed" }
  if (status === 413) return { _tag: "Unavailable", reason: "TooLarge", retryable: false }
  if (status === 429 || status === 503) return { _tag: "Unavailable", reason: "Throttled", retryable: true }
  return { _tag: "Unavailable", reason: "Protocol", retryable: status === 408 || status >= 500 }
}

const numberIn = (error: unknown, name: string): number | undefined => {
  const value: unknown = typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined
  return typeof value === "number" ? value : undefined
}

/** `BlobNotFound` and the like; an answer to HEAD has it only among its headers. */
const azureCodeOf = (error: unknown): string | undefined => {
  const details: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "details") : undefined
  const code: unknown = typeof details === "object" && details !== null ? Reflect.get(details, "errorCode") : undefined
  return typeof code === "string" ? code : codeOf(error)
}

/** @internal Whether the server gave this code. */
export const hasCode = (failure: Driver.Failure, code: string): boolean =>
  failure.cause instanceof Explanation && failure.cause.message.endsWith(`(${code})`)

/** @internal What the server says of a blob in each of its answers. */
export const versionOf = (
  answer: { readonly etag?: string | undefined; readonly lastModified?: Date | undefined },
  size: number | undefined
): Effect.Effect<Version, Driver.Failure> =>
  answer.etag === undefined || answer.lastModified === undefined || size === undefined
    ? Effect.fail(explain(
      { _tag: "Unavailable", reason: "Protocol", retryable: false },
      "the server does not say which version the blob is"
    ))
    : Effect.succeed({ size, etag: answer.etag, modifiedAt: DateTime.unsafeFromDate(answer.lastModified) })

/** @internal Whether a blob's name begins with this and a slash. */
export const isFolder = ({ client }: Container, key: StorePath.Key): Effect.Effect<boolean, Driver.Failure> =>
  Effect.map(
    call(
      key,
      (abortSignal) => client.listBlobsFlat({ prefix: `${key}/`, abortSignal }).byPage({ maxPageSize: 1 }).next()
    ),
    ({ done, value }) => done !== true && value.segment.blobItems.length > 0
  )

/** @internal Nothing was found: is it the name of a folder? */
export const orFolder = <A>(
  container: Container,
  key: StorePath.Key,
  effect: Effect.Effect<A, Driver.Failure>
): Effect.Effect<A, Driver.Failure> =>
  Effect.catchAll(effect, (failure) =>
    means(failure, "NotFound")
      ? Effect.flatMap(isFolder(container, key), (folder) =>
        Effect.fail(
          folder ? explain({ _tag: "InvalidPath", reason: "IsFolder" }, "there are blobs below it", key) : failure
        ))
      : Effect.fail(failure))
