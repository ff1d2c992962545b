// @effect-diagnostics nodeBuiltinImport:off -- node:net decides what an IP address is
import { isIPv4, isIPv6 } from "node:net"

/** The number that a valid IPv4 address is. @internal */
export const parse4 = (address: string): number =>
  address.split(".").reduce((value, part) => value * 256 + Number(part), 0)

const groupsOf = (text: string): Array<number> =>
  text === "" ? [] : text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)]
    const value = parse4(group)
    return [Math.floor(value / 65_536), value % 65_536]
  })

/** The eight groups of a valid IPv6 address. @internal */
export const parse6 = (address: string): ReadonlyArray<number> => {
  const [left = "", right] = address.split("::")
  const head = groupsOf(left)
  const tail = groupsOf(right ?? "")
  return right === undefined ? head : [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

/** The 4 or 16 bytes of an IP address in network order, undefined for anything else. @internal */
export const addressBytes = (address: string): Uint8Array | undefined => {
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number)
  if (!isIPv6(address) || address.includes("%")) return undefined
  return Uint8Array.from(parse6(address).flatMap((group) => [group >> 8, group & 0xff]))
}
