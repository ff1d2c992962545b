/** Listings. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Driver from "../Driver.ts"
import type { Entry } from "../Entry.ts"
import * as StorePath from "../StorePath.ts"
import { protocolBroken } from "./s3Failure.ts"
import { ask, etagOf } from "./s3Wire.ts"
import type { Wire } from "./s3Wire.ts"
import { textOf } from "./s3Xml.ts"
import type { Element } from "./s3Xml.ts"

const pageSize = 1000

interface Position {
  readonly name: "continuation-token" | "start-after"
  readonly value: string
}

const pageQuery = (folder: string, recursive: boolean, size: number, from: Position | undefined) => [
  ["list-type", "2"] as const,
  ["encoding-type", "url"] as const,
  ["max-keys", String(size)] as const,
  ["prefix", folder] as const,
  ...(recursive ? [] : [["delimiter", "/"] as const]),
  ...(from === undefined ? [] : [[from.name, from.value] as const])
]

/** What `encoding-type=url` did; a `+` in a name comes as `%2B`. */
const decodeName = (text: string): string | undefined => {
  if (!/[%+]/.test(text)) return text
  const plain = text.replaceAll("+", " ")
  // what is not proper UTF-8 names no object of ours
  return /%(?![\dA-Fa-f]{2})/.test(plain) ? undefined : Option.getOrUndefined(decodeComponent(plain))
}

const decodeComponent = Option.liftThrowable(decodeURIComponent)

const sizePattern = /^\d{1,15}$/

/** Undefined for what is no key here, such as the marker `folder/` or a name with `//`: it could not be addressed. */
const objectOf = (element: Element): Entry | undefined | Driver.Failure => {
  const key = decodeName(textOf(element, "Key") ?? "")
  if (!StorePath.isKey(key)) return undefined
  const size = textOf(element, "Size") ?? ""
  const modified = DateTime.make(textOf(element, "LastModified") ?? "")
  if (!sizePattern.test(size) || Option.isNone(modified)) {
    return protocolBroken("the listing has an entry without size or time")
  }
  const etag = etagOf(textOf(element, "ETag"))
  // Some servers are more exact here than where an object is looked at; the two must not differ.
  const modifiedAt = DateTime.startOf(modified.value, "second")
  return { _tag: "Object", key, size: Number(size), etag, modifiedAt }
}

const folderOf = (element: Element): Entry | undefined => {
  const prefix = decodeName(textOf(element, "Prefix") ?? "") ?? ""
  const key = prefix.slice(0, -1)
  return prefix.endsWith("/") && StorePath.isKey(key) ? { _tag: "Folder", key } : undefined
}

/** The place of an entry in the server's own order, in which a folder's name ends with a slash. */
const place = (entry: Entry): string => entry._tag === "Folder" ? `${entry.key}/` : entry.key

/** Objects and folders come as two lists, each in order. */
const entriesOf = (xml: Element): ReadonlyArray<Entry> | Driver.Failure => {
  const objects: Array<Entry> = []
  const folders: Array<Entry> = []
  for (const element of xml.children) {
    const entry = element.name === "Contents"
      ? objectOf(element)
      : element.name === "CommonPrefixes"
      ? folderOf(element)
      : undefined
    if (entry === undefined) continue
    if (entry instanceof Driver.Failure) return entry
    if (entry._tag === "Object") objects.push(entry)
    else folders.push(entry)
  }
  return folders.length === 0
    ? objects
    : [...objects, ...folders].toSorted((a, b) => StorePath.compare(place(a), place(b)))
}

/**
 * From where on to list so that nothing behind a key is missed. Some servers pass over the whole folder that a key is
 * in, so the folder's own name is given instead.
 */
const startOf = (folder: string, { recursive, startAfter }: Driver.ListOptions): Position | undefined => {
  if (startAfter === undefined) return undefined
  const slash = recursive || !startAfter.startsWith(folder) ? -1 : startAfter.indexOf("/", folder.length)
  return { name: "start-after", value: slash === -1 ? startAfter : startAfter.slice(0, slash) }
}

/** @internal */
export const listPage = (
  wire: Wire,
  prefix: StorePath.Prefix,
  options: Driver.ListOptions
): Effect.Effect<Driver.Page, Driver.Failure> => {
  const folder = prefix === "" ? "" : `${prefix}/`
  const page = (from: Position | undefined): Effect.Effect<Driver.Page, Driver.Failure> =>
    Effect.flatMap(
      ask(wire, { method: "GET", query: pageQuery(folder, options.recursive, pageSize, from) }, "ListBucketResult"),
      ({ xml }): Effect.Effect<Driver.Page, Driver.Failure> => {
        const entries = entriesOf(xml)
        if (entries instanceof Driver.Failure) return Effect.fail(entries)
        if (textOf(xml, "IsTruncated") !== "true") return Effect.succeed({ entries, next: undefined })
        const value = textOf(xml, "NextContinuationToken") ?? ""
        // The same place again would be a listing without end.
        return value === "" || value === from?.value
          ? Effect.fail(protocolBroken("the listing is not complete and does not say how it goes on"))
          : Effect.succeed({ entries, next: page({ name: "continuation-token", value }) })
      }
    )
  return page(startOf(folder, options))
}

/** @internal Whether anything is below a key. */
export const isFolder = (wire: Wire, key: StorePath.Key): Effect.Effect<boolean, Driver.Failure> =>
  Effect.map(
    ask(wire, { method: "GET", query: pageQuery(`${key}/`, true, 1, undefined) }, "ListBucketResult"),
    ({ xml }) => xml.children.some(({ name }) => name === "Contents")
  )
