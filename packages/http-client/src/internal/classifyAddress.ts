// @effect-diagnostics nodeBuiltinImport:off -- node:net decides what an IP address is
import { isIPv4, isIPv6 } from "node:net"
import { parse4, parse6 } from "./parseAddress.ts"

/**
 * Ranges of IP addresses.
 *
 * @since 0.1.0
 * @category models
 */
export type AddressRange =
  | "public"
  | "loopback"
  | "private"
  | "linkLocal"
  | "carrierGradeNat"
  | "multicast"
  | "unspecified"
  | "reserved"
  | "translated"
  | "metadata"
  | "invalid"

const metadata = new Set([
  "169.254.169.254",
  "169.254.170.2",
  "169.254.170.23",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "fd00:ec2:0:0:0:0:0:254",
  "fd00:ec2:0:0:0:0:0:23",
  "fd20:ce:0:0:0:0:0:254"
])

/** Prefix, its length in bits, range; the first match counts. IANA IPv4 Special-Purpose Address Registry. */
const ranges4: ReadonlyArray<readonly [string, number, AddressRange]> = [
  ["0.0.0.0", 32, "unspecified"],
  ["0.0.0.0", 8, "reserved"],
  ["10.0.0.0", 8, "private"],
  ["100.64.0.0", 10, "carrierGradeNat"],
  ["127.0.0.0", 8, "loopback"],
  ["169.254.0.0", 16, "linkLocal"],
  ["172.16.0.0", 12, "private"],
  ["192.0.0.0", 24, "reserved"],
  ["192.0.2.0", 24, "reserved"],
  ["192.88.99.0", 24, "translated"],
  ["192.168.0.0", 16, "private"],
  ["198.18.0.0", 15, "reserved"],
  ["198.51.100.0", 24, "reserved"],
  ["203.0.113.0", 24, "reserved"],
  ["224.0.0.0", 4, "multicast"],
  ["240.0.0.0", 4, "reserved"]
]

const masks4 = ranges4.map(([prefix, bits, range]) => {
  const size = 2 ** (32 - bits)
  return [Math.floor(parse4(prefix) / size), size, range] as const
})

const classify4 = (address: string): AddressRange => {
  if (metadata.has(address)) return "metadata"
  const value = parse4(address)
  return masks4.find(([prefix, size]) => Math.floor(value / size) === prefix)?.[2] ?? "public"
}

const classify6 = (address: string): AddressRange => {
  const groups = parse6(address)
  const [a = 0, b = 0, c = 0] = groups
  if (metadata.has(groups.map((group) => group.toString(16)).join(":"))) return "metadata"
  if (groups.slice(0, 7).every((group) => group === 0)) {
    if (groups[7] === 0) return "unspecified"
    if (groups[7] === 1) return "loopback"
  }
  // an IPv4 address inside: v4-compatible, v4-mapped and v4-translated, NAT64, Teredo, 6to4, ISATAP
  if (groups.slice(0, 4).every((group) => group === 0)) return "translated"
  if (a === 0x64 && b === 0xff9b) return "translated"
  if ((a === 0x2001 && b === 0) || a === 0x2002) return "translated"
  if ((groups[4] === 0 || groups[4] === 0x200) && groups[5] === 0x5efe) return "translated"
  if (a >= 0xff00) return "multicast"
  if ((a & 0xffc0) === 0xfe80) return "linkLocal"
  if ((a & 0xffc0) === 0xfec0) return "private"
  if ((a & 0xfe00) === 0xfc00) return "private"
  // documentation, benchmarking, ORCHID, discard, segment routing and everything outside 2000::/3
  if (a === 0x2001 && (b === 0xdb8 || (b === 2 && c === 0) || (b >= 0x10 && b <= 0x3f))) return "reserved"
  if ((a & 0xfff0) === 0x3ff0) return "reserved"
  return (a & 0xe000) === 0x2000 ? "public" : "reserved"
}

/** @internal */
export const classifyAddress = (address: string): AddressRange => {
  const plain = address.split("%", 1)[0] ?? ""
  if (isIPv4(plain)) return classify4(plain)
  return isIPv6(plain) ? classify6(plain) : "invalid"
}
