/** Writing objects, copying and removing them. */
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Driver from "../Driver.ts"
import type { Attributes, Version } from "../Entry.ts"
import type { Key } from "../StorePath.ts"
import { answerOf, isA, reinterpret } from "./s3Failure.ts"
import { metadataHeaders } from "./s3Metadata.ts"
import { folderOrNothing, headObject, versionOf } from "./s3Read.ts"
import { conditionEtag, etagOf, head, timeOf } from "./s3Wire.ts"
import type { StreamBody, Wire } from "./s3Wire.ts"

/** @internal */
export const attributeHeaders = ({ contentType, metadata }: Attributes): { [name: string]: string } => ({
  ...metadataHeaders(metadata),
  ...(Option.isSome(contentType) ? { "content-type": contentType.value } : {})
})

/** @internal */
export const conditionHeaders = (wire: Wire, mode: Driver.Mode): { readonly [name: string]: string } => {
  if (mode === "overwrite") return {}
  return mode === "create" ? { "if-none-match": "*" } : { "if-match": conditionEtag(wire, mode.ifMatch) }
}

const capabilityOf = (mode: Driver.Mode) => (mode === "create" ? "createIfAbsent" : "replaceIfMatch")

/** What a server says when a condition does not hold, in the terms of the mode. */
const explainCondition = (mode: Driver.Mode, failure: Driver.Failure): Driver.Failure => {
  if (mode === "overwrite") return failure
  if (answerOf(failure).status === 501) {
    return reinterpret(failure, { _tag: "NotSupported", capability: capabilityOf(mode) })
  }
  if (mode === "create") {
    return isA(failure, "PreconditionFailed")
      ? reinterpret(failure, { _tag: "AlreadyExists" })
      : failure
  }
  return isA(failure, "NotFound") ? reinterpret(failure, { _tag: "PreconditionFailed" }) : failure
}

/** Who lost a race that the server could not decide has changed nothing, and asks again. */
const raceAgain = Schedule.intersect(Schedule.jittered(Schedule.exponential("5 millis", 1.6)), Schedule.recurs(12))

/** @internal A change under a condition, or without. */
export const underCondition = <A>(
  wire: Wire,
  mode: Driver.Mode,
  change: Effect.Effect<A, Driver.Failure>
): Effect.Effect<A, Driver.Failure> =>
  mode === "overwrite" ? change : Effect.mapError(
    Effect.retry(change, {
      schedule: raceAgain,
      while: (failure) => wire.dialect.raceCodes.includes(answerOf(failure).code)
    }),
    (failure) => explainCondition(mode, failure)
  )

/**
 * @internal The version that a write made: servers tell its etag, and the time of their answer is that of the write.
 * A server that tells less is asked.
 */
export const writtenOf = (
  wire: Wire,
  key: string,
  response: HttpClientResponse,
  etag: string | undefined,
  size: number
): Effect.Effect<Version, Driver.Failure> => {
  const modifiedAt = timeOf(response.headers["date"])
  const told = etagOf(etag)
  return told === "" || modifiedAt === undefined
    ? Effect.flatMap(headObject(wire, key), versionOf)
    : Effect.succeed({ size, etag: told, modifiedAt })
}

const putRequest = (
  wire: Wire,
  key: string,
  body: Uint8Array | StreamBody,
  mode: Driver.Mode,
  attributes: Attributes
): Effect.Effect<HttpClientResponse, Driver.Failure> =>
  head(wire, {
    method: "PUT",
    key,
    body,
    headers: { ...attributeHeaders(attributes), ...conditionHeaders(wire, mode) }
  })

/** @internal One request. */
export const putBytes = (
  wire: Wire,
  key: string,
  bytes: Uint8Array,
  mode: Driver.Mode,
  attributes: Attributes
): Effect.Effect<Version, Driver.Failure> =>
  Effect.flatMap(
    underCondition(wire, mode, putRequest(wire, key, bytes, mode, attributes)),
    (response) => writtenOf(wire, key, response, response.headers["etag"], bytes.length)
  )

/**
 * @internal One request whose body is a stream. The stream's own failure is the outcome, whatever the client makes of
 * it; the server drops what it has got then, as the request has no end.
 */
export const putStream = <E, R>(
  wire: Wire,
  key: string,
  body: Stream.Stream<Uint8Array, E, R>,
  length: number,
  mode: Driver.Mode,
  attributes: Attributes
): Effect.Effect<Version, Driver.Failure | E, R> =>
  Effect.flatMap(Effect.context<R>(), (context) => {
    let failed: Effect.Effect<never, E> | undefined
    const stream = body.pipe(
      Stream.tapErrorCause((cause) => Effect.sync(() => failed = Effect.failCause(cause))),
      Stream.provideContext(context)
    )
    const put = putRequest(wire, key, { stream, length }, mode, attributes)
    return Effect.matchEffect(put, {
      onFailure: (failure): Effect.Effect<never, Driver.Failure | E> =>
        failed ?? Effect.fail(explainCondition(mode, failure)),
      onSuccess: (response): Effect.Effect<Version, Driver.Failure | E> =>
        failed ?? writtenOf(wire, key, response, response.headers["etag"], length)
    })
  })

/** @internal Refuses what the target already tells cannot be kept, before anything is read from the body. */
export const checkTarget = (wire: Wire, key: Key, mode: Driver.Mode): Effect.Effect<void, Driver.Failure> =>
  mode === "overwrite" ? Effect.void : Effect.matchEffect(headObject(wire, key), {
    onSuccess: ({ headers }) =>
      mode === "create"
        ? Effect.fail(Driver.refuse({ _tag: "AlreadyExists" }, key))
        : etagOf(headers["etag"]) === mode.ifMatch
        ? Effect.void
        : Effect.fail(Driver.refuse({ _tag: "PreconditionFailed" }, key)),
    onFailure: (failure) =>
      !isA(failure, "NotFound")
        ? Effect.fail(failure)
        : mode === "create"
        ? Effect.void
        : Effect.fail(Driver.refuse({ _tag: "PreconditionFailed" }, key))
  })

/** @internal */
export const removeObject = (
  wire: Wire,
  key: string,
  headers: { readonly [name: string]: string } = {}
): Effect.Effect<void, Driver.Failure> => Effect.asVoid(head(wire, { method: "DELETE", key, headers }))

/** @internal Servers remove what is not there without a word, so the object is looked at first. */
export const deleteObject = (
  wire: Wire,
  key: Key,
  ifMatch: string | undefined
): Effect.Effect<void, Driver.Failure> =>
  Effect.matchEffect(headObject(wire, key), {
    onFailure: (failure) => folderOrNothing(wire, key, failure),
    onSuccess: () => removeObject(wire, key, ifMatch === undefined ? {} : { "if-match": conditionEtag(wire, ifMatch) })
  })
