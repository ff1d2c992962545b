// @effect-diagnostics nodeBuiltinImport:off the local driver is the one user of node:fs
/**
 * Opens the folder that a key is in without ever following a symbolic link.
 *
 * On Linux every step opens one name relative to the descriptor of the folder before it, through
 * /proc/self/fd/<fd>/<name> with O_NOFOLLOW: what openat(2) does, so nobody can swap a link in between. Elsewhere
 * the folder's real path must be the path that was asked for, which leaves a moment between look and use.
 *
 * The steps are answered from the kernel's directory cache and made at once: a trip to the thread pool for each
 * costs more than all of them.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Driver from "../Driver.ts"
import * as StorePath from "../StorePath.ts"
import { closeFd, nowFs } from "./localFile.ts"

/** @internal */
export interface Folder {
  /** Names in the folder are reached as `${path}/${name}`. */
  readonly path: string
  /** The folder and those above it that got a new entry when it was made: what a durable write must sync. */
  readonly unsynced: ReadonlyArray<string>
  /** Removes the folder and those above it while they are empty, never the root. */
  readonly prune: () => void
}

interface Walked {
  readonly folder: Folder
  readonly close: () => void
}

interface OpenOptions {
  readonly create: boolean
  readonly key?: StorePath.Key
}

/** @internal */
export interface Folders {
  /** Opens a folder for who closes it himself; throws the failure. */
  readonly walk: (segments: ReadonlyArray<string>, options: OpenOptions) => Walked
}

/** @internal */
export const openRoot = (root: string): Effect.Effect<Folders, Driver.Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const real = yield* nowFs(() => Fs.realpathSync(root))
    const fd = yield* Effect.acquireRelease(nowFs(() => Fs.openSync(real, folderFlags)), closeFd)
    const walkFrom = process.platform === "linux" && Fs.existsSync(`/proc/self/fd/${fd}/.`)
      ? walkDescriptors(fd)
      : walkRealPaths(real)
    return {
      walk: (segments, { create, key }) => {
        try {
          return walkFrom(segments, create)
        } catch (cause) {
          throw new Driver.Failure({ cause, ...(key === undefined ? {} : { key }) })
        }
      }
    }
  })

/** @internal */
export const withFolder = <A, E, R>(
  folders: Folders,
  segments: ReadonlyArray<string>,
  options: OpenOptions,
  use: (folder: Folder) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Driver.Failure, R> =>
  Effect.acquireUseRelease(
    nowFs(() => folders.walk(segments, options)),
    ({ folder }) => use(folder),
    ({ close }) => Effect.sync(close)
  )

const folderFlags = Fs.constants.O_RDONLY | Fs.constants.O_DIRECTORY | Fs.constants.O_NOFOLLOW

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : undefined

/** A link opened as a folder fails as a file does; which of the two it was matters to the caller. */
const explain = (path: string, error: unknown): unknown =>
  codeOf(error) === "ENOTDIR" && Fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
    ? refusal("SymbolicLink")
    : error

const refusal = (reason: "SymbolicLink" | "AncestorIsObject") =>
  new Driver.Refusal({ condition: { _tag: "InvalidPath", reason } })

/** True when this call made it. */
const makeFolder = (path: string): boolean => {
  try {
    Fs.mkdirSync(path)
    return true
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false
    throw error
  }
}

/** From the innermost out, up to the first that cannot be removed: it is not empty, gone already or in use. */
const removeEmpty = (paths: ReadonlyArray<string>): void => {
  try {
    for (const path of Arr.reverse(paths)) Fs.rmdirSync(path)
  } catch {
    return
  }
}

const walkDescriptors = (root: number) => (segments: ReadonlyArray<string>, create: boolean): Walked => {
  const opened: Array<number> = []
  const unsynced: Array<string> = []
  const pathOf = (depth: number) => `/proc/self/fd/${depth === 0 ? root : opened[depth - 1]}`
  const close = () => opened.splice(0).forEach((fd) => Fs.closeSync(fd))
  try {
    segments.forEach((segment, depth) => {
      const path = `${pathOf(depth)}/${segment}`
      opened.push(openFolder(path, () => {
        if (create && makeFolder(path)) unsynced.push(pathOf(depth))
        return create
      }))
    })
  } catch (error) {
    close()
    throw error
  }
  const path = pathOf(segments.length)
  const prune = () => {
    removeEmpty(segments.map((segment, depth) => `${pathOf(depth)}/${segment}`))
  }
  return { folder: { path, unsynced: [path, ...unsynced], prune }, close }
}

const openFolder = (path: string, onMissing: () => boolean): number => {
  try {
    return Fs.openSync(path, folderFlags)
  } catch (error) {
    if (codeOf(error) === "ENOENT" && onMissing()) return openFolder(path, () => false)
    throw explain(path, error)
  }
}

const walkRealPaths = (root: string) => (segments: ReadonlyArray<string>, create: boolean): Walked => {
  const unsynced: Array<string> = []
  const pathOf = (depth: number) => Path.join(root, ...segments.slice(0, depth))
  for (let depth = 1; depth <= segments.length; depth++) {
    const path = pathOf(depth)
    const stat = Fs.lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined && create && makeFolder(path)) unsynced.push(pathOf(depth - 1))
    if (stat?.isSymbolicLink() === true) throw refusal("SymbolicLink")
    if (stat?.isDirectory() === false) throw refusal("AncestorIsObject")
  }
  const path = pathOf(segments.length)
  if (Fs.realpathSync(path) !== path) throw refusal("SymbolicLink")
  const prune = () => {
    removeEmpty(segments.map((_, depth) => pathOf(depth + 1)))
  }
  return { folder: { path, unsynced: [path, ...unsynced], prune }, close: () => {} }
}

/** @internal A key is the path below the root, with the separators of the system. */
export const nameNatively = (root: string): NonNullable<Driver.Driver["native"]> => {
  const top = Path.resolve(root)
  return {
    toPath: (prefix) => Path.join(top, ...StorePath.segments(prefix)),
    toKey: (path) => {
      const below = Path.relative(top, path)
      return Path.isAbsolute(path) ? below.split(Path.sep).join("/") : undefined
    }
  }
}

/** @internal */
export const makeRoot = (root: string): void => {
  Fs.mkdirSync(root, { recursive: true })
}
