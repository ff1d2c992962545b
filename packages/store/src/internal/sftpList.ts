// @effect-diagnostics nodeBuiltinImport:off handles are Buffers in ssh2
/** Listings of folders on a server in the order of their keys' UTF-8 bytes. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Order from "effect/Order"
import type { Buffer } from "node:buffer"
import type { FileEntryWithStats } from "ssh2"
import type * as Driver from "../Driver.ts"
import type { Entry } from "../Entry.ts"
import * as StorePath from "../StorePath.ts"
import { explain, means } from "./explainFailure.ts"
import { ask, lookAt, pathOf, tell, versionOf } from "./sftpFile.ts"
import type { Remote } from "./sftpFile.ts"
import type { Link } from "./sftpSession.ts"

const pageSize = 1000

/** A folder whose entries from `next` on are still to be listed. */
interface Frame {
  readonly entries: ReadonlyArray<Entry>
  readonly next: number
}

/** With its slash a folder sorts where the keys below it do: "a-b" before "a/b". */
const orderOf = (entry: Entry): string => entry._tag === "Folder" ? `${entry.key}/` : entry.key

const byOrder = Order.make((self: Entry, that: Entry) => StorePath.compare(orderOf(self), orderOf(that)))

/** @internal Holds the entries of the folders on the way down, and no handle between pages. */
export const listPage = (
  remote: Remote,
  prefix: StorePath.Prefix,
  isRecursive: boolean
): Effect.Effect<Driver.Page, Driver.Failure> =>
  Effect.flatMap(readFolder(remote, prefix), (entries) => nextPage(remote, [{ entries, next: 0 }], isRecursive))

const nextPage = (
  remote: Remote,
  stack: ReadonlyArray<Frame>,
  isRecursive: boolean
): Effect.Effect<Driver.Page, Driver.Failure> =>
  Effect.gen(function*() {
    const frames = [...stack]
    const page: Array<Entry> = []
    for (let frame = frames.pop(); frame !== undefined; frame = frames.pop()) {
      const { entries, next } = frame
      const descent = isRecursive ? entries.findIndex(({ _tag }, index) => index >= next && _tag === "Folder") : -1
      const limit = next + pageSize - page.length
      const end = Math.min(descent === -1 ? entries.length : descent, limit)
      page.push(...entries.slice(next, end))
      if (end === limit) {
        return { entries: page, next: nextPage(remote, [...frames, { entries, next: end }], isRecursive) }
      }
      const folder = entries[end]
      if (folder !== undefined) {
        frames.push({ entries, next: end + 1 })
        frames.push({ entries: yield* unlessGone(readFolder(remote, folder.key)), next: 0 })
      }
    }
    return { entries: page, next: undefined }
  })

/** What another has removed while we list is not there. */
const unlessGone = (effect: Effect.Effect<ReadonlyArray<Entry>, Driver.Failure>) =>
  Effect.catchIf(effect, (failure) => means(failure, "NotFound"), () => Effect.succeed<ReadonlyArray<Entry>>([]))

const readFolder = (
  remote: Remote,
  prefix: StorePath.Prefix
): Effect.Effect<ReadonlyArray<Entry>, Driver.Failure> =>
  Effect.gen(function*() {
    const link = yield* remote.session.link
    const path = pathOf(remote, prefix)
    const files = yield* Effect.acquireUseRelease(
      openFolder(link, path),
      (handle) => readAll(link, handle, []),
      (handle) => Effect.ignore(tell(link, (sftp, callback) => sftp.close(handle, callback)))
    )
    return Arr.sort(files.flatMap((file) => describe(prefix, file)), byOrder)
  })

const openFolder = (link: Link, path: string): Effect.Effect<Buffer, Driver.Failure> =>
  Effect.catchAll(
    ask<Buffer>(link, (sftp, callback) => sftp.opendir(path, callback)),
    (failure) =>
      Effect.flatMap(lookAt(link, path), (stats) =>
        Effect.fail(stats?.isDirectory() === false ? explain({ _tag: "NotFound" }, "it is not a folder") : failure))
  )

const readAll = (
  link: Link,
  handle: Buffer,
  files: ReadonlyArray<FileEntryWithStats>
): Effect.Effect<ReadonlyArray<FileEntryWithStats>, Driver.Failure> =>
  Effect.gen(function*() {
    const all = [...files]
    for (let more = yield* readSome(link, handle); more.length > 0; more = yield* readSome(link, handle)) {
      all.push(...more)
    }
    return all
  })

const endOfFile = 1

/** The next names, `.` and `..` among them; none at the end. */
const readSome = (link: Link, handle: Buffer): Effect.Effect<ReadonlyArray<FileEntryWithStats>, Driver.Failure> =>
  ask<ReadonlyArray<FileEntryWithStats>>(link, (sftp, callback) =>
    sftp.readdir(handle, (error, list) => {
      const isEnd = error !== undefined && "code" in error && error.code === endOfFile
      callback(isEnd ? undefined : error, isEnd ? [] : list)
    }))

/** Names that are no keys (unfinished writes, links, devices, `\` in a name) cannot be addressed and are left out. */
const describe = (prefix: StorePath.Prefix, { attrs, filename }: FileEntryWithStats): ReadonlyArray<Entry> => {
  if (!StorePath.isKey(filename)) return []
  const key = StorePath.join(prefix, filename)
  if (Either.isLeft(key)) return []
  if (attrs.isDirectory()) return [{ _tag: "Folder", key: key.right }]
  return attrs.isFile() ? [{ _tag: "Object", key: key.right, ...versionOf(attrs) }] : []
}
