import { addressBytes } from "./parseAddress.ts"

/** One entry of a list of hosts that are asked without a proxy. @internal */
export interface NoProxyRule {
  /** "*", a name, or the bytes of a network. */
  readonly host: string | Uint8Array
  /** Leading bits that count, for a network. */
  readonly bits: number
  /** 0 for any. */
  readonly port: number
}

const parseRule = (entry: string): NoProxyRule | undefined => {
  const [, bracketed, bracketPort] = /^\[([^\]]+)\](?::(\d+))?$/.exec(entry) ?? []
  const [, name, namePort] = /^([^:]+)(?::(\d+))?$/.exec(entry) ?? []
  const host = bracketed ?? name ?? entry
  const port = Number(bracketPort ?? namePort ?? 0)
  const [prefix = "", length, ...more] = host.split("/")
  const address = addressBytes(prefix)
  if (address !== undefined) {
    const most = address.length * 8
    const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN
    return bits <= most && more.length === 0 ? { host: address, bits, port } : undefined
  }
  const bare = host.toLowerCase().replace(/^\*?\./, "").replace(/\.$/, "")
  return bare === "" ? undefined : { host: bare, bits: 0, port }
}

/** The entries of a list, separated by commas or white space; what is no entry matches nothing. @internal */
export const parseNoProxy = (list: string): ReadonlyArray<NoProxyRule> =>
  list.split(/[\s,]+/).flatMap((entry) => {
    const rule = parseRule(entry)
    return rule === undefined ? [] : [rule]
  })

const inNetwork = (address: Uint8Array, network: Uint8Array, bits: number): boolean =>
  address.length === network.length && address.every((byte, index) => {
    const counted = Math.max(0, Math.min(8, bits - index * 8))
    return (byte ^ (network[index] ?? 0)) >> (8 - counted) === 0
  })

/** @internal */
export const matchesNoProxy = (
  rules: ReadonlyArray<NoProxyRule>,
  target: { readonly hostname: string; readonly port: number }
): boolean => {
  if (rules.length === 0) return false
  const name = target.hostname.toLowerCase().replace(/\.$/, "")
  const address = addressBytes(name)
  return rules.some(({ bits, host, port }) => {
    if (port !== 0 && port !== target.port) return false
    if (host === "*") return true
    if (typeof host !== "string") return address !== undefined && inNetwork(address, host, bits)
    return address === undefined && (name === host || name.endsWith(`.${host}`))
  })
}
