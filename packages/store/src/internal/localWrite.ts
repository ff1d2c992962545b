// @effect-diagnostics nodeBuiltinImport:off the local driver is the one user of node:fs
/** Writes that are all or nothing: a temporary file beside the target, then one link(2) or rename(2). */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Driver from "../Driver.ts"
import type { Version } from "../Entry.ts"
import * as Key from "../Key.ts"
import type { KeyedLock } from "./keyedLock.ts"
import { callFs, closeFd, isErrno, nowFs, pullBytes, runFs, writeAll } from "./localFile.ts"
import type { Folder, Folders } from "./localFolder.ts"
import { obstacleIn, versionOf } from "./localVersion.ts"

/** @internal */
export interface Local {
  readonly folders: Folders
  readonly lock: KeyedLock
  readonly stamp: Effect.Effect<number>
  readonly durable: boolean
  readonly chunkBytes: number
}

/** @internal A name in an opened folder. */
export interface Spot {
  readonly key: Key.Key
  readonly folder: Folder
  readonly path: string
}

const folderOf = (key: Key.Key): ReadonlyArray<string> => Key.segments(Key.parent(key))

const spotIn = (folder: Folder, key: Key.Key): Spot => ({ key, folder, path: `${folder.path}/${Key.name(key)}` })

/** @internal */
export const openSpot = (
  local: Local,
  key: Key.Key,
  create: boolean
): Effect.Effect<Spot, Driver.Failure, Scope.Scope> =>
  Effect.map(local.folders.open(folderOf(key), { create, key }), (folder) => spotIn(folder, key))

/** @internal */
export const lookAt = (spot: Spot): Effect.Effect<Fs.BigIntStats | undefined, Driver.Failure> =>
  nowFs(() => Fs.lstatSync(spot.path, { bigint: true, throwIfNoEntry: false }))

/** The version of the object at a spot; refuses folders, links and nothing. */
const requireObject = (spot: Spot): Effect.Effect<Fs.BigIntStats, Driver.Failure> =>
  Effect.flatMap(lookAt(spot), (stats) => {
    const obstacle = stats === undefined ? { _tag: "NotFound" as const } : obstacleIn(stats)
    return stats === undefined || obstacle !== undefined
      ? Effect.fail(Driver.refuse(obstacle ?? { _tag: "NotFound" }, spot.key))
      : Effect.succeed(stats)
  })

/** Throws where the mode cannot be kept, in the contract's order: what is it, is it there, is it that version. */
const checkNow = (spot: Spot, mode: Driver.Mode): Fs.BigIntStats | undefined => {
  const stats = Fs.lstatSync(spot.path, { bigint: true, throwIfNoEntry: false })
  const obstacle = stats === undefined ? undefined : obstacleIn(stats)
  if (obstacle !== undefined) throw Driver.refuse(obstacle, spot.key)
  if (mode === "create" && stats !== undefined) throw Driver.refuse({ _tag: "AlreadyExists" }, spot.key)
  if (typeof mode === "object" && (stats === undefined || versionOf(stats).etag !== mode.ifMatch)) {
    throw Driver.refuse({ _tag: "PreconditionFailed" }, spot.key)
  }
  return stats
}

const checkTarget = (spot: Spot, mode: Driver.Mode): Effect.Effect<Fs.BigIntStats | undefined, Driver.Failure> =>
  nowFs(() => checkNow(spot, mode))

/** A folder may be pruned between its opening and the first name made in it; then it is made again. */
const whilePruned = <A, E, R>(effect: Effect.Effect<A, E, R>, times = 100): Effect.Effect<A, E, R> =>
  Effect.catchAll(effect, (error) =>
    times > 0 && error instanceof Driver.Failure && isErrno(error, "ENOENT")
      ? whilePruned(effect, times - 1)
      : Effect.fail(error))

interface Staged {
  readonly spot: Spot
  readonly temp: string
  readonly fd: number
  readonly closeFolder: () => void
  /** Whether the temporary name is gone, and with it the need to remove it. */
  renamed: boolean
  committed: boolean
}

const tempFlags = Fs.constants.O_WRONLY | Fs.constants.O_CREAT | Fs.constants.O_EXCL | Fs.constants.O_NOFOLLOW

