// @effect-diagnostics nodeBuiltinImport:off the digest that DeleteObjects asks for
/** Copies within a bucket, and the removal of many objects. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as Driver from "../Driver.ts"
import type { Attributes, Version } from "../Entry.ts"
import { encodePath } from "../S3Signature.ts"
import * as StorePath from "../StorePath.ts"
import { answerOf, concerning, protocolBroken, refusalOf, reinterpret } from "./s3Failure.ts"
import { complete, maxSingle, putAgain, putUnknown, withUpload } from "./s3Multipart.ts"
import type { Uploads } from "./s3Multipart.ts"
import { attributesOf, bodyOf, folderOrNothing, getObject, headObject, versionOf } from "./s3Read.ts"
import { ask, conditionEtag, etagOf, head, timeOf } from "./s3Wire.ts"
import type { Wire } from "./s3Wire.ts"
import { putBytes, removeObject, writtenOf } from "./s3Write.ts"
import { escapeXml, isXmlText, textOf } from "./s3Xml.ts"

const sourceHeaders = (wire: Wire, from: StorePath.Key, etag: string) => ({
  "x-amz-copy-source": `/${encodePath(wire.bucket)}/${encodePath(from)}`,
  "x-amz-copy-source-if-match": conditionEtag(wire, etag)
})

/** Server-side; the source is pinned to the version that was looked at. */
const copyWhole = (wire: Wire, from: StorePath.Key, to: StorePath.Key, source: Version) =>
  Effect.flatMap(
    ask(wire, { method: "PUT", key: to, headers: sourceHeaders(wire, from, source.etag) }, "CopyObjectResult"),
    ({ xml }): Effect.Effect<Version, Driver.Failure> => {
      const modifiedAt = timeOf(textOf(xml, "LastModified"))
      return modifiedAt === undefined
        ? Effect.fail(protocolBroken("the server does not say what it has copied"))
        : Effect.succeed({ size: source.size, etag: etagOf(textOf(xml, "ETag")), modifiedAt })
    }
  )

const copyInParts = (
  { concurrency, wire }: Uploads,
  from: StorePath.Key,
  to: StorePath.Key,
  source: Version & Attributes
) =>
  withUpload(wire, to, source, (upload) =>
    Effect.gen(function*() {
      const step = 2 ** 30
      const parts = yield* Effect.forEach(
        Array.from({ length: Math.ceil(source.size / step) }, (_, index) => index),
        (index) => {
          const last = Math.min(source.size, (index + 1) * step) - 1
          const query = [["partNumber", String(index + 1)], ["uploadId", upload]] as const
          const range = { "x-amz-copy-source-range": `bytes=${index * step}-${last}` }
          const headers = { ...sourceHeaders(wire, from, source.etag), ...range }
          return Effect.map(
            ask(wire, { method: "PUT", key: to, query, headers }, "CopyPartResult"),
            ({ xml }) => ({ number: index + 1, etag: textOf(xml, "ETag") ?? "" })
          )
        },
        { concurrency }
      )
      const { response, xml } = yield* Effect.uninterruptible(complete(wire, to, upload, "overwrite", parts))
      return yield* writtenOf(wire, to, response, textOf(xml, "ETag"), source.size)
    }))

const overwriteByCopy = (uploads: Uploads, from: StorePath.Key, to: StorePath.Key) =>
  Effect.gen(function*() {
    const { wire } = uploads
    const found = yield* Effect.catchAll(headObject(wire, from), (failure) => folderOrNothing(wire, from, failure))
    const source = { ...attributesOf(found), ...(yield* versionOf(found)) }
    return yield* source.size > maxSingle
      ? copyInParts(uploads, from, to, source)
      : copyWhole(wire, from, to, source)
  })

