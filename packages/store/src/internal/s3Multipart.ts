// @effect-diagnostics nodeBuiltinImport:off names that nobody else has
/** Bodies of unknown length: in parts, with as many part buffers as parts are under way and no more. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Driver from "../Driver.ts"
import type { Attributes, Version } from "../Entry.ts"
import * as StorePath from "../StorePath.ts"
import type { Key } from "../StorePath.ts"
import { answerOf, conditionOf, protocolBroken } from "./s3Failure.ts"
import { streamObject } from "./s3Read.ts"
import { ask, conditionEtag, head } from "./s3Wire.ts"
import type { Wire } from "./s3Wire.ts"
import {
  attributeHeaders,
  checkTarget,
  conditionHeaders,
  putBytes,
  putStream,
  removeObject,
  underCondition,
  writtenOf
} from "./s3Write.ts"
import { escapeXml, textOf } from "./s3Xml.ts"

/** @internal */
export interface Uploads {
  readonly wire: Wire
  readonly partBytes: number
  readonly concurrency: number
  /** Buffers of finished uploads, for the next. */
  readonly spare: Array<Uint8Array>
}

/** @internal The least part but the last that S3 takes, and its greatest number of parts. */
export const minPartBytes = 5 * 2 ** 20
const maxParts = 10_000

/** @internal The greatest object that one request copies or puts. */
export const maxSingle = 5 * 2 ** 30

/** Parts double ten times on the way, so that their number suffices for the largest object, 5 TiB. */
const sizeOfPart = (uploads: Uploads, number: number): number =>
  uploads.partBytes * 2 ** Math.floor((number - 1) / (maxParts / 10))

/** A stream as a source of bytes. `fill` answers with less than the buffer takes at the end only. */
interface Source<E, R> {
  readonly fill: (buffer: Uint8Array) => Effect.Effect<number, E, R>
}

const makeSource = <E, R>(pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>, R>): Source<E, R> => {
  let pieces: ReadonlyArray<Uint8Array> = []
  let next = 0
  let used = 0
  let ended = false
  const fillFrom = (buffer: Uint8Array, start: number): Effect.Effect<number, E, R> => {
    let at = start
    while (at < buffer.length && next < pieces.length) {
      const piece = pieces[next] ?? new Uint8Array(0)
      const part = piece.subarray(used, used + buffer.length - at)
      buffer.set(part, at)
      at += part.length
      used += part.length
      if (used === piece.length) {
        next++
        used = 0
      }
    }
    if (at === buffer.length || ended) return Effect.succeed(at)
    return Effect.matchEffect(pull, {
      onFailure: (end) => {
        ended = true
        return Option.isSome(end) ? Effect.fail(end.value) : Effect.succeed(at)
      },
      onSuccess: (chunk) => {
        pieces = Chunk.toReadonlyArray(chunk)
        next = 0
        return fillFrom(buffer, at)
      }
    })
  }
  return { fill: (buffer) => Effect.suspend(() => fillFrom(buffer, 0)) }
}

const encoder = new TextEncoder()

interface Part {
  readonly number: number
  readonly buffer: Uint8Array
  readonly length: number
}

const isRetryable = (failure: Driver.Failure): boolean => {
  const condition = conditionOf(failure)
  return condition._tag === "Unavailable" && condition.retryable
}

/** A part can be sent again: the bytes are still there, and the last one sent counts. */
const again = {
  schedule: Schedule.intersect(Schedule.jittered(Schedule.exponential("100 millis")), Schedule.recurs(3)),
  while: isRetryable
}

const begin = (wire: Wire, key: string, attributes: Attributes): Effect.Effect<string, Driver.Failure> =>
  Effect.flatMap(
    ask(
      wire,
      { method: "POST", key, query: [["uploads", ""]], headers: attributeHeaders(attributes) },
      "InitiateMultipartUploadResult"
    ),
    ({ xml }) => {
      const id = textOf(xml, "UploadId") ?? ""
      return id === "" ? Effect.fail(protocolBroken("the upload has no id")) : Effect.succeed(id)
    }
  )

