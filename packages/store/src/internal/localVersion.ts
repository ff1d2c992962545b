// @effect-diagnostics nodeBuiltinImport:off the local driver is the one user of node:fs
/** What a file's inode says about its version. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Fs from "node:fs"
import type * as Driver from "../Driver.ts"
import type { Version } from "../Entry.ts"

/** @internal The etag is inode, size and time of change; writes make the latter unique, see `makeStamps`. */
export const versionOf = (stats: Fs.BigIntStats): Version => ({
  size: Number(stats.size),
  etag: `${stats.ino.toString(36)}-${stats.size.toString(36)}-${stats.mtimeNs.toString(36)}`,
  modifiedAt: DateTime.unsafeMake(Number(stats.mtimeMs))
})

/** @internal What is in the way of treating it as an object, if anything. */
export const obstacleIn = (stats: Fs.BigIntStats): Driver.Condition | undefined => {
  if (stats.isFile()) return undefined
  if (stats.isDirectory()) return { _tag: "InvalidPath", reason: "IsFolder" }
  return { _tag: "InvalidPath", reason: stats.isSymbolicLink() ? "SymbolicLink" : "SpecialFile" }
}

/**
 * @internal Times for written files in seconds, each at least a microsecond after the one before. The file system's
 * own clock ticks every few milliseconds and inode numbers are used again at once, so without this two versions
 * could have one etag.
 */
export const makeStamps = (): Effect.Effect<number> => {
  let last = 0
  return Effect.map(Clock.currentTimeNanos, (nanos) => {
    last = Math.max(last + 1, Number(nanos / 1000n))
    return last / 1_000_000
  })
}
