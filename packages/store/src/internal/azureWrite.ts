// @effect-diagnostics nodeBuiltinImport:off names of blocks
/** Writes of blobs: one request, or blocks that one last request makes the blob. */
import type { BlobHTTPHeaders } from "@azure/storage-blob"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Buffer } from "node:buffer"
import { randomUUID } from "node:crypto"
import * as Driver from "../Driver.ts"
import type { Attributes, Version } from "../Entry.ts"
import type { Key } from "../StorePath.ts"
import { blobOf, change, hasCode, versionOf } from "./azureCall.ts"
import type { Container } from "./azureCall.ts"
import { encodeMetadata } from "./azureMetadata.ts"
import { headObject } from "./azureObject.ts"
import { explain, means } from "./explainFailure.ts"

/** Bytes up to this length go in one request. */
const singleBytes = 32 * 2 ** 20
const blockBytes = 4 * 2 ** 20
const blocksUnderWay = 4
/** The service's limit. The sizes below let a stream of some 1.2 TiB do with it. */
const maxBlocks = 50_000

const sizeOfBlock = (index: number): number => blockBytes * 2 ** Math.floor(index / 10_000)

interface Target {
  readonly container: Container
  readonly key: Key
  readonly mode: Driver.Mode
  readonly attributes: Attributes
}

const conditionsOf = (mode: Driver.Mode) => {
  if (mode === "create") return { ifNoneMatch: "*" }
  return mode === "overwrite" ? {} : { ifMatch: mode.ifMatch }
}

const optionsOf = ({ attributes, mode }: Target) => {
  const blobHTTPHeaders: BlobHTTPHeaders = Option.match(attributes.contentType, {
    onNone: () => ({}),
    onSome: (blobContentType) => ({ blobContentType })
  })
  return { blobHTTPHeaders, metadata: encodeMetadata(attributes.metadata), conditions: conditionsOf(mode) }
}

/** What the server says of a broken condition, in the mode's terms: nothing that can be matched is a mismatch too. */
const inTermsOf = <A, E, R>(
  { key, mode }: Target,
  effect: Effect.Effect<A, E | Driver.Failure, R>
): Effect.Effect<A, E | Driver.Failure, R> =>
  Effect.mapError(effect, (failure) => {
    if (!(failure instanceof Driver.Failure)) return failure
    if (mode === "create" && means(failure, "PreconditionFailed")) {
      return explain({ _tag: "AlreadyExists" }, "the blob exists", key)
    }
    return typeof mode === "object" && (means(failure, "NotFound") || means(failure, "AlreadyExists"))
      ? explain({ _tag: "PreconditionFailed" }, "there is no such version", key)
      : failure
  })

/** @internal */
export const putObject = <E, R>(
  container: Container,
  key: Key,
  body: Uint8Array | Stream.Stream<Uint8Array, E, R>,
  options: { readonly mode: Driver.Mode; readonly attributes: Attributes }
): Effect.Effect<Version, Driver.Failure | E, R> => {
  const target = { container, key, ...options }
  if (body instanceof Uint8Array) {
    return inTermsOf(target, body.length <= singleBytes ? putOnce(target, body) : putBlocks(target, slices(body)))
  }
  return inTermsOf<Version, E, R>(target, Effect.zipRight(lookFirst(target), putBlocks(target, blocksOf(body))))
}

const putOnce = (target: Target, bytes: Uint8Array): Effect.Effect<Version, Driver.Failure> =>
  Effect.flatMap(
    change(target.key, (abortSignal) =>
      blobOf(target.container, target.key).upload(bytes, bytes.length, { abortSignal, ...optionsOf(target) })),
    (answer) =>
      versionOf(answer, bytes.length)
  )

