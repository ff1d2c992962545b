/**
 * A store in a bucket of an S3-compatible server, over whatever `HttpClient` the application has.
 *
 * - A condition (`create`, `ifMatch`) is enforced by the server or refused with `CapabilityNotSupported` before
 *   anything is sent; the dialect says which servers keep which. `probe` finds out by trying.
 * - A stream becomes one request where it fits into one part, and otherwise a multipart upload with at most
 *   `concurrency` parts of `partBytes` in memory; it is removed when the write fails or is interrupted. Parts double
 *   after every thousand, so that the largest object can be written; they need more memory from then on.
 * - Etags are as the server makes them, mostly digests: equal bytes have equal etags (`freshEtags` is not offered).
 * - There are no folders: an object `a` and an object `a/b` can both be there (`exclusiveNames` is not offered). Names
 *   in the bucket that are no keys, such as `folder/` or `a//b`, are not listed.
 * - A copy in mode `create` goes through this process where it has to be without a race. A move is a copy and a delete.
 * - Requests: one for `write` of bytes, `read`, `stat` and `exists` of an object and for each page of a listing; a
 *   second where there is no object, to see whether it is a folder; `delete` and `copy` look at the object first.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type { Capability } from "./Capability.ts"
import type * as Driver from "./Driver.ts"
import { guardOpening } from "./internal/kernel.ts"
import { dialects } from "./internal/s3Dialect.ts"
import type { Dialect, DialectName } from "./internal/s3Dialect.ts"
import { classify, failWith, isA } from "./internal/s3Failure.ts"
import { listPage } from "./internal/s3List.ts"
import { minPartBytes, putUnknown } from "./internal/s3Multipart.ts"
import type { Uploads } from "./internal/s3Multipart.ts"
import { measureDialect, probeServer } from "./internal/s3Probe.ts"
import { getAll, getObject, statObject } from "./internal/s3Read.ts"
import { copyObject, deleteLimit, deleteMany, moveObject } from "./internal/s3Transfer.ts"
import { head, makeWire } from "./internal/s3Wire.ts"
import type { Credentials, Wire } from "./internal/s3Wire.ts"
import { deleteObject, putBytes } from "./internal/s3Write.ts"
import * as Store from "./Store.ts"
import type { StoreError } from "./StoreError.ts"
import * as StorePath from "./StorePath.ts"

export type {
  /**
   * @since 0.1.0
   * @category models
   */
  Credentials,
  /**
   * @since 0.1.0
   * @category models
   */
  Dialect,
  /**
   * @since 0.1.0
   * @category models
   */
  DialectName
}

const everywhere = [
  "read",
  "range",
  "readIfMatch",
  "write",
  "atomicWrite",
  "metadata",
  "delete",
  "list",
  "move",
  "copy"
] as const satisfies ReadonlyArray<Capability>

const conditional = ["createIfAbsent", "replaceIfMatch", "deleteIfMatch"] as const satisfies ReadonlyArray<
  Capability & keyof Dialect
>

/**
 * What every S3 store offers. With its dialect it can have `createIfAbsent`, `replaceIfMatch` and `deleteIfMatch` as
 * well: ask by `require`.
 *
 * @since 0.1.0
 * @category models
 */
