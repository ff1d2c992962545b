/** Looking at objects and reading them. */
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Driver from "../Driver.ts"
import type { Attributes, Version } from "../Entry.ts"
import type { Range } from "../Operations.ts"
import type { Key } from "../StorePath.ts"
import { isA, protocolBroken } from "./s3Failure.ts"
import { isFolder } from "./s3List.ts"
import { metadataOf } from "./s3Metadata.ts"
import { conditionEtag, etagOf, head, open, readAll, streamOf, timeOf } from "./s3Wire.ts"
import type { Wire } from "./s3Wire.ts"

const countOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** @internal What servers say of an object that was written without a type. */
const untyped = "binary/octet-stream"

/** @internal */
export const attributesOf = ({ headers }: HttpClientResponse): Attributes => ({
  contentType: Option.filter(Option.fromNullable(headers["content-type"]), (type) => type !== untyped && type !== ""),
  metadata: metadataOf(headers)
})

/** @internal The version that an answer with the whole of an object, or with its head, is of. */
export const versionOf = (response: HttpClientResponse): Effect.Effect<Version, Driver.Failure> => {
  const size = countOf(response.headers["content-length"])
  const modifiedAt = timeOf(response.headers["last-modified"])
  return size === undefined || modifiedAt === undefined
    ? Effect.fail(protocolBroken("the server does not say how long or how old the object is"))
    : Effect.succeed({ size, etag: etagOf(response.headers["etag"]), modifiedAt })
}

/** @internal Nothing was found: is it the name of a folder? */
export const folderOrNothing = (wire: Wire, key: Key, failure: Driver.Failure): Effect.Effect<never, Driver.Failure> =>
  isA(failure, "NotFound")
    ? Effect.flatMap(
      isFolder(wire, key),
      (folder) =>
        Effect.fail(folder ? Driver.refuse({ _tag: "InvalidPath", reason: "IsFolder" }, failure.key ?? key) : failure)
    )
    : Effect.fail(failure)

/** @internal */
export const headObject = (wire: Wire, key: string): Effect.Effect<HttpClientResponse, Driver.Failure> =>
  head(wire, { method: "HEAD", key })

/** @internal One request where there is an object, two where there is none. */
export const statObject = (wire: Wire, key: Key): Effect.Effect<Driver.Node, Driver.Failure> =>
  Effect.matchEffect(headObject(wire, key), {
    onSuccess: (response) =>
      Effect.map(
        versionOf(response),
        (version): Driver.Node => ({ _tag: "Object", version, attributes: attributesOf(response) })
      ),
    onFailure: (failure) =>
      isA(failure, "NotFound")
        ? Effect.flatMap(isFolder(wire, key), (folder) =>
          folder ? Effect.succeed<Driver.Node>({ _tag: "Folder" }) : Effect.fail(failure))
        : Effect.fail(failure)
  })

/** The `Range` header for a range, where it has one: none for no bytes at all. */
const rangeHeader = (range: Range): string | undefined => {
  if ("suffix" in range) return range.suffix === 0 ? undefined : `bytes=-${range.suffix}`
  if (range.length === undefined) return `bytes=${range.offset}-`
  return range.length === 0 ? undefined : `bytes=${range.offset}-${range.offset + range.length - 1}`
}

interface Question {
  readonly headers: { readonly [name: string]: string }
  /** No bytes are wanted. */
  readonly isEmpty: boolean
}

const questionOf = (wire: Wire, { ifMatch, range }: Driver.GetOptions): Question => {
  const wanted = range === undefined ? undefined : rangeHeader(range)
  return {
    headers: {
      ...(wanted === undefined ? {} : { range: wanted }),
      ...(ifMatch === undefined ? {} : { "if-match": conditionEtag(wire, ifMatch) })
    },
    isEmpty: range !== undefined && wanted === undefined
  }
}

const nothing = Effect.succeed(undefined)

const stale = () => Effect.fail(Driver.refuse({ _tag: "PreconditionFailed" }))

/**
 * Whether an answer is what was asked for: a server may ignore a condition or a range. Answers how many bytes there
 * are to read.
 */