/** A condition is decided with the last request; this spares the source of bytes that could not be kept anyway. */
const lookFirst = ({ container, key, mode }: Target): Effect.Effect<void, Driver.Failure> => {
  if (mode === "overwrite") return Effect.void
  return Effect.matchEffect(headObject(container, key), {
    onSuccess: ({ version }) =>
      mode !== "create" && mode.ifMatch === version.etag ? Effect.void : Effect.fail(
        explain({ _tag: mode === "create" ? "AlreadyExists" : "PreconditionFailed" }, "the blob exists", key)
      ),
    onFailure: (failure) => mode === "create" && means(failure, "NotFound") ? Effect.void : Effect.fail(failure)
  })
}

const putBlocks = <E, R>(
  target: Target,
  blocks: Stream.Stream<Uint8Array, E, R>
): Effect.Effect<Version, Driver.Failure | E, R> =>
  Effect.gen(function*() {
    const { container, key } = target
    const upload = randomUUID()
    const staged = yield* Stream.runCollect(
      Stream.mapEffect(
        Stream.zipWithIndex(blocks),
        ([bytes, index]) => stage(target, upload, bytes, index),
        { concurrency: blocksUnderWay }
      )
    )
    const size = Chunk.reduce(staged, 0, (total, block) => total + block.size)
    const ids = Chunk.toArray(Chunk.map(staged, ({ id }) => id))
    const answer = yield* change(key, (abortSignal) =>
      blobOf(container, key).commitBlockList(ids, { abortSignal, ...optionsOf(target) })).pipe(
        Effect.catchIf((failure) =>
          hasCode(failure, "InvalidBlockList"), () => Effect.fail(overtaken(target)))
      )
    return yield* versionOf(answer, size)
  })

/** Whoever commits first throws away the blocks of all others. */
const overtaken = ({ key, mode }: Target): Driver.Failure =>
  explain(
    mode === "overwrite"
      ? { _tag: "Unavailable", reason: "Io", retryable: true }
      : { _tag: mode === "create" ? "AlreadyExists" : "PreconditionFailed" },
    "another write of the blob was finished first",
    key
  )

const stage = (
  { container, key }: Target,
  upload: string,
  bytes: Uint8Array,
  index: number
): Effect.Effect<{ readonly id: string; readonly size: number }, Driver.Failure> => {
  if (index >= maxBlocks) {
    return Effect.fail(explain({ _tag: "Unavailable", reason: "TooLarge", retryable: false }, "too many blocks", key))
  }
  const id = Buffer.from(`${upload}-${String(index).padStart(5, "0")}`).toString("base64")
  return Effect.as(
    change(key, (abortSignal) => blobOf(container, key).stageBlock(id, bytes, bytes.length, { abortSignal })),
    { id, size: bytes.length }
  )
}

const slices = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.map(
    Stream.range(0, Math.ceil(bytes.length / blockBytes) - 1, 1),
    (index) => bytes.subarray(index * blockBytes, (index + 1) * blockBytes)
  )

/** The same bytes in blocks, the last of which may be short; none of no bytes. */
const blocksOf = <E, R>(body: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> =>
  Stream.suspend(() => {
    let index = 0
    let block = new Uint8Array(0)
    let length = 0
    const feed = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
      const full: Array<Uint8Array> = []
      for (let rest = bytes; rest.length > 0;) {
        if (block.length === 0) block = new Uint8Array(sizeOfBlock(index))
        const taken = rest.subarray(0, block.length - length)
        block.set(taken, length)
        length += taken.length
        rest = rest.subarray(taken.length)
        if (length === block.length) full.push(flush())
      }
      return full
    }
    const flush = (): Uint8Array => {
      const full = block.subarray(0, length)
      block = new Uint8Array(0)
      length = 0
      index++
      return full
    }
    // One block at a time: a window of them is under way already.
    return Stream.rechunk(
      Stream.concat(
        Stream.mapConcat(body, feed),
        Stream.suspend(() => length === 0 ? Stream.empty : Stream.make(flush()))
      ),
      1
    )
  })