/** Copy requests take no condition on their target that is enforced everywhere; a PUT does, so the bytes go through us. */
const createByPut = (uploads: Uploads, from: StorePath.Key, to: StorePath.Key) =>
  Effect.scoped(Effect.gen(function*() {
    const { partBytes, wire } = uploads
    const whole = { range: undefined, ifMatch: undefined }
    const { pull, response, size } = yield* Effect.mapError(
      getObject(wire, from, whole),
      (failure) => concerning(failure, from)
    )
    const attributes = attributesOf(response)
    const body = Stream.mapError(bodyOf(pull), (failure) => concerning(failure, from))
    if (size > maxSingle) return yield* putUnknown(uploads, to, body, "create", attributes)
    const put = size > partBytes
      ? putAgain(wire, to, body, size, "create", attributes)
      : Effect.flatMap(
        collect(body, size),
        (bytes) => putBytes(wire, to, bytes, "create", attributes)
      )
    return yield* Effect.mapError(put, (failure) => failure.key === undefined ? concerning(failure, to) : failure)
  }))

const collect = (body: Stream.Stream<Uint8Array, Driver.Failure>, size: number) =>
  Effect.suspend(() => {
    const all = new Uint8Array(size)
    let length = 0
    const fill = Stream.runForEach(body, (bytes) =>
      Effect.sync(() => {
        all.set(bytes.subarray(0, size - length), length)
        length += bytes.length
      }))
    return Effect.flatMap(fill, () =>
      length === size
        ? Effect.succeed(all)
        : Effect.fail(Driver.refuse({ _tag: "Unavailable", reason: "Truncated", retryable: true })))
  })

/** @internal */
export const copyObject = (
  uploads: Uploads,
  from: StorePath.Key,
  to: StorePath.Key,
  mode: "create" | "overwrite"
): Effect.Effect<Version, Driver.Failure> =>
  mode === "create" ? createByPut(uploads, from, to) : overwriteByCopy(uploads, from, to)

/** @internal Not atomic: whoever is stopped between the two steps leaves both names. */
export const moveObject = (
  uploads: Uploads,
  from: StorePath.Key,
  to: StorePath.Key,
  mode: "create" | "overwrite"
): Effect.Effect<Version, Driver.Failure> =>
  Effect.zipLeft(
    copyObject(uploads, from, to, mode),
    Effect.mapError(removeObject(uploads.wire, from), (failure) => concerning(failure, from))
  )

/** @internal How many keys one request removes. */
export const deleteLimit = 1000

/** @internal One request; names that XML cannot hold get one each. */
export const deleteMany = (
  wire: Wire,
  keys: ReadonlyArray<StorePath.Key>
): Effect.Effect<ReadonlyArray<Driver.Failure>, Driver.Failure> =>
  Effect.gen(function*() {
    const failures = yield* Effect.forEach(
      keys.filter((key) => !isXmlText(key)),
      (key) =>
        Effect.match(head(wire, { method: "DELETE", key }), {
          onSuccess: () => [],
          onFailure: (failure) => [concerning(failure, key)]
        })
    )
    const plain = keys.filter(isXmlText)
    const more = plain.length === 0 ? [] : yield* deletePlain(wire, plain)
    return [...failures.flat(), ...more]
  })

const deletePlain = (wire: Wire, keys: ReadonlyArray<StorePath.Key>) => {
  const objects = keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`)
  const body = new TextEncoder().encode(`<Delete><Quiet>true</Quiet>${objects.join("")}</Delete>`)
  const headers = { "content-md5": createHash("md5").update(body).digest("base64"), "content-type": "application/xml" }
  return Effect.map(
    ask(wire, { method: "POST", query: [["delete", ""]], headers, body }, "DeleteResult"),
    ({ xml }) =>
      xml.children.flatMap((child) => {
        if (child.name !== "Error") return []
        const failure = refusalOf(500, { ...child, name: "Error" }, true)
        const key = textOf(child, "Key")
        if (answerOf(failure).code === "NoSuchKey") return []
        const denied = answerOf(failure).code === "AccessDenied"
        const told = denied ? reinterpret(failure, { _tag: "PermissionDenied" }) : failure
        return [StorePath.isKey(key) ? concerning(told, key) : told]
      })
  )
}
