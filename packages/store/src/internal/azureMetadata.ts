// @effect-diagnostics nodeBuiltinImport:off the fastest way to base64 and hexadecimal
/**
 * User metadata as Azure keeps it: names are identifiers of C# without regard to case, values are ASCII. What does not
 * fit is encoded, so that every name and value comes back; what fits is as other clients see it.
 */
import { Buffer } from "node:buffer"

const namePrefix = "sennit_"

const encodeName = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) && !name.startsWith(namePrefix)
    ? name
    : namePrefix + Buffer.from(name).toString("hex")

const decodeName = (name: string): string => {
  const hex = name.startsWith(namePrefix) ? name.slice(namePrefix.length) : ""
  return /^(?:[\da-f]{2})+$/.test(hex) ? Buffer.from(hex, "hex").toString() : name
}

const encodedValue = /^=\?utf-8\?B\?([A-Za-z\d+/=]*)\?=$/

/** RFC 2047's encoded word, one for a value of any length. */
const encodeValue = (value: string): string =>
  /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !encodedValue.test(value)
    ? value
    : `=?utf-8?B?${Buffer.from(value).toString("base64")}?=`

const decodeValue = (value: string): string => {
  const [, base64] = encodedValue.exec(value) ?? []
  return base64 === undefined ? value : Buffer.from(base64, "base64").toString()
}

type Metadata = { readonly [name: string]: string }

/** @internal */
export const encodeMetadata = (metadata: Metadata): { [name: string]: string } =>
  Object.fromEntries(Object.entries(metadata).map(([name, value]) => [encodeName(name), encodeValue(value)]))

/** @internal */
export const decodeMetadata = (metadata: Metadata): Metadata =>
  Object.fromEntries(Object.entries(metadata).map(([name, value]) => [decodeName(name), decodeValue(value)]))