const check = (
  wire: Wire,
  key: Key,
  { ifMatch, range }: Driver.GetOptions,
  response: HttpClientResponse
): Effect.Effect<number, Driver.Failure> => {
  if (response.status === 416) {
    // Behind the end there is nothing to read; the answer does not name the version.
    return ifMatch === undefined
      ? Effect.succeed(0)
      : Effect.flatMap(
        headObject(wire, key),
        ({ headers }) => etagOf(headers["etag"]) === ifMatch ? Effect.succeed(0) : stale()
      )
  }
  if (ifMatch !== undefined && etagOf(response.headers["etag"]) !== ifMatch) return stale()
  const size = countOf(response.headers["content-length"])
  if (size === undefined) return Effect.fail(protocolBroken("the server does not say how long its answer is"))
  if (range === undefined) return Effect.succeed(size)
  const [, first, last] = /^bytes (\d{1,15})-(\d{1,15})\//.exec(response.headers["content-range"] ?? "") ?? []
  const starts = "suffix" in range || Number(first) === range.offset
  return response.status === 206 && starts && Number(last) - Number(first) + 1 === size
    ? Effect.succeed(size)
    : Effect.fail(protocolBroken("the server sends another part of the object than it was asked for"))
}

const getNothing = (wire: Wire, key: Key, headers: Question["headers"]) =>
  Effect.catchAll(head(wire, { method: "HEAD", key, headers }), (failure) => folderOrNothing(wire, key, failure))

/** @internal One request; the connection is let go with the scope. */
export const getObject = (
  wire: Wire,
  key: Key,
  options: Driver.GetOptions
): Effect.Effect<Driver.OpenObject & { readonly response: HttpClientResponse }, Driver.Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const { headers, isEmpty } = questionOf(wire, options)
    if (isEmpty) return { size: 0, pull: nothing, response: yield* getNothing(wire, key, headers) }
    const response = yield* open(wire, { method: "GET", key, headers }).pipe(
      Effect.catchAll((failure) => folderOrNothing(wire, key, failure))
    )
    const size = yield* check(wire, key, options, response)
    const etag = response.headers["etag"]
    const pull = size === 0 ? nothing : yield* pullOf(response)
    return { size, pull, response, ...(etag === undefined ? {} : { etag: etagOf(etag) }) }
  })

const pullOf = (response: HttpClientResponse): Effect.Effect<Driver.OpenObject["pull"], never, Scope.Scope> =>
  Effect.map(Stream.toPull(streamOf(response)), (pullChunk) => {
    let waiting: Chunk.Chunk<Uint8Array> = Chunk.empty()
    const pull: Driver.OpenObject["pull"] = Effect.suspend(() => {
      const first = Chunk.head(waiting)
      if (Option.isSome(first)) {
        waiting = Chunk.drop(waiting, 1)
        return Effect.succeed(first.value)
      }
      return Effect.matchEffect(pullChunk, {
        onFailure: (end) => Option.isSome(end) ? Effect.fail(end.value) : nothing,
        onSuccess: (chunk) => {
          waiting = chunk
          return pull
        }
      })
    })
    return pull
  })

/** @internal What is pulled, as a stream. */
export const bodyOf = (pull: Driver.OpenObject["pull"]): Stream.Stream<Uint8Array, Driver.Failure> =>
  Stream.repeatEffectOption(Effect.flatMap(
    Effect.mapError(pull, Option.some),
    (bytes) => bytes === undefined ? Effect.fail(Option.none()) : Effect.succeed(bytes)
  ))

/** @internal An object that is opened when the stream is run. */
export const streamObject = (
  wire: Wire,
  key: string,
  headers: { readonly [name: string]: string }
): Stream.Stream<Uint8Array, Driver.Failure> =>
  Stream.unwrapScoped(Effect.map(open(wire, { method: "GET", key, headers }), streamOf))

/** @internal One request. */
export const getAll = (
  wire: Wire,
  key: Key,
  options: Driver.GetOptions
): Effect.Effect<Uint8Array, Driver.Failure> => {
  const { headers, isEmpty } = questionOf(wire, options)
  if (isEmpty) return Effect.as(getNothing(wire, key, headers), new Uint8Array(0))
  return Effect.matchEffect(readAll(wire, { method: "GET", key, headers }), {
    onFailure: (failure) => folderOrNothing(wire, key, failure),
    onSuccess: ({ bytes, response }) =>
      Effect.map(check(wire, key, options, response), (size) => size === bytes.length ? bytes : bytes.slice(0, size))
  })
}
