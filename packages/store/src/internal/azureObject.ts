/** Blobs of a container: looking, reading, removing and copying. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Driver from "../Driver.ts"
import type { Version } from "../Entry.ts"
import type { Range } from "../Operations.ts"
import type { Key } from "../StorePath.ts"
import { blobOf, call, change, hasCode, isFolder, orFolder, versionOf } from "./azureCall.ts"
import type { Container } from "./azureCall.ts"
import { decodeMetadata } from "./azureMetadata.ts"
import { codeOf, explain, means } from "./explainFailure.ts"
import { resolveRange } from "./resolveRange.ts"

/** @internal */
export const headObject = (container: Container, key: Key) =>
  Effect.gen(function*() {
    const properties = yield* call(key, (abortSignal) => blobOf(container, key).getProperties({ abortSignal }))
    return {
      version: yield* versionOf(properties, properties.contentLength),
      attributes: {
        contentType: Option.fromNullable(properties.contentType),
        metadata: decodeMetadata(properties.metadata ?? {})
      }
    }
  })

/** @internal One request where there is an object, two where there is none. */
export const statObject = (container: Container, key: Key): Effect.Effect<Driver.Node, Driver.Failure> =>
  Effect.matchEffect(headObject(container, key), {
    onSuccess: (found) => Effect.succeed<Driver.Node>({ _tag: "Object", ...found }),
    onFailure: (failure) =>
      means(failure, "NotFound")
        ? Effect.flatMap(isFolder(container, key), (folder) =>
          folder ? Effect.succeed<Driver.Node>({ _tag: "Folder" }) : Effect.fail(failure))
        : Effect.fail(failure)
  })

const nothing = Effect.succeed(undefined)

interface Part {
  readonly offset: number
  readonly count?: number
  readonly ifMatch?: string
}

/** What of a range can be asked for at once; the rest needs to know how long the blob is. */
const partOf = (range: Range | undefined): Part | undefined => {
  if (range === undefined) return { offset: 0 }
  if ("suffix" in range || range.length === 0) return undefined
  return { offset: range.offset, ...(range.length === undefined ? {} : { count: range.length }) }
}

/** @internal */
export const getObject = (
  container: Container,
  key: Key,
  { ifMatch, range }: Driver.GetOptions
): Effect.Effect<Driver.OpenObject, Driver.Failure, Scope.Scope> => {
  const part = partOf(range)
  const measured = Effect.gen(function*() {
    const { version } = yield* orFolder(container, key, headObject(container, key))
    if (ifMatch !== undefined && ifMatch !== version.etag) {
      return yield* explain({ _tag: "PreconditionFailed" }, "the blob is another version", key)
    }
    const { end, start } = resolveRange(range, version.size)
    return end === start
      ? { size: 0, etag: version.etag, pull: nothing }
      : yield* download(container, key, { offset: start, count: end - start, ifMatch: version.etag })
  })
  if (part === undefined) return measured
  return Effect.catchIf(
    download(container, key, { ...part, ...(ifMatch === undefined ? {} : { ifMatch }) }),
    // Of a range behind the end, and of a version of nothing, the blob's head tells more.
    (failure) => hasCode(failure, "InvalidRange") || means(failure, "NotFound") || means(failure, "PreconditionFailed"),
    () => measured
  )
}

const download = (container: Container, key: Key, { count, ifMatch, offset }: Part) =>
  Effect.gen(function*() {
    const { signal } = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    const answer = yield* call(key, () =>
      blobOf(container, key).download(offset, count, {
        abortSignal: signal,
        // What breaks is for the layers to go on with: one place decides on retries.
        maxRetryRequests: 0,
        ...(ifMatch === undefined ? {} : { conditions: { ifMatch } })
      }))
    const { contentLength = 0, etag, readableStreamBody } = answer
    if (readableStreamBody === undefined) {
      return yield* explain(
        { _tag: "Unavailable", reason: "Protocol", retryable: false },
        "the answer has no body",
        key
      )
    }
    const chunks = readableStreamBody[Symbol.asyncIterator]()
    return { size: contentLength, ...(etag === undefined ? {} : { etag }), pull: pullFrom(chunks) }
  })

const pullFrom = (chunks: AsyncIterator<string | Uint8Array>): Driver.OpenObject["pull"] =>
  Effect.map(
    Effect.tryPromise({
      try: () => chunks.next(),
      catch: (error) =>
        explain(
          { _tag: "Unavailable", reason: "Truncated", retryable: true },
          `the answer broke off (${codeOf(error) ?? "unknown"})`
        )
    }),
    ({ done, value }) => done === true ? undefined : typeof value === "string" ? new TextEncoder().encode(value) : value
  )

/** @internal */
export const deleteObject = (
  container: Container,
  key: Key,
  ifMatch: string | undefined
): Effect.Effect<void, Driver.Failure> =>
  orFolder(
    container,
    key,
    Effect.asVoid(change(key, (abortSignal) =>
      blobOf(container, key).delete({
        abortSignal,
        deleteSnapshots: "include",
        ...(ifMatch === undefined ? {} : { conditions: { ifMatch } })
      })))
  )

const pollMillis = 250

/** @internal Within the server, pinned to the version that is there now; with its attributes. */
export const copyObject = (
  container: Container,
  from: Key,
  to: Key,
  mode: "create" | "overwrite"
): Effect.Effect<Version, Driver.Failure> => Effect.map(copyVersion(container, from, to, mode), ({ target }) => target)

const copyVersion = (container: Container, from: Key, to: Key, mode: "create" | "overwrite") =>
  Effect.gen(function*() {
    const source = yield* orFolder(container, from, headObject(container, from))
    const poller = yield* change(to, (abortSignal) =>
      blobOf(container, to).beginCopyFromURL(blobOf(container, from).url, {
        abortSignal,
        intervalInMs: pollMillis,
        sourceConditions: { ifMatch: source.version.etag },
        ...(mode === "create" ? { conditions: { ifNoneMatch: "*" } } : {})
      }))
    const done = yield* Effect.onInterrupt(
      change(to, () =>
        poller.pollUntilDone()),
      () =>
        Effect.ignore(Effect.tryPromise(() => poller.cancelOperation()))
    )
    if (done.copyStatus !== "success") {
      return yield* explain(
        { _tag: "Unavailable", reason: "Io", retryable: true },
        `the copy ended as ${done.copyStatus}`,
        to
      )
    }
    return { source: source.version, target: yield* versionOf(done, source.version.size) }
  })

/** @internal A copy, then the removal of what was copied: who stops in between leaves both. */
export const moveObject = (
  container: Container,
  from: Key,
  to: Key,
  mode: "create" | "overwrite"
): Effect.Effect<Version, Driver.Failure> =>
  Effect.gen(function*() {
    const { source, target } = yield* copyVersion(container, from, to, mode)
    yield* deleteObject(container, from, source.etag)
    return target
  }).pipe(Effect.uninterruptible)
