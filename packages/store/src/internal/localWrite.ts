// @effect-diagnostics nodeBuiltinImport:off the local driver is the one user of node:fs
/** Writes that are all or nothing: a temporary file beside the target, then one link(2) or rename(2). */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Driver from "../Driver.ts"
import type { Version } from "../Entry.ts"
import * as StorePath from "../StorePath.ts"
import { callFs, closeFd, isErrno, nowBytes, nowFs, pullBytes, runFs, truncated, writeAll } from "./localFile.ts"
import type { Folder } from "./localFolder.ts"
import { withObject } from "./localRead.ts"
import {
  checkTarget,
  isSmall,
  linkTo,
  lookAt,
  renameTo,
  requireObject,
  unlinkAt,
  walkTo,
  withSpot
} from "./localSpot.ts"
import type { Local, Spot } from "./localSpot.ts"
import { versionOf } from "./localVersion.ts"

/** A folder may be pruned between its opening and the first name made in it; then it is made again. */
const whilePruned = <A, E, R>(effect: Effect.Effect<A, E, R>, times = 100): Effect.Effect<A, E, R> =>
  Effect.catchAll(effect, (error) =>
    times > 0 && error instanceof Driver.Failure && isErrno(error, "ENOENT")
      ? whilePruned(effect, times - 1)
      : Effect.fail(error))

interface Staged {
  readonly spot: Spot
  /** What was at the spot when the writing began. */
  readonly replaced: Fs.BigIntStats | undefined
  readonly temp: string
  readonly fd: number
  readonly closeFolder: () => void
  /** Whether the temporary name is gone, and with it the need to remove it. */
  renamed: boolean
  committed: boolean
}

const tempFlags = Fs.constants.O_WRONLY | Fs.constants.O_CREAT | Fs.constants.O_EXCL | Fs.constants.O_NOFOLLOW

const stage = (local: Local, key: StorePath.Key, mode: Driver.Mode): Staged => {
  const { close, spot } = walkTo(local, key, true)
  try {
    const replaced = checkTarget(spot, mode)
    const temp = `${spot.folder.path}/${StorePath.reservedPrefix}${randomUUID()}`
    const fd = Fs.openSync(temp, tempFlags, 0o666)
    return { spot, replaced, temp, fd, closeFolder: close, renamed: false, committed: false }
  } catch (error) {
    close()
    throw error
  }
}

/** What cannot be removed now is removed by the next sweep. */
const unstage = ({ closeFolder, committed, renamed, spot, temp }: Staged): void => {
  if (!renamed) attempt(() => Fs.unlinkSync(temp))
  if (!committed) spot.folder.prune()
  closeFolder()
}

const attempt = (step: () => void): void => {
  try {
    step()
  } catch {
    return
  }
}

const stamp = (fd: number, time: number): Fs.BigIntStats => {
  Fs.futimesSync(fd, time, time)
  return Fs.fstatSync(fd, { bigint: true })
}

/** Gives a temporary file to fill, and makes it the object when that succeeds. */
const withStaged = <E, R>(
  local: Local,
  key: StorePath.Key,
  mode: Driver.Mode,
  fill: (fd: number) => Effect.Effect<void, Driver.Failure | E, R>
): Effect.Effect<Version, Driver.Failure | E, R> =>
  Effect.acquireUseRelease(
    whilePruned(nowFs(() => stage(local, key, mode))),
    (staged) => Effect.zipRight(fill(staged.fd), Effect.uninterruptible(commit(local, staged, mode))),
    (staged) =>
      Effect.suspend(() => {
        unstage(staged)
        // To close a file without a name frees its bytes, and there may be many.
        return staged.committed ? closeFd(staged.fd) : Effect.ignore(runFs((callback) => Fs.close(staged.fd, callback)))
      })
  )

/** Makes the staged bytes the object, in one step that nobody sees half done. */
const commit = (local: Local, staged: Staged, mode: Driver.Mode): Effect.Effect<Version, Driver.Failure> =>
  Effect.gen(function*() {
    const { fd, spot } = staged
    const time = yield* local.stamp
    const stats = yield* nowFs(() => stamp(fd, time))
    if (local.durable) yield* runFs((callback) => Fs.fsync(fd, callback))
    yield* local.lock.withLock(spot.key)(publish(staged, stats, mode))
    staged.committed = true
    if (local.durable) yield* syncFolder(spot.folder)
    return versionOf(stats)
  })

const publish = (staged: Staged, stats: Fs.BigIntStats, mode: Driver.Mode): Effect.Effect<void, Driver.Failure> =>
  Effect.flatMap(nowFs(() => checkTarget(staged.spot, mode)), (replaced) =>
    mode === "create"
      ? linkTo(staged.temp, staged.spot)
      : Effect.map(renameTo(staged.temp, staged.spot, stats, replaced), () => {
        staged.renamed = true
      }))

const syncFolder = (folder: Folder): Effect.Effect<void, Driver.Failure> =>
  Effect.forEach(folder.unsynced, (path) =>
    Effect.acquireUseRelease(
      callFs<number>((callback) => Fs.open(path, Fs.constants.O_RDONLY, callback)),
      (fd) => runFs((callback) => Fs.fsync(fd, callback)),
      closeFd
    ), { discard: true })

