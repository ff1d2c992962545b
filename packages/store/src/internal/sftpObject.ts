// @effect-diagnostics nodeBuiltinImport:off handles are Buffers in ssh2
/** Objects of an SFTP server: reading, and writes that are all or nothing. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Buffer } from "node:buffer"
import { randomUUID } from "node:crypto"
import * as Driver from "../Driver.ts"
import type { Version } from "../Entry.ts"
import * as StorePath from "../StorePath.ts"
import { explain, means } from "./explainFailure.ts"
import { resolveRange } from "./resolveRange.ts"
import {
  changing,
  checkTarget,
  fstat,
  lstat,
  makeFolders,
  openFile,
  pathOf,
  pruneFolders,
  requireObject,
  tell,
  versionOf
} from "./sftpFile.ts"
import type { Remote } from "./sftpFile.ts"
import type { Link } from "./sftpSession.ts"
import { makeWriter, pullWindow } from "./sftpWindow.ts"

/** An object that was opened, so that its bytes stay those of one version. */
const openObject = (remote: Remote, link: Link, key: StorePath.Key) =>
  Effect.gen(function*() {
    const path = pathOf(remote, key)
    yield* Effect.flatMap(lstat(link, path), (stats) => requireObject(stats, key))
    const handle = yield* openFile(link, path, "r")
    return { handle, version: versionOf(yield* fstat(link, handle)) }
  }).pipe(Effect.mapError(({ cause }) => new Driver.Failure({ cause, key })))

/** @internal */
export const getObject = (
  remote: Remote,
  key: StorePath.Key,
  { range }: Driver.GetOptions
): Effect.Effect<Driver.OpenObject, Driver.Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const link = yield* remote.session.link
    const { handle, version } = yield* openObject(remote, link, key)
    const { end, start } = resolveRange(range, version.size)
    return { size: end - start, etag: version.etag, pull: pullWindow(link, handle, start, end) }
  })

interface Staged {
  readonly link: Link
  readonly key: StorePath.Key
  readonly temp: string
  readonly handle: Buffer
}

/** A folder may be pruned between its making and the first name in it; then it is made again. */
const openTemp = (
  remote: Remote,
  link: Link,
  key: StorePath.Key,
  temp: string,
  times = 100
): Effect.Effect<Buffer, Driver.Failure, Scope.Scope> =>
  Effect.catchAll(openFile(link, temp, "wx"), (failure) =>
    times > 0 && means(failure, "NotFound")
      ? Effect.zipRight(
        Effect.mapError(
          makeFolders(link, pathOf(remote, StorePath.parent(key))),
          ({ cause }) => new Driver.Failure({ cause, key })
        ),
        openTemp(remote, link, key, temp, times - 1)
      )
      : Effect.fail(failure))

/**
 * Removes what a write leaves besides its object. By then the connection may have broken, so it takes whichever there
 * is; what cannot be removed keeps a name that no listing shows.
 */
const unstage = (remote: Remote, key: StorePath.Key, temp: string, isPublished: boolean): Effect.Effect<void> =>
  Effect.ignore(Effect.flatMap(remote.session.link, (link) =>
    Effect.zipRight(
      Effect.ignore(tell(link, (sftp, callback) => sftp.unlink(temp, callback))),
      isPublished ? Effect.void : pruneFolders(remote, link, key)
    )))

/** Gives a temporary file to fill, and makes it the object when that succeeds. */
const withStaged = <E, R>(
  remote: Remote,
  key: StorePath.Key,
  mode: Driver.Mode,
  fill: (staged: Staged) => Effect.Effect<void, Driver.Failure | E, R>
): Effect.Effect<Version, Driver.Failure | E, R> => {
  const folder = StorePath.parent(key)
  const name = StorePath.reservedPrefix + randomUUID()
  const temp = folder === "" ? `${remote.root}/${name}` : `${pathOf(remote, folder)}/${name}`
  // Whether the temporary name is left, and whether the object is there.
  let isNamed = false
  let isPublished = false
  const run = Effect.gen(function*() {
    const link = yield* remote.session.link
    yield* checkTarget(remote, link, key, mode)
    isNamed = true
    const handle = yield* openTemp(remote, link, key, temp)
    yield* fill({ link, key, temp, handle })
    if (remote.isDurable) yield* fsync(link, handle)
    const version = versionOf(yield* fstat(link, handle))
    yield* Effect.uninterruptible(Effect.tap(publish(remote, link, key, temp, mode), () => {
      isPublished = true
      isNamed = mode === "create"
    }))
    return version
  })
  return Effect.scoped(Effect.zipRight(
    Effect.addFinalizer(() => isNamed ? unstage(remote, key, temp, isPublished) : Effect.void),
    run
  ))
}

const fsync = (link: Link, handle: Buffer) =>
  tell(link, (sftp, callback) => sftp.ext_openssh_fsync(handle, (error) => callback(error)))

