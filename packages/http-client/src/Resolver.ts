// @effect-diagnostics nodeBuiltinImport:off -- node:dns asks the operating system
/**
 * How names become addresses.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Dns from "node:dns"
import { DnsError } from "./HttpError.ts"

/**
 * Gives the addresses of a host, the preferred first. A pool keeps them for `dnsTtl` and asks once for all who want the
 * same name at the same time; failures are not kept.
 *
 * @example
 * ```ts
 * import { HttpClient, Resolver } from "@sennit/http-client"
 * import * as Effect from "effect/Effect"
 *
 * // one name goes elsewhere, as with curl's --resolve
 * const layer = HttpClient.layerPooled({
 *   resolver: {
 *     resolve: (host) => host === "api.example" ? Effect.succeed(["127.0.0.1"]) : Resolver.system.resolve(host)
 *   }
 * })
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface Resolver {
  readonly resolve: (host: string) => Effect.Effect<ReadonlyArray<string>, DnsError>
}

/**
 * The operating system's resolver (getaddrinfo), with its hosts file and its order of addresses.
 *
 * @since 0.1.0
 * @category resolvers
 */
export const system: Resolver = {
  resolve: (host) =>
    Effect.async((resume) => {
      Dns.lookup(host, { all: true }, (error, addresses) => {
        resume(
          error === null
            ? Effect.succeed(addresses.map(({ address }) => address))
            : Effect.fail(new DnsError({ host, code: error.code ?? "UNKNOWN", cause: error }))
        )
      })
    })
}
