// @effect-diagnostics nodeBuiltinImport:off handles are Buffers in ssh2
/** The requests of SFTP as Effects, and what the server says of a path in the store's terms. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Buffer } from "node:buffer"
import type { SFTPWrapper, Stats } from "ssh2"
import * as Driver from "../Driver.ts"
import type { Version } from "../Entry.ts"
import * as StorePath from "../StorePath.ts"
import { explain, Explanation, means } from "./explainFailure.ts"
import type { Link, Session } from "./sftpSession.ts"

/** @internal A folder of a server. */
export interface Remote {
  readonly session: Session
  /** The folder's path, without a slash at its end. */
  readonly root: string
  readonly isDurable: boolean
}

/** @internal */
export const pathOf = (remote: Remote, prefix: StorePath.Prefix): string =>
  prefix === "" ? remote.root || "/" : `${remote.root}/${prefix}`

type Request<A> = (sftp: SFTPWrapper, callback: (error: Error | null | undefined, value: A) => void) => void

/**
 * @internal A request and its answer. It cannot be interrupted: an answer that nobody awaits could be a handle that
 * stays open. The connection's keep-alive bounds the wait.
 */
export const ask = <A>(link: Link, request: Request<A>): Effect.Effect<A, Driver.Failure> =>
  Effect.uninterruptible(Effect.async<A, Driver.Failure>((resume) => link.send(request, resume)))

/** @internal The same for requests that answer nothing. */
export const tell = (
  link: Link,
  request: (sftp: SFTPWrapper, callback: (error?: Error | null) => void) => void
): Effect.Effect<void, Driver.Failure> =>
  ask<void>(link, (sftp, callback) => request(sftp, (error) => callback(error, undefined)))

/** @internal Whether the change that was asked for was made cannot be told where the connection broke meanwhile. */
export const changing = <A>(effect: Effect.Effect<A, Driver.Failure>): Effect.Effect<A, Driver.Failure> =>
  Effect.mapError(effect, (failure) => {
    const { cause } = failure
    if (!(cause instanceof Explanation)) return failure
    const { condition } = cause
    return condition._tag === "Unavailable" && condition.reason === "Network"
      ? explain({ ...condition, applied: "unknown" }, cause.message, failure.key)
      : failure
  })

/** @internal */
export const lstat = (link: Link, path: string): Effect.Effect<Stats, Driver.Failure> =>
  ask<Stats>(link, (sftp, callback) => sftp.lstat(path, callback))

/** @internal What is there, itself if it is a link; `undefined` where nothing is. */
export const lookAt = (link: Link, path: string): Effect.Effect<Stats | undefined, Driver.Failure> =>
  Effect.catchIf(
    lstat(link, path),
    (failure): failure is Driver.Failure => means(failure, "NotFound"),
    () => Effect.succeed(undefined)
  )

/** @internal An open file that is closed with its scope. */
export const openFile = (link: Link, path: string, flags: "r" | "wx") =>
  Effect.acquireRelease(
    ask<Buffer>(link, (sftp, callback) => sftp.open(path, flags, callback)),
    (handle) => Effect.ignore(tell(link, (sftp, callback) => sftp.close(handle, callback)))
  )

/** @internal */
export const fstat = (link: Link, handle: Buffer): Effect.Effect<Stats, Driver.Failure> =>
  ask<Stats>(link, (sftp, callback) => sftp.fstat(handle, callback))

/** @internal The protocol tells times in whole seconds: an etag can be shared by two versions of one length. */
export const versionOf = ({ mtime, size }: { readonly mtime: number; readonly size: number }): Version => ({
  size,
  etag: `${size.toString(36)}-${mtime.toString(36)}`,
  modifiedAt: DateTime.unsafeMake(mtime * 1000)
})

/** Version 3 of the protocol keeps neither. */
const noAttributes = { contentType: Option.none<string>(), metadata: {} }

/** What is in the way of treating it as an object, if anything. */
const obstacleIn = (stats: Stats): Driver.Condition | undefined => {
  if (stats.isFile()) return undefined
  if (stats.isDirectory()) return { _tag: "InvalidPath", reason: "IsFolder" }
  return { _tag: "InvalidPath", reason: stats.isSymbolicLink() ? "SymbolicLink" : "SpecialFile" }
}

/** @internal */
export const requireObject = (stats: Stats, key: StorePath.Key): Effect.Effect<Stats, Driver.Failure> => {
  const obstacle = obstacleIn(stats)
  return obstacle === undefined ? Effect.succeed(stats) : Effect.fail(Driver.refuse(obstacle, key))
}

/** @internal Fails where the mode cannot be kept. */
export const checkTarget = (
  remote: Remote,
  link: Link,
  key: StorePath.Key,
  mode: Driver.Mode
): Effect.Effect<void, Driver.Failure> =>
  Effect.flatMap(lookAt(link, pathOf(remote, key)), (stats) => {
    const obstacle = stats === undefined ? undefined : obstacleIn(stats)
    if (obstacle !== undefined) return Effect.fail(Driver.refuse(obstacle, key))
    return mode === "create" && stats !== undefined
      ? Effect.fail(Driver.refuse({ _tag: "AlreadyExists" }, key))
      : Effect.void
  })

/** @internal */
export const statObject = (remote: Remote, key: StorePath.Key): Effect.Effect<Driver.Node, Driver.Failure> =>
  Effect.gen(function*() {
    const link = yield* remote.session.link
    const stats = yield* lstat(link, pathOf(remote, key))
    if (stats.isDirectory()) return { _tag: "Folder" }
    yield* requireObject(stats, key)
    return { _tag: "Object", version: versionOf(stats), attributes: noAttributes }
  })

/** @internal Makes a folder and those above it, as far as they are not there. */
export const makeFolders = (link: Link, path: string): Effect.Effect<void, Driver.Failure> =>
  Effect.catchAll(tell(link, (sftp, callback) => sftp.mkdir(path, callback)), (failure) => {
    const slash = path.lastIndexOf("/")
    if (means(failure, "NotFound") && slash > 0) {
      return Effect.zipRight(makeFolders(link, path.slice(0, slash)), makeFolders(link, path))
    }
    // "Failure" is all that the server says of a name that is taken.
    return Effect.flatMap(
      Effect.mapError(ask<Stats>(link, (sftp, callback) => sftp.stat(path, callback)), () => failure),
      (stats) =>
        stats.isDirectory()
          ? Effect.void
          : Effect.fail(Driver.refuse({ _tag: "InvalidPath", reason: "AncestorIsObject" }))
    )
  })

/** @internal Removes the folders above a key as far as they are empty: a folder is there as long as it holds something. */
export const pruneFolders = (remote: Remote, link: Link, key: StorePath.Key): Effect.Effect<void> => {
  const folder = StorePath.parent(key)
  return folder === "" ? Effect.void : Effect.matchEffect(
    tell(link, (sftp, callback) => sftp.rmdir(pathOf(remote, folder), callback)),
    { onFailure: () => Effect.void, onSuccess: () => pruneFolders(remote, link, folder) }
  )
}
