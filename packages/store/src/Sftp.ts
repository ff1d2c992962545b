/**
 * A store in a folder of an SFTP server. Needs the package `ssh2`, which is loaded when the first store is opened.
 *
 * - The server's host key has to be known beforehand; an unknown or changed one is refused before anything is sent.
 * - A write goes to a temporary file beside its target and becomes visible by one hard link (mode `create`: exactly
 *   one of many wins) or posix-rename. Both are extensions that OpenSSH and others offer; a server without them gets
 *   no such write.
 * - Many requests of a transfer are under way at once: up to 8 of 255 KiB for a reader, 2 MiB for a writer, and 64 on
 *   the connection.
 * - A broken connection is made anew by the next call. The calls under way fail as `BackendUnavailable`, retryable.
 * - The protocol tells times in seconds, so an etag is good for caches and not for conditions: `readIfMatch` and
 *   `replaceIfMatch` are not offered. Content type and metadata are not kept.
 * - A folder is there as long as an object is in it. An object that is a symbolic link is refused; links above it are
 *   the server's business.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Capability } from "./Capability.ts"
import type * as Driver from "./Driver.ts"
import { classifyExplained, explain } from "./internal/explainFailure.ts"
import { guardOpening } from "./internal/kernel.ts"
import { makeFolders, pathOf, statObject } from "./internal/sftpFile.ts"
import type { Remote } from "./internal/sftpFile.ts"
import { listPage } from "./internal/sftpList.ts"
import { copyObject, deleteObject, getObject, moveObject, putObject } from "./internal/sftpObject.ts"
import { makeSession } from "./internal/sftpSession.ts"
import type { Extension } from "./internal/sftpSession.ts"
import * as Store from "./Store.ts"
import type { StoreError } from "./StoreError.ts"

/** What every server of version 3 can do. */
const basic = ["read", "range", "exclusiveNames", "delete", "list"] as const satisfies ReadonlyArray<Capability>

/** What needs posix-rename. */
const replacing = ["write", "atomicWrite", "move", "copy"] as const satisfies ReadonlyArray<Capability>

/** What needs hardlink. */
const creating = ["createIfAbsent"] as const satisfies ReadonlyArray<Capability>

const capabilities = [...basic, ...replacing, ...creating]

/**
 * What a store on a server offers that has both extensions.
 *
 * @since 0.1.0
 * @category models
 */
export type SftpCapability = (typeof capabilities)[number]

/**
 * What a store on every server offers.
 *
 * @since 0.1.0
 * @category models
 */
export type BasicCapability = (typeof basic)[number]

/**
 * How the server proves that it is the one that is meant: a fingerprint as `ssh-keygen -l` prints it (`SHA256:...`), or
 * a line in a file in the format of OpenSSH's `known_hosts`.
 *
 * @since 0.1.0
 * @category options
 */
export type HostKey =
  | { readonly fingerprints: ReadonlyArray<string> }
  | { readonly knownHostsFile: string }

/**
 * How we prove who we are: by a private key (PEM or OpenSSH's format) or by a password.
 *
 * @since 0.1.0
 * @category options
 */
export type Credential =
  | { readonly privateKey: Redacted.Redacted<string>; readonly passphrase?: Redacted.Redacted<string> }
  | { readonly password: Redacted.Redacted<string> }

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly host: string
  /** Default 22. */
  readonly port?: number
  readonly username: string
  readonly hostKey: HostKey
  readonly credential: Credential
  /** The folder of the store; made when it is missing. A relative path begins in the user's home. */
  readonly root: string
  /** `fsync`: the bytes of a finished write are on the server's disk. Default `none`. */
  readonly durability?: "none" | "fsync"
  /** How long a connection may take to be made, login included. Default 20 seconds. */
  readonly connectTimeout?: Duration.DurationInput
}

/**
 * Opens a store on a server that has posix-rename and hardlink; on another it fails with `CapabilityNotSupported`.
 *
 * @example
 * ```ts
 * import { Sftp } from "@sennit/store"
 * import { Config, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Sftp.make({
 *     host: "files.example.org",
 *     username: "app",
 *     credential: { privateKey: yield* Config.redacted("SFTP_PRIVATE_KEY") },
 *     hostKey: { fingerprints: [yield* Config.string("SFTP_HOST_FINGERPRINT")] },
 *     root: "files"
 *   })
 *   yield* store.write("report.txt", "all well")
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Store.StoreOf<SftpCapability>, StoreError, Scope.Scope> =>
  Effect.flatMap(makeBasic(options), (store) => store.require(...capabilities))

/**
 * Opens a store on any server. What it offers besides is there at run time, for `require`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeBasic = (
  options: Options
): Effect.Effect<Store.StoreOf<BasicCapability>, StoreError, Scope.Scope> =>
  guardOpening(
    { name: "sftp", classify: classifyExplained },
    options.root,
    Effect.gen(function*() {
      const session = yield* makeSession({
        host: options.host,
        port: options.port ?? 22,
        username: options.username,
        hostKey: options.hostKey,
        credential: options.credential,
        connectTimeoutMillis: Duration.toMillis(options.connectTimeout ?? "20 seconds")
      })
      const link = yield* session.link
      const isDurable = options.durability === "fsync"
      if (isDurable && !link.offers.has("fsync")) {
        return yield* explain(
          { _tag: "Unavailable", reason: "Misconfigured", retryable: false },
          "the server does not offer fsync@openssh.com, which durability fsync needs"
        )
      }
      const root = options.root === "" ? "." : options.root.replace(/\/+$/, "")
      if (root !== "") yield* makeFolders(link, root)
      return Store.fromDriver(makeDriver({ session, root, isDurable }, link.offers))
    })
  )

/**
 * A store on a server as the application's store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Store.Store, StoreError> =>
  Layer.scoped(Store.Store, make(options))

/**
 * A store on a server as the application's store, configured from the environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config<Options>
): Layer.Layer<Store.Store, StoreError | ConfigError> => Layer.scoped(Store.Store, Effect.flatMap(config, make))

const makeDriver = (remote: Remote, offers: ReadonlySet<Extension>): Driver.Driver<SftpCapability> => ({
  name: "sftp",
  capabilities: new Set([
    ...basic,
    ...(offers.has("posix-rename") ? replacing : []),
    ...(offers.has("posix-rename") && offers.has("hardlink") ? creating : [])
  ]),
  quality: { replaceIfMatch: "none", atomicMove: "overwrite", durability: remote.isDurable ? "fsync" : "server" },
  stat: (key) => statObject(remote, key),
  get: (key, options) => getObject(remote, key, options),
  put: (key, body, { mode }) => putObject(remote, key, body, mode),
  borrowsPieces: true,
  delete: (key) => deleteObject(remote, key),
  listPage: (prefix, { recursive }) => listPage(remote, prefix, recursive),
  move: (from, to, mode) => moveObject(remote, from, to, mode),
  copy: (from, to, mode) => copyObject(remote, from, to, mode),
  native: {
    toPath: (prefix) => pathOf(remote, prefix),
    toKey: (path) => path.startsWith(`${remote.root}/`) ? path.slice(remote.root.length + 1) : undefined
  },
  classify: classifyExplained
})
