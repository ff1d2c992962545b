/**
 * A store over what a web server gives to everyone who asks: read-only, by GET and HEAD.
 *
 * - Everything goes through the `HttpClient` of the program: redirects, credentials, retries and limits are its.
 * - Versions are the server's `ETag`s. A read with `ifMatch` sends `If-Match` (and `If-Range` for a part) and checks
 *   the answer, so that it holds on servers that ignore them. Without an `ETag`, and with a weak one, a version is as
 *   exact as what the server says: an object without `Last-Modified` counts as changed at the epoch.
 * - A server that ignores `Range` sends all; what was not asked for is left out.
 * - There are no folders and no listings: HTTP has none.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Capability } from "./Capability.ts"
import type * as Driver from "./Driver.ts"
import { classifyExplained, explain } from "./internal/explainFailure.ts"
import { getObject, statObject, urlOf } from "./internal/httpObject.ts"
import type { Site } from "./internal/httpObject.ts"
import { guardOpening } from "./internal/kernel.ts"
import * as Store from "./Store.ts"
import type { StoreError } from "./StoreError.ts"
import * as StorePath from "./StorePath.ts"

const capabilities = ["read", "range", "readIfMatch"] as const satisfies ReadonlyArray<Capability>

/**
 * What a store over HTTP offers.
 *
 * @since 0.1.0
 * @category models
 */
export type HttpCapability = (typeof capabilities)[number]

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The address of the store's root, without user, query and fragment. */
  readonly baseUrl: string | URL
}

/**
 * Makes a store. Nothing is sent.
 *
 * @example
 * ```ts
 * import { FetchHttpClient } from "@effect/platform"
 * import { Http } from "@sennit/store"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* Http.make({ baseUrl: "https://example.org/data" })
 *   return yield* store.readBytes("set.parquet", { range: { suffix: 8 } })
 * }).pipe(Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Store.StoreOf<HttpCapability>, StoreError, HttpClient.HttpClient> =>
  guardOpening(
    { name: "http", classify: classifyExplained },
    "",
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const base = Option.filter(parseUrl(options.baseUrl), isPlain)
      if (Option.isSome(base)) return Store.fromDriver(makeDriver({ client, base: base.value }))
      return yield* explain(
        { _tag: "Unavailable", reason: "Misconfigured", retryable: false },
        "baseUrl has to be an http or https address without user, query and fragment; credentials are the client's"
      )
    })
  )

const parseUrl = Option.liftThrowable((url: string | URL) => new URL(url))

const isPlain = (url: URL): boolean =>
  /^https?:$/.test(url.protocol) && url.username + url.password + url.search + url.hash === ""

const makeDriver = (site: Site): Driver.Driver<HttpCapability> => ({
  name: "http",
  capabilities: new Set(capabilities),
  quality: { replaceIfMatch: "none", atomicMove: "never", durability: "server" },
  stat: (key) => statObject(site, key),
  get: (key, options) => getObject(site, key, options),
  native: {
    toPath: (prefix) => urlOf(site.base, prefix),
    toKey: (path) => keyOf(site.base, path)
  },
  classify: classifyExplained
})

const keyOf = (base: URL, path: string): string | undefined => {
  const start = urlOf(base, StorePath.root)
  return path.startsWith(start) ? Option.getOrUndefined(decode(path.slice(start.length))) : undefined
}

const decode = Option.liftThrowable(decodeURIComponent)
