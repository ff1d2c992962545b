/**
 * A store in a folder of a local file system.
 *
 * - A write goes to a temporary file beside its target and becomes visible by one link(2) (mode `create`: exactly one
 *   of many processes wins) or rename(2). A crash leaves the old object or the new one, and at most a temporary
 *   file, whose name starts with `.~`: no listing shows it, and opening the store sweeps it when it is stale.
 * - Symbolic links are never followed below the root. On Linux that holds against an attacker who swaps folders for
 *   links while we work; elsewhere there is a moment between look and use.
 * - Compare-and-set holds among the calls of one opened store (`quality.replaceIfMatch` is `process`).
 * - A folder is there as long as an object is in it: empty ones are removed after a delete or a move.
 * - Content type and metadata are not kept, so `metadata` is not offered.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Capability } from "./Capability.ts"
import type * as Driver from "./Driver.ts"
import { guardOpening } from "./internal/kernel.ts"
import { makeKeyedLock } from "./internal/keyedLock.ts"
import { classifyErrno, nowFs } from "./internal/localFile.ts"
import { makeRoot, nameNatively, openRoot } from "./internal/localFolder.ts"
import type { Folders } from "./internal/localFolder.ts"
import { listPage, removeFolder, sweep } from "./internal/localList.ts"
import type { LeaveOut } from "./internal/localList.ts"
import * as Read from "./internal/localRead.ts"
import type { Local } from "./internal/localSpot.ts"
import { makeStamps } from "./internal/localVersion.ts"
import * as Write from "./internal/localWrite.ts"
import { makeTurns } from "./internal/takeTurns.ts"
import * as Store from "./Store.ts"
import type { StoreError } from "./StoreError.ts"
import * as StorePath from "./StorePath.ts"

const capabilities = [
  "read",
  "range",
  "readIfMatch",
  "write",
  "atomicWrite",
  "createIfAbsent",
  "replaceIfMatch",
  "freshEtags",
  "exclusiveNames",
  "delete",
  "deleteIfMatch",
  "list",
  "move",
  "copy"
] as const satisfies ReadonlyArray<Capability>

/**
 * What a local store offers.
 *
 * @since 0.1.0
 * @category models
 */
export type LocalCapability = (typeof capabilities)[number]

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The folder of the store; made when it is missing. A link here, and above, is followed once. */
  readonly root: string
  /** `fsync`: a finished write survives a power cut. Default `none`: it survives the end of the process. */
  readonly durability?: "none" | "fsync"
  /** Symbolic links below the root are refused. There is no other policy. */
  readonly symlinks?: "deny"
  /** How long an unfinished write must have rested before opening the store removes it. Default one hour. */
  readonly sweepOlderThan?: Duration.DurationInput
}

/**
 * Opens a store.
 *
 * @example
 * ```ts
 * import { Local } from "@sennit/store"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Local.make({ root: "/var/lib/app/files", durability: "fsync" })
 *   yield* store.write("report.txt", "all well", { mode: "overwrite" })
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Store.StoreOf<LocalCapability>, StoreError, Scope.Scope> =>
  guardOpening(
    { name: "local", classify: classifyErrno },
    options.root,
    Effect.gen(function*() {
      yield* nowFs(() => makeRoot(options.root))
      const folders = yield* openRoot(options.root)
      const now = yield* Clock.currentTimeMillis
      const rest = Duration.toMillis(Duration.decode(options.sweepOlderThan ?? "1 hour"))
      yield* sweep(folders, StorePath.root, now - rest)
      return overFolders(folders, options, {})
    })
  )

interface Reading {
  /** Hears what in it is no object. */
  readonly leaveOut?: LeaveOut
  /** Whether the pieces of a stream are good only until the next one. */
  readonly lends?: boolean
}

/**
 * @internal A folder that nobody keeps as a store: nothing is swept in it. One to read from must be there, one to write
 * to is made.
 */
export const openFolder = (
  root: string,
  use: Reading | "write"
): Effect.Effect<Store.StoreOf<LocalCapability>, StoreError, Scope.Scope> =>
  guardOpening(
    { name: "local", classify: classifyErrno },
    root,
    Effect.gen(function*() {
      if (use === "write") yield* nowFs(() => makeRoot(root))
      const folders = yield* openRoot(root)
      return overFolders(folders, { root }, use === "write" ? {} : use)
    })
  )

const overFolders = (
  folders: Folders,
  options: Options,
  { leaveOut, lends = false }: Reading
): Store.StoreOf<LocalCapability> =>
  Store.fromDriver(
    makeDriver(
      {
        folders,
        lock: makeKeyedLock(),
        stamp: makeStamps(),
        durable: options.durability === "fsync",
        // One array that is used again may be longer than many that are not.
        chunkBytes: lends ? 2 ** 20 : 256 * 1024,
        lends
      },
      nameNatively(options.root),
      leaveOut
    )
  )

/**
 * A local store as the application's store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Store.Store, StoreError> =>
  Layer.scoped(Store.Store, make(options))

/**
 * A local store as the application's store, configured from the environment; see `StoreConfig.local`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options>
): Layer.Layer<Store.Store, StoreError | ConfigError> =>
  Layer.scoped(Store.Store, Effect.flatMap(Config.unwrap(config), make))

/** How many calls may be made at once before timers and sockets have their turn: a millisecond's worth. */
const callsPerTurn = 32

const makeDriver = (
  local: Local,
  native: NonNullable<Driver.Driver["native"]>,
  leaveOut: LeaveOut | undefined
): Driver.Driver<LocalCapability> => {
  const turn = makeTurns(callsPerTurn)
  const inTurn = <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => Effect.zipRight(turn, call)
  return {
    name: "local",
    capabilities: new Set(capabilities),
    quality: {
      replaceIfMatch: "process",
      atomicMove: "overwrite",
      durability: local.durable ? "fsync" : "none"
    },
    stat: (key) => inTurn(Read.statObject(local, key)),
    get: (key, options) => inTurn(Read.getObject(local, key, options)),
    openReader: (key) => inTurn(Read.openReader(local, key)),
    getAll: (key, options) => inTurn(Read.getAll(local, key, options)),
    put: (key, body, { mode }) => inTurn(Write.putObject(local, key, body, mode)),
    borrowsPieces: true,
    delete: (key, { ifMatch }) => inTurn(Write.deleteObject(local, key, ifMatch)),
    listPage: (prefix, { recursive }) => inTurn(listPage(local.folders, prefix, recursive, leaveOut)),
    move: (from, to, mode) => inTurn(Write.moveObject(local, from, to, mode)),
    copy: (from, to, mode) => inTurn(Write.copyObject(local, from, to, mode)),
    removeFolder: (key) => removeFolder(local.folders, key),
    native,
    classify: classifyErrno
  }
}
