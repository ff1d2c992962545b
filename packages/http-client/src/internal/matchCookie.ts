/** How cookies belong to hosts and paths: RFC 6265bis §5.1. */

const ipv4 = /^\d{1,3}(?:\.\d{1,3}){3}$/

/** An address is no name: nothing is below it. @internal */
export const isAddress = (hostname: string): boolean => hostname.startsWith("[") || ipv4.test(hostname)

/** §5.1.3 @internal */
export const domainMatches = (hostname: string, domain: string): boolean =>
  hostname === domain || (hostname.endsWith(`.${domain}`) && !isAddress(hostname))

/** §5.1.4 @internal */
export const pathMatches = (path: string, cookiePath: string): boolean =>
  path === cookiePath ||
  (path.startsWith(cookiePath) && (cookiePath.endsWith("/") || path.charCodeAt(cookiePath.length) === 0x2f))

/** §5.1.4: what a cookie without a path is for. @internal */
export const defaultPath = (path: string): string => {
  const last = path.lastIndexOf("/")
  return last <= 0 ? "/" : path.slice(0, last)
}

/** The host and every domain above it. @internal */
export const domainsOf = (hostname: string): ReadonlyArray<string> => {
  if (isAddress(hostname)) return [hostname]
  const domains = [hostname]
  for (let dot = hostname.indexOf("."); dot !== -1; dot = hostname.indexOf(".", dot + 1)) {
    domains.push(hostname.slice(dot + 1))
  }
  return domains
}

/** Second-level labels that registries of countries commonly sell names below. */
const registryLabels = new Set(["ac", "co", "com", "edu", "gob", "gov", "gouv", "mil", "ne", "net", "nom", "or", "org"])

/**
 * A rule without a list: names of one label, and names such as co.uk or com.au.
 *
 * @internal
 */
export const isMinimalSuffix = (domain: string): boolean => {
  const labels = domain.split(".")
  const [second = "", top = ""] = labels
  return labels.length === 1 || (labels.length === 2 && top.length === 2 && registryLabels.has(second))
}