const stageNow = (local: Local, key: Key.Key, mode: Driver.Mode): Staged => {
  const { close, folder } = local.folders.walk(folderOf(key), { create: true, key })
  try {
    const spot = spotIn(folder, key)
    checkNow(spot, mode)
    const temp = `${folder.path}/${Key.reservedPrefix}${randomUUID()}`
    const fd = Fs.openSync(temp, tempFlags, 0o666)
    return { spot, temp, fd, closeFolder: close, renamed: false, committed: false }
  } catch (error) {
    close()
    throw error
  }
}

/** What cannot be removed now is removed by the next sweep. */
const unstage = (staged: Staged): Effect.Effect<void> =>
  Effect.zipRight(
    staged.renamed ? Effect.void : Effect.ignore(runFs((callback) => Fs.unlink(staged.temp, callback))),
    Effect.zipRight(
      closeFd(staged.fd),
      Effect.sync(() => {
        if (!staged.committed) staged.spot.folder.prune()
        staged.closeFolder()
      })
    )
  )

/** Gives a temporary file to fill, and makes it the object when that succeeds. */
const withStaged = <E, R>(
  local: Local,
  key: Key.Key,
  mode: Driver.Mode,
  fill: (fd: number) => Effect.Effect<void, Driver.Failure | E, R>
): Effect.Effect<Version, Driver.Failure | E, R> =>
  Effect.acquireUseRelease(
    whilePruned(nowFs(() => stageNow(local, key, mode))),
    (staged) => Effect.zipRight(fill(staged.fd), commit(local, staged, mode)),
    unstage
  )

/** Makes the staged bytes the object, in one step that nobody sees half done. */
const commit = (local: Local, staged: Staged, mode: Driver.Mode): Effect.Effect<Version, Driver.Failure> => {
  const { fd, spot, temp } = staged
  const stamped = Effect.flatMap(local.stamp, (time) =>
    nowFs(() => {
      Fs.futimesSync(fd, time, time)
      return versionOf(Fs.fstatSync(fd, { bigint: true }))
    }))
  const publish = mode === "create"
    ? runFs((callback) => Fs.link(temp, spot.path, callback))
    : Effect.map(runFs((callback) => Fs.rename(temp, spot.path, callback)), () => {
      staged.renamed = true
    })
  const published = local.lock.withLock(spot.key)(Effect.zipRight(checkTarget(spot, mode), withKey(spot.key, publish)))
  const sync = local.durable ? runFs((callback) => Fs.fsync(fd, callback)) : Effect.void
  return Effect.flatMap(Effect.zipLeft(stamped, Effect.zipRight(sync, published)), (version) => {
    staged.committed = true
    return Effect.as(syncFolder(local, spot.folder), version)
  }).pipe(Effect.uninterruptible)
}

const withKey = <A>(key: Key.Key, effect: Effect.Effect<A, Driver.Failure>): Effect.Effect<A, Driver.Failure> =>
  Effect.mapError(effect, ({ cause }) => new Driver.Failure({ cause, key }))

const syncFolder = (local: Local, folder: Folder): Effect.Effect<void, Driver.Failure> =>
  local.durable
    ? Effect.forEach(folder.unsynced, (path) =>
      Effect.acquireUseRelease(
        callFs<number>((callback) => Fs.open(path, Fs.constants.O_RDONLY, callback)),
        (fd) => runFs((callback) => Fs.fsync(fd, callback)),
        closeFd
      ), { discard: true })
    : Effect.void

/** @internal */
export const putObject = <E, R>(
  local: Local,
  key: Key.Key,
  body: Uint8Array | Stream.Stream<Uint8Array, E, R>,
  mode: Driver.Mode
): Effect.Effect<Version, Driver.Failure | E, R> =>
  withStaged<E, R>(
    local,
    key,
    mode,
    (fd) => body instanceof Uint8Array ? writeAll(fd, body) : Stream.runForEach(body, (bytes) => writeAll(fd, bytes))
  )

interface Opened {
  readonly fd: number
  readonly version: Version
}

