/**
 * The Public Suffix List (https://publicsuffix.org) for cookie jars, as the optional peer `tldts` carries it: registries
 * (`co.uk`, `shiga.jp`), and hosts that give names to the public (`github.io`, `vercel.app`).
 *
 * @since 0.1.0
 */
import type * as Layer from "effect/Layer"
import { getPublicSuffix } from "tldts"
import * as CookieJar from "../CookieJar.ts"

/**
 * Whether a domain is a suffix on the list. A domain below no entry has its last label as suffix, as the list says.
 *
 * @example
 * ```ts
 * import { CookieJar } from "@sennit/http-client"
 * import { isPublicSuffix } from "@sennit/http-client/adapters/PublicSuffixList"
 *
 * const jar = CookieJar.make({ publicSuffix: isPublicSuffix })
 * ```
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPublicSuffix: CookieJar.PublicSuffix = (domain) =>
  getPublicSuffix(domain, { allowPrivateDomains: true, extractHostname: false }) === domain

/**
 * A jar that knows the list.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: Omit<CookieJar.CookieJarOptions, "publicSuffix">
): Layer.Layer<CookieJar.CookieJar> => CookieJar.layer({ ...options, publicSuffix: isPublicSuffix })