/** @internal */
export const sendPart = (wire: Wire, key: string, upload: string, { buffer, length, number }: Part) =>
  Effect.flatMap(
    Effect.retry(
      head(wire, {
        method: "PUT",
        key,
        query: [["partNumber", String(number)], ["uploadId", upload]],
        body: buffer.subarray(0, length)
      }),
      again
    ),
    ({ headers }) =>
      headers["etag"] === undefined
        ? Effect.fail(protocolBroken("the server does not say what part it has got"))
        : Effect.succeed({ number, length, etag: headers["etag"] })
  )

type Sent = Effect.Effect.Success<ReturnType<typeof sendPart>>

/** @internal Puts the parts together, under the condition of the mode where there is one. */
export const complete = (
  wire: Wire,
  key: string,
  upload: string,
  mode: Driver.Mode,
  parts: ReadonlyArray<Pick<Sent, "number" | "etag">>
) => {
  const list = parts.map(({ etag, number }) =>
    `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`
  )
  const body = encoder.encode(`<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`)
  const request = ask(
    wire,
    { method: "POST", key, query: [["uploadId", upload]], body, headers: conditionHeaders(wire, mode) },
    "CompleteMultipartUploadResult"
  )
  return underCondition(wire, mode, request)
}

/** Nothing of an upload stays. What cannot be removed now is left to the bucket's own rules, and told. */
const abort = (wire: Wire, key: string, upload: string): Effect.Effect<void> =>
  head(wire, { method: "DELETE", key, query: [["uploadId", upload]] }).pipe(
    Effect.retry(again),
    Effect.matchEffect({
      onSuccess: () => Effect.void,
      onFailure: (failure) =>
        answerOf(failure).status === 404
          ? Effect.void
          : Effect.logWarning("An unfinished multipart upload could not be removed", failure.cause)
    })
  )

