/** A synchronous backend as a user would write one: a Map, and errors of its own. */
import * as Backend from "@sennit/store/Backend"
import * as Driver from "@sennit/store/Driver"
import * as StorePath from "@sennit/store/StorePath"
import * as Schema from "effect/Schema"
import { appendFileSync } from "node:fs"
import { threadId } from "node:worker_threads"

class MapError {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

const conditions: { readonly [name: string]: Driver.Condition } = {
  absent: { _tag: "NotFound" },
  taken: { _tag: "AlreadyExists" },
  changed: { _tag: "PreconditionFailed" },
  folder: { _tag: "InvalidPath", reason: "IsFolder" },
  below: { _tag: "InvalidPath", reason: "AncestorIsObject" }
}

const pieceBytes = 50_000

const understand = (error: unknown): Driver.Condition =>
  (error instanceof MapError ? conditions[error.name] : undefined) ??
    { _tag: "Unavailable", reason: "Io", retryable: false }

interface Stored extends Backend.SyncVersion, Backend.SyncAttributes {
  readonly bytes: Buffer
}

const partOf = (
  bytes: Buffer,
  range: { readonly offset: number; readonly length?: number } | { readonly suffix: number } | undefined
) => {
  if (range === undefined) return bytes
  return "suffix" in range
    ? bytes.subarray(Math.max(0, bytes.length - range.suffix))
    : bytes.subarray(range.offset, range.offset + (range.length ?? bytes.length))
}

const open = ({ journal }: { readonly journal?: string | undefined }): Backend.SyncBackend => {
  const objects = new Map<string, Stored>()
  let writes = 0
  const note = (line: string) => {
    if (journal !== undefined) appendFileSync(journal, `${line}\n`)
  }
  note(`open ${threadId}`)
  const hasBelow = (key: string) => [...objects.keys()].some((one) => one.startsWith(`${key}/`))
  const find = (key: string): Stored => {
    const stored = objects.get(key)
    if (stored === undefined) throw new MapError(hasBelow(key) ? "folder" : "absent")
    return stored
  }
  const check = (key: string, mode: Driver.Mode) => {
    if (hasBelow(key)) throw new MapError("folder")
    if ([...objects.keys()].some((one) => key.startsWith(`${one}/`))) throw new MapError("below")
    if (mode === "create" && objects.has(key)) throw new MapError("taken")
    if (typeof mode === "object" && objects.get(key)?.etag !== mode.ifMatch) throw new MapError("changed")
  }
  const set = (key: string, bytes: Buffer, attributes: Backend.SyncAttributes): Backend.SyncVersion => {
    const version = { size: bytes.length, etag: `v${++writes}`, modifiedAt: new Date() }
    objects.set(key, { bytes, ...attributes, ...version })
    return version
  }
  const copy = (from: StorePath.Key, to: StorePath.Key, mode: Driver.Mode, keep: boolean) => {
    const { bytes, contentType, metadata = {} } = find(from)
    try {
      check(to, mode)
    } catch (error) {
      throw Driver.refuse(understand(error), to)
    }
    if (!keep) objects.delete(from)
    return set(to, bytes, { contentType, metadata })
  }
  return {
    stat: (key) => {
      if (hasBelow(key)) return { _tag: "Folder" }
      const { bytes: _, ...known } = find(key)
      return { _tag: "Object", ...known }
    },
    get: (key, { ifMatch, range }) => {
      const { bytes, etag } = find(key)
      if (ifMatch !== undefined && ifMatch !== etag) throw new MapError("changed")
      const part = partOf(bytes, range)
      const pieces = function*() {
        try {
          for (let at = 0; at < part.length; at += pieceBytes) {
            note(`pull ${key}`)
            yield part.subarray(at, at + pieceBytes)
          }
        } finally {
          note(`left ${key}`)
        }
      }
      return { size: part.length, etag, bytes: pieces() }
    },
    put: (key, { mode, ...attributes }) => {
      check(key, mode)
      const parts: Array<Uint8Array> = []
      return {
        write: (bytes) => {
          note(`write ${key} ${threadId}`)
          parts.push(new Uint8Array(bytes))
        },
        commit: () => {
          check(key, mode)
          return set(key, Buffer.concat(parts), attributes)
        },
        abort: () => note(`abort ${key}`)
      }
    },
    delete: (key, { ifMatch }) => {
      if (ifMatch !== undefined && find(key).etag !== ifMatch) throw new MapError("changed")
      find(key)
      objects.delete(key)
    },
    list: function*(prefix, { recursive, startAfter = "" }) {
      const start = prefix === "" ? "" : `${prefix}/`
      let folder = ""
      for (const key of [...objects.keys()].toSorted(StorePath.compare)) {
        if (!key.startsWith(start) || (folder !== "" && key.startsWith(folder))) continue
        const slash = recursive ? -1 : key.indexOf("/", start.length)
        if (slash === -1) {
          if (StorePath.compare(key, startAfter) > 0) yield { _tag: "Object", key, ...find(key) }
        } else {
          folder = key.slice(0, slash + 1)
          if (StorePath.compare(`${key.slice(0, slash)}0`, startAfter) > 0) {
            yield { _tag: "Folder", key: key.slice(0, slash) }
          }
        }
      }
    },
    move: (from, to, mode) => copy(from, to, mode, false),
    copy: (from, to, mode) => copy(from, to, mode, true),
    classify: understand,
    close: () => note(`close ${threadId}`)
  }
}

export default Backend.define({
  name: "map",
  module: import.meta.url,
  capabilities: [
    "read",
    "range",
    "readIfMatch",
    "write",
    "atomicWrite",
    "createIfAbsent",
    "replaceIfMatch",
    "freshEtags",
    "exclusiveNames",
    "metadata",
    "delete",
    "deleteIfMatch",
    "list",
    "move",
    "copy"
  ],
  quality: { replaceIfMatch: "server", atomicMove: "always", durability: "none" },
  options: Schema.Struct({ journal: Schema.optional(Schema.String) }),
  open
})
