// @effect-diagnostics nodeBuiltinImport:off the local driver is the one user of node:fs
/** Listings of folders on disk in the order of their keys' UTF-8 bytes, and the sweep of unfinished writes. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Order from "effect/Order"
import * as Fs from "node:fs"
import * as Driver from "../Driver.ts"
import type { Entry } from "../Entry.ts"
import type { InvalidPathReason } from "../StoreError.ts"
import * as StorePath from "../StorePath.ts"
import { callFs, isErrno, nowFs, runFs } from "./localFile.ts"
import { withFolder } from "./localFolder.ts"
import type { Folders } from "./localFolder.ts"
import { versionOf } from "./localVersion.ts"

const pageSize = 1000

/** lstat(2) is answered from the kernel's caches in less time than a trip to the thread pool; so many take a turn. */
const looksPerTurn = 32

interface Name {
  readonly key: StorePath.Key
  readonly name: string
  readonly isFolder: boolean
}

/** @internal Hears of what is in a folder and is no object of a store, by its path below the root. */
export type LeaveOut = (path: string, reason: InvalidPathReason) => void

/** What a listing looks at. */
interface Disk {
  readonly folders: Folders
  readonly leaveOut: LeaveOut | undefined
}

/** A folder whose names from `next` on are still to be listed. */
interface Frame {
  readonly prefix: StorePath.Prefix
  readonly names: ReadonlyArray<Name>
  readonly next: number
}

const byOrder = Order.make((self: { readonly order: string }, that: { readonly order: string }) =>
  StorePath.compare(self.order, that.order)
)

/** @internal Holds the names of the folders on the way down, and no descriptor between pages. */
export const listPage = (
  folders: Folders,
  prefix: StorePath.Prefix,
  recursive: boolean,
  leaveOut?: LeaveOut
): Effect.Effect<Driver.Page, Driver.Failure> => {
  const disk = { folders, leaveOut }
  return Effect.flatMap(readNames(disk, prefix), (names) => nextPage(disk, [{ prefix, names, next: 0 }], recursive))
}

const nextPage = (
  disk: Disk,
  stack: ReadonlyArray<Frame>,
  recursive: boolean
): Effect.Effect<Driver.Page, Driver.Failure> =>
  Effect.gen(function*() {
    const frames = [...stack]
    const entries: Array<Entry> = []
    for (let frame = frames.pop(); frame !== undefined; frame = frames.pop()) {
      const { names, next, prefix } = frame
      const limit = next + pageSize - entries.length
      const descent = recursive ? names.findIndex((name, index) => index >= next && name.isFolder) : -1
      const end = Math.min(descent === -1 ? names.length : descent, limit)
      entries.push(...(yield* describe(disk.folders, prefix, names.slice(next, end))))
      if (end === limit) {
        return { entries, next: nextPage(disk, [...frames, { prefix, names, next: end }], recursive) }
      }
      const folder = names[end]
      if (folder !== undefined) {
        frames.push({ prefix, names, next: end + 1 })
        const inside = yield* unlessGone(readNames(disk, folder.key), [])
        frames.push({ prefix: folder.key, names: inside, next: 0 })
      }
    }
    return { entries, next: undefined }
  })

/** What another has removed or replaced while we list is not there. */
const unlessGone = <A>(effect: Effect.Effect<A, Driver.Failure>, instead: A): Effect.Effect<A, Driver.Failure> =>
  Effect.catchIf(
    effect,
    (failure) => isErrno(failure, "ENOENT") || isErrno(failure, "ENOTDIR") || failure.cause instanceof Driver.Refusal,
    () => Effect.succeed(instead)
  )

const readFolder = (folders: Folders, prefix: StorePath.Prefix) =>
  withFolder(
    folders,
    StorePath.segments(prefix),
    { create: false },
    ({ path }) => callFs<Array<Fs.Dirent>>((callback) => Fs.readdir(path, { withFileTypes: true }, callback))
  )

/** Names that are not UTF-8 reach us with U+FFFD in them, and nothing is found under what they became. */
const readMangled = (folders: Folders, prefix: StorePath.Prefix, dirents: ReadonlyArray<Fs.Dirent>) => {
  const suspects = dirents.filter(({ name }) => name.includes("\uFFFD"))
  return suspects.length === 0 ? Effect.succeed([]) : withFolder(
    folders,
    StorePath.segments(prefix),
    { create: false },
    ({ path }) =>
      nowFs(() => suspects.filter(({ name }) => !Fs.lstatSync(`${path}/${name}`, { throwIfNoEntry: false })))
  )
}