/** A hard link refuses to replace; posix-rename replaces in one step. Why they fail the server does not say. */
const publish = (
  remote: Remote,
  link: Link,
  key: StorePath.Key,
  temp: string,
  mode: Driver.Mode
): Effect.Effect<void, Driver.Failure> => {
  const path = pathOf(remote, key)
  return Effect.catchAll(
    changing(tell(link, (sftp, callback) =>
      mode === "create"
        ? sftp.ext_openssh_hardlink(temp, path, callback)
        : sftp.ext_openssh_rename(temp, path, callback))),
    (failure) =>
      link.isAlive()
        ? Effect.flatMap(checkTarget(remote, link, key, mode), () => new Driver.Failure({ cause: failure.cause, key }))
        : Effect.fail(failure)
  )
}

/** @internal */
export const putObject = <E, R>(
  remote: Remote,
  key: StorePath.Key,
  body: Uint8Array | Stream.Stream<Uint8Array, E, R>,
  mode: Driver.Mode
): Effect.Effect<Version, Driver.Failure | E, R> =>
  withStaged<E, R>(remote, key, mode, ({ handle, link }) => {
    const writer = makeWriter(link, handle)
    return Effect.zipRight(
      body instanceof Uint8Array ? writer.writeWhole(body) : Stream.runForEach(body, writer.write),
      writer.finish
    )
  })

/** @internal Within the server where it offers that, else through this process. */
export const copyObject = (
  remote: Remote,
  from: StorePath.Key,
  to: StorePath.Key,
  mode: "create" | "overwrite"
): Effect.Effect<Version, Driver.Failure> =>
  Effect.scoped(Effect.gen(function*() {
    const link = yield* remote.session.link
    const source = yield* openObject(remote, link, from)
    return yield* withStaged(remote, to, mode, (target) =>
      link === target.link && link.offers.has("copy-data")
        ? tell(link, (sftp, callback) => sftp.ext_copy_data(source.handle, 0, 0, target.handle, 0, callback))
        : pump(link, source.handle, source.version.size, target))
  }))

const pump = (link: Link, source: Buffer, size: number, target: Staged): Effect.Effect<void, Driver.Failure> =>
  Effect.gen(function*() {
    const pull = pullWindow(link, source, 0, size)
    const writer = makeWriter(target.link, target.handle)
    let missing = size
    for (let bytes = yield* pull; bytes !== undefined; bytes = yield* pull) {
      missing -= bytes.length
      yield* writer.write(bytes)
    }
    yield* writer.finish
    if (missing !== 0) {
      return yield* explain({ _tag: "Unavailable", reason: "Truncated", retryable: true }, "the source became shorter")
    }
  })

/** @internal */
export const deleteObject = (remote: Remote, key: StorePath.Key): Effect.Effect<void, Driver.Failure> =>
  Effect.gen(function*() {
    const link = yield* remote.session.link
    const path = pathOf(remote, key)
    yield* Effect.flatMap(lstat(link, path), (stats) => requireObject(stats, key))
    yield* changing(tell(link, (sftp, callback) => sftp.unlink(path, callback)))
    yield* pruneFolders(remote, link, key)
  }).pipe(Effect.uninterruptible)

/** @internal In mode `create` the two names exist together for a moment: a rename cannot refuse to replace. */
export const moveObject = (
  remote: Remote,
  from: StorePath.Key,
  to: StorePath.Key,
  mode: "create" | "overwrite"
): Effect.Effect<Version, Driver.Failure> =>
  Effect.gen(function*() {
    const link = yield* remote.session.link
    const source = pathOf(remote, from)
    const look = Effect.mapError(
      Effect.flatMap(lstat(link, source), (stats) => requireObject(stats, from)),
      ({ cause }) => new Driver.Failure({ cause, key: from })
    )
    const stats = yield* look
    yield* checkTarget(remote, link, to, mode)
    const attempt = publish(remote, link, to, source, mode)
    const moved = (times: number): Effect.Effect<void, Driver.Failure> =>
      Effect.catchAll(attempt, (failure) =>
        times > 0 && means(failure, "NotFound")
          ? look.pipe(
            Effect.zipRight(makeTargetFolder(remote, link, to)),
            Effect.zipRight(moved(times - 1))
          )
          : Effect.fail(failure))
    yield* Effect.onError(moved(100), () => pruneFolders(remote, link, to))
    if (mode === "create") yield* changing(tell(link, (sftp, callback) => sftp.unlink(source, callback)))
    // Two names of one file, left by a crash in mode `create`, stay two under a rename.
    yield* pruneFolders(remote, link, from)
    return versionOf(stats)
  }).pipe(Effect.uninterruptible)

const makeTargetFolder = (remote: Remote, link: Link, to: StorePath.Key) =>
  Effect.mapError(
    makeFolders(link, pathOf(remote, StorePath.parent(to))),
    ({ cause }) => new Driver.Failure({ cause, key: to })
  )
