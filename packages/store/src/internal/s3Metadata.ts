// @effect-diagnostics nodeBuiltinImport:off
/**
 * User metadata as headers. Headers hold ASCII and names without case, so what does not fit is encoded: values as one
 * encoded word of RFC 2047, which S3 itself uses, names with `%` and two hex digits for each byte.
 */
import { Buffer } from "node:buffer"

const prefix = "x-amz-meta-"

const isPlainValue = (value: string): boolean =>
  /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.includes("=?") && !value.includes("  ")

const encodeValue = (value: string): string =>
  isPlainValue(value) ? value : `=?UTF-8?B?${Buffer.from(value).toString("base64")}?=`

const decodeWord = (encoding: string, text: string): string =>
  encoding.toUpperCase() === "B"
    ? Buffer.from(text, "base64").toString()
    : Buffer.from(
      text.replaceAll("_", " ").replaceAll(/=([\dA-Fa-f]{2})/g, (_, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16))),
      "latin1"
    ).toString()

/** Words of an encoding that we do not know are left as they are. */
const decodeValue = (value: string): string =>
  value.includes("=?")
    ? value
      .replaceAll(/\?=\s+=\?/g, "?==?")
      .replaceAll(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_, encoding: string, text: string) => decodeWord(encoding, text))
    : value

/** Servers lower the case of names, and some make `-` of `_`. */
const encodeName = (name: string): string =>
  /^[a-z\d.-]+$/.test(name)
    ? name
    : Array.from(Buffer.from(name), (byte) => {
      const character = String.fromCharCode(byte)
      return /[a-z\d.-]/.test(character) ? character : `%${byte.toString(16).padStart(2, "0")}`
    }).join("")

const decodeName = (name: string): string =>
  name.includes("%")
    ? Buffer.from(
      name.replaceAll(/%([\dA-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      "latin1"
    ).toString()
    : name

/** @internal */
export const metadataHeaders = (metadata: { readonly [name: string]: string }): { [header: string]: string } =>
  Object.fromEntries(Object.entries(metadata).map(([name, value]) => [prefix + encodeName(name), encodeValue(value)]))

/** @internal */
export const metadataOf = (headers: { readonly [name: string]: string }): { readonly [name: string]: string } =>
  Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [decodeName(name.slice(prefix.length)), decodeValue(value)])
  )
