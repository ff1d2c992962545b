// @effect-diagnostics nodeBuiltinImport:off the local driver is the one user of node:fs
/** Names in opened folders: what is at them, and the system calls that change it. */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Driver from "../Driver.ts"
import * as StorePath from "../StorePath.ts"
import type { KeyedLock } from "./keyedLock.ts"
import { nowBytes, nowFs, runFs } from "./localFile.ts"
import { withFolder } from "./localFolder.ts"
import type { Folder, Folders } from "./localFolder.ts"
import { obstacleIn, versionOf } from "./localVersion.ts"

/** @internal */
export interface Local {
  readonly folders: Folders
  readonly lock: KeyedLock
  readonly stamp: Effect.Effect<number>
  readonly durable: boolean
  readonly chunkBytes: number
  /** Whether the pieces of a stream are good only until the next one. */
  readonly lends: boolean
}

/** @internal A name in an opened folder. */
export interface Spot {
  readonly key: StorePath.Key
  readonly folder: Folder
  readonly path: string
}

const spotIn = (folder: Folder, key: StorePath.Key): Spot => ({
  key,
  folder,
  path: `${folder.path}/${StorePath.name(key)}`
})

const folderOf = (key: StorePath.Key): ReadonlyArray<string> => StorePath.segments(StorePath.parent(key))

/** @internal */
export const withSpot = <A, E, R>(
  local: Local,
  key: StorePath.Key,
  create: boolean,
  use: (spot: Spot) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Driver.Failure, R> =>
  withFolder(local.folders, folderOf(key), { create, key }, (folder) => use(spotIn(folder, key)))

/** @internal The same for who closes the folder himself; throws the failure. */
export const walkTo = (
  local: Local,
  key: StorePath.Key,
  create: boolean
): { readonly spot: Spot; readonly close: () => void } => {
  const { close, folder } = local.folders.walk(folderOf(key), { create, key })
  return { spot: spotIn(folder, key), close }
}

/** @internal */
export const lookAt = (spot: Spot): Fs.BigIntStats | undefined =>
  Fs.lstatSync(spot.path, { bigint: true, throwIfNoEntry: false })

/** @internal What `lookAt` has found, if that is an object; throws for folders, links and nothing. */
export const requireObject = (stats: Fs.BigIntStats | undefined, key: StorePath.Key): Fs.BigIntStats => {
  const obstacle = stats === undefined ? undefined : obstacleIn(stats)
  if (stats !== undefined && obstacle === undefined) return stats
  throw Driver.refuse(obstacle ?? { _tag: "NotFound" }, key)
}

/** @internal Throws where the mode cannot be kept, in the contract's order: what is it, is it there, is it that version. */
export const checkTarget = (spot: Spot, mode: Driver.Mode): Fs.BigIntStats | undefined => {
  const stats = lookAt(spot)
  const obstacle = stats === undefined ? undefined : obstacleIn(stats)
  if (obstacle !== undefined) throw Driver.refuse(obstacle, spot.key)
  if (mode === "create" && stats !== undefined) throw Driver.refuse({ _tag: "AlreadyExists" }, spot.key)
  if (typeof mode === "object" && (stats === undefined || versionOf(stats).etag !== mode.ifMatch)) {
    throw Driver.refuse({ _tag: "PreconditionFailed" }, spot.key)
  }
  return stats
}

/** @internal Whether what is done with the name of this file is done soon. */
export const isSmall = (stats: Fs.BigIntStats | undefined): boolean => stats === undefined || stats.size <= nowBytes

const withKey = <A>(key: StorePath.Key, effect: Effect.Effect<A, Driver.Failure>): Effect.Effect<A, Driver.Failure> =>
  Effect.mapError(effect, ({ cause }) => new Driver.Failure({ cause, key }))

/** @internal link(2) refuses to replace, and touches no bytes. */
export const linkTo = (from: string, spot: Spot): Effect.Effect<void, Driver.Failure> =>
  withKey(spot.key, nowFs(() => Fs.linkSync(from, spot.path)))

/** @internal rename(2) frees the bytes that it replaces, and may begin to write the new ones. */
export const renameTo = (
  from: string,
  spot: Spot,
  stats: Fs.BigIntStats,
  replaced: Fs.BigIntStats | undefined
): Effect.Effect<void, Driver.Failure> =>
  withKey(
    spot.key,
    isSmall(stats) && isSmall(replaced)
      ? nowFs(() => Fs.renameSync(from, spot.path))
      : runFs((callback) => Fs.rename(from, spot.path, callback))
  )

/** @internal unlink(2) frees the bytes of a file that loses its last name. */
export const unlinkAt = (spot: Spot, stats: Fs.BigIntStats): Effect.Effect<void, Driver.Failure> =>
  isSmall(stats) ? nowFs(() => Fs.unlinkSync(spot.path)) : runFs((callback) => Fs.unlink(spot.path, callback))