export type S3Capability = (typeof everywhere)[number]

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** Such as `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  /** The folder of the bucket that is the store's root. Default: all of it. */
  readonly prefix?: string
  /** An Effect is run for each request, so that it can refresh them; let it keep them while they are good. */
  readonly credentials: Credentials | Effect.Effect<Credentials, Error>
  /** What the server keeps. Default `generic`: no conditions. */
  readonly dialect?: DialectName | Dialect
  /** The bucket is in the path, not in the host's name. Default: everywhere but with the dialect `aws`. */
  readonly pathStyle?: boolean
  /** The size of a part of a streamed body, at least 5 MiB. Default 8 MiB. */
  readonly partBytes?: number
  /** How many parts of one body are under way at once. Default 4. */
  readonly concurrency?: number
}

const misconfigured = (what: string): Effect.Effect<never, Driver.Failure> =>
  Effect.fail(failWith({ _tag: "Unavailable", reason: "Misconfigured", retryable: false }, what))

const dialectOf = ({ dialect = "generic" }: Options): Dialect =>
  typeof dialect === "string" ? dialects[dialect] : dialect

const credentialsOf = ({ credentials }: Options): Effect.Effect<Credentials, Driver.Failure> =>
  Effect.isEffect(credentials)
    ? Effect.mapError(credentials, () => failWith({ _tag: "PermissionDenied" }, "there are no credentials"))
    : Effect.succeed(credentials)

const openWire = (options: Options): Effect.Effect<Wire, Driver.Failure, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const endpoint = URL.canParse(options.endpoint) ? new URL(options.endpoint) : undefined
    if (endpoint === undefined || !/^https?:$/.test(endpoint.protocol) || endpoint.username !== "") {
      return yield* misconfigured("the endpoint is not an http(s) address, or has credentials in it")
    }
    if (!/^[A-Za-z\d][\w.-]{1,253}[A-Za-z\d]$/.test(options.bucket)) {
      return yield* misconfigured("the bucket's name is not one")
    }
    const pathStyle = options.pathStyle ?? options.dialect !== "aws"
    const target = { endpoint, region: options.region, bucket: options.bucket, pathStyle }
    return makeWire(client, target, dialectOf(options), credentialsOf(options))
  })

const openUploads = (wire: Wire, options: Options): Effect.Effect<Uploads, Driver.Failure> => {
  const { concurrency = 4, partBytes = 8 * 2 ** 20 } = options
  return Number.isSafeInteger(partBytes) && partBytes >= minPartBytes && Number.isSafeInteger(concurrency) &&
      concurrency >= 1
    ? Effect.succeed({ wire, partBytes, concurrency, spare: [] })
    : misconfigured("partBytes is less than 5 MiB, or concurrency less than 1")
}

const opening = <A, R>(options: Options, effect: Effect.Effect<A, Driver.Failure, R>) =>
  guardOpening({ name: "s3", classify }, options.prefix ?? "", effect)

/**
 * Opens a store. Nothing is sent.
 *
 * @example
 * ```ts
 * import { FetchHttpClient } from "@effect/platform"
 * import { S3 } from "@sennit/store"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* S3.make({
 *     endpoint: "https://objects.example.com",
 *     region: "default",
 *     bucket: "reports",
 *     dialect: "rgw",
 *     credentials: { accessKeyId: "app", secretAccessKey: Redacted.make("...") }
 *   })
 *   const creating = yield* store.require("createIfAbsent")
 *   yield* creating.write("2026/report.txt", "all well", { contentType: "text/plain" })
 * }).pipe(Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Store.StoreOf<S3Capability>, StoreError, HttpClient.HttpClient> =>
  Effect.flatMap(
    opening(options, Effect.flatMap(openWire(options), (wire) => openUploads(wire, options))),
    (uploads) => Store.fromDriver(makeDriver(uploads)).child(options.prefix ?? "")
  )

/**
 * A bucket as the application's store. Fails with `CapabilityNotSupported` where the dialect cannot create without a
 * race.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Store.Store, StoreError, HttpClient.HttpClient> =>
  Layer.effect(Store.Store, Effect.flatMap(make(options), (store) => store.require("createIfAbsent")))

/**
 * A bucket as the application's store, configured from the environment; see `StoreConfig.s3`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config<Options>
): Layer.Layer<Store.Store, StoreError | ConfigError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(config, layer))

/**
 * Tries which conditions a server enforces, and answers the dialect for it. Needs the right to write, and uses one key
 * below the prefix, `sennit-probe`, that it removes again.
 *
 * @example
 * ```ts
 * import { S3 } from "@sennit/store"
 * import { Effect } from "effect"
 *
 * const open = (options: S3.Options) =>
 *   Effect.flatMap(S3.probe(options), (dialect) => S3.make({ ...options, dialect }))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const probe = (options: Options): Effect.Effect<Dialect, StoreError, HttpClient.HttpClient> =>
  Effect.flatMap(
    Either.flatMap(
      StorePath.parsePrefix(options.prefix ?? ""),
      (prefix) => Either.flatMap(StorePath.parse("sennit-probe"), (key) => StorePath.join(prefix, key))
    ),
    (key) => opening(options, Effect.flatMap(openWire(options), (wire) => measureDialect(wire, key)))
  )

const makeDriver = (uploads: Uploads): Driver.Driver<S3Capability | (typeof conditional)[number]> => {
  const { wire } = uploads
  const { bucket, client, dialect } = wire
  const native = `s3://${bucket}/`
  return {
    name: "s3",
    capabilities: new Set([...everywhere, ...conditional.filter((capability) => dialect[capability])]),
    quality: {
      replaceIfMatch: dialect.replaceIfMatch ? "server" : "none",
      atomicMove: "never",
      durability: "server"
    },
    stat: (key) => statObject(wire, key),
    get: (key, options) => getObject(wire, key, options),
    getAll: (key, options) => getAll(wire, key, options),
    put: (key, body, { attributes, mode }) =>
      body instanceof Uint8Array
        ? putBytes(wire, key, body, mode, attributes)
        : putUnknown(uploads, key, body, mode, attributes),
    borrowsPieces: true,
    delete: (key, { ifMatch }) => deleteObject(wire, key, ifMatch),
    deleteMany: { limit: deleteLimit, run: (keys) => deleteMany(wire, keys) },
    listPage: (prefix, options) => listPage(wire, prefix, options),
    move: (from, to, mode) => moveObject(uploads, from, to, mode),
    copy: (from, to, mode) => copyObject(uploads, from, to, mode),
    probe: (scratch) => probeServer(wire, scratch),
    ping: Effect.matchEffect(head(wire, { method: "HEAD" }), {
      onFailure: (failure) =>
        isA(failure, "NotFound") ? misconfigured("there is no such bucket") : Effect.fail(failure),
      onSuccess: () => Effect.void
    }),
    native: {
      toPath: (prefix) => native + prefix,
      toKey: (path) => path.startsWith(native) ? path.slice(native.length) : undefined
    },
    services: Context.make(HttpClient.HttpClient, client),
    classify
  }
}