/**
 * The same for a few bytes in place of few, in one step: no other fiber comes in between, and no interruption.
 * `undefined` where that step would be long.
 */
const putNow = (
  local: Local,
  key: StorePath.Key,
  bytes: Uint8Array,
  mode: Driver.Mode,
  time: number
): Version | undefined => {
  const staged = stage(local, key, mode)
  try {
    if (local.lock.isHeld(key) || !isSmall(staged.replaced)) return undefined
    const { fd, spot, temp } = staged
    for (let written = 0; written < bytes.length;) written += Fs.writeSync(fd, bytes, written)
    const stats = stamp(fd, time)
    if (mode === "create") Fs.linkSync(temp, spot.path)
    else Fs.renameSync(temp, spot.path)
    staged.renamed = mode !== "create"
    staged.committed = true
    return versionOf(stats)
  } finally {
    unstage(staged)
    attempt(() => Fs.closeSync(staged.fd))
  }
}

/** @internal */
export const putObject = <E, R>(
  local: Local,
  key: StorePath.Key,
  body: Uint8Array | Stream.Stream<Uint8Array, E, R>,
  mode: Driver.Mode
): Effect.Effect<Version, Driver.Failure | E, R> => {
  if (!(body instanceof Uint8Array)) {
    return withStaged<E, R>(local, key, mode, (fd) => Stream.runForEach(body, (bytes) => writeAll(fd, bytes)))
  }
  const inSteps = withStaged(local, key, mode, (fd) => writeAll(fd, body))
  if (local.durable || body.length > nowBytes) return inSteps
  return Effect.flatMap(local.stamp, (time) =>
    Effect.flatMap(
      whilePruned(nowFs(() => putNow(local, key, body, mode, time))),
      (version) => version === undefined ? inSteps : Effect.succeed(version)
    ))
}

/** @internal */
export const copyObject = (
  local: Local,
  from: StorePath.Key,
  to: StorePath.Key,
  mode: "create" | "overwrite"
): Effect.Effect<Version, Driver.Failure> =>
  withObject(local, from, ({ fd, version }) => {
    const pull = pullBytes(fd, 0, version.size, local.chunkBytes)
    return withStaged(local, to, mode, (target) =>
      Effect.gen(function*() {
        let missing = version.size
        for (let bytes = yield* pull; bytes !== undefined; bytes = yield* pull) {
          missing -= bytes.length
          yield* writeAll(target, bytes)
        }
        if (missing !== 0) return yield* truncated(from)
      }))
  })

/** @internal */
export const deleteObject = (
  local: Local,
  key: StorePath.Key,
  ifMatch: string | undefined
): Effect.Effect<void, Driver.Failure> =>
  withSpot(local, key, false, (spot) =>
    Effect.gen(function*() {
      yield* local.lock.withLock(key)(
        Effect.flatMap(
          nowFs(() => requireVersion(requireObject(lookAt(spot), key), ifMatch)),
          (stats) => unlinkAt(spot, stats)
        )
      )
      if (local.durable) yield* syncFolder(spot.folder)
      spot.folder.prune()
    }).pipe(Effect.uninterruptible))

const requireVersion = (stats: Fs.BigIntStats, etag: string | undefined): Fs.BigIntStats => {
  if (etag === undefined || versionOf(stats).etag === etag) return stats
  throw Driver.refuse({ _tag: "PreconditionFailed" })
}

/** @internal In mode `create` the two names exist together for a moment: rename(2) cannot refuse to replace. */
export const moveObject = (
  local: Local,
  from: StorePath.Key,
  to: StorePath.Key,
  mode: "create" | "overwrite"
): Effect.Effect<Version, Driver.Failure> => {
  const [first, second] = from < to ? [from, to] : [to, from]
  const withLocks = (effect: Effect.Effect<Fs.BigIntStats, Driver.Failure>) =>
    local.lock.withLock(first)(local.lock.withLock(second)(effect))
  return whilePruned(withSpot(local, from, false, (source) =>
    Effect.zipRight(
      nowFs(() => requireObject(lookAt(source), source.key)),
      withSpot(local, to, true, (target) =>
        Effect.gen(function*() {
          const stats = yield* Effect.onError(
            withLocks(rename(source, target, mode)),
            () => Effect.sync(target.folder.prune)
          )
          if (local.durable) {
            yield* syncFolder(target.folder)
            yield* syncFolder(source.folder)
          }
          source.folder.prune()
          return versionOf(stats)
        }).pipe(Effect.uninterruptible))
    )))
}

const rename = (
  source: Spot,
  target: Spot,
  mode: "create" | "overwrite"
): Effect.Effect<Fs.BigIntStats, Driver.Failure> =>
  Effect.gen(function*() {
    const stats = yield* nowFs(() => requireObject(lookAt(source), source.key))
    const replaced = yield* nowFs(() => checkTarget(target, mode))
    if (mode === "create") {
      yield* linkTo(source.path, target)
      yield* unlinkAt(source, stats)
    } else if (replaced?.ino === stats.ino && replaced.dev === stats.dev) {
      // Two names of one file, left by a crash in mode `create`: rename(2) would leave both.
      yield* unlinkAt(source, stats)
    } else {
      yield* renameTo(source.path, target, stats, replaced)
    }
    return stats
  })
