// @effect-diagnostics nodeBuiltinImport:off the local driver is the one user of node:fs
/** Reads: an opened descriptor is one version, whatever becomes of its name. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Driver from "../Driver.ts"
import type { Version } from "../Entry.ts"
import type * as StorePath from "../StorePath.ts"
import { closeFd, nowFs, pullBytes, readAll } from "./localFile.ts"
import { lookAt, requireObject, walkTo } from "./localSpot.ts"
import type { Local } from "./localSpot.ts"
import { obstacleIn, versionOf } from "./localVersion.ts"
import { resolveRange } from "./resolveRange.ts"

interface Opened {
  readonly fd: number
  readonly version: Version
}

/** O_NONBLOCK: to open a FIFO that someone put there must not wait for its other end. */
const readFlags = Fs.constants.O_RDONLY | Fs.constants.O_NOFOLLOW | Fs.constants.O_NONBLOCK

const openNow = (local: Local, key: StorePath.Key): Opened => {
  const { close, spot } = walkTo(local, key, false)
  try {
    const fd = Fs.openSync(spot.path, readFlags)
    const stats = Fs.fstatSync(fd, { bigint: true })
    const obstacle = obstacleIn(stats)
    if (obstacle === undefined) return { fd, version: versionOf(stats) }
    Fs.closeSync(fd)
    throw Driver.refuse(obstacle, key)
  } finally {
    close()
  }
}

/** @internal Gives an opened file and its version, and closes it. */
export const withObject = <A, E, R>(
  local: Local,
  key: StorePath.Key,
  use: (opened: Opened) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Driver.Failure, R> =>
  Effect.acquireUseRelease(nowFs(() => openNow(local, key)), use, ({ fd }) => closeFd(fd))

interface Part extends Opened {
  readonly start: number
  readonly end: number
}

const partOf = (opened: Opened, { ifMatch, range }: Driver.GetOptions): Effect.Effect<Part, Driver.Failure> =>
  ifMatch !== undefined && ifMatch !== opened.version.etag
    ? Effect.fail(Driver.refuse({ _tag: "PreconditionFailed" }))
    : Effect.succeed({ ...opened, ...resolveRange(range, opened.version.size) })

/** @internal */
export const getObject = (
  local: Local,
  key: StorePath.Key,
  options: Driver.GetOptions
): Effect.Effect<Driver.OpenObject, Driver.Failure, Scope.Scope> =>
  Effect.acquireRelease(nowFs(() => openNow(local, key)), ({ fd }) => closeFd(fd)).pipe(
    Effect.flatMap((opened) => partOf(opened, options)),
    Effect.map(({ end, fd, start }) => ({
      size: end - start,
      pull: pullBytes(fd, start, end, local.chunkBytes, local.lends)
    }))
  )

/** @internal */
export const getAll = (
  local: Local,
  key: StorePath.Key,
  options: Driver.GetOptions
): Effect.Effect<Uint8Array, Driver.Failure> =>
  withObject(
    local,
    key,
    (opened) =>
      Effect.flatMap(partOf(opened, options), ({ end, fd, start }) => readAll(fd, start, end, local.chunkBytes))
  )

/** Content type and metadata are not kept. */
const attributes = { contentType: Option.none<string>(), metadata: {} }

/** @internal The descriptor stays open: it is one version, whatever becomes of its name. */
export const openReader = (
  local: Local,
  key: StorePath.Key
): Effect.Effect<Driver.OpenReader, Driver.Failure, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(nowFs(() => openNow(local, key)), ({ fd }) => closeFd(fd)),
    ({ fd, version }) => ({
      version,
      attributes,
      readAt: (offset, length) => {
        const { end, start } = resolveRange({ offset, length }, version.size)
        return readAll(fd, start, end, local.chunkBytes)
      }
    })
  )

/** @internal */
export const statObject = (local: Local, key: StorePath.Key): Effect.Effect<Driver.Node, Driver.Failure> =>
  nowFs((): Driver.Node => {
    const { close, spot } = walkTo(local, key, false)
    try {
      const stats = lookAt(spot)
      if (stats?.isDirectory() === true) return { _tag: "Folder" }
      return { _tag: "Object", version: versionOf(requireObject(stats, key)), attributes }
    } finally {
      close()
    }
  })