/** @internal An opened file and its version; the descriptor is closed with the scope. */
export const openObject = (local: Local, key: Key.Key): Effect.Effect<Opened, Driver.Failure, Scope.Scope> =>
  Effect.acquireRelease(nowFs(() => openNow(local, key)), ({ fd }) => closeFd(fd))

const openNow = (local: Local, key: Key.Key): Opened => {
  const { close, folder } = local.folders.walk(folderOf(key), { create: false, key })
  try {
    const fd = Fs.openSync(spotIn(folder, key).path, readFlags)
    const stats = Fs.fstatSync(fd, { bigint: true })
    const obstacle = obstacleIn(stats)
    if (obstacle === undefined) return { fd, version: versionOf(stats) }
    Fs.closeSync(fd)
    throw Driver.refuse(obstacle, key)
  } finally {
    close()
  }
}

/** O_NONBLOCK: to open a FIFO that someone put there must not wait for its other end. */
const readFlags = Fs.constants.O_RDONLY | Fs.constants.O_NOFOLLOW | Fs.constants.O_NONBLOCK

/** @internal */
export const copyObject = (
  local: Local,
  from: Key.Key,
  to: Key.Key,
  mode: "create" | "overwrite"
): Effect.Effect<Version, Driver.Failure> =>
  Effect.scoped(
    Effect.flatMap(openObject(local, from), ({ fd, version }) => {
      const pull = pullBytes(fd, 0, version.size, local.chunkBytes)
      return withStaged(local, to, mode, (target) =>
        Effect.gen(function*() {
          let missing = version.size
          for (let bytes = yield* pull; bytes !== undefined; bytes = yield* pull) {
            missing -= bytes.length
            yield* writeAll(target, bytes)
          }
          if (missing !== 0) {
            return yield* Driver.refuse({ _tag: "Unavailable", reason: "Truncated", retryable: true }, from)
          }
        }))
    })
  )

/** @internal */
export const deleteObject = (local: Local, key: Key.Key): Effect.Effect<void, Driver.Failure> =>
  Effect.gen(function*() {
    const spot = yield* openSpot(local, key, false)
    yield* local.lock.withLock(key)(
      Effect.uninterruptible(
        Effect.gen(function*() {
          yield* requireObject(spot)
          yield* runFs((callback) => Fs.unlink(spot.path, callback))
          yield* syncFolder(local, spot.folder)
        })
      )
    )
    spot.folder.prune()
  }).pipe(Effect.scoped)

/** @internal In mode `create` the two names exist together for a moment: rename(2) cannot refuse to replace. */
export const moveObject = (
  local: Local,
  from: Key.Key,
  to: Key.Key,
  mode: "create" | "overwrite"
): Effect.Effect<Version, Driver.Failure> => {
  const [first, second] = from < to ? [from, to] : [to, from]
  return Effect.gen(function*() {
    const source = yield* openSpot(local, from, false)
    yield* requireObject(source)
    const target = yield* openSpot(local, to, true)
    const stats = yield* rename(source, target, mode).pipe(
      local.lock.withLock(second),
      local.lock.withLock(first),
      Effect.uninterruptible,
      Effect.onError(() => Effect.sync(target.folder.prune))
    )
    yield* syncFolder(local, target.folder)
    yield* syncFolder(local, source.folder)
    source.folder.prune()
    return versionOf(stats)
  }).pipe(Effect.scoped, whilePruned)
}

const rename = (source: Spot, target: Spot, mode: "create" | "overwrite") =>
  Effect.gen(function*() {
    const stats = yield* requireObject(source)
    const replaced = yield* checkTarget(target, mode)
    const unlinkSource = runFs((callback) => Fs.unlink(source.path, callback))
    if (mode === "create") {
      yield* withKey(target.key, runFs((callback) => Fs.link(source.path, target.path, callback)))
      yield* unlinkSource
    } else if (replaced?.ino === stats.ino && replaced.dev === stats.dev) {
      // Two names of one file, left by a crash in mode `create`: rename(2) would leave both.
      yield* unlinkSource
    } else {
      yield* withKey(target.key, runFs((callback) => Fs.rename(source.path, target.path, callback)))
    }
    return stats
  })