/** @internal An upload that is begun, used and put together, or removed when that fails or is interrupted. */
export const withUpload = <A, E, R>(
  wire: Wire,
  key: string,
  attributes: Attributes,
  use: (upload: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Driver.Failure, R> =>
  Effect.acquireUseRelease(
    begin(wire, key, attributes),
    use,
    (upload, exit) => Exit.isSuccess(exit) ? Effect.void : abort(wire, key, upload)
  )

/** The parts from the source, each in a buffer that it has to itself until `give` is called. */
const partsOf = <E, R>(
  uploads: Uploads,
  source: Source<E, R>,
  first: Part,
  free: Queue.Queue<Uint8Array | undefined>
): Stream.Stream<Part, E | Driver.Failure, R> => {
  const read = (number: number): Effect.Effect<Option.Option<readonly [Part, number]>, E | Driver.Failure, R> =>
    Effect.gen(function*() {
      if (number > maxParts) {
        return yield* Driver.refuse({ _tag: "Unavailable", reason: "TooLarge", retryable: false })
      }
      const given = yield* Queue.take(free)
      const size = sizeOfPart(uploads, number)
      const buffer = given?.length === size ? given : new Uint8Array(size)
      const length = yield* source.fill(buffer)
      if (length > 0) return Option.some([{ number, buffer, length }, number + 1] as const)
      yield* Queue.offer(free, buffer)
      return Option.none()
    })
  return Stream.concat(Stream.succeed(first), Stream.unfoldEffect(2, read))
}

const putParts = <E, R>(
  uploads: Uploads,
  key: string,
  source: Source<E, R>,
  first: Part,
  mode: Driver.Mode,
  attributes: Attributes
): Effect.Effect<Version, Driver.Failure | E, R> => {
  const { concurrency, spare, wire } = uploads
  return withUpload(wire, key, attributes, (upload) =>
    Effect.gen(function*() {
      const free = yield* Queue.bounded<Uint8Array | undefined>(concurrency)
      for (let i = 1; i < concurrency; i++) yield* Queue.offer(free, spare.pop())
      const sent = yield* partsOf(uploads, source, first, free).pipe(
        Stream.mapEffect(
          (part) => Effect.zipLeft(sendPart(wire, key, upload, part), Queue.offer(free, part.buffer)),
          { concurrency, unordered: true }
        ),
        Stream.runCollect
      )
      for (const buffer of yield* Queue.takeAll(free)) if (buffer !== undefined) keep(uploads, buffer)
      const parts = Chunk.toReadonlyArray(sent).toSorted((a, b) => a.number - b.number)
      const size = parts.reduce((sum, { length }) => sum + length, 0)
      // Once asked for, the object is made: an interruption is too late then.
      const { response, xml } = yield* Effect.uninterruptible(complete(wire, key, upload, mode, parts))
      return yield* writtenOf(wire, key, response, textOf(xml, "ETag"), size)
    }))
}

const keep = ({ concurrency, partBytes, spare }: Uploads, buffer: Uint8Array): void => {
  if (spare.length < concurrency && buffer.length === partBytes) spare.push(buffer)
}

/**
 * @internal A stream that can be opened again, put in one request under a condition. That keeps the condition
 * everywhere where a PUT does.
 */
export const putAgain = <E>(
  wire: Wire,
  key: Key,
  body: Stream.Stream<Uint8Array, E>,
  size: number,
  mode: Driver.Mode,
  attributes: Attributes
): Effect.Effect<Version, Driver.Failure | E> =>
  size > maxSingle
    ? Effect.fail(Driver.refuse({ _tag: "Unavailable", reason: "TooLarge", retryable: false }, key))
    : putStream(wire, key, body, size, mode, attributes)

/** A name beside the key that no key has, so that no listing shows it. */
const detourOf = (key: Key): string => {
  const beside = (folder: StorePath.Prefix): string => {
    const name = `${folder}${folder === "" ? "" : "/"}${StorePath.reservedPrefix}${randomUUID()}`
    return folder !== "" && encoder.encode(name).length > StorePath.maxBytes ? beside(StorePath.parent(folder)) : name
  }
  return beside(StorePath.parent(key))
}

const putByDetour = <E, R>(
  uploads: Uploads,
  key: Key,
  source: Source<E, R>,
  first: Part,
  mode: Driver.Mode,
  attributes: Attributes
): Effect.Effect<Version, Driver.Failure | E, R> => {
  const { wire } = uploads
  const detour = detourOf(key)
  return Effect.ensuring(
    Effect.flatMap(
      putParts(uploads, detour, source, first, "overwrite", attributes),
      ({ etag, size }) => {
        const stored = streamObject(wire, detour, { "if-match": conditionEtag(wire, etag) })
        return underCondition(wire, mode, putAgain(wire, key, stored, size, mode, attributes))
      }
    ),
    Effect.ignoreLogged(removeObject(wire, detour))
  )
}

/** One request where the body fits into one part. */
const putFromSource = <E, R>(
  uploads: Uploads,
  key: Key,
  source: Source<E, R>,
  mode: Driver.Mode,
  attributes: Attributes
): Effect.Effect<Version, Driver.Failure | E, R> =>
  Effect.gen(function*() {
    const { partBytes, spare, wire } = uploads
    const buffer = spare.pop() ?? new Uint8Array(partBytes)
    const length = yield* source.fill(buffer)
    if (length === buffer.length) {
      const put = mode === "overwrite" || wire.dialect.conditionalComplete ? putParts : putByDetour
      return yield* put(uploads, key, source, { number: 1, buffer, length }, mode, attributes)
    }
    const version = yield* putBytes(wire, key, buffer.subarray(0, length), mode, attributes)
    keep(uploads, buffer)
    return version
  })

/** @internal A body of unknown length. A target that tells that the mode cannot be kept is not written to at all. */
export const putUnknown = <E, R>(
  uploads: Uploads,
  key: Key,
  body: Stream.Stream<Uint8Array, E, R>,
  mode: Driver.Mode,
  attributes: Attributes
): Effect.Effect<Version, Driver.Failure | E, R> =>
  Effect.zipRight(
    checkTarget(uploads.wire, key, mode),
    Effect.scoped(
      Effect.flatMap(Stream.toPull(body), (pull) => putFromSource(uploads, key, makeSource(pull), mode, attributes))
    )
  )