/** Names that are no keys (unfinished writes, links, devices, `\` in a name) cannot be addressed and are left out. */
const readNames = (
  { folders, leaveOut }: Disk,
  prefix: StorePath.Prefix
): Effect.Effect<ReadonlyArray<Name>, Driver.Failure> =>
  Effect.gen(function*() {
    const dirents = yield* readFolder(folders, prefix)
    const mangled: ReadonlyArray<Fs.Dirent> = yield* readMangled(folders, prefix, dirents)
    const names: Array<Name & { readonly order: string }> = []
    for (const dirent of dirents) {
      const isFolder = dirent.isDirectory()
      const name = StorePath.isKey(dirent.name) && !mangled.includes(dirent) ? dirent.name : undefined
      const key = name !== undefined && (isFolder || dirent.isFile()) ? StorePath.join(prefix, name) : undefined
      // With its slash a folder sorts where the keys below it do: "a-b" before "a/b".
      const order = isFolder ? `${dirent.name}/` : dirent.name
      if (key !== undefined && Either.isRight(key)) {
        names.push({ key: key.right, name: dirent.name, isFolder, order })
      } else if (leaveOut !== undefined) {
        const path = prefix === "" ? dirent.name : `${prefix}/${dirent.name}`
        leaveOut(path, reasonAgainst(dirent, name !== undefined))
      }
    }
    return Arr.sort(names, byOrder)
  })

const reasonAgainst = (dirent: Fs.Dirent, isNamed: boolean): InvalidPathReason => {
  if (dirent.isSymbolicLink()) return "SymbolicLink"
  if (!dirent.isDirectory() && !dirent.isFile()) return "SpecialFile"
  if (isNamed) return "PathTooLong"
  return Either.match(StorePath.parse(dirent.name), {
    onLeft: ({ reason }) => reason,
    onRight: () => "NotRepresentable"
  })
}

const describe = (
  folders: Folders,
  prefix: StorePath.Prefix,
  names: ReadonlyArray<Name>
): Effect.Effect<ReadonlyArray<Entry>, Driver.Failure> =>
  names.length === 0
    ? Effect.succeed([])
    : unlessGone(
      withFolder(
        folders,
        StorePath.segments(prefix),
        { create: false },
        ({ path }) =>
          Effect.map(
            Effect.forEach(Arr.chunksOf(names, looksPerTurn), (some, i) => {
              const look = nowFs(() =>
                some.map((name) => describeOne(path, name)).filter((entry) => entry !== undefined)
              )
              return i === 0 ? look : Effect.zipRight(nextTurn, look)
            }),
            Arr.flatten
          )
      ),
      []
    )

const nextTurn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

const describeOne = (folder: string, { isFolder, key, name }: Name): Entry | undefined => {
  if (isFolder) return { _tag: "Folder", key }
  const stats = Fs.lstatSync(`${folder}/${name}`, { bigint: true, throwIfNoEntry: false })
  return stats?.isFile() === true ? { _tag: "Object", key, ...versionOf(stats) } : undefined
}

/** @internal Removes a folder without objects and those in it; what is left of it is something else. */
export const removeFolder = (folders: Folders, key: StorePath.Key): Effect.Effect<void, Driver.Failure> =>
  Effect.gen(function*() {
    for (const dirent of yield* unlessGone(readFolder(folders, key), [])) {
      const inner = StorePath.isKey(dirent.name) ? StorePath.join(key, dirent.name) : undefined
      if (inner === undefined || Either.isLeft(inner) || !dirent.isDirectory()) {
        return yield* Driver.refuse({ _tag: "DirectoryNotEmpty" }, key)
      }
      yield* removeFolder(folders, inner.right)
    }
    yield* unlessGone(
      withFolder(folders, StorePath.segments(key), { create: false }, ({ prune }) => Effect.sync(prune)),
      undefined
    )
  })

/** @internal Removes unfinished writes that nobody has touched since `before`; answers how many. */
export const sweep = (
  folders: Folders,
  prefix: StorePath.Prefix,
  before: number
): Effect.Effect<number, Driver.Failure> =>
  Effect.gen(function*() {
    let removed = 0
    for (const dirent of yield* unlessGone(readFolder(folders, prefix), [])) {
      if (dirent.isDirectory() && StorePath.isKey(dirent.name)) {
        const inner = StorePath.join(prefix, dirent.name)
        if (Either.isRight(inner)) removed += yield* sweep(folders, inner.right, before)
      } else if (dirent.isFile() && dirent.name.startsWith(StorePath.reservedPrefix)) {
        removed += yield* unlessGone(removeStale(folders, prefix, dirent.name, before), 0)
      }
    }
    return removed
  })

const removeStale = (folders: Folders, prefix: StorePath.Prefix, name: string, before: number) =>
  withFolder(folders, StorePath.segments(prefix), { create: false }, ({ path }) =>
    Effect.gen(function*() {
      const stats = yield* callFs<Fs.Stats>((callback) => Fs.lstat(`${path}/${name}`, callback))
      if (stats.mtimeMs > before) return 0
      yield* runFs((callback) => Fs.unlink(`${path}/${name}`, callback))
      return 1
    }))
