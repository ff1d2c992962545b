/** Listings of a container, a page of the server at a time. */
import type { BlobItem, BlobPrefix } from "@azure/storage-blob"
import * as Effect from "effect/Effect"
import type * as Driver from "../Driver.ts"
import type { Entry } from "../Entry.ts"
import * as StorePath from "../StorePath.ts"
import { call, versionOf } from "./azureCall.ts"
import type { Container } from "./azureCall.ts"

const pageSize = 1000

/** @internal */
export const listPage = (
  container: Container,
  prefix: StorePath.Prefix,
  isRecursive: boolean,
  continuationToken?: string
): Effect.Effect<Driver.Page, Driver.Failure> =>
  Effect.gen(function*() {
    const page = yield* ask(container, prefix, isRecursive, continuationToken)
    if (page === undefined) return { entries: [], next: undefined }
    const objects = yield* Effect.forEach(page.segment.blobItems, objectOf)
    const folders = (page.segment.blobPrefixes ?? []).flatMap(folderOf)
    const next = page.continuationToken
    return {
      entries: [...objects.flat(), ...folders].toSorted((a, b) => StorePath.compare(place(a), place(b))),
      next: next === undefined || next === "" ? undefined : listPage(container, prefix, isRecursive, next)
    }
  })

interface Answer {
  readonly segment: { readonly blobItems: Array<BlobItem>; readonly blobPrefixes?: Array<BlobPrefix> }
  readonly continuationToken?: string
}

const ask = (
  { client }: Container,
  prefix: StorePath.Prefix,
  isRecursive: boolean,
  continuationToken: string | undefined
): Effect.Effect<Answer | undefined, Driver.Failure> =>
  call(undefined, (abortSignal) => {
    const options = { prefix: prefix === "" ? "" : `${prefix}/`, abortSignal }
    const from = { maxPageSize: pageSize, ...(continuationToken === undefined ? {} : { continuationToken }) }
    const pages: AsyncIterator<Answer> = isRecursive
      ? client.listBlobsFlat(options).byPage(from)
      : client.listBlobsByHierarchy("/", options).byPage(from)
    return pages.next()
  }).pipe(Effect.map(({ done, value }) => done === true ? undefined : value))

/** The place of an entry in the server's own order, in which a folder's name ends with a slash. */
const place = (entry: Entry): string => entry._tag === "Folder" ? `${entry.key}/` : entry.key

/** None for what is no key here, such as the marker `folder/` or a name with `//`: it could not be addressed. */
const objectOf = ({ name, properties }: BlobItem): Effect.Effect<ReadonlyArray<Entry>, Driver.Failure> =>
  StorePath.isKey(name)
    ? Effect.map(versionOf(properties, properties.contentLength), (version) => [
      { _tag: "Object", key: name, ...version, etag: quoted(version.etag) }
    ])
    : Effect.succeed([])

/** In a listing the service leaves the quotes out. */
const quoted = (etag: string): string => etag.startsWith("\"") ? etag : `"${etag}"`

const folderOf = ({ name }: BlobPrefix): ReadonlyArray<Entry> => {
  const key = name.replace(/\/$/, "")
  return StorePath.isKey(key) ? [{ _tag: "Folder", key }] : []
}
