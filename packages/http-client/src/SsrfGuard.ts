/**
 * A guard against server-side request forgery: which addresses may be connected to. It is asked once per connection, with every address that the name
 * resolved to, and the connection goes to exactly those addresses: there is no second lookup that could answer
 * differently.
 *
 * @since 0.1.0
 */
import type { AddressRange } from "./internal/classifyAddress.ts"
import { classifyAddress } from "./internal/classifyAddress.ts"

export type { AddressRange } from "./internal/classifyAddress.ts"

/**
 * Where a connection would go.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  /** Host of the URL, in lower case, without brackets. */
  readonly host: string
  readonly port: number
  /** One IP address of the host; undefined when a proxy or a Unix socket decides where the connection ends. */
  readonly address: string | undefined
}

/**
 * Gives the range that forbids a target, or undefined when it is allowed. Where a proxy resolves the name no address can
 * be checked: the guard is asked with an undefined address, and the guards of this module refuse what has no other
 * permission (`unresolved`). An IP address in the URL is checked through a proxy as well. The proxy itself is not.
 *
 * @since 0.1.0
 * @category models
 */
export interface SsrfGuard {
  readonly forbids: (target: Target) => string | undefined
}

/**
 * The range of an IP address: `public`, or one of the special ranges of RFC 6890 and its successors. Addresses that
 * carry an IPv4 address inside (v4-mapped, v4-compatible, NAT64, 6to4, Teredo, ISATAP) are `translated`; the
 * addresses at which clouds serve credentials are `metadata`; what is not an IP address is `invalid`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const rangeOf: (address: string) => AddressRange = classifyAddress

/**
 * Every address is allowed.
 *
 * @since 0.1.0
 * @category policies
 */
export const allowAll: SsrfGuard = { forbids: () => undefined }

/**
 * Public addresses and nothing else.
 *
 * @since 0.1.0
 * @category policies
 */
export const publicOnly: SsrfGuard = {
  forbids: ({ address }) => {
    const range = address === undefined ? "unresolved" : classifyAddress(address)
    return range === "public" ? undefined : range
  }
}

/**
 * Public addresses, the named hosts, and the named ranges. A host is `host` or `host:port` as written in the URL
 * (`"127.0.0.1:8080"`, `"[::1]:8080"`, `"db.internal"`). Metadata addresses are allowed only where their host is
 * named.
 *
 * @example
 * ```ts
 * import { SsrfGuard, HttpClient } from "@sennit/http-client"
 *
 * const layer = HttpClient.layerPooled({
 *   ssrfGuard: SsrfGuard.publicOr({ hosts: ["127.0.0.1:8080"] })
 * })
 * ```
 *
 * @since 0.1.0
 * @category policies
 */
export const publicOr = (options: {
  readonly hosts?: ReadonlyArray<string>
  readonly ranges?: ReadonlyArray<Exclude<AddressRange, "metadata" | "invalid">>
}): SsrfGuard => {
  const hosts = new Set(options.hosts?.map((host) => host.toLowerCase()))
  const ranges = new Set<AddressRange>(options.ranges)
  return {
    forbids: (target) => {
      const host = target.host.includes(":") ? `[${target.host}]` : target.host
      if (hosts.has(host) || hosts.has(`${host}:${target.port}`)) return undefined
      if (target.address === undefined) return "unresolved"
      const range = classifyAddress(target.address)
      return range === "public" || ranges.has(range) ? undefined : range
    }
  }
}
